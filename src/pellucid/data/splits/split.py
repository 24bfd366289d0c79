"""Train, validation, test: as the data gives them or the user asks, else stratified and seeded. n rows, G groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...errors import PellucidError
from ...fields import Note
from ...fields.encoded import missing_rows
from ...fields.notes import LEFT_OUT
from ...wording import count_noun
from .by_column import parts_of_values, parts_of_words
from .by_group import by_group
from .by_order import carve_documents, order_parts
from .by_time import by_time
from .by_window import part_windows
from .spec import PARTS, SplitSpec
from .stratify import stratified_split
from .unusable import STRANGE, check_given, check_labels, find_strange

if TYPE_CHECKING:
    from ..examples import Examples

# That can be parted at all, with something in every part to learn from, choose on and score on.
FEWEST_ROWS = 5


@dataclass(frozen=True)
class Split:
    """The examples of each part, by their rows, sorted int64, and in ``how`` what they came about by, for people.

    Attributes:
        learned: the rows whose values are learned from, where they are others than the examples of train: all of its
            time, and not only where a forecast starts.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    how: str
    learned: np.ndarray | None = None

    @property
    def learned_rows(self) -> np.ndarray:
        """The rows that states of fields are learned from."""
        return self.train if self.learned is None else self.learned

    def __getitem__(self, part: str) -> np.ndarray:
        return getattr(self, part)

    def parts(self) -> dict[str, np.ndarray]:
        """The rows by part."""
        return {part: self[part] for part in PARTS}

    def __str__(self) -> str:
        return ", ".join(f"{part} {len(self[part]):,}" for part in PARTS) + f" ({self.how})"


def split_data(data: Examples, seed: int, fractions: Sequence[float] | None = None) -> Split:
    """The parts of a data set's usable rows; what is left out is noted on ``data``.

    Args:
        seed: of what is drawn. fractions: of train, validation and test, in place of what was asked for.

    Raises:
        PellucidError: when there are too few examples, groups or moments for the parts.
    """
    if data.reading.forecast is not None:
        rows, own, how = part_windows(data)
        train, validation, test = (np.flatnonzero(own == i) for i in range(3))
        return Split(train, validation, test, how, np.flatnonzero(rows == 0))
    rows, parting = data.usable_rows(), data.reading.parting
    if not len(rows):
        why = next((str(note) for note in data.notes if note.level == "error"), "no row has all that is needed")
        raise PellucidError(f"no example can be used ({why})", where=data.name)
    if fractions:
        parting = replace(parting, shares=tuple(fractions), carved=False)
    target = data.target
    classes = None
    if target is not None and target.traits.stratified:
        classes = target.traits.strata([data.stored_values(one.name) for one in data.targets])[rows]
    given = given_parts(data)
    grouped = parting.by == "group" and parting.column is not None
    if grouped:
        group = np.asarray(data.stored_values(str(parting.column)).arrays["code"])[rows]
        own, how = by_group(group, parting, seed, classes)
    elif parting.by == "order":
        own, how = order_parts(data, rows)
    elif given is not None:
        own, how = given[0][rows], given[1]  # (n,)
    else:
        return at_random(rows, parting, seed, classes, target.traits.stratified if target else "")
    _say_left_out(data, parting, rows[own < 0])
    # Scoring on a class that nothing was learned of says nothing of the network.
    if classes is not None and target is not None and target.traits.one_class:
        strange = find_strange(classes, own)
        if grouped:
            data.note_dropped(rows[strange], STRANGE)
        own = np.where(strange, -1, own)
    if given is not None and not grouped:
        part = np.full(len(data), -1, np.int64)
        part[rows] = own
        check_given(data, given[0], part)
        check_labels(data, part)
    # A part that is missing here was asked for so: carving it out of train at random would part groups, or time.
    if parting.by in ("group", "time", "order"):
        return check_filled([rows[own == i] for i in range(3)], how, parting)
    if data.documents is not None:
        own, carved = carve_documents(data, rows, own, seed)
        return check_filled([rows[own == i] for i in range(3)], how + carved, parting)
    return complete_given_split(own, rows, parting, seed, classes, how)


