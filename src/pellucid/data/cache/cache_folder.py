"""Which folder is the cache's own, and what may be removed there: nothing that we did not make.

A folder is ours by its marker, a ``CACHEDIR.TAG`` (https://bford.info/cachedir/) that names Pellucid; backup programs
know such files and pass the folder over. In it our names have forms that nothing else has: entries, drafts of entries
that are being written, and folders of pieces of large tables. What has another name, is a link, or holds anything
else than our files is left alone, for ever.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ...errors import PellucidError, shell_quote
from ...storage.atomic import is_file, is_folder

MARKER, SPOOL = "CACHEDIR.TAG", "spool"

SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"

OWNER_LINE = b"# This is a cache of Pellucid. All of it can be removed, and is then worked out again."

# Read of a marker; ours is shorter.
MARKER_BYTES = 1 << 12

# Where the cache lies in a folder that holds other things.
SUBFOLDER = "pellucid-cache"

# The forms of our names: two digits of a key, a key, the draft of an entry, a draft of the marker, pieces of a table.
SHELF = re.compile("[0-9a-f]{2}")

ENTRY = re.compile("[0-9a-f]{64}")

DRAFT = re.compile(r"\.[0-9a-f]{16}-[0-9]{1,10}-[0-9a-f]{8}(-old)?")

DRAFTED_MARKER = re.compile(r"\.marker-[0-9]{1,10}-[0-9a-f]{8}")

PIECES = re.compile("[0-9]{1,10}-[0-9a-f]{12}")

ENTRY_FILE = re.compile(r"index\.json|[^/]+\.npy")

PIECE_FILE = re.compile(r"[0-9]+(\.[^/]*)?")

# After which a half-written entry is taken for abandoned.
DRAFT_SECONDS = 24 * 3600

# The same for pieces of large tables, which a training may want to the end.
PIECES_SECONDS = 7 * DRAFT_SECONDS


def find_folder(named: Path) -> Path:
    """The folder to keep the cache in, made and marked where need be: ``named`` itself, or one inside it.

    It is ``named`` itself when that is new, empty, marked already, or holds nothing but entries of a Pellucid that
    left no marker yet. Anything else was somebody's before: it gets no marker, because a marker says that all of a
    folder can be removed, and the cache lies in ``named/pellucid-cache``. Entries that an earlier Pellucid mixed
    with other things are not found any more; their values are worked out again.

    Links lead as far as ``named``, which the user chose, and no further.

    Raises:
        PellucidError: others can write to the folder, or it is not ours to use. OSError: it can't be made.
    """
    folder = Path(os.path.realpath(named))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _is_ours(folder):
        check_private(folder, inside=True)
        folder = folder / SUBFOLDER
        make_own(folder)
    check_private(folder)
    if not _is_ours(folder):
        what = "this folder holds files that are not Pellucid's"
        raise PellucidError(what, where=str(folder), fix="set PELLUCID_CACHE to another folder")
    if not is_marked(folder):
        # A cache that can only be read from is of use too.
        with suppress(OSError):
            _put_marker(folder)
    return folder


def make_own(folder: Path) -> None:
    """Make a folder that only its owner can enter; one that is there is taken, a link to one is not.

    Raises OSError.
    """
    folder.mkdir(exist_ok=True, mode=0o700)
    if not is_folder(folder):
        raise NotADirectoryError(errno.ENOTDIR, f"'{folder.name}' is a link", str(folder))


def check_private(folder: Path, inside: bool = False) -> None:
    """Raises PellucidError where others could change what lies in a folder, and with it values, unseen.

    Args:
        inside: the cache is a folder in this one, which others may then write to if they can't rename what is ours
            (the sticky bit of ``/tmp``).
    """
    about = folder.stat()
    others = about.st_mode & stat.S_IWOTH or (about.st_mode & stat.S_IWGRP and _is_shared(about.st_gid))
    if others and not (inside and about.st_mode & stat.S_ISVTX):
        raise PellucidError(
            "other users can write to this folder",
            where=str(folder),
            fix=f"chmod go-w {shell_quote(folder)}, or set PELLUCID_CACHE to a folder of your own",
        )
    if not inside and about.st_uid != os.geteuid():
        raise PellucidError(
            "this folder belongs to another user", where=str(folder), fix="set PELLUCID_CACHE to a folder of your own"
        )


def _is_shared(group: int) -> bool:
    """Whether a group has others in it than this user, whose own group it is on many systems."""
    try:
        found, user = grp.getgrgid(group), pwd.getpwuid(os.geteuid())
    except KeyError:
        return True
    return found.gr_name != user.pw_name or not set(found.gr_mem) <= {user.pw_name}


def is_marked(folder: Path) -> bool:
    """Whether a folder carries the marker of our caches, in a file of its own."""
    place = folder / MARKER
    if not is_file(place):
        return False
    with suppress(OSError), place.open("rb") as file:
        first, *others = file.read(MARKER_BYTES).splitlines() or [b""]
        return first == SIGNATURE and OWNER_LINE in others
    return False


def _is_ours(folder: Path) -> bool:
    """Whether a folder is marked, empty, or holds nothing but what an earlier Pellucid, which left no marker, wrote."""
    # Before the marker is looked for: another process may just be putting it there.
    names = os.listdir(folder)
    if is_marked(folder):
        return True
    others = [folder / name for name in names if not DRAFTED_MARKER.fullmatch(name)]
    return not others or (all(map(_is_shelf, others)) and any(map(_has_entry, others)))


def _is_shelf(path: Path) -> bool:
    """Whether this is a folder of entries or of pieces, with nothing else in it."""
    forms = (PIECES,) if path.name == SPOOL else (ENTRY, DRAFT) if SHELF.fullmatch(path.name) else ()
    if not forms or not is_folder(path):
        return False
    inside = list(path.iterdir())
    return all(is_folder(one) and any(form.fullmatch(one.name) for form in forms) for one in inside)


def _has_entry(shelf: Path) -> bool:
    return any(ENTRY.fullmatch(place.name) and is_file(place / "index.json") for place in shelf.iterdir())


def _put_marker(folder: Path) -> None:
    """Put the marker there, whole or not at all."""
    draft = folder / f".marker-{os.getpid()}-{secrets.token_hex(4)}"
    with draft.open("xb") as file:
        file.write(SIGNATURE + b"\n" + OWNER_LINE + b"\n")
    try:
        # A link, unlike a renaming, never replaces a file that another process has put there.
        os.link(draft, folder / MARKER)
    except FileExistsError:  # another process was first
        pass
    finally:
        draft.unlink()


def sweep_cache(folder: Path) -> None:
    """Remove what interrupted processes left half-written in a cache, where it is marked as ours."""
    if not is_marked(folder):
        return
    # By their age alone: whether a process of that number lives says nothing, numbers are used again.
    now = time.time()
    for shelf in _folders(folder, SHELF):
        for draft in _folders(shelf, DRAFT, now - DRAFT_SECONDS):
            remove_files(draft, ENTRY_FILE)
    for spool in _folders(folder, re.compile(SPOOL)):
        for pieces in _folders(spool, PIECES, now - PIECES_SECONDS):
            remove_files(pieces, PIECE_FILE)


def _folders(parent: Path, form: re.Pattern[str], before: float = float("inf")) -> Iterator[Path]:
    """The folders in a folder, no links, whose names have a form and that were last changed before a time."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            ours = form.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            if ours and entry.stat(follow_symlinks=False).st_mtime < before:
                yield Path(entry.path)


def remove_files(folder: Path, form: re.Pattern[str]) -> None:
    """Remove a folder of ordinary files whose names have a form. Where it holds anything else, all of it stays."""
    if not is_folder(folder):
        return
    with suppress(OSError):
        # All names are looked at before anything goes: half of somebody's folder removed would be the worst end.
        inside = sorted(folder.iterdir())
        if all(form.fullmatch(path.name) and is_file(path) for path in inside):
            for path in inside:
                path.unlink()
            folder.rmdir()
