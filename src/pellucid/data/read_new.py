"""New data for a finished run: its columns found by name or place."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache as once
from functools import partial
from glob import glob
from pathlib import Path
from typing import Any

import polars as pl

from ..errors import PellucidError, UsageError
from ..fields import KINDS, Column, Field, Note, kind_named
from ..fields.notation import POINT
from ..fields.notes import AS_MISSING
from ..options import check_options
from ..wording import abbreviate_text, count_noun, join_words
from .archives import is_archive
from .cache.cache import key_of, open_cache
from .cache.file_marks import with_named_files
from .decimals import settle_decimals
from .documents.new_documents import read_new_documents
from .examples import Examples, Reading
from .folders.layouts import media_files, need_classes
from .folders.listing import MEDIA, may_be_text
from .folders.texts import any_texts, text_files
from .kept_columns import keep_columns
from .memory.files import copy_file, is_open_file
from .memory.layouts import are_images, image_source, text_source
from .memory.rows_in_order import rows_in_order
from .parallel.layouts import aligned_files, line_files
from .read import load_gathered, reading_code
from .recognise import is_path, recognise_source
from .sample_weights import weight_field
from .schema import A_FILE, A_LINE, NAMED_BY, PLACEHOLDER, check_names
from .source import Contents, ReadOptions, Source
from .splits import spec
from .splits.by_time import can_order
from .tables import readers
from .timeline.clock import check_clock, note_clock
from .timeline.findings import note_moments
from .timeline.forecast import Forecast
from .timeline.moments import check_step, row_moments, row_series, timeline_of
from .timeline.recent import Recent, join_recent

# How much a name must be like another for it to be meant.
LIKE = 0.6


def read_new(
    source: Any,
    fields: Sequence[Field],
    need_target: bool,
    *,
    texts: bool = False,
    weights: str | None = None,
    times: str | None = None,
    columns: Sequence[str] | None = None,
    keep: str | Sequence[str] = (),
    ids: Sequence[str] | None = None,
    forecast: Forecast | None = None,
    recent: Recent | None = None,
    cache: str | Path | bool | None = None,
    **form: Any,
) -> Examples:
    """Read new data with the fields of a finished run: columns are found by name, kinds and states are the run's.

    Args:
        source: whatever ``read_data`` takes; for images and recordings also files, a list of them, or a folder without
            classes; for texts also a list of texts; for a run that continues texts any files of them.
        fields: the run's fields; those whose role is neither input nor target are passed over.
        texts: the source is a list of texts; otherwise strings are paths.
        weights: a column that says how much each row counts in scores.
        times: a column that orders the rows; where there is one, the data is parted by it
            (``splits.grouping.moments_of``).
        columns: all that the run was trained on, used or not: where they stand in a table without header. Those of
            ``fields`` when left out, for runs that did not write them down.
        forecast: what the run forecasts; None of a run whose rows are no moments.
        recent: the last rows that the run has seen, which are put before new ones that follow on.
        keep, ids: columns that go along with predictions (``kept_columns.keep_columns``).
        form: how a table is written, where that is to be said: header, decimal, delimiter, sheet, encoding, as for
            ``read_data``.
        need_target: the target must be there too (to evaluate); otherwise it is passed over where it is there, and
            what a forecast follows may lack it where rows follow on directly.

    Raises:
        PellucidError: when a column is missing; it says which and which one was probably meant.
    """
    wanted = [f for f in fields if f.is_input or f.role in ("target", "time", "series id")]
    if (written := next((f for f in wanted if f.traits.written), None)) is not None:
        if weights is not None:
            raise UsageError("passages of a text have no column of weights", fix="leave --weights out")
        return read_new_documents(source, written, texts=texts, keep=keep, cache=cache, **form)
    # Of series the past of the target is read in any case.
    may_lack, need_target = forecast is not None and not need_target, need_target or forecast is not None
    notes: list[Note] = []
    values_cache = open_cache(cache, notes.append)
    needed = tuple(f.name for f in wanted if need_target or f.role == "input")
    asked = check_options("evaluate", form)
    named_by = next((f.settings[NAMED_BY] for f in fields if NAMED_BY in f.settings), None)
    options = ReadOptions(names=needed, weights=weights, spool=values_cache.folder, label_from=named_by, **asked)
    source = copy_file(source, values_cache.folder) if not texts and is_open_file(source) else source
    # To be scored, rows come with their targets, as (X, y) or in pairs.
    given = source if texts or need_target else rows_in_order(source, fields, columns)
    found = _source_of_texts(source, wanted) if texts else _source_of_new(given, wanted, options)
    found = replace(found, load=once(partial(load_gathered, found, options)))
    in_files = {f.name for f in wanted if f.traits.suffixes}
    found = with_named_files(found, in_files, values_cache, reading_code(), notes.append)
    opened = found.load()
    # What a run found out about the decimals of a column holds where a few new cells can be read both ways.
    decimals = {f.name: f.settings.get("decimal", POINT) for f in wanted if f.traits.amount}
    opened = replace(opened, columns=settle_decimals(opened, options.decimal, notes.append, decimals))
    if need_target:
        need_classes(opened, found.name, least=1)
    opened, added = _with_lost_targets(opened, wanted, notes) if may_lack else (opened, [])
    weight = [] if weights is None else [Field(weights, "number", "weight")]
    when = _ordered_by(opened, times, wanted)
    names = _match_columns(opened, [*fields, *weight, *when], wanted, columns, need_target, found.name, notes)
    present = [f for f in wanted if f.name in names and (need_target or f.role == "input")]
    values = {f.name: _rename_column(opened.columns[names[f.name]], f.name) for f in present}
    present = [_as_written_here(f, values[f.name]) for f in present]
    if weights is not None:
        check_names(opened.columns, options)
        weight = [weight_field(opened.columns[weights])]
    values |= {f.name: opened.columns[f.name] for f in (*weight, *when)}
    present += [*weight, *when]
    before = 0
    parts = spec.SplitSpec("time", times) if times in values and can_order(values[times]) else spec.SplitSpec()
    if forecast is not None:
        parts = spec.SplitSpec("time", forecast.time or None)
        values, before = _check_moments(values, forecast, present, recent, notes, found.name, added)
        opened = replace(opened, columns=values, places=None) if before else opened
    chosen = replace(opened, columns=values, notes=[*opened.notes, *notes])
    why, about = "the run predicts it", (found.name, opened.layout, len(opened), opened.named, present)
    reading = Reading(*about, why, notes=chosen.notes, parting=parts, files=opened.files, forecast=forecast)
    key = key_of(
        found.digest, [reading_code(), asked], [options.names, names, recent.digest if recent and before else ""]
    )
    data = Examples(source, reading, key, lambda: chosen, values_cache)
    data.before = before
    if not need_target:
        # Of a run that did not write down its ids, any column that it does not use may be one.
        known = [f.name for f in wanted] if ids is None else list(columns or ())
        data.kept = keep_columns(opened, keep, ids, {*known, *names.values()})
    return data


def _check_moments(
    columns: dict[str, Column],
    about: Forecast,
    present: Sequence[Field],
    recent: Recent | None,
    notes: list[Note],
    where: str,
    added: Sequence[str],
) -> tuple[dict[str, Column], int]:
    """New rows with those that they follow on before them, and how many these are; notes on what is odd about moments.

    Args:
        added: empty columns of targets that lack.

    Raises:
        PellucidError: where their step or their offsets are not the run's, or no past of targets that lack is kept.
    """
    fields = {f.name: f for f in present}
    if about.time:
        check_clock(columns[about.time], fields.get(about.time), about, where)
        notes += note_clock(columns[about.time], about)
    moments, dates = row_moments(columns, about.time, fields.get(about.time), about.clock)
    series, _ = row_series(columns, about.series)
    check_step(moments, series, about, where)
    line = timeline_of(columns, about, fields.get(about.time), new=True)
    odd = note_moments(moments, series, dates, line, about, next(iter(columns.values())).row_place)
    # What they advise are options of training: a run keeps to what it was told.
    notes += [replace(note, fix="") for note in odd]
    joined = None if recent is None else join_recent(columns, about, fields, recent, notes)
    if added and joined is None:
        raise _no_past_error(added, where)
    return joined or (columns, 0)


def _with_lost_targets(found: Contents, wanted: Sequence[Field], notes: list[Note]) -> tuple[Contents, list[str]]:
    """A table without any target of a forecast, with empty columns for them, and their names; none for any other.

    A column that is nearly called like one is probably meant for it, and not added to.
    """
    targets = [f.name for f in wanted if f.role == "target"]
    there = {_fold_name(column) for column in found.columns}
    known = {_fold_name(f.name) for f in wanted}
    free = [column for column in found.columns if _fold_name(column) not in known]
    some = any(_fold_name(name) in there or get_close_matches(name, free, n=1, cutoff=LIKE) for name in targets)
    if some or not found.named or not there:
        return found, []
    row_place = next(iter(found.columns.values())).row_place
    empty = pl.repeat(None, len(found), dtype=pl.Float64, eager=True)
    added = {name: Column(name, empty.alias(name), row_places=row_place) for name in targets}
    verb = "is not there and is" if len(targets) == 1 else "are not there and are"
    notes.append(Note("info", f"{_columns_in_words(targets)} {verb} read as empty", action=AS_MISSING))
    return replace(found, columns={**found.columns, **added}), targets


def _no_past_error(names: Sequence[str], where: str) -> PellucidError:
    """The error for targets that are not there where no kept row stands in for them."""
    verb, them, they = ("is", "it", "it is") if len(names) == 1 else ("are", "them", "they are")
    what = f"{_columns_in_words(names)} {verb} missing, and the rows do not follow on where the run's own end"
    return PellucidError(what, where=where, fix=f"add {them}, empty where {they} not known")


def _columns_in_words(names: Sequence[str]) -> str:
    """``the column 'a'``, ``the columns 'a' and 'b'``."""
    quoted = join_words(f"'{name}'" for name in names)
    return f"the column{'' if len(names) == 1 else 's'} {quoted}"


def _as_written_here(field: Field, column: Column) -> Field:
    """The field with the decimal mark of the new numbers, where they are text: another file may have another."""
    if not field.traits.amount or column.decimal == field.settings.get("decimal", POINT):
        return field
    return field.with_(settings={**field.settings, "decimal": column.decimal})


def _ordered_by(found: Contents, times: str | None, wanted: Sequence[Field]) -> list[Field]:
    """The column that orders the rows, where it is there and the run does not read it anyway."""
    if times is None or times not in found.columns or times in (f.name for f in wanted):
        return []
    return [Field(times, PLACEHOLDER, "ignore", "orders the rows")]


def _source_of_texts(source: Sequence[str], wanted: Sequence[Field]) -> Source:
    """Texts for a run that reads one."""
    inputs = [f for f in wanted if f.role == "input"]
    if not _are_texts(inputs):
        read = join_words(f"{f.name} ({f.kind})" for f in inputs)
        alone = inputs[0].traits if len(inputs) == 1 and inputs[0].traits.suffixes else None
        wants = f"give a {alone.plain_noun}" if alone else "give a file with these columns"
        raise PellucidError(f"a text was given, but the run expects {read}", fix=wants)
    return text_source([str(text) for text in source], inputs[0].name)


def _are_texts(inputs: Sequence[Field]) -> bool:
    """Whether an example is one text and nothing more."""
    return [f.traits.prose for f in inputs] == [True]


def _source_of_new(source: Any, wanted: Sequence[Field], options: ReadOptions) -> Source:
    """The source of new data: what the run's inputs are settles what strings and files stand for."""
    inputs = [f for f in wanted if f.role == "input"]
    only = inputs[0] if len(inputs) == 1 else None
    words_given = (
        isinstance(source, (list, tuple)) and bool(source) and all(isinstance(s, (str, os.PathLike)) for s in source)
    )
    # A run of one photo or recording takes bare files of any name; tables and archives among them are read as such.
    if only is not None and only.traits.suffixes:
        paths = (
            [Path(os.path.expanduser(one)) for one in (source if words_given else [source])]
            if is_path(source) or words_given
            else []
        )
        if (
            paths
            and (len(paths) > 1 or not os.path.isdir(paths[0]))
            and not all(readers.is_table_file(p) or is_archive(p) for p in paths)
        ):
            return _with_name(media_files(paths, only.kind), only.name)
        if only.traits.pictures and are_images(source):
            return image_source(source, only.name)
    if only is not None and _are_texts(inputs) and (words_given or is_path(source)):
        paths = [Path(os.path.expanduser(one)) for one in (source if words_given else [source])]
        if (found := _source_of_text_files(paths, only, options)) is not None:
            return found
    # Scored texts have the true ones beside them.
    if words_given and len(options.names) > 1 and (pairs := aligned_files(source, options)) is not None:
        return pairs
    if words_given or is_path(source):
        _check_files([source] if is_path(source) else source, inputs)
    if words_given and len(source) == 1:
        source = source[0]
    return recognise_source(source, options)


