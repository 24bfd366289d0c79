"""Aligned files as a layout: each line an example, each language a column. n lines, k languages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Column, Note
from ...fields.notes import AS_IT_SAYS, LEFT_OUT
from ...wording import count_noun, join_words
from ..archives import open_compressed
from ..documents.layouts import asks_for_texts
from ..folders.parts import split_folders
from ..source import Contents, ReadOptions, Source, layout_first
from ..splits.spec import PARTS
from ..tables.readers import digest_files
from ..tables.signatures import SAMPLE_BYTES, meaning_of
from ..tables.table import LINE, UNITS, Places
from ..tables.text_blocks import decode_text
from .aligned_files import AlignedFiles, Alignment, align_folder, align_named, check_lines

TEXT, SPLIT = "text", "split"


@layout_first
def aligned_files(source: Any, options: ReadOptions) -> Source | None:
    """Files with one stem and an ending for each language, ``train.en train.de``, compressed or not."""
    several = isinstance(source, (list, tuple)) and len(source) > 1
    if not several or not all(isinstance(one, (str, os.PathLike)) for one in source) or asks_for_texts(options):
        return None
    paths = [Path(os.path.expanduser(one)) for one in source]
    # Unlike the path's own ``is_file``, this takes a text of any length.
    if not all(os.path.isfile(path) for path in paths):
        return None
    found = align_named(paths)
    return None if found is None else _source_of(found, f"{len(paths):,} files", options)


@layout_first
def aligned_folder(source: Any, options: ReadOptions) -> Source | None:
    """A folder with such files; the names of some may say that they are train, val and test."""
    if not isinstance(source, Path) or not source.is_dir() or asks_for_texts(options):
        return None
    inside = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    found = align_folder(inside)
    return None if found is None else _source_of(found, source.resolve().name + "/", options)


def line_files(paths: Sequence[Path], name: str) -> Source:
    """Files of which each line is a text, one file after the other; for predictions."""
    where = str(paths[0]) if len(paths) == 1 else f"{len(paths):,} files"

    def load_lines() -> Contents:
        notes: list[Note] = []
        files = [read_lines(path, notes) for path in paths]
        series = pl.concat([pl.Series(name, own, pl.String) for own in files])
        places = _places_of([path.name for path in paths], [len(own) for own in files])
        column = Column(name, series, None, partial(_place_of, places), marked=True)
        return Contents(count_noun(len(series), "line"), {name: column}, notes, kinds={name: TEXT}, places=places)

    return Source(where, digest_files(paths), load_lines)


def read_lines(path: Path, notes: list[Note]) -> list[str]:
    """The lines of a file of text, compressed or not, without their ends and without spaces around them.

    Raises:
        PellucidError: for what is no text.
    """
    with open_compressed(path) as file:
        data = file.read()
    if what := meaning_of(data[:SAMPLE_BYTES])[0]:
        raise PellucidError(f"it is not text but {what}", where=str(path), fix="give files of plain text")
    text, guess = decode_text(data)
    if guess:
        notes.append(Note("warning", f"is not UTF-8; read as {guess}", path.name, AS_IT_SAYS, "save it as UTF-8"))
    # Not by ``splitlines``, which also ends lines at signs that stand within sentences, such as U+2028.
    lines = text.removesuffix("\n").split("\n") if text else []
    return [line.strip() for line in lines]


def _source_of(found: Alignment, name: str, options: ReadOptions) -> Source:
    return Source(name, digest_files(found.files), partial(_load_aligned, found, name, options))


@dataclass(frozen=True)
class _Lines:
    """The lines of one aligned set by language, and which of them are used: (n,) lines' numbers, counted from 0."""

    about: AlignedFiles
    texts: Sequence[Sequence[str]]
    used: np.ndarray


