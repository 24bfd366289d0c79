"""Which files are aligned: those with one stem and an ending for each language, ``train.en`` and ``train.de``.

k languages, n lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import PellucidError
from ...fields.files import Unreadable
from ...wording import count_noun, join_words
from ..archives import open_compressed
from ..documents.names import PROSE_NAMES, SOURCES, language_of
from ..folders.listing import MEDIA, TEXTS
from ..folders.parts import WORD, part_of_name
from ..source import without_compression
from ..splits.spec import PARTS
from ..tables.readers import READERS
from ..tables.signatures import SAMPLE_BYTES, meaning_of
from ..unread import FORMS

# Endings that say what a side of a pair is, where it is no language.
SIDES = frozenset(("src", "tgt", "trg", "source", "target", "input", "output", "question", "answer"))

# The languages that have a code of two letters (ISO 639-1), but for those that more often end the names of programs.
LANGUAGES = """
aa ab ae af ak am an ar av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cu cv cy da de dv dz ee el en eo
es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja
jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk mn mr mt my na nb nd
ne ng nl nn no nr nv ny oc oj om or os pa pi pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss
st su sv sw ta te tg th ti tk tl tn to tr tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu cs ml pl
"""

# What stems are called as well, digits left out: IWSLT's tst2013, WMT's newstest2014 and newsdev2016.
STEM_WORDS = {"tst": "test", "newstest": "test", "newsdev": "validation", "eval": "test"}

# Of a file whose lines are counted, at once.
BLOCK_BYTES = 1 << 20

# A language, or one as it is written somewhere: de, pt_BR, zh-Hans.
LANGUAGE = re.compile(r"([a-z]{2})([_-][A-Za-z]{2,4})?")

# Languages whose codes compiled programs end in as well: Lao and Somali.
COMPILED = ("la", "so")

# Endings of files that have a form of their own, and so are no side of a pair.
OTHERS = frozenset((*READERS, *MEDIA, *TEXTS, ".ts", *(suffix for form in FORMS for suffix in form.suffixes)))


@dataclass(frozen=True)
class AlignedFiles:
    """The files of one stem, one for each language.

    Attributes:
        stem: what their names have in common. files: (k,) in the order of the languages.
    """

    stem: str
    files: tuple[Path, ...]

    @property
    def part(self) -> str | None:
        """The part that the stem names: that of ``test_2016_flickr`` is test."""
        return part_of_stem(self.stem)


@dataclass(frozen=True)
class Alignment:
    """Files that are aligned, and their languages.

    Attributes:
        languages: (k,) the endings of the files, without the dot. sets: one an aligned stem, train before test.
        others: files beside them that belong to none.
    """

    languages: tuple[str, ...]
    sets: tuple[AlignedFiles, ...]
    others: tuple[Path, ...] = ()

    @property
    def files(self) -> list[Path]:
        return [file for one in self.sets for file in one.files]


def split_name(path: Path) -> tuple[str, str]:
    """What stands before the ending of a file, and the ending; compression left out.

    >>> split_name(Path("data/train.en.xz")), split_name(Path("notes"))
    (('train', 'en'), ('notes', ''))
    """
    name = without_compression(path.name)
    stem, dot, ending = name.rpartition(".")
    return (stem, ending) if dot and stem else (name, "")


def part_of_stem(stem: str) -> str | None:
    """The part that a stem names.

    >>> part_of_stem("tst2013"), part_of_stem("newstest2014"), part_of_stem("contest"), part_of_stem("europarl-v7")
    ('test', 'test', None, None)
    """
    found = {STEM_WORDS[word] for word in map(str.lower, WORD.findall(stem)) if word in STEM_WORDS}
    return part_of_name(stem) or (found.pop() if len(found) == 1 else None)


def is_language(ending: str) -> bool:
    """Whether the ending of a file's name says a language, or a side of a pair.

    >>> [is_language(one) for one in ("de", "pt_BR", "src", "c", "gz")]
    [True, True, True, False, False]
    """
    found = LANGUAGE.fullmatch(ending)
    return ending.lower() in SIDES or (found is not None and found[1] in LANGUAGES.split())


def align_named(paths: Sequence[Path]) -> Alignment | None:
    """Files that were named one by one, as aligned ones; None where they are something else.

    Raises:
        PellucidError: where a stem lacks a language that another one has.
    """
    endings = [split_name(path)[1] for path in paths]
    if len(paths) < 2 or any(not ending or f".{ending}".lower() in OTHERS for ending in endings):
        return None
    # ``main.c main.h``; but ``news.cs news.pl`` may be Czech and Polish.
    if all(map(_is_program, endings)) and not all(map(is_language, endings)):
        return None
    return _align(_by_stem(paths), complete=True)


def align_folder(paths: Iterable[Path]) -> Alignment | None:
    """The aligned ones among the files of a folder; None where there are none, or more other texts than these.

    Raises:
        PellucidError: as of ``align_named``.
    """
    inside = list(paths)
    able = [path for path in inside if is_language(split_name(path)[1])]
    stems = {stem: own for stem, own in _by_stem(able).items() if len(own) > 1 and not _are_programs(stem, own)}
    found = _align(stems, complete=False)
    if found is None:
        return None
    used = set(found.files)
    others = tuple(path for path in inside if path not in used)
    return Alignment(found.languages, found.sets, others) if _count_texts(others) <= len(used) else None


def _is_program(ending: str) -> bool:
    return f".{ending}".lower() in SOURCES


def _are_programs(stem: str, own: Mapping[str, Path]) -> bool:
    """Whether files of one stem in a folder are more likely programs than one text in several languages."""
    if all(map(_is_program, own)):
        return True
    if part_of_stem(stem) or not any(_is_program(ending) or ending in COMPILED for ending in own):
        return False
    return len({count_lines(path) for path in own.values()}) > 1


def _count_texts(paths: Iterable[Path]) -> int:
    """How many files are texts or source code, but for those that lie beside any data, as README and LICENSE."""
    names = [path.name.lower() for path in paths]
    return sum(bool(language_of(name)) and not name.startswith(PROSE_NAMES) for name in names)


def count_lines(path: Path) -> int:
    """The lines of a file of text, compressed or not; -1 of what is none or can't be read."""
    try:
        with open_compressed(path) as file:
            head = file.read(SAMPLE_BYTES)
            if meaning_of(head)[0]:
                return -1
            count, last = head.count(b"\n"), head
            while piece := file.read(BLOCK_BYTES):
                count, last = count + piece.count(b"\n"), piece
    except (PellucidError, Unreadable, OSError):
        return -1
    return count + (last[-1:] not in (b"", b"\n"))


