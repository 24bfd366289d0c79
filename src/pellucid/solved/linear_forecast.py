"""One linear forecast: what it reads of the past, and its weights.

B batch, T steps of the past, H steps ahead, C channels, D features, K folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..fields import Field
from ..fields.channel import AXIS, columns_of
from ..outputs.future import level_and_scale
from ..storage import forms

KEY = f"channel:{AXIS}"

# Of the context, look-backs that are tried.
SHARES = (0.66, 0.4, 0.25, 0.12)

# Of a constant feature, so that the penalty hardly touches its weight.
CONSTANT = 30.0

# The farthest that a value is bent back from: beyond it sinh has no end.
MOST_BENT = 30.0


@dataclass(frozen=True)
class Variant:
    """What is decided about a linear forecast.

    Attributes:
        length: steps of the past. offset: of the last so many the mean is taken off. penalty: for each example.
        extras: whether it reads the calendar and what is known ahead. shared: one for all channels.
        scaled: each stretch by its own spread. bent: values as their inverse hyperbolic sines.
    """

    length: int
    offset: int = 1
    penalty: float = 0.0
    extras: bool = True
    shared: bool = True
    scaled: bool = False
    bent: bool = False


VARIANT = forms.record(
    {
        **dict.fromkeys(("length", "offset"), forms.whole(1, 1 << 16)),
        "penalty": forms.number(0, 1e6),
        **dict.fromkeys(("extras", "shared", "scaled", "bent"), forms.flag),
    }
)


@dataclass(frozen=True)
class Past:
    """What a forecast can read, from the fields of its network.

    Attributes:
        context, horizon, season: in steps. rhythms: other seasons. calendar: columns of it. relative: there are many
            series, each of which counts by its own scale.
        channels, known, others: the places of targets, of what is known ahead and of channels whose past alone is read,
            among ``total`` channels.
    """

    context: int
    horizon: int
    season: int
    rhythms: tuple[int, ...]
    calendar: int
    relative: bool
    channels: tuple[int, ...]
    known: tuple[int, ...]
    others: tuple[int, ...]
    total: int

    @classmethod
    def of(cls, inputs: Sequence[Field], targets: Sequence[Field]) -> Past:
        own = targets[0].settings
        roles = [f.role for f in inputs if f.traits.moments for _ in range(columns_of(f))]
        steps = {name: int(own[name]) for name in ("context", "horizon", "calendar")}
        return cls(
            **steps,
            season=min(max(int(own["season"]), 1), steps["context"]),
            rhythms=tuple(int(lag) for lag in own["rhythms"]),
            relative=bool(own["relative"]),
            channels=tuple(int(f.settings["place"]) for f in targets),
            known=tuple(i for i, role in enumerate(roles) if role == "known"),
            others=tuple(i for i, role in enumerate(roles) if role == "input"),
            total=len(roles),
        )

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Stretches of what is known ahead that are read, from and to, in steps from the first one ahead."""
        before = min(self.horizon, self.context)
        # All that is ahead, as much before it, and the same a rhythm ago: of the hours of a day those a week before.
        return [(0, self.horizon), (-before, 0), *((-lag, before - lag) for lag in self.rhythms if before < lag)]

    @property
    def extra_count(self) -> int:
        known = len(self.known) * sum(stop - start for start, stop in self.blocks)
        return self.calendar + known + len(self.others) * self.season

    def lengths(self) -> list[int]:
        """Look-backs that are tried: the whole context, rhythms, and shares of the context in whole seasons."""
        found = {self.context, *self.rhythms, *(2 * lag for lag in self.rhythms)}
        for share in SHARES:
            found.add(max(self.season * max(round(share * self.context / self.season), 1), min(4, self.context)))
        return sorted(one for one in found if one <= self.context)

    def values(self, batch: Batch) -> Tensor:  # -> (B, T, C)
        """What the targets were, without gaps."""
        value: Tensor = batch.inputs[KEY]  # type: ignore[assignment]
        return fill_past(value[:, : self.context, list(self.channels)])

    def extras(self, batch: Batch) -> Tensor:  # -> (B, E)
        """The calendar, what is known ahead, and the other channels' last season."""
        value: Tensor = batch.inputs[KEY]  # type: ignore[assignment]
        found = [value[:, self.context - 1, self.total :]]
        for start, stop in self.blocks if self.known else ():
            found.append(value[:, self.context + start : self.context + stop, list(self.known)].flatten(1))
        if self.others:
            found.append(value[:, self.context - self.season : self.context, list(self.others)].flatten(1))
        return torch.cat(found, 1).nan_to_num()


