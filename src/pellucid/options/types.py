"""What the value of an option may be: bounds, choices and unit as fields, and the check made from them.

A form on a page can be made from ``to_json`` alone.
"""

from __future__ import annotations

import codecs
import math
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

# Of a class, in the loss: single precision still tells the other classes from nothing beside it.
LARGEST_WEIGHT = 1_000_000


class ValueType(ABC):
    """The type of an option's value.

    Class attributes:
        form: the word for it in JSON. annotation: the type that Python's signatures show.
    """

    form: ClassVar[str]
    annotation: Any = Any

    @abstractmethod
    def check(self, value: Any) -> Any:
        """The value to use, from what was typed (text) or passed (any value). Raises ValueError: what was expected."""

    def to_json(self) -> dict[str, Any]:
        """The type as a form can be made from it."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        own.pop("annotation", None)
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in own.items() if not callable(v)}
        return {"form": self.form, **{name: value for name, value in plain.items() if value not in (None, "", [])}}


@dataclass(frozen=True)
class Whole(ValueType):
    """A whole number.

    Attributes:
        least, most: bounds, themselves allowed. unit: what is counted.
        but: numbers between them that are not allowed; ``expected``: what is said of those.
    """

    form = "whole number"
    annotation = int

    least: int = 0
    most: int | None = None
    unit: str = ""
    but: tuple[int, ...] = ()
    expected: str = ""

    def check(self, value: Any) -> int:
        number = exact_number(value)
        if number < self.least or (number != math.inf and number != int(number)):
            raise ValueError(f"expected a whole number of at least {self.least}")
        if number > (math.inf if self.most is None else self.most) or number == math.inf:
            raise ValueError("expected a whole number" + (f" of at most {self.most:,}" if self.most else ""))
        if number in self.but:
            raise ValueError(self.expected)
        return int(number)


@dataclass(frozen=True)
class Number(ValueType):
    """A number above a bound that is not allowed itself, or from ``least`` on; and up to one that is allowed."""

    form = "number"
    annotation = float

    above: float = 0
    unit: str = ""
    most: float | None = None
    least: float | None = None

    def check(self, value: Any) -> float:
        number = check_number(value, "a number")
        if self.least is not None:
            if not number >= self.least:
                raise ValueError(f"expected a number from {self.least:g} on")
        elif not number > self.above:
            raise ValueError(f"expected a number above {self.above:g}")
        if self.most is not None and number > self.most:
            raise ValueError(f"expected a number of at most {self.most:,.12g}")
        return number


@dataclass(frozen=True)
class YesNo(ValueType):
    """True or False."""

    form = "yes or no"
    annotation = bool

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("expected True or False")
        return value


@dataclass(frozen=True)
class Text(ValueType):
    """A text.

    Attributes:
        pattern: a regular expression that all of it matches; ``but``: texts that are not allowed all the same.
        expected: what is said of others. of: what it names, such as a column.
        choices: texts that are usual or all there are; the place that uses it checks.
    """

    form = "text"
    annotation = str

    pattern: str = ""
    but: tuple[str, ...] = ()
    expected: str = ""
    of: str = ""
    choices: tuple[str, ...] = ()

    def check(self, value: Any) -> str:
        text = str(value)
        if text in self.but or (self.pattern and not re.fullmatch(self.pattern, text)):
            raise ValueError(self.expected)
        return text


@dataclass(frozen=True)
class Texts(ValueType):
    """One text or several.

    Attributes:
        of: what they name. alone: one that is given alone stays a text.
    """

    form = "texts"
    annotation = str | Sequence[str]

    of: str = ""
    alone: bool = False

    def check(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if self.alone else (value,)
        if not isinstance(value, Iterable):
            raise ValueError("expected a name, or several")
        return tuple(str(one) for one in value)


@dataclass(frozen=True)
class Some(ValueType):
    """Some of several words, with commas between them; or one that stands for itself.

    Attributes:
        choices: the words, in the order they are used in. instead: words that stand alone.
    """

    form = "some of"
    annotation = str | Sequence[str]

    choices: tuple[str, ...]
    instead: tuple[str, ...] = ()

    def check(self, value: Any) -> str | tuple[str, ...]:
        words = value.split(",") if isinstance(value, str) else [str(one) for one in value]
        names = {word.strip().lower() for word in words}
        if len(names) == 1 and names <= set(self.instead):
            return names.pop()
        if not names or names - set(self.choices):
            raise ValueError(f"expected {', '.join(self.instead)}, or some of {','.join(self.choices)}")
        return tuple(name for name in self.choices if name in names)


@dataclass(frozen=True)
class Written(ValueType):
    """A value with a way of writing of its own.

    Attributes:
        parse: reads it. like: what is written, such as ``budget``; ``example``: such a text.
        choices: words that can be written, where they are few. annotation: what Python takes.
    """

    form = "written"

    parse: Callable[[Any], Any]
    like: str
    example: str
    choices: tuple[str, ...] = ()
    annotation: Any = Any

    def check(self, value: Any) -> Any:
        return self.parse(value)


@dataclass(frozen=True)
class Whatever(ValueType):
    """Anything: it is checked where it is used."""

    form = "anything"

    example: str = ""
    annotation: Any = Any

    def check(self, value: Any) -> Any:
        return value


def check_number(value: Any, expected: str) -> float:
    """A finite number. Raises ValueError that says what was ``expected``."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (ValueError, TypeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected {expected}")
    return number


