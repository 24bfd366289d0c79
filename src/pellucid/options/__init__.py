"""Every option, declared once; ``Budget``."""

from .budget import MOST, Budget
from .table import PHOTO_CHANGES, READ, TRAIN, VERBS, Option, check_options, default_options, options_table

__all__ = [
    "MOST",
    "PHOTO_CHANGES",
    "READ",
    "TRAIN",
    "VERBS",
    "Budget",
    "Option",
    "check_options",
    "default_options",
    "options_table",
]
