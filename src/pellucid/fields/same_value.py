"""One value, however a type or a file spells it: 3 and "3.0", True and "TRUE", a day with and without midnight."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable
from datetime import datetime
from decimal import Decimal

# What programs write for a truth value, in small letters.
TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)

MOMENT = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?", re.ASCII)

# Digits of a number that is compared; more are no measure.
MOST_DIGITS = 60


def value_key(word: str) -> Hashable | None:
    """What is equal for spellings of one number, day, moment or truth value; None for any other word.

    >>> value_key("1.50") == value_key("1.5"), value_key("TRUE") == value_key("true"), value_key("red")
    (True, True, None)
    """
    if word.lower() in ("true", "false"):
        return "truth", word.lower() == "true"
    if len(word) <= MOST_DIGITS and NUMBER.fullmatch(word):
        return "number", Decimal(word)
    if found := MOMENT.fullmatch(word):
        return _moment_key(found)
    return None


def match_values(new: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """The known value that each new one is another spelling of, for those that are one.

    Where the known values are true and false, or 1 and 0, so are the letters and numbers that programs write for them.
    A new value that could be any of several is none of them.

    >>> match_values(["TRUE", "f", "blue"], ["false", "true"])
    {'TRUE': 'true', 'f': 'false'}
    >>> match_values(["1.50", "7"], ["1.5", "007", "7.0"])
    {'1.50': '1.5'}
    """
    asked = {word: value_key(word) for word in set(new) - set(known)}
    truths = _truths_of(known)
    found = {}
    if any(key is not None for key in asked.values()):
        places: dict[Hashable, list[str]] = {}
        for value in known:
            if (key := value_key(value)) is not None:
                places.setdefault(key, []).append(value)
        found = {word: places[key][0] for word, key in asked.items() if key in places and len(places[key]) == 1}
    if truths:
        found |= {word: truths[truth] for word in asked if (truth := _truth_of(word)) is not None}
    return {word: found[word] for word in new if word in found}


def unify_truths(values: Collection[str]) -> dict[str, str]:
    """Which values of one column stand for another: of true and false in several spellings, the first in order.

    >>> unify_truths(["true", "True", "False"]), unify_truths(["True", "False"]), unify_truths(["true", "True", "x"])
    ({'true': 'True'}, {}, {})
    """
    if not 2 < len(values) <= 6 or any(value.lower() not in ("true", "false") for value in values):
        return {}
    first: dict[str, str] = {}
    for value in sorted(values):
        first.setdefault(value.lower(), value)
    return {value: first[value.lower()] for value in values if first[value.lower()] != value}


def _truth_of(word: str) -> bool | None:
    key = value_key(word)
    if isinstance(key, tuple) and key[0] == "number":
        return {0: False, 1: True}.get(key[1])
    return TRUTHS.get(word.lower())


def _truths_of(known: Collection[str]) -> dict[bool, str]:
    """The known values by what they say, where they say true and false and nothing else; else empty."""
    if len(known) != 2:
        return {}
    said = {truth: word for word in known if (truth := _truth_of(word)) is not None}
    return said if len(said) == 2 else {}


def _moment_key(found: re.Match[str]) -> Hashable | None:
    *numbers, fraction = found.groups()
    try:
        return "moment", datetime(*(int(number or 0) for number in numbers)), int((fraction or "0").ljust(9, "0"))  # type: ignore[arg-type]
    except ValueError:
        return None
