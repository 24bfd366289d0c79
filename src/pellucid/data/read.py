"""From what the user passes to examples: ``read_data`` for new data, ``read_new`` for data of a finished run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache as once
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ..activity import activity
from ..errors import UsageError, enough_memory
from ..fields import KINDS, Field, Note
from ..options import check_options
from ..wording import count_noun
from . import checks
from .cache.cache import key_of, open_cache
from .cache.file_marks import with_named_files
from .decimals import settle_decimals
from .examples import LABELS_FIX, Examples, Reading
from .first_rows import first_rows
from .folders import layouts
from .memory.files import copy_file, is_open_file
from .recognise import recognise_source
from .schema import PLACEHOLDER, check_names, fields_of, named_columns
from .series.wide import gather_series
from .source import Contents, ForecastOptions, ReadOptions, Source, check_width
from .splits import preview, spec
from .splits.by_order import settle_parting
from .timeline.dated import note_forecast
from .timeline.recognise import Recognised, recognise_forecast

# In the order of ``read_data``.
FORECAST_NAMES = ("horizon", "time", "series", "known", "every", "fill", "doubles", "season", "stride", "context")


@activity("reading the data")
def read_data(
    source: Any,
    *,
    target: str | Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    ignore: Sequence[str] | str = (),
    header: bool | None = None,
    decimal: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    encoding: str | None = None,
    split: str | Sequence[float] | None = None,
    image_size: int | tuple[int, int] | None = None,
    seconds: float | None = None,
    label_from: str | None = None,
    level: str | None = None,
    weights: str | None = None,
    horizon: str | int | None = None,
    time: str | None = None,
    series: Sequence[str] | str = (),
    known: Sequence[str] | str = (),
    every: str | None = None,
    fill: str | None = None,
    doubles: str | None = None,
    season: int | None = None,
    stride: int | None = None,
    context: int | None = None,
    cache: str | Path | bool | None = None,
    check: bool = True,
) -> Examples:
    """Recognise what lies in ``source``: columns, their kinds, what is to be predicted, what looks wrong.

    Args:
        source: a folder of images, recordings or texts (``root/class/*``, with train, val and test above or below the
            classes or without, or with a table beside images or recordings that names them), also packed; a text, or a
            folder of texts or of source code, that is to be continued; a table (CSV, TSV, Parquet, Arrow, JSON lines, a
            spreadsheet; compressed or not), several with the same columns (a list of paths, a folder, an archive, a
            pattern such as ``"data/*.csv"``), an open file or buffer, a data frame, a dict of columns, a list of rows
            or a pair ``(X, y)`` of arrays.
        target: the column to predict, or several of numbers (``"a,b"``); the obvious one when left out.
        kinds: kinds by column, where the recognised ones are wrong: ``{"zip": "category"}``.
        ignore: columns to leave out.
        header: whether a table's first line holds names; inferred when left out.
        decimal: the mark before decimals, "." or ",", where it can't be told or is told wrong.
        delimiter: what stands between the cells of a text file: one or several characters, "tab", " " for blanks.
        sheet: the name of a spreadsheet's sheet.
        encoding: of a text file, such as "cp932"; found when left out.
        split: shares (``"80,10,10"``, ``"70,30"``), the column that says the parts (``"column:fold"``), groups that
            stay together (``"group:patient"``) or spans of time (``"time"``, ``"12mo,4mo,4mo"``).
        image_size: pixels a side, or (height, width), that images are brought to.
        seconds: after which the rest of a recording is not read; 30 when left out.
        label_from: how the names of files tell their class, ``"{label}_{speaker}_{index}"``; the other parts are
            columns that can be split by.
        level: what a token of a text that is continued is: "characters", "bytes" or "bpe".
        weights: a column of numbers, 0 and more, that says how much each row counts in the loss and in scores.
        horizon: forecast so many steps ahead (24, or "1d"): rows are the moments of series. "0" for rows that are none.
        time: the column of dates that says when a row is. series: columns that say which series it is of.
        known: columns that are known ahead.
        every: a step that rows are brought to ("1h"). fill: how missing values are filled ("last", "zero").
        doubles: which of several rows of a moment ("first", "last", "mean").
        season: steps after which the rhythm comes again. stride: steps between two forecasts.
        context: steps of the past that a forecast looks at; tokens of a passage of a text.
        cache: folder for decoded values; ``$PELLUCID_CACHE`` or ``~/.cache/pellucid`` when left out, False for none.
        check: False looks for nothing odd in the values, now or before training, which saves time.

    Raises:
        PellucidError: for data that is not there or can't be read; UsageError for columns and kinds that don't exist.

    Example:
        >>> read_data({"height": [1.6, 1.8, 1.7], "label": ["a", "b", "a"]}, cache=False).target.name
        'label'
    """
    form = {"decimal": decimal, "delimiter": delimiter, "sheet": sheet, "encoding": encoding}
    series_said = (horizon, time, series, known, every, fill, doubles, season, stride, context)
    # Columns of a data frame may have whole numbers for names.
    names = {"target": str(target) if isinstance(target, int) else target, "ignore": ignore, "kinds": kinds or {}}
    measures = {"seconds": seconds, "level": level}
    checked = check_options("read", {**names, **measures, **form, **_forecast_options(series_said)})
    options = _read_options(checked, header, spec.parse_split(split), image_size, weights, label_from)
    notes: list[Note] = []
    values_cache = open_cache(cache, notes.append)
    # Read once and kept: a file object gives its content a single time.
    source = copy_file(source, values_cache.folder) if is_open_file(source) else source
    found = recognise_source(source, replace(options, spool=values_cache.folder))
    # What is read to recognise it is there when values are asked for.
    found = replace(found, load=once(partial(load_gathered, found, options)))
    in_files = {name for name, kind in options.kinds.items() if kind in KINDS and KINDS[kind].suffixes}
    with enough_memory(f"'{found.name}'", "read fewer rows or columns"):
        found = with_named_files(found, in_files, values_cache, reading_code(), notes.append)
        # The name is among them because notes hold it.
        asked = [found.digest, found.name, asdict(options), check]
        entry = values_cache.get_or_build(
            key_of("reading", reading_code(), asked),
            lambda _: ({}, _make_reading(found, options, check).to_json()),
            notes.append,
        )
    # Values are kept under the bytes and the table's form alone: another target or split decodes nothing anew.
    reading = Reading.from_json(entry.meta)
    form = {name: checked[name] for name in form}
    shape: list[Any] = [reading_code(), header, form, reading.named, label_from]
    # Of texts the rows themselves depend on what is asked for.
    shape += [reading.document, level, context] if reading.document else []
    data = Examples(source, reading, key_of(found.digest, shape, ()), found.load, values_cache)
    data.notes[:0], data.unchecked = notes, not check
    # Beside those of every table only what was said, so that records of tables stay what they were.
    said = ("seconds", "level", *FORECAST_NAMES)
    more = {name: checked[name] for name in said if checked.get(name) not in (None, ())}
    more = {name: list(value) if isinstance(value, tuple) else value for name, value in more.items()}
    more |= {} if label_from is None else {"label_from": label_from}
    given = {"target": options.target, "kinds": checked["kinds"], "ignore": list(options.ignore), "header": header}
    data.options = given | {"split": split, "image_size": image_size, "weights": weights} | form | more
    return data


def _forecast_options(said: Sequence[Any]) -> dict[str, Any]:
    """What was said of series, in the order of ``FORECAST_NAMES``, by name."""
    given = {name: None if value in (None, ()) else value for name, value in zip(FORECAST_NAMES, said, strict=True)}
    return given | {"horizon": None if given["horizon"] is None else str(given["horizon"])}


def _read_options(
    checked: Mapping[str, Any],
    header: bool | None,
    parting: spec.SplitSpec,
    image_size: int | tuple[int, int] | None,
    weights: str | None,
    label_from: str | None,
) -> ReadOptions:
    """What the user said about the data, from checked options and those whose form their own parsers know."""
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    ahead = {name: checked[name] for name in FORECAST_NAMES if checked[name] is not None}
    options = ReadOptions(
        checked["target"],
        checked["kinds"],
        checked["ignore"],
        header,
        parting,
        size,
        weights,
        decimal=checked["decimal"],
        delimiter=checked["delimiter"],
        sheet=checked["sheet"],
        encoding=checked["encoding"],
        seconds=checked["seconds"],
        level=checked["level"],
        label_from=label_from,
        forecast=ForecastOptions(**ahead),
    )
    return replace(options, named=named_columns(options))


def load_gathered(source: Source, options: ReadOptions) -> Contents:
    """The contents of a source, columns that are one series gathered to one."""
    return gather_series(source.load(), options)


@activity("finding out what the columns hold")
def _make_reading(source: Source, options: ReadOptions, check: bool) -> Reading:
    """Open the source and find out everything that can be known without decoding it."""
    found = source.load()
    check_width(len(found.columns), source.name)
    options = _settle_documents(found, options, source.name).with_separate_names(found.columns)
    check_names(found.columns, options, found.kinds)
    if options.label_from is not None and not found.pattern:
        what = f"'{source.name}' is no folder or archive of files whose names could tell a class"
        raise UsageError(what, fix="leave --label-from out")
    layouts.need_classes(found, source.name)
    notes = list(found.notes)
    found = replace(found, columns=settle_decimals(found, options.decimal, notes.append))
    asked = options.forecast.asked and not found.document
    fields, why = ([], "") if asked else fields_of(found, options, notes.append)
    series = None
    if asked or not (options.forecast.refused or found.document):
        series = recognise_forecast(found, None if asked else fields, options, source.name, notes.append)
    if series is not None:
        return _series_reading(source, found, options, series, notes, check)
    if check and not options.forecast.refused:
        note_forecast(found, fields, options, notes.append)
    if check:
        notes += checks.columns(found.columns, fields)
    goal = next((f for f in fields if f.role == "target"), None)
    classes: dict[str, int] = {}
    for field in (f for f in fields if f.role == "target"):
        classes |= field.traits.count_classes(found.columns[field.name], field.settings)
    even = goal.traits.stratified if goal is not None else ""
    how, given, in_words = preview.preview_split(found, fields, options.split, source.name, even, notes.append)
    columns = [name for name in found.columns if name not in found.added]
    about = (source.name, found.layout, len(found), found.named, fields, why)
    first = first_rows(found.columns, fields)
    if found.untold and goal is None:
        notes.append(Note("info", found.untold, source.name, fix=LABELS_FIX))
    untold = found.untold if goal is None else ""
    return Reading(*about, classes, given, how, in_words, notes, columns, first, found.files, untold,
                   document=found.document)  # fmt: skip


def _settle_documents(found: Contents, options: ReadOptions, where: str) -> ReadOptions:
    """What was said, as documents are read; raises UsageError for what is said of other data alone."""
    if not found.document:
        if options.level is not None:
            raise UsageError(f"'{where}' is no text to be continued, of which --level could say what a token is")
        return options
    if options.forecast.refused or replace(options.forecast, context=None).asked:
        raise UsageError(
            f"'{where}' is a text, which has no moments to forecast", fix="leave --horizon and its kin out"
        )
    return replace(options, split=settle_parting(found, options.split, options.ignore))


def _series_reading(
    source: Source, found: Contents, options: ReadOptions, series: Recognised, notes: list[Note], check: bool
) -> Reading:
    """What was found out about a table whose rows are the moments of series."""
    if check:
        notes += checks.columns(found.columns, series.fields)
    about, parting = series.forecast, options.split
    if parting.by == "group":
        raise UsageError(
            "series are parted by time, not by groups", fix="write --split 80,10,10 or rest,24steps,24steps"
        )
    parting = replace(parting, by="time", column=about.time or None) if parting.by != "column" else parting
    fields = [_says_parts(f) if parting.by == "column" and f.name == parting.column else f for f in series.fields]
    columns = [name for name in found.columns if name not in found.added]
    goals = count_noun(sum(f.role == "target" for f in fields), "channel")
    where = f", of {count_noun(series.many, 'series', 'series')}" if series.many > 1 else ""
    layout = f"{found.layout}: {goals}{f' {about.every}' if about.every else ''}{where}"
    what = (source.name, layout, len(found), found.named, fields, series.why)
    return Reading(*what, parting=parting, parted=series.parted, notes=notes, columns=columns,
                   first=first_rows(found.columns, fields), forecast=about)  # fmt: skip


def _says_parts(field: Field) -> Field:
    return Field(field.name, PLACEHOLDER, "split", "says which set each row belongs to")


@lru_cache
def reading_code() -> str:
    """SHA-256 of the code that reads: what another version of it found out is not taken for its own."""
    here = Path(__file__).parent
    # The code itself rather than a version number that someone has to remember to raise.
    files = sorted([*here.rglob("*.py"), *here.parent.joinpath("fields").glob("*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
