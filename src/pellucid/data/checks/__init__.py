"""What looks wrong with data, said before training: by file or row, with what training does and what one can do."""

# Importing them adds their checks, whose notes are said in this order.
from . import leakage, across_splits, drift, images, labels, mixed_types, duplicates, sounds  # noqa: F401, I001
from . import texts, pairs, totals, values  # noqa: F401
from .base import check_examples
from .base import check_columns as columns
from .base import checks_digest
from .images import pixel_hashes

__all__ = ["check_examples", "checks_digest", "columns", "pixel_hashes"]
