"""Forms: what JSON from a file must look like, declared once and checked before anything is made of the values.

A form is a function of a value and of where it stands, which raises ``FormError`` for what is not of that form.

>>> point = record({"x": number(), "label": maybe(text())})
>>> point({"x": 1.5, "label": None}, "point")
>>> point({"x": "1.5", "label": None}, "point")
Traceback (most recent call last):
pellucid.storage.forms.FormError: point.x is '1.5', not a number
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from typing import Any

# Of a text, and of a list or a mapping, unless another bound is given: a stranger's file may not fill this memory.
MOST_CHARACTERS, MOST_ENTRIES = 1 << 20, 1 << 20

# Of nesting in what may hold anything: deeper values end functions that call themselves.
MOST_LEVELS = 32

LARGEST_NUMBER = sys.float_info.max

# (a value, where it stands); raises FormError.
Form = Callable[[Any, str], None]


class FormError(ValueError):
    """A value is not what its form asks for."""


def form_error(where: str, value: Any, expected: str) -> FormError:
    """The error for a value that is not what is expected, with the value shown as far as it is short."""
    shown = repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return FormError(f"{where} is {shown if len(shown) < 60 else shown[:57] + '...'}, not {expected}")


def text(longest: int = MOST_CHARACTERS) -> Form:
    """A string of at most ``longest`` characters."""

    def check_value(value: Any, where: str) -> None:
        if not isinstance(value, str):
            raise form_error(where, value, "a text")
        if len(value) > longest:
            raise FormError(f"{where} has {len(value):,} characters, more than {longest:,}")

    return check_value


def pattern(expression: str) -> Form:
    """A string that matches all of a regular expression."""

    def check_value(value: Any, where: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(expression, value):
            raise form_error(where, value, f"of the form {expression}")

    return check_value


def one_of(*words: Any) -> Form:
    """One of some values, type and all."""

    # To Python True is 1 and 1 is 1.0, but no file of ours holds one for the other.
    def check_value(value: Any, where: str) -> None:
        if not any(type(value) is type(word) and value == word for word in words):
            raise form_error(where, value, "one of " + ", ".join(map(str, words)))

    return check_value


def flag(value: Any, where: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise form_error(where, value, "true or false")


def whole(low: int = 0, high: int = 1 << 53) -> Form:
    """An integer within bounds."""

    def check_value(value: Any, where: str) -> None:
        if type(value) is not int or not low <= value <= high:
            raise form_error(where, value, f"a whole number from {low:,} to {high:,}")

    return check_value


def number(low: float = -LARGEST_NUMBER, high: float = LARGEST_NUMBER) -> Form:
    """A finite number within bounds."""

    def check_value(value: Any, where: str) -> None:
        if type(value) not in (int, float) or not low <= value <= high or not math.isfinite(value):
            bounds = "" if (low, high) == (-LARGEST_NUMBER, LARGEST_NUMBER) else f" from {low:g} to {high:g}"
            raise form_error(where, value, f"a number{bounds}")

    return check_value


def all_of(*forms: Form) -> Form:
    """What each of several forms takes, asked in turn."""

    def check_value(value: Any, where: str) -> None:
        for form in forms:
            form(value, where)

    return check_value


def maybe(form: Form) -> Form:
    """Null, or what ``form`` takes."""

    def check_value(value: Any, where: str) -> None:
        if value is not None:
            form(value, where)

    return check_value


def list_of(form: Form, least: int = 0, most: int = MOST_ENTRIES) -> Form:
    """A list of ``least`` to ``most`` entries, each of one form."""

    def check_value(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise form_error(where, value, "a list")
        if not least <= len(value) <= most:
            raise FormError(f"{where} has {len(value):,} entries, not {least:,} to {most:,}")
        for i, one in enumerate(value):
            form(one, f"{where}[{i}]")

    return check_value


def one_or_more(form: Form) -> Form:
    """What ``form`` takes, or a list of such."""
    several = list_of(form, least=1)
    return lambda value, where: (several if isinstance(value, list) else form)(value, where)


def rising(form: Form, least: int = 0, most: int = MOST_ENTRIES) -> Form:
    """A list of numbers, each larger than the one before."""
    listed = list_of(form, least, most)

    def check_value(value: Any, where: str) -> None:
        listed(value, where)
        for i, (before, after) in enumerate(pairwise(value)):
            if not before < after:
                raise FormError(f"{where}[{i + 1}] is {after}, not more than {before}")

    return check_value


def map_of(form: Form, most: int = MOST_ENTRIES) -> Form:
    """A mapping whose values all have one form."""

    def check_value(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise form_error(where, value, "a mapping")
        if len(value) > most:
            raise FormError(f"{where} has {len(value):,} entries, more than {most:,}")
        for key, one in value.items():
            form(one, f"{where}.{key[:40]}")

    return check_value


def record(forms: Mapping[str, Form], others: Form | None = None, optional: Collection[str] = ()) -> Form:
    """A mapping with these keys. ``others`` is the form of further keys, none of which may be there without it."""

    def check_value(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise form_error(where, value, "a mapping")
        for key in forms.keys() - value.keys() - set(optional):
            raise FormError(f"{where} has no '{key}'")
        for key, one in value.items():
            form = forms.get(key, others)
            if form is None:
                raise FormError(f"{where} has an entry '{key[:40]}' that nothing knows")
            form(one, f"{where}.{key[:40]}")

    return check_value


def anything(value: Any, where: str) -> None:
    """Any JSON of finite numbers that is nested at most ``MOST_LEVELS`` levels."""
    # A stack of its own: a function that calls itself would end at Python's limit, not at ours.
    stack = [(value, 0)]
    while stack:
        one, depth = stack.pop()
        if depth > MOST_LEVELS:
            raise FormError(f"{where} is nested more than {MOST_LEVELS} levels deep")
        if isinstance(one, float) and not math.isfinite(one):
            raise form_error(where, one, "a finite number")
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        stack += [(v, depth + 1) for v in inner]


def like(default: Any) -> Form:
    """The form of a setting, by its default: a switch, a size, a share below 1, a word; else anything."""
    for kind, form in ((bool, flag), (int, whole(0, 1 << 16)), (float, number(0, 0.999)), (str, text(100))):
        if type(default) is kind:
            return form
    return anything