def _by_stem(paths: Iterable[Path]) -> dict[str, dict[str, Path]]:
    """Files by what stands before their endings, and by these. Raises PellucidError for two that are called alike."""
    stems: dict[str, dict[str, Path]] = {}
    for path in paths:
        stem, ending = split_name(path)
        if ending in stems.setdefault(stem, {}):
            raise PellucidError(
                f"'{stem}.{ending}' is there twice ({stems[stem][ending].name} and {path.name})",
                where=str(path),
                fix="keep one of them",
            )
        stems[stem][ending] = path
    return stems


def _align(stems: Mapping[str, Mapping[str, Path]], *, complete: bool) -> Alignment | None:
    """Files of which some share a stem.

    Args:
        stems: files by stem and ending. complete: those that share it with none are an error too, where others do.
    """
    full = {stem: own for stem, own in stems.items() if len(own) > 1}
    if not full:
        return None
    languages = tuple(dict.fromkeys(ending for own in full.values() for ending in own))
    for stem, own in (stems if complete else full).items():
        lacking = [ending for ending in languages if ending not in own]
        if lacking:
            there = next(iter(own.values()))
            raise PellucidError(
                f"'{stem}.{lacking[0]}' is missing; the other files come in {join_words(languages)}",
                where=str(there),
                fix=f"add it, or leave {join_words(f'{stem}.{ending}' for ending in own)} out",
            )
    sets = [AlignedFiles(stem, tuple(own[ending] for ending in languages)) for stem, own in full.items()]
    order = {part: i for i, part in enumerate((*PARTS, None))}
    return Alignment(languages, tuple(sorted(sets, key=lambda one: order[one.part])))


def check_lines(names: Sequence[str], counts: Sequence[int]) -> None:
    """Raises PellucidError where aligned files have other numbers of lines.

    Args:
        names: of the files. counts: of their lines.
    """
    for name, count in zip(names[1:], counts[1:], strict=True):
        if count != counts[0]:
            raise PellucidError(
                f"{names[0]} has {count_noun(counts[0], 'line')} and {name} {count:,}, so their lines do not belong "
                "together",
                where=name,
                fix="give files in which line 12 of one is the translation of line 12 of the other",
            )
