"""What looks wrong with data, said before training: by file or row, with what training does and what one can do."""

from . import copies, drift, images, labels, mixed, rows, texts, values  # noqa: F401  (importing them adds their checks)
from .base import check_columns as columns
from .base import checks_digest, class_counts
from .images import pixel_hashes
from .parts import check_examples

__all__ = ["check_examples", "checks_digest", "class_counts", "columns", "pixel_hashes"]
