"""How numbers are written: the mark before the decimals, what groups digits, the signs around. n cells of one column.

A cell such as 12,125 is twelve thousand to one writer and twelve to another, and no cell says which. The cells of the
column, together, mostly do; where they don't, the other columns of the table may (``data.decimals``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass

import polars as pl

from .column import drop_missing

POINT, COMMA = ".", ","

# What groups digits where the decimals have this mark: 1,234.5 and, in India, 12,34,567.8; 1.234,5.
GROUP_MARKS = {POINT: ",", COMMA: "."}

# Codes and abbreviations of currencies that stand beside numbers; the signs are a class of Unicode.
CURRENCIES = (
    "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH|ILS|ZAR|BRL|MXN|ARS|CLP|COP"
    "|KRW|SGD|HKD|TWD|THB|IDR|MYR|PHP|VND|AED|SAR|EGP|NGN|KES|SFr\\.?|Fr\\.?|Rs\\.?|kr\\.?|zł|Kč|Ft|руб\\.?"
    "|грн\\.?|лв\\.?|円|元|원|บาท"
)
MONEY = rf"(?:[A-Za-z]{{0,3}}\p{{Sc}}|{CURRENCIES})"
LEADING_MONEY = rf"(?i)^([+-]?)\s*{MONEY}\s*([+-]?)"
# Which currency a cell names, as its first group.
ANY_MONEY = rf"(?i)(?:^|[\d\s+(.,-])({MONEY})(?:$|[\d\s+).,-])"
PERCENT = r"[%％٪]$"
TRAILING_MONEY = rf"(?i)\s*(?:%|{MONEY})$"

# Of other scripts and keyboards: what they are here. The Arabic marks say which they are and are not looked at again.
DIGITS = {
    chr(start + digit): str(digit)
    for start in (0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xFF10)
    for digit in range(10)
}
SIGNS = {"−": "-", "–": "-", "‒": "-", "－": "-", "＋": "+", "％": "%", "٪": "%", "，": ",", "．": ".",
         "’": "'", "‘": "'", "´": "'", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2007": " ",
         "\u200e": "", "\u200f": "", "\u061c": "",
         "٬": ""}  # fmt: skip
ARABIC_DECIMAL = "٫"

# <0.5: below what an instrument detects, or some other bound. Read as the bound itself where most cells are numbers.
BOUND = r"^(?:[<>≤≥]=?|[~≈≃]|ca\.)\s*"

# 47°22'30"N, 8.5417° E, N47.3769: degrees, minutes, seconds; without a sign of degrees only with three decimals, as
# 2E and 14 N may be seats. O is west in French and east in German, so it is not read.
_DEGREES = (
    r"(?<degrees>\d{1,3}(?:[.,]\d+)?)\s?[°º]\s?(?:(?<minutes>\d{1,2}(?:[.,]\d+)?)\s?['′]\s?)?"
    r"(?:(?<seconds>\d{1,2}(?:[.,]\d+)?)\s?(?:[\"″]|''|′′)\s?)?"
)
DEGREES = (
    rf"^{_DEGREES}(?<half>[NSEW])$",
    rf"^(?<half>[NSEW])\s?{_DEGREES}$",
    r"^(?<degrees>\d{1,3}[.,]\d{3,})\s?(?<half>[NSEW])$",
    r"^(?<half>[NSEW])\s?(?<degrees>\d{1,3}[.,]\d{3,})$",
)

# 26:05:10, 75:30: hours, minutes and seconds, or minutes and seconds; what may be a time of day is told by dates.
DURATION = r"^(?:(?<hours>\d{1,5}):)?(?<minutes>\d{1,4}):(?<seconds>[0-5]\d(?:[.,]\d+)?)$"

# 12.-, 12.–: Swiss for 12.00.
NO_CENTS = r"(\d)[.,]\s?-{1,2}$"

_EXPONENT = r"(?:[eE][+-]?\d+)"
_SPACED = r"[1-9]\d{0,2}(?:[ ']\d{3})+"
# A number that can be read with one mark alone; those of ``_EITHER`` are taken out of them.
_ONLY = {
    COMMA: rf"^[+-]?(?:(?:\d*|\d{{1,3}}(?:\.\d{{3}})+|{_SPACED}),\d+{_EXPONENT}?|\d{{1,3}}(?:\.\d{{3}}){{2,}})$",
    POINT: rf"^[+-]?(?:(?:\d*|\d{{1,3}}(?:,\d{{3}})+|\d{{1,2}}(?:,\d\d)*,\d{{3}}|{_SPACED})\.\d+{_EXPONENT}?"
    r"|\d{1,3}(?:,\d{3}){2,}|\d{1,2}(?:,\d\d)+,\d{3})$",
}
_EITHER = {mark: rf"^[+-]?[1-9]\d{{0,2}}\{mark}\d{{3}}$" for mark in (POINT, COMMA)}
_PLAIN, _LONG = rf"^[+-]?(?:\d+{_EXPONENT}?|{_SPACED})$", r"^[+-]?\d{4,}$"

# A number under a mark with grouped digits before it, Western or Indian; blanks and apostrophes group under both.
_GROUPED = {
    mark: rf"^[+-]?(?:[1-9]\d{{0,2}}(?:{group}\d{{3}})+|[1-9]\d?(?:{group}\d\d)+{group}\d{{3}}|{_SPACED})"
    rf"(?:\{mark}\d*)?$"
    for mark, group in ((POINT, ","), (COMMA, r"\."))
}

# Cells with three digits behind the mark, beside shorter ones without a mark, before they speak for groups.
MIN_GROUPED = 3

# Of the cells of a column of numbers, that are numbers in one way or another.
NUMERIC_SHARE = 0.8

# Cells that tell whether a column is worth looking at.
FIRST_CELLS = 200

# Cells up to which Python searches sooner than an expression of Polars starts, of which each takes half a millisecond.
SHORT = 1_000


@dataclass(frozen=True)
class Marks:
    """How many cells of a column speak for which mark.

    Attributes:
        point, comma: cells that are numbers with this mark before the decimals, and none with the other.
        either_point, either_comma: cells with one mark and three digits behind it: decimals, or thousands.
        plain: whole numbers without a mark; long: those of four digits and more, which others would have grouped.
        present: all cells that are not empty.
    """

    point: int = 0
    comma: int = 0
    either_point: int = 0
    either_comma: int = 0
    plain: int = 0
    long: int = 0
    present: int = 0

    def __add__(self, other: Marks) -> Marks:
        return Marks(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    @property
    def numeric(self) -> bool:
        """Whether nearly all cells are numbers, in one way or another."""
        numbers = self.point + self.comma + self.either_point + self.either_comma + self.plain
        return numbers >= NUMERIC_SHARE * self.present > 0

    @property
    def decimal(self) -> str:
        """The mark before the decimals, by these cells alone; empty where they can be read both ways.

        >>> weigh_marks(["1,5", "2,125"]).decimal, weigh_marks(["1,500", "2,125"]).decimal
        (',', '')
        """
        if self.point != self.comma:
            return POINT if self.point > self.comma else COMMA
        if bool(self.either_point) == bool(self.either_comma):
            return ""
        own, other = (POINT, COMMA) if self.either_point else (COMMA, POINT)
        either = self.either_point + self.either_comma
        # Who groups digits groups those of all long numbers; decimals of numbers that are whole are left out by some
        # writers, but hardly all others have three then.
        if self.long:
            return own
        return other if self.plain and either >= MIN_GROUPED else ""

    @property
    def split(self) -> bool:
        """Whether some cells can only have a point and others only a comma."""
        return bool(self.point and self.comma)


def weigh_marks(cells: pl.Series | Iterable[str]) -> Marks:
    """What the cells of a column of text say about how its numbers are written."""
    text = cells if isinstance(cells, pl.Series) else pl.Series(list(cells), dtype=pl.String)
    some = drop_missing(text).head(FIRST_CELLS)
    # Most columns of text are words: their first cells spare them all patterns.
    if not has_digit(some):
        return Marks(present=len(some))
    first = _count_marks(some)
    if not first.point + first.comma + first.either_point + first.either_comma + first.plain:
        return Marks(present=len(some))
    return first if len(some) == len(text) else _count_marks(text)


def has_digit(text: pl.Series) -> bool:
    """Whether some cell has a digit, of any script.

    >>> has_digit(pl.Series(["red", None])), has_digit(pl.Series(["red", "\u0663"]))
    (False, True)
    """
    if len(text) > SHORT:
        return _any(text.str.contains(r"\d"))
    return re.search(r"\d", "\n".join(cell for cell in text.to_list() if cell)) is not None


def read_both_ways(text: pl.Series) -> pl.Series:  # (n,) -> (n,) bool
    """Where a cell is a number with either mark, another one with each: 12,125."""
    bare = take_signs(text)[0]
    return (bare.str.contains(_EITHER[POINT]) | bare.str.contains(_EITHER[COMMA])).fill_null(False)


def _count_marks(text: pl.Series) -> Marks:
    bare = take_signs(text)[0]
    either = {mark: bare.str.contains(pattern) for mark, pattern in _EITHER.items()}
    only = {mark: bare.str.contains(_ONLY[mark]) & ~either[mark] for mark in (POINT, COMMA)}
    plain, long = bare.str.contains(_PLAIN), bare.str.contains(_LONG)
    counted = (only[POINT], only[COMMA], either[POINT], either[COMMA], plain, long, bare.is_not_null())
    return Marks(*(int(one.sum() or 0) for one in counted))


def take_signs(text: pl.Series, decimal: str = POINT) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Cells with what stands around their numbers taken off.

    Digits of other scripts become ours, and brackets or a minus behind a number stand before it.

    Returns:
        (n,) the cells; (n,) bool where currency or percent signs were taken off; where brackets were.
    """
    bare = text.str.strip_chars().str.replace(BOUND, "")
    if _any(bare.str.contains(r"[^\x00-\x7f]")):
        bare = bare.str.replace_many([*DIGITS, *SIGNS, ARABIC_DECIMAL], [*DIGITS.values(), *SIGNS.values(), decimal])
        bare = bare.str.strip_chars()
    boxed = bare.str.contains(r"^\(.*\d.*\)$|^[^\d(]{0,5}\(\d.*\)[^\d)]{0,5}$")
    if _any(boxed):
        inner = bare.str.replace(r"\(", "-").str.replace(r"\)", "")
        bare = pl.select(pl.when(boxed).then(inner).otherwise(bare)).to_series()
    short = bare.str.replace(LEADING_MONEY, "$1$2").str.replace(TRAILING_MONEY, "").str.strip_chars()
    money = short.str.len_bytes() != bare.str.len_bytes()
    # 120-: minus behind the number, as SAP writes it.
    short = short.str.replace(NO_CENTS, "$1").str.replace(r"^(\d[\d.,' ]*)-$", "-$1")
    return short, money.fill_null(False), boxed.fill_null(False)


