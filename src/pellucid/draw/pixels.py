"""Photos and maps as PNG inside a page: sharp squares where a photo is tiny, no more pixels than are seen."""

from __future__ import annotations

import io
from base64 import b64encode

import numpy as np

# Pixels of the longer side of what is put into a page: twice what it is shown at, about.
MOST_PIXELS = 320


def png_uri(pixels: np.ndarray) -> str:  # (H, W, C) uint8, C of 1, 3 or 4
    """The pixels as a ``data:`` address, which a page needs nothing else for."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + b64encode(buffer.getvalue()).decode()


def photo_pixels(pixels: np.ndarray) -> np.ndarray:  # (H, W[, C]) -> (H, W, 3) uint8
    """A photo as three channels; one of no pixels as a single grey one."""
    found = np.asarray(pixels)
    found = found[..., None] if found.ndim == 2 else found
    if not found.size:
        return np.full((1, 1, 3), 128, np.uint8)
    return np.repeat(found[..., :1], 3, axis=2) if found.shape[2] < 3 else np.ascontiguousarray(found[..., :3])


def fit_box(photo: np.ndarray, box: float) -> tuple[float, float]:
    """Height and width at which a photo (H, W, ...) is as large as a square of ``box`` allows; one pixel at least."""
    height, width = photo.shape[:2]
    grown = box / max(height, width, 1)
    return max(1.0, height * grown), max(1.0, width * grown)


def resize_pixels(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Squares where it grows, means where it shrinks."""
    own_height, own_width = pixels.shape[:2]
    if own_height > height or own_width > width:
        from PIL import Image

        smaller = Image.fromarray(pixels).resize((min(width, own_width), min(height, own_height)), Image.Resampling.BOX)
        return resize_pixels(np.asarray(smaller), height, width)
    return pixels[np.arange(height) * own_height // height][:, np.arange(width) * own_width // width]


def shown_photo(pixels: np.ndarray, most: int = MOST_PIXELS) -> np.ndarray:
    """A photo of at most ``most`` pixels a side, and of as many where it has fewer, so that no viewer blurs it."""
    found = photo_pixels(pixels)
    height, width = fit_box(found, most)
    return resize_pixels(found, round(height), round(width))
