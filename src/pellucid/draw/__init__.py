"""Pictures: charts as SVG text, and HTML by construction. No scripts, nothing loaded from elsewhere."""

from .charts import Bar, bar_chart, calibration_chart, histogram, line_chart, scatter_plot
from .confusion import confusion_matrix
from .markup import Markup, tag

__all__ = [
    "Bar",
    "Markup",
    "bar_chart",
    "calibration_chart",
    "confusion_matrix",
    "histogram",
    "line_chart",
    "scatter_plot",
    "tag",
]
