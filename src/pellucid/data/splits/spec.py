"""What ``--split`` asks for: shares, a column, groups that stay together, or spans of time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import UsageError
from .time_spans import Span, is_span

USUAL_SHARES = (0.8, 0.1, 0.1)

# Of train, for a validation set that was not asked for: weights are chosen on it.
CARVED_SHARE = 0.1

REST = "rest"

_STEPS = re.compile(r"(\d{1,9})\s*steps?", re.IGNORECASE)

# What was meant where a comma stands for a colon, as in ``time,80,10,10``.
MEANT = {"time": "time:", "group": "group:COLUMN,"}

FIX = "write 0.8,0.1,0.1 or 70,30, column:fold, group:patient, time or 12mo,4mo,4mo"


@dataclass(frozen=True)
class SplitSpec:
    """How rows come into train, validation and test.

    Attributes:
        by: ``"chance"``, ``"column"``, ``"group"``, ``"time"`` or ``"order"``, in which passages of a text stand.
        column: that holds the parts, groups or times; None for none, or for the only column of times there is.
        shares: of train, validation and test.
        steps: of validation and test, the last ones of each series, for forecasts; empty for none.
        spans: of train, validation and test, for parts by time; of train and test where there are two. The first is
            None for all that comes before the others.
        carved: whether two parts were asked for, so that validation is ``CARVED_SHARE`` of train.
        asked: whether anything was asked for.
    """

    by: str = "chance"
    column: str | None = None
    shares: tuple[float, ...] = USUAL_SHARES
    spans: tuple[Span | None, ...] = ()
    steps: tuple[int, ...] = ()
    carved: bool = False
    asked: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SplitSpec:
        spans = tuple(None if span is None else Span(**span) for span in data["spans"])
        steps = tuple(data.get("steps", ()))
        return cls(**{**data, "shares": tuple(data["shares"]), "spans": spans, "steps": steps})

    def shares_text(self) -> str:
        """The shares in words, e.g. ``"80 : 10 : 10"``."""
        if self.carved:
            shares = f"{100 * (self.shares[0] + self.shares[1]):.4g} : {100 * self.shares[2]:.4g}"
            return f"train and test {shares}, validation {CARVED_SHARE:.0%} of train"
        return "train, validation and test " + " : ".join(f"{100 * share:.4g}" for share in self.shares)


def parse_split(value: str | Sequence[float | str] | None) -> SplitSpec:
    """What ``--split`` or ``split=`` asks for, read from its text, its shares or None.

    >>> parse_split("70,30").shares, parse_split("group:patient,60,20,20").column, parse_split("fold").by
    ((0.63, 0.07, 0.3), 'patient', 'column')

    Raises:
        UsageError: when it can't be understood; it says what could be written.
    """
    if value is None:
        return SplitSpec()
    text = value.strip() if isinstance(value, str) else ",".join(map(str, value))
    by, colon, rest = text.partition(":")
    by, rest = by.strip().lower(), rest.strip()
    if by in ("column", "group") and colon and not rest:
        raise UsageError(f"split '{text}' names no column", fix=f"write {by}:COLUMN")
    if by == "column" and colon:
        return SplitSpec("column", rest, asked=True)
    if by == "group" and colon:
        name, pieces = _after_name(rest)
        return _parse_amounts(pieces, text, "group", name or rest) if name else SplitSpec("group", rest, asked=True)
    if text.lower() == "time":
        return SplitSpec("time", asked=True)
    if by == "time" and colon:
        name, pieces = _after_name(rest)
        return _parse_amounts(pieces, text, "time", name)
    pieces = re.split(r"[,:/]", text)
    if _meant_as_amounts(pieces):
        return _parse_amounts([piece.strip() for piece in pieces], text, "chance", None)
    way = pieces[0].strip().lower()
    if way in MEANT and all(map(_is_amount, pieces[1:])):
        amounts = ",".join(piece.strip() for piece in pieces[1:])
        raise UsageError(f"split '{text}' is not understood", fix=f"write {MEANT[way]}{amounts}")
    return SplitSpec("column", text, asked=True)


def _after_name(rest: str) -> tuple[str | None, list[str]]:
    """The column's name and the amounts in ``NAME,70,15,15``; None without a name."""
    # Names may hold commas, so amounts are counted from the end: all that start with a digit, or are ``rest``.
    pieces = [piece.strip() for piece in rest.split(",")]
    first = next((i for i in range(len(pieces)) if all(_is_amount(piece) for piece in pieces[i:])), len(pieces))
    return ",".join(pieces[:first]) or None, pieces[first:]


