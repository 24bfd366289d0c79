"""Tables beside photos or recordings: rows that name one each, with what is known of it. n rows, m files.

A name in a table is only ever looked up among the files that were found: it leads nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from ...errors import PellucidError
from ...fields import Column, Note, kind_named, kind_of_files
from ...fields.category import column_words
from ...fields.notes import LEFT_OUT
from ...wording import count_noun, join_words
from ..schema import SPLIT_NAMES
from ..source import Contents, ReadOptions
from ..splits.spec import SPLIT_WORDS
from ..tables.readers import contents_of, read_table
from . import transcripts
from .classes import Classes
from .listing import Listing, suffix_of
from .names import Names, values_of
from .parts import split_folders

# Files looked into; where there are more they are not tables but something beside each image, such as its boxes.
MOST_TABLES = 40

# A table of so many bytes is not looked into unless it is called metadata.
LARGE_TABLE_BYTES = 1 << 30

# So much of a column's values must name files that are there (docs/data.md).
ENOUGH_NAMED_SHARE = 0.8

# Names of columns of whole numbers that are classes.
CLASS_NAMES = ("label", "labels", "class", "class_id", "category")

# Rows and files listed one by one.
MOST_SHOWN = 3


@dataclass(frozen=True)
class MetadataTable:
    """A table that names photos or recordings.

    Attributes:
        path: of the table. found: its columns. column: the one that names files.
        rows, files: (n,) rows that name a file, and which one; ``lost``: rows whose file is not there.
    """

    path: str
    found: Contents
    column: str
    rows: list[int]
    files: list[int]
    lost: list[int]

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


def read_metadata(
    files: Listing, paths: Sequence[str], told: Classes, options: ReadOptions, notes: list[Note]
) -> Contents | None:
    """The rows of the tables that name the files; None when there is no such table.

    Args:
        files: where the tables lie. paths: of the photos or recordings. told: what their folders say.
        options: of ``read``.
        notes: what was odd is added.
    """
    names = Names(paths, files.root)
    tables = [
        one for path in _candidate_files(files) if (one := _metadata_at(files, path, names, options, notes)) is not None
    ]
    chosen = _choose_tables(tables, notes, files.name, kind_named(files.kind).file_noun)
    if not chosen:
        return None
    for one in chosen:
        files.others[suffix_of(one.path)] -= 1
    # Adding drops the counts that are down to 0.
    files.others += type(files.others)()
    return _join_tables(files, paths, told, chosen, options, notes)


def is_metadata(path: str) -> bool:
    """Whether a table is called so that it can only be about the files beside it."""
    return path.rsplit("/", 1)[-1].lower().startswith("metadata.")


def _candidate_files(files: Listing) -> list[str]:
    """Tables that may name the files, those called metadata first."""
    first = [path for path in files.tables if is_metadata(path)]
    others = [path for path, (size, _) in files.tables.items() if path not in first and 0 < size < LARGE_TABLE_BYTES]
    if len(others) > MOST_TABLES:
        others = [path for path in others if suffix_of(path) not in (".txt", ".json")]
    return first + sorted(others, key=lambda path: (path.count("/"), path))[:MOST_TABLES]


def _metadata_at(
    files: Listing, path: str, names: Names, options: ReadOptions, notes: list[Note]
) -> MetadataTable | None:
    """The table at ``path``, when one of its columns names files that are there."""
    place = files.table(path) if files.table else files.root / path
    try:
        found = contents_of(read_table(place, path, ReadOptions(spool=options.spool)), path)
    except PellucidError as error:
        if is_metadata(path):
            notes.append(Note.left_out(error.what, path))
        return None
    # A mere list of names says nothing of the files.
    if len(found.columns) < 2:
        return None
    ways = {name: names.best_match(column, path.rpartition("/")[0]) for name, column in found.columns.items()}
    share, best = max((way.share, name) for name, way in ways.items())
    if share < ENOUGH_NAMED_SHARE:
        _note_unnamed(path, found, names, kind_named(files.kind).file_noun, notes)
        return None
    at = ways[best].look(values_of(found.columns[best]))
    rows = [row for row, i in enumerate(at) if i >= 0]
    return MetadataTable(path, found, best, rows, [at[r] for r in rows], [r for r, i in enumerate(at) if i < 0])


def _note_unnamed(path: str, found: Contents, names: Names, noun: str, notes: list[Note]) -> None:
    """Say that a table names files and hardly any that are there, with one that is not."""
    for name, column in found.columns.items():
        values = [value for value in values_of(column) if value]
        lost = [value for value in values if not names.may_name(value)]
        if not lost or kind_of_files(values) is None:
            continue
        there = len(values) - len(lost)
        cause = f"its column '{name}' names {there:,} of {count_noun(len(values), noun)} that are there; "
        cause += f"the first that is not: '{lost[0]}'"
        fix = "let it name the files as they are called, as paths from the table or from the folder"
        notes.append(replace(Note.left_out(cause, path, "warning"), fix=fix))


def _choose_tables(tables: list[MetadataTable], notes: list[Note], name: str, noun: str) -> list[MetadataTable]:
    """The tables to read: all that are called metadata, else the one that names most files and others like it."""
    called = [one for one in tables if is_metadata(one.path)]
    ranked = sorted(called or tables, key=lambda one: (-len(set(one.files)), one.path))
    chosen: list[MetadataTable] = []
    named: set[int] = set()
    for one in ranked:
        # Two tables that name the same files would make every example twice.
        like = called or not chosen or (one.column == chosen[0].column and named.isdisjoint(one.files))
        if like and not (called and named and named.issuperset(one.files)):
            chosen.append(one)
            named.update(one.files)
    for one in tables:
        if one not in chosen:
            notes.append(Note("info", f"names {noun}s too, but {chosen[0].path} is read", f"{name}, {one.path}"))
    return sorted(chosen, key=lambda one: one.path)


def _join_tables(
    files: Listing,
    paths: Sequence[str],
    told: Classes,
    chosen: list[MetadataTable],
    options: ReadOptions,
    notes: list[Note],
) -> Contents:
    """The rows of all tables that have a file, with what its folders say."""
    first, noun = chosen[0], kind_named(files.kind).file_noun
    origin = [(one, row) for one in chosen for row in one.rows]
    at = [file for one in chosen for file in one.files]
    for one in chosen:
        notes += one.found.notes
        _say_lost(one, noun, notes)
    _check_named(chosen, options, files.name, noun)
    named = set(at)
    _say_unnamed([path for i, path in enumerate(paths) if i not in named], chosen, notes, files.name, noun)
    frame = _stack_columns(chosen)

    def column_of(series: pl.Series) -> Column:
        cells, rows = (partial(place, origin, series.name) for place in (_cell_place, _row_place))
        return Column(series.name, series, files.root, cells, row_places=rows)

    columns = {series.name: column_of(series) for series in frame.get_columns()}
    own = pl.Series(first.column, [paths[i] for i in at], pl.String)
    columns[first.column] = files.column(first.column, own, lambda row: paths[at[row]])
    kinds = {name: "category" for name, column in columns.items() if _is_class(name, column)} | {
        first.column: files.kind
    }
    target, why = first.found.target, first.found.why
    if target in (None, first.column):
        target, why = None, ""
    extra = _from_folders(told, at, chosen, columns)
    for name, values in extra.items():
        columns[name] = column_of(pl.Series(name, values, pl.String))
        kinds[name] = "category"
    if told.name in extra and target is None:
        target, why = told.name, told.why
    spoken = [name for name in columns if kind_named(files.kind).recorded and _is_spoken(name, columns[name])]
    kinds |= dict.fromkeys(spoken, "text")
    if len(spoken) == 1 and target is None and not set(columns) - {first.column, *spoken, *SPLIT_NAMES}:
        target, why = spoken[0], "it is called so"
    where = join_words(f"{one.path}, column '{one.column}'" for one in chosen)
    about = f"{count_noun(len(at), noun)}, named in {where}, with {count_noun(len(columns) - 1, 'further column')}"
    if told.splits and "split" in extra:
        about += f", in folders {split_folders(extra['split'])}"
    added = (*first.found.added, *extra)
    return Contents(about, columns, notes, first.found.named, kinds, target, why, added=added)


def _stack_columns(chosen: list[MetadataTable]) -> pl.DataFrame:
    """The columns of all tables, a value that a table lacks missing; under the first one's name for the file."""
    frames = []
    for one in chosen:
        made = {name: column.series() for name, column in one.found.columns.items()}
        frame = pl.DataFrame({name: series for name, series in made.items() if series is not None})[one.rows]
        frames.append(frame.rename({one.column: chosen[0].column}))
    try:
        return pl.concat(frames, how="diagonal_relaxed")
    # A column of numbers in one table and of words in another.
    except pl.exceptions.PolarsError:
        return pl.concat([frame.cast(pl.String) for frame in frames], how="diagonal_relaxed")