class LinearForecast(nn.Module):
    """A linear map from the past to all steps ahead, and one for each fold that was left out of it.

    Args:
        past: what it can read. own: the variant. folds: K.
    """

    weight: Tensor
    fold_weight: Tensor

    def __init__(self, past: Past, own: Variant, folds: int = 0):
        super().__init__()
        self.past, self.own = past, own
        several = 1 if own.shared else len(past.channels)
        shape = several, own.length + (past.extra_count if own.extras else 0) + 1, past.horizon
        self.register_buffer("weight", torch.zeros(shape))
        self.register_buffer("fold_weight", torch.zeros(folds, *shape))

    def features(self, batch: Batch, length: int) -> tuple[Tensor, Tensor, Tensor]:  # -> (B, C, D), (B, C), (B, C)
        """What it reads, the last known values, which are taken off, and the scale.

        The last ``length`` steps of each channel, extras, a constant.
        """
        past = self.past.values(batch)  # (B, T, C)
        past = past.asinh() if self.own.bent else past
        last = past[:, -1]  # (B, C)
        scale = level_and_scale(past)[1][:, 0] if self.own.scaled else torch.ones_like(last)
        x = past[:, self.past.context - length :] - last.unsqueeze(1)
        x = (x / scale.unsqueeze(1) if self.own.scaled else x).transpose(1, 2)  # (B, C, L)
        parts = [x]
        if self.own.extras and self.past.extra_count:
            parts.append(self.past.extras(batch).unsqueeze(1).expand(-1, x.shape[1], -1))
        parts.append(torch.full_like(x[..., :1], CONSTANT))
        return torch.cat(parts, 2), last, scale

    def goals(self, batch: Batch, last: Tensor, scale: Tensor) -> Tensor:  # (B, C), (B, C) -> (B, C, H)
        """What came, as the map is to say it; NaN where that is not known."""
        true: Tensor = batch.target[:, : self.past.horizon]  # type: ignore[index]
        true = true.asinh() if self.own.bent else true
        return ((true - last.unsqueeze(1)) / scale.unsqueeze(1)).transpose(1, 2)

    def forward(self, batch: Batch, fold: Tensor | None = None) -> Tensor:  # (B,) -> (B, H, C)
        """The forecast. ``fold``: that each example is in, and is answered without; None or -1 for the whole map."""
        own = self.own
        x, last, scale = self.features(batch, own.length)
        shift = x[..., own.length - own.offset : own.length].mean(2, keepdim=True)  # (B, C, 1)
        x = torch.cat([x[..., : own.length] - shift, x[..., own.length :]], 2)
        point = (self._map(x, fold) + shift) * scale.unsqueeze(2) + last.unsqueeze(2)  # (B, C, H)
        point = point.clamp(-MOST_BENT, MOST_BENT).sinh() if own.bent else point
        return point.transpose(1, 2)

    def _map(self, x: Tensor, fold: Tensor | None) -> Tensor:  # (B, C, D), (B,) -> (B, C, H)
        if fold is None:
            return torch.einsum("bcd,cdh->bch", x, self.weight.expand(x.shape[1], -1, -1))
        found = x.new_zeros(*x.shape[:2], self.past.horizon)
        for k in fold.unique().tolist():
            own = fold == k
            weight = self.weight if k < 0 else self.fold_weight[k]
            found[own] = torch.einsum("bcd,cdh->bch", x[own], weight.expand(x.shape[1], -1, -1))
        return found


def fill_past(past: Tensor) -> Tensor:  # (B, T, C) -> (B, T, C)
    """Missing values as the last known one before them, or the first known one after; 0 where none is known."""
    known = past.isfinite()
    if bool(known.all()):
        return past
    steps = torch.arange(past.shape[1], device=past.device).view(1, -1, 1)
    index = torch.where(known, steps, -1).cummax(1).values  # (B, T, C)
    first = torch.where(known, steps, past.shape[1]).amin(1, keepdim=True).clamp_max(past.shape[1] - 1)
    index = torch.where(index < 0, first, index)
    return past.gather(1, index).nan_to_num()
