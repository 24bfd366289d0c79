"""Examples once they are decoded, in the parts they are learned from and scored on. n rows of the data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ...fields import Field, Note
from ...wording import count_noun, join_words
from ..splits.by_time import seconds_of
from .base import SplitView, part_check

COPIED = "is in train too", "are in train too"

ALMOST = "is nearly the same as one in train", "are nearly the same as one in train"

# Of a part drawn at random, the share of copies that is worth acting on, and the one below which it is not worth
# saying.
ACT_SHARE, SAY_SHARE = 0.01, 0.001

# Columns looked at for dates: parsing is slow, and one that is in order is enough.
MOST_DATE_COLUMNS = 20

# Rows for each different input: where there are so many, equal rows are no copies but come from columns of few values.
ROWS_AN_INPUT = 3

# With 100 examples, 90% right is known to ±6 points; with 25, to ±12.
FEW_TEST_EXAMPLES, TOO_FEW_TEST_EXAMPLES = 100, 25


def note_across_parts(
    parts: SplitView, first: np.ndarray, other: np.ndarray, noun: str, how: Sequence[str] = COPIED
) -> Iterator[Note]:
    """Of pairs of like rows (``first``, ``other``), those that validation or test have in common with train."""
    if parts.split is None:
        return
    one, two = np.concatenate([first, other]), np.concatenate([other, first])
    # By part the pairs (row of the part, row of train).
    found: dict[str, np.ndarray] = {}
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
    drawn = " (random split)" if parts.data.reading.parting.by == "chance" and not parts.parts_are_given else ""
    flatters = ": the score may be too good" if "test" in counts else ""
    text += f" {how[sum(counts.values()) > 1]}{drawn}{flatters}"
    if not parts.parts_are_given and max(shares.values()) < SAY_SHARE:
        return
    level = "warning" if parts.parts_are_given or max(shares.values()) >= ACT_SHARE else "info"
    action = "nothing: the score may be better than on new data"
    fix = "remove one of each, or keep both in the same set"
    text += f"; the one in train is {parts.example_place(train)}"
    yield Note(level, text, parts.example_place(here), action, fix)


@part_check
def same_inputs(parts: SplitView) -> Iterator[Note]:
    """Examples with the same inputs in two parts, however their targets are."""
    keys = parts.example_keys
    # Photos and recordings are compared one by one elsewhere.
    if keys is None or not len(keys) or [bool(f.traits.suffixes) for f in parts.data.inputs] == [True]:
        return
    again, different = parts.shared_keys
    if different * ROWS_AN_INPUT < len(keys) or not len(again):
        return
    rows = parts.rows[again]  # (s,)
    distinct, inverse = np.unique(keys[again], return_inverse=True)
    # Those of train first among equal ones, so that each copy is set against a row that was learned from.
    order = np.lexsort((np.arange(len(rows)), parts.part_index[rows], inverse))
    leads = order[np.searchsorted(inverse[order], np.arange(len(distinct)))]
    copies = np.flatnonzero(leads[inverse] != np.arange(len(rows)))
    how = "has the same inputs as one in train", "have the same inputs as one in train"
    yield from note_across_parts(parts, rows[leads[inverse[copies]]], rows[copies], parts.example_noun, how)


@part_check
def find_contradictions(parts: SplitView) -> Iterator[Note]:
    """The same inputs with different targets: nobody can be right on all of them."""
    if parts.example_keys is None or len(parts.data.targets) != 1 or not len(parts.example_keys):
        return
    (target,) = parts.data.targets
    if not target.traits.plain:
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
        text = f"{many} the same inputs as another but a different '{target.name}': {cap}, "
        text += f"such as {parts.example_place(mate)}"
        yield Note(level, text, parts.example_place(row), "all are kept", "check which one is right")


def _note_ceiling(
    target: Field, sharp: bool, lost: int, goal: np.ndarray, again: np.ndarray, group: np.ndarray
) -> tuple[str, str]:
    """What same inputs with different targets allow at most, and how grave that is; nothing where it is nothing."""
    if target.traits.one_class:
        most = 1 - lost / len(goal)
        return "warning" if most < 0.99 or sharp else "info", f"accuracy can't be above {most:.2%}"
    value = goal[again].astype(np.float64)
    mean = np.bincount(group, value) / np.bincount(group)
    # Where all values are equal the spread is 0, and nothing is to be divided by it.
    most = 1 - np.square(value - mean[group]).sum() / max(np.square(goal - goal.mean()).sum(), 1e-300)
    level = "warning" if most < 0.99 else "info" if most < 0.9995 else ""
    return level, f"R² can't be above {most:.4f} on all rows"


@part_check
def in_order_of_time(parts: SplitView) -> Iterator[Note]:
    """Rows in order of time that are split at random: each lies between two it was learned from."""
    if parts.parts_are_given or parts.data.reading.parting.by != "chance":
        return
    cells = [f for f in parts.data.fields.values() if f.traits.tabular and not f.traits.amount]
    for field in cells[:MOST_DATE_COLUMNS]:
        column = parts.data.column(field.name)
        first = next(column.chunks()).series()
        if first is None or not (field.traits.moment or first.dtype.is_temporal()):
            continue
        times = seconds_of(column)
        if times is not None and _rise_in_time(times):
            text = "rows are in time order; with a random split, test rows lie between training rows"
            fix = "to predict what comes next, test on the latest rows: --split time"
            yield Note("info", text, f"column '{field.name}'", "split at random", fix)
            return


def _rise_in_time(times: np.ndarray) -> bool:  # (n,) seconds
    """Whether they never fall and most differ."""
    return len(times) > 2 and bool((np.diff(times) >= 0).all()) and len(np.unique(times)) > len(times) / 2


@part_check
def few_to_score(parts: SplitView) -> Iterator[Note]:
    """A test set so small that its score says little."""
    split = parts.split
    target = parts.data.target
    if split is None or target is None or not 0 < len(split.test) < FEW_TEST_EXAMPLES:
        return
    n = len(split.test)
    rough = "the score will be rough"
    if target.traits.one_class:
        rough = f"an accuracy of 90% would be uncertain by ±{196 * math.sqrt(0.9 * 0.1 / n):.0f} points"
    text = f"only {count_noun(n, 'example')} to test on: {rough}"
    fix = "add more examples"
    fix += " of test" if parts.parts_are_given else ", or give the test set a larger share with --split 0.6,0.2,0.2"
    yield Note("warning" if n < TOO_FEW_TEST_EXAMPLES else "info", text, "", "the score comes with its interval", fix)
