"""Output layers: features → loss, metrics, baseline, prediction, one file per kind of answer."""

from .base import OUTPUTS, Output, Score, output_for
from .category import Category
from .labels import Labels
from .number import Number

__all__ = ["OUTPUTS", "Category", "Labels", "Number", "Output", "Score", "output_for"]
