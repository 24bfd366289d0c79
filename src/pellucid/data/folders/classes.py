"""Which of the folders that files lie in is their class, which their split, and which say nothing. n files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ...fields import Note
from ...fields.notes import LEFT_OUT
from ...wording import count_noun, join_words
from .parts import find_parts, share_folders

# What a level of folders is called as a target: folder_2; folder for all of them.
LEVEL = re.compile(r"folder(?:_(\d))?")

# So much of the files in one folder makes that folder say nothing.
NEARLY_ALL = 0.99

PIECE_NAME = re.compile(
    r"(?:part|batch|chunk|shard|group|volume|vol|disc|disk|session|day|archive)[\W_]*\d+", re.IGNORECASE
)

# What parts of a book, a course or a diary are called.
PART_OF_WORK = re.compile(
    rf"{PIECE_NAME.pattern}|(?:chapter|ch|book|scene|act|section|sect|lecture|lesson|week|month|year|letter|issue)"
    r"[\W_]*\d+", re.IGNORECASE,
)  # fmt: skip

DATED = re.compile(r"(1[5-9]|20)\d\d([-_. ]?\d\d){0,2}")

# What sets for learning without labels call the folder of those.
UNLABELLED = ("unsup", "unsupervised", "unlabeled", "unlabelled")

NUMBERED = re.compile(r"(.*?)[\W_]*\d[\d\W_]*")


@dataclass(frozen=True)
class Classes:
    """What folders say of n files.

    Attributes:
        labels: (n,) the class of each, None for a file in no class folder.
        splits: (n,) the split of each, None for none; empty when the folders tell no splits.
        name: how the labels' column is called. why: why these folders are the classes.
        notes: what was odd.
    """

    labels: list[str | None]
    splits: list[str | None]
    name: str
    why: str
    notes: list[Note]


def classes_of(paths: Sequence[str], where: str, names: Sequence[str] = (), noun: str = "image") -> Classes:
    """Tell classes and splits from paths alone.

    Folders that all files share are passed over. Splits may stand above or below the classes. Of nested folders the
    outermost are the classes, unless they are pieces (``part1``, ``part2``) or hold nearly everything in one.

    Args:
        paths: relative, with forward slashes. where: how notes call the data.
        names: columns that were asked for: ``folder_2`` is the second level of folders, ``folder`` all of them.
        noun: what one file is called.
    """
    told = find_parts([path.split("/")[:-1] for path in paths], where)
    splits, parts, notes = told.splits, _drop_shared_levels(told.folders), list(told.notes)
    asked = next((name for name in names if LEVEL.fullmatch(name)), None)
    if asked:
        level = int(LEVEL.fullmatch(asked)[1] or 0) - 1  # type: ignore[index]
        labels = [_folder_at(p, level) if level >= 0 else "/".join(p) or None for p in parts]
        return Classes(labels, splits, asked, "as you asked", notes)
    level, why = _class_level(parts, noun)
    labels = [_folder_at(p, level) for p in parts]
    if level:
        outer = f"{join_words(_show_folders(parts, level - 1), 3)}; --target folder_{level} takes these"
        notes.append(Note("info", f"the class is the folder at depth {level + 1}: {why} ({outer})", where))
    if any(len(p) > level + 1 for p in parts):
        notes.append(_note_inner(parts, level, where, noun))
    loose = [path for path, label in zip(paths, labels, strict=True) if label is None]
    if loose and len(loose) < len(labels):
        lie = count_noun(len(loose), f"{noun} is", f"{noun}s are")
        notes.append(Note("warning", f"{lie} in no class folder and left out", join_words(loose, 3)))
    labels = _without_unlabelled(labels, where, noun, notes)
    because = f"the {noun}s are in folders named after it" + (f", {why}" if level else "")
    return Classes(labels, splits, "label", because, notes)


def _note_inner(parts: list[list[str]], level: int, where: str, noun: str) -> Note:
    """What became of folders inside the classes, with a warning where these may be no classes but parts of one set."""
    inside: defaultdict[str, set[str]] = defaultdict(set)
    for p in parts:
        if len(p) > level:
            inside[p[level]].update(p[level + 1 : level + 2])
    inner = _show_folders(parts, level + 1)
    hint = f"--target folder_{level + 2} takes these"
    if len(inside) > 1 and share_folders(inside.values()):
        text = f"the same folders ({join_words(inner, 3)}) are in each of {join_words(inside, 3)}, which are read "
        text += f"as the classes; if they are parts of one set, {hint}"
        return Note(
            "warning", text, where, fix="or name the outer folders train, val and test to use them as the split"
        )
    deeper = sum(len(p) > level + 1 for p in parts)
    text = f"{count_noun(deeper, noun)} in folders inside a class belong to that class"
    return Note("info", text + (f" ({join_words(inner, 3)}; {hint})" if len(inner) > 1 else ""), where)


def _without_unlabelled(
    labels: list[str | None], where: str, noun: str, notes: list[Note]
) -> list[str | None]:  # (n,) -> (n,)
    """The same without what is called after having no label, where that stands beside at least two classes."""
    names = {label for label in labels if label}
    bare = {name for name in names if name.lower() in UNLABELLED}
    if not bare or len(names - bare) < 2:
        return labels
    count = sum(label in bare for label in labels)
    text = f"{count_noun(count, noun)} in '{join_words(sorted(bare))}' {'has' if count == 1 else 'have'} no label and"
    notes.append(Note("info", f"{text} {'is' if count == 1 else 'are'} left out", where, LEFT_OUT))
    return [None if label in bare else label for label in labels]


def _folder_at(folders: list[str], level: int) -> str | None:
    return folders[level] if len(folders) > level else None


def _show_folders(parts: list[list[str]], level: int) -> list[str]:
    return list(Counter(p[level] for p in parts if len(p) > level))


def _drop_shared_levels(parts: list[list[str]]) -> list[list[str]]:
    """Without the levels at which all files lie in one folder, but for the last level that is left."""
    level = 0
    while parts and all(len(p) > level for p in parts):
        # One folder stays: files of a single class are told apart from files without any.
        if len({p[level] for p in parts}) == 1 and all(len(p) > 1 for p in parts):
            parts = [p[:level] + p[level + 1 :] for p in parts]
        else:
            level += 1
    return parts


def _class_level(parts: list[list[str]], noun: str) -> tuple[int, str]:
    """The level whose folders are the classes, and why when it is not the outermost."""
    level, why, within = 0, "", parts
    while (found := _explain_pieces(within) or _explain_swallowing(within, noun)) is not None:
        level, why, within = level + 1, found, [p[1:] for p in within if len(p) > 1]
    return level, why


def _explain_pieces(parts: list[list[str]]) -> str | None:
    """Why the outermost folders are pieces of one set, when they are."""
    names = Counter(p[0] for p in parts if p)
    inner: defaultdict[str, set[str]] = defaultdict(set)
    for p in parts:
        if len(p) > 1:
            inner[p[1]].add(p[0])
    if len(names) < 2 or len(inner) < 2 or sum(len(p) > 1 for p in parts) < NEARLY_ALL * len(parts):
        return None
    # The same inner names in several outer folders may be pieces of one set (part1/cat, part2/cat) or classes
    # (cat/indoor, dog/indoor): names alone do not tell, so only numbered outer folders are taken for pieces
    # (docs/LOG.md, 2026-11-22).
    shared = sum(map(len, inner.values())) > 1.5 * len(inner) and not _are_numbered(inner)
    if all(PIECE_NAME.fullmatch(name) for name in names) or (shared and _are_numbered(names)):
        return f"the folders above are numbered pieces that hold {'the same' if shared else 'further'} folders"
    return None


def _explain_swallowing(parts: list[list[str]], noun: str) -> str | None:
    """Why one outermost folder says nothing: nearly everything is in it, in folders that are not pieces of it."""
    (name, count), *others = Counter(p[0] if p else "" for p in parts).most_common() or [("", 0)]
    inner = Counter(p[1] for p in parts if len(p) > 1 and p[0] == name)
    if not others or not name or count < NEARLY_ALL * len(parts) or len(inner) < 2:
        return None
    if sum(inner.values()) < NEARLY_ALL * count or _are_numbered(inner) or all(one.startswith(name) for one in inner):
        return None
    return f"'{name}' holds nearly all {noun}s"


def are_pieces(names: Sequence[str]) -> bool:
    """Whether folders are called like numbered parts of one work, or after dates.

    >>> are_pieces(["chapter1", "chapter2"]), are_pieces(["2021", "2022"]), are_pieces(["good", "bad"])
    (True, True, False)
    """
    return all(PART_OF_WORK.fullmatch(name) for name in names) or all(DATED.fullmatch(name) for name in names)


def _are_numbered(names: Sequence[str] | dict[str, object] | Counter[str] | defaultdict[str, set[str]]) -> bool:
    """Whether names are one word and a number, or dates. Bare numbers may well be classes."""
    stems = {match[1].lower() if (match := NUMBERED.fullmatch(name)) else None for name in names}
    return len(stems) == 1 and None not in stems and (stems != {""} or all(len(name) > 3 for name in names))
