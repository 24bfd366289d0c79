"""Examples: fields with their values, read when they are asked for and kept in the cache. n examples."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from dataclasses import field as kept
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..activity import activity
from ..errors import PellucidError, UsageError, enough_memory, unknown_name
from ..fields import Column, Encoded, Field, Note, Ragged, Stored, kind_named
from ..fields.encoded import Into, allocate_in_memory, is_none
from ..fields.notes import LEFT_OUT
from ..wording import count_noun, is_or_are
from .cache.bundle import bundle_of, pack_columns, unpack_column
from .cache.cache import CacheEntry, MemoryCache, code_of, key_of, release_pages
from .kept_columns import KeptColumns
from .schema import columns_listed
from .source import Contents, without_compression
from .splits.by_time import ordering_values
from .splits.spec import SplitSpec
from .tables.table import Places, kept_places
from .timeline.forecast import UTC, Forecast
from .timeline.moments import timeline_of
from .timeline.step import ROWS
from .timeline.timeline import Timeline
from .timeline.windows import forecast_starts, season_scales
from .transcripts import TOO_SHORT, find_too_short

if TYPE_CHECKING:
    from typing_extensions import Self


# What texts need to be learned from.
LABELS_FIX = "to classify texts, give a table with a column of labels beside them, or a folder of texts for each class"

# Why an example is left out. It is told from other reasons by identity, so it is one object.
UNREADABLE = "that could not be read"


@dataclass(frozen=True)
class Reading:
    """What reading found out, without the values themselves; plain JSON in the cache.

    Attributes:
        name, layout: the source as messages call it, and a sentence on what it is.
        n: number of examples.
        named: False when column names are made up, because the table has no header.
        columns: of the source, in their order, used or not; none that only the layout knows.
        files: each example is a file of its own. untold: why there is nothing to predict, where a name would not help.
        fields: in the order of the source.
        first: the first rows, as read (``first_rows``).
        forecast: what is to be forecast, where rows are moments of series; None elsewhere.
        why: what makes the target the target; empty when there is none.
        classes: how many examples each class of a category target has, the commonest first.
        given: how many examples each part has, where the data gives the parts.
        parting: how rows come into parts; ``parted``: the same in words.
        document: the column that says which document a row is a passage of; empty where rows are none.
    """

    name: str
    layout: str
    n: int
    named: bool
    fields: list[Field]
    why: str = ""
    classes: dict[str, int] = kept(default_factory=dict)
    given: dict[str, int] = kept(default_factory=dict)
    parting: SplitSpec = kept(default_factory=SplitSpec)
    parted: str = ""
    notes: list[Note] = kept(default_factory=list)
    columns: list[str] = kept(default_factory=list)
    first: list[dict[str, str | None]] = kept(default_factory=list)
    files: bool = False
    untold: str = ""
    forecast: Forecast | None = None
    document: str = ""

    def to_json(self) -> dict[str, Any]:
        plain = {k: v for k, v in vars(self).items() if k not in ("fields", "notes", "forecast")}
        plain["forecast"] = self.forecast and self.forecast.to_json()
        plain |= {"parting": self.parting.to_json(), "fields": [f.to_json() for f in self.fields]}
        return plain | {"notes": [asdict(note) for note in self.notes]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reading:
        typed = {
            "fields": [Field.from_json(f) for f in data["fields"]],
            "notes": [Note(**note) for note in data["notes"]],
            "parting": SplitSpec.from_json(data["parting"]),
            "forecast": data["forecast"] and Forecast.from_json(data["forecast"]),
        }
        return cls(**{**data, **typed})


class Examples:
    """What was read, as typed fields with their values. ``Dataset`` adds what a user does with it.

    Args:
        reading: what was found.
        key: stands for the source's content and how it was read; entries of the cache are found by it.
        load: opens the source; called only when raw values are asked for that the cache does not have.
        cache: where values are kept.

    Attributes:
        source, name, layout: where it comes from, a short name for it, a sentence on what it is.
        options: what ``read`` was told beside the source, as JSON.
        fields: by name, in the order of the source.
        notes: what was done and what looks wrong; grows as values are decoded.
        unchecked: nothing odd is to be looked for.
        kept: columns that go along with predictions.
        before: how many rows in front a run has kept, for those behind them to look back on.
    """

    def __init__(self, source: Any, reading: Reading, key: str, load: Callable[[], Contents], cache: MemoryCache):
        self.source, self.reading, self.cache = source, reading, cache
        self.name, self.layout = _short_name(source, reading.name), reading.layout
        self.options: dict[str, Any] = {}
        self.fields: dict[str, Field] = {f.name: f for f in reading.fields}
        self.notes: list[Note] = list(reading.notes)
        self.unchecked = False
        self.kept = KeptColumns()
        self.before = 0
        self._key, self._load = key, load
        # By field, the values with the digest of their content.
        self._stored: dict[str, tuple[Stored, str]] = {}
        # The last one that was opened: columns are asked for in order.
        self._bundle: dict[str, CacheEntry] = {}
        # The roles and states that it was found for, and the rows by reason.
        self._unusable: tuple[Any, dict[str, np.ndarray]] | None = None
        # Usable rows of each given part, once they are known.
        self.given_left: dict[str, int] | None = None

    def __len__(self) -> int:
        return self.reading.n

    def recipe(self) -> dict[str, Any]:
        """What it takes to read the same data again: ``read(recipe["source"], **recipe["options"])``.

        The source is None for data in memory.
        """
        return {"source": _absolute_source(self.source), "options": self.options}

    # fields

    @property
    def target(self) -> Field | None:
        return next((f for f in self.fields.values() if f.role == "target"), None)

    @property
    def targets(self) -> list[Field]:
        """All targets: one, or several numbers, or several columns of labels."""
        return [f for f in self.fields.values() if f.role == "target"]

    @property
    def inputs(self) -> list[Field]:
        return [f for f in self.fields.values() if f.is_input]

    def need_target(self) -> Field:
        """The target. Raises PellucidError that lists the columns when it is neither named nor obvious."""
        if self.target is None and self.reading.untold:
            raise PellucidError(self.reading.untold, where=self.name, fix=LABELS_FIX)
        if self.target is None:
            raise PellucidError(
                "target: not clear; the columns are\n" + columns_listed(self.fields.values()),
                where=self.name,
                fix="choose one with --target",
            )
        if not self.inputs:
            raise PellucidError(f"there is nothing to predict '{self.target.name}' from", where=self.name)
        return self.target

    @property
    def weight(self) -> Field | None:
        """The column that says how much each row counts."""
        return next((f for f in self.fields.values() if f.role == "weight"), None)

    def row_weights(self) -> np.ndarray | None:
        """(n,) how much each row counts, NaN where that is not known; None where all count the same."""
        return None if self.weight is None else np.asarray(self.stored_values(self.weight.name).arrays["value"])

    def fitted_inputs_on(self, rows: np.ndarray) -> dict[str, Field]:
        """By name, the input fields fitted on ``rows`` (sorted int64) alone: for folds. Nothing of it is cached."""
        return {
            f.name: f.with_(state=kind_named(f.kind).fit(self.stored_values(f.name), rows, f.settings, f.role))
            for f in self.inputs
        }

    def with_fitted(self, fitted: Mapping[str, Field]) -> Self:
        """A copy whose fields take settings and states from ``fitted``, by name, and are not fitted again."""
        other = copy.copy(self)
        known = {name: self.fields[name].with_(settings=f.settings, state=f.state) for name, f in fitted.items()}
        # Settings decide how values are stored, so none of the arrays found before is taken over.
        other.fields, other._stored, other._bundle, other.notes = self.fields | known, {}, {}, list(self.notes)
        other._unusable = None
        return other

    def label_values(self) -> list[str]:
        """The values of a category or labels target in natural order; empty for other targets."""
        known = [f for f in self.targets if f.traits.classed]
        return [value for f in known for value in self.stored_values(f.name).meta["values"]]

    def fit_field(self, field: Field, rows: np.ndarray, rows_digest: str) -> Field:
        """A field with what it learns from ``rows`` alone, from the cache when the values have not changed."""
        if field.state is not None:
            return field
        stored, digest = self.stored_with_digest(field.name)
        kind = kind_named(field.kind)
        # A scale or a vocabulary depends on nothing else; a name that changed, or other columns, do not make it anew.
        about: tuple[Any, ...] = code_of(field.kind), digest, rows_digest, dict(field.settings), field.role
        line = self.timeline if kind.moments else None
        about = (*about, self._key) if line is not None else about

        def build_state(_: Any) -> tuple[dict[str, np.ndarray], Any]:
            state = kind.fit(stored, rows, field.settings, field.role)
            if line is not None and field.role == "target":
                values = np.asarray(stored.arrays["value"])
                state["scales"] = season_scales(line, values, rows, int(field.settings["season"]))
            return {}, state

        entry = self.cache.get_or_build(key_of("state", *about), build_state, self.add_note)
        # Pages of one column after the other would fill memory, though each is done with for now.
        release_pages(stored)
        return field.with_(state=entry.meta)

    # values

    @cached_property
    def _open_source(self) -> Contents:
        return self._load()

    def column(self, name: str) -> Column:
        """Raw values; opens the source."""
        self._check_name(name)
        return self._open_source.columns[name]

    @activity(lambda self, name, *_: f"decoding '{name}'")
    def stored_values(self, name: str) -> Stored:
        """Compact values, from the cache when the source has not changed; else decoded once and kept there."""
        return self.stored_with_digest(name)[0]

    def stored_with_digest(self, name: str) -> tuple[Stored, str]:
        """Compact values and the digest of what they are."""
        self._check_name(name)
        if name not in self._stored:
            entry = self._stored_entry(name)
            # From the second reading on nothing is decoded, and all the same everything odd is said.
            for note in entry.meta["notes"]:
                self.add_note(Note(**note))
            self._stored[name] = entry_values(entry), entry.digest
        return self._stored[name]

    def _stored_entry(self, name: str) -> CacheEntry:
        """The entry of one column; of a wide table its neighbours are decoded with it, as they are asked for next."""
        if name in self._bundle:
            return unpack_column(self._bundle[name], name)
        # Texts and images are large, and there are never many of them.
        plain = [f.name for f in self.inputs if f.traits.tabular and not f.traits.suffixes]
        names = bundle_of(plain, name, len(self))
        if len(names) == 1:
            key = self._stored_key(name)
            return self.cache.get_or_build(
                key, lambda into: _decode_column(self.fields[name], self.column(name), into), self.add_note
            )

        def build_bundle(_: Into) -> tuple[dict[str, np.ndarray], Any]:
            return pack_columns(
                names, lambda one: _decode_column(self.fields[one], self.column(one), allocate_in_memory)
            )

        key = key_of("stored together", [self._stored_key(one) for one in names])
        self._bundle = dict.fromkeys(names, self.cache.get_or_build(key, build_bundle, self.add_note))
        return unpack_column(self._bundle[name], name)

    def _stored_key(self, name: str) -> str:
        field = self.fields[name]
        return key_of("stored", code_of(field.kind), self._key, name, field.kind, dict(field.settings))

    def encoded_values(self, name: str, field: Field) -> Encoded:
        """Arrays for the network. Texts are tokenised once for each state and kept; the rest is quick to make."""
        stored, digest = self.stored_with_digest(name)
        kind = kind_named(field.kind)
        assert field.state is not None, f"field '{name}' is not fitted"
        if not kind.dear:
            return kind.encode(stored, field.state)
        key = key_of("encoded", code_of(field.kind), digest, dict(field.state))
        return _as_encoded(
            self.cache.get_or_build(key, lambda _: _as_arrays(kind.encode(stored, field.state or {})), self.add_note)
        )

    def place(self, row: int) -> str:
        """Where an example comes from: a file, or a row of one."""
        if self._row_places is not None:
            return self._row_places(row)
        return next(iter(self._open_source.columns.values())).row_place(row)

    @cached_property
    def _row_places(self) -> Places | None:
        return kept_places(self.cache, key_of("row places", self._key), lambda: self._open_source.places, self.add_note)

    def short_titles(self, rows: np.ndarray) -> list[str]:  # (m,) -> m titles
        """``short_title`` of many rows."""
        only = next(iter(self.fields.values()))
        if self._row_places is None or (len(self.fields) == 1 and only.traits.prose):
            return [self.short_title(row) for row in rows.tolist()]
        start = f"{self.reading.name}, "
        return [name.removeprefix(start) for name in self._row_places.names(rows)]

    def short_title(self, row: int) -> str:
        """A short name for an example: its file, its row, or the beginning of the text it is."""
        only = next(iter(self.fields.values()))
        if len(self.fields) == 1 and only.traits.prose and not self.reading.files:
            text = str(only.traits.show(self.stored_values(only.name), row))
            return text if len(text) <= 80 else text[:79] + "…"
        return self.place(row).removeprefix(f"{self.reading.name}, ")

    def input_problems(self) -> dict[int, str]:
        """By row, why one of its inputs could not be read: the cause that was noted, else that it could not."""
        why = {note.where: note.cause or note.text for note in self.notes if note.where}
        found: dict[int, str] = {}
        for field in self.inputs:
            bad = self.stored_values(field.name).bad.tolist()
            column = self.column(field.name)
            values = column.values if bad else ()
            for row in bad:
                full = str((column.base or Path()) / str(values[row]))
                found.setdefault(row, why.get(column.place(row)) or why.get(full) or "could not be read")
        return found

    def fingerprint(self) -> str:
        """SHA-256 over names, kinds, roles and content of all fields that are used."""
        used = [f for f in self.fields.values() if f.role != "ignore"]
        about: list[Any] = [(f.name, f.kind, f.role, self.stored_with_digest(f.name)[1]) for f in used]
        # Its column may be no input, and still decides which rows are in which part.
        if self.reading.parting.by == "time" and self.reading.parting.column:
            about.append(self._time_entry().digest)
        return key_of("fingerprint", about)

    def content_digest(self) -> str:
        """SHA-256 over the content of inputs and targets: the same for the same examples, whatever holds them."""
        return key_of("examples", {f.name: self.stored_with_digest(f.name)[1] for f in (*self.inputs, *self.targets)})

    def _check_name(self, name: str) -> None:
        if name not in self.fields:
            raise UsageError(unknown_name("column", name, self.fields))

    def add_note(self, note: Note) -> None:
        """Note something, once."""
        if note not in self.notes:
            self.notes.append(note)

    # rows

    def usable_rows(self) -> np.ndarray:
        """Rows (sorted int64) whose inputs could be read and whose target, if there is one, is there.

        Of series those that a forecast can start at, and that are new.

        The others are noted, and so are rows whose class a fitted target has not seen.
        """
        if self.timeline is not None and self.reading.forecast is not None:
            starts = forecast_starts(self, self.timeline, self.reading.forecast, np.zeros(self.timeline.places))
            return self.before + np.flatnonzero(starts[self.before :])
        for what, rows in self.unusable_rows().items():
            if what is not UNREADABLE:
                self.note_dropped(rows, what)
            elif bad := len(rows):
                text = f"{count_noun(bad, 'example')} could not be read and {is_or_are(bad)} left out"
                self.add_note(Note("warning", text, action=LEFT_OUT))
        return np.flatnonzero(self.usable_mask())

    def unusable_rows(self) -> dict[str, np.ndarray]:
        """The other rows (sorted int64), each once, by what keeps them out, in words that follow "3 examples"."""
        # A target that is fitted has classes it has not seen; another role takes a column out.
        about = tuple((f.name, f.role, f.state is not None) for f in self.fields.values())
        if self._unusable is None or self._unusable[0] != about:
            self._unusable = about, self._find_unusable()
        return self._unusable[1]

    def usable_mask(self) -> np.ndarray:  # (n,) bool
        """Where an example can be used."""
        keep = np.ones(len(self), bool)
        for rows in self.unusable_rows().values():
            keep[rows] = False
        return keep

    def _find_unusable(self) -> dict[str, np.ndarray]:
        keep, found = np.ones(len(self), bool), {}
        for what, gone in self._unusable_reasons():
            found[what] = np.flatnonzero(gone & keep)
            keep &= ~gone
        return found

    def _unusable_reasons(self) -> Iterator[tuple[str, np.ndarray]]:
        """Why rows can't be used, and which ones: (n,) bool. What is new to a fitted target is noted."""
        if self.timeline is not None:
            # Said when the data was read; a moment without a value is a gap in its series.
            yield "without a moment", self.timeline.place < 0
            return
        unread = np.zeros(len(self), bool)
        for field in self.inputs:
            unread[self.stored_values(field.name).bad] = True
        yield UNREADABLE, unread
        if (weight := self.row_weights()) is not None:
            yield "without a weight", np.isnan(weight)
        for target in self.targets:
            stored = self.stored_values(target.name)
            gone = target.traits.missing(stored)
            gone[stored.bad] = True
            yield f"without '{target.name}'", gone
            if target.state is None:
                continue
            if text := kind_named(target.kind).describe_new_values(stored, target.state):
                self.add_note(Note("warning", text, f"column '{target.name}'"))
            # Of what is written, every value has a place.
            if not target.traits.plain and target.traits.axes:
                continue
            encoded = np.asarray(kind_named(target.kind).encode(stored, target.state))
            yield f"whose '{target.name}' was not in training", is_none(encoded) & ~gone
        if (short := find_too_short(self)) is not None:
            yield TOO_SHORT, short

    # moments

    @cached_property
    def timeline(self) -> Timeline | None:
        """Where rows stand in time, where they are moments of series; else None."""
        about = self.reading.forecast
        if about is None:
            return None

        def build_entry(_: Any) -> tuple[dict[str, np.ndarray], Any]:
            columns = {name: self.column(name) for name in (about.time, *about.series) if name}
            columns = columns or {name: self.column(name) for name in list(self.fields)[:1]}
            line = timeline_of(columns, about, self.fields.get(about.time))
            arrays = {"place": line.place, "first": line.first, "last": line.last, "start": line.start}
            return arrays, {"names": list(line.names)}

        entry = self.cache.get_or_build(key_of("timeline", self._key, about.to_json()), build_entry, self.add_note)
        arrays = {name: np.asarray(entry.arrays[name]) for name in ("place", "first", "last", "start")}
        names, utc = tuple(entry.meta["names"]), about.clock == UTC
        return Timeline(**arrays, names=names, step=about.step, doubles=about.doubles, utc=utc)

    # documents

    # Of passages that were taken out of their documents, (n,) int32, the token before each; None where that is known
    # from the passage before.
    tokens_before: np.ndarray | None = None

    @cached_property
    def documents(self) -> np.ndarray | None:
        """(n,) int64, which document each row is a passage of, counted in their order; None where rows are none."""
        name = self.reading.document
        if not name:
            return None

        def build_entry(_: Any) -> tuple[dict[str, np.ndarray], Any]:
            names = self.column(name).series()
            assert names is not None
            return {"document": names.rle_id().to_numpy().astype(np.int64)}, {}

        entry = self.cache.get_or_build(key_of("documents", self._key, name), build_entry, self.add_note)
        return np.asarray(entry.arrays["document"])

    def note_dropped(self, rows: np.ndarray, what: str, level: str = "warning") -> None:
        """Note that ``rows`` (sorted) take no part."""
        if count := len(rows):
            text = f"{count_noun(count, 'example')} {what} {is_or_are(count)} left out, this one first"
            self.add_note(Note(level, text, self.place(int(rows[0])), LEFT_OUT))

    def row_times(self) -> tuple[np.ndarray, bool]:
        """(n,) what orders the rows, NaN for none, and whether it is dates; kept, so that the source stays closed."""
        if self.timeline is not None:
            place, dates = self.timeline.place, self.timeline.step != ROWS
            return np.where(place >= 0, self.timeline.moments(np.maximum(place, 0)), np.nan), dates
        entry = self._time_entry()
        return np.asarray(entry.arrays["time"]), bool(entry.meta["dates"])

    def _time_entry(self) -> CacheEntry:
        name = self.reading.parting.column or ""

        def build_entry(_: Any) -> tuple[dict[str, np.ndarray], Any]:
            time, dates = ordering_values(self.column(name), self.fields.get(name))
            return {"time": time}, {"dates": dates}

        return self.cache.get_or_build(key_of("times", self._key, name), build_entry, self.add_note)


