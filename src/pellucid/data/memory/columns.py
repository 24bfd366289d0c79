"""Columns in memory, whatever holds them, as Polars Series or arrays. n examples, F values of one.

Tensors, pandas and images are known by what they can do: torch and pandas are never imported here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Note
from ...fields.notes import LEFT_OUT
from ..tables.readers import plain_column

NAME = "data in memory"

# Values of a sparse matrix that may be written out: 2 GB as float64.
MOST_DENSE_VALUES = 1 << 28

# What a cell of a table may be. Subclasses count: bool is an int, datetime a date.
SIMPLE = (str, int, float, bytes, date, time, timedelta)

# Pixels: an array with a shorter side is no image, but for its channels.
SIDE = 4


@dataclass
class MemoryColumns:
    """Columns in memory.

    Attributes:
        columns: by name. kinds: those that their type tells. notes: what was odd.
    """

    columns: dict[str, pl.Series | np.ndarray] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def add_column(self, name: str, values: Any) -> None:
        """Add a column, or several where each value is a row of numbers.

        Raises:
            PellucidError: for a single value where a column is expected, or values of a shape that nothing has.
        """
        if isinstance(values, pl.Series):
            self._add_series(values.alias(name))
        elif hasattr(values, "isna") and not isinstance(values.dtype, np.dtype):
            self._add_series(_from_pandas(name, values))
        elif (lists := _list_series(name, values)) is not None:
            self.columns[name] = lists
        else:
            self._add_array(name, array_of_values(values))

    def add_matrix(self, name: str, array: np.ndarray) -> None:  # (n, F) or (n, F, G)
        """Add the columns of a matrix under made-up names."""
        for i, column in enumerate(array.reshape(len(array), -1).T):
            self.add_column(f"{name}_{i + 1}", column)

    def add_note(self, text: str, name: str, level: str = "info", action: str = "") -> None:
        self.notes.append(Note(level, text, f"column '{name}'", action))

    def _add_series(self, series: pl.Series) -> None:
        if series.dtype in (pl.Categorical, pl.Enum):
            self.kinds[series.name] = "category"
        if str(series.dtype) in ("Int128", "UInt128"):
            series = series.cast(pl.Float64)
        if (plain := plain_column(series, self.notes, NAME)) is not None:
            self.columns[series.name] = plain

    def _add_array(self, name: str, array: np.ndarray) -> None:
        if array.ndim == 0:
            raise PellucidError(f"column '{name}' is a single value", where=NAME, fix="pass as many values as rows")
        if array.dtype.names:
            for part in array.dtype.names:
                self.add_column(f"{name}_{part}", array[part])
            return
        if array.ndim == 1 and array.dtype == object:
            array = _stack_alike(array)
        if array.ndim == 1:
            if (series := self._simple_series(name, array)) is not None:
                self._add_series(series)
        elif array.ndim == 2 or (array.ndim == 3 and min(array.shape[1:]) < SIDE):
            if array.ndim == 3:
                self.add_note(
                    f"{array.shape[1]} × {array.shape[2]} values are not an image; each is read as a column", name
                )
            self.add_matrix(name, array)
        else:
            self.add_note(_check_image_shape(array, name), name)
            self.columns[name] = np.ascontiguousarray(array)

    def _simple_series(self, name: str, values: np.ndarray) -> pl.Series | None:  # (n,)
        """One column of NumPy's; None, and why, for values that are no values of a table."""
        kind = values.dtype.kind
        # Polars knows few of NumPy's units of time.
        if kind in "mM":
            return pl.Series(name, values.astype(f"{'timedelta64' if kind == 'm' else 'datetime64'}[us]"))
        if kind == "c":
            raise PellucidError("complex numbers can't be read", where=f"column '{name}'", fix="pass two columns")
        if kind not in "OUST":
            return pl.Series(name, values.astype(np.float64) if values.dtype.itemsize > 8 else values)
        items = [_python_value(value) for value in values.tolist()]
        types = {type(v) for v in items if v is not None}
        if odd := sorted(t.__name__ for t in types if not issubclass(t, SIMPLE)):
            self.add_note(f"holds values of the type {' and '.join(odd)} and is left out", name, "warning", LEFT_OUT)
            return None
        if len(types) > 1 and types <= {int, float, bool}:
            return pl.Series(name, [v if v is None else float(v) for v in items], pl.Float64)
        if len(types) > 1:
            shown = ", ".join(sorted(t.__name__ for t in types))
            self.add_note(f"holds values of several types ({shown}); all are read as words", name, "warning")
        try:
            return pl.Series(name, items if len(types) < 2 else _valid_texts(items), strict=False)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return pl.Series(name, _valid_texts(items), pl.String)


