"""Input layers: encoded arrays → features, one file per kind of field."""

from .base import INPUTS, Input
from .category import Category
from .image import Image
from .number import Number
from .text import Text

__all__ = ["INPUTS", "Category", "Image", "Input", "Number", "Text"]
