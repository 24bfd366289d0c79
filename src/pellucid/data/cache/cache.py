"""Values that were worked out once: named arrays and JSON in a folder, found again without opening any source.

One entry is a folder ``ab/abcd…/`` of ``.npy`` files, memory-mapped when read, and ``index.json`` with what they must
look like. It is written beside its place and renamed, so that it is there as a whole or not at all, and two processes
that write the same one do no harm. Only JSON and plain arrays: nothing that runs code when opened.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import secrets
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...errors import PellucidError
from ...fields import Note, Stored, kind_named
from ...fields.encoded import Into, allocate_in_memory
from ...fields.notes import Report
from ...storage.atomic import is_folder
from .cache_folder import ENTRY_FILE, find_folder, make_own, remove_files, sweep_cache

FORMAT = 1

# Bytes: smaller arrays are read into memory, because a map costs a file handle each.
SMALL = 1 << 20

# Arrays up to this size are checked in full when they are opened, larger ones by samples: opening them is to stay
# quick.
FULLY_CHECKED_BYTES = 256 << 20

CHECKED_BLOCKS, CHECKED_BLOCK_BYTES = 64, 1 << 16

# What may stay in memory where the disk has no room for it.
FALLBACK_BYTES = 1 << 30

# Of a large array, looked at before they are let go.
BYTES_AT_ONCE = 1 << 25

Build = Callable[[Into], tuple[Mapping[str, np.ndarray], Any]]  # -> arrays, meta


class Damaged(Exception):
    """An entry is not what its index says."""


@dataclass(frozen=True)
class CacheEntry:
    """Arrays and JSON that belong together; ``digest`` is the SHA-256 of all of it."""

    arrays: Mapping[str, np.ndarray]
    meta: Any
    digest: str


def key_of(*parts: Any) -> str:
    """The name of an entry: the SHA-256 of what it depends on, as JSON."""
    # File names need not be UTF-8: Python holds their bytes as lone surrogates, which plain UTF-8 refuses.
    text = json.dumps([FORMAT, *parts], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class MemoryCache:
    """Keeps entries as long as the process lives; also what a cache falls back to when it cannot be written."""

    folder: Path | None = None

    def __init__(self) -> None:
        self._entries: dict[str, CacheEntry] = {}

    def __str__(self) -> str:
        return "memory"

    def get(self, key: str, say: Report) -> CacheEntry | None:
        return self._entries.get(key)

    def get_or_build(self, key: str, build: Build, say: Report) -> CacheEntry:
        """The entry of this key; ``build`` makes it when it is not there."""
        found = self.get(key, say)
        if found is None:
            arrays, meta = build(allocate_in_memory)
            found = self._entries[key] = CacheEntry(dict(arrays), _as_json(meta), digest_arrays(arrays, meta))
        return found


class Cache(MemoryCache):
    """Keeps entries in a folder that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder: Path = folder

    def __str__(self) -> str:
        return str(self.folder)

    def get(self, key: str, say: Report) -> CacheEntry | None:
        """The entry, or None when there is none; a damaged one is said and counts as none."""
        if key in self._entries:
            return self._entries[key]
        place = self._entry_folder(key)
        # Links lead to what is not ours.
        if not (is_folder(place.parent) and is_folder(place)):
            return None
        # Asked first: another process may be about to put it there.
        if not (place / "index.json").exists():
            return None
        try:
            self._entries[key] = _open_entry(place)
        except FileNotFoundError:
            say(Note("warning", "a cache file is missing; its values are computed again", str(place)))
        except (Damaged, OSError, ValueError, KeyError, TypeError) as error:
            say(Note("warning", f"the cache is damaged ({error}); its values are computed again", str(place)))
        return self._entries.get(key)

    def get_or_build(self, key: str, build: Build, say: Report) -> CacheEntry:
        found = self.get(key, say)
        if found is not None:
            return found
        try:
            place = self._entry_folder(key)
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            make_own(place.parent)
            # Of its own for each process and try: two may write the same entry at once, and the one that is there first
            # wins.
            draft = place.parent / f".{place.name[:16]}-{os.getpid()}-{secrets.token_hex(4)}"
            draft.mkdir(mode=0o700)
        except OSError as error:
            return self._in_memory(key, build, say, error)
        try:
            _write_draft(draft, build)
            _settle_draft(draft, place)
            # It was digested a moment ago: reading all of it again would only cost time.
            found = self._entries[key] = _open_entry(place, check=False)
        except OSError as error:
            found = self._in_memory(key, build, say, error)
        finally:
            remove_files(draft, ENTRY_FILE)
        return found

    def _entry_folder(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _in_memory(self, key: str, build: Build, say: Report, error: OSError) -> CacheEntry:
        say(Note("warning", f"the cache cannot be written ({error.strerror}); values stay in memory", str(self.folder)))
        return super().get_or_build(key, build, say)


def open_cache(where: str | Path | bool | None, say: Report) -> MemoryCache:
    """The cache in a folder; None stands for ``$PELLUCID_CACHE`` or ``~/.cache/pellucid``, False for memory alone.

    In a folder that holds other things than a cache it lies in a subfolder (``cache_folder.find_folder``). Where there
    can be none, or others could change it, that is said, and values stay in memory.
    """
    if where is False:
        return MemoryCache()
    chosen = os.environ.get("PELLUCID_CACHE") if where in (None, True) else str(where)
    try:
        folder = find_folder(Path(os.path.expanduser(chosen)) if chosen else Path.home() / ".cache" / "pellucid")
        sweep_cache(folder)
    except PellucidError as error:
        text = f"{error.what}, so no cache is kept and values stay in memory ({error.fix})"
        say(Note("warning", text, error.where or ""))
        return MemoryCache()
    # RuntimeError: there is no home.
    except (OSError, RuntimeError) as error:
        say(Note("warning", f"no cache can be kept ({error}); values stay in memory", str(chosen or "~/.cache")))
        return MemoryCache()
    return Cache(folder)


def _write_draft(draft: Path, build: Build) -> None:
    """Fill a new folder with what ``build`` makes; arrays taken from its ``allocate`` are on disk already."""
    maps: dict[str, np.memmap] = {}

    def allocate(name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        # A file without bytes cannot be mapped.
        if np.prod(shape) == 0:
            return allocate_in_memory(name, shape, dtype)
        check_disk_room(draft, math.prod(shape) * np.dtype(dtype).itemsize)
        maps[name] = np.lib.format.open_memmap(_entry_file(draft, name), "w+", np.dtype(dtype), shape)
        _reserve_space(_entry_file(draft, name))
        return maps[name]

    arrays, meta = build(allocate)
    for name, array in arrays.items():
        mapped = maps.get(name)
        # A kind may return a view of what it was given to fill: that lies on disk already.
        if mapped is not None and (array is mapped or (array.base is mapped and array.shape == mapped.shape)):
            mapped.flush()
        else:
            np.save(_entry_file(draft, name), np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    index = {
        "format": FORMAT,
        "meta": meta,
        "digest": digest_arrays(arrays, meta),
        "arrays": {name: _array_looks(_entry_file(draft, name), array) for name, array in arrays.items()},
    }
    (draft / "index.json").write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")


def _reserve_space(file: Path) -> None:
    """Take a file's room on the disk now, where that can be said: on a full one, writing to the map is a crash."""
    if hasattr(os, "posix_fallocate"):
        with file.open("rb+") as handle:
            os.posix_fallocate(handle.fileno(), 0, file.stat().st_size)


def check_disk_room(folder: Path, size: int) -> None:
    """Raises PellucidError when ``size`` bytes are neither free nor so few that memory holds them instead."""
    free = shutil.disk_usage(folder).free
    if free < size > FALLBACK_BYTES:
        raise PellucidError(
            f"the values take {size / 1e9:,.1f} GB in the cache, and {free / 1e9:,.1f} GB are free",
            where=str(folder.parents[1]),
            fix="make --image-size smaller, make room there, or set PELLUCID_CACHE to a folder on another disk",
        )


def _array_looks(file: Path, array: np.ndarray) -> dict[str, Any]:
    """What an array must look like when it is opened again.

    Arrays that are checked in full then need no fsync now: what a power cut leaves undone is found by the check.
    """
    # A page that a power cut lost may lie between the samples.
    if array.nbytes > FULLY_CHECKED_BYTES:
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    return {
        "dtype": np.lib.format.dtype_to_descr(array.dtype),
        "shape": list(array.shape),
        "bytes": file.stat().st_size,
        "check": _content_crc(array),
    }


def _settle_draft(draft: Path, place: Path) -> None:
    """Move a finished entry to its place. One that is there is damaged, or another process was first: either goes."""
    # Others may put their entry there, or take a damaged one away, between any two of these lines.
    for _ in range(8):
        try:
            draft.rename(place)
            return
        except OSError:  # not empty
            if not is_folder(place):
                raise
            with suppress(Damaged, OSError, ValueError, KeyError, TypeError):
                _open_entry(place)
                return
            with suppress(OSError):
                aside = draft.with_name(draft.name + "-old")
                place.rename(aside)
                remove_files(aside, ENTRY_FILE)
    draft.rename(place)


def _open_entry(place: Path, check: bool = True) -> CacheEntry:
    """Read an entry. Raises FileNotFoundError where there is none, Damaged where it is not as its index says."""
    index = json.loads((place / "index.json").read_text(encoding="utf-8"))
    if index["format"] != FORMAT:
        raise Damaged(f"format {index['format']}")
    arrays = {
        name: _open_array(_entry_file(place, name), name, looks, check) for name, looks in index["arrays"].items()
    }
    return CacheEntry(arrays, index["meta"], index["digest"])


def _open_array(file: Path, name: str, looks: Mapping[str, Any], check: bool) -> np.ndarray:
    if (size := file.stat().st_size) != looks["bytes"]:
        raise Damaged(f"{name} has {size:,} bytes, not {looks['bytes']:,}")
    array = np.load(file, mmap_mode="r" if size > SMALL else None, allow_pickle=False)
    if list(array.shape) != looks["shape"] or np.lib.format.dtype_to_descr(array.dtype) != looks["dtype"]:
        raise Damaged(f"{name} has another shape or type")
    if check and _content_crc(array) != looks["check"]:
        raise Damaged(f"{name} has other content")
    return array


def _entry_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _content_crc(array: np.ndarray) -> int:
    """CRC-32 of the content: of all of it, or of evenly spaced blocks of a large array."""
    data, value = _content_bytes(array), 0
    if len(data) <= FULLY_CHECKED_BYTES:
        for block in _content_blocks(array):
            value = zlib.crc32(block, value)
        return value
    for start in np.linspace(0, len(data) - CHECKED_BLOCK_BYTES, CHECKED_BLOCKS).astype(np.int64):
        value = zlib.crc32(data[start : start + CHECKED_BLOCK_BYTES], value)
    return value


def digest_arrays(arrays: Mapping[str, np.ndarray], meta: Any) -> str:
    """SHA-256 over names, types, shapes and content."""
    digest = hashlib.sha256(json.dumps(_as_json(meta), sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        for block in _content_blocks(array):
            digest.update(block)
    return digest.hexdigest()


def _content_bytes(array: np.ndarray) -> memoryview:
    """The content, without a copy where the array lies in one piece."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _content_blocks(array: np.ndarray) -> Iterator[memoryview]:
    """The content, block by block; of a file that is mapped, what was looked at is let go."""
    data = _content_bytes(array)
    for start in range(0, len(data), BYTES_AT_ONCE):
        yield data[start : start + BYTES_AT_ONCE]
        release_pages(array)


def release_pages(*arrays: np.ndarray | Stored) -> None:
    """Tell the system that it need not hold the pages of mapped files for us: they are read again when asked for."""
    for array in arrays:
        for own in array.arrays.values() if isinstance(array, Stored) else (array,):
            mapped = getattr(own, "_mmap", None)
            if mapped is not None and hasattr(mapped, "madvise"):
                # Resident pages of maps count as this process's memory, and every column of a large table passes
                # through here.
                mapped.madvise(mmap.MADV_DONTNEED)


def _as_json(meta: Any) -> Any:
    """What JSON makes of it, so that a first and a second reading see the same."""
    return json.loads(json.dumps(meta))


@lru_cache
def code_of(kind: str) -> str:
    """SHA-256 of the code of a kind: what an older or newer version of it stored is not taken for its own.

    Of its own file and of those in its room that it stands on.
    """
    own = type(kind_named(kind)).__module__
    room, found, waiting = kind_named.__module__.rpartition(".")[0], set[str](), [own]
    while waiting:
        name = waiting.pop()
        if name in found or not (name == own or name.startswith(room + ".")):
            continue
        found.add(name)
        # Modules, and what was taken from modules.
        for one in vars(sys.modules[name]).values():
            waiting.append(one.__name__ if isinstance(one, ModuleType) else str(getattr(one, "__module__", "")))
    files = (sys.modules[name].__file__ for name in sorted(found))
    return hashlib.sha256(b"".join(Path(f).read_bytes() for f in files if f and Path(f).exists())).hexdigest()