def _is_spoken(name: str, column: Column) -> bool:
    """Whether a column is called so that it can only hold what is said, however few words that are."""
    series = column.series()
    return name.lower() in transcripts.NAMES and series is not None and series.dtype == pl.String


def _is_class(name: str, column: Column) -> bool:
    """Whether whole numbers are classes, by their name and because they repeat: of files, amounts are called more."""
    series = column.series()
    return (
        name.lower() in CLASS_NAMES
        and series is not None
        and series.dtype.is_integer()
        and 2 * series.n_unique() <= len(series)
    )


def _from_folders(
    told: Classes, at: list[int], chosen: list[MetadataTable], columns: dict[str, Column]
) -> dict[str, list[str | None]]:
    """What folders, or the tables' names, say beside the tables: the class and the split."""
    found: dict[str, list[str | None]] = {}
    labels = [told.labels[i] for i in at]
    if len(set(labels) - {None}) > 1 and told.name not in columns:
        found[told.name] = labels
    splits = [told.splits[i] for i in at] if told.splits else []
    stems = [SPLIT_WORDS.get(one.name.split(".")[0].lower()) for one in chosen]
    if not splits and len(chosen) > 1 and None not in stems:
        splits = [stem for stem, one in zip(stems, chosen, strict=True) for _ in one.rows]
    if len(set(splits) - {None}) > 1 and "split" not in columns:
        found["split"] = splits
    return found


