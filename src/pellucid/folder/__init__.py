"""The run folder: atomic writes, checksums, history, checkpoints; or the same in memory."""

from .folder import Folder
from .memory import Files, InMemory
from .plain import WEIGHTS, damaged, to_json
from .tensors import Tensors, pack, unpack

__all__ = ["WEIGHTS", "Files", "Folder", "InMemory", "Tensors", "damaged", "pack", "to_json", "unpack"]
