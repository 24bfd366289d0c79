"""Which photo or recording a value of a table names. m of them.

People name images in many ways: by a path from the table or from the folder of all, from a folder on another machine,
by the file's name alone, without its ending, or by its number. The way that most values of a column fit is taken.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import polars as pl

from ...fields import Column
from ...fields.files import plain_path
from .listing import MEDIA, suffix_of

# Values that decide which way of naming a column follows.
SAMPLED_VALUES = 400

# The file's name, and folders above it that may help to tell it from others of the same name.
MOST_TAIL_PARTS = 4

# A looser way must fit so many more of the values: the strictest that fits is the one that was meant.
BETTER_SHARE = 0.01


@dataclass(frozen=True)
class Match:
    """A way to take values as names of files.

    Attributes:
        share: of the values that name a file. look: (n,) values -> (n,) index of the file, -1 for none.
    """

    share: float
    look: Callable[[Iterable[str | None]], list[int]]


NONE = Match(0.0, lambda values: [-1 for _ in values])


def values_of(column: Column) -> list[str | None]:
    """Values that may be names, as text: text and whole numbers; nothing for other columns."""
    series = column.series()
    if series is None or not (series.dtype == pl.String or series.dtype.is_integer()):
        return []
    return series.cast(pl.String).to_list()


class Names:
    """Photos or recordings by all names they may be called.

    Args:
        files: (m,) paths relative to ``root``, with forward slashes.
    """

    def __init__(self, files: Sequence[str], root: Path):
        self.files = files
        self._roots = (f"{root}/", f"{root.resolve()}/")
        self._indexes: dict[tuple[bool, int], dict[str, int]] = {}

    def best_match(self, column: Column, folder: str) -> Match:
        """The way that fits most values of a column of a table that lies in ``folder``."""
        present = [value for value in values_of(column) if value]
        sample = present[:: max(1, len(present) // SAMPLED_VALUES)]
        series = column.series()
        # Most columns name nothing: a look into one set passes them over before an index is built for each way.
        if not sample or sum(map(self.may_name, sample)) < 0.5 * len(sample):
            return NONE
        distinct = len(set(present)) >= 0.9 * len(present)
        # They may only happen to be numbers of files.
        if series is not None and series.dtype.is_integer():
            looks = [partial(_look_up, self._number_index, _without_zeros)] if distinct else []
            looks = looks if 2 * len(present) >= len(self.files) else []
        else:
            looks = list(self._matches(folder, distinct))
        best = NONE
        for look in looks:
            share = sum(i >= 0 for i in look(sample)) / len(sample)
            if share > best.share + BETTER_SHARE:
                best = Match(share, look)
        return best

    def may_name(self, value: str) -> bool:
        """Whether some file is called so, in whatever folder and with whatever ending."""
        return _without_ending(value) in self._name_endings

    def _matches(self, folder: str, distinct: bool) -> Iterator[partial[list[int]]]:
        """The strictest first. Names without ending are words like any others, so they must tell files apart."""
        for bare in (False, True) if distinct else (False,):
            for start in dict.fromkeys((folder, "")):
                yield partial(_look_up, self._name_index(bare, 0), partial(self._from_folder, start, bare))
            for parts in range(MOST_TAIL_PARTS, 0, -1):
                yield partial(_look_up, self._name_index(bare, parts), partial(_last_parts, bare, parts))

    def _from_folder(self, folder: str, bare: bool, path: str) -> str:
        """A path from ``folder`` as a path from the root."""
        inside_root = path.removeprefix(self._roots[0]).removeprefix(self._roots[1])
        inside = folder and inside_root == path and not path.startswith("/")
        return _last_parts(bare, 0, posixpath.normpath(f"{folder}/{path}" if inside else inside_root))

    def _name_index(self, bare: bool, parts: int) -> dict[str, int]:
        if (bare, parts) not in self._indexes:
            self._indexes[bare, parts] = _index_of_names(_last_parts(bare, parts, file) for file in self.files)
        return self._indexes[bare, parts]

    @cached_property
    def _number_index(self) -> dict[str, int]:
        """Files whose names are numbers, by these."""
        stems = (_without_ending(file) for file in self.files)
        return _index_of_names(_without_zeros(stem) if stem.isdecimal() else f"/{i}" for i, stem in enumerate(stems))

    @cached_property
    def _name_endings(self) -> set[str]:
        """What any name of a file must end in, to pass over other columns quickly."""
        return {_without_ending(file) for file in self.files} | set(self._number_index)


def _last_parts(bare: bool, parts: int, path: str) -> str:
    """The last ``parts`` of a path (0: all), without ending when ``bare``."""
    if bare and suffix_of(path) in MEDIA:
        path = path[: -len(suffix_of(path))]
    return "/".join(path.split("/")[-parts:]) if parts else path


def _without_ending(value: str) -> str:
    return _last_parts(True, 1, _with_slashes(value))


def _with_slashes(value: str) -> str:
    return plain_path(value).replace("\\", "/")


def _without_zeros(value: str) -> str:
    return value.lstrip("0") or "0"


def _index_of_names(names: Iterable[str]) -> dict[str, int]:
    """Which file each name stands for; -1 for one that stands for several."""
    found: dict[str, int] = {}
    for i, name in enumerate(names):
        found[name] = -1 if name in found else i
    return found


def _look_up(index: dict[str, int], key: Callable[[str], str], values: Iterable[str | None]) -> list[int]:
    return [index.get(key(_with_slashes(value)), -1) if value else -1 for value in values]
