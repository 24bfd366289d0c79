"""The run folder: atomic writes, checksums, history, checkpoints."""

from .folder import Folder
from .plain import to_json
from .tensors import Tensors, pack, unpack

__all__ = ["Folder", "Tensors", "pack", "to_json", "unpack"]
