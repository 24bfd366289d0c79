"""Kinds of values: one torch-free file each. Importing this package registers them in this order."""

from . import number, category, text, image  # noqa: F401, I001  (the order is the order of a network's input layers)
from .base import KINDS, ROLES, Column, Encoded, Field, Group, Guess, Kind, Note, Ragged, Stored, groups, kind_named, recognise

__all__ = [
    "KINDS", "ROLES", "Column", "Encoded", "Field", "Group", "Guess", "Kind", "Note", "Ragged", "Stored",
    "groups", "kind_named", "recognise",
]  # fmt: skip
