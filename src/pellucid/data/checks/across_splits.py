"""Examples once they are decoded, in the parts they are learned from and scored on. n rows of the data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...fields import Field, Note, Stored
from ...fields.column import PIECE
from ...wording import count_noun, join_words
from ..batches.order import hash_counters
from ..cache.cache import release_pages
from ..splits.by_time import seconds_of
from ..splits.spec import PARTS
from .base import PART_CHECKS, part_check

if TYPE_CHECKING:
    from ..examples import Dataset
    from ..splits.split import Split

COPIED = "is in train too", "are in train too"

ALMOST = "is nearly the same as one of train", "are nearly the same as one of train"

HASH_BLOCK_BYTES = 1 << 24  # bytes hashed at a time

WORTH, UNWORTHY = 0.01, 0.001  # shares of a part drawn at random that are worth acting on, and not worth saying

MOST_TIMES = 20  # columns looked at for dates

REPEATING = 3  # rows for each different input: so many are no copies but columns of few values

ROUGH, TOO_ROUGH = 100, 25  # examples of a part that scores


class SplitView:
    """What checks of decoded examples look at.

    Attributes:
        data: the data set. split: its parts; None where there are too few rows for any.
        rows: (m,) those that can be used, sorted.
    """

    def __init__(self, data: Dataset, split: Split | None, rows: np.ndarray):
        self.data, self.split, self.rows = data, split, rows

    @cached_property
    def part_index(self) -> np.ndarray:  # (n,) index of PARTS, -1 for none
        part = np.full(len(self.data), -1, np.int8)
        for i, name in enumerate(PARTS):
            if self.split is not None:
                part[self.split[name]] = i
        return part

    @cached_property
    def content_hashes(self) -> dict[str, np.ndarray]:
        """(n,) uint64 for each text and image, equal for equal ones; texts without regard to case and punctuation."""
        own = {f.name: self.data.stored_values(f.name) for f in self.data.inputs if f.kind in ("text", "image")}
        return {name: hashes for name, stored in own.items() if (hashes := value_hashes(stored)) is not None}

    @cached_property
    def example_keys(self) -> np.ndarray | None:  # (m,) uint64, equal for usable rows with equal inputs
        key = np.zeros(len(self.data), np.uint64)
        for i, field in enumerate(self.data.inputs):
            own = self.content_hashes.get(field.name)  # of numbers and words none is kept: there may be many columns
            if own is None and (own := value_hashes(self.data.stored_values(field.name))) is None:
                return None
            key = hash_counters(np.bitwise_xor(key, own, out=key), i)
            release_pages(self.data.stored_values(field.name))
        return key[self.rows] if self.data.inputs else None

    @cached_property
    def shared_keys(self) -> tuple[np.ndarray, int]:
        """Which of ``example_keys`` are there more than once, and how many different ones there are."""
        return find_shared(self.example_keys) if self.example_keys is not None else (np.zeros(0, np.int64), 0)

    def target_codes(self, target: Field) -> np.ndarray:  # (m,) whole numbers for a category, else float64
        array = next(iter(self.data.stored_values(target.name).arrays.values()))
        return np.asarray(array)[self.rows]

    @property
    def parts_are_given(self) -> bool:
        """Whether the data or its user says which row is in which part."""
        return self.data.given_parts() is not None

    @property
    def example_noun(self) -> str:
        """What an example is called."""
        kinds = [f.kind for f in self.data.inputs]
        return kinds[0] if kinds in (["image"], ["text"]) else "row"

    def example_place(self, row: int) -> str:
        """A file where it is one, else a row."""
        return self.data.place(int(row))


def check_examples(data: Dataset, split: Split | None, rows: np.ndarray) -> list[Note]:
    """What is odd about decoded examples and the parts they are in."""
    parts = SplitView(data, split, rows)
    with np.errstate(all="ignore"):  # as in raw
        return [note for check in PART_CHECKS for note in check(parts)]


def find_shared(keys: np.ndarray) -> tuple[np.ndarray, int]:
    """Which keys (sorted places) are there more than once, and how many different keys there are."""
    ordered = np.sort(keys)
    same = ordered[1:] == ordered[:-1]
    twice = np.unique(ordered[1:][same])
    different = len(keys) - int(same.sum())
    del ordered, same
    if not len(twice):
        return np.zeros(0, np.int64), different
    found = []
    for start in range(0, len(keys), PIECE):
        own = keys[start : start + PIECE]
        place = np.searchsorted(twice, own)
        found.append(np.flatnonzero(twice[np.minimum(place, len(twice) - 1)] == own) + start)
    return np.concatenate(found), different


def value_hashes(stored: Stored) -> np.ndarray | None:  # (n,) uint64
    """One number for each value, equal for equal ones; None for a kind that is not known here."""
    from .texts import text_hashes

    arrays = stored.arrays
    if {"bytes", "ends"} <= arrays.keys():
        return text_hashes(stored)
    own = [arrays["pixels"]] if "pixels" in arrays else list(arrays.values())
    if any(len(array) != stored.n for array in own):
        return None
    found = [array_hashes(array) for array in own]
    return found[0] if len(found) == 1 else np.bitwise_xor.reduce([hash_counters(h, i) for i, h in enumerate(found)])


def array_hashes(values: np.ndarray) -> np.ndarray:  # (n, ...) -> (n,) uint64
    """One number an entry: a sum of its bytes, eight at a time, times odd random numbers."""
    flat = values.reshape(len(values), -1)
    size = flat.shape[1] * flat.itemsize
    width = -(-size // 8) * 8
    weights = hash_counters(np.arange(width // 8), 0x1A6E) | np.uint64(1)
    out = np.empty(len(values), np.uint64)
    step = max(1, HASH_BLOCK_BYTES // max(width, 1))
    for start in range(0, len(values), step):
        block = np.ascontiguousarray(flat[start : start + step])
        block = block.view(np.uint8).reshape(len(block), size)
        if width != size:
            block = np.pad(block, ((0, 0), (0, width - size)))
        eights = np.ascontiguousarray(block).view(np.uint64)
        eights = eights ^ (eights >> np.uint64(29))
        out[start : start + step] = (eights * weights).sum(1, dtype=np.uint64)
    return out


def note_across_parts(
    parts: SplitView, first: np.ndarray, other: np.ndarray, noun: str, how: Sequence[str] = COPIED
) -> Iterator[Note]:
    """Of pairs of like rows (``first``, ``other``), those that validation or test have in common with train."""
    if parts.split is None:
        return
    one, two = np.concatenate([first, other]), np.concatenate([other, first])
    found: dict[str, np.ndarray] = {}  # the pairs (row of the part, row of train)
    for i, name in ((2, "test"), (1, "validation")):
        both = (parts.part_index[one] == i) & (parts.part_index[two] == 0)
        if both.any():
            found[name] = np.stack([one[both], two[both]], 1)
    if not found:
        return
    counts = {name: len(np.unique(pairs[:, 0])) for name, pairs in found.items()}
    shares = {name: count / len(parts.split[name]) for name, count in counts.items()}
    pairs = next(iter(found.values()))
    here, train = pairs[pairs[:, 0].argmin()]
    text = join_words(f"{count_noun(count, noun)} of {name} ({shares[name]:.1%})" for name, count in counts.items())
    drawn, flatters = (
        "" if parts.parts_are_given else ", as drawn at random",
        ": the score flatters" if "test" in counts else "",
    )
    text += f" {how[sum(counts.values()) > 1]}{drawn}{flatters}"
    if not parts.parts_are_given and max(shares.values()) < UNWORTHY:
        return
    level = "warning" if parts.parts_are_given or max(shares.values()) >= WORTH else "info"
    action = "nothing is removed: the score may be better than on new data"
    fix = "take one of each out, or keep them in one part"
    yield Note(level, f"{text}, such as {parts.example_place(train)}", parts.example_place(here), action, fix)


@part_check
def same_inputs(parts: SplitView) -> Iterator[Note]:
    """Examples with the same inputs in two parts, however their targets are."""
    keys = parts.example_keys
    if keys is None or not len(keys) or parts.example_noun == "image":  # images are compared one by one elsewhere
        return
    again, different = parts.shared_keys
    if different * REPEATING < len(keys) or not len(again):
        return
    rows = parts.rows[again]  # (s,)
    distinct, inverse = np.unique(keys[again], return_inverse=True)
    order = np.lexsort((np.arange(len(rows)), parts.part_index[rows], inverse))  # those of train first among equal ones
    leads = order[np.searchsorted(inverse[order], np.arange(len(distinct)))]
    copies = np.flatnonzero(leads[inverse] != np.arange(len(rows)))
    how = "has the same inputs as one of train", "have the same inputs as one of train"
    yield from note_across_parts(parts, rows[leads[inverse[copies]]], rows[copies], parts.example_noun, how)


@part_check
def find_contradictions(parts: SplitView) -> Iterator[Note]:
    """The same inputs with different targets: nobody can be right on all of them."""
    if parts.example_keys is None or len(parts.data.targets) != 1 or not len(parts.example_keys):
        return
    (target,) = parts.data.targets
    if target.kind not in ("category", "number"):
        return
    goal, again = parts.target_codes(target), parts.shared_keys[0]
    if goal.ndim != 1 or not len(again):
        return
    group = np.unique(parts.example_keys[again], return_inverse=True)[1]
    value = np.unique(goal[again], return_inverse=True)[1]
    pairs, often = np.unique(group * (value.max() + 1) + value, return_counts=True)
    kinds = np.bincount(pairs // (value.max() + 1))  # (groups,) how many different targets
    rows = np.flatnonzero(kinds[group] > 1)
    if not len(rows):
        return
    most = np.zeros(len(kinds), np.int64)
    np.maximum.at(most, pairs // (value.max() + 1), often)
    lost = int(often.sum() - most.sum())
    level, cap = _note_ceiling(target, parts.example_noun != "row", lost, goal, again, group)
    if level:
        where = parts.rows[again]
        row = where[rows[0]]
        mate = where[np.flatnonzero((group == group[rows[0]]) & (value != value[rows[0]]))[0]]
        many = count_noun(len(rows), f"{parts.example_noun} has", f"{parts.example_noun}s have")
        text = (
            f"{many} the same inputs as another but another '{target.name}': {cap}, such as {parts.example_place(mate)}"
        )
        yield Note(level, text, parts.example_place(row), "all of them stay", "look at them: which one is right?")


def _note_ceiling(
    target: Field, sharp: bool, lost: int, goal: np.ndarray, again: np.ndarray, group: np.ndarray
) -> tuple[str, str]:
    """What same inputs with different targets allow at most, and how grave that is; nothing where it is nothing."""
    if target.kind == "category":
        most = 1 - lost / len(goal)
        return "warning" if most < 0.99 or sharp else "info", f"no network can be right on more than {most:.2%}"
    value = goal[again].astype(np.float64)
    mean = np.bincount(group, value) / np.bincount(group)
    most = 1 - np.square(value - mean[group]).sum() / max(np.square(goal - goal.mean()).sum(), 1e-300)
    level = "warning" if most < 0.99 else "info" if most < 0.9995 else ""
    return level, f"R² can't be above {most:.4f} on all rows"


@part_check
def in_order_of_time(parts: SplitView) -> Iterator[Note]:
    """Rows in order of time that are parted at random: each lies between two it was learned from."""
    if parts.parts_are_given or parts.data.reading.parting.by != "chance":
        return
    for field in [f for f in parts.data.fields.values() if f.kind not in ("number", "text", "image")][:MOST_TIMES]:
        column = parts.data.column(field.name)
        first = next(column.chunks()).series()
        if first is None or not (field.kind == "date" or first.dtype.is_temporal()):
            continue
        times = seconds_of(column)
        if times is not None and _rise_in_time(times):
            text = "rows are in order of time; drawn at random, a row is scored between two that were learned from"
            fix = "to predict what comes next, put later rows into test: --split time"
            yield Note("info", text, f"column '{field.name}'", "parted at random", fix)
            return


def _rise_in_time(times: np.ndarray) -> bool:  # (n,) seconds
    """Whether they never fall and most differ."""
    return len(times) > 2 and bool((np.diff(times) >= 0).all()) and len(np.unique(times)) > len(times) / 2


@part_check
def few_to_score(parts: SplitView) -> Iterator[Note]:
    """A test part so small that its score says little."""
    split = parts.split
    target = parts.data.target
    if split is None or target is None or not 0 < len(split.test) < ROUGH:
        return
    n = len(split.test)
    rough = "the score will be a rough one"
    if target.kind == "category":
        rough = f"a score of 90 % will be known to about ±{196 * math.sqrt(0.9 * 0.1 / n):.0f} points"
    text = f"only {count_noun(n, 'example')} to test on: {rough}"
    fix = "bring more examples, or give the test part a larger share with --split 0.6,0.2,0.2"
    yield Note("warning" if n < TOO_ROUGH else "info", text, "", "the score comes with its interval", fix)
