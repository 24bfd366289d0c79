"""What an answer is: metric, baseline, calibration, decoding; NumPy alone, one file per kind of answer."""

from .base import Task
from .category import CategoryTask
from .future import FutureTask
from .labels import LabelsTask
from .number import NumberTask

# By the name of the output that each belongs to.
TASKS: dict[str, type[Task]] = {task.kind: task for task in (CategoryTask, LabelsTask, NumberTask)}
TASKS["future"] = FutureTask

__all__ = ["TASKS", "CategoryTask", "FutureTask", "LabelsTask", "NumberTask", "Task"]
