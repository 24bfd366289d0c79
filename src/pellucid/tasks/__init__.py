"""What an answer is: metric, baseline, calibration, decoding; NumPy alone, one file per kind of answer."""

from .base import Task
from .category import CategoryTask
from .future import FutureTask
from .labels import LabelsTask
from .number import NumberTask
from .tokens import TokensTask
from .transcript import TranscriptTask
from .written import WrittenTask

# By the name of the output that each belongs to.
TASKS: dict[str, type[Task]] = {task.kind: task for task in (CategoryTask, LabelsTask, NumberTask)}
TASKS |= {"future": FutureTask, "tokens": TokensTask, "transcript": TranscriptTask, "written": WrittenTask}

__all__ = [
    "TASKS",
    "CategoryTask",
    "FutureTask",
    "LabelsTask",
    "NumberTask",
    "Task",
    "TokensTask",
    "TranscriptTask",
    "WrittenTask",
]
