"""Parts that are given and differ: what is learned in one may not hold in the other."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...fields import Field, Note
from ...fields.spelling import say_differences
from ...wording import count_noun, join_words, rounded_number
from ..splits.spec import PARTS
from .base import MOST_NOTES, SplitView, part_check

# Examples of a part from which on it can be compared.
MIN_PART_EXAMPLES = 50

# Distance between two distributions, of at most 1, beyond what chance gives.
FAR_DISTANCE = 0.25

# Share of a part's values that train never has.
NEW_VALUES_SHARE = 0.01

# Of a part: more would only sharpen a distance that is compared with a quarter.
MOST_ROWS = 20_000

FIX = "find out why: the score is on data unlike train's; shuffle the rows if that is not intended"


@part_check
def find_drift(parts: SplitView) -> Iterator[Note]:
    """Columns whose values in validation or test are others than in train, where the data gives the parts."""
    split = parts.split
    if split is None or not parts.parts_are_given:
        return
    found: list[tuple[str, Note]] = []
    # Times change, as is known.
    level = "info" if parts.data.reading.parting.by == "time" else "warning"
    # What is forecast is an input, too.
    for field in {one.name: one for one in (*parts.data.inputs, *parts.data.targets)}.values():
        for other in PARTS[:0:-1]:
            rows, train = (split[name][:: max(1, len(split[name]) // MOST_ROWS)] for name in (other, "train"))
            if min(len(rows), len(train)) >= MIN_PART_EXAMPLES and (
                text := _explain_drift(parts, field, train, rows, other)
            ):
                action = "nothing: the split is kept as given"
                found.append((field.name, Note(level, text, f"column '{field.name}'", action, FIX)))
                break
    yield from (note for _, note in found[:MOST_NOTES])
    if rest := [name for name, _ in found[MOST_NOTES:]]:
        verb = "differs" if len(rest) == 1 else "differ"
        text = f"{count_noun(len(rest), 'more column')} {verb} between the sets: {join_words(rest)}"
        yield Note(level, text, "", found[-1][1].action, FIX)


def _explain_drift(parts: SplitView, field: Field, train: np.ndarray, rows: np.ndarray, other: str) -> str:
    """How a field's values in the rows of ``other`` differ from train's, in words; empty where they are alike."""
    stored = parts.data.stored_values(field.name)
    # The distance of Kolmogorov and Smirnov that chance passes one time in a hundred.
    chance = 1.63 * math.sqrt(1 / len(train) + 1 / len(rows))
    if field.traits.amount:
        a, b = (np.sort(v[np.isfinite(v)]) for v in (stored.arrays["value"][train], stored.arrays["value"][rows]))
        if not len(a) or not len(b):
            return ""
        if a[-1] < b[0] or b[-1] < a[0]:
            return f"all of {other} is {'above' if a[-1] < b[0] else 'below'} all of train"
        points = np.concatenate([a, b])
        gap = np.abs(np.searchsorted(a, points, "right") / len(a) - np.searchsorted(b, points, "right") / len(b)).max()
        shown = [rounded_number(float(np.median(v)), 4) for v in (a, b)]
        text = f"differs between train and {other}: median {shown[0]} in train, {shown[1]} in {other}"
        return text if gap > FAR_DISTANCE + chance else ""
    if not field.traits.one_class:
        return ""
    values = stored.meta["values"]
    a, b = (np.bincount(stored.arrays["code"][some] + 1, minlength=len(values) + 1) for some in (train, rows))
    new = [values[i] for i in np.flatnonzero((a[1:] == 0) & (b[1:] > 0))]
    unseen = b[1:][a[1:] == 0].sum() / b.sum()
    if unseen > NEW_VALUES_SHARE:
        near = say_differences(new, [values[i] for i in np.flatnonzero(a[1:])])
        return f"{unseen:.0%} of {other} has values that train never has: {join_words((repr(v) for v in new), 3)}{near}"
    gap = np.abs(a / a.sum() - b / b.sum())
    if gap.sum() / 2 > FAR_DISTANCE + chance:
        i = int(gap[1:].argmax())
        shares = f"{a[i + 1] / a.sum():.0%} of train and {b[i + 1] / b.sum():.0%} of {other}"
        return f"differs between train and {other}: '{values[i]}' is {shares}"
    return ""
