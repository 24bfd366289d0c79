"""Looking inside a network: each view a pure function of a network and examples, one file each, registered."""

# Each view's file registers it when it is loaded.
from . import (  # noqa: F401
    alignment,
    anatomy,
    curves,
    evidence,
    fields,
    gaze,
    health,
    loss,
    nearest,
    next_token,
    reading,
    shares,
    stands,
    telling_units,
    telling_weights,
    unit,
    weight,
    what_if,
    where,
    why,
    worth,
)
from .base import VIEWS, Part, Subject, View
from .result import Badge, Result

__all__ = ["VIEWS", "Badge", "Part", "Result", "Subject", "View"]
