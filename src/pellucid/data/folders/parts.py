"""Which level of folders is the split: one whose names are words for parts, or hold such words among others."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ...fields import Note
from ...wording import join_words
from ..splits.spec import PARTS, SPLIT_WORDS

# So much of the files must lie in folders named train, test … for these to be their splits.
SPLIT_SHARE = 0.9

# So many of the smaller one's inner folders must stand in the other too for both to hold the same classes: a test set
# may lack a rare one.
SAME_SHARE = 0.8

# What is said of parts in names of folders, beside the words that mean a part wherever they stand.
HELD_OUT = ("holdout", "heldout", "unseen")

# Names as people join words in them: train_set, 02-val, testImages.
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


NO_LETTERS = re.compile(r"[\W\d_]+")


@dataclass(frozen=True)
class PartFolders:
    """What folders say of the parts of n files.

    Attributes:
        splits: (n,) the split of each, None for none; empty when the folders tell no splits.
        folders: (n,) the other folders of each. notes: what was odd.
    """

    splits: list[str | None]
    folders: list[list[str]]
    notes: list[Note] = field(default_factory=list)


def find_parts(folders: list[list[str]], where: str) -> PartFolders:
    """The split of every file, where one level of folders says it, and the other folders.

    Args:
        folders: (n,) those each file lies in, the outermost first. where: how notes call the data.
    """
    return _named_exactly(folders) or _named_among_words(folders, where) or PartFolders([], folders)


def split_folders(splits: Sequence[str | None]) -> str:
    """The splits that are there, for a sentence."""
    return join_words(part for part in PARTS if part in splits)


def part_of_name(name: str) -> str | None:
    """The part that a folder's name tells, among other words or alone.

    >>> part_of_name("train_set"), part_of_name("02-val"), part_of_name("contest"), part_of_name("testImages")
    ('train', 'validation', None, 'test')
    """
    words = [word.lower() for word in WORD.findall(name)]
    found = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    if any(word in HELD_OUT for word in (*words, *map("".join, pairwise(words)))):
        found.add("test")
    # Of two parts in one name, as in train_val, neither is told.
    return found.pop() if len(found) == 1 else None


def share_folders(inner: Iterable[set[str]]) -> bool:
    """Whether folders, each with the names of those in it, hold the same ones, and at least two."""
    sets = sorted(inner, key=len)
    least = sets[0] if sets else set()
    return len(least) > 1 and all(len(least & one) >= SAME_SHARE * len(least) for one in sets)


def _named_exactly(folders: list[list[str]]) -> PartFolders | None:
    for level in range(max(map(len, folders), default=0)):
        words = Counter(_plain_word(p[level]) for p in folders if len(p) > level)
        known = {word: count for word, count in words.items() if word in SPLIT_WORDS}
        if len({SPLIT_WORDS[word] for word in known}) > 1 and sum(known.values()) >= SPLIT_SHARE * len(folders):
            found = [SPLIT_WORDS.get(_plain_word(p[level])) if len(p) > level else None for p in folders]
            return PartFolders(found, [_without_level(p, level, s) for p, s in zip(folders, found, strict=True)])
    return None


def _plain_word(name: str) -> str:
    """A name without numbers and marks: that of train2017 or 01_train is train."""
    return NO_LETTERS.sub("", name).lower()


def _without_level(folders: list[str], level: int, split: str | None) -> list[str]:
    """The folders without the one that says the part; those of a file in none stay, but what is beside the parts and
    holds no folder is no class."""
    if split:
        return folders[:level] + folders[level + 1 :]
    return folders if level or len(folders) > 1 else []


def _named_among_words(folders: list[list[str]], where: str) -> PartFolders | None:
    """Parts by names such as ``train_set``, where the same folders stand in each: names alone may be classes."""
    # seg_train/seg_train/forest, as archives unpacked into a folder of their name have it.
    plain = [[one for i, one in enumerate(p) if not i or one != p[i - 1]] for p in folders]
    level = _first_level_that_differs(plain)
    inner: defaultdict[str, set[str]] = defaultdict(set)
    for p in plain:
        if len(p) > level + 1:
            inner[p[level]].add(p[level + 1])
    parts = {name: part_of_name(name) for name in inner}
    within = Counter(p[level] for p in plain if len(p) > level + 1)
    named = sum(count for name, count in within.items() if parts[name])
    told = {name: part for name, part in parts.items() if part}
    if len(set(told.values())) < 2 or named < SPLIT_SHARE * within.total():
        return None
    if not share_folders(inner[name] for name in told):
        return None
    found = [told.get(p[level]) if len(p) > level + 1 else None for p in plain]
    rest = [p[:level] + p[level + 1 :] if s else [] for p, s in zip(plain, found, strict=True)]
    shared = sorted(set.intersection(*(inner[name] for name in told)))
    text = f"the folders {join_words(told)} are read as {join_words(told.values())}, because they hold the same "
    text += f"folders ({join_words(shared, 3)})"
    return PartFolders(found, rest, [Note("info", text, where, fix="--split 80,10,10 draws other parts")])


def _first_level_that_differs(folders: list[list[str]]) -> int:
    """The first level at which files lie in several folders."""
    deepest = max(map(len, folders), default=0)
    return next((i for i in range(deepest) if len({p[i] for p in folders if len(p) > i}) > 1), 0)
