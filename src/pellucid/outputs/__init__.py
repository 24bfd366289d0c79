"""Output layers: features → loss, metrics, baseline, prediction, one file per kind of answer."""

from ..metrics.score import Score
from .base import OUTPUTS, Output, output_for
from .category import Category
from .labels import Labels
from .number import Number

__all__ = ["OUTPUTS", "Category", "Labels", "Number", "Output", "Score", "output_for"]
