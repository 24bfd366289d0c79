"""A text that is written: a translation, a transcript, any answer in words. n examples, T tokens of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ..storage import forms
from .base import Guess, Kind, register
from .column import Column, thin_series
from .encoded import Into, Ragged, Stored, allocate_in_memory
from .notes import Report
from .passage import BPE, CHARACTERS, LEVELS, Passage
from .text import END, MOST_TOKENS, RESERVED, Text, text_at

# Bytes of all texts from which on they are written in pieces of words.
PIECES_FROM = 400_000

# Different words up to which texts are all right or wrong, as numbers and dates in words are, and the texts for each.
FEW_WORDS, TEXTS_A_WORD = 300, 10

# Entries of a vocabulary that holds single bytes alone.
BYTES = 256 + RESERVED

# Texts, spread evenly, that words are counted in.
COUNTED_TEXTS = 20_000

WORD = r"\w+"

# Tokens of a text that is written, at most: so many times those of the longest of training, where the longest one of a
# thousand does not count, and never more than so many. Each answer that is kept has room for all of them.
LONGER_FACTOR, USUAL_SHARE, MOST_WRITTEN = 1.5, 0.999, 1 << 13

PASSAGE, TEXT = Passage(), Text()


@register
class Writing(Kind):
    """UTF-8 bytes; encoded to tokens as passages are (``fields.passage``), each text with the end behind it.

    A column of texts that is predicted is of this kind. Nothing is cut.

    Settings: ``level`` (one of ``passage.LEVELS``), ``exact`` (whether a text is right or wrong, rather than near).
    """

    name = "writing"
    types = (("bytes", "u1"), ("ends", "i8"))
    flat = "bytes"
    axes = 1
    family = "text"
    dear = True
    predictable = True
    prose = True
    # What is said stays the same, whoever says it, however fast and in whatever room; what is cut off, hidden or
    # drowned in noise is not heard (docs/LOG.md, 2026-11-28).
    stays_true_of = ("speed", "pitch", "colour")
    smaller = "read fewer or shorter texts"
    reads = "text"
    try_it = '--text "…"'
    try_in_python = 'texts=["…"]'

    def settings(self) -> forms.Form:
        return forms.record({"level": forms.one_of(*LEVELS), "exact": forms.flag}, forms.anything, ("level", "exact"))

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        own = PASSAGE.state(role, settings)

        def check(value: Any, where: str) -> None:
            forms.record({"longest": forms.whole(1, 1 << 20)}, forms.anything)(value, where)
            own({name: one for name, one in value.items() if name != "longest"}, where)

        return check

    def recognise(self, column: Column) -> Guess | None:
        """Never by itself: it is what a text becomes that is to be predicted."""
        return None

    def as_asked(self, column: Column) -> Guess:
        """Texts, written in characters, or in pieces of words where there are many; of few words none is half right."""
        text = column.as_type(pl.String).fill_null("")
        level, what = (
            (BPE, "pieces of words") if text.str.len_bytes().sum() >= PIECES_FROM else (CHARACTERS, CHARACTERS)
        )
        words = count_words(text)
        few = words <= FEW_WORDS and len(text) >= TEXTS_A_WORD * words
        of = f" of {words:,} different words" if few else ""
        settings = {"level": level, "exact": few or level == CHARACTERS}
        return Guess(1, f"{len(column):,} texts{of}, written in {what}", settings=settings)

    def reading_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Texts are read to their ends, which they show, and byte by byte where one wrong letter makes all wrong.

        A transformer that writes numbers in words is after 300 steps at a loss of .22 instead of .42 where it sees the
        ends of what it reads: the last digit is the one that others are counted from (docs/LOG.md, 2026-11-28).
        """
        return {"longest": MOST_TOKENS, "ended": True, **({"vocabulary": BYTES} if settings.get("exact") else {})}

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        return TEXT.store(column, settings, report, into=into)

    def missing(self, stored: Stored) -> np.ndarray:  # (n,) bool
        """An empty text is none: nothing is learned from it."""
        return np.diff(np.asarray(stored.arrays["ends"]), prepend=0) == 0

    def check_stored(self, stored: Stored, state: Mapping[str, Any]) -> None:
        super().check_stored(stored, state)
        TEXT.check_stored(stored, state)

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """What the tokens are, from the training texts alone, and how many a text that is written may have."""
        state = PASSAGE.fit(stored, rows, {"level": CHARACTERS, **settings}, role)
        some = rows[:: max(1, len(rows) // 20_000)]
        lengths = self.encode(TEXT.take(stored, some), state).lengths
        usual = int(np.quantile(lengths, USUAL_SHARE, method="higher")) if len(lengths) else 1
        return state | {"longest": min(int(LONGER_FACTOR * max(usual, 1)) + 8, MOST_WRITTEN)}

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> Ragged:
        """int32 tokens of each text, and 2 (the end) behind them."""
        own = PASSAGE.encode(stored, state)
        values = np.insert(np.asarray(own.values), own.ends, np.int32(END)).astype(np.int32)
        return Ragged(values, own.ends + np.arange(1, len(own) + 1))

    def decode(self, encoded: np.ndarray | Ragged, state: Mapping[str, Any]) -> list[str]:
        """Texts of (n, T) padded tokens or of a Ragged; start, end and padding are not shown."""
        return PASSAGE.decode(encoded, state)

    def describe_new_values(self, stored: Stored, state: Mapping[str, Any]) -> str:
        return PASSAGE.describe_new_values(stored, state)

    def show(self, stored: Stored, row: int) -> str:
        return text_at(stored, row)

    def describe_goal(self, columns: int, classes: int) -> str:
        return "a text"


def count_words(text: pl.Series) -> int:  # (n,)
    """How many different words there are in some texts, spread evenly."""
    some = thin_series(text, COUNTED_TEXTS)
    return int(some.str.extract_all(WORD).explode().drop_nulls().n_unique())