def _load_aligned(found: Alignment, name: str, options: ReadOptions) -> Contents:
    """The pairs of all sets one after the other, in columns called after the languages."""
    notes: list[Note] = []
    sets = [_read_set(one, notes) for one in found.sets]
    _note_empty(sets, name, notes)
    total = sum(len(one.used) for one in sets)
    if not total and not any(one.texts[i] for one in sets for i in range(len(one.texts))):
        raise PellucidError("the files are empty", where=name, fix="give files with a text in each line")
    if not total:
        raise PellucidError("no line has text in every language", where=name, fix="check that the files are aligned")
    if found.others:
        text = f"{count_noun(len(found.others), 'other file is', 'other files are')} not read"
        text += f": {join_words((path.name for path in found.others), 3)}"
        notes.append(Note("info", text, name, LEFT_OUT))
    columns, kinds = {}, dict.fromkeys(found.languages, TEXT)
    for i, language in enumerate(found.languages):
        series = pl.Series(language, [one.texts[i][line] for one in sets for line in one.used.tolist()], pl.String)
        places = _places_of_sets(sets, i)
        columns[language] = Column(language, series, None, partial(_place_of, places), marked=True)
    about = f"{count_noun(total, 'line')} in {join_words(found.languages)}, aligned"
    parts = _parts_of_sets(sets, name, notes)
    if parts:
        splits = [part for one, part in zip(sets, parts, strict=True) for _ in range(len(one.used))]
        columns[SPLIT] = Column(SPLIT, pl.Series(SPLIT, splits, pl.String), None, None, marked=True)
        about += f", in files for {split_folders(parts)}"
    target, places = found.languages[1], _places_of_sets(sets, 0)
    why = f"it is the second of {join_words(found.languages)}; --target {found.languages[0]} for the other direction"
    return Contents(about, columns, notes, kinds=kinds, target=target, why=why, places=places, lines=True)


def _parts_of_sets(sets: Sequence[_Lines], name: str, notes: list[Note]) -> list[str]:
    """The part of each set; empty where the stems name none, or all the same. What names none is learned from."""
    named = [one.about.part for one in sets]
    parts = [part or PARTS[0] for part in named]
    if len(set(parts)) < 2:
        return []
    if others := [one.about.stem for one, part in zip(sets, named, strict=True) if part is None]:
        said = "names no part and is" if len(others) == 1 else "name no part and are"
        text = f"{join_words(others, 3)} {said} learned from, beside what is named {split_folders(named)}"
        fix = "have val or test in the name of what is not to be learned from"
        notes.append(Note("warning", text, name, AS_IT_SAYS, fix))
    return parts


def _read_set(one: AlignedFiles, notes: list[Note]) -> _Lines:
    texts = [read_lines(path, notes) for path in one.files]
    check_lines([path.name for path in one.files], [len(own) for own in texts])
    there = [all(line) for line in zip(*texts, strict=True)]
    return _Lines(one, texts, np.flatnonzero(there))


def _note_empty(sets: Sequence[_Lines], name: str, notes: list[Note]) -> None:
    """Say how many pairs lack a side, and where the first of them is."""
    lost = [(one, np.setdiff1d(np.arange(len(one.texts[0])), one.used)) for one in sets]
    count, every = sum(len(lines) for _, lines in lost), sum(len(one.texts[0]) for one in sets)
    if not count:
        return
    one, lines = next((one, lines) for one, lines in lost if len(lines))
    first = int(lines[0])
    side = next(i for i, own in enumerate(one.texts) if not own[first])
    text = f"{count:,} of {count_noun(every, 'pair')} {'has' if count == 1 else 'have'} an empty line"
    where = f"{one.about.files[side].name}, line {first + 1:,}"
    notes.append(Note("warning", f"{text}, first here", where, LEFT_OUT))


def _places_of_sets(sets: Sequence[_Lines], language: int) -> Places:
    """Where rows come from, in the file of one language."""
    names = [one.about.files[language].name for one in sets]
    return _places_of(names, [len(one.used) for one in sets], [one.used for one in sets])


def _places_of(names: Sequence[str], counts: Sequence[int], lines: Sequence[np.ndarray] | None = None) -> Places:
    """Where rows come from: ``counts`` of each file, and which ``lines`` of it where those are not all."""
    first, line, file, start = [], [], [], 0
    for i, count in enumerate(counts):
        own = np.arange(count) if lines is None else lines[i]
        begins = np.flatnonzero(np.diff(own, prepend=-2) != 1)
        first += (start + begins).tolist()
        line += (own[begins] + 1).tolist()
        file += [i] * len(begins)
        start += count
    runs, lines_of, files = (np.array(one, np.int64) for one in (first, line, file))
    return Places(list(names), runs, lines_of, files, np.full(len(names), UNITS.index(LINE)))


def _place_of(places: Places, row: int) -> str:
    return places(row)
