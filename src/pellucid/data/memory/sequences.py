"""Columns in memory whose cells are sequences of numbers: series and recordings. n cells, T values of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields.recordings import HIGHEST_RATE, LOWEST_RATE, pack_samples
from ..series.series_file import SERIES_KIND, list_series
from ..source import ReadOptions
from .columns import NAME, MemoryColumns

# What is called so beside a column of recordings says how many samples a second they have.
RATES = ("rate", "sampling_rate", "sample_rate")

SOUND_KIND = "sound"


def add_sequences(
    names: Sequence[str], columns: Sequence[Any], memory: MemoryColumns, options: ReadOptions
) -> set[str]:
    """Add the columns of series and of recordings; the names that are done with.

    A column is one of recordings where ``kinds`` says so, where a single rate stands beside it, or where its cells say
    their own (``{"array": …, "sampling_rate": …}``); one of series where ``kinds`` says so or cells of numbers are
    unlike long. A run knows what it reads.

    Raises:
        PellucidError: for recordings without a rate.
    """
    cells = {name: found for name, own in zip(names, columns, strict=True) if (found := _cells_of(own)) is not None}
    beside = {name: own for name, own in zip(names, columns, strict=True) if name in RATES}
    rate = next((name for name in beside if name not in cells), None)
    single = rate is not None and _is_one(beside[rate])
    done: set[str] = set()
    for name, (own, rates) in cells.items():
        asked = options.kinds.get(name, "")
        heard = asked == SOUND_KIND or rates is not None or (single and not asked)
        if heard:
            told = rates if rates is not None else None if rate is None else beside[rate]
            memory.columns[name] = _recordings(name, own, told)
            memory.kinds[name] = SOUND_KIND
            done |= {name} | ({rate} if rate is not None and rates is None else set())
        elif asked == SERIES_KIND or (not asked and (_is_read(name, own, options) or _unlike(own))):
            made = _series(name, own)
            memory.columns |= made
            memory.kinds |= dict.fromkeys(made, SERIES_KIND)
            done.add(name)
    return done


def _cells_of(column: Any) -> tuple[list[np.ndarray | None], list[Any] | None] | None:
    """Cells that are arrays of numbers, and the rates that they say themselves; None for a column of anything else."""
    if isinstance(column, pl.Series) or not hasattr(column, "__len__") or isinstance(column, str | Mapping):
        return None
    if isinstance(column, np.ndarray) and column.dtype != object:
        return (list(column), None) if column.ndim in (2, 3) and column.dtype.kind in "iuf" else None
    if hasattr(column, "dtype") and column.dtype.kind != "O":
        return None
    items = column.to_list() if hasattr(column, "to_list") else list(column)
    present = [i for i, one in enumerate(items) if one is not None and not (isinstance(one, float) and one != one)]
    # Most columns are of words.
    if not present or isinstance(items[present[0]], str | int | float):
        return None
    keys = {"array", "sampling_rate"}
    spoken = all(isinstance(items[i], Mapping) and keys <= items[i].keys() for i in present)
    found: list[np.ndarray | None] = [None] * len(items)
    rates = [0] * len(items)
    for i in present:
        found[i] = _numbers(items[i]["array"] if spoken else items[i])
        rates[i] = items[i]["sampling_rate"] if spoken else 0
        if found[i] is None:
            return None
    return found, rates if spoken else None


def _is_one(rate: Any) -> bool:
    """Whether it is one rate, and no column of them."""
    return isinstance(rate, str) or not hasattr(rate, "__len__")


def _numbers(value: Any) -> np.ndarray | None:
    """A cell as an array of numbers with one or two axes; None for any other."""
    value = value.detach().cpu().numpy() if hasattr(value, "detach") else value
    if not isinstance(value, np.ndarray | list | tuple):
        return None
    try:
        array = np.asarray(value)
    # Lists within lists, of unlike lengths.
    except ValueError:
        return None
    return array if array.ndim in (1, 2) and array.dtype.kind in "iuf" and array.size else None


def _is_read(name: str, cells: Sequence[np.ndarray | None], options: ReadOptions) -> bool:
    """Whether a run reads these as series: under their name, or that of the first of several channels."""
    known = [one for one in cells if one is not None]
    if not all(one.dtype.kind == "f" for one in known):
        return False
    lines = all(one.ndim == 1 for one in known)
    return (name if lines else f"{name}_1") in options.names


def _unlike(cells: Sequence[np.ndarray | None]) -> bool:
    """Whether these are lines of numbers of several lengths: whole numbers in lists are labels."""
    known = [one for one in cells if one is not None]
    lines = all(one.ndim == 1 for one in known) and any(one.dtype.kind == "f" for one in known)
    return lines and len({len(one) for one in known}) > 1


def _series(name: str, cells: Sequence[np.ndarray | None]) -> dict[str, pl.Series]:
    """A column of lists, or one for each channel of cells (C, T) or (T, C), of which C is the same in all."""
    known = [one for one in cells if one is not None]
    if all(one.ndim == 1 for one in known):
        return {name: list_series(name, cells)}
    first = len({one.shape[0] for one in known if one.ndim == 2}) == 1 and all(one.ndim == 2 for one in known)
    last = len({one.shape[-1] for one in known}) == 1 and all(one.ndim == 2 for one in known)
    if not first and not last:
        raise PellucidError("its series have different numbers of channels", where=f"column '{name}'")
    # Where both are the same in all, there are fewer channels than values.
    if not first or (last and known[0].shape[0] > known[0].shape[1]):
        cells = [None if one is None else one.T for one in cells]
    channels = next(len(one) for one in cells if one is not None)
    each = ([None if one is None else one[c] for one in cells] for c in range(channels))
    return {f"{name}_{c + 1}": list_series(f"{name}_{c + 1}", own) for c, own in enumerate(each)}


def _recordings(name: str, cells: Sequence[np.ndarray | None], rates: Any) -> pl.Series:
    """Samples as the contents of files of sound, null where there are none."""
    where = f"column '{name}'"
    if rates is None:
        raise PellucidError(
            "how many samples a second its recordings have is not said",
            where=where,
            fix=f"pass it beside them: {{'{name}': […], 'rate': 16000}}",
        )
    every = [rates] * len(cells) if _is_one(rates) else list(rates)
    if len(every) != len(cells):
        raise PellucidError(f"there are {len(cells):,} recordings and {len(every):,} rates", where=where)
    packed: list[bytes | None] = []
    for row, (samples, rate) in enumerate(zip(cells, every, strict=True)):
        if samples is None:
            packed.append(None)
            continue
        if not isinstance(rate, int | float | np.number) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
            what = f"the rate {str(rate)[:40]} is none from {LOWEST_RATE:,} to {HIGHEST_RATE:,} samples a second"
            raise PellucidError(what, where=f"{NAME}, row {row:,}, {where}")
        packed.append(pack_samples(samples, round(float(rate))))
    return pl.Series(name, packed, pl.Binary)