def _valid_texts(items: Sequence[Any]) -> list[str | None]:
    """Values as text that UTF-8 can hold."""
    return [None if v is None else str(v).encode("utf-8", "replace").decode() for v in items]


# values of many types


def is_image(value: Any) -> bool:
    """Whether a value is one of Pillow's images."""
    return type(value).__module__.startswith("PIL.") and hasattr(value, "tobytes")


def array_of_values(values: Any) -> np.ndarray:
    """A tensor, a Series, a sparse matrix or a sequence as an array; images and values of unlike length as objects.

    Raises:
        PellucidError: for a sparse matrix that is too large to be written out.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        return values.float().numpy() if str(values.dtype) == "torch.bfloat16" else values.numpy()
    if hasattr(values, "toarray"):
        if np.prod(values.shape) > MOST_DENSE_VALUES:
            raise PellucidError(f"a sparse matrix of {values.shape} is too large", where=NAME, fix="leave columns out")
        return values.toarray()
    if isinstance(values, np.ma.MaskedArray):
        gone: Any = np.nan if values.dtype.kind in "iufb" else None
        return np.where(np.ma.getmaskarray(values), gone, values.data)
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "to_numpy"):
        return values.to_numpy()
    if is_image(values) or not hasattr(values, "__len__"):
        return np.asarray(values)
    items = [array_of_values(value) if hasattr(value, "detach") else value for value in values]
    types = {type(item) for item in items}
    # NumPy would make texts of the numbers.
    if any(map(is_image, items)) or (str in types and len(types) > 1):
        return object_array(items)
    try:
        return np.asarray(items)
    # Values of unlike lengths.
    except ValueError:
        return object_array(items)


def object_array(items: Sequence[Any]) -> np.ndarray:  # -> (n,)
    """Items as they are."""
    found = np.empty(len(items), object)
    for i, item in enumerate(items):
        found[i] = item
    return found


def _check_image_shape(array: np.ndarray, name: str) -> str:
    """What the axes of images are taken for. Raises PellucidError for shapes that are no images."""
    if array.dtype.kind in "biuf" and array.ndim == 3:
        return f"{array.shape} is read as grey images of {array.shape[2]} × {array.shape[1]} pixels"
    if array.dtype.kind in "biuf" and array.ndim == 4 and array.shape[3] <= 4:
        return f"{array.shape} is read as images of {array.shape[2]} × {array.shape[1]} pixels, channels last"
    if array.dtype.kind in "biuf" and array.ndim == 4 and array.shape[1] <= 4:
        return f"{array.shape} is read as images of {array.shape[3]} × {array.shape[2]} pixels, channels first"
    raise PellucidError(
        f"the shape {array.shape} of type {array.dtype} is neither a table nor images",
        where=f"column '{name}'",
        fix="pass numbers as (n, F), (n, H, W), (n, H, W, C) or (n, C, H, W) with 1 to 4 channels",
    )


def _from_pandas(name: str, column: Any) -> pl.Series:
    """A pandas column of one of pandas' own types; its missing values are missing here."""
    kind = str(column.dtype)
    gone = np.asarray(column.isna())
    if kind.startswith("datetime64["):
        moments = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        try:
            return pl.Series(name, moments).dt.replace_time_zone("UTC").dt.convert_time_zone(str(column.dt.tz))
        # Polars knows places, and no mere offsets.
        except pl.exceptions.PolarsError:
            items = [None if no else v.isoformat() for no, v in zip(gone, column.tolist(), strict=True)]
            return pl.Series(name, items, pl.String)
    items = [None if no else v for no, v in zip(gone, column.astype(object).tolist(), strict=True)]
    # A type of pandas, not a kind.
    categorical = kind == "category"
    if categorical or not all(v is None or isinstance(v, (str, bool, int, float)) for v in items):
        items = [None if v is None else str(v) for v in items]
    return pl.Series(name, items, pl.Categorical() if categorical else None, strict=False)


