"""What a layout recogniser returns, and the list of recognisers.

A recogniser is one function: it looks at what the user passed and returns a ``Source`` when it knows the layout, else
None. It opens nothing that it need not; ``Source.load`` does, and only when the cache does not know the source yet.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PellucidError
from ..fields import Column, Note
from .splits.spec import SplitSpec

if TYPE_CHECKING:
    from .tables.table import Places

# Each column is recognised, checked and stored for itself, so time goes with their number.
MOST_COLUMNS = 20_000

COMPRESSED = (".gz", ".xz", ".bz2", ".zst")


@dataclass(frozen=True)
class ForecastOptions:
    """What the user said about series that are to be forecast; see ``read``.

    Attributes:
        horizon: steps ahead or a span of time; "0" for a table whose rows are no moments.
        every: the step that rows are brought to.
    """

    horizon: str | None = None
    time: str | None = None
    series: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    every: str | None = None
    fill: str | None = None
    doubles: str | None = None
    season: int | None = None
    stride: int | None = None
    context: int | None = None

    @property
    def asked(self) -> bool:
        """Whether a forecast is asked for."""
        return self.horizon != "0" and self != ForecastOptions()

    @property
    def refused(self) -> bool:
        """Whether rows are to be examples, dated or not."""
        return self.horizon == "0"


@dataclass(frozen=True)
class ReadOptions:
    """What the user said about the data; see ``read``.

    Attributes:
        names: columns that must be found, when new data are read for a finished run; named: columns that options name.
            Both settle whether a table has a header, and where.
        label_from: the pattern of files' names that tells their class (``folders.patterns``).
        decimal: the mark before the decimals of numbers. delimiter: what stands between the cells of a text file.
        sheet: the name of a spreadsheet's sheet. encoding: of text files. forecast: what is said of series.
        spool: the folder in which large tables lie while they are read; it says nothing about the data.
        level: what a token of a text is. documents: new data are texts for a run whose passages have these settings.
    """

    target: str | tuple[str, ...] | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    header: bool | None = None
    split: SplitSpec = field(default_factory=SplitSpec)
    image_size: tuple[int, int] | None = None
    weights: str | None = None
    names: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    decimal: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    encoding: str | None = None
    forecast: ForecastOptions = field(default_factory=ForecastOptions)
    spool: Path | None = None
    seconds: float | None = None
    label_from: str | None = None
    level: str | None = None
    documents: Mapping[str, Any] | None = None

    def with_separate_names(self, columns: Container[str]) -> ReadOptions:
        """The options with each column that they name by itself, of those that a source has."""
        asked = self.forecast
        series, known = (separate_names(names, columns) for names in (asked.series, asked.known))
        forecast = replace(asked, series=series, known=known)
        return replace(self, ignore=separate_names(self.ignore, columns), forecast=forecast)


def separate_names(asked: Iterable[str], columns: Container[str]) -> tuple[str, ...]:
    """Names of columns, of which some may stand in one text with commas between them, unless a column is called so.

    >>> separate_names(["a,b", "c, d"], ["a", "b", "c, d"])
    ('a', 'b', 'c, d')
    """
    pieces = ([one] if one in columns else [part.strip() for part in one.split(",")] for one in asked)
    return tuple(dict.fromkeys(name for some in pieces for name in some))


@dataclass(frozen=True)
class Contents:
    """What lies in a source.

    Attributes:
        layout: one sentence, shown to the user.
        columns: raw values by name, all equally long.
        notes: what was odd on the way.
        named: False when the names are made up, because the table has no header.
        kinds: kinds that the layout itself tells, e.g. that the name of a folder is a category.
        target: the column, or columns of numbers, the layout makes the obvious target; ``why``: because of what.
        places: where each row comes from, for layouts that know it without their columns.
        added: columns that no table holds, such as the class that an image's folder tells.
        decimal: the mark before the decimals of the numbers that a file's reader understood; empty where it read none.
        needs_classes: the target is what folders tell, so that there must be two of them to learn from.
        files: each example is a file of its own, which it is named by. lines: each is a line of files of text.
        beside: columns that no network reads unless it is asked to: what files' names say beside the class.
        pattern: of files' names, that told the class.
        untold: what the source is, where there is nothing in it to predict and that is not for want of a name.
        document: the column that says which document a row is a passage of; empty where rows are none.
        settings, reasons: by column, of those whose kind the layout itself tells.
    """

    layout: str
    columns: Mapping[str, Column]
    notes: list[Note] = field(default_factory=list)
    named: bool = True
    kinds: Mapping[str, str] = field(default_factory=dict)
    target: str | tuple[str, ...] | None = None
    why: str = ""
    places: Places | None = None
    added: tuple[str, ...] = ()
    needs_classes: bool = False
    decimal: str = ""
    files: bool = False
    lines: bool = False
    beside: frozenset[str] = frozenset()
    pattern: str = ""
    untold: str = ""
    document: str = ""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0


@dataclass(frozen=True)
class Source:
    """Data whose layout was recognised.

    Attributes:
        name: how messages call it, e.g. ``"diamonds.csv"``.
        digest: SHA-256 of path and mark (``file_marks.mark_of``) of every file, or of the content of data in memory.
        load: opens it.
    """

    name: str
    digest: str
    load: Callable[[], Contents]


Layout = Callable[[Any, ReadOptions], Source | None]

LAYOUTS: dict[str, Layout] = {}


def layout(recogniser: Layout) -> Layout:
    """Add a layout to the house: one line above its function. The first one that knows a source reads it."""
    if recogniser.__name__ in LAYOUTS:
        raise ValueError(f"two layouts are called '{recogniser.__name__}'")
    LAYOUTS[recogniser.__name__] = recogniser
    return recogniser


def layout_first(recogniser: Layout) -> Layout:
    """The same for a layout that is asked before those that are there: what it knows, others would read otherwise."""
    # Dicts keep their order: taken out and put in again, the earlier ones stand behind the new one.
    later = dict(LAYOUTS)
    layout(recogniser)
    for name in later:
        LAYOUTS[name] = LAYOUTS.pop(name)
    return recogniser


def check_width(columns: int, where: str) -> None:
    """Raises PellucidError when there are more columns than can be looked at one by one."""
    if columns > MOST_COLUMNS:
        raise PellucidError(
            f"it has {columns:,} columns, and at most {MOST_COLUMNS:,} can be checked in reasonable time",
            where=where,
            fix="keep those that may matter, or join some",
        )


def without_compression(name: str) -> str:
    """The name without what says that the file is compressed.

    >>> without_compression("t.csv.gz"), without_compression("t.csv")
    ('t.csv', 't.csv')
    """
    stem, dot, last = name.rpartition(".")
    return stem if f"{dot}{last}".lower() in COMPRESSED else name
