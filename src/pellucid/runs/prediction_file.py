"""Predictions in files: CSV and Parquet, a column a class, or JSON; a piece at a time, whole or not at all."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

import polars as pl
from polars.io.plugins import register_io_source

from ..errors import Interrupted, PellucidError, visible_text
from ..fields.labels import join_labels
from ..storage.atomic import os_errors_as
from ..storage.strict_json import json_value
from ..wording import count_noun
from .predictions import Predictions

# What a spreadsheet takes for a formula by its first character; the last four are full-width forms of the first. A sign
# alone is none, and one before a number is the number's.
FORMULA = r"^(?:[=@\t\r\n\uFF1D\uFF20]|[+\-\uFF0B\uFF0D].)"
SIGNED = r"^[+\-](?:\d+(?:[.,]\d+)*[.,]?|[.,]\d+)(?:[eE][+\-]?\d+)?\s*%?$"

# What no text file should hold; line ends and tabs stay, a quoted cell may have them.
CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"


def harmless_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula: with a ``'`` before it, where one would (OWASP, CSV injection).

    >>> harmless_text("=1+1"), harmless_text("-5"), harmless_text("-cmd|' /C calc'!A0"), harmless_text("a=b")
    ("'=1+1", '-5', "'-cmd|' /C calc'!A0", 'a=b')
    """
    text = re.sub(CONTROL, lambda found: visible_text(found[0]), text)
    return f"'{text}" if re.match(FORMULA, text, re.DOTALL) and not re.match(SIGNED, text) else text


def harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """A table for CSV: lists as one text, and texts that a spreadsheet would take for a formula with a ``'`` before."""
    columns = {}
    for series in frame.get_columns():
        if isinstance(series.dtype, pl.List):
            texts = [None if cell is None else join_labels([str(one) for one in cell], "") for cell in series.to_list()]
            series = pl.Series(series.name, texts, pl.String)
        if series.dtype == pl.String:
            series = _harmless_series(series)
        columns[harmless_text(series.name)] = series
    return pl.DataFrame(columns)


def _harmless_series(series: pl.Series) -> pl.Series:
    odd = series.str.contains(f"(?s){FORMULA}") | series.str.contains(CONTROL)
    # Few cells are: the others stay as they lie.
    if not odd.any():
        return series
    changed = [None if text is None else harmless_text(text) for text in series.to_list()]
    return pl.Series(series.name, changed, pl.String)


def write_predictions(pieces: Iterable[Predictions], ending: str, file: IO[bytes]) -> None:
    """Write predictions, one piece after the other, in the form that a file's ending says."""
    WRITERS[ending](iter(pieces), file)


def _write_csv(pieces: Iterator[Predictions], file: IO[bytes]) -> None:
    for i, piece in enumerate(pieces):
        harmless(piece.to_frame("polars")).write_csv(file, include_header=not i)


def _write_parquet(pieces: Iterator[Predictions], file: IO[bytes]) -> None:
    frames = (piece.to_frame("polars") for piece in pieces)
    first = next(frames)
    every = chain([first], frames)

    def next_frames(*_: Any) -> Iterator[pl.DataFrame]:
        yield from every

    # A file that grows: all of it at once would be the largest thing in memory.
    register_io_source(next_frames, schema=first.schema).sink_parquet(file)


def _write_json(pieces: Iterator[Predictions], file: IO[bytes]) -> None:
    start = b"[\n"
    for piece in pieces:
        # Without the brackets, which stand around all pieces.
        text = json.dumps(json_value(list(piece)), ensure_ascii=False, indent=1, default=str)[2:-2]
        file.write(start + text.encode())
        start = b",\n"
    file.write(b"\n]")


def _write_json_lines(pieces: Iterator[Predictions], file: IO[bytes]) -> None:
    for piece in pieces:
        file.writelines(json.dumps(json_value(row), ensure_ascii=False, default=str).encode() + b"\n" for row in piece)


WRITERS: dict[str, Callable[[Iterator[Predictions], IO[bytes]], None]] = {
    ".csv": _write_csv,
    ".json": _write_json,
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}


def write_file(pieces: Iterable[Predictions], path: Path, *, replace: bool, ending: str = "") -> None:
    """Write a file of predictions, which appears whole or not at all.

    Args:
        path: its ending says its form, unless ``ending`` does. replace: what is there already gives way.

    Raises:
        PellucidError: where it can't be written, or is there and not ``replace``.
        Interrupted: where a person stopped it. What was answered before is in a file of another name.
    """
    until = _UntilStopped(pieces)
    with os_errors_as("be written", path), _draft_of(path) as draft:
        with draft.open("xb") as file:
            write_predictions(until, ending or path.suffix.lower(), file)
        place = _partial_name(path) if until.stopped else path
        _give_name(draft, place, replace and not until.stopped)
    if until.stopped:
        raise Interrupted(f"stopped; the first {count_noun(until.rows, 'prediction is', 'predictions are')} in {place}")


class _UntilStopped:
    """Pieces as they are made, up to where a person stops it (Ctrl-C): what is there by then took its time.

    Attributes:
        rows: how many predictions there were. stopped: whether there would have been more.
    """

    def __init__(self, pieces: Iterable[Predictions]):
        self._pieces, self.rows, self.stopped = pieces, 0, False

    def __iter__(self) -> Iterator[Predictions]:
        try:
            for piece in self._pieces:
                self.rows += len(piece)
                yield piece
        except KeyboardInterrupt:
            if not self.rows:
                raise
            self.stopped = True


def _partial_name(path: Path) -> Path:
    """A name that no file has, for what is not whole: ``answers.partial.csv``."""
    names = chain(["partial"], (f"partial-{i}" for i in count(2)))
    return next(one for name in names if not os.path.lexists(one := path.with_name(f"{path.stem}.{name}{path.suffix}")))


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    """A path for a draft beside ``path``, which is gone when the block is done unless it has got a name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".pellucid-{secrets.token_hex(8)}")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _give_name(draft: Path, path: Path, replace: bool) -> None:
    """Give a finished file its name."""
    if replace:
        if path.is_file() and not path.is_symlink():
            # Who could read the file before can read the new one.
            shutil.copymode(path, draft)
        draft.replace(path)
        return
    try:
        # Unlike a renaming, a link never replaces what has come there in the meantime.
        os.link(draft, path)
    except FileExistsError:
        raise there_already(path) from None
    # A file system without hard links.
    except OSError:
        if os.path.lexists(path):
            raise there_already(path) from None
        draft.rename(path)


def there_already(name: str | Path) -> PellucidError:
    fix = "choose another name, or have it replaced with --force"
    return PellucidError("there is a file of this name already", where=str(name), fix=fix)
