"""What a run keeps of its training seen from inside: a row a look, in lines and at the end in a table."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import polars as pl

from ..errors import PellucidError
from ..storage import Files, damage_error, forms
from ..storage.forms import FormError
from ..storage.names import HEALTH_LINES, HEALTH_TABLE
from ..training.watch import Row

NUMBER = pl.Float64()

# Of one tensor, or several together, in one look.
LOOK = pl.Struct({"name": pl.String(), "gradient": NUMBER, "weight": NUMBER, "update": NUMBER, "nonfinite": NUMBER})

SCHEMA = pl.Schema(
    {
        "step": pl.Int64(),
        "loss": NUMBER,
        "gradient": NUMBER,
        "lr_factor": NUMBER,
        "clipped": NUMBER,
        "skipped": pl.Int64(),
        "tensors": pl.List(LOOK),
    }
)

MEASURED = forms.maybe(forms.number())

LINES = forms.list_of(
    forms.record(
        {
            "step": forms.whole(0, 10**12),
            **dict.fromkeys(("loss", "gradient", "lr_factor", "clipped"), MEASURED),
            "skipped": forms.whole(0, 10**12),
            "tensors": forms.map_of(
                forms.record(dict.fromkeys(("gradient", "weight", "update", "nonfinite"), MEASURED))
            ),
        }
    )
)


class HealthLines:
    """The rows of a training that goes on.

    They are gathered and written with each checkpoint, before it: a step whose rows are lost is made again.
    """

    def __init__(self, folder: Files, tell: Callable[[Row], None]):
        self.folder, self.tell = folder, tell
        self._waiting: list[Row] = []

    def add(self, row: Row) -> None:
        """Keep a row, and tell it."""
        self._waiting.append(row)
        self.tell(row)

    def write(self) -> None:
        """Write what has been gathered, durably."""
        if self._waiting:
            self.folder.append(HEALTH_LINES, self._waiting, sync=True)
            self._waiting = []

    def drop_from(self, step: int, say: Callable[[str], None]) -> None:
        """Forget the rows of ``step`` and of those after it, which come again or never."""
        try:
            LINES(self.folder.lines(HEALTH_LINES), "line")
            self.folder.truncate_lines(HEALTH_LINES, lambda row: row["step"] < step)
        # A training does not end for what was seen of it.
        except (PellucidError, FormError) as error:
            self.folder.remove(HEALTH_LINES)
            say(f"{HEALTH_LINES} is started again: {error.what if isinstance(error, PellucidError) else error}")


def write_health(folder: Files) -> None:
    """``health.parquet`` of a finished run, of the lines; none where nothing was looked at."""
    rows = [
        {**row, "tensors": [{"name": name, **one} for name, one in row["tensors"].items()]}
        for row in folder.lines(HEALTH_LINES)
    ]
    if not rows:
        folder.remove(HEALTH_TABLE)
        return
    buffer = io.BytesIO()
    pl.DataFrame(rows, SCHEMA, strict=False).write_parquet(buffer)
    folder.write(HEALTH_TABLE, buffer.getvalue())


def read_health(folder: Files) -> list[dict[str, Any]]:
    """The rows of ``health.parquet``, tensors by name; none where the run has none.

    Raises:
        PellucidError: when the file is damaged.
    """
    if not folder.exists(HEALTH_TABLE):
        return []
    path = folder.path / HEALTH_TABLE
    content = folder.read(HEALTH_TABLE)
    try:
        table = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise damage_error("it is damaged", path) from error
    if table.schema != SCHEMA or table["tensors"].null_count() or table["step"].null_count():
        raise damage_error("it is damaged: its columns are not those of such a table", path)
    return [{**row, "tensors": {one.pop("name"): one for one in row["tensors"]}} for row in table.to_dicts()]
