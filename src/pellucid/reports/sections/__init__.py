"""The sections of a report's page, one file each. Importing this package registers them."""

from . import data, errors, label_issues, network, plan, quality, training, use  # noqa: F401
from .base import SECTIONS, Section

__all__ = ["SECTIONS", "Section"]
