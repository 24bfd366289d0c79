"""Holds functions to the shapes their own source states: ``def f(x, n):  # (B, T, D), (B,) -> (B, D)``.

A name stands for one size throughout a call and for any size in the next; ``*positions`` for any number of axes, and
fixed for the call; ``D'`` is another name than ``D``; what is no name (``ceil(H / 2)``, ``3 K``, ``1 or T``) and
``...`` is any size. Left of the arrow the shapes go with the tensors among the positional arguments, in order (a
``Features`` counts as its ``x``, a ``Padded`` as its ``values``, and None as a tensor that was left out), right of it
with the result, or with the first of several; ``(B, T, D) or (B, D)`` is either. A function that states no shapes, or
is not called, is not checked; ``checked`` counts the calls that were, so that a test can insist on some.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import jaxtyping
from jaxtyping import Shaped
from torch import Tensor

from pellucid.data.batches.batch import Padded

checked: Counter[str] = Counter()  # qualified name of a function -> calls that were held to their shapes
SHAPE = re.compile(r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)")


def hold(module: ModuleType) -> None:
    """Wrap every function and method of ``module`` whose ``def`` line states its shapes."""
    for owner, name, function in functions(module):
        if stated := shapes_of(function):
            setattr(owner, name, held(function, *stated))


def functions(module: ModuleType) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    for owner in [module, *(c for c in vars(module).values() if inspect.isclass(c))]:
        for name, value in list(vars(owner).items()):
            plain = inspect.isfunction(value) and not hasattr(value, "__wrapped__")
            if plain and value.__code__.co_filename == module.__file__:
                yield owner, name, value


def shapes_of(function: Callable[..., Any]) -> tuple[list[str], list[str]] | None:
    """The shapes on the ``def`` line (or in a comment right below it) as jaxtyping writes them: those of the arguments,
    and what the (first) result may have."""
    lines = inspect.getsource(function).splitlines()
    end = next(i for i, line in enumerate(lines) if re.search(r":\s*(#.*)?$", line))  # of the signature
    below = [line for line in lines[end + 1 : end + 2] if line.lstrip().startswith("#")]
    comment = next((line.partition("#")[2] for line in [lines[end], *below] if "#" in line), "")
    left, arrow, right = comment.partition("->")
    if not arrow:
        return None
    result = [spelt(s) for s in SHAPE.findall(right)]
    return [spelt(s) for s in SHAPE.findall(left)], result if " or " in right else result[:1]


def spelt(shape: str) -> str:  # "B, *positions, D'" -> "B *positions D_"
    axes = [axis.strip().replace("'", "_") for axis in re.split(r",(?![^(]*\))", shape) if axis.strip()]
    return " ".join(a if re.fullmatch(r"\*?\w+|\.\.\.", a) else "_" for a in axes)


def held(function: Callable[..., Any], left: list[str], right: list[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = [tensor(a) for a in args if a is None or tensor(a) is not None]
        with jaxtyping.jaxtyped("context"):
            for shape, value in zip(left, given, strict=False):
                if value is not None:
                    insist(function, value, [shape])
            result = function(*args, **kwargs)
            first = tensor(result[0] if isinstance(result, tuple) and len(result) else result)
            if right and first is not None:
                insist(function, first, right)
        checked[function.__qualname__] += 1
        return result

    return call


def tensor(value: Any) -> Tensor | None:
    value = value.values if isinstance(value, Padded) else getattr(value, "x", value)
    return value if isinstance(value, Tensor) else None


def insist(function: Callable[..., Any], value: Tensor, stated: list[str]) -> None:
    if not any(isinstance(value, Shaped[Tensor, shape]) for shape in stated):
        words = " or ".join(shape or "no axes" for shape in stated)
        raise AssertionError(f"{function.__qualname__} states {words}, but a shape is {tuple(value.shape)}")
