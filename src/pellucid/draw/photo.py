"""A photo, and beside it the same photo in grey under a signed map."""

from __future__ import annotations

import numpy as np

from .markup import Markup, tag
from .pixels import fit_box, png_uri, resize_pixels, shown_photo
from .signed import LEGEND_HEIGHT, SignedScale, signed_text
from .svg import WIDTH, draw_box, draw_label, svg_element

# The side of the square that each picture is fitted into, and cells of a map up to which each has its title.
SIDE, MOST_TITLES = 222.0, 400

# How much of the photo the strongest colour hides.
_COVER = 0.9


def photo_beside_map(pixels: np.ndarray, values: np.ndarray | None = None) -> Markup | None:
    """The photo, and where there are values a map; None where it has no pixels. Arguments as of ``Picture``."""
    if not pixels.size:
        return None
    photo = shown_photo(pixels)
    height, width = fit_box(photo, SIDE)
    plain = tag("image", href=png_uri(photo), x=0.0, y=0.0, width=width, height=height)
    about = f"a photo of {pixels.shape[0]} × {pixels.shape[1]} pixels"
    if values is None or not values.size:
        return svg_element(WIDTH, height, plain, about=about)
    scale = SignedScale.over_values(values)
    top, left = 18.0, WIDTH - SIDE
    covered = png_uri(cover_photo(photo, values, scale))
    marks = [
        draw_label(0, 11, "the photo", class_="title"),
        draw_label(left, 11, "the map over it", class_="title"),
        tag("image", href=png_uri(photo), x=0.0, y=top, width=width, height=height),
        tag("image", href=covered, x=left, y=top, width=width, height=height),
        *_cell_titles(values, left, top, width, height),
        *scale.legend(left, top + height + 10),
    ]
    return svg_element(WIDTH, top + height + 10 + LEGEND_HEIGHT, *marks, about=f"{about} and a map over it")


def cover_photo(photo: np.ndarray, values: np.ndarray, scale: SignedScale) -> np.ndarray:  # -> (H, W, 3) uint8
    """The photo in light grey, the map's colours over it."""
    height, width = photo.shape[:2]
    # Lighter, so that both colours are seen on what is dark.
    light = 255 - 0.6 * (255 - photo.astype(float) @ (0.299, 0.587, 0.114))
    painted = resize_pixels(scale.paint(values), height, width).astype(float)
    share = _COVER * painted[..., 3:] / 255
    return np.round(share * painted[..., :3] + (1 - share) * light[..., None]).astype(np.uint8)


def _cell_titles(values: np.ndarray, left: float, top: float, width: float, height: float) -> list[Markup]:
    if values.size > MOST_TITLES:
        return []
    high, wide = height / values.shape[0], width / values.shape[1]
    return [
        draw_box(
            left + c * wide,
            top + r * high,
            wide,
            high,
            "clear",
            f"row {r + 1}, column {c + 1}: {signed_text(values[r, c])}",
        )
        for r, c in np.ndindex(values.shape)
    ]
