"""Pickles made before 2026-11-27 look for ``Run`` here."""

from .runs.run import Run

__all__ = ["Run"]
