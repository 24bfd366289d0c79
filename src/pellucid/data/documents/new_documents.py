"""New texts for a run that continues texts: cut into passages as those that it has learned from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache as once
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import PellucidError
from ...fields import Field, Note
from ...options import check_options
from ..cache.cache import key_of, open_cache
from ..examples import Examples, Reading
from ..kept_columns import keep_columns
from ..memory.files import FileCopy, copy_file, is_open_file
from ..read import reading_code
from ..recognise import is_path, recognise_source
from ..source import ReadOptions, Source
from ..tables.signatures import SAMPLE_BYTES, meaning_of
from .content import text_opener
from .listing import DocumentListing
from .load import load_documents
from .passages import TEXT


def read_new_documents(
    source: Any,
    field: Field,
    *,
    texts: bool = False,
    keep: str | Sequence[str] = (),
    cache: str | Path | bool | None = None,
    **form: Any,
) -> Examples:
    """Documents with the level and the length of passages of a finished run.

    Args:
        source: a file of text, several, a folder or an archive of them, an open file; with ``texts`` a list of texts.
        field: the run's passages. keep: columns that go along with predictions. form: ``encoding``; what else is said
            of tables says nothing here.

    Raises:
        PellucidError: when there is no text that can be read.
    """
    notes: list[Note] = []
    values_cache = open_cache(cache, notes.append)
    asked = check_options("evaluate", form)
    options = ReadOptions(
        names=(field.name,), spool=values_cache.folder, encoding=asked.get("encoding"), documents=dict(field.settings)
    )
    found = _source_of_texts(source, options) if texts else _source_of_files(source, options, values_cache.folder)
    load = once(found.load)
    opened = load()
    if not opened.document:
        raise PellucidError("this run is a language model and needs text", where=found.name, fix="give a file of text")
    column = replace(opened.columns[TEXT], name=field.name)
    columns = {name: one for name, one in opened.columns.items() if name != TEXT} | {field.name: column}
    chosen = replace(opened, columns=columns, notes=[*opened.notes, *notes])
    names = Field(opened.document, "category", "group", opened.reasons[opened.document])
    about = (found.name, opened.layout, len(opened), True, [field, names], "the run continues texts")
    reading = Reading(*about, notes=chosen.notes, document=opened.document)
    key = key_of(found.digest, [reading_code(), asked], dict(field.settings))
    data = Examples(source, reading, key, lambda: chosen, values_cache)
    if keep:
        data.kept = keep_columns(chosen, keep, (), {field.name})
    return data


def _source_of_files(source: Any, options: ReadOptions, cache: Path | None) -> Source:
    """Files of text, by their paths or open."""
    if is_open_file(source):
        copy: FileCopy = copy_file(source, cache)
        opener = partial(_open_copy, copy)
        found = DocumentListing(copy.path, copy.name)
        return Source(copy.name, copy.digest, lambda: load_documents(found, {copy.name: opener}, options, given=True))
    several = isinstance(source, (list, tuple)) and all(map(is_path, source)) and len(source) > 0
    if several and len(source) == 1:
        source = source[0]
    elif not several and not is_path(source):
        what = f"the run continues texts, and was given data of type {type(source).__name__}"
        raise PellucidError(what, fix='give a file of text, or texts themselves: texts=["…"]')
    if is_path(source) and os.path.isdir(source) and not os.listdir(source):
        raise PellucidError("the folder is empty", where=str(source), fix="give a file of text")
    if is_path(source) and os.path.isfile(source):
        with open(source, "rb") as file:
            what, ending = meaning_of(file.read(SAMPLE_BYTES))
        # An archive may hold texts; what has a name that it can be called by is told by its reader.
        if what and not ending:
            raise PellucidError(f"it is not text but {what}", where=str(source), fix="give a file of text")
    return recognise_source(source, options)


def _open_copy(copy: FileCopy) -> Any:
    # The reference is the point: without it the copy would go before it is read.
    return copy.path.open("rb")


def _source_of_texts(texts: Sequence[str], options: ReadOptions) -> Source:
    """Texts that were given themselves, each a document."""
    given = [str(text) for text in texts]
    names = [f"text {i:,}" for i in range(1, len(given) + 1)]
    name = "the text" if len(given) == 1 else f"{len(given):,} texts"
    openers = {one: partial(text_opener, text) for one, text in zip(names, given, strict=True)}
    found = DocumentListing(Path("."), name)
    return Source(name, key_of("texts", given), lambda: load_documents(found, openers, options, given=True))
