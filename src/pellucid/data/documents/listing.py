"""The documents under a folder or in an archive, and what is left out there. n documents."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...fields import Note
from ...fields.category import natural_key
from ...fields.files import Unreadable, opened_file
from ...fields.notes import LEFT_OUT
from ...wording import count_noun, join_words
from ..cache.cache import key_of
from ..cache.file_marks import FileMark, digest_marks, mark_at, mark_of
from ..folders.listing import HIDDEN, MEDIA, NO_SUFFIX, TABLES, all_entries, file_identity, is_made, suffix_of
from .ignore_rules import LONGEST_PATH, MOST_FOLDERS, MOST_RULE_BYTES, RULES, IgnoreRules
from .names import ENVIRONMENT, is_generated, is_source, is_vendored, language_of

# Such tables may as well be texts.
LOOSE = (".txt",)

# What is left out, named for each reason.
MOST_NAMED = 3


@dataclass
class DocumentListing:
    """The documents of a folder, of an archive or of a list of files, and what else is there.

    Attributes:
        root: the folder, the archive, or what paths in ``files`` start from. name: how messages call it.
        files: the documents by path, in the order that people read them, with their marks.
        others: how many other files there are, by suffix. media: how many of them are photos or recordings.
        tables: how many tables lie in the outermost folder.
        hidden, vendored, ignored, generated: paths of files and folders that are left out, by why.
    """

    root: Path
    name: str
    files: dict[str, FileMark] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    media: int = 0
    tables: int = 0
    hidden: list[str] = field(default_factory=list)
    vendored: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    generated: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """SHA-256 of path and mark of every document."""
        return key_of("documents", digest_marks([(str(self.root.resolve()), ()), *self.files.items()]))

    @property
    def sources(self) -> int:
        """How many documents are source code."""
        return sum(map(is_source, self.files))

    def add(self, path: str, mark: Callable[[], FileMark]) -> None:
        """Take note of a file that is neither hidden nor ignored."""
        suffix = suffix_of(path)
        # First of all, as there may be very many of them.
        if suffix in MEDIA:
            self.media += 1
            self.others[suffix] += 1
        elif is_generated(path.rsplit("/", 1)[-1].lower()):
            self.generated.append(path)
        elif language_of(path):
            self.files[path] = mark()
        else:
            self.others[suffix or NO_SUFFIX] += 1
        self.tables += suffix in TABLES and suffix not in LOOSE and "/" not in path

    def settle_order(self) -> None:
        """Documents in the order that people read them, chapter 9 before chapter 10."""
        self.files = dict(sorted(self.files.items(), key=lambda one: list(map(natural_key, one[0].split("/")))))

    def read_head(self, path: str, size: int) -> bytes:
        """The beginning of a document; nothing of one that can't be opened: that is said later."""
        try:
            with opened_file(os.path.join(self.root, path)) as handle:
                return os.read(handle, size)
        except Unreadable:
            return b""

    def left_out(self) -> Iterator[Note]:
        """Notes on what is left out, by why."""
        whys = (
            (self.hidden, "hidden file or folder is", "hidden files and folders are"),
            (self.vendored, "folder of installed or compiled code is", "folders of installed or compiled code are"),
            (self.ignored, f"file or folder that {RULES} names is", f"files and folders that {RULES} names are"),
            (self.generated, "file made by a program is", "files made by programs are"),
            (self.made, "folder that Pellucid made is", "folders that Pellucid made are"),
        )  # fmt: skip
        for paths, one, many in whys:
            if paths:
                shown = join_words(sorted(paths), MOST_NAMED)
                yield Note("info", f"{count_noun(len(paths), one, many)} left out ({shown})", self.name, LEFT_OUT)


