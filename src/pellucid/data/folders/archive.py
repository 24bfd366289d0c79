"""Photos, recordings and texts of an archive, laid out in the cache so that each can be read at once.

No name of a stranger's becomes a path. A compressed tar can only be read from its beginning, so it is gone through
once; the bytes of its photos, recordings and texts, and of tables beside them, lie in the cache one after the other, as
every other array does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import PellucidError
from ...fields import Note
from ...fields.encoded import Into
from ...fields.files import MOST_BYTES, Fetch, Unreadable
from ..archives import Member, archive_members, is_named
from ..cache.cache import key_of, open_cache
from ..cache.file_marks import FileMark
from ..documents.ignore_rules import MOST_BYTES_OF_ALL, MOST_RULE_BYTES, RULES
from ..documents.names import language_of
from ..tables.signatures import SAMPLE_BYTES
from ..tables.spool import Spool
from .listing import MEDIA, SIDECARS, TABLES, Listing, may_be_text, suffix_of

# Of what is kept of an archive: raised when other files of it are.
FORM = 5

# Photos, or recordings, that are fewer than this share of the texts are no reason to take an archive, or a folder, for
# one of these.
FEW_MEDIA_SHARE = 0.01

# Photos or recordings after which an archive without as many texts is known to be one of these.
MANY_MEDIA = 10

# Texts whose beginning is looked at; of those that follow a few more, ever farther apart.
MOST_HEADS = 16

# Other files that are named.
MOST_NAMED = 1_000

# Blocks double up to the largest: a small archive sets little aside, a large one has few files in the cache.
FIRST_BLOCK_BYTES, MOST_BLOCK_BYTES = 1 << 24, 1 << 29


@dataclass(frozen=True)
class Inside:
    """What a first look into an archive finds.

    Attributes:
        media: how many photos or recordings there are; at most ``MANY_MEDIA`` are counted.
        texts: the beginning of every file that may be a text, None for those that were not looked into.
        others: the names of some other files. patterns: the contents of files that say what to leave out, by path.
    """

    media: int
    texts: Mapping[str, bytes | None]
    others: Sequence[str]
    patterns: Mapping[str, str]


@dataclass(frozen=True)
class Unpacked:
    """An archive laid out in the cache.

    Attributes:
        sizes: by name, of all files, sorted. read_content: reads one of them. notes: what was odd.
        patterns: as of ``Inside``.
    """

    sizes: Mapping[str, int]
    read_content: Fetch
    notes: Sequence[Note]
    patterns: Mapping[str, str]


@lru_cache(maxsize=64)
def look_inside(path: Path, mark: FileMark) -> Inside:
    """What lies in an archive, by its names; its mark tells when to look again. Raises PellucidError."""
    media, texts, others, patterns = 0, dict[str, bytes | None](), list[str](), dict[str, str]()
    for member in archive_members(path, lambda note: None, RULES):
        if is_named(member.name, RULES):
            _add_patterns(patterns, member)
        elif suffix_of(member.name) in MEDIA:
            media += 1
            # A compressed tar is read up to its first photos, which mostly come early.
            if media > FEW_MEDIA_SHARE * len(texts) and media >= MANY_MEDIA:
                break
        elif may_be_text(member.name):
            # Each is read in its turn: a tar can't be gone back in.
            looked = len(texts) < MOST_HEADS or (len(texts) & (len(texts) - 1)) == 0
            texts[member.name] = _member_head(member, SAMPLE_BYTES) if looked else None
        elif len(others) < MOST_NAMED:
            others.append(member.name)
    return Inside(media, texts, others, patterns)


def _add_patterns(patterns: dict[str, str], member: Member) -> None:
    """Read a file of patterns, unless there are too many of them."""
    if sum(map(len, patterns.values())) < MOST_BYTES_OF_ALL:
        patterns[member.name] = _member_head(member, MOST_RULE_BYTES).decode("utf-8", "replace")


def _member_head(member: Member, size: int) -> bytes:
    try:
        with member.open() as file:
            return file.read(size)
    # Damage is said when the archive is unpacked.
    except PellucidError as error:
        if error.fix:  # a bomb
            raise
        return b""


def unpack_files(digest: str, path: Path, cache: Path | None) -> Listing:
    """What lies in an archive, as if it were a folder; see ``unpack_content``."""
    inside = unpack_content(digest, path, cache)
    found = Listing(path.resolve(), notes=list(inside.notes))
    for name, size in inside.sizes.items():
        found.add(name, size, ())
    found.settle_kind()
    found.fetch, found.table = inside.read_content, _Loose(inside.read_content, cache)
    return found


def unpack_content(digest: str, path: Path, cache: Path | None) -> Unpacked:
    """The files of an archive, each to be read at once.

    Of files that nothing here reads the name alone is kept.

    Args:
        digest: of path and mark of the archive. cache: the cache's folder; None keeps everything in memory.

    Raises:
        PellucidError: as ``archive_members`` does, and when the disk is full.
    """
    cache_notes: list[Note] = []
    opened_cache = open_cache(cache or False, cache_notes.append)
    entry = opened_cache.get_or_build(
        key_of("pack", FORM, digest), partial(_pack_archive, path, cache), cache_notes.append
    )
    place = {name: (block, start, size) for name, size, block, start in sorted(entry.meta["files"])}

    def read_content(name: str) -> bytes:
        if name not in place:
            raise Unreadable("does not exist")
        block, start, size = place[name]
        return entry.arrays[f"block_{block}"][start : start + size].tobytes()

    notes = [*cache_notes, *(Note(**note) for note in entry.meta["notes"])]
    sizes = {name: size for name, (_, _, size) in place.items()}
    return Unpacked(sizes, read_content, notes, entry.meta["patterns"])


class _Loose:
    """Tables of an archive as files, in a folder that goes when nothing refers to it any more."""

    def __init__(self, content: Callable[[str], bytes], cache: Path | None) -> None:
        self._content, self._cache = content, cache

    def __call__(self, name: str) -> Path:
        if not hasattr(self, "_spool"):
            self._spool = Spool(self._cache)
        path = self._spool.new_path(suffix_of(name))
        path.write_bytes(self._content(name))
        return path


def _pack_archive(path: Path, cache: Path | None, into: Into) -> tuple[dict[str, np.ndarray], Any]:
    """Every photo, recording, text, table and file of code in an archive: blocks of bytes and, by name, its place."""
    notes: list[Note] = []
    blocks: list[np.ndarray] = []
    # By name its size, block and start. Of two of one name the later counts, as it does when a tar is unpacked.
    files: dict[str, tuple[int, int, int]] = {}
    used, patterns = 0, dict[str, str]()
    for member in archive_members(path, notes.append, RULES):
        if is_named(member.name, RULES):
            _add_patterns(patterns, member)
            continue
        kept = suffix_of(member.name) in TABLES | {*MEDIA, *SIDECARS} or language_of(member.name)
        data = _member_content(member, notes) if kept else b""
        if data is None:
            continue
        if not blocks or used + len(data) > len(blocks[-1]):
            size = max(min(FIRST_BLOCK_BYTES << len(blocks), MOST_BLOCK_BYTES), len(data))
            _need_room(size, cache, path)
            blocks.append(into(f"block_{len(blocks)}", (size,), np.uint8))
            used = 0
        blocks[-1][used : used + len(data)] = np.frombuffer(data, np.uint8)
        files[member.name] = len(data), len(blocks) - 1, used
        used += len(data)
    meta: dict[str, Any] = {"files": [(name, *place) for name, place in files.items()], "patterns": patterns}
    meta["notes"] = [asdict(note) for note in notes]
    return {f"block_{i}": block for i, block in enumerate(blocks)}, meta


def _member_content(member: Member, notes: list[Note]) -> bytes | None:
    """The bytes of a member; None, and why, when they can't be had."""
    if member.size > MOST_BYTES:
        text = f"has {member.size / 1e6:,.0f} MB, more than the {MOST_BYTES >> 20} MB allowed"
        notes.append(Note.left_out(text, member.name))
        return None
    try:
        return member.read()
    except PellucidError as error:
        if error.fix:  # a bomb
            raise
        notes.append(Note.left_out(error.what, member.name))
        return None


def _need_room(size: int, cache: Path | None, path: Path) -> None:
    """Raises PellucidError when there is no room for another block."""
    # Asked for each block: how much an archive holds is known only when it has been read.
    if cache is not None and shutil.disk_usage(cache).free < size:
        what = f"its files are kept in the cache, where there is no room for {size / 1e6:,.0f} MB more ({cache})"
        raise PellucidError(what, where=path.name, fix="make room there, or set PELLUCID_CACHE to another disk")
