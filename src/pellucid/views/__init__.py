"""Looking inside a network: each view a pure function of a network and examples, one file each, registered."""

from . import (
    anatomy,
    curves,
    evidence,
    fields,
    health,
    loss,
    nearest,
    shares,
    telling_units,
    telling_weights,
    unit,
    weight,
    what_if,
    where,
    worth,
)
from .base import VIEWS, Part, Subject, View
from .result import Badge, Result

# Each view's file registers it when it is loaded.
_ALL = (
    anatomy,
    curves,
    evidence,
    fields,
    health,
    loss,
    nearest,
    shares,
    telling_units,
    telling_weights,
    unit,
    weight,
    what_if,
    where,
    worth,
)

__all__ = ["VIEWS", "Badge", "Part", "Result", "Subject", "View"]
