"""Changes of recordings' spectra, drawn from the keys of the examples. B batch, T frames, C bands of pitch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..fields.mel import MelForm
from ..trunks.keyed_random import uniform_numbers

# Decibels: the noise may be so much weaker than it is at most, and sinks or rises so much over the pitch.
NOISE_RANGE, NOISE_TILT = 25.0, 12.0

# Of the pitch, between which a colour changes evenly.
COLOUR_POINTS = 5

# Times as much silence as is cut off at most, from that on.
PADDING = 3.5

# Of a stripe of hidden time and one of hidden pitch: so many of each, every one as wide as it falls.
STRIPES = 2


class SoundChanges:
    """Recordings moved in time, faster or slower, higher or lower, of another colour, noisier.

    Args:
        form: how bands are laid.
        shift, speed, pitch, colour, noise: as the settings of ``inputs.sound.Sound``; 0 for none.
    """

    def __init__(self, form: MelForm, shift: float, speed: float, pitch: float, colour: float, noise: float):
        self.shift, self.speed, self.pitch, self.colour, self.noise = shift, speed, pitch, colour, noise
        self.centres = form.centres.astype(np.float32)
        self.edge = float(np.log1p(form.centres / 700)[0]), float(np.log1p(form.centres / 700)[-1])

    def __call__(self, level: Tensor, lengths: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """The spectra (B, T, C), decibels, and their lengths (B,), each changed as its key says."""
        if self.shift or self.speed:
            level, lengths = self.move_time(level, lengths, key)
        if self.pitch:
            level = self.move_pitch(level, key)
        if self.colour:
            level = level + self.draw_colour(key)
        if self.noise:
            level = self.add_noise(level, lengths, key)
        return level, lengths

    def move_time(self, level: Tensor, lengths: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        # (B, T, C), (B,) -> (B, T', C), (B,)
        """Cut off or longer by silence at either end, read faster or slower; between two frames is their mixture."""
        front, back = (self.shift * (1 - PADDING * uniform_numbers(key, salt)) for salt in (21, 22))
        pace = torch.exp2((2 * uniform_numbers(key, 23) - 1) * np.log2(1 + self.speed))  # (B,)
        whole = lengths.to(level.dtype)
        after = ((1 - front - back) * whole / pace).round().long().clamp_min(1)  # (B,)
        steps = torch.arange(int(after.max()), device=level.device)
        at = (front * whole).unsqueeze(1) + steps * pace.unsqueeze(1)  # (B, T')
        last = (whole - 1).unsqueeze(1)
        outside = ((at < 0) | (at > last)).unsqueeze(2)
        at = at.clamp_min(0).minimum(last)
        low = at.floor()
        share = (at - low).unsqueeze(2)
        first = low.long()
        second = (first + 1).minimum((lengths - 1).unsqueeze(1))
        example = torch.arange(len(level), device=level.device).unsqueeze(1)
        moved = level[example, first] * (1 - share) + level[example, second] * share
        real = (torch.arange(level.shape[1], device=level.device) < lengths.unsqueeze(1)).unsqueeze(2)
        # As silent as the recording itself ever is.
        quiet = level.masked_fill(~real, float("inf")).amin(1, keepdim=True)
        return torch.where(outside, quiet, moved), after

    def move_pitch(self, level: Tensor, key: Tensor) -> Tensor:  # (B, T, C) -> (B, T, C)
        """All frequencies times one factor, as a longer or shorter throat has it; the outermost bands go on outside."""
        factor = torch.exp2((2 * uniform_numbers(key, 24) - 1) * np.log2(1 + self.pitch))  # (B,)
        centres = torch.from_numpy(self.centres).to(level.device)
        # Bands lie evenly on log(1 + frequency / 700).
        bands, (low, high) = len(centres), self.edge
        at = (torch.log1p(factor.unsqueeze(1) * centres / 700) - low) * ((bands - 1) / (high - low))  # (B, C)
        at = at.clamp(0, bands - 1)
        first = at.floor().long()
        share = (at - first).unsqueeze(1)
        second = (first + 1).clamp_max(bands - 1)
        size = (-1, level.shape[1], -1)
        lower, upper = (level.gather(2, one.unsqueeze(1).expand(size)) for one in (first, second))
        return lower * (1 - share) + upper * share

    def draw_colour(self, key: Tensor) -> Tensor:  # (B,) -> (B, 1, C) decibels
        """How much louder each band becomes: a few points of the pitch, and straight lines between them."""
        most = -20 * np.log10(1 - self.colour)
        points = torch.stack([2 * uniform_numbers(key, 51 + i) - 1 for i in range(COLOUR_POINTS)], 1) * most
        return nn.functional.interpolate(points.unsqueeze(1), len(self.centres), mode="linear", align_corners=True)

    def add_noise(self, level: Tensor, lengths: Tensor, key: Tensor) -> Tensor:  # (B, T, C) -> (B, T, C)
        """Noise of one loudness in every frame, beside the recording's mean power."""
        real = (torch.arange(level.shape[1], device=level.device) < lengths.unsqueeze(1)).unsqueeze(2)
        power = torch.pow(10.0, level / 10)
        mean = (power * real).sum((1, 2)) / (lengths * level.shape[2])  # (B,)
        below = NOISE_RANGE * uniform_numbers(key, 25) - 10 * np.log10(self.noise)
        tilt = (2 * uniform_numbers(key, 26) - 1) * NOISE_TILT  # (B,)
        slope = torch.linspace(-0.5, 0.5, level.shape[2], device=level.device) * tilt.unsqueeze(1)  # (B, C)
        strength = mean.unsqueeze(1) * torch.pow(10.0, (slope - below.unsqueeze(1)) / 10)  # (B, C)
        places = torch.arange(level.shape[1] * level.shape[2], device=level.device)
        draw = uniform_numbers(key.unsqueeze(1) + (places + 1) * 0x1000193, 27).view(level.shape)
        # The power of noise in a band falls as the exponential distribution has it.
        noise = strength.unsqueeze(1) * -torch.log1p(-draw)
        return 10 * (power + noise).log10()


def hide_stripes(x: Tensor, lengths: Tensor, key: Tensor, share: float) -> Tensor:  # (B, T, C) -> (B, T, C)
    """Stripes of time and of pitch set to the mean (0), each up to ``share`` of its axis wide."""
    steps, bands = (torch.arange(size, device=x.device) for size in x.shape[1:])
    for stripe in range(STRIPES):
        for axis, places, salt in ((lengths, steps, 31), (torch.full_like(lengths, x.shape[2]), bands, 41)):
            size = axis.to(x.dtype)
            wide = share * size * uniform_numbers(key, salt + 2 * stripe)  # (B,)
            start = (size - wide) * uniform_numbers(key, salt + 2 * stripe + 1)
            middle = places + 0.5
            hidden = (middle >= start.unsqueeze(1)) & (middle < (start + wide).unsqueeze(1))
            x = x.masked_fill(hidden.unsqueeze(2) if places is steps else hidden.unsqueeze(1), 0.0)
    return x
