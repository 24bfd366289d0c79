"""What looks wrong with data, said before training: by file or row, with what training does and what one can do."""

from . import copies, drift, images, labels, mixed, rows, texts, values  # noqa: F401  (importing them adds their checks)
from .base import class_counts, code
from .base import raw as columns
from .images import pixel_hashes
from .parts import decoded

__all__ = ["class_counts", "code", "columns", "decoded", "pixel_hashes"]
