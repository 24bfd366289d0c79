"""From what the user passes to a dataset: ``read_data`` for new data, ``read_new`` for data of a finished run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from functools import cache as once
from functools import lru_cache, partial
from glob import glob, has_magic
from pathlib import Path
from typing import Any, TypeVar

from ..errors import PellucidError, UsageError, enough_memory
from ..fields import Column, Field, Note
from ..fields.category import column_words
from ..fields.labels import counts_of
from . import arrays, checks, folders, foretold, parting, splits, tables
from .archives import is_archive
from .cache import key_of
from .cache import open_cache as open_cache
from .dataset import Dataset, Reading
from .listing import SUFFIXES
from .marks import with_named_files
from .roles import PLACEHOLDER, check_names, fields_of
from .sources import LAYOUTS, Contents, ReadOptions, Source, check_width, count_noun, join_words
from .times import can_order
from .weights import weight_field

Made = TypeVar("Made", bound=Dataset)
ARCHIVES = (".gz", ".xz", ".bz2", ".zst", ".7z", ".rar")
SHEETS = (".numbers", ".xlsm", ".xlsb")


def read_data(
    source: Any,
    *,
    target: str | Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    ignore: Sequence[str] | str = (),
    header: bool | None = None,
    split: str | Sequence[float] | None = None,
    image_size: int | tuple[int, int] | None = None,
    weights: str | None = None,
    cache: str | Path | bool | None = None,
    check: bool = True,
    make: type[Made] = Dataset,  # type: ignore[assignment]
) -> Made:
    """Recognise what lies in ``source``: columns, their kinds, what is to be predicted, what looks wrong.

    Args:
        source: a folder of images (``root/class/*``, with train, val and test above or below the classes or without,
            or with a table beside the images that names them), also packed; a table (CSV, TSV, Parquet, Arrow, JSON
            lines, a spreadsheet; compressed or not), several with the same columns (a list of paths, a folder, an
            archive, a pattern such as ``"data/*.csv"``), a data frame, a dict of columns, a list of rows or a pair
            ``(X, y)`` of arrays.
        target: the column to predict, or several of numbers (``"a,b"``); the obvious one when left out.
        kinds: kinds by column, where the recognised ones are wrong: ``{"zip": "category"}``.
        ignore: columns to leave out.
        header: whether a table's first line holds names; inferred when left out.
        split: shares (``"80,10,10"``, ``"70,30"``), the column that says the parts (``"column:fold"``), groups that
            stay together (``"group:patient"``) or spans of time (``"time"``, ``"12mo,4mo,4mo"``).
        image_size: pixels a side, or (height, width), that images are brought to.
        weights: a column of numbers, 0 and more, that says how much each row counts in the loss and in scores.
        cache: folder for decoded values; ``$PELLUCID_CACHE`` or ``~/.cache/pellucid`` when left out, False for none.
        check: False looks for nothing odd in the values, now or before training, which saves time.
        make: the class of what is returned.

    Raises:
        PellucidError: for data that is not there or can't be read; UsageError for columns and kinds that don't exist.

    Example:
        >>> read_data({"height": [1.6, 1.8, 1.7], "label": ["a", "b", "a"]}, cache=False).target.name
        'label'
    """
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    ignored = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    target = target if target is None or isinstance(target, str) else tuple(target)
    options = ReadOptions(target, dict(kinds or {}), ignored, header, parting.parse_split(split), size, weights)
    notes: list[Note] = []
    kept = open_cache(cache, notes.append)
    found = recognise_source(source, replace(options, spool=kept.folder))
    found = replace(found, load=once(found.load))  # what is read to recognise it is there when values are asked for
    images = {name for name, kind in options.kinds.items() if kind == "image"}
    with enough_memory(f"'{found.name}'", "read fewer rows or columns"):
        found = with_named_files(found, images, kept, reading_code(), notes.append)
        asked = [found.digest, found.name, asdict(options), check]
        entry = kept.get_or_build(
            key_of("reading", reading_code(), asked),
            lambda _: ({}, _make_reading(found, options, check).to_json()),
            notes.append,
        )
    data = make(source, Reading.from_json(entry.meta), key_of(found.digest, header, ()), found.load, kept)
    data.notes[:0], data.unchecked = notes, not check
    given = {"target": target, "kinds": dict(kinds or {}), "ignore": list(ignored), "header": header}
    data.options = given | {"split": split, "image_size": image_size, "weights": weights}
    return data


def recognise_source(source: Any, options: ReadOptions) -> Source:
    """The first layout that knows the source. Raises PellucidError that says what could be there instead."""
    if isinstance(source, (str, os.PathLike)):
        if not str(source):  # which `Path` takes for the folder one is in
            raise UsageError("the name of the data is empty", fix="name a file or a folder; '.' is this one")
        source = Path(os.path.expanduser(source))
        if not os.path.exists(source):  # unlike its own exists(), this takes a text of any length
            source = _matching_files(source)
    for layout in LAYOUTS.values():
        if (found := layout(source, options)) is not None:
            near = _common_folder(source)
            return replace(found, load=partial(_open_beside, found, near)) if near else found
    raise _not_known(source)


def _common_folder(source: Any) -> Path | None:
    """The folder that paths in the columns of files start from; None where the files lie in several, or are none."""
    if isinstance(source, Path):
        return source.resolve() if source.is_dir() else source.resolve().parent
    several = isinstance(source, (list, tuple)) and bool(source) and all(map(is_path, source))
    folders = {Path(os.path.expanduser(one)).resolve().parent for one in source} if several else set()
    return folders.pop() if len(folders) == 1 else None


def _open_beside(source: Source, near: Path) -> Contents:
    """Opened, with paths in its columns that start from this folder."""
    found = source.load()
    columns = {name: c if c.base else replace(c, base=near) for name, c in found.columns.items()}
    return replace(found, columns=columns)


def _make_reading(source: Source, options: ReadOptions, check: bool) -> Reading:
    """Open the source and find out everything that can be known without decoding it."""
    found = source.load()
    check_width(len(found.columns), source.name)
    check_names(found.columns, options)
    folders.need_classes(found, source.name)
    notes = list(found.notes)
    fields, why = fields_of(found, options, notes.append)
    if check:
        notes += checks.columns(found.columns, fields)
    goal = next((f for f in fields if f.role == "target"), None)
    classes = {}
    if goal is not None and goal.kind == "category":
        classes = checks.class_counts(column_words(found.columns[goal.name]))
    for field in (f for f in fields if f.role == "target" and f.kind == "labels"):
        classes |= counts_of(found.columns[field.name], field.settings)
    even = splits.EVEN.get(goal.kind, "") if goal is not None else ""
    how, given, told = foretold.preview_split(found, fields, options.split, source.name, even, notes.append)
    columns = [name for name in found.columns if name not in found.added]
    about = (source.name, found.layout, len(found), found.named, fields, why)
    return Reading(*about, classes, given, how, told, notes, columns)


@lru_cache
def reading_code() -> str:
    """SHA-256 of the code that reads: what another version of it found out is not taken for its own."""
    here = Path(__file__).parent
    files = sorted([*here.rglob("*.py"), *here.parent.joinpath("fields").glob("*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _not_known(source: Any) -> PellucidError:
    known = f"known: folders of images, {' '.join(tables.READERS)} files, data frames, dicts of columns, (X, y), pairs"
    if not isinstance(source, Path):
        return PellucidError(f"data of the type {type(source).__name__} can't be read", fix=known)
    if source.is_dir():
        inside = sorted(p.name for p in source.iterdir() if not p.name.startswith("."))
        what = f"it holds {join_words(inside, 4)}" if inside else "the folder is empty"
        readable = [name for name in inside if Path(name).suffix.lower() in tables.READERS]
        fix = f"read a file in it: {source / readable[0]}" if readable else folders.CLASSES_FIX
        return PellucidError(f"there are no images in it ({what})" if inside else what, where=str(source), fix=fix)
    if not source.is_file():
        return PellucidError(
            "it is no file but a pipe, a socket or a device", where=str(source), fix="copy it to a file"
        )
    suffix = source.suffix.lower()
    if suffix in ARCHIVES:
        return PellucidError("an archive can't be read", where=str(source), fix="unpack it first")
    if suffix in SHEETS:
        return PellucidError("a spreadsheet can't be read", where=str(source), fix="save it as CSV")
    if suffix in SUFFIXES:
        return PellucidError("one image is nothing to learn from", where=str(source), fix=folders.CLASSES_FIX)
    what = f"a file that ends in '{suffix}'" if suffix else "a file whose name has no ending"
    return PellucidError(f"{what} can't be read", where=str(source), fix=known)


def _matching_files(pattern: Path) -> list[Path]:
    """The files that a pattern such as ``data/*.csv`` stands for."""
    found = sorted(map(Path, glob(str(pattern), recursive=True))) if has_magic(str(pattern)) else []
    if not found and os.path.islink(pattern):
        what = f"it is a link to '{os.readlink(pattern)}', which is not there"
        raise PellucidError(what, where=str(pattern), fix="name the file itself")
    if not found:
        raise PellucidError(
            "there is no such file or folder", where=abbreviate_text(str(pattern), 200), fix=_meant_path(pattern)
        )
    return found


def _meant_path(path: Path) -> str:
    """The file that was probably meant."""
    beside = sorted(p.name for p in path.parent.iterdir()) if os.path.isdir(path.parent) else []
    close = get_close_matches(path.name, beside, n=1, cutoff=0.6)
    return f"Did you mean '{path.parent / close[0]}'?" if close else f"look for it from {Path.cwd()}"


# new data for a finished run


def read_new(
    source: Any,
    fields: Sequence[Field],
    need_target: bool,
    *,
    texts: bool = False,
    weights: str | None = None,
    times: str | None = None,
    columns: Sequence[str] | None = None,
    cache: str | Path | bool | None = None,
) -> Dataset:
    """Read new data with the fields of a finished run: columns are found by name, kinds and states are the run's.

    Args:
        source: whatever ``read_data`` takes; for images also files or a list of files, or a folder without classes; for
            texts also a list of texts.
        fields: the run's fields; those whose role is neither input nor target are passed over.
        texts: the source is a list of texts; otherwise strings are paths.
        weights: a column that says how much each row counts in scores.
        times: a column that orders the rows; where there is one, the data is parted by it (``splits.moments_of``).
        columns: all that the run was trained on, used or not: where they stand in a table without header. Those of
            ``fields`` when left out, for runs that did not write them down.
        need_target: the target must be there too (to evaluate); otherwise it is passed over where it is there.

    Raises:
        PellucidError: when a column is missing; it says which and which one was probably meant.
    """
    wanted = [f for f in fields if f.role == "input" or f.role == "target"]
    notes: list[Note] = []
    kept = open_cache(cache, notes.append)
    needed = tuple(f.name for f in wanted if need_target or f.role == "input")
    options = ReadOptions(names=needed, weights=weights, spool=kept.folder)
    found = _source_of_texts(source, wanted) if texts else _source_of_new(source, wanted, options)
    found = replace(found, load=once(found.load))
    images = {f.name for f in wanted if f.kind == "image"}
    found = with_named_files(found, images, kept, reading_code(), notes.append)
    opened = found.load()
    if need_target:
        folders.need_classes(opened, found.name, least=1)
    weight = [] if weights is None else [Field(weights, "number", "weight")]
    when = _ordered_by(opened, times, wanted)
    names = _match_columns(opened, [*fields, *weight, *when], wanted, columns, need_target, found.name, notes)
    present = [f for f in wanted if f.name in names and (need_target or f.role == "input")]
    values = {f.name: _rename_column(opened.columns[names[f.name]], f.name) for f in present}
    if weights is not None:
        check_names(opened.columns, options)
        values[weights] = opened.columns[weights]
        present.append(weight_field(values[weights]))
    for field in when:
        values[field.name] = opened.columns[field.name]
        present.append(field)
    parts = parting.SplitSpec("time", times) if times in values and can_order(values[times]) else parting.SplitSpec()
    chosen = replace(opened, columns=values, notes=[*opened.notes, *notes])
    why, about = "the run predicts it", (found.name, opened.layout, len(opened), opened.named, present)
    reading = Reading(*about, why, notes=chosen.notes, parting=parts)
    return Dataset(source, reading, key_of(found.digest, options.names, names), lambda: chosen, kept)


def _ordered_by(found: Contents, times: str | None, wanted: Sequence[Field]) -> list[Field]:
    """The column that orders the rows, where it is there and the run does not read it anyway."""
    if times is None or times not in found.columns or times in (f.name for f in wanted):
        return []
    return [Field(times, PLACEHOLDER, "ignore", "orders the rows")]


def _source_of_texts(source: Sequence[str], wanted: Sequence[Field]) -> Source:
    """Texts for a run that reads one."""
    inputs = [f for f in wanted if f.role == "input"]
    if [f.kind for f in inputs] != ["text"]:
        read = join_words(f"{f.name} ({f.kind})" for f in inputs)
        raise PellucidError(f"a text was given, but the run reads {read}", fix="give a file with these columns")
    return arrays.text_source([str(text) for text in source], inputs[0].name)


def _source_of_new(source: Any, wanted: Sequence[Field], options: ReadOptions) -> Source:
    """The source of new data: what the run's inputs are settles what strings and files stand for."""
    inputs = [f for f in wanted if f.role == "input"]
    only = inputs[0] if len(inputs) == 1 else None
    words_given = (
        isinstance(source, (list, tuple)) and bool(source) and all(isinstance(s, (str, os.PathLike)) for s in source)
    )
    if only is not None and only.kind == "image":
        paths = (
            [Path(os.path.expanduser(one)) for one in (source if words_given else [source])]
            if is_path(source) or words_given
            else []
        )
        if (
            paths
            and (len(paths) > 1 or not os.path.isdir(paths[0]))
            and not all(tables.is_table_file(p) or is_archive(p) for p in paths)
        ):
            return _with_name(folders.image_files(paths), only.name)
        if arrays.are_images(source):
            return arrays.image_source(source, only.name)
    if words_given or is_path(source):
        _check_files([source] if is_path(source) else source, inputs)
    if words_given and len(source) == 1:
        source = source[0]
    return recognise_source(source, options)


def _check_files(paths: Sequence[Any], inputs: Sequence[Field]) -> None:
    """Raises PellucidError for strings that can't hold what a run reads: texts, or photos without their columns."""
    words = [one for one in paths if isinstance(one, str)]
    texts = [one for one in words if not os.path.exists(os.path.expanduser(one)) and not glob(one, recursive=True)]
    if texts and [f.kind for f in inputs] == ["text"]:
        fix = 'if it is the text itself, give it as one: predict(texts=["…"]), or --text "…"'
        raise PellucidError("there is no such file", where=abbreviate_text(texts[0], 40), fix=fix)
    reads = join_words(f"{f.name} ({f.kind})" for f in inputs)
    fix = "give a table with these columns, or a folder that holds one beside its photos"
    if Path(paths[0]).suffix.lower() in SUFFIXES and not os.path.isdir(paths[0]):
        raise PellucidError(f"a photo alone was given, but the run reads {reads}", where=str(paths[0]), fix=fix)
    if len(paths) > 1 and not all(os.path.isfile(one) and tables.is_table_file(Path(one)) for one in paths):
        raise PellucidError(f"{len(paths)} strings were given, but the run reads {reads}", fix="pass one table")


def abbreviate_text(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def is_path(source: Any) -> bool:
    return isinstance(source, (str, os.PathLike))


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
    folded = {_fold_name(column): column for column in reversed(columns)}
    names = {f.name: f.name if f.name in columns else folded.get(_fold_name(f.name), "") for f in wanted}
    names = {field: column for field, column in names.items() if column}
    needed = [f for f in wanted if need_target or f.role == "input"]
    names |= _only_image(found, [f for f in needed if f.name not in names], names)
    if not found.named and (known or any(f.name not in names for f in needed)):
        names = _by_position(found, known or [f.name for f in fields], wanted, name, notes)
    for field, column in names.items():
        if column != field and found.named:
            notes.append(Note("info", f"column '{column}' is taken for '{field}'", name))
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


def _only_image(found: Contents, lost: Sequence[Field], names: Mapping[str, str]) -> dict[str, str]:
    """The one column of images that the layout knows of, for the one that the run reads, whatever they are called."""
    fields = [f.name for f in lost if f.kind == "image"]
    columns = [c for c, kind in found.kinds.items() if kind == "image" and c not in names.values()]
    return dict(zip(fields, columns, strict=True)) if len(fields) == len(columns) == 1 else {}


def _fold_name(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def _by_position(
    found: Contents, known: Sequence[str], wanted: Sequence[Field], name: str, notes: list[Note]
) -> dict[str, str]:
    """Columns without names stand where the run's columns, ``known``, stood; the target may be left out.

    What the layout adds has a name of its own.
    """
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
    asked = join_words(f"'{f.name}'" for f in lost)
    what = f"{'the column' if len(lost) == 1 else 'the columns'} {asked} {'is' if len(lost) == 1 else 'are'} missing"
    close = get_close_matches(lost[0].name, free, n=1, cutoff=0.6)
    shown = join_words((f"'{column}'" for column in free), 12)
    fix = f"add it; beside what was found there {'are ' + shown if free else 'is nothing else'}"
    if close:
        fix = f"Did you mean '{close[0]}'? Rename it to '{lost[0].name}'."
    return PellucidError(what, where=name, fix=fix)
