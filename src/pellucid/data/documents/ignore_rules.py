"""What ``.gitignore`` leaves out: its patterns, matched in time that no pattern can make long.

A regular expression made of a stranger's pattern could take for ever on a short name; what is here goes back to its
last star alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Item = TypeVar("Item")

# The name of files of patterns.
RULES = ".gitignore"

# Such a file is no longer; all those of an archive together.
MOST_RULE_BYTES, MOST_BYTES_OF_ALL = 1 << 20, 1 << 22

# A path that patterns are matched with has no more folders and characters: none that git knows has.
MOST_FOLDERS, LONGEST_PATH = 100, 4_096

# Patterns of one file that are read, and the length of one.
MOST_PATTERNS, LONGEST_PATTERN = 10_000, 1_000


@dataclass(frozen=True)
class Star:
    """Any number of characters of a name or, as ``**``, of folders of a path."""


@dataclass(frozen=True)
class Signs:
    """One character: any but these where ``but``, else one of these. (low, high) pairs."""

    ranges: tuple[tuple[str, str], ...]
    but: bool = False


STAR, ANY = Star(), Signs((), but=True)

# A pattern of one name: characters, sets of them, and stars.
Glob = tuple["str | Signs | Star", ...]


@dataclass(frozen=True)
class Rule:
    """One pattern.

    Attributes:
        globs: of a path's names from the folder on that the file lies in. back: it takes back what others leave out.
        folders: it is about folders alone.
    """

    globs: tuple[Glob | Star, ...]
    back: bool = False
    folders: bool = False

    def fits(self, names: Sequence[str], folder: bool) -> bool:
        """Whether a path, by its names, is what the pattern is about."""
        return (folder or not self.folders) and match_stars(self.globs, names, _fits_name)


class IgnoreRules:
    """The patterns of all ``.gitignore`` files above a path, each about what lies under its own folder.

    >>> rules = IgnoreRules()
    >>> rules.add("", "*.log\\n!keep.log\\nbuild/\\n")
    >>> rules.leaves_out("a/x.log", False), rules.leaves_out("keep.log", False), rules.leaves_out("build", True)
    (True, False, True)
    """

    def __init__(self) -> None:
        self._rules: dict[str, list[Rule]] = {}

    def add(self, folder: str, text: str) -> None:
        """The content of a ``.gitignore`` in a folder, by its path; "" for the outermost."""
        lines = text.splitlines()[:MOST_PATTERNS]
        self._rules[folder] = [rule for line in lines if (rule := parse_rule(line)) is not None]

    def leaves_out(self, path: str, folder: bool) -> bool:
        """Whether a file or a folder is left out; what lies in a folder that is left out is not asked for."""
        names = path.split("/")
        # The nearest file decides, and in it the last pattern that fits.
        for depth in range(len(names) - 1, -1, -1):
            for rule in reversed(self._rules.get("/".join(names[:depth]), ())):
                if rule.fits(names[depth:], folder):
                    return not rule.back
        return False


def parse_rule(line: str) -> Rule | None:
    """The pattern in a line; None for a blank line, a remark, and what is too long to be meant."""
    text = line.rstrip("\r\n")
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    if not text or text.startswith("#") or len(text) > LONGEST_PATTERN:
        return None
    back = text.startswith("!")
    text = text[back:]
    folders = text.endswith("/")
    text = text.removesuffix("/")
    # A slash before its end ties a pattern to the folder of the file.
    tied = "/" in text
    names = text.removeprefix("/").split("/")
    if not text or not all(names):
        return None
    globs: list[Glob | Star] = [] if tied else [STAR]
    globs += [STAR if name == "**" else parse_glob(name) for name in names]
    if names[-1] == "**":
        # At the end it stands for all that lies inside, of which there is something.
        globs.insert(-1, parse_glob("*"))
    return Rule(tuple(globs), back, folders)


def parse_glob(text: str) -> Glob:
    """The pattern of one name: ``*``, ``?``, ``[a-z]``, ``[!a-z]`` and a backslash before a sign that is meant."""
    found: list[str | Signs | Star] = []
    i = 0
    while i < len(text):
        sign = text[i]
        if sign == "\\" and i + 1 < len(text):
            found.append(text[i + 1])
            i += 2
        elif sign == "[" and (end := text.find("]", i + 2 + (text[i + 1 : i + 2] in ("!", "^")))) > 0:
            found.append(_parse_set(text[i + 1 : end]))
            i = end + 1
        else:
            found.append(STAR if sign == "*" else ANY if sign == "?" else sign)
            i += 1
    return tuple(found)


def match_stars(pattern: Sequence[Any], items: Sequence[Item], fits: Callable[[Any, Item], bool]) -> bool:
    """Whether a pattern fits all of some items, a star any number of them; at most a step for each pair."""
    at = star = taken = 0
    starred = False
    i = 0
    while i < len(items):
        part = pattern[at] if at < len(pattern) else None
        if isinstance(part, Star):
            starred, star, taken = True, at, i
            at += 1
        elif part is not None and fits(part, items[i]):
            at += 1
            i += 1
        elif starred:
            # The last star takes one more; earlier ones need not be asked again.
            taken += 1
            at, i = star + 1, taken
        else:
            return False
    return all(isinstance(part, Star) for part in pattern[at:])


def _fits_name(glob: Glob, name: str) -> bool:
    return match_stars(glob, name, _fits_sign)


def _fits_sign(part: str | Signs, sign: str) -> bool:
    if isinstance(part, Signs):
        return any(low <= sign <= high for low, high in part.ranges) != part.but
    return part == sign


def _parse_set(inside: str) -> Signs:
    """What stands between brackets."""
    but = inside.startswith(("!", "^"))
    inside = inside[but:]
    ranges, i = [], 0
    while i < len(inside):
        paired = inside[i + 1 : i + 2] == "-" and i + 2 < len(inside)
        ranges.append((inside[i], inside[i + 2] if paired else inside[i]))
        i += 3 if paired else 1
    return Signs(tuple(ranges), but)
