"""Every option, declared once; ``Budget``."""

from .budget import MOST, Budget
from .table import FORM, PHOTO_CHANGES, READ, TRAIN, VERBS, Option, check_options, default_options, options_table

__all__ = [
    "FORM",
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
