"""Numbers → features: piecewise-linear embedding.

B batch, F number fields, K bins, E embedding width, D trunk width; *B also has an axis for networks side by side.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from ..fields import Field, Stored, kind_named
from ..trunks import Features, Need
from .base import Input, register, scaled_uniform


@register
class Number(Input):
    """Every number field as its position between the quantiles of the training values, embedded field by field.

    A value is written as how far it has filled each of K bins between training quantiles (0 before, 1 behind, a
    fraction within), which lets a linear layer bend at each of them; that vector, the scaled value itself and a flag
    for a missing value go through a linear map of the field's own. Gorishniy et al., "On Embeddings for Numerical
    Features in Tabular Deep Learning", 2022; we add the scaled value, so that the map stays linear outside the bins.

    With an embedding of 0 the vector is made of those numbers themselves.

    Reads (B, F) float32 with NaN for missing. Gives (B, F * E) for a vector, (B, F, D) for a sequence of fields, and
    without embedding (B, F * (K + 1) + G) for a vector, G being the fields with gaps.

    Settings:
        embedding: E; 0 for none. bins: K at most; None for as many as there are.
    """

    kind = "number"
    offers = (0, 1)
    settings: ClassVar = {"embedding": 8, "bins": None}
    shaping = ("embedding", "bins")

    @classmethod
    def plan(cls, hints: Mapping[str, Any], changes: Collection[str]) -> dict[str, Any]:
        return {name: hints[name] for name in cls.settings if name in hints}

    low: Tensor
    scale: Tensor
    gaps: Tensor

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        edges = [field_edges(field, self.chosen["bins"]) for field in fields]
        bins = max(len(e) for e in edges) - 1
        low = torch.zeros(len(edges), bins)
        width = torch.ones(len(edges), bins)
        used = torch.zeros(len(edges), bins)
        for i, edge in enumerate(edges):
            k = len(edge) - 1
            low[i, :k] = torch.from_numpy(edge[:-1])
            width[i, :k] = torch.from_numpy(np.diff(edge))
            used[i, :k] = 1
        self.register_buffer("low", low)  # (F, K)
        self.register_buffer("scale", used / width)  # (F, K), 0 where a field has fewer bins than K

    def build(self, positions: int, need: Need) -> Number:
        count, bins = self.low.shape
        self.positions = positions
        # Some hundred rows can't teach a map for every field: against the better of scikit-learn's logistic regression
        # and MLP on seven small tables, numbers as they are got -0.9 points after 1,086 steps and 8 numbers a field
        # -1.1; at each table's best number of steps it was +0.4 against +0.7 (docs/LOG.md, 2026-11-22).
        if self.is_plain:
            missing = [i for i, field in enumerate(self.fields) if field.state and field.state["missing"]]
            self.register_buffer("gaps", torch.tensor(missing, dtype=torch.int64))  # (G,)
            self.out_width = count * (bins + 1) + len(missing)
            return self
        each = need.width if positions else self.chosen["embedding"]
        assert each is not None
        self.weight = scaled_uniform(count, bins + 2, each, fan_in=bins + 2)
        self.bias = nn.Parameter(torch.randn(count, each) * 0.02)
        self.out_width = each if positions else count * each
        return self

    def unit_names(self) -> list[str]:
        if not self.is_plain:
            return super().unit_names()
        names = [field.name for field in self.fields]
        bins = [f"{name}, bin {k + 1}" for name in names for k in range(self.low.shape[1])]
        return [*names, *bins, *(f"{names[i]} missing" for i in self.gaps.tolist())]

    def term_name(self, source: Sequence[int]) -> str:
        field, k = source
        bins = self.low.shape[1]
        what = f"how far bin {k + 1} is filled" if k < bins else "itself, scaled" if k == bins else "missing"
        return f"{self.fields[field].name}: {what}"

    @property
    def is_plain(self) -> bool:
        """Whether fields are not embedded."""
        return self.positions == 0 and self.chosen["embedding"] == 0

    def forward(self, value: Tensor, key: Tensor | None = None) -> Features:  # (*B, F) -> (*B, F * E) or (B, F, D)
        # Missing is the training mean, with a flag that says so.
        missing = value.isnan()
        value = value.masked_fill(missing, 0.0)
        filled = ((value.unsqueeze(-1) - self.low) * self.scale).clamp(0, 1)  # (B, F, K)
        if self.is_plain:
            gaps = missing[..., self.gaps].to(value.dtype)  # (B, G)
            return Features(torch.cat([value, (2 * filled - 1).flatten(-2), gaps], -1), key=key)
        filled = filled.masked_fill(missing.unsqueeze(-1), 0.0)
        parts = torch.cat([filled, value.unsqueeze(-1), missing.unsqueeze(-1).to(value.dtype)], dim=-1)  # (B, F, K + 2)
        x = torch.baddbmm(self.bias.unsqueeze(1), parts.transpose(0, 1), self.weight).transpose(0, 1)  # (B, F, E)
        if self.positions == 0:
            x = nnf.relu(x).flatten(1)  # (B, F * E)
        return Features(x, key=key)


def field_edges(field: Field, bins: int | None) -> np.ndarray:
    """The edges of a field's bins, (K + 1,) strictly rising, of ``bins`` at most, in the units of encoded values."""
    edges = scaled_edges(field)
    state = field.state or {}
    if bins == 2 and "median" in state:
        # Two halves: bins over different values would part elsewhere.
        middle = encode_raw([state["median"]], state).astype(np.float32)
        if len(edges) > 2 and edges[0] < middle[0] < edges[-1]:
            return np.array([edges[0], middle[0], edges[-1]])
    return thin_edges(edges, bins)


def thin_edges(edges: np.ndarray, bins: int | None) -> np.ndarray:  # (K + 1,) -> (at most bins + 1,)
    """The edges of at most ``bins`` bins, each of evenly many of the old ones; None leaves them."""
    # Small data can't fill all bins: with 48 of them small tables lost 2.0 points, with 8 1.8 (docs/LOG.md,
    # 2026-11-22).
    if bins is None or len(edges) <= bins + 1:
        return edges
    return edges[np.linspace(0, len(edges) - 1, bins + 1).round().astype(int)]


def scaled_edges(field: Field) -> np.ndarray:
    """The field's bin edges in the units its encoded values have; (K + 1,) float32, strictly rising."""
    assert field.state is not None
    encoded = encode_raw(field.state["edges"], field.state)
    # A column of one value has no two edges: any will do, since nothing depends on it.
    edges = np.unique(encoded[np.isfinite(encoded)]).astype(np.float32)
    return edges if len(edges) >= 2 else np.array([-1.0, 1.0], np.float32)


def encode_raw(values: Sequence[float], state: Mapping[str, Any]) -> np.ndarray:  # (n,) -> (n,)
    """Numbers as the field with this ``state`` encodes them."""
    raw = np.asarray(values, np.float64)
    encoded = kind_named("number").encode(Stored({"value": raw}, {}, len(raw)), state)
    assert isinstance(encoded, np.ndarray)
    return encoded
