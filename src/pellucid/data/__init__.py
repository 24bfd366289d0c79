"""From what the user has to examples of fields: recognise layouts, read, check, split, cache, batch. Torch-free."""

from . import arrays, folders, tables  # noqa: F401  (importing them registers their layouts)
from .batch import Batch, Padded, encode_groups, encode_target, gather
from .dataset import Dataset, Reading
from .layouts import read, read_like
from .order import batches, in_order, keys, permutation
from .sources import LAYOUTS, Found, Options, Source, layout
from .splits import Split

__all__ = [
    "LAYOUTS", "Batch", "Dataset", "Found", "Options", "Padded", "Reading", "Source", "Split",
    "batches", "encode_groups", "encode_target", "gather", "in_order", "keys", "layout", "permutation",
    "read", "read_like",
]  # fmt: skip
