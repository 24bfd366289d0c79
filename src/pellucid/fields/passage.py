"""Passages: stretches of documents, row after row, of which what comes next is learned.

n passages, L bytes and C characters of all of them together, T tokens of one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from ..storage import forms
from ..wording import count_noun, join_words
from .base import Guess, Kind, register
from .column import Column
from .encoded import Into, Ragged, Stored, allocate_in_memory
from .notes import Report
from .text import (
    MOST_TOKENIZER_CHARS,
    RESERVED,
    decode_tokens,
    fit_tokenizer,
    join_tokens,
    load_tokenizer,
    store_utf8,
    text_at,
    tokenize_texts,
    tokenizer_form,
)

CHARACTERS, BYTES, BPE = "characters", "bytes", "bpe"

# What a token may be.
LEVELS = (CHARACTERS, BYTES, BPE)

# Characters of a passage unless set otherwise; passages read by BPE have so many more, as one of its tokens has about
# four of them.
CONTEXT, BPE_CHARACTERS = 256, 4

# A stranger's file may ask for any number.
MOST_CONTEXT = 1_000_000

# Different characters that have a token of their own; of more, the commonest.
MOST_KNOWN = 1 << 16

# Numbers that Unicode has for characters.
CODE_POINTS = 0x110000

# Stands for a character that training has not seen.
UNKNOWN = 0xFFFD

# Passages worked on at a time: as code points they take four times their bytes and more.
PASSAGES_AT_ONCE = 1 << 14

# Of the training passages, that fit into a window of tokens whole.
WHOLE_SHARE = 0.99


@register
class Passage(Kind):
    """UTF-8 bytes; encoded to tokens that are characters, bytes or pieces of a byte-level BPE (``LEVELS``).

    Tokens begin behind the reserved ones of texts (``fields.text``): 0 is padding, 1 the start of a document and 2 its
    end; none of the three stands in what is encoded. Nothing is normalised, so what is decoded is the text itself, but
    for characters that training has not seen.

    Settings: ``level`` (one of ``LEVELS``), ``context`` (tokens of a passage).
    """

    name = "passage"
    types = (("bytes", "u1"), ("ends", "i8"))
    flat = "bytes"
    axes = 1
    family = "language"
    written = True
    dear = True
    predictable = True
    smaller = "read fewer or shorter texts"
    try_it = '--text "Once upon a time"'
    try_in_python = 'texts=["Once upon a time"]'

    def settings(self) -> forms.Form:
        known = {"level": forms.one_of(*LEVELS), "context": forms.whole(1, MOST_CONTEXT)}
        return forms.record(known, forms.anything)

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        level = settings.get("level", CHARACTERS)
        own = {"role": forms.one_of(role), "level": forms.one_of(level), "context": forms.whole(1, MOST_CONTEXT)}
        own["size"] = forms.whole(RESERVED, forms.MOST_ENTRIES)
        if level == BPE:
            own["tokenizer"] = forms.text(MOST_TOKENIZER_CHARS)
            return forms.all_of(forms.record(own), tokenizer_form)
        if level == BYTES:
            return forms.record(own | {"size": forms.one_of(RESERVED + 256)})
        own["vocabulary"] = forms.text(MOST_KNOWN)
        return forms.all_of(forms.record(own), check_vocabulary)

    def recognise(self, column: Column) -> Guess | None:
        """Never by itself: whether rows are the text of documents is seen in the whole source."""
        return None

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"bytes": (L,) uint8, "ends": (n,) int64}``."""
        text = column.as_type(pl.String).fill_null("")
        return Stored(store_utf8(text, into), {}, len(text))

    def check_stored(self, stored: Stored, state: Mapping[str, Any]) -> None:
        super().check_stored(stored, state)
        try:
            for row in range(stored.n):
                text_at(stored, row)
        except UnicodeDecodeError:
            raise forms.FormError("a passage is not UTF-8") from None

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """What the tokens are, from the training rows alone, and how many of them a window has.

        A window has the tokens of a passage that was asked for, and more where passages of so many characters have
        more: 99% of the training passages fit into one. For characters both are the same.
        """
        level, context = settings.get("level", CHARACTERS), int(settings.get("context", CONTEXT))
        state: dict[str, Any] = {"role": role, "level": level}
        if level == CHARACTERS:
            known = _common_characters(stored, rows)
            return state | {"vocabulary": known, "size": RESERVED + len(known) + 1, "context": context}
        if level == BYTES:
            lengths = np.diff(stored.arrays["ends"], prepend=0)[rows]
            return state | {"size": RESERVED + 256, "context": _window_size(lengths, context)}
        tokenizer, lengths = fit_tokenizer(stored, rows, {})
        state |= {"tokenizer": tokenizer.to_str(), "size": tokenizer.get_vocab_size() + RESERVED}
        return state | {"context": _window_size(lengths, context)}

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> Ragged:
        """int32 tokens of each passage, neither start nor end among them."""
        if state["level"] == BYTES:
            raw = np.asarray(stored.arrays["bytes"])
            return Ragged(raw.astype(np.int32) + np.int32(RESERVED), np.asarray(stored.arrays["ends"]))
        if state["level"] == CHARACTERS:
            return _encode_characters(stored, state["vocabulary"])
        texts = (text_at(stored, row) for row in range(stored.n))
        return join_tokens(tokenize_texts(load_tokenizer(state["tokenizer"]), texts))

    def decode(self, encoded: np.ndarray | Ragged, state: Mapping[str, Any]) -> list[str]:
        """Texts of (n, T) padded tokens or of a Ragged; characters that training has not seen are U+FFFD."""
        if state["level"] == BPE:
            return decode_tokens(load_tokenizer(state["tokenizer"]), encoded)
        rows = [np.asarray(encoded[row]) for row in range(len(encoded))]
        tokens = [row[row >= RESERVED] - RESERVED for row in rows]
        if state["level"] == BYTES:
            return [own.astype(np.uint8).tobytes().decode("utf-8", "replace") for own in tokens]
        known = np.append(_code_points(state["vocabulary"]), np.uint32(UNKNOWN))
        return [known[own].tobytes().decode("utf-32-le") for own in tokens]

    def sizes(self, encoded: Ragged, stored: Stored) -> np.ndarray:  # (n, 2) float64
        """The tokens and the bytes of each passage: what losses are divided by."""
        lengths = np.diff(np.asarray(stored.arrays["ends"]), prepend=0)
        return np.stack([encoded.lengths, lengths], 1).astype(np.float64)

    def describe_new_values(self, stored: Stored, state: Mapping[str, Any]) -> str:
        """Which characters training has not seen, the commonest first, and how often they are met."""
        if state["level"] != CHARACTERS:
            return ""
        counts = _count_code_points(stored, np.arange(stored.n))
        counts[_code_points(state["vocabulary"])] = 0
        new = np.flatnonzero(counts)
        if not len(new):
            return ""
        order = new[np.argsort(-counts[new], kind="stable")]
        many, times = len(new), int(counts.sum())
        what = "a character that was" if many == 1 else f"{many:,} characters that were"
        shown = join_words((repr(chr(code)) for code in order.tolist()), 3)
        return f"holds {what} not in training, {count_noun(times, 'time')} in all: {shown}"

    def show(self, stored: Stored, row: int) -> str:
        return text_at(stored, row)

    def describe_goal(self, columns: int, classes: int) -> str:
        return "what comes next"


