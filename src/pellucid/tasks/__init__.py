"""What an answer is: metric, baseline, calibration, decoding; NumPy alone, one file per kind of answer."""

from .base import Task
from .category import CategoryTask
from .future import FutureTask
from .labels import LabelsTask
from .number import NumberTask

# By the kind of field that each predicts.
TASKS: dict[str, type[Task]] = {task.kind: task for task in (CategoryTask, LabelsTask, NumberTask, FutureTask)}

__all__ = ["TASKS", "CategoryTask", "FutureTask", "LabelsTask", "NumberTask", "Task"]
