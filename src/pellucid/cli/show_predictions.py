"""How predictions are printed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from ..errors import visible_text
from ..fields.labels import join_labels
from .console import eighths_bar, grouped_number, plain_grid, print_block

# Predictions shown on a terminal; --out writes all of them.
MOST_ROWS = 50

# The key under which a prediction says any number of labels.
SEVERAL = "labels"


def show_predictions(rows: Sequence[Mapping[str, Any]], out: Console) -> None:
    """A table on a terminal; elsewhere every row, tab-separated, for other programs."""
    # For other programs: no borders, no colours, nothing left out.
    if not out.is_terminal:
        for row in rows:
            print(visible_text("\t".join(_prediction_cells(row))))
        return
    table = plain_grid()
    table.add_column(style="dim", overflow="ellipsis", no_wrap=True, max_width=44)
    for row in rows[:MOST_ROWS]:
        table.add_row(*_style_value(row))
    print_block(table, out)
    if len(rows) > MOST_ROWS:
        out.print(f"  … and {grouped_number(len(rows) - MOST_ROWS)} more: --out predictions.csv writes all of them")


def _prediction_cells(row: Mapping[str, Any]) -> list[str]:
    """What is printed of a prediction, input first."""
    first = " ".join(str(row.get("input", "")).split())
    if "error" in row:
        return [first, f"error: {row['error']}"]
    if "label" in row:
        return [first, str(row["label"]), f"{row['probability']:.4f}"]
    if SEVERAL in row:
        chances = [f"{row['probabilities'][label]:.4f}" for label in row[SEVERAL]]
        return [first, join_labels(row[SEVERAL]), "; ".join(chances)]
    if "value" in row:
        return [first, _row_number(row)]
    return [first, *(f"{name} {_row_number(one)}" for name, one in row.items() if isinstance(one, Mapping))]


def _row_number(row: Mapping[str, Any]) -> str:
    low, high = row.get("low"), row.get("high")
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    return f"{row['value']:.6g}" + (f" ({low:.6g} to {high:.6g})" if known else "")


def _style_value(row: Mapping[str, Any]) -> list[Text]:
    first, *rest = _prediction_cells(row)
    if "error" in row:
        return [Text(first), Text(str(row["error"]), style="red")]
    if SEVERAL in row:
        said = [f"{label} {row['probabilities'][label]:.0%}" for label in row[SEVERAL]]
        second = _other_chances(row["probabilities"], row[SEVERAL])
        return [Text(first), Text("   ".join(said) or "none", style="bold"), Text(second, style="dim")]
    if "label" not in row:
        return [Text(first), *(Text(cell, style="bold") for cell in rest)]
    share = float(row["probability"])
    second = _other_chances(row.get("probabilities", {}), [row["label"]])
    chance = Text(f"{share:6.1%} {eighths_bar(share, 10)}", style="cyan")
    return [Text(first), Text(rest[0], style="bold"), chance, Text(second, style="dim")]


def _other_chances(chances: Mapping[str, float], said: Sequence[str]) -> str:
    """The two likeliest of what is not said."""
    ranked = sorted(((name, p) for name, p in chances.items() if name not in said), key=lambda pair: -pair[1])
    return "   ".join(f"{name} {p:.1%}" for name, p in ranked[:2] if p >= 0.01)


def flatten_prediction(row: Mapping[str, Any]) -> dict[str, Any]:
    """A prediction as one row of a table: the probability of ``cat`` becomes the column ``p_cat``."""
    cells: dict[str, Any] = {}
    for name, value in row.items():
        inner = "p" if name == "probabilities" else name
        value = join_labels(value, "") if name == SEVERAL else value
        cells.update({f"{inner}_{key}": v for key, v in value.items()} if isinstance(value, Mapping) else {name: value})
    return cells
