"""Input layers: encoded arrays → features, one file per kind of field."""

from .base import INPUTS, Input
from .category import Category
from .channel import Channel
from .date import Date
from .image import Image
from .labels import Labels
from .number import Number
from .passage import Passage
from .series import Series
from .sound import Sound
from .text import Text

__all__ = [
    "INPUTS",
    "Category",
    "Channel",
    "Date",
    "Image",
    "Input",
    "Labels",
    "Number",
    "Passage",
    "Series",
    "Sound",
    "Text",
]
