"""A table on standard input: ``cat t.csv | pellucid predict RUN -``. It is put down in a file that goes afterwards."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import PellucidError, UsageError

# The word of the command line that stands for standard input, and what the file is called in messages.
DASH, NAME = "-", "stdin"

# How a file is to end that begins so; what begins otherwise is CSV or the like.
ENDINGS = {
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
    b"\x1f\x8b": ".csv.gz",
    b"BZh": ".csv.bz2",
    b"\xfd7zXZ": ".csv.xz",
    b"\x28\xb5\x2f\xfd": ".csv.zst",
    b"PK\x03\x04": ".xlsx",
    b"{": ".jsonl",
    b"[": ".json",
}

# The longest of them, and blanks before a bracket.
BEGINNING = 64


@contextmanager
def standard_input(data: str | list[str]) -> Iterator[tuple[str | list[str], dict[str, Any]]]:
    """``data`` with a file in place of ``-``, and what reading it takes besides, as long as the block lasts.

    Raises:
        UsageError: for ``-`` beside other files, or twice. PellucidError: when nothing comes.
    """
    if DASH not in ([data] if isinstance(data, str) else data):
        yield data, {}
        return
    if isinstance(data, list) and len(data) > 1:
        raise UsageError("'-' is standard input, and it was given beside others", fix="give it alone, or name files")
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("'-' is standard input, and nothing is piped into it", fix="cat t.csv | pellucid … -")
    with TemporaryDirectory(prefix="pellucid-", ignore_cleanup_errors=True) as folder:
        path = _put_down(Path(folder))
        # The same bytes will come under another name next time: nothing of them is of use in the usual cache.
        yield str(path) if isinstance(data, str) else [str(path)], {"cache": os.path.join(folder, "cache")}


def _put_down(folder: Path) -> Path:
    source = getattr(sys.stdin, "buffer", None)
    start = source.read(BEGINNING) if source is not None else sys.stdin.read().encode()
    if not start.strip():
        raise PellucidError("nothing came on standard input", fix="cat t.csv | pellucid … -")
    ending = next((end for begin, end in ENDINGS.items() if start.lstrip().startswith(begin)), ".csv")
    path = folder / f"{NAME}{ending}"
    with path.open("xb") as file:
        file.write(start)
        if source is not None:
            shutil.copyfileobj(source, file, 1 << 20)
    return path
