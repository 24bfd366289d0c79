"""Archives read as they stand: ZIP, and tar plain or in gzip, bzip2 or xz. Nothing is written, no link is followed.

An archive may come from a stranger. A member is handed out as bytes under a plain relative name; what is no ordinary
file, leads out of the archive, is locked, or comes out far larger than the archive could honestly hold is refused.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import re
import stat
import sys
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from ..errors import PellucidError, shell_quote
from ..fields import Note
from ..fields.notes import AS_IT_SAYS, LEFT_OUT, Report
from ..wording import count_noun

SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".txz", ".tar.xz", ".tbz", ".tbz2", ".tar.bz2")

MOST_MEMBERS = 5_000_000

# More is refused whatever the archive's own size is.
MOST_UNPACKED_BYTES = 256 << 30

# Bytes that anything may unpack to, and how many times its own size more than that may be. Deflate reaches 1,032 : 1,
# which only data made for it comes near to; below FREE even that does no harm.
FREE, RATIO = 256 << 20, 200

# Bytes that names and remarks before one member of a tar may take: their size stands in the archive, and tarfile reads
# them whole.
MOST_TAR_HEADER_BYTES = 1 << 20

# Whatever the libraries raise over damaged bytes: NotImplementedError for an unknown method, RuntimeError for a locked
# member, ValueError and OverflowError for numbers that are none.
DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, NotImplementedError,
    RuntimeError, ValueError, OverflowError,
)  # fmt: skip

# The version of Python from which on it reads zstd.
ZSTD_PYTHON = (3, 14)

CUT = "is damaged or cut off"

BOMB = "unpack it by hand if you trust it, and read the folder"

ODD, OUT, LOCKED = (
    "not ordinary files (links, devices)",
    "names that point outside the archive",
    "locked with a password",
)


@dataclass(frozen=True)
class Member:
    """An ordinary file in an archive.

    Attributes:
        name: relative, with forward slashes. size: bytes, as the archive says.
        open: its content, to be read before the next member is asked for. Opening and reading raise PellucidError
            when it is damaged, cut off or larger than allowed.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]

    def read(self) -> bytes:
        with self.open() as file:
            return file.read()


def is_archive(path: Path) -> bool:
    """Whether a file is called like an archive of files. ``.csv.gz`` is not: that is one compressed file."""
    return path.name.lower().endswith(SUFFIXES)


def archive_members(path: Path, say: Report, also: str = "") -> Iterator[Member]:
    """The ordinary files of an archive in its order, hidden ones passed over; its first bytes tell what it is.

    What is left out is said. Of an archive that is cut off, what came before is handed out, and that is said.

    Args:
        also: the name of files that are handed out though they are hidden.

    Raises:
        PellucidError: when it is no archive, nothing in it can be read, or more comes out of it than is allowed.
    """
    with path.open("rb") as file:
        # The second sign is that of an empty ZIP, which begins with its end.
        zipped = file.read(4) in (b"PK\3\4", b"PK\5\6")
    left: Counter[str] = Counter()
    seen = ours = 0
    for member in (_zip_members if zipped else _tar_members)(path, say, left, also):
        seen += 1
        ours += is_named(member.name, also)
        if seen > MOST_MEMBERS:
            raise PellucidError(f"it holds more than {MOST_MEMBERS:,} files", where=path.name, fix=BOMB)
        yield member
    for why, count in left.items():
        say(Note("warning", f"{count_noun(count, 'member is', 'members are')} left out: {why}", path.name, LEFT_OUT))
    if seen == ours:
        why = f" ({', '.join(left)})" if left else ""
        raise PellucidError(f"there is no file in the archive that can be read{why}", where=path.name)


def open_compressed(path: Path) -> IO[bytes]:
    """The content of a file compressed with gzip, bzip2, xz or zstd (its first bytes tell), to be read forwards; that
    of any other file as it is.

    Raises:
        PellucidError: while reading, when the file is damaged or more comes out of it than is allowed.
    """
    with path.open("rb") as file:
        start = file.read(6)
    for magic, opener in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open)):
        if start.startswith(magic):
            return _limit_bytes(opener(path, "rb"), _Budget(path))  # type: ignore[operator, arg-type]
    return _limit_bytes(_open_zstd(path), _Budget(path)) if start.startswith(b"\x28\xb5\x2f\xfd") else path.open("rb")


