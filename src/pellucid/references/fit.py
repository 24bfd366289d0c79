"""Fits the reference of a data set, or takes it from the cache."""

from __future__ import annotations

import hashlib
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from ..data import Examples, Split
from ..data.cache.cache import key_of
from ..fields import Field
from .bag_of_words import fit_bag_of_words
from .base import BAG, BOOSTING, Reference, reference_for
from .boosting import CELLS_A_THREAD, MOST_CELLS, fit_boosting
from .linear import fit_linear


def fit_reference(
    data: Examples, fields: Mapping[str, Field], split: Split, seconds: float, say: Callable[[str], None]
) -> Reference | None:
    """The reference for this data: from the data's cache, or fitted in about ``seconds`` at most.

    Args:
        fields: inputs and targets with what they learned from the training rows.
        say: is told why there is none, where one would have suited.
    """
    inputs, targets = ([f for f in fields.values() if f.role == role] for role in ("input", "target"))
    name = reference_for(inputs, targets, seconds)
    if name is None:
        return None
    fit = {BOOSTING: fit_boosting, BAG: fit_bag_of_words}.get(name, fit_linear)
    if len(data) * len(inputs) > MOST_CELLS:
        say(f"{name} as a reference is left out: {len(data):,} rows are more than it can hold in memory")
        return None
    about = cache_about(data, [*inputs, *targets], split)
    found = cached_reference(data, about, seconds)
    if found is None and fit is fit_linear:
        # A linear one never stands for what a longer budget brings.
        about = (*about, name)
        found = cached_reference(data, about, seconds)
    if found is not None:
        return found
    began = time.perf_counter()
    with _limit_threads(len(split.train) * len(inputs), fit), warnings.catch_warnings():
        # That it has not converged is said in its name.
        warnings.simplefilter("ignore")
        try:
            made = fit(data, inputs, targets, split, began + 0.9 * seconds)
        # It is no reason to train no network.
        except (ValueError, ArithmeticError, MemoryError) as error:
            say(f"{name} as a reference is left out: {(str(error) or type(error).__name__).splitlines()[0]}")
            return None
    if made is None:
        say(f"{name} as a reference is left out: on this data it takes longer than {seconds:.2g} s")
        return None
    best, shortfall = made
    took = time.perf_counter() - began
    found = Reference(", ".join([name, *shortfall]), took, best.validation, best.test)
    return cache_reference(data, about, "whole" if not shortfall else seconds_level(seconds), found)


# -- kept, so that it is paid for once a split


def cache_about(data: Examples, fields: Sequence[Field], split: Split) -> tuple[Any, ...]:
    """What a kept reference depends on: library, data, parts and fitted fields."""
    rows = [hashlib.sha256(part.tobytes()).hexdigest() for part in split.parts().values()]
    return "reference", version("scikit-learn"), data.fingerprint(), rows, [f.to_json() for f in fields]


def seconds_level(seconds: float) -> int:
    """The power of two at or below ``seconds``: references that had about as long share an entry of the cache."""
    return math.floor(math.log2(seconds))


def cached_reference(data: Examples, about: tuple[Any, ...], seconds: float) -> Reference | None:
    """One that came to its own end, or had about as many seconds at least."""
    # One that had more seconds will do; levels are powers of two, the last one of 18 hours.
    for level in ("whole", *range(seconds_level(seconds), 16)):
        entry = data.cache.get(key_of(*about, level), data.notes.append)
        if entry is not None:
            arrays = entry.arrays
            return Reference(entry.meta["name"], entry.meta["seconds"], arrays["validation"], arrays["test"])
    return None


def cache_reference(data: Examples, about: tuple[Any, ...], level: str | int, found: Reference) -> Reference:
    arrays = {"validation": found.validation, "test": found.test}
    meta = {k: v for k, v in asdict(found).items() if k not in arrays}
    data.cache.get_or_build(key_of(*about, level), lambda _: (arrays, meta), data.notes.append)
    return found


def _limit_threads(cells: int, fit: Callable[..., Any]) -> AbstractContextManager[Any]:
    """As many threads as the work is worth; on a busy machine threads with little to do make it 1,000 times slower."""
    from threadpoolctl import threadpool_limits

    if fit is fit_linear:
        return threadpool_limits(1)
    # Only libraries that are loaded by now are held to the limit.
    import sklearn.ensemble  # noqa: F401

    return threadpool_limits(max(1, min(os.cpu_count() or 1, cells // CELLS_A_THREAD)))
