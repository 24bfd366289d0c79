"""Input layers: encoded arrays → features, one file per kind of field."""

from .base import INPUTS, Input
from .category import Category
from .date import Date
from .image import Image
from .labels import Labels
from .number import Number
from .text import Text

__all__ = ["INPUTS", "Category", "Date", "Image", "Input", "Labels", "Number", "Text"]
