"""Where new data for a run come from."""

from __future__ import annotations

import os
from typing import Any


def same_place(source: Any, other: str | list[str] | None) -> bool:
    """Whether ``source``, a path or several, is the source of a run's data; False for what is no path."""
    one, two = ([each] if isinstance(each, str | os.PathLike) else each for each in (source, other))
    if not two or not isinstance(one, list | tuple) or not all(isinstance(each, str | os.PathLike) for each in one):
        return False
    return [os.path.realpath(each) for each in one] == [os.path.realpath(each) for each in two]


def library_of(source: Any) -> str:
    """The library of data frames that answers to ``source`` come in."""
    # Known by what it can do: pandas is never imported here.
    return "pandas" if hasattr(source, "iloc") else "polars"