def _source_of_text_files(paths: Sequence[Path], field: Field, options: ReadOptions) -> Source | None:
    """Files of text for a run that reads one, a folder of them or an archive; None for what is read as it is.

    A run that learned from a text a file takes each file for one; any other takes each line, and a file that is no
    table all the same for one text.
    """
    lines = field.settings.get(A_LINE) and len(options.names) == 1 and all(path.is_file() for path in paths)
    if lines and not any(readers.is_table_file(path) and not may_be_text(path.name) for path in paths):
        return line_files(paths, field.name)
    if len(paths) == 1 and not paths[0].is_file():
        return any_texts(paths[0], options) if paths[0].is_dir() else None
    if len(paths) == 1 and is_archive(paths[0]):
        return any_texts(paths[0], options)
    if not all(path.is_file() and may_be_text(path.name) for path in paths):
        return None
    # What is to be scored has its target beside it, so it is a table.
    a_text_each = field.settings.get(A_FILE) and len(options.names) == 1
    return text_files(paths, field.name) if a_text_each or not all(map(readers.is_table_file, paths)) else None


def _check_files(paths: Sequence[Any], inputs: Sequence[Field]) -> None:
    """Raises PellucidError for strings that can't hold what a run reads: texts, or photos without their columns."""
    words = [one for one in paths if isinstance(one, str)]
    texts = [one for one in words if not os.path.exists(os.path.expanduser(one)) and not glob(one, recursive=True)]
    if texts and _are_texts(inputs):
        fix = 'if it is the text itself, give it as one: predict(texts=["…"]), or --text "…"'
        raise PellucidError("there is no such file", where=abbreviate_text(texts[0], 40), fix=fix)
    reads = join_words(f"{f.name} ({f.kind})" for f in inputs)
    kind = MEDIA.get(Path(paths[0]).suffix.lower())
    if kind is not None and not os.path.isdir(paths[0]):
        traits = kind_named(kind)
        fix = f"give a table with these columns, or a folder that holds one beside its {traits.folder_noun}"
        raise PellucidError(
            f"a {traits.plain_noun} alone was given, but the run expects {reads}", where=str(paths[0]), fix=fix
        )
    if len(paths) > 1 and not all(os.path.isfile(one) and readers.is_table_file(Path(one)) for one in paths):
        raise PellucidError(f"{len(paths)} strings were given, but the run expects {reads}", fix="pass one table")