def _short_name(source: Any, name: str) -> str:
    """What runs on this data are called after: a file without its endings, a folder as it is.

    Aligned files, ``train.en`` and ``train.de``, are called after what they have in common.
    """
    if not isinstance(source, (str, os.PathLike)):
        several = isinstance(source, (list, tuple)) and all(isinstance(one, (str, os.PathLike)) for one in source)
        stems = Counter(Path(without_compression(Path(one).name)).stem for one in source) if several else {}
        return "-".join(stems) if stems and min(stems.values()) > 1 else "data"
    if os.path.isdir(os.path.expanduser(source)):
        return Path(name).name
    return Path(without_compression(name)).stem.removesuffix(".tar")


def _absolute_source(source: Any) -> Any:
    """A path, or a list of paths, from the root; None for data in memory."""
    if isinstance(source, (str, os.PathLike)):
        return str(Path(os.path.expanduser(source)).absolute())
    several = isinstance(source, (list, tuple)) and all(isinstance(one, (str, os.PathLike)) for one in source)
    return [_absolute_source(one) for one in source] if several else None


def _decode_column(field: Field, column: Column, into: Into) -> tuple[Mapping[str, np.ndarray], Any]:
    """A column's compact values as the cache keeps them, and what was noted on the way."""
    kind, notes = kind_named(field.kind), list[Note]()
    with enough_memory(f"the {len(column):,} values of '{field.name}'", kind.smaller):
        made = kind.store(column, field.settings, notes.append, into=into)
    return as_entry(made, notes)


def as_entry(stored: Stored, notes: Sequence[Note] = ()) -> tuple[dict[str, np.ndarray], Any]:
    """A column's compact values as they are kept, beside what was noted when they were made."""
    meta = {"meta": dict(stored.meta), "n": stored.n, "notes": [asdict(note) for note in notes]}
    return {**stored.arrays, "bad": np.asarray(stored.bad, np.int64)}, meta


def entry_values(entry: CacheEntry) -> Stored:
    """The compact values that ``as_entry`` made an entry of."""
    arrays = {name: array for name, array in entry.arrays.items() if name != "bad"}
    return Stored(arrays, entry.meta["meta"], entry.meta["n"], np.asarray(entry.arrays["bad"]))


def _as_arrays(encoded: Encoded) -> tuple[dict[str, np.ndarray], Any]:
    if isinstance(encoded, Ragged):
        return {"values": encoded.values, "ends": encoded.ends}, {}
    assert isinstance(encoded, np.ndarray), "windows are never encoded for themselves"
    return {"values": encoded}, {}


def _as_encoded(entry: CacheEntry) -> Encoded:
    arrays = entry.arrays
    return Ragged(arrays["values"], arrays["ends"]) if "ends" in arrays else arrays["values"]
