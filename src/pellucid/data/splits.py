"""Train, validation, test: as the data gives them or the user asks, else stratified and seeded. n rows, G groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import PellucidError
from ..fields import Note
from ..fields.labels import rarest_label
from .order import hash_counters, stratified_split
from .parting import CARVED, SplitSpec
from .shortfall import STRANGE, check_given, check_labels, find_strange
from .sources import PARTS, SPLIT_WORDS, count_noun, join_words
from .times import Moments, Span, moment_text

if TYPE_CHECKING:
    from .dataset import Dataset

FEWEST = 5  # rows that can be parted at all
MOST_FOLDS = 50  # values of a column that says the parts
DRAWS = 64  # partings of groups tried, at most
WORK = 4_000_000  # rows looked at over all of them
TRUE, FALSE = {"true", "yes", "1", "t", "y"}, {"false", "no", "0", "f", "n"}
EVEN = {"category": "every class", "labels": "rows by their rarest label"}  # what every part has its share of
_GROUPS = 5  # salt of the random order of groups


@dataclass(frozen=True)
class Split:
    """Rows (sorted int64) of each part, and how they came about."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    how: str

    def __getitem__(self, part: str) -> np.ndarray:
        return getattr(self, part)

    def parts(self) -> dict[str, np.ndarray]:
        """The rows by part."""
        return {part: self[part] for part in PARTS}

    def __str__(self) -> str:
        return ", ".join(f"{part} {len(self[part]):,}" for part in PARTS) + f" ({self.how})"


def split_data(data: Dataset, seed: int, fractions: Sequence[float] | None = None) -> Split:
    """The parts of a data set's usable rows; what is left out is noted on it.

    Raises:
        PellucidError: when there are too few examples, groups or moments for the parts.
    """
    rows, parting = data.usable_rows(), data.reading.parting
    if not len(rows):
        why = next((str(note) for note in data.notes if note.level == "error"), "no row has all that is needed")
        raise PellucidError(f"there is no example that can be used ({why})", where=data.name)
    if fractions:
        parting = replace(parting, shares=tuple(fractions), carved=False)
    target = data.target
    classes = None
    if target is not None and target.kind == "category":
        classes = np.asarray(data.stored_values(target.name).arrays["code"])[rows]
    elif target is not None and target.kind == "labels":
        classes = rarest_label([data.stored_values(one.name) for one in data.targets])[rows]
    given = data.given_parts()
    grouped = parting.by == "group" and parting.column is not None
    if grouped:
        group = np.asarray(data.stored_values(str(parting.column)).arrays["code"])[rows]
        own, how = by_group(group, parting, seed, classes)
    elif given is not None:
        own, how = given[0][rows], given[1]  # (n,)
    else:
        return at_random(rows, parting, seed, classes, EVEN.get(target.kind if target else "", ""))
    _say_left_out(data, parting, rows[own < 0])
    if classes is not None and target is not None and target.kind == "category":
        strange = find_strange(classes, own)
        if grouped:
            data.note_dropped(rows[strange], STRANGE)
        own = np.where(strange, -1, own)
    if given is not None and not grouped:
        part = np.full(len(data), -1, np.int64)
        part[rows] = own
        check_given(data, given[0], part)
        check_labels(data, part)
    if parting.by in ("group", "time"):
        return check_filled([rows[own == i] for i in range(3)], how, parting)
    return complete_given_split(own, rows, parting, seed, classes, how)


def _say_left_out(data: Dataset, parting: SplitSpec, rows: np.ndarray) -> None:
    if not len(rows):
        return
    what = {"group": f"without '{parting.column}'", "time": "of no part"}.get(parting.by)
    if what:
        missing = data.missing_at(parting.column or "", rows)
        data.note_dropped(rows[missing], f"without '{parting.column}'")
        data.note_dropped(rows[~missing], "after the last span of time")
    else:
        are = "is" if len(rows) == 1 else "are"
        data.add_note(Note("warning", f"{count_noun(len(rows), 'row')} in none of the given parts {are} left out"))


# -- parts that a column says


def parts_of_words(words: Sequence[str | None]) -> np.ndarray:
    """The part, as index of ``PARTS``, that each word stands for; -1 for none."""
    names = {word: PARTS.index(part) for word, part in SPLIT_WORDS.items()}
    return np.array([-1 if word is None else names.get(word.strip().lower(), -1) for word in words], np.int64)