def _python_value(value: Any) -> Any:
    """A value of Python's; None where there is none."""
    if hasattr(value, "detach") and value.ndim == 0:
        value = array_of_values(value)
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if value is None or (isinstance(value, float) and value != value) or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, Decimal):
        return None if value.is_nan() else float(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _list_series(name: str, column: Any) -> pl.Series | None:
    """A column whose values are lists, tuples, sets or arrays of words or whole numbers; None for any other."""
    if not isinstance(column, list | tuple) and not isinstance(getattr(column, "dtype", None), np.dtypes.ObjectDType):
        return None
    many = (list, tuple, set, frozenset, np.ndarray)
    items = [None if item is None or (isinstance(item, float) and item != item) else item for item in column]
    present = [item for item in items if item is not None]
    if not present or not all(isinstance(item, many) for item in present):
        return None
    if not all(isinstance(part, str | int | np.integer) for item in present for part in item):
        return None
    texts = [None if item is None else [str(part) for part in item] for item in items]
    # The order of words in a set changes from process to process, and with it the digest of the data.
    sets = any(isinstance(item, set | frozenset) for item in present)
    return pl.Series(name, [t and sorted(t) for t in texts] if sets else texts, pl.List(pl.String))


# images


def _stack_alike(items: np.ndarray) -> np.ndarray:  # (n,) objects -> (n, ...) where all are arrays of one shape
    """Arrays of one shape as one array; of several, and images, as contents of image files; the rest as it is."""
    if any(map(is_image, items)):
        return object_array([_pack_image(item) for item in items])
    arrays = [array_of_values(v) if hasattr(v, "shape") and len(v.shape) else v for v in items]
    shapes = {v.shape if isinstance(v, np.ndarray) else None for v in arrays}
    if len(shapes) == 1 and None not in shapes:
        return np.stack(arrays)
    if any(isinstance(v, np.ndarray) and v.ndim in (2, 3) and v.dtype.kind in "biuf" for v in arrays):
        whole = [v for v in arrays if isinstance(v, np.ndarray)]
        # Asked of all images at once: asked one by one, a dark image of 0 to 255 would come out bright.
        white = 1.0 if all(v.max(initial=0) <= 1 for v in whole) else 255.0
        return object_array([_pack_image(_draw_image(v, white)) for v in arrays])
    return items


def _draw_image(pixels: Any, white: float) -> Any:  # (H, W), (H, W, C) or (C, H, W)
    """An array as an image of Pillow's; None for what is none."""
    from PIL import Image

    if not isinstance(pixels, np.ndarray) or pixels.ndim not in (2, 3):
        return None
    if pixels.ndim == 3 and pixels.shape[2] > SIDE >= pixels.shape[0]:
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.dtype != np.uint8:
        pixels = (np.clip(np.nan_to_num(pixels.astype(np.float32)) * (255 / white), 0, 255) + 0.5).astype(np.uint8)
    try:
        return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels))
    # Five channels, say.
    except (TypeError, ValueError):
        return None


def _pack_image(image: Any) -> bytes | None:
    """An image as the content of a file, without loss; None for one that can't be read."""
    from PIL import ImageOps

    if not is_image(image):
        return None
    out = BytesIO()
    try:
        upright = ImageOps.exif_transpose(image)
        # A palette's transparent colour, say, has no place in TIFF; nor have modes that are for computing alone.
        if upright.mode in ("PA", "La", "RGBa") or "transparency" in upright.info:
            upright = upright.convert("RGBA")
        elif upright.mode in ("HSV", "RGBX"):
            upright = upright.convert("RGB")
        # TIFF holds every mode without loss; PNG knows neither CMYK nor floats.
        upright.save(out, "TIFF")
    # What Pillow has not read yet may be damaged in any way.
    except Exception:
        return None
    return out.getvalue()