def _is_amount(piece: str) -> bool:
    return piece.strip().lower() == REST or re.match(r"\s*-?\.?\d", piece) is not None


def _meant_as_amounts(pieces: Sequence[str]) -> bool:
    """Whether pieces without a column's name are shares or spans rather than a name."""
    # A lone word is a column unless it is a number or a span: a column may be called 2019_fold.
    if len(pieces) == 1:
        return _amount_number(pieces[0]) is not None or is_span(pieces[0])
    return all(map(_is_amount, pieces))


def _amount_number(piece: str) -> float | None:
    try:
        return float(piece)
    except ValueError:
        return None


def _parse_amounts(pieces: list[str], text: str, by: str, column: str | None) -> SplitSpec:
    """The split by two or three shares or spans of time; the usual shares where ``pieces`` is empty."""
    if not pieces:
        return SplitSpec(by, column, asked=True)
    numbers = [_amount_number(piece) for piece in pieces]
    if any(number is None for number in numbers):
        return _parse_spans(pieces, text, by, column)
    shares = [number for number in numbers if number is not None]
    total = sum(shares)
    whole = abs(total - 1) < 1e-6 or abs(total - 100) < 1e-4
    if len(shares) not in (2, 3) or min(shares) < 0 or shares[0] <= 0 or not whole:
        raise UsageError(f"split '{text}' is not two or three shares that add up to 1 or 100", fix=FIX)
    shares = [share / total for share in shares]
    if len(shares) == 3:
        return SplitSpec(by, column, tuple(shares), asked=True)
    train, test = shares
    # Rounded, so that 70,30 gives 0.63 and not 0.6299999999999999 in what people read.
    carved = round(train * (1 - CARVED_SHARE), 9), round(train * CARVED_SHARE, 9), round(test, 9)
    return SplitSpec(by, column, carved, carved=True, asked=True)


def _parse_steps(pieces: list[str], text: str, column: str | None) -> SplitSpec:
    """The split by steps of each series, such as ``rest,48steps,48steps``. Raises UsageError for what is no such."""
    found = [_STEPS.fullmatch(piece) for piece in pieces[1:]]
    steps = tuple(int(one[1]) for one in found if one)
    if pieces[0].lower() != REST or len(steps) != len(pieces) - 1 or not 1 <= len(steps) <= 2 or min(steps) < 1:
        raise UsageError(f"split '{text}' is not understood", fix="write rest,48steps,48steps or rest,48steps")
    return SplitSpec("time", column, steps=steps * (3 - len(steps)), asked=True)


def _parse_spans(pieces: list[str], text: str, by: str, column: str | None) -> SplitSpec:
    """The split by two or three spans of time. Raises UsageError for what is no such."""
    if any(map(_STEPS.fullmatch, pieces)):
        return _parse_steps(pieces, text, column)
    if by == "group":
        raise UsageError(f"split '{text}': groups have shares, not spans of time", fix="write group:COLUMN,70,15,15")
    if any(_amount_number(piece) is not None for piece in pieces):
        raise UsageError(f"split '{text}' mixes shares and spans of time", fix="write 80,10,10 or 12mo,4mo,4mo")
    if len(pieces) not in (2, 3):
        raise UsageError(
            f"split '{text}' has {len(pieces)} span{'s' * (len(pieces) != 1)} of time, and two or three are needed",
            fix="write train, validation and test, such as 12mo,4mo,4mo",
        )
    if REST in (piece.lower() for piece in pieces[1:]):
        raise UsageError(f"split '{text}': only train can be the rest", fix="write rest,4mo,4mo")
    spans = tuple(None if piece.lower() == REST else Span.parse(piece) for piece in pieces)
    return SplitSpec("time", column, spans=spans, carved=len(spans) == 2, asked=True)


PARTS = ("train", "validation", "test")

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