def _with_name(source: Source, name: str) -> Source:
    """The same source whose only column is called as the run calls it."""

    def load_renamed() -> Contents:
        found = source.load()
        (column,) = found.columns.values()
        return replace(found, columns={name: _rename_column(column, name)})

    return replace(source, load=load_renamed)


def _rename_column(column: Column, name: str) -> Column:
    return column if column.name == name else replace(column, name=name)


def _match_columns(
    found: Contents,
    fields: Sequence[Field],
    wanted: Sequence[Field],
    known: Sequence[str] | None,
    need_target: bool,
    name: str,
    notes: list[Note],
) -> dict[str, str]:
    """Which column holds which field: by name, by name in other capitals, or by position in a table without header."""
    columns = list(found.columns)
    # From the last to the first: of two names that fold to the same one the first column is taken.
    folded = {_fold_name(column): column for column in reversed(columns)}
    names = {f.name: f.name if f.name in columns else folded.get(_fold_name(f.name), "") for f in wanted}
    names = {field: column for field, column in names.items() if column}
    needed = [f for f in wanted if need_target or f.role == "input"]
    for kind in (name for name, traits in KINDS.items() if not traits.tabular):
        names |= _only_of_kind(found, [f for f in needed if f.name not in names], names, kind)
    if not found.named and (known or any(f.name not in names for f in needed)):
        names = _by_position(found, known or [f.name for f in fields], wanted, name, notes)
    for field, column in names.items():
        if column != field and found.named:
            notes.append(Note("info", f"column '{column}' is read as '{field}'", name))
    lost = [f for f in needed if f.name not in names]
    if lost:
        raise _lost_columns_error(lost, [c for c in columns if c not in names.values()], name)
    used = {f.name for f in fields} | set(names.values())
    extra = [column for column in columns if column not in used]
    if extra:
        notes.append(
            Note("info", f"{count_noun(len(extra), 'column')} the run does not use: {join_words(extra)}", name)
        )
    return names


