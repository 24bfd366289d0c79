"""Pictures and pages: charts as SVG text, the report as one HTML file. No scripts, nothing loaded from elsewhere."""

from .charts import Bar, bar_chart, calibration_chart, histogram, line_chart, scatter_plot
from .content import Content
from .markup import Markup, tag
from .matrix import confusion_matrix
from .report import report_page
from .spark import sparkline
from .style import standalone_chart

__all__ = [
    "Bar",
    "Content",
    "Markup",
    "bar_chart",
    "calibration_chart",
    "confusion_matrix",
    "histogram",
    "line_chart",
    "report_page",
    "scatter_plot",
    "sparkline",
    "standalone_chart",
    "tag",
]
