"""Recordings → features: log-mel frames as a vector, a sequence or a grid.

B batch, S samples, T frames, W samples of a frame, F frequencies, C bands of pitch, P frames of a patch, Q its bands, D
trunk width.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..data.batches.batch import Padded
from ..fields import Field
from ..fields.mel import DEPTH, FLOOR, FRAMES_A_POSITION, mel_form
from ..trunks import Features, Need
from .base import Input, register
from .sound_augment import SoundChanges, hide_stripes

# Of time: parts whose mean spectra stand beside that of the whole, where one vector is read.
PARTS = 5

# Frames and bands of a patch: twelve epochs of 2,250 words take 45 s of a core, with 10 ms by two bands 62 s; which of
# them is better on speakers that were left out is within chance (docs/LOG.md, 2026-11-27).
LEAST_PATCH = 2, 2

# Of the two convolutions along time that what is said is read by: channels between them, and taps of each.
SPOKEN_CHANNELS, SPOKEN_TAPS = 128, 5

# Decibels that a band varies at least, so that one that is always silent keeps a finite scale.
LEAST_SPREAD = 3.0


@register
class Sound(Input):
    """How loud each band of pitch is in frames of 25 ms, every 10 ms: in decibels beside the recording's own mean
    power, so that a level changes nothing, scaled by mean and deviation of each band in training.

    Reads (B, S) int16 samples with each recording's length. Gives a grid (B, T/P, C/Q, D) of patches with a mask, each
    through one linear map with a frame and a band more on each side, as small as the trunk's ``longest`` allows. A
    sequence (B, T/P, D) of patches of frames; where every position answers, 50 of them a second. Or one vector (B, D):
    mean, deviation and change of each band, and its mean in each fifth of the time, through a linear map.

    In training recordings are moved in time, made faster or slower, higher or lower (Jaitly and Hinton, 2013), of
    another colour, noisier, and stripes of time and pitch are hidden (SpecAugment, Park et al., 2019), each only where
    the plan says that the target stays true; all of it by the example's key alone.

    Settings:
        shift: up to which share of its length is cut off at either end; up to 2.5 times as much silence comes there.
        speed: by which share it is made faster or slower at most. pitch: the same of frequencies.
        colour: by which share each pitch is made louder or weaker at most, as another microphone or room has it.
        noise: its power at most, as a share of the recording's.
        mask: how wide the hidden stripes are at most, as shares of time and pitch.
    """

    kind = "sound"
    offers = (2, 1, 0)
    settings: ClassVar = {"shift": 0.0, "speed": 0.0, "pitch": 0.0, "colour": 0.0, "noise": 0.0, "mask": 0.0}
    changes = ("shift", "speed", "pitch", "colour", "noise", "mask")
    batch_size = 64

    mean: Tensor
    scale: Tensor
    window: Tensor
    filters: Tensor

    @classmethod
    def plan(cls, hints: Mapping[str, Any], changes: Collection[str]) -> dict[str, Any]:
        most = {"shift": 0.1, "speed": 0.15, "pitch": 0.2, "colour": 0.3, "noise": 0.06, "mask": 0.15}
        return {name: most[name] if name in changes else 0.0 for name in cls.changes}

    @classmethod
    def suggest_network(cls, examples: int) -> tuple[str, str]:
        return "convolutional", "recordings: what is near in time and pitch belongs together"

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        state = fields[0].state
        assert state is not None
        self.form, self.usual_frames = mel_form(int(state["rate"])), int(state["frames"])
        most = {name: float(self.chosen[name]) for name in self.changes if name != "mask"}
        self.moved = SoundChanges(self.form, **most)
        # What the fields' states tell is no weight of the network.
        scale = 1 / np.maximum(np.array(state["std"]), LEAST_SPREAD)
        constants = {"mean": state["mean"], "scale": scale, "window": self.form.window, "filters": self.form.filters}
        for name, value in constants.items():
            self.register_buffer(name, torch.tensor(np.asarray(value), dtype=torch.float32), persistent=False)

    # -- frames

    @property
    def frame_shape(self) -> tuple[int, int]:
        return self.usual_frames, self.form.bands

    def frames(self, value: Padded[Tensor], key: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Scaled frames (B, T, C), 0 beyond each recording's end, and how many of them are real (B,).

        Args:
            value: samples (B, S) int16 with their lengths, or frames already, with theirs (see ``with_numbers``).
            key: (B,), in training, that changes are drawn from.
        """
        if value.values.ndim == 3:
            return value.values, value.lengths
        # The halves of a GPU's short numbers would not do: a spectrum spans a hundred decibels.
        with torch.autocast(value.values.device.type, enabled=False):
            level, lengths = self.decibels(value)
            if key is not None:
                level, lengths = self.moved(level, lengths, key)
            real = (torch.arange(level.shape[1], device=level.device) < lengths.unsqueeze(1)).unsqueeze(2)  # (B, T, 1)
            x = ((relative_level(level, real) - self.mean) * self.scale).masked_fill(~real, 0.0)
            if key is not None and self.chosen["mask"] > 0:
                x = hide_stripes(x, lengths, key, self.chosen["mask"])
        return x, lengths

    def decibels(self, value: Padded[Tensor]) -> tuple[Tensor, Tensor]:  # -> (B, T, C), (B,)
        """The power in each band, frame by frame, as ``fields.mel.log_mel`` has it."""
        form, samples = self.form, value.values
        lengths = torch.div(value.lengths - form.frame, form.hop, rounding_mode="floor").add(1).clamp_min(1)
        count = max(1, 1 + (samples.shape[1] - form.frame) // form.hop)
        lack = form.frame + (count - 1) * form.hop - samples.shape[1]
        x = samples.to(self.mean.dtype) * (1 / 32768)
        x = nn.functional.pad(x, (0, lack)) if lack > 0 else x
        spectrum = torch.fft.rfft(x.unfold(1, form.frame, form.hop) * self.window, form.spectrum)  # (B, T, F)
        power = (spectrum.real.square() + spectrum.imag.square()) @ self.filters
        return 10 * power.clamp_min(10 ** (FLOOR / 10)).log10(), lengths

    def as_numbers(self, value: Padded[Tensor]) -> Tensor:  # (B, S) -> (B, T, C)
        return self.frames(value)[0]

    def with_numbers(self, value: Padded[Tensor], numbers: Tensor) -> Padded[Tensor]:  # (B, S), (B, T, C) -> (B, T, C)
        return Padded(numbers, self.frames(value)[1])

    def place_axis(self, count: int, patched: bool) -> tuple[np.ndarray, str]:
        tall = self.patch[0] if patched else 1
        return (np.arange(count) + 0.5) * tall * self.form.hop / self.form.rate, "seconds"

    # -- features

    def choose_positions(self, need: Need) -> int:
        # What is said comes in the order of time, so where every position answers there is one axis.
        return super().choose_positions(replace(need, positions=(1,)) if need.every and 1 in need.positions else need)

    def build(self, positions: int, need: Need) -> Sound:
        bands = self.form.bands
        out = need.width
        assert out is not None
        self.positions, self.patch, self.out_width = positions, (1, bands), out
        if positions == 0:
            self.layer: nn.Module = nn.Linear((3 + PARTS) * bands, out)
        elif positions == 2:
            self.patch = tall, wide = grid_patch(self.usual_frames, bands, need.longest)
            layer = nn.Conv2d(1, out, (tall + 2, wide + 2), stride=self.patch, padding=1)
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
            self.layer = layer
        elif need.every:
            self.patch = (FRAMES_A_POSITION, bands)
            self.layer = SpokenLayer(bands, out)
        else:
            tall = -(-self.usual_frames // need.longest) if need.longest else 1
            self.patch = (tall, bands)
            self.layer = nn.Conv1d(bands, out, tall + 2, stride=tall, padding=1)
        return self

    def forward(self, value: Padded[Tensor], key: Tensor | None = None) -> Features:
        # (B, ...) -> (B, T/P, C/Q, D), (B, T/P, D) or (B, D)
        x, lengths = self.frames(value, key)
        if self.positions == 0:
            return Features(self.layer(summarise(x, lengths)), key=key)
        tall, wide = self.patch
        below, right = -x.shape[1] % tall, -x.shape[2] % wide
        x = nn.functional.pad(x, (0, right, 0, below)) if below or right else x
        real = torch.arange(x.shape[1] // tall, device=x.device) * tall < lengths.unsqueeze(1)  # (B, T/P)
        if self.positions == 1:
            own = (lengths,) if isinstance(self.layer, SpokenLayer) else ()
            y = self.layer(x.transpose(1, 2), *own).transpose(1, 2)  # (B, T/P, D)
            return Features(y.masked_fill(~real.unsqueeze(2), 0.0), real, key)
        y = self.layer(x.unsqueeze(1)).permute(0, 2, 3, 1)  # (B, T/P, C/Q, D)
        mask = real.unsqueeze(2).expand(y.shape[:3])
        return Features(y.masked_fill(~mask.unsqueeze(3), 0.0), mask, key)


class SpokenLayer(nn.Module):
    """Two convolutions along time, of which the first halves it: what is said at each position, from 130 ms around it.

    Args:
        bands: C. width: D.
    """

    def __init__(self, bands: int, width: int):
        super().__init__()
        around = SPOKEN_TAPS // 2
        self.first = nn.Conv1d(bands, SPOKEN_CHANNELS, SPOKEN_TAPS, stride=FRAMES_A_POSITION, padding=around)
        self.second = nn.Conv1d(SPOKEN_CHANNELS, width, SPOKEN_TAPS, padding=around)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:  # (B, C, T), (B,) -> (B, D, T / 2)
        y = nn.functional.gelu(self.first(x))
        # Behind a recording's end there is nothing, as behind the end of the longest.
        real = torch.arange(y.shape[2], device=x.device) * FRAMES_A_POSITION < lengths.unsqueeze(1)  # (B, T / 2)
        return self.second(y.masked_fill(~real.unsqueeze(1), 0.0))


def relative_level(level: Tensor, real: Tensor) -> Tensor:  # (B, T, C), (B, T, 1) -> (B, T, C), decibels
    """Each recording beside its own mean power, as ``fields.mel.relative_level`` has it."""
    power = torch.pow(10.0, level / 10).masked_fill(~real, 0.0)
    mean = power.sum((1, 2), keepdim=True) / (real.sum((1, 2), keepdim=True) * level.shape[2])
    return (level - 10 * mean.log10()).clamp_min(-DEPTH)


def grid_patch(frames: int, bands: int, longest: int | None) -> tuple[int, int]:
    """Frames and bands of a patch, so that a recording of so many frames has at most ``longest`` patches.

    Time comes first, in which there is more of the same; pitch once a patch is more than four times as long.

    >>> grid_patch(40, 40, 2304), grid_patch(1000, 64, 2304), grid_patch(1000, 64, 256)
    ((2, 2), (8, 4), (32, 8))
    """
    tall, wide = LEAST_PATCH
    while longest and -(-frames // tall) * -(-bands // wide) > longest:
        if tall < 4 * wide and tall < frames:
            tall *= 2
        elif wide < bands:
            wide *= 2
        else:
            tall *= 2
    return tall, wide


def summarise(x: Tensor, lengths: Tensor) -> Tensor:  # (B, T, C), (B,) -> (B, (3 + PARTS) C)
    """Mean, deviation and mean change of each band, and its mean in each part of the time."""
    steps = torch.arange(x.shape[1], device=x.device)
    count = lengths.view(-1, 1, 1).to(x.dtype)  # (B, 1, 1)
    real = (steps < lengths.unsqueeze(1)).unsqueeze(2)  # (B, T, 1)
    mean = x.sum(1, keepdim=True) / count
    spread = (((x - mean) * real).square().sum(1, keepdim=True) / count + 1e-6).sqrt()
    both = real[:, 1:]
    change = ((x[:, 1:] - x[:, :-1]).abs() * both).sum(1, keepdim=True) / (count - 1).clamp_min(1)
    found = [mean, spread, change]
    # Where each frame lies, as a share of its recording.
    place = (steps + 0.5) / lengths.unsqueeze(1)  # (B, T)
    for part in range(PARTS):
        # A triangle that reaches half into the neighbours: one of few frames has something in every part.
        weight = (1 - (place * PARTS - part - 0.5).abs()).clamp_min(0).unsqueeze(2) * real
        found.append((x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1e-3))
    return torch.cat(found, 2).flatten(1)
