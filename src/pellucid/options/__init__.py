"""Every option, declared once; ``Budget``."""

from .budget import MOST, Budget
from .table import (
    CHANGES_KNOWN,
    FORECAST,
    FORM,
    INSPECT,
    MOST_BEAMS,
    MOST_HEADS,
    READ,
    TRAIN,
    VERBS,
    WRITE,
    Option,
    check_options,
    default_options,
    options_table,
)

__all__ = [
    "CHANGES_KNOWN",
    "FORECAST",
    "FORM",
    "INSPECT",
    "MOST",
    "MOST_BEAMS",
    "MOST_HEADS",
    "READ",
    "TRAIN",
    "VERBS",
    "WRITE",
    "Budget",
    "Option",
    "check_options",
    "default_options",
    "options_table",
]