def _open_zstd(path: Path) -> IO[bytes]:
    if sys.version_info < ZSTD_PYTHON:
        raise PellucidError(
            "Python reads zstd from version 3.14 on", where=path.name, fix=f"first: zstd -d {shell_quote(path)}"
        )
    return importlib.import_module("compression.zstd").open(path, "rb")


class _Budget:
    """Counts the bytes that come out of an archive, and raises PellucidError where they are too many."""

    def __init__(self, path: Path):
        self.name, self.packed, self.total = path.name, max(path.stat().st_size, 1), 0

    def spend_bytes(self, data: bytes) -> bytes:
        self.check_count(len(data))
        return data

    def check_count(self, n: int) -> None:
        """Raises PellucidError when ``n`` more bytes are too many."""
        self.total += n
        if self.total > MOST_UNPACKED_BYTES or (self.total > FREE and self.total > RATIO * self.packed):
            sizes = f"{self.packed / 1e6:,.2f} MB unpack to {self.total / 1e6:,.0f} MB and maybe more"
            raise PellucidError(f"{sizes}, like a decompression bomb", where=self.name, fix=BOMB)


class _Raw(io.RawIOBase):
    """A file that only goes forwards and says what is wrong with it so that a user can mend it."""

    def __init__(self, take: Callable[[int], bytes], name: str, file: IO[bytes] | None):
        self._take, self._name, self._file = take, name, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._take(len(buffer))
        except DAMAGE as error:
            raise PellucidError(f"{CUT} ({_explain_damage(error)})", where=self._name) from None
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()


def _limit_bytes(file: IO[bytes], budget: _Budget) -> IO[bytes]:
    return _member_reader(lambda n: budget.spend_bytes(file.read1(n)), budget.name, file)  # type: ignore[attr-defined]


def _member_reader(take: Callable[[int], bytes], name: str, file: IO[bytes] | None = None) -> IO[bytes]:
    return io.BufferedReader(_Raw(take, name, file), 1 << 17)


# ZIP


def _zip_members(path: Path, say: Report, left: Counter[str], also: str) -> Iterator[Member]:
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise PellucidError(
            f"{CUT} ({_explain_damage(error)})", where=path.name, fix="download or pack it again"
        ) from None
    with archive:
        # The sizes that the directory claims can be relied on: zipfile gives out no more than them.
        _Budget(path).check_count(sum(info.file_size for info in archive.infolist()))
        for info in archive.infolist():
            name = _safe_name(info.filename)
            # Not ``is_dir``, which breaks on an empty name (found by hypothesis; docs/LOG.md, 2026-11-22).
            if info.filename.endswith("/") or _is_hidden(name, also):
                continue
            if why := OUT if name is None else LOCKED if info.flag_bits & 1 else "" if _is_ordinary(info) else ODD:
                left[why] += 1
            elif name:
                yield Member(name, info.file_size, partial(_open_member, archive, info, name))


