"""What parts of an example add to one number of its answer, or to one more than to another: of columns and of places.

P columns, U units; *places are the pixels, tokens or steps of an input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..wording import number_text
from . import fields as columns
from .attribution.hiding import left_out
from .attribution.place_blocks import draw_places, is_photo, photo_pixels
from .attribution.places import places_of
from .attribution.variants import own_sample
from .base import Subject
from .blocks import Bars, Block, Curves, Picture, Table
from .evidence import LOST_BADGE, draw_left_out, evidence_badge, evidence_of, has_no_slope, map_of_parts, shown_layers
from .fields import fields_badge
from .result import Badge

# Columns and words that are listed; letters of what a column holds.
MOST_LISTED, MOST_WORDS, MOST_LETTERS = 16, 8, 24

WORST_FIRST = ("failed", "suggestive", "checked", "exact")


@dataclass(frozen=True)
class Side:
    """What parts add to one number of an answer, raw.

    Attributes:
        columns: (P,); None where there is but one. places: by input layer, (*places), or (U,) what is lost without each
            unit where the answer has no slope. gap: how far places miss the answer. told: whether they can be told.
    """

    columns: np.ndarray | None
    places: Mapping[int, np.ndarray]
    gap: float = 0.0
    told: bool = True


def side_of(subject: Subject, index: int) -> Side:
    """What each part adds to the number ``index`` of the raw answer, beside kept training examples."""
    network, sample = subject.network, replace(own_sample(subject), index=index)
    assert subject.training is not None
    own = None
    if columns.suits(subject) is None:
        others = columns.every_reference(subject, subject.training, columns.MOST)
        own = columns.swap_fields(network, sample, columns.players_of(network), others, columns.MOST).shares
    places, gaps, told = {}, [0.0], True
    for i in shown_layers(subject):
        if has_no_slope(subject):
            places[i] = np.nan_to_num(left_out(subject, sample, places_of(network, i, sample)))
            continue
        found = evidence_of(subject, sample, i)
        places[i] = map_of_parts(network, i, found)
        gaps.append(found.gap)
        told = told and found.told
    return Side(own, places, max(gaps), told)


@dataclass(frozen=True)
class Apart:
    """What sets one number of an answer apart: from another, or, with one side, from kept training examples.

    Attributes:
        subject: whose. sides: one, or the given answer and the other. names: what they are called. scale: of raw
            numbers, to units.
    """

    subject: Subject
    sides: Sequence[Side]
    names: Sequence[str]
    scale: float = 1.0
    held: Sequence[str] = field(default_factory=tuple)

    @classmethod
    def of(cls, subject: Subject, indices: Sequence[int], names: Sequence[str], scale: float = 1.0) -> Apart:
        held = [held_text(subject, player) for player in columns.players_of(subject.network)]
        return cls(subject, [side_of(subject, index) for index in indices], names, scale, held)

    def _of_columns(self) -> np.ndarray | None:
        first, *rest = [side.columns for side in self.sides]
        if first is None:
            return None
        return (first - sum(other for other in rest if other is not None)) * self.scale  # type: ignore[no-any-return]

    def _of_places(self, i: int) -> np.ndarray:
        first, *rest = [side.places[i] for side in self.sides]
        return (first - sum(rest)) * self.scale  # type: ignore[no-any-return]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        own = self._of_columns()
        found = {} if own is None else {"columns": own}
        return found | {f"places.{i}": self._of_places(i) for i in self.sides[0].places}

    @property
    def badge(self) -> Badge:
        """The worst of the badges of what is shown."""
        # Where every column has places of its own, these say all that is said.
        own = [
            player for player in columns.players_of(self.subject.network) if player.layer not in self.sides[0].places
        ]
        found = [fields_badge(self.subject)] if own and self.sides[0].columns is not None else []
        if self.sides[0].places:
            gap, told = max(side.gap for side in self.sides), all(side.told for side in self.sides)
            found.append(LOST_BADGE if has_no_slope(self.subject) else evidence_badge(self.subject, gap, told=told))
        if not found:
            return Badge("exact", "Forward passes alone.")
        return min(found, key=lambda badge: WORST_FIRST.index(badge.level))

    def ranked(self) -> list[tuple[str, float]]:
        """Every part with its value, by name: squares, words or stretches of inputs that have such, else columns."""
        found: list[tuple[str, float]] = []
        own, layers = self._of_columns(), self.subject.network.layers
        for i in self.sides[0].places:
            places = places_of(self.subject.network, i, own_sample(self.subject))
            values = self._of_places(i)
            each = values if has_no_slope(self.subject) else places.sums(values)
            whose = f" ({layers[i].fields[0].name})" if len(layers) > 1 else ""
            found += [(f"{name}{whose}", float(v)) for name, v in zip(places.names, each, strict=True)]
        if own is not None:
            players = columns.players_of(self.subject.network)
            apart = zip(players, self.held, own.tolist(), strict=True)
            found += [(held, value) for player, held, value in apart if player.layer not in self.sides[0].places]
        return found

    def draw(self, caption: str) -> list[Block]:
        """The drawings of the difference, and beside it each side."""
        blocks: list[Block] = []
        own = self._of_columns()
        if own is not None:
            order = np.argsort(-abs(own), kind="stable")[:MOST_LISTED]
            blocks.append(Bars(caption, [self.held[k] for k in order], own[order].tolist(), "adds"))
            if len(self.sides) > 1:
                sides = [side.columns for side in self.sides]
                rows: list[list[Any]] = [[self.held[k], *_cells(sides, k), float(own[k])] for k in order]
                blocks.append(Table("", ("column", *self._headings()), rows))
        for i in self.sides[0].places:
            blocks += self._draw_places(i, caption)
        return blocks

    def _headings(self) -> list[str]:
        return [*(f"adds to {name}" for name in self.names), "difference"]

    def _draw_places(self, i: int, caption: str) -> list[Block]:
        network, sample = self.subject.network, own_sample(self.subject)
        layer, places = network.layers[i], places_of(network, i, sample)
        about = f"{caption} (in '{layer.fields[0].name}')" if len(network.layers) > 1 else caption
        values, several = self._of_places(i), len(self.sides) > 1
        each = [side.places[i] * self.scale for side in self.sides]
        if has_no_slope(self.subject):
            return draw_left_out(network, sample, places, values, f"{about}; what is lost without each part")
        if is_photo(layer):
            pixels = photo_pixels(network, i, sample)
            sides = zip(self.names, each, strict=True) if several else ()
            return [Picture(about, pixels, values), *(Picture(f"For {n} alone", pixels, v) for n, v in sides)]
        blocks = draw_places(network, i, sample, values, about)
        if several and layer.fields[0].traits.prose:
            sums, total = [places.sums(one) for one in each], places.sums(values)
            order = np.argsort(-abs(total), kind="stable")[:MOST_WORDS]
            rows: list[list[Any]] = [[places.names[k], *(float(s[k]) for s in sums), float(total[k])] for k in order]
            blocks.append(Table("", ("word", *self._headings()), rows))
        elif several:
            axis, label = layer.place_axis(values.shape[0], False)
            curves = {name: one.tolist() for name, one in zip(self.names, each, strict=True)}
            blocks.append(Curves("Each of the two alone", axis.tolist(), curves, label))
        return blocks


def held_text(subject: Subject, player: columns.Player) -> str:
    """A column with what it holds in the example, where that is short."""
    found = [own for own in subject.network.layers[player.layer].fields if own.name == player.name]
    if not found or subject.data is None or subject.example is None or not found[0].traits.tabular:
        return player.name
    if found[0].traits.moments:
        return player.name
    shown = found[0].traits.show(subject.data.stored_values(player.name), int(subject.example.rows[0]))
    if not isinstance(shown, str) or not shown:
        return player.name
    return f"{player.name} = {shown if len(shown) <= MOST_LETTERS else f'{shown[:MOST_LETTERS]}…'}"


def _cells(sides: Sequence[np.ndarray | None], k: int) -> list[float]:
    return [float(side[k]) for side in sides if side is not None]


def say_strongest(ranked: Sequence[tuple[str, float]], given: str, other: str) -> str:
    """Which part speaks most for one answer rather than another, and which the other way."""
    if not ranked:
        return ""
    high, low = max(ranked, key=lambda one: one[1]), min(ranked, key=lambda one: one[1])
    said = []
    if high[1] > 0:
        said.append(f"'{high[0]}' speaks most for {given} over {other} ({number_text(high[1], 3)})")
    if low[1] < 0:
        most = f"most for {other}" if said else f"speaks most for {other} over {given}"
        said.append(f"'{low[0]}' {most} ({number_text(-low[1], 3)})")
    return f"{'; '.join(said)}." if said else "No part sets the two apart."