def _only_of_kind(found: Contents, lost: Sequence[Field], names: Mapping[str, str], kind: str) -> dict[str, str]:
    """{field: column} where one field of a kind is lacking, such as an image, and the layout made one column of it.

    Empty elsewhere.
    """
    fields = [f.name for f in lost if f.kind == kind]
    columns = [c for c, own in found.kinds.items() if own == kind and c not in names.values()]
    return dict(zip(fields, columns, strict=True)) if len(fields) == len(columns) == 1 else {}


def _fold_name(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def _by_position(
    found: Contents, known: Sequence[str], wanted: Sequence[Field], name: str, notes: list[Note]
) -> dict[str, str]:
    """Columns without names stand where the run's columns, ``known``, stood; the target may be left out.

    What the layout adds has a name of its own.
    """
    # In all columns of the training, used or not: by the used ones alone, made-up names of any other table fitted, and
    # a run on iris answered for sonar (docs/LOG.md, 2026-11-22).
    here, used = [column for column in found.columns if column not in found.added], {f.name for f in wanted}
    targets = [f.name for f in wanted if f.role == "target" and f.name in known]
    for order in (known, [column for column in known if column not in targets]):
        if len(order) == len(here):
            if set(order).isdisjoint(here):
                notes.append(Note("info", "has no header; its columns are taken in the order of the training", name))
            names = {field: column for field, column in zip(order, here, strict=True) if field in used}
            return names | {added: added for added in found.added if added in used}
    without = join_words(f"'{one}'" for one in targets)
    less = f" ({len(known) - len(targets):,} without {without})" if targets else ""
    shown = ",".join(known) if len(known) <= 12 else ",".join([*known[:12], "…"])
    raise PellucidError(
        f"the table has {count_noun(len(here), 'column')} without names, the run was trained on {len(known):,}{less}",
        where=name,
        fix=f"give it the same columns, or a first line with their names: {shown}",
    )


def _lost_columns_error(lost: Sequence[Field], free: list[str], name: str) -> PellucidError:
    """The error for columns that are not there."""
    what = f"{_columns_in_words([f.name for f in lost])} {'is' if len(lost) == 1 else 'are'} missing"
    close = get_close_matches(lost[0].name, free, n=1, cutoff=LIKE)
    shown = join_words((f"'{column}'" for column in free), 12)
    fix = f"add {'it' if len(lost) == 1 else 'them'}" + (f"; the other columns there: {shown}" if free else "")
    if close:
        fix = f"Did you mean '{close[0]}'? Rename it to '{lost[0].name}'."
    return PellucidError(what, where=name, fix=fix)
