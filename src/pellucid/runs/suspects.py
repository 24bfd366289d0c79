"""The examples of a run whose label its network doubts, from their file."""

from __future__ import annotations

from typing import Any

from ..storage import Files
from ..storage.names import SUSPECTS
from .record import damage_as_error


def read_suspects(folder: Files) -> list[dict[str, Any]]:
    """The rows of ``suspects.parquet``; none where there is no such file. Raises PellucidError when it is damaged."""
    import polars as pl

    if not folder.exists(SUSPECTS):
        return []
    with damage_as_error(folder.path / SUSPECTS):
        table = pl.read_parquet(folder.read(SUSPECTS))
        # Files once had how far off a number is under confidence.
        if "times_off" not in table.columns:
            other = pl.lit(None, pl.Float64)
            number = table["given"].dtype.is_float()
            table = table.with_columns(
                confidence=other if number else pl.col("confidence"),
                times_off=pl.col("confidence") if number else other,
            )
        return table.to_dicts()
