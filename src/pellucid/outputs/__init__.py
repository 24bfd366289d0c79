"""Output layers: features → raw answers and their loss, one file per kind of answer; the rest is in ``tasks``."""

from .base import OUTPUTS, Output, output_for
from .category import Category
from .future import Future
from .labels import Labels
from .number import Number
from .tokens import Tokens
from .transcript import Transcript
from .written import Written

__all__ = [
    "OUTPUTS",
    "Category",
    "Future",
    "Labels",
    "Number",
    "Output",
    "Tokens",
    "Transcript",
    "Written",
    "output_for",
]
