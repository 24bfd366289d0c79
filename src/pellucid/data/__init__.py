"""From what the user has to examples of fields: recognise layouts, read, check, split, cache, batch. Torch-free."""

from . import arrays, folders, tables  # noqa: F401  (importing them registers their layouts)
from .batch import Batch, Padded, encode_groups, encode_target, gather_batch
from .dataset import Dataset, Reading
from .layouts import read_data, read_new
from .order import example_keys, in_order, random_permutation, shuffled_batches
from .sources import LAYOUTS, Contents, ReadOptions, Source, layout
from .splits import Split

__all__ = [
    "LAYOUTS",
    "Batch",
    "Contents",
    "Dataset",
    "Padded",
    "ReadOptions",
    "Reading",
    "Source",
    "Split",
    "encode_groups",
    "encode_target",
    "example_keys",
    "gather_batch",
    "in_order",
    "layout",
    "random_permutation",
    "read_data",
    "read_new",
    "shuffled_batches",
]  # fmt: skip