def list_documents(root: Path) -> DocumentListing:
    """Every document under a folder: texts and source code by their names.

    Hidden files, what ``.gitignore`` files under ``root`` name, folders of others' code and runs are passed over,
    folders that link back to themselves entered once.

    Raises:
        PellucidError: for a folder that may not be opened.
    """
    found = DocumentListing(root, root.resolve().name)
    rules = IgnoreRules()
    # A stack, not recursion: folders may be nested as deep as they like.
    stack, seen = [("", str(root))], {file_identity(os.stat(root))}
    while stack:
        inside, folder = stack.pop()
        entries = all_entries(folder)
        names = {entry.name for entry in entries}
        if inside and (ENVIRONMENT in names or is_made(folder, names)):
            (found.vendored if ENVIRONMENT in names else found.made).append(inside)
            continue
        if RULES in names:
            rules.add(inside, _read_rules(os.path.join(folder, RULES)))
        for entry in entries:
            path = f"{inside}/{entry.name}" if inside else entry.name
            try:
                # What is not UTF-8 can stand in no report, and in no column of text.
                entry.name.encode()
                if _enter_folder(entry, path, rules, seen, found):
                    stack.append((path, entry.path))
            except UnicodeEncodeError:
                odd = path.encode("utf-8", "backslashreplace").decode()
                found.notes.append(Note.left_out("its name is not UTF-8", odd))
            # A link to nowhere or to itself.
            except OSError as error:
                found.notes.append(Note.left_out(f"cannot be opened ({error.strerror})", path))
    # File systems list in any order.
    found.notes.sort(key=lambda note: note.where)
    found.settle_order()
    return found


def list_packed(root: Path, names: Iterable[str], patterns: Mapping[str, str]) -> DocumentListing:
    """The documents of an archive by the names of its files, hidden ones left out of them.

    Args:
        patterns: the contents of its ``.gitignore`` files by their paths.
    """
    found = DocumentListing(root, root.name)
    rules = IgnoreRules()
    for path, text in patterns.items():
        rules.add(path.rpartition("/")[0], text)
    known: dict[str, bool] = {}
    for path in names:
        if not _in_folder_left_out(path, rules, known, found):
            if patterns and _is_matched(path) and rules.leaves_out(path, False):
                found.ignored.append(path)
            else:
                found.add(path, tuple)
    found.settle_order()
    return found


def _in_folder_left_out(path: str, rules: IgnoreRules, known: dict[str, bool], found: DocumentListing) -> bool:
    """Whether a packed file lies in a folder that is left out, which is taken note of once.

    Args:
        known: of folders that were asked of before, whether they are.
    """
    start = 0
    # From the outermost on, as what lies in a folder that is left out is not asked for.
    for end in [i for i, sign in enumerate(path) if sign == "/"][:MOST_FOLDERS]:
        name, folder, start = path[start:end], path[:end], end + 1
        if folder not in known:
            vendored = is_vendored(name)
            known[folder] = vendored or (_is_matched(path) and rules.leaves_out(folder, True))
            if known[folder]:
                (found.vendored if vendored else found.ignored).append(folder)
        if known[folder]:
            return True
    return False


def _is_matched(path: str) -> bool:
    """Whether patterns are matched with a path: one that was made to harm could keep them busy."""
    return len(path) <= LONGEST_PATH and path.count("/") <= MOST_FOLDERS


def list_given(paths: Iterable[Path], name: str) -> DocumentListing:
    """Single files as they were given, whatever they are called."""
    given = list(map(str, paths))
    return DocumentListing(Path("."), name, {path: mark_at(path) for path in given})


def _enter_folder(
    entry: os.DirEntry[str], path: str, rules: IgnoreRules, seen: set[tuple[int, int]], found: DocumentListing
) -> bool:
    """Take note of what lies in a folder; whether it is a folder to go into. Raises OSError."""
    folder = entry.is_dir()
    if entry.name.startswith(HIDDEN):
        found.hidden.append(path)
    elif folder and is_vendored(entry.name):
        found.vendored.append(path)
    elif rules.leaves_out(path, folder):
        found.ignored.append(path)
    elif not folder:
        found.add(path, lambda: _mark_of_regular(entry))
    # By device and inode: a path grows with every turn of a link that leads back.
    elif (identity := file_identity(entry.stat())) in seen:
        found.notes.append(Note.left_out("links to a folder that was read already", path, "warning"))
    else:
        seen.add(identity)
        return True
    return False


def _mark_of_regular(entry: os.DirEntry[str]) -> FileMark:
    about = entry.stat()
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "it is not a file but a pipe, a socket or a device")
    return mark_of(about)


def _read_rules(path: str) -> str:
    """The patterns of a file; nothing of one that can't be read."""
    try:
        with opened_file(path) as handle:
            return os.read(handle, MOST_RULE_BYTES).decode("utf-8", "replace")
    except Unreadable:
        return ""
