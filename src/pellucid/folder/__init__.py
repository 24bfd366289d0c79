"""The run folder: atomic writes, checksums, history, checkpoints; or the same in memory."""

from .folder import Folder
from .manifest import MANIFEST, is_run_folder
from .memory import Files, InMemory
from .plain import WEIGHTS, damaged, to_json
from .tensors import Tensors, pack, unpack

__all__ = [
    "MANIFEST", "WEIGHTS", "Files", "Folder", "InMemory", "Tensors", "damaged", "is_run_folder", "pack", "to_json",
    "unpack",
]  # fmt: skip
