"""The run folder: atomic writes, checksums, history, checkpoints; or the same in memory."""

from .folder import Folder
from .in_memory import Files, InMemory
from .manifest import MANIFEST, is_run_folder
from .names import WEIGHTS
from .strict_json import damage_error, to_json
from .tensors import Tensors, pack_tensors, unpack_tensors

__all__ = [
    "MANIFEST", "WEIGHTS", "Files", "Folder", "InMemory", "Tensors", "damage_error", "is_run_folder",
    "pack_tensors", "to_json", "unpack_tensors",
]  # fmt: skip
