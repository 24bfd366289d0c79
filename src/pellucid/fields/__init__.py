"""Kinds of values: one torch-free file each. Importing this package registers them in this order."""

# The order is the order of a network's input layers.
from . import number, category, text, image, labels, date, series, sound, channel, passage, writing  # noqa: F401, I001
from .base import KINDS, ROLES, Field, Group, Guess, Kind, input_groups, kind_named, kind_of_files, recognise
from .category import target_guess
from .column import Column
from .encoded import Encoded, Into, Ragged, Stored, allocate_in_memory
from .notes import Note, Report

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
    "kind_of_files",
    "recognise",
    "target_guess",
]