def exact_number(value: Any) -> int | float:
    """A number, to its last digit where it is whole, infinite where it is too large to be one. Raises ValueError."""
    if isinstance(value, bool):
        raise ValueError("expected a whole number")
    try:
        # A float has 53 bits: seeds may have more.
        return int(value) if isinstance(value, str) else operator.index(value)
    except (ValueError, TypeError):
        pass
    try:
        number = float(value)
    except (ValueError, TypeError):
        number = math.nan
    except OverflowError:
        number = math.inf
    if math.isnan(number):
        raise ValueError("expected a whole number")
    return number


# -- values with a way of writing of their own


def parse_pixels(value: Any) -> int | tuple[int, int]:
    """``32`` or ``"48x32"`` (height x width)."""
    from ..fields.pixels import LARGEST

    typed = value.lower().split("x") if isinstance(value, str) else value
    sides = typed if isinstance(typed, tuple | list) else [typed]
    if len(sides) not in (1, 2):
        raise ValueError("expected one size in pixels, or HEIGHTxWIDTH")
    whole = [Whole(1, LARGEST, "pixels").check(side) for side in sides]
    return whole[0] if len(whole) == 1 else (whole[0], whole[1])


def parse_kinds(value: Any) -> dict[str, str]:
    """``{"zip": "category"}`` or ``("zip=category",)`` → the former; kinds are checked against the registry."""
    from .. import fields

    pairs = dict(value) if isinstance(value, Mapping) else dict(_parse_pair(text) for text in Texts().check(value))
    for kind in pairs.values():
        fields.base.kind_named(kind)
    return pairs


def _parse_pair(text: str) -> tuple[str, str]:
    column, equals, kind = text.rpartition("=")
    if not (column and equals and kind):
        raise ValueError("expected COLUMN=KIND, such as zip=category")
    return column, kind


def parse_class_weights(value: Any) -> str | dict[str, float]:
    """``"balanced"``, or ``"cat=2,dog=1"`` → ``{"cat": 2.0, "dog": 1.0}``."""
    if value == "balanced":
        return "balanced"
    expected = "expected balanced, or LABEL=WEIGHT, such as cat=2,dog=1"
    try:
        pairs = value if isinstance(value, Mapping) else dict(one.rsplit("=", 1) for one in str(value).split(","))
        found = {str(label).strip(): check_number(weight, "a number") for label, weight in pairs.items()}
    except (ValueError, TypeError):
        raise ValueError(expected) from None
    if min(found.values(), default=-1) < 0 or "" in found:
        raise ValueError(expected)
    if max(found.values()) > LARGEST_WEIGHT:
        raise ValueError(f"expected weights of at most {LARGEST_WEIGHT:,}")
    return found


def parse_decimal(value: Any) -> str:
    """``","`` or ``"."``, or the word for it."""
    mark = {"comma": ",", "point": "."}.get(str(value).lower(), value)
    if mark not in (",", "."):
        raise ValueError("expected , or .")
    return str(mark)


def parse_delimiter(value: Any) -> str:
    """What stands between cells; ``"tab"`` and ``"\\t"`` are a tab."""
    words = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "space": " ", "blank": " "}
    text = words.get(str(value).lower(), str(value))
    if not text or len(text) > 8 or any(sign in text for sign in '\n\r"\0'):
        raise ValueError("expected one or a few characters, such as ; or tab")
    return text


def parse_encoding(value: Any) -> str:
    """The name of an encoding of text, as Python spells it."""
    try:
        known = codecs.lookup(str(value))
        # base64 and the like are codecs too, and no encodings of text.
        "".encode(known.name)
    except (LookupError, TypeError, ValueError):
        raise ValueError("expected the name of an encoding, such as utf-8, cp1252 or cp932") from None
    return known.name


def parse_threshold(value: Any) -> tuple[str | None, float]:
    """The class, None for the positive one, and its threshold: of ``0.3``, ``"yes=0.3"`` or ``{"yes": 0.3}``."""
    expected = "expected a probability from 0 to 1, or CLASS=PROBABILITY, such as yes=0.3"
    if isinstance(value, Mapping):
        value = next(iter(value.items())) if len(value) == 1 else ()
    if isinstance(value, str):
        label, equals, number = value.rpartition("=")
        value = (label.strip() if equals else None, number.strip())
    elif not isinstance(value, (tuple, list)):
        value = (None, value)
    try:
        label, number = value
        level = float(number)
    except (TypeError, ValueError):
        raise ValueError(expected) from None
    if isinstance(number, bool) or label == "" or not 0 <= level <= 1:
        raise ValueError(expected)
    return None if label is None else str(label), level


def check_network(value: Any) -> Any:
    """A name is checked before any data is read; a module goes through as it is."""
    if isinstance(value, str):
        from .. import trunks

        trunks.base.trunk_named(value)
    elif not hasattr(value, "forward"):
        raise ValueError("expected the name of a network, or a module of your own")
    return value


def parse_networks(value: Any) -> tuple[str, ...]:
    """``"mlp,cnn"`` or a list of names, each another network."""
    from .. import trunks

    words = value.split(",") if isinstance(value, str) else map(str, value)
    names = tuple(word.strip() for word in words if word.strip())
    known: dict[str, str] = {}
    for name in names:
        same = known.setdefault(trunks.base.trunk_named(name).name, name)
        if same != name or names.count(name) > 1:
            raise ValueError(f"'{same}' and '{name}' are the same network")
    if not names:
        raise ValueError("expected names such as mlp,cnn")
    return names
