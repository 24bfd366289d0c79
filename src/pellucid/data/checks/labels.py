"""Labels: how many there are of each, and which are likely meant to be one. n rows, C classes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from ...fields import Note
from ..sources import PARTS, counted, listed
from .base import Look, column_check

HEAVY = 20  # the largest class is so many times the smallest: worth saying
RARE = 0.05  # a misspelt label is at most so often there as the right one
SHORTEST = 4  # letters of words that may be misspelt: 'cat' and 'car' are two words
LABELS = 200  # different values of an input that are compared
JOINED = "write them all the same way"
APART = "counted as different"


@column_check("with values that differ by little")
def variants(look: Look, _: Sequence[Look]) -> Iterator[Note]:
    """Values that differ by capitals, spaces or accents alone."""
    if not _comparable(look):
        return
    level = "warning" if look.role == "target" else "info"
    alike: dict[str, list[str]] = {}
    for value in look.counts:
        alike.setdefault(_bare(_folded(value)), []).append(value)
    for some in alike.values():
        if len(some) > 1:
            same = len({_folded(value) for value in some}) == 1
            shown = listed(f"'{value}' ({look.counts[value]:,})" for value in some)
            by = "capitals or spaces" if same else "capitals, spaces or accents"
            yield Note(level, f"{shown} differ by {by} alone and count as different", look.where, APART, JOINED)


def _comparable(look: Look) -> bool:
    if look.kind not in ("category", "labels") or look.role == "id" or look.field.settings.get("flag"):
        return False
    return look.role == "target" or (len(look.counts) if look.kind == "labels" else look.series.n_unique()) <= LABELS


def _folded(value: str) -> str:
    return " ".join(value.casefold().replace("_", " ").replace("-", " ").split())


def _bare(value: str) -> str:
    """Without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", value) if not unicodedata.combining(c))


@column_check("with values that look misspelt")
def misspelt(look: Look, _: Sequence[Look]) -> Iterator[Note]:
    """A rare value that is one letter away from a common one."""
    if not _comparable(look):
        return
    level = "warning" if look.role == "target" else "info"
    near: dict[str, list[str]] = {}
    for value in look.counts:
        for form in _forms(value):
            near.setdefault(form, []).append(value)
    pairs = {(a, b) for some in near.values() for a in some for b in some if look.counts[b] <= RARE * look.counts[a]}
    for right, wrong in sorted(pairs):
        if _folded(right) != _folded(wrong) and _slip(right.casefold(), wrong.casefold()):
            row = look.first([wrong])
            text = f"'{wrong}' ({look.counts[wrong]:,}) may be '{right}' ({look.counts[right]:,}) misspelt"
            yield Note(level, text, look.place(row), APART, f"if it is, write '{right}'")


def _forms(value: str) -> set[str]:
    """The word and all it becomes when a letter is left out: those of two near words meet (Garbe, SymSpell, 2012)."""
    word = value.casefold()
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))} if SHORTEST <= len(word) <= 40 else set()


def _slip(one: str, other: str) -> bool:
    """Whether two words are one typing slip apart: a letter too few, another one, or two changed about."""
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    if not (a + b).isalpha() and not ((a or b)[:1].isalpha() and (b or a)[:1].isalpha()):
        return False  # 'class 1' and 'class 2' are no slip
    if any(letter.isdigit() for letter in a[:1] + b[:1]):
        return False
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[:2][::-1] and len(a) > 1 and a[2:] == b[2:])


@column_check("with rare or uneven classes")
def classes(look: Look, _: Sequence[Look]) -> Iterator[Note]:
    """Rare classes, and uneven ones."""
    if look.role != "target" or look.kind not in ("category", "labels"):
        return
    counts, one = look.counts, "label" if look.kind == "labels" else "class"
    for few, what in ((1, "a single example"), (2, "two examples")):
        found = [value for value, count in counts.items() if count == few]
        if found:
            row = look.first(found)
            several = "labels" if one == "label" else "classes"
            text = f"{counted(len(found), f'{one} has', f'{several} have')} {what} ({listed(found)}), here first"
            action = "put into the training part when drawn at random, and never scored"
            fix = f"bring at least {len(PARTS)} of each {one}, or take their rows out"
            yield Note("warning", f"{text}: it can be learned but not checked", look.place(row), action, fix)
    if len(counts) > 1 and one == "class":
        (most, many), (least, few) = max(counts.items(), key=lambda c: c[1]), min(counts.items(), key=lambda c: c[1])
        if many >= HEAVY * few and few > 1:
            text = f"classes are uneven: '{most}' has {many:,} examples, '{least}' {few:,}"
            fix = "look at each class in the report, not at accuracy alone"
            yield Note("warning", text, look.where, "every example counts the same", fix)
