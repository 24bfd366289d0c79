"""The sections of a report's page, one file each. Importing this package registers them."""

from . import (  # noqa: F401
    curves,
    data,
    errors,
    forecasts,
    importance,
    label_issues,
    language,
    network,
    plan,
    quality,
    targets,
    training,
    transcripts,
    use,
    written,
)
from .base import SECTIONS, Section

__all__ = ["SECTIONS", "Section"]
