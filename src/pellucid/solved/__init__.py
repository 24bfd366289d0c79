"""Solved parts: classical models that are solved outright and that a network begins with, one file each."""

from . import forecast_ridge  # noqa: F401
from .base import SOLVED, SolvedPart, solved_for
from .counted_ngrams import CountedNgrams
from .random_convolutions import RandomConvolutions

__all__ = ["SOLVED", "CountedNgrams", "RandomConvolutions", "SolvedPart", "solved_for"]
