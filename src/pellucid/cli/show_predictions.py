"""How predictions are printed."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ..errors import visible_text
from ..fields.labels import join_labels
from ..runs.prediction_file import write_file
from ..runs.predictions import ERROR, FILE, INPUT, ROW, Predictions
from ..wording import count_noun, rounded_number
from .console import eighths_bar, grouped_number, make_console, plain_grid, print_block, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from ..runs.forecast_pieces import ForecastPieces
    from ..runs.prediction_pieces import PredictionPieces
    from ..runs.writing_pieces import WritingPieces

# Predictions shown on a terminal; --out writes all of them.
MOST_ROWS = 50

# The key under which a prediction says any number of labels.
SEVERAL = "labels"


def answer_pieces(
    pieces: PredictionPieces | ForecastPieces, table: Path | None, force: bool, as_json: bool, progress: AnswerProgress
) -> None:
    """Make all predictions, a piece at a time, and print them or write them where they were asked for.

    Args:
        table: the file they are written to; ``force``: one that is there gives way. as_json: print JSON lines.

    Raises:
        Interrupted: where it was stopped, and what was answered is in a file.
    """
    from ..runs.prediction_pieces import PredictionPieces

    answered, out = progress.each(pieces), make_console(sys.stdout)
    if as_json:
        # Lines on the same terminal say how far it is.
        if out.is_terminal:
            progress.stop()
        answered = printed_json(answered)
    if table is not None:
        write_file(answered, table, replace=force)
    elif as_json:
        deque(answered, maxlen=0)
    elif out.is_terminal:
        # Of the others nothing is seen.
        if isinstance(pieces, PredictionPieces):
            pieces.piece_rows = min(pieces.piece_rows, MOST_ROWS)
        first = next(answered)[:MOST_ROWS]
        progress.stop()
        show_predictions(first, out, len(pieces))
    else:
        for piece in answered:
            print_rows(piece)
            # Whoever reads them need not wait for more, and has them if this is stopped.
            sys.stdout.flush()


def stream_texts(pieces: WritingPieces, progress: AnswerProgress) -> None:
    """What is written after each text, as it is written, the text itself before it."""
    progress.stop()
    for place, prompt in enumerate(pieces.prompts):
        sys.stdout.write("\n\n" * bool(place) + visible_text(prompt))
        for piece in pieces.stream(place):
            sys.stdout.write(visible_text(piece))
            sys.stdout.flush()
        sys.stdout.write("\n")


def printed_json(pieces: Iterator[Predictions]) -> Iterator[Predictions]:
    """The pieces, each printed as JSON lines on its way."""
    for piece in pieces:
        for row in piece:
            print_json(row)
        yield piece


class AnswerProgress:
    """How far predictions are: nothing, where nobody looks."""

    def reading(self) -> None:
        """The data is being read."""

    def each(self, pieces: PredictionPieces | ForecastPieces) -> Iterator[Predictions]:
        """The pieces, with what was answered so far."""
        yield from pieces

    def stop(self) -> None:
        """Nothing more is shown."""


class AnswerBar(AnswerProgress):
    """The same as a bar on a terminal, which is gone when all is answered; small data is answered before it is seen."""

    def __init__(self, bar: Progress):
        self.bar = bar

    def reading(self) -> None:
        self.task = self.bar.add_task("reading", total=None)

    def each(self, pieces: PredictionPieces | ForecastPieces) -> Iterator[Predictions]:
        self.bar.update(self.task, description=f"predicting {count_noun(len(pieces), 'row')}", total=len(pieces))
        pieces.advance = lambda rows: self.bar.advance(self.task, rows)
        yield from pieces

    def stop(self) -> None:
        self.bar.stop()


@contextmanager
def choose_progress() -> Iterator[AnswerProgress]:
    """A bar on standard error where that is a terminal; nothing elsewhere."""
    err = make_console(sys.stderr)
    if not err.is_terminal or err.is_dumb_terminal:
        yield AnswerProgress()
        return
    columns = (TextColumn("  {task.description}"), BarColumn(), TimeRemainingColumn(compact=True))
    # Left to itself it would take standard output for its own and print it on standard error.
    with Progress(*columns, console=err, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        yield AnswerBar(bar)


def print_rows(rows: Iterable[Mapping[str, Any]]) -> None:
    """Every row tab-separated, for other programs: no borders, no colours, nothing left out."""
    for row in rows:
        print("\t".join([*_first_cells(row), *_answer_cells(row)]))


def one_line(text: str) -> str:
    """A text that neither ends a line nor a cell nor steers a terminal: what would is written as escapes."""
    return visible_text(text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t"))


def show_predictions(rows: Sequence[Mapping[str, Any]], out: Console, total: int | None = None) -> None:
    """A table on a terminal, of the first rows; ``total``: how many there are in all."""
    table = plain_grid()
    table.add_column(style="dim", overflow="ellipsis", no_wrap=True, max_width=44)
    shown = rows[:MOST_ROWS]
    for row in shown:
        table.add_row(*_style_row(row))
    print_block(table, out)
    if (more := (total or len(rows)) - len(shown)) > 0:
        out.print(f"  … and {grouped_number(more)} more: --out predictions.csv writes all of them")


def _first_cells(row: Mapping[str, Any]) -> list[str]:
    """What tells the example: its name, and the columns of the data that go along."""
    names = list(row)
    along = names[names.index(ROW) + 1 : names.index(INPUT)] if ROW in row else []
    return [one_line(str(row.get(INPUT, ""))), *(_kept_text(row[name]) for name in along if name != FILE)]


def _kept_text(value: Any) -> str:
    if isinstance(value, list):
        value = join_labels([str(one) for one in value], "")
    return "" if value is None else one_line(str(value))


def _answer_cells(row: Mapping[str, Any]) -> list[str]:
    """What is printed of the prediction itself."""
    if ERROR in row:
        return [one_line(f"error: {row[ERROR]}")]
    if "label" in row:
        return [one_line(str(row["label"])), f"{row['probability']:.4f}"]
    if SEVERAL in row:
        probabilities = [f"{row['probabilities'][label]:.4f}" for label in row[SEVERAL]]
        return [one_line(join_labels(row[SEVERAL])), "; ".join(probabilities)]
    if isinstance(row.get("value"), str):
        others = [one["value"] for one in row.get("others", ())]
        pairs = " ".join(f"{one}←{other}" for one, other in row.get("alignment", ()))
        return [one_line(text) for text in (row["value"], *others, *([pairs] if pairs else []))]
    if "value" in row:
        return [_row_number(row)]
    return [one_line(f"{name} {_row_number(one)}") for name, one in row.items() if isinstance(one, Mapping)]


def _row_number(row: Mapping[str, Any]) -> str:
    low, high = row.get("low"), row.get("high")
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    # Without marks between digits: programs read these lines too.
    value, *ends = (rounded_number(one, 6, mark="") for one in (row["value"], *((low, high) if known else ())))
    return value + (f" ({' to '.join(ends)})" if ends else "")


def _style_row(row: Mapping[str, Any]) -> list[Text]:
    return [*map(Text, _first_cells(row)), *_style_answer(row)]


def _style_answer(row: Mapping[str, Any]) -> list[Text]:
    if ERROR in row:
        return [Text(one_line(str(row[ERROR])), style="red")]
    if SEVERAL in row:
        said = [one_line(f"{label} {row['probabilities'][label]:.0%}") for label in row[SEVERAL]]
        second = _other_chances(row["probabilities"], row[SEVERAL])
        return [Text("   ".join(said) or "none", style="bold"), Text(second, style="dim")]
    answer = _answer_cells(row)
    if "label" not in row:
        cut = [f"cut off at {count_noun(row['cut_off'], 'token')}"] if row.get("cut_off") else []
        return [*(Text(cell, style="bold") for cell in answer), *(Text(said, style="dim") for said in cut)]
    share = float(row["probability"])
    second = _other_chances(row.get("probabilities", {}), [row["label"]])
    chance = Text(f"{share:6.1%} {eighths_bar(share, 10)}", style="cyan")
    return [Text(answer[0], style="bold"), chance, Text(second, style="dim")]


def _other_chances(probabilities: Mapping[str, float], said: Sequence[str]) -> str:
    """The two likeliest of what is not said."""
    ranked = sorted(((name, p) for name, p in probabilities.items() if name not in said), key=lambda pair: -pair[1])
    return "   ".join(one_line(f"{name} {p:.1%}") for name, p in ranked[:2] if p >= 0.01)