def _cell_place(origin: list[tuple[MetadataTable, int]], name: str, row: int) -> str:
    one, line = origin[row]
    return (one.found.columns.get(name) or one.found.columns[one.column]).place(line)


def _row_place(origin: list[tuple[MetadataTable, int]], name: str, row: int) -> str:
    one, line = origin[row]
    return (one.found.columns.get(name) or one.found.columns[one.column]).row_place(line)


def _say_lost(one: MetadataTable, noun: str, notes: list[Note]) -> None:
    """Say which rows have no file."""
    if not one.lost:
        return
    names = values_of(one.found.columns[one.column])
    shown = join_words((f"'{names[row]}'" if names[row] else "nothing" for row in one.lost), MOST_SHOWN)
    a = "an" if noun[0] in "aeiou" else "a"
    rows = count_noun(len(one.lost), f"row names {a} {noun} that is", f"rows name {noun}s that are")
    text = f"{rows} not there ({shown})"
    where = one.found.columns[one.column].place(one.lost[0])
    text += f" and {'is' if len(one.lost) == 1 else 'are'} left out, here first"
    notes.append(Note("warning", text, where, LEFT_OUT))


def _check_named(chosen: list[MetadataTable], options: ReadOptions, name: str, noun: str) -> None:
    """Raises PellucidError when no row of a part, as a column or a table's name gives it, has its file."""
    kept, lost = set[str](), dict[str, int]()
    for one in chosen:
        values = _parts_of_rows(one, options)
        kept |= {values[row] for row in one.rows if values}
        for value in (values[row] for row in one.lost if values):
            lost[value] = lost.get(value, 0) + 1
    if kept and (gone := [value for value in lost if value not in kept]):
        raise PellucidError(
            f"'{gone[0]}' is given as a part, and none of the {noun}s of its {count_noun(lost[gone[0]], 'row')} "
            "is there",
            where=f"{name}, {chosen[0].path}",
            fix=f"copy the {noun}s to where the table says, or remove these rows to have that set drawn from others",
        )


def _parts_of_rows(one: MetadataTable, options: ReadOptions) -> list[str]:
    """What a table's column of parts, or its name, says of each of its rows; nothing where neither says any."""
    columns = one.found.columns
    named = options.split.column if options.split.by == "column" else None
    column = columns.get(named) if named else next((c for n, c in columns.items() if n.lower() in SPLIT_NAMES), None)
    if column is not None and (named or {w.lower() for w in column_words(column).drop_nulls()} <= SPLIT_WORDS.keys()):
        return [word or "" for word in column_words(column).to_list()]
    stem = one.name.split(".")[0].lower()
    return [stem] * len(one.found) if stem in SPLIT_WORDS else []


def _say_unnamed(paths: list[str], chosen: list[MetadataTable], notes: list[Note], name: str, noun: str) -> None:
    if paths:
        where = join_words(one.path for one in chosen)
        text = f"{count_noun(len(paths), f'{noun} has', f'{noun}s have')} no row in {where} and"
        text += f" {'is' if len(paths) == 1 else 'are'} left out ({join_words(paths, MOST_SHOWN)})"
        notes.append(Note("warning", text, name, LEFT_OUT))
