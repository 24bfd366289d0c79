"""What an answer is: metric, naive answer, calibration, decoding; NumPy alone, one file per kind of answer."""

from .base import TASKS, Task
from .category import CategoryTask
from .labels import LabelsTask
from .number import NumberTask

__all__ = ["TASKS", "CategoryTask", "LabelsTask", "NumberTask", "Task"]
