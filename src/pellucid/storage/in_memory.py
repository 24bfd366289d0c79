"""A run's files in memory: what ``Folder`` keeps on disk, for a training that writes none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import PellucidError
from .folder import Folder
from .strict_json import parse_json, to_json
from .tensors import Tensors, pack_tensors, unpack_tensors


class InMemory:
    """A run's files as bytes in memory, with the methods of ``Folder``; no checkpoints and no damage.

    A training that is stopped is lost.

    Args:
        files: that are there already, name → bytes.

    >>> files = InMemory()
    >>> files.write_json("run.json", {"format": 1})
    >>> files.read_json("run.json")
    {'format': 1}
    """

    path = Path("(in memory)")
    lasting = False

    def __init__(self, files: Mapping[str, bytes] | None = None):
        self._files = dict(files or {})
        # What waits to be made into bytes until somebody reads it: a record is written four times in a training,
        # which was 40% of the overhead of a small fit (docs/LOG.md, 2026-11-22).
        self._objects: dict[str, Callable[[], bytes]] = {}
        self._lines: dict[str, list[dict[str, Any]]] = {}

    def write(self, name: str, data: bytes) -> None:
        self._files[name] = bytes(data)
        self._objects.pop(name, None)

    def write_all(self, contents: Mapping[str, bytes]) -> None:
        for name, data in contents.items():
            self.write(name, data)

    def write_made(self, name: str, make: Callable[[], bytes]) -> None:
        """Keep what makes a file's content; it is called when the file is first read."""
        self._files[name] = b""
        self._objects[name] = make

    def write_json(self, name: str, obj: Any) -> None:
        """Keep a value; it is made into JSON, as it is by then, when the file is first read."""
        self.write_made(name, lambda: (to_json(obj, indent=1) + "\n").encode())

    def read(self, name: str) -> bytes:
        """The file's content. Raises PellucidError when there is no such file."""
        if name not in self._files:
            raise PellucidError(f"'{name}' is missing", where=str(self.path))
        if name in self._objects:
            self.write(name, self._objects[name]())
        return self._files[name]

    def read_json(self, name: str) -> Any:
        return parse_json(self.read(name), self.path / name)

    def exists(self, name: str) -> bool:
        return name in self._files or name in self._lines

    def remove(self, name: str) -> None:
        for store in (self._files, self._objects, self._lines):
            store.pop(name, None)

    def names(self) -> list[str]:
        return sorted(self._files)

    def append(self, name: str, rows: list[dict[str, Any]], sync: bool = False) -> None:
        self._lines.setdefault(name, []).extend(rows)

    def lines(self, name: str) -> list[dict[str, Any]]:
        return list(self._lines.get(name, []))

    def truncate_lines(self, name: str, keep: Callable[[dict[str, Any]], bool]) -> None:
        self._lines[name] = [row for row in self.lines(name) if keep(row)]

    def save_tensors(self, name: str, tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        self.write(name, pack_tensors(tensors, meta))

    def load_tensors(self, name: str) -> tuple[Tensors, dict[str, Any]]:
        return unpack_tensors(self.read(name), self.path / name)

    def save_checkpoint(self, step: int, tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Does nothing: what a checkpoint guards against would take this memory too."""

    def has_checkpoint(self) -> bool:
        return False

    def drop_checkpoints(self, after: int) -> None:
        """Does nothing: there are none."""

    def load_checkpoint(self) -> tuple[int, Tensors, dict[str, Any], str | None]:
        """Raises PellucidError: there is none."""
        raise PellucidError("there is no checkpoint", where=str(self.path), fix="train again")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """A context that holds nothing: nobody else can see these files."""
        yield


Files = Folder | InMemory