def given_parts(data: Examples) -> tuple[np.ndarray, str] | None:
    """(n,) index in ``PARTS`` of each row by a column of parts or of times, -1 for none, and how that came about.

    None where there is no such column, so that chance decides.
    """
    parting = data.reading.parting
    if parting.by == "time":
        time, dates = data.row_times()
        return by_time(time, parting, dates, data.usable_mask())
    field = next((f for f in data.fields.values() if f.role == "split"), None)
    if field is None:
        return None
    stored = data.stored_values(field.name)
    values = stored.meta["values"]
    of, how = parts_of_values(values, field.name) if parting.asked else (parts_of_words(values), "given by the data")
    # A missing value has code -1, which picks the last: none.
    part = np.append(of, -1)[stored.arrays["code"]]
    return (part, how) if (part == 0).any() else None


def _missing_at(data: Examples, name: str, rows: np.ndarray) -> np.ndarray:  # (m,) -> (m,) bool
    """Which of ``rows`` have no value in the column ``name`` that they are split by."""
    if data.reading.parting.by == "time":
        return np.isnan(data.row_times()[0][rows])
    return missing_rows(data.stored_values(name))[rows]


def _say_left_out(data: Examples, parting: SplitSpec, rows: np.ndarray) -> None:
    """Note on ``data`` why ``rows`` (m,) are in no part."""
    if not len(rows):
        return
    what = {"group": f"without '{parting.column}'", "time": "of no part"}.get(parting.by)
    if what:
        missing = _missing_at(data, parting.column or "", rows)
        data.note_dropped(rows[missing], f"without '{parting.column}'")
        data.note_dropped(rows[~missing], "after the last span of time")
    else:
        are = "is" if len(rows) == 1 else "are"
        text = f"{count_noun(len(rows), 'row')} in none of the given sets {are} left out"
        data.add_note(Note("warning", text, action=LEFT_OUT))


def complete_given_split(
    part: np.ndarray, rows: np.ndarray, parting: SplitSpec, seed: int, classes: np.ndarray | None, how: str
) -> Split:
    """The split with the parts that are given, and one that is missing carved out of train at random.

    Args:
        part: (n,) index of ``PARTS`` of each of ``rows``, -1 for rows in none, which are left out.
        rows: (n,) sorted; ``classes``: (n,) the class of each, None for no classes. how: the parts came about.
    """
    parts, shares = [rows[part == i] for i in range(3)], parting.shares
    for i in (2, 1):
        if not len(parts[i]) and shares[i] > 0:
            own = None if classes is None else classes[np.searchsorted(rows, parts[0])]
            parts[0], parts[i] = stratified_split(parts[0], (1 - shares[i], shares[i]), seed, own)
            how += f"; {PARTS[i]} is {shares[i]:.0%} of train at random, seed {seed}"
    return check_filled(parts, how, parting)


# -- parts by chance


def at_random(rows: np.ndarray, parting: SplitSpec, seed: int, classes: np.ndarray | None, what: str = "") -> Split:
    """A random split of ``rows`` (n,) in the shares asked for, the same of every class (n,); ``what`` names classes."""
    even = f", stratified by {what}" if what else ""
    how = f"{parting.shares_text()} at random, seed {seed}{even}"
    return check_filled(stratified_split(rows, parting.shares, seed, classes), how, parting)


def check_filled(parts: list[np.ndarray], how: str, parting: SplitSpec) -> Split:
    """The split of these three parts. Raises PellucidError when one with a share is empty or all are few."""
    total = sum(map(len, parts))
    if total < FEWEST_ROWS:
        raise PellucidError(
            f"there are too few examples: {count_noun(total, 'row')} that can be used,"
            f" at least {FEWEST_ROWS} are needed"
        )
    for name, rows, share in zip(PARTS, parts, parting.shares, strict=True):
        if not len(rows) and (share > 0 or name == "train"):
            raise PellucidError(
                f"no example is left for {name} ({count_noun(total, 'row')} in all)",
                fix="add more data, or give other shares with --split",
            )
    return Split(parts[0], parts[1], parts[2], how)
