"""How much each row counts, where a column says so. n rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from ..errors import PellucidError
from ..fields import Column, Field
from ..fields.notation import POINT
from ..fields.number import format_number, parse_numbers
from ..wording import count_noun

FIX = "give every row a number of 0 or more"


def weight_field(column: Column) -> Field:
    """The field of a column of weights.

    Raises:
        PellucidError: when it holds words, a negative or infinite number, or nothing above 0.
    """
    series = column.series()
    if series is None or not (series.dtype.is_numeric() or series.dtype in (pl.String, pl.Boolean, pl.Null)):
        raise PellucidError(f"the weights '{column.name}' are not numbers", fix=FIX)
    # True counts as 1, False as 0: a column that says which rows to learn from.
    plain = series.cast(pl.Int8) if series.dtype == pl.Boolean else series
    value = parse_numbers(plain, column.decimal)[0].to_numpy()  # (n,), NaN where there is none
    if not np.isfinite(value).any():
        raise PellucidError(f"the weights '{column.name}' are not numbers", fix=FIX)
    for wrong, what in ((value < 0, "is negative"), (np.isinf(value), "is infinite")):
        if wrong.any():
            rows = "" if wrong.sum() == 1 else f", and {count_noun(int(wrong.sum()) - 1, 'other')}"
            raise PellucidError(f"a weight {what}{rows}", where=column.place(int(wrong.argmax())), fix=FIX)
    known = value[np.isfinite(value)]
    if not known.any():
        raise PellucidError(f"the weights '{column.name}' are all 0", fix=FIX)
    reason = (
        f"how much each row counts, from {format_number(float(known.min()))} to {format_number(float(known.max()))}"
    )
    settings = {"decimal": column.decimal} if column.decimal != POINT else {}
    return Field(column.name, "number", "weight", reason, settings)


def check_parts(weight: np.ndarray, parts: dict[str, np.ndarray], name: str) -> None:
    """Raises PellucidError for a part (rows by its name) that counts for nothing."""
    for part, rows in parts.items():
        if len(rows) and not weight[rows].any():
            raise PellucidError(f"all weights '{name}' of the {part} set are 0", fix="split the rows otherwise")


def loss_weights(
    sample: np.ndarray | None,
    train: np.ndarray,
    by_class: np.ndarray | None = None,
    code: np.ndarray | None = None,
    lengths: np.ndarray | None = None,
) -> np.ndarray | None:  # (n,), (rows,), (C,), (n,), (n,) -> (n,) float32
    """How much each example's loss counts: 1 on average over the training rows; None where all count the same.

    Args:
        sample: how much each row counts. train: the training rows.
        by_class: how much each class counts, ``code``: the class of each row, -1 for none.
        lengths: tokens of each row where each of them has a loss of its own: the average is over these.
    """
    if sample is None and by_class is None:
        return None
    weight = np.ones(len(code if sample is None else sample)) if sample is None else sample.copy()  # type: ignore[arg-type]
    if by_class is not None and code is not None:
        # Class -1, none, picks the last entry: it counts as usual.
        weight *= np.append(by_class, 1.0)[code]
    # 1 on average, so that a learning rate means the same with weights and without.
    mean = float(np.average(weight[train], weights=None if lengths is None else lengths[train]))
    if not mean > 0:
        raise PellucidError("all weights of the training set are 0", fix="give some class or row a weight above 0")
    return (weight / mean).astype(np.float32)


def balanced_weights(counts: Mapping[str, int]) -> dict[str, float]:
    """Weights that let every class count the same in all, as scikit-learn's ``class_weight="balanced"``.

    >>> balanced_weights({"cat": 30, "dog": 10})
    {'cat': 0.6666666666666666, 'dog': 2.0}
    """
    here = {label: count for label, count in counts.items() if count}
    return {label: sum(here.values()) / (len(here) * count) for label, count in here.items()}