def parts_of_values(values: Sequence[str], name: str) -> tuple[np.ndarray, str]:
    """The part that each value of a column stands for, and how that was understood.

    Words are taken at their word, yes and no by the column's name (``is_test``), anything else are folds: the last is
    test, the one before it validation, the rest train.

    Args:
        values: all different, in natural order. name: of the column.

    Raises:
        PellucidError: when the values say no parts.
    """
    part = parts_of_words(values)
    if (part == 0).any():
        return part, "given by the data"
    if (part > 0).any():
        shown = join_words(f"'{value}'" for value, i in zip(values, part.tolist(), strict=True) if i > 0)
        what = f"'{name}' says {shown} but nothing of train"
        raise PellucidError(what, fix="write train where rows are to be learned from")
    folded = [value.lower() for value in values]
    if set(folded) <= TRUE | FALSE and (about := _named_part(name)) is not None:
        yes = np.array([value in TRUE for value in folded])
        return np.where(yes, about, 0 if about else 2), f"by '{name}': where it is true is {PARTS[about]}"
    if {"true", "false"} & set(folded):
        raise PellucidError(f"what it means that '{name}' is true is not said by its name", fix="call it is_test")
    if not 2 <= len(values) <= MOST_FOLDS:
        fix = f"to keep rows of one value together write group:{name}" if len(values) > 1 else "bring more folds"
        raise PellucidError(f"'{name}' has {count_noun(len(values), 'value')}, which say no parts", fix=fix)
    part = np.zeros(len(values), np.int64)
    part[-1], how = 2, f"by '{name}': '{values[-1]}' is test"
    if len(values) > 2:
        part[-2], how = 1, f"{how}, '{values[-2]}' validation"
    rest = join_words(f"'{value}'" for value, i in zip(values, part, strict=True) if i == 0)
    return part, f"{how}, {rest} train"


def _named_part(name: str) -> int | None:
    """The part whose name is in the name of a column of yes and no."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    words |= {"test"} if words & {"holdout", "hold", "eval", "heldout"} else set()
    return next((PARTS.index(part) for word, part in SPLIT_WORDS.items() if word in words), None)


def complete_given_split(
    part: np.ndarray, rows: np.ndarray, parting: SplitSpec, seed: int, classes: np.ndarray | None, how: str
) -> Split:
    """Keep the parts that are given; one that is missing is carved out of train.

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
    """Part at random in the given shares, the same shares of every class; ``what`` classes are, in words."""
    even = f", the same shares of {what}" if what else ""
    how = f"{parting.shares_text()} at random, seed {seed}{even}"
    return check_filled(stratified_split(rows, parting.shares, seed, classes), how, parting)


