"""From what the user has to examples of fields: recognise layouts, read, check, split, cache, batch. Torch-free."""

# Importing layouts registers them, in this order: the first one that knows a source reads it.
# isort: off
from .tables import layouts as _table_layouts  # noqa: F401
from .memory import layouts as _memory_layouts  # noqa: F401
from .folders import layouts as _folder_layouts  # noqa: F401
from .documents import layouts as _document_layouts  # noqa: F401
from .series import layouts as _series_layouts  # noqa: F401
from .parallel import layouts as _parallel_layouts  # noqa: F401
# isort: on

from .batches.batch import Batch, Padded, encode_groups, encode_target, gather_batch
from .batches.order import example_keys, in_order, random_permutation, shuffled_batches
from .examples import Examples, Reading
from .read import read_data
from .read_new import read_new
from .source import LAYOUTS, Contents, ReadOptions, Source, layout
from .splits.split import Split

__all__ = [
    "LAYOUTS",
    "Batch",
    "Contents",
    "Examples",
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
]
