"""From the bytes of an image file to pixels. H, W, C: height, width, channels (1 grey or 3 red, green, blue)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from .files import Fetch, Unreadable, core_count, explain_damage, looks_like, read_file

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "gif", "tif", "tiff", "avif")

# Of one image: a small file can unpack to gigabytes.
MOST_PIXELS = 64_000_000

# The EXIF tag; 5 to 8 swap height and width.
ORIENTATION = 0x0112

# Images handed to a thread at a time, so that threads decode and do not wait for the next.
IMAGES_A_TASK = 64

GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")

# Of more than 8 bits: scaled here, from black to white, before Pillow sees them.
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")

# What is kept of a file beside its pixels, so that checks of odd images need no file.
ABOUT = ("width", "height", "mode", "turned", "animated")

MODES = ("other", "1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16", "I;16B")

ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")

# What a file is, by its first bytes. Only these are opened: Pillow knows formats that run programs (EPS).
SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"RIFF": "WEBP",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}

# The same behind the length of the first box; whether Pillow was built to read it depends on its version.
AVIF_BRANDS = (b"ftypavif", b"ftypavis")


@dataclass(frozen=True)
class Size:
    """What every image of a field becomes.

    Attributes:
        height, width, channels: of the pixels.
        black, white: what these are where a value has more than 8 bits (white is 4095 for a 12-bit camera);
            a white of 0 is not known and taken for 1 in fractions, for 65535 in whole numbers.
        draft: whether a large JPEG is decoded at a half, a quarter or an eighth of its size, as runs from before
            2026-11-28 have it.
    """

    height: int
    width: int
    channels: int
    black: float = 0.0
    white: float = 0.0
    draft: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels


def decode_files(
    paths: Sequence[str | None], size: Size, out: np.ndarray, about: np.ndarray, fetch: Fetch | None = None
) -> tuple[list[tuple[int, str]], int]:
    """Decode every file into ``out`` (n, H, W, C) uint8, on all cores (Pillow decodes without the GIL).

    What the files were goes into ``about`` (n, 5), see ``ABOUT``. ``fetch`` gives the content of a path, where files
    are not on the disk.

    Returns:
        (row, cause) of each that can't be read, whose pixels stay zero; how many had another size or shape.
    """
    starts = range(0, len(paths), IMAGES_A_TASK)
    # Warnings are a setting of the whole process: switched by each thread, they would come back at random.
    with _without_warnings(), ThreadPoolExecutor(max(2, core_count())) as pool:
        parts = list(pool.map(lambda start: _decode_chunk(paths, size, out, about, start, fetch or read_file), starts))
    return [bad for part, _ in parts for bad in part], sum(resized for _, resized in parts)


def open_header(path: str, fetch: Fetch | None = None) -> Image:
    """The image with its header read and its pixels not. Raises Unreadable."""
    with _without_warnings():
        return open_image((fetch or read_file)(path))


def open_image(data: bytes) -> Image:
    """The image in ``data`` by what it holds, whatever its name says. Raises Unreadable."""
    from PIL import Image, TiffImagePlugin, WebPImagePlugin, features  # noqa: F401  (importing registers them)

    if not data:
        raise Unreadable("is empty (0 bytes)")
    name = next((name for start, name in SIGNATURES.items() if data.startswith(start)), None)
    if name is None and data[4:12] in AVIF_BRANDS and features.check("avif"):
        from PIL import AvifImagePlugin  # noqa: F401  (importing registers it)

        name = "AVIF"
    if name is None:
        raise Unreadable(f"is not an image that can be read ({_looks_like(data)})")
    try:
        # Only the format that the bytes begin like: other parsers of Pillow get no stranger's file to read.
        image = Image.open(BytesIO(data), formats=(name,))
    except Image.DecompressionBombError:
        raise Unreadable(f"claims more pixels than the {MOST_PIXELS / 1e6:.0f} million allowed") from None
    except Image.UnidentifiedImageError:
        raise Unreadable(f"is damaged (it begins like {name} and is none)") from None
    except MemoryError:
        raise
    # Pillow's parsers raise whatever damaged bytes lead them to.
    except Exception as error:
        raise Unreadable(f"is damaged ({explain_damage(error)})") from None
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise Unreadable(f"has {width:,} × {height:,} pixels, more than the {MOST_PIXELS / 1e6:.0f} million allowed")
    return image


def begins_as_image(data: bytes) -> bool:
    """Whether the first bytes are those of an image file."""
    # Recordings in WAV begin with RIFF as well.
    other = data.startswith(b"RIFF") and data[8:12] != b"WEBP"
    return data.startswith(tuple(SIGNATURES)) and not other


def decode_image(image: Image, size: Size) -> tuple[np.ndarray, bool]:
    """Pixels (H, W, C) uint8 of an opened image, and whether it had another size.

    Upright by its EXIF tag, alpha over white, cut to the middle where its shape differs. Raises Unreadable.
    """
    try:
        enough = 2 * max(size.height, size.width)
        # Half the time or less (a photo of 12 megapixels: 40 ms for 90), but other pixels than those of the same photo
        # as an array, and then another answer (.9598 and .9629; docs/LOG.md, 2026-11-27).
        if size.draft and image.format == "JPEG" and min(image.size) >= 2 * enough:
            image.draft(None, (enough, enough))
        image = _convert_mode(_turn_upright(image), size)
        resized = image.size != (size.width, size.height)
        if resized:
            image = _fit_size(image, size)
        return np.asarray(image).reshape(size.shape), resized
    except MemoryError:
        raise
    except Exception as error:
        raise Unreadable(f"is damaged ({explain_damage(error)})") from None


def from_array(value: np.ndarray, size: Size) -> tuple[np.ndarray, bool]:
    """Pixels (H, W, C) uint8 of an array (h, w, c), c 1 to 4, and whether it had another size. Raises Unreadable."""
    from PIL import Image

    if not np.isfinite(value).all():
        raise Unreadable("has values that are not finite numbers")
    value = eight_bits(value, size)
    if value.shape == size.shape:
        return value, False
    image = _convert_mode(Image.fromarray(value[..., 0] if value.shape[-1] == 1 else value), size)
    resized = image.size != (size.width, size.height)
    return np.asarray(_fit_size(image, size) if resized else image).reshape(size.shape), resized


def eight_bits(value: np.ndarray, size: Size) -> np.ndarray:  # any shape -> the same, uint8
    """Scaled from black..white to 0..255."""
    if value.dtype == np.uint8:
        return value
    value = np.nan_to_num(value.astype(np.float32)) - size.black
    white = size.white or (1.0 if value.max(initial=0) <= 1 else 65535.0)
    return (np.clip(value / (white - size.black), 0, 1) * 255 + 0.5).astype(np.uint8)


def black_and_white(low: float, high: float) -> dict[str, float]:
    """What stands for black and for white in values from ``low`` to ``high``; the depths of cameras are known.

    >>> black_and_white(0, 3000), black_and_white(-1.0, 0.98)
    ({'black': 0.0, 'white': 4095.0}, {'black': -1.0, 'white': 1.0})
    """
    depths = [1.0] + [2.0**bits - 1 for bits in (8, 10, 12, 14, 16)]
    white = next((depth for depth in depths if depth / 2 <= high <= depth), float(high))
    return {"black": -white if -white <= low < 0 else min(0.0, float(low)), "white": white if white > 0 else 1.0}


def _file_facts(image: Image) -> tuple[int, ...]:
    """What ``ABOUT`` names, from the header alone."""
    mode = MODES.index(image.mode) if image.mode in MODES else 0
    try:
        turned = _may_be_turned(image) and image.getexif().get(ORIENTATION, 1) not in (0, 1)
        animated = image.format in ("GIF", "PNG", "WEBP") and getattr(image, "is_animated", False)
    # A damaged tag or frame beside good pixels.
    except Exception:
        turned = animated = False
    return *image.size, mode, int(turned), int(animated)


def upright_shape(image: Image) -> tuple[int, int]:
    """Height and width after turning the image as its EXIF tag says, without reading its pixels."""
    width, height = image.size
    try:
        turned = _may_be_turned(image) and image.getexif().get(ORIENTATION, 1) >= 5
    # A damaged tag: the pixels are read as they lie.
    except Exception:
        turned = False
    return (width, height) if turned else (height, width)


def grey_extremes(image: Image) -> tuple[float, float]:
    """The least and the greatest value of an image with more than 8 bits. Raises Unreadable."""
    try:
        value = np.nan_to_num(np.asarray(image))
    except MemoryError:
        raise
    except Exception as error:
        raise Unreadable(f"is damaged ({explain_damage(error)})") from None
    return float(value.min()), float(value.max())


def to_png(pixels: np.ndarray) -> bytes:  # (H, W, C) uint8
    from PIL import Image

    out = BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(out, "PNG")
    return out.getvalue()


def _decode_chunk(
    paths: Sequence[str | None], size: Size, out: np.ndarray, about: np.ndarray, start: int, fetch: Fetch
) -> tuple[list[tuple[int, str]], int]:
    bad, count = [], 0
    for row in range(start, min(start + IMAGES_A_TASK, len(paths))):
        try:
            image = open_image(fetch(paths[row] or ""))
            about[row] = _file_facts(image)
            out[row], resized = decode_image(image, size)
            count += resized
        except Unreadable as why:
            bad.append((row, str(why)))
    return bad, count


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Without Pillow's warnings: what matters of them is checked and said here. Entered outside the threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _may_be_turned(image: Image) -> bool:
    """Whether there is an EXIF block to parse (as slow as decoding a small photo). Pillow turns TIFF by itself."""
    return image.format != "TIFF" and ("exif" in image.info or "Raw profile type exif" in image.info)


def _turn_upright(image: Image) -> Image:
    """Turned as its EXIF tag says."""
    if not _may_be_turned(image):
        return image
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    # A damaged tag beside good pixels.
    except Exception:
        image.load()
        return image


def _convert_mode(image: Image, size: Size) -> Image:
    """In the mode L or RGB that ``size`` asks for."""
    from PIL import Image as pillow

    wanted = "L" if size.channels == 1 else "RGB"
    if image.mode == wanted and "transparency" not in image.info:
        return image
    if image.mode in DEEP_MODES:
        image = pillow.fromarray(eight_bits(np.asarray(image), size))
    elif image.mode in ALPHA_MODES or "transparency" in image.info:
        image = _over_white(image)
    # CMYK to grey has no direct way.
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == wanted else image.convert(wanted)


def _over_white(image: Image) -> Image:
    from PIL import Image as pillow

    front = image.convert("RGBA")
    back = pillow.new("RGBA", front.size, "white")
    return pillow.alpha_composite(back, front).convert("RGB")


def _fit_size(image: Image, size: Size) -> Image:
    """Resized to cover the wanted shape, what sticks out on two sides cut off."""
    from PIL import Image as pillow

    width, height = image.size
    scale = min(width / size.width, height / size.height)
    left, top = (width - scale * size.width) / 2, (height - scale * size.height) / 2
    box = (left, top, width - left, height - top)
    return image.resize((size.width, size.height), pillow.Resampling.BICUBIC, box=box, reducing_gap=3.0)


def _looks_like(data: bytes) -> str:
    if data[4:12] in AVIF_BRANDS:
        return "it is AVIF, which this version of Pillow does not read; update it, or save the photo as JPEG or PNG"
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1"):
        return "it is HEIC; save it as JPEG or PNG"
    return looks_like(data)


# Pixels a side that may be asked for. ``options`` reads it when a size is parsed.
LARGEST = 8192
