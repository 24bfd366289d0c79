"""Examples that are kept by themselves, to be looked at where the data they are from is gone.

n kept rows, the examples first; behind them, of forecasts, the moments around them. P places, K stretches of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from ..errors import PellucidError
from ..fields import Column, Field, Stored, kind_named
from ..storage import forms
from ..storage.forms import FormError
from .cache.bundle import pack_columns, unpack_column
from .cache.cache import CacheEntry, MemoryCache, digest_arrays, key_of
from .documents.windows import encode_passages, tokens_before
from .examples import Examples, Reading, as_entry, entry_values
from .kept_columns import KeptColumns
from .timeline.forecast import UTC, Forecast
from .timeline.stretches import Stretches
from .timeline.timeline import Timeline, fill_missing
from .timeline.windows import forecast_of

# The arrays beside the columns': the kept rows' numbers in the data, of passages the token before each (runs from
# before it was kept have none), and of forecasts where they stand in time.
BUNDLE, ROWS, BEFORE, PLACE, LENGTHS, START, SKIPPED = (
    "bundle", "rows", "before", "place", "lengths", "start", "skipped",
)  # fmt: skip

# A file may be anyone's.
MOST_ROWS = 1 << 24

# Of the entries of arrays in the bundle.
TYPES = ("|u1", "<i2", "<i4", "<i8", "<f8")


def check_place(value: Any, where: str) -> None:
    """The form of where an array lies in the bundle: type, shape, first byte."""
    forms.list_of(forms.anything, 3, 3)(value, where)
    forms.one_of(*TYPES)(value[0], where)
    forms.list_of(forms.whole(0, 1 << 32), 1, 4)(value[1], where)
    forms.whole()(value[2], where)


ABOUT = {
    "meta": forms.map_of(forms.anything),
    "n": forms.whole(0, MOST_ROWS),
    "notes": forms.list_of(forms.anything, most=0),
}

COLUMN = forms.record(
    {"arrays": forms.map_of(check_place, most=10), "meta": forms.record(ABOUT), "digest": forms.text(64)}
)

FORM = forms.record(
    {
        "name": forms.text(),
        "layout": forms.text(),
        "files": forms.flag,
        "places": forms.list_of(forms.text()),
        "ids": forms.map_of(forms.list_of(forms.maybe(forms.text()))),
        "columns": forms.map_of(COLUMN),
        "lines": forms.maybe(forms.list_of(forms.text())),
    }
)

# Arrays and JSON that say all there is of some kept examples.
Packed = tuple[dict[str, np.ndarray], dict[str, Any]]


class KeptExamples(Examples):
    """Examples that were kept: everything that reads examples reads these, but for what was in the source besides.

    The first ``examples`` rows are the examples, the rest is what forecasts look back at.

    Args:
        packed: as of ``pack_examples``. fields: that read them, fitted. forecast: what is forecast, if anything is.

    Attributes:
        rows: (n,) their numbers in the data they are from, -1 for a moment that has no row there.

    Raises:
        FormError, ValueError: for what ``pack_examples`` never makes.
    """

    # Where rows come from is kept one by one.
    _row_places = None

    def __init__(self, packed: Packed, fields: Sequence[Field], forecast: Forecast | None = None):
        arrays, about = packed
        FORM(about, "kept")
        self.examples, self.rows = len(about["places"]), arrays[ROWS]
        names = {f.name: len(self.rows) for f in fields}
        if about["columns"].keys() != names.keys() or self.rows.shape != (len(self.rows),):
            raise FormError("its columns are not those of the run")
        if self.examples > len(self.rows) or (about["lines"] is None and self.examples < len(self.rows)):
            raise FormError("it has not as many places as rows")
        reading = Reading(
            about["name"], about["layout"], len(self.rows), True, list(fields), files=about["files"], forecast=forecast
        )
        super().__init__(None, reading, key_of("kept examples"), self._refuse, MemoryCache())
        self._packed = packed
        self._line = _timeline_of(packed, forecast)
        self.tokens_before = arrays.get(BEFORE)
        _check_before(self.tokens_before, len(self.rows), fields)
        ids = {name: Column(name, pl.Series(name, own, pl.String)) for name, own in about["ids"].items()}
        self.kept = KeptColumns(ids)
        for field in fields:
            self.stored_values(field.name)

    def subset(self, rows: np.ndarray) -> KeptExamples:
        """Some of the examples, (m,) of their numbers here, in this order."""
        arrays, about = self._packed
        order = np.concatenate([rows, np.setdiff1d(np.arange(len(self)), rows)]) if self._line is not None else rows
        columns = {name: kind_named(f.kind).take(self.stored_values(name), order) for name, f in self.fields.items()}
        own = {name: array[order] if name in (ROWS, BEFORE, PLACE) else array for name, array in arrays.items()}
        titles = {"places": [about["places"][row] for row in rows]}
        ids = {"ids": {name: [values[row] for row in rows] for name, values in about["ids"].items()}}
        return KeptExamples(
            _pack_stored(columns, own, about | titles | ids), list(self.fields.values()), self.reading.forecast
        )

    def _refuse(self) -> Any:
        raise PellucidError(
            "the run keeps examples as the network reads them, and not the data they are from",
            where=self.reading.name,
            fix="give the data itself",
        )

    def _stored_entry(self, name: str) -> CacheEntry:
        arrays, about = self._packed
        entry = unpack_column(CacheEntry({BUNDLE: arrays[BUNDLE]}, about["columns"], ""), name)
        stored, field = entry_values(entry), self.fields[name]
        if stored.n != len(self) or len(stored.bad):
            raise FormError(f"'{name}' has not the values of its rows")
        kind_named(field.kind).check_stored(stored, field.state or {})
        # What stands for the content elsewhere is made of the content, whatever the file says.
        return CacheEntry(entry.arrays, entry.meta, digest_arrays(entry.arrays, entry.meta))

    @cached_property
    def timeline(self) -> Timeline | None:
        return self._line

    def usable_rows(self) -> np.ndarray:
        return np.arange(self.examples)

    def place(self, row: int) -> str:
        own = self._packed[1]["places"]
        return own[row] if row < len(own) else f"row {int(self.rows[row]):,}"


def pack_examples(data: Examples, fields: Sequence[Field], rows: np.ndarray) -> Packed:
    """Some examples, to be made ``KeptExamples`` of.

    Args:
        fields: fitted, that read them. rows: (m,) usable ones, in the order that they shall have.
    """
    line, about = data.timeline, data.reading.forecast
    kept, names = rows, None
    arrays: dict[str, np.ndarray] = {}
    values: Mapping[str, Stored]
    if line is not None and about is not None:
        kept, arrays, names, values = _pack_moments(data, fields, rows, line, about)
    else:
        values = {f.name: kind_named(f.kind).take(data.stored_values(f.name), rows) for f in fields}
        for field in fields:
            if field.traits.written:
                arrays[BEFORE] = tokens_before(encode_passages(data, field))[rows]
    ids = {f.name: _id_values(data, f.name, rows) for f in data.fields.values() if f.role == "id"}
    meta = {
        "name": data.reading.name,
        "layout": data.reading.layout,
        "files": data.reading.files,
        "places": [data.place(row) for row in rows.tolist()],
        "ids": ids,
        "lines": names,
    }
    return _pack_stored(values, {ROWS: kept.astype(np.int64), **arrays}, meta)


def _check_before(before: np.ndarray | None, n: int, fields: Sequence[Field]) -> None:
    """Raises FormError for what are not the tokens before n passages."""
    if before is None:
        return
    size = min((int((f.state or {})["size"]) for f in fields if f.traits.written), default=0)
    if before.dtype.str != "<i4" or before.shape != (n,) or not ((before > 0) & (before < size)).all():
        raise FormError("it has not the tokens before its passages")


def example_bytes(data: Examples, fields: Sequence[Field], rows: np.ndarray) -> np.ndarray:  # (m,) -> (m,)
    """The bytes that the values of each of ``rows`` take where rows are examples."""
    sizes = [kind_named(f.kind).row_bytes(data.stored_values(f.name), rows) for f in fields]
    return np.sum(sizes, 0) if sizes else np.zeros(len(rows), np.int64)


def moment_bytes(data: Examples, fields: Sequence[Field], rows: np.ndarray) -> int:  # (m,) -> bytes
    """The bytes that ``rows`` take together where rows are moments: with all that lies around them."""
    about, line = forecast_of(data)
    stretches = Stretches.around(line, line.place[rows], about)
    # The values, and where each row stands and is from.
    return len(stretches) * 8 * (len(fields) + 2)


def _pack_moments(
    data: Examples, fields: Sequence[Field], rows: np.ndarray, line: Timeline, about: Forecast
) -> tuple[np.ndarray, dict[str, np.ndarray], list[str], dict[str, Stored]]:
    """The rows (n,), the arrays that say where they stand, the names of their series, and their values by field."""
    stretches = Stretches.around(line, line.place[rows], about)
    places = stretches.places
    first = np.searchsorted(places, line.place[rows])
    # The examples first, as everywhere.
    order = np.concatenate([first, np.setdiff1d(np.arange(len(places)), first)])
    cut = stretches.cut(line)
    starts = stretches.first[stretches.first > line.first[line.series_of(stretches.first)]]
    values = {}
    # What is the same all along a series is that of the row before, where there is a gap.
    known = np.maximum.accumulate(np.where(line.row >= 0, np.arange(len(line.row)), 0))
    rows_of = line.row[known[places]][order]
    for field in fields:
        stored = data.stored_values(field.name)
        if not field.traits.moments:
            values[field.name] = kind_named(field.kind).take(stored, rows_of)
            continue
        own = line.arrange(np.asarray(stored.arrays["value"], np.float64))
        if about.fill:
            filled = fill_missing(own[:, None].copy(), line, about.fill)[:, 0]
            own[starts] = filled[starts]
        values[field.name] = Stored({"value": own[places][order]}, dict(stored.meta), len(order))
    arrays = {PLACE: order, LENGTHS: cut.lengths, START: cut.start, SKIPPED: cut.skipped}
    return line.row[places][order], arrays, list(cut.names), values  # type: ignore[return-value]


def _timeline_of(packed: Packed, forecast: Forecast | None) -> Timeline | None:
    """Where kept moments stand in time. Raises FormError for what no timeline is."""
    arrays, about = packed
    if forecast is None or about["lines"] is None:
        if forecast is not None or about["lines"] is not None:
            raise FormError("it is of another sort of data than the run")
        return None
    place, lengths, start, skipped = (arrays[name] for name in (PLACE, LENGTHS, START, SKIPPED))
    wholes = (place, lengths, skipped, arrays[ROWS])
    good = all(one.dtype.str == "<i8" and one.ndim == 1 for one in wholes) and start.dtype.str == "<f8"
    good = good and lengths.shape == skipped.shape == start.shape == (len(about["lines"]),)
    good = good and bool((lengths > 0).all() and (lengths < 1 << 32).all() and np.isfinite(start).all())
    good = good and bool((skipped >= 0).all() and (skipped < 1 << 40).all())
    ends = np.cumsum(lengths)
    if not good or not np.array_equal(np.sort(place), np.arange(len(arrays[ROWS]))) or ends[-1:].sum() != len(place):
        raise FormError("its moments do not fit each other")
    names, utc = tuple(about["lines"]), forecast.clock == UTC
    return Timeline(place, ends - lengths, ends, start, names, forecast.step, forecast.doubles, skipped, utc)


def _pack_stored(values: Mapping[str, Stored], arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Packed:
    """Values by field beside what is known of their rows."""
    bundle, columns = pack_columns(list(values), lambda name: as_entry(values[name]))
    return {**arrays, **bundle}, {**meta, "columns": columns}


def _id_values(data: Examples, name: str, rows: np.ndarray) -> list[str | None]:
    """What stands in a column of ids in some rows, from the cache, so that the source stays closed."""

    def build_entry(_: Any) -> tuple[dict[str, np.ndarray], Any]:
        return {}, list(_words_at(data.column(name), rows))

    key = key_of("ids of some", data._key, name, rows.tolist())
    return list(data.cache.get_or_build(key, build_entry, data.add_note).meta)


def _words_at(column: Column, rows: np.ndarray) -> Iterator[str | None]:
    series = column.series()
    if series is None or series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
        return iter([None] * len(rows))
    return iter(series.gather(rows).cast(pl.String, strict=False).to_list())