def read_marked(bare: pl.Series, decimal: str) -> tuple[pl.Series, pl.Series]:
    """Numbers, (n,) float64, null where there is none, and where digits were grouped; ``bare`` as of ``take_signs``."""
    grouped = bare.str.contains(_GROUPED[decimal]).fill_null(False)
    digits = bare
    if _any(grouped):
        joined = bare.str.replace_all(rf"[ '{GROUP_MARKS[decimal]}]", "")
        digits = pl.select(pl.when(grouped).then(joined).otherwise(bare)).to_series()
    if decimal == COMMA:
        # A point that groups no digits has no place in such a number.
        strange = digits.str.contains(".", literal=True)
        digits = digits.set(strange.fill_null(False), None).str.replace(",", ".", literal=True)
    return digits.cast(pl.Float64, strict=False).fill_nan(None), grouped


def read_degrees(text: pl.Series) -> pl.Series:
    """Latitudes and longitudes as degrees, (n,) float64, south and west below 0; null where there is none.

    >>> read_degrees(pl.Series(["47°22'30\\"N", "8.5° W", "S33.8688", "12 N"])).to_list()
    [47.375, -8.5, -33.8688, None]
    """
    found = pl.Series([None], dtype=pl.Float64).new_from_index(0, len(text))
    for pattern in DEGREES:
        groups = text.str.extract_groups(pattern).struct.unnest()
        value = pl.Series([0.0]).new_from_index(0, len(text))
        for name, parts in (("degrees", 1), ("minutes", 60), ("seconds", 3600)):
            if name in groups.columns:
                part = groups[name].str.replace(",", ".", literal=True).cast(pl.Float64)
                value = value + (part if parts == 1 else part.fill_null(0.0) / parts)
        sign = groups["half"].replace_strict({"N": 1.0, "E": 1.0, "S": -1.0, "W": -1.0}, return_dtype=pl.Float64)
        found = found.fill_null(value * sign)
    return found.set((found.abs() > 180).fill_null(False), None)


def read_durations(text: pl.Series) -> pl.Series:
    """Durations as seconds, (n,) float64; null where there is none.

    >>> read_durations(pl.Series(["1:05:22", "75:30", "1:99:00", "7"])).to_list()
    [3922.0, 4530.0, None, None]
    """
    groups = text.str.extract_groups(DURATION).struct.unnest()
    hours, minutes, seconds = (groups[name].str.replace(",", ".").cast(pl.Float64) for name in groups.columns)
    value = hours.fill_null(0.0) * 3600 + minutes * 60 + seconds
    return value.set((hours.is_not_null() & (minutes >= 60)).fill_null(False), None)


def _any(mask: pl.Series) -> bool:
    return bool(mask.any())