def by_group(
    group: np.ndarray, parting: SplitSpec, seed: int, classes: np.ndarray | None
) -> tuple[np.ndarray, str]:  # (n,), -1 for none -> (n,) part, how
    """Every group in one part only. Of some random partings, the one whose parts come nearest to their shares of every
    class.

    Raises:
        PellucidError: when there are fewer groups than parts.
    """
    known = group >= 0
    names, index = np.unique(group[known], return_inverse=True)  # (G,), (n,)
    asked = sum(share > 0 for share in parting.shares)
    if len(names) < asked:
        raise PellucidError(
            f"'{parting.column}' has {count_noun(len(names), 'different value')}, and {asked} parts need one each",
            fix="bring more groups, or split by something else",
        )
    label = np.zeros(len(index), np.int64) if classes is None else np.unique(classes[known], return_inverse=True)[1]
    count = int(label.max(initial=0)) + 1
    aim = np.outer(parting.shares, np.bincount(label, minlength=count))  # (3, C)
    size = np.bincount(index)  # (G,)
    best, found = np.inf, np.zeros(len(names), np.int64)
    for draw in range(int(np.clip(WORK // max(len(index), 1), 2, DRAWS))):
        order = np.argsort(hash_counters(np.arange(len(names)), seed, draw, _GROUPS), kind="stable")
        part = np.empty(len(names), np.int64)
        part[order] = consecutive_parts(size[order], parting.shares)
        have = np.bincount(part[index] * count + label, minlength=3 * count).reshape(3, count)
        if (off := float(abs(have - aim).sum())) < best:
            best, found = off, part
    own = np.full(len(group), -1, np.int64)
    own[known] = found[index]
    of = join_words(f"{int((found == i).sum()):,} in {name}" for i, name in enumerate(PARTS))
    return own, f"{parting.shares_text()}, every '{parting.column}' in one part only ({of}), seed {seed}"


def group_of(data: Dataset, rows: np.ndarray) -> np.ndarray | None:  # (m,) -> (m,)
    """Whose each of ``rows`` is, as a number, where rows are parted by groups; None where not.

    None also where all are of one group: of it alone nothing can be drawn.
    """
    parting = data.reading.parting
    if parting.by != "group" or parting.column is None:
        return None
    group = np.asarray(data.stored_values(parting.column).arrays["code"])[rows]
    return group if (group != group[:1]).any() else None


def moments_of(data: Dataset, rows: np.ndarray) -> Moments | None:  # (m,)
    """When each of ``rows`` is, where they are parted by time; None where not."""
    if data.reading.parting.by != "time":
        return None
    time, dates = data.row_times()
    return Moments(time[rows], data.reading.parting.column or "", dates)


def consecutive_parts(size: np.ndarray, shares: Sequence[float]) -> np.ndarray:  # (G,) -> (G,) part
    """Groups in their order to train, then validation, then test, cut where it comes nearest to the shares.

    Every part with a share has at least one group; there must be as many.
    """
    asked = [i for i in range(3) if shares[i] > 0]
    ends, total = np.cumsum(size), int(size.sum())
    part, start, goal = np.empty(len(size), np.int64), 0, 0.0
    for place, i in enumerate(asked):
        goal += shares[i] * total
        most = len(size) - (len(asked) - 1 - place)
        end = int(np.clip(abs(ends - goal).argmin() + 1, start + 1, most)) if i != asked[-1] else len(size)
        part[start:end], start = i, end
    return part


# -- parts by time


def by_time(
    time: np.ndarray, parting: SplitSpec, dates: bool, usable: np.ndarray | None = None
) -> tuple[np.ndarray, str]:  # (n,), (n,) bool -> (n,) part, how
    """The earliest rows are train, later ones validation, the last test; rows of one moment stay together.

    Spans of time count from the first row; what comes after them is in no part. After ``rest`` they are the last ones.

    Args:
        time: seconds or other numbers that order the rows, NaN for none, which is in no part. dates: they are seconds.
        usable: the rows that are counted in what is said, all when left out; all are parted.

    Raises:
        PellucidError: when there are fewer moments than parts, or the data ends before the spans do.
    """
    moments, index = np.unique(time[np.isfinite(time)], return_inverse=True)  # (G,), (n,)
    size = np.bincount(index, minlength=len(moments))
    asked = 3 if parting.spans else sum(share > 0 for share in parting.shares)
    if len(moments) < asked:
        have = count_noun(len(moments), "different moment")
        raise PellucidError(f"'{parting.column}' has {have}, and {asked} parts need one each")
    turn = _in_spans(moments, size, parting) if parting.spans else consecutive_parts(size, parting.shares)  # (G,)
    part = np.full(len(time), -1, np.int64)
    part[np.isfinite(time)] = turn[index]
    ends = [
        f"{name} {moment_text(moments[turn == i][0], dates)} to {moment_text(moments[turn == i][-1], dates)}"
        f" ({count_noun(count, 'row')})"
        for i, name in enumerate(PARTS)
        if (count := int((part == i if usable is None else (part == i) & usable).sum()))
    ]
    return part, f"by '{parting.column}': {', '.join(ends)}"


def _in_spans(moments: np.ndarray, size: np.ndarray, parting: SplitSpec) -> np.ndarray:  # (G,) -> (G,) part
    names = (0, 1, 2) if len(parting.spans) == 3 else (0, 2)
    part = np.array([*names, -1])[np.searchsorted(_part_ends(moments, parting.spans), moments, side="right")]
    for i in names:
        if not (part == i).any():
            whole = f"'{parting.column}' goes from {moment_text(moments[0])} to {moment_text(moments[-1])}"
            raise PellucidError(f"{whole}, and none of it is left for {PARTS[i]}", fix="give shorter spans of time")
    if parting.carved:
        train = np.flatnonzero(part == 0)
        part[train] = consecutive_parts(size[train], (1 - CARVED, CARVED, 0)) if len(train) > 1 else 0
    return part


def _part_ends(moments: np.ndarray, spans: Sequence[Span | None]) -> list[float]:
    """When each part ends, which is when the next one begins."""
    known, cuts = [span for span in spans if span is not None], list[float]()
    if spans[0] is not None:
        return [sum(known[:i], Span()).after(moments[0]) for i in range(1, len(known) + 1)]
    for i in range(len(known)):  # counted back from the last row, which is inside
        cuts.append(float(np.nextafter((-sum(known[i:], Span())).after(moments[-1]), np.inf)))
    return [*cuts, np.inf]


def check_filled(parts: list[np.ndarray], how: str, parting: SplitSpec) -> Split:
    total = sum(map(len, parts))
    if total < FEWEST:
        raise PellucidError(
            f"there are too few examples: {count_noun(total, 'row')} that can be used, at least {FEWEST} are needed"
        )
    for name, rows, share in zip(PARTS, parts, parting.shares, strict=True):
        if not len(rows) and (share > 0 or name == "train"):
            raise PellucidError(
                f"no example is left for {name} ({count_noun(total, 'row')} in all)",
                fix="bring more data, or give other shares with --split",
            )
    return Split(parts[0], parts[1], parts[2], how)
