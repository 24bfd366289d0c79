"""Kinds of values: one torch-free file each. Importing this package registers them in this order."""

from . import number, category, text, image, labels, date  # noqa: F401, I001  (the order is the order of a network's input layers)
from .base import (
    KINDS,
    ROLES,
    Column,
    Encoded,
    Field,
    Group,
    Guess,
    Into,
    Kind,
    Note,
    Ragged,
    Report,
    Stored,
    groups,
    in_memory,
    kind_named,
    recognise,
)
from .category import as_target

__all__ = [
    "KINDS",
    "ROLES",
    "Column",
    "Encoded",
    "Field",
    "Group",
    "Guess",
    "Into",
    "Kind",
    "Note",
    "Ragged",
    "Report",
    "Stored",
    "as_target",
    "groups",
    "in_memory",
    "kind_named",
    "recognise",
]