def unknown_tokens(state: Mapping[str, Any]) -> list[int]:
    """The token of a character that training has not seen, which is no sign that could be written; none of bytes."""
    return [int(state["size"]) - 1] if state["level"] == CHARACTERS else []


def check_vocabulary(value: Any, where: str) -> None:
    """The form of a state whose tokens are characters: each once, in their order, and as many as it says."""
    codes = [ord(one) for one in value["vocabulary"]]
    if any(not low < high for low, high in zip([-1, *codes], codes, strict=False)):
        raise forms.FormError(f"{where}.vocabulary has not each of its characters once, in their order")
    # Half of a pair, which no text can hold.
    if any(0xD800 <= code <= 0xDFFF for code in codes):
        raise forms.FormError(f"{where}.vocabulary holds what is no character")
    if RESERVED + len(codes) + 1 != value["size"]:
        raise forms.FormError(f"{where}.size is {value['size']}, but there are {len(codes):,} characters")


def count_characters(stored: Stored) -> np.ndarray:  # (n,)
    """How many characters each passage has."""
    found = np.zeros(stored.n, np.int64)
    for first, last, raw in _stretches(stored, np.arange(stored.n)):
        # All bytes of a character but its first begin with the bits 10.
        before = np.concatenate([[0], np.cumsum((raw & 0xC0) != 0x80)])
        ends = np.asarray(stored.arrays["ends"][first:last])
        start = ends[-1] - len(raw)
        found[first:last] = np.diff(before[ends - start], prepend=0)
    return found


def _window_size(lengths: np.ndarray, context: int) -> int:  # (n,)
    """Tokens of a window, into which nearly all passages of these lengths fit."""
    return min(max(context, math.ceil(np.quantile(lengths, WHOLE_SHARE))) if len(lengths) else context, MOST_CONTEXT)


def _code_points(text: str) -> np.ndarray:  # (C,) uint32
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def _stretches(stored: Stored, rows: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Rows (sorted) that follow one another: the first, the one behind the last, and their bytes."""
    if not len(rows):
        return
    ends = np.asarray(stored.arrays["ends"])
    starts = np.flatnonzero(np.diff(rows, prepend=rows[:1] - 2) != 1)
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
        for first in range(int(rows[start]), int(rows[stop - 1]) + 1, PASSAGES_AT_ONCE):
            last = min(first + PASSAGES_AT_ONCE, int(rows[stop - 1]) + 1)
            yield first, last, np.asarray(stored.arrays["bytes"][ends[first - 1] if first else 0 : ends[last - 1]])


def _count_code_points(stored: Stored, rows: np.ndarray) -> np.ndarray:  # (CODE_POINTS,)
    """How often each character is met in some passages."""
    counts = np.zeros(CODE_POINTS, np.int64)
    for _, _, raw in _stretches(stored, rows):
        own = np.bincount(_code_points(raw.tobytes().decode()))
        counts[: len(own)] += own
    return counts


def _common_characters(stored: Stored, rows: np.ndarray) -> str:
    """The characters of some passages in their order; of very many the commonest."""
    counts = _count_code_points(stored, np.sort(rows))
    known = np.flatnonzero(counts)
    if len(known) > MOST_KNOWN:
        known = np.sort(known[np.argsort(-counts[known], kind="stable")[:MOST_KNOWN]])
    return known.astype("<u4").tobytes().decode("utf-32-le")


def _encode_characters(stored: Stored, vocabulary: str) -> Ragged:
    """A token for each character, the last one for any that is not in the vocabulary."""
    known = _code_points(vocabulary)
    token = np.full(CODE_POINTS, RESERVED + len(known), np.int32)
    token[known] = RESERVED + np.arange(len(known), dtype=np.int32)
    ends = np.cumsum(count_characters(stored))
    values = np.zeros(int(ends[-1]) if len(ends) else 0, np.int32)
    start = 0
    for _, _, raw in _stretches(stored, np.arange(stored.n)):
        own = _code_points(raw.tobytes().decode())
        values[start : start + len(own)] = token[own]
        start += len(own)
    return Ragged(values, ends)