def _is_ordinary(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a file; only archives made on Unix know anything else."""
    return stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> IO[bytes]:
    where = f"{Path(archive.filename or '').name}, {name}"
    try:
        file = archive.open(info)
    except DAMAGE as error:
        raise PellucidError(f"{CUT} ({_explain_damage(error)})", where=where) from None
    return _member_reader(file.read, where, file)


# tar


class _Tape:
    """What ``tarfile`` reads from: it may ask for a place ahead, never for one behind, and for short headers only."""

    def __init__(self, file: IO[bytes]):
        self._file, self._at = file, 0
        # What was read last: at the end it shows whether the mark of the end was met.
        self.last = b""

    def read(self, n: int) -> bytes:
        if n > MOST_TAR_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {n:,} bytes")
        self.last = self._file.read(n)
        self._at += len(self.last)
        return self.last

    def tell(self) -> int:
        return self._at

    def seek(self, place: int) -> int:
        if place < self._at:
            raise tarfile.ReadError("its parts overlap")
        if self._file.seekable():
            self._at = self._file.seek(place)
        while self._at < place and self.read(min(place - self._at, MOST_TAR_HEADER_BYTES)):
            pass
        return self._at

    def next_part(self, size: int, name: str) -> IO[bytes]:
        """The next ``size`` bytes as a file."""
        end = self._at + size

        def take_bytes(n: int) -> bytes:
            n = min(n, end - self._at)
            if n and not self.read(n):
                raise EOFError("it ends before its end")
            return self.last if n else b""

        return _member_reader(take_bytes, name)


def _tar_members(path: Path, say: Report, left: Counter[str], also: str) -> Iterator[Member]:
    with open_compressed(path) as file:
        tape, name = _Tape(file), ""
        try:
            archive = tarfile.open(fileobj=tape, mode="r:")  # type: ignore[call-overload]  # noqa: SIM115
        except (*DAMAGE, PellucidError) as error:
            _raise_if_bomb(error)
            why = f"is not a ZIP or tar archive, or is damaged ({_explain_damage(error)})"
            raise PellucidError(why, where=path.name, fix="download or pack it again") from None
        try:
            while (info := archive.next()) is not None:
                # tarfile keeps every member that it has read, and there may be millions.
                archive.members.clear()
                if (member := _tar_member(info, tape, path, left, also)) is not None:
                    name = member.name
                    yield member
            # tarfile takes a file that stops between two members for a whole one. A tar ends with blocks of zeros.
            if tape.last.strip(b"\0") or len(tape.last) < tarfile.BLOCKSIZE:
                raise EOFError("the mark of its end is missing")
        except (*DAMAGE, PellucidError) as error:
            _raise_if_bomb(error)
            if not name:
                raise PellucidError(
                    f"{CUT} ({_explain_damage(error)})", where=path.name, fix="download or pack it again"
                ) from None
            text = f"{CUT} after {name} ({_explain_damage(error)}); what came before is used"
            say(Note("error", text, path.name, AS_IT_SAYS))


def _raise_if_bomb(error: Exception) -> None:
    """Damage can be lived with; what was made to do harm can't."""
    if isinstance(error, PellucidError) and error.fix == BOMB:
        raise error


def _tar_member(info: tarfile.TarInfo, tape: _Tape, path: Path, left: Counter[str], also: str) -> Member | None:
    name = _safe_name(info.name)
    if info.isdir() or _is_hidden(name, also):
        return None
    if why := OUT if name is None else ODD if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) else "":
        left[why] += 1
        return None
    return Member(name, info.size, partial(tape.next_part, info.size, f"{path.name}, {name}")) if name else None


# names


def _safe_name(name: str) -> str | None:
    """The name with forward slashes and nothing superfluous; None when it leads out of the archive.

    >>> _safe_name("./a//b.png"), _safe_name("a\\\\b.png"), _safe_name("../b.png"), _safe_name("/b.png")
    ('a/b.png', 'a/b.png', None, None)
    """
    # A name that is not UTF-8 arrives with lone surrogates, which no JSON or report can hold.
    name = re.sub(r"[\ud800-\udfff]", "\ufffd", name.replace("\\", "/"))
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name or re.match(r"[A-Za-z]:", name):
        return None
    return "/".join(part for part in parts if part not in ("", "."))


def is_named(name: str, last: str) -> bool:
    """Whether a path ends in this name."""
    return bool(last) and name.rpartition("/")[2] == last


def _is_hidden(name: str | None, also: str) -> bool:
    parts = name.split("/") if name else []
    return any(part.startswith((".", "__MACOSX")) for part in (parts[:-1] if name and is_named(name, also) else parts))


def _explain_damage(error: BaseException) -> str:
    text = error.what.removeprefix(f"{CUT} (").removesuffix(")") if isinstance(error, PellucidError) else str(error)
    return (text.splitlines() or [""])[0][:120] or type(error).__name__
