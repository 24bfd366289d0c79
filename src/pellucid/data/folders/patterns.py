"""What the names of files say: 7_jackson_32.wav as the class 7, the speaker jackson and an index. n files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ...errors import PellucidError, UsageError
from ...fields import Column, Note
from ...fields.notes import LEFT_OUT
from ...wording import count_noun, join_words
from ..schema import asked_targets
from ..source import ReadOptions
from .listing import MEDIA, TEXTS, Listing, suffix_of

# What the class is called in a pattern, unless another column is the target.
LABEL = "label"

EXAMPLE = "{label}_{speaker}_{index}"

FIELD = re.compile(r"\{([^{}]*)\}")

# What stands between the parts of a name; the first that all names have is the one that was meant.
MARKS = ("_", "-", ".", " ")

# A part of names that comes again so often in the mean may be the class.
TIMES_AGAIN = 4

# Names listed one by one.
MOST_SHOWN = 3


@dataclass(frozen=True)
class NamePattern:
    """How names are made of parts.

    Attributes:
        text: as it was written. names: of the parts, in their order. expression: that takes a name apart.
        folders: how many folders above the file it begins with.
    """

    text: str
    names: tuple[str, ...]
    expression: re.Pattern[str]
    folders: int

    def parts_of(self, path: str) -> dict[str, str] | None:
        """By name, the parts of a path with forward slashes, its ending passed over; None for one that does not fit."""
        name = path[: -len(suffix_of(path))] if suffix_of(path) in (*MEDIA, *TEXTS) else path
        near = "/".join(name.split("/")[-self.folders - 1 :])
        found = self.expression.fullmatch(near)
        return dict(zip(self.names, found.groups(), strict=True)) if found else None


def parse_pattern(text: str) -> NamePattern:
    """A pattern such as ``{label}_{speaker}_{index}``. Folders may stand in it: ``{speaker}/{label}_{index}``.

    >>> parse_pattern("{label}_{speaker}").parts_of("clips/7_jackson.wav")
    {'label': '7', 'speaker': 'jackson'}

    Raises:
        UsageError: for what is no such pattern; it says what is wrong.
    """
    fix = f"write it like {EXAMPLE}: names in braces, and what stands between them"
    pieces = FIELD.split(text)
    names, between = [name.strip() for name in pieces[1::2]], pieces[::2]
    if not names or any("{" in one or "}" in one for one in between) or not all(names):
        raise UsageError(f"the pattern '{text}' has no names in braces", fix=fix)
    if len(set(names)) < len(names):
        raise UsageError(f"the pattern '{text}' has a name twice", fix=fix)
    if not all(between[1:-1]):
        raise UsageError(f"the pattern '{text}' has two names with nothing between them", fix=fix)
    # A part ends where the next mark begins: 7_jackson_32_2 has a part too many for three and does not fit.
    marks = "".join(sorted({one[0] for one in between[1:-1]} | {"/"}))
    expression = re.escape(between[0]) + "".join(f"([^{re.escape(marks)}]+){re.escape(one)}" for one in between[1:])
    return NamePattern(text, tuple(names), re.compile(expression), text.count("/"))


@dataclass(frozen=True)
class NamedParts:
    """What the names of n files say.

    Attributes:
        pattern: as it was written. target: the part that is predicted.
        columns: by name, (n,) the parts; None for a file that does not fit.
        notes: which do not fit.
    """

    pattern: str
    target: str
    columns: Mapping[str, list[str | None]]
    notes: list[Note]

    why = "it stands in the names of the files"

    @property
    def beside(self) -> frozenset[str]:
        """The parts that are not predicted."""
        return frozenset(self.columns) - {self.target}

    def series(self) -> dict[str, pl.Series]:
        return {name: pl.Series(name, values, pl.String) for name, values in self.columns.items()}


def read_names(paths: Sequence[str], options: ReadOptions, where: str, noun: str) -> NamedParts | None:
    """The parts of the names of some files, as the user's pattern says; None where there is no pattern.

    Args:
        paths: relative, with forward slashes. where: how messages call the data. noun: what one file is called.

    Raises:
        PellucidError: where no name fits. UsageError: where no part is the class.
    """
    if options.label_from is None:
        return None
    pattern = parse_pattern(options.label_from)
    asked = asked_targets(options.target, pattern.names)
    target = next((name for name in (*asked, LABEL) if name in pattern.names), None)
    if target is None and not options.names:
        fix = f"call it {{{LABEL}}}, or name it with --target: {join_words(pattern.names)}"
        raise UsageError(f"the pattern '{pattern.text}' does not say which part is the class", fix=fix)
    parts = [pattern.parts_of(path) for path in paths]
    odd = [path for path, one in zip(paths, parts, strict=True) if one is None]
    # New files without classes may be called whatever they like.
    if len(odd) == len(paths) and not options.names:
        what = f"none of its {count_noun(len(paths), noun)} is named like '{pattern.text}'"
        raise PellucidError(f"{what}, such as {odd[0]}", where=where, fix="write the pattern as the names are")
    notes = []
    if odd and not options.names:
        text = f"{count_noun(len(odd), f'{noun} is', f'{noun}s are')} not named like '{pattern.text}' and left out"
        notes.append(Note("warning", f"{text} ({join_words(odd, MOST_SHOWN)})", where, LEFT_OUT))
    columns = {name: [one[name] if one else None for one in parts] for name in pattern.names}
    return NamedParts(pattern.text, target or LABEL, columns, notes)


def propose_pattern(paths: Iterable[str]) -> tuple[str, str]:
    """The pattern that all names fit and one of them; empty where there is none with a part that may be the class.

    >>> propose_pattern(f"{digit}_{who}_{i}.wav" for digit in "01" for who in ("ann", "bob") for i in range(9))
    ('{label}_{part2}_{index}', '0_ann_0.wav')
    """
    names = [path.rsplit("/", 1)[-1] for path in paths]
    stems = [name[: -len(suffix_of(name))] if suffix_of(name) else name for name in names]
    for mark in MARKS:
        split = [stem.split(mark) for stem in stems]
        if len({len(one) for one in split}) != 1 or len(split[0]) < 2 or not all(map(all, split)):
            continue
        different = [len({one[i] for one in split}) for i in range(len(split[0]))]
        again = [i for i, count in enumerate(different) if count > 1 and TIMES_AGAIN * count <= len(names)]
        if again:
            called = [_part_name(i, again[0], [one[i] for one in split]) for i in range(len(different))]
            # Two numbers are not both the index.
            called = [f"part{i + 1}" if called.count(one) > 1 else one for i, one in enumerate(called)]
            return mark.join(f"{{{one}}}" for one in called), names[0]
    return "", ""


def _part_name(i: int, label: int, values: Sequence[str]) -> str:
    if i == label:
        return LABEL
    return "index" if all(value.isdecimal() for value in values) else f"part{i + 1}"


def named_columns(files: Listing, found: NamedParts, place: object) -> dict[str, Column]:
    """The parts of names as columns of the files of a listing."""
    return {name: files.column(name, series, place) for name, series in found.series().items()}  # type: ignore[arg-type]
