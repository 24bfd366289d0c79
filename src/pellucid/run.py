"""Pickles from before version 0.2 look for ``Run`` here."""

from .runs.run import Run

__all__ = ["Run"]
