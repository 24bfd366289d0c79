"""Pictures and pages: charts as SVG text, the report as one HTML file. No scripts, nothing loaded from elsewhere."""

from .charts import Bar, bars, calibration, histogram, line, scatter
from .content import Content
from .markup import Markup, tag
from .matrix import confusion
from .report import page
from .spark import sparkline
from .style import standalone

__all__ = [
    "Bar",
    "Content",
    "Markup",
    "bars",
    "calibration",
    "confusion",
    "histogram",
    "line",
    "page",
    "scatter",
    "sparkline",
    "standalone",
    "tag",
]
