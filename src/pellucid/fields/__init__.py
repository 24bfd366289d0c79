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
    input_groups,
    allocate_in_memory,
    kind_named,
    recognise,
)
from .category import target_guess

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
    "allocate_in_memory",
    "input_groups",
    "kind_named",
    "recognise",
    "target_guess",
]
