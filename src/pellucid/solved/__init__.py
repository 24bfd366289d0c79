"""Solved parts: classical models that are solved outright and that a network begins with, one file each."""

from .base import SOLVED, SolvedPart, solved_for

__all__ = ["SOLVED", "SolvedPart", "solved_for"]
