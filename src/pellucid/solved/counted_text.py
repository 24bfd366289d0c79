"""The text that is counted: the training rows joined to what they were, and what of it each fold of rows leaves out.

n rows of the data, m of them counted, M places of the joined text, K folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..fields.text import START
from ..ngrams.joined_text import JoinedText, join_pieces
from .base import Rows


@dataclass(frozen=True)
class TokenRows:
    """Documents cut into rows.

    Attributes:
        values: (total,) the tokens of all rows, one after the other. ends: (n,) where each row ends in them.
        low: (n,) int64, where the document of each row begins in them.
        reach: places of a window that a row is learned with: it begins less than so many before the row.
    """

    values: np.ndarray
    ends: np.ndarray
    low: np.ndarray
    reach: int

    @property
    def starts(self) -> np.ndarray:  # (n,)
        """Where each row begins."""
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    @property
    def lengths(self) -> np.ndarray:  # (n,)
        """How many tokens each row has."""
        return self.ends - self.starts

    @property
    def opens(self) -> np.ndarray:  # (n,) bool
        """Whether a row is the first of its document."""
        return self.starts == self.low


def token_rows(rows: Rows, key: str) -> TokenRows:
    """The tokens that a loader has for the input ``key``."""
    passages = rows.arrays[key]
    values, ends, low = (np.asarray(part.cpu()) for part in (passages.values, passages.ends, passages.low))
    return TokenRows(values, ends, low, int(passages.span))


def passage_tokens(value: Any) -> Any:  # Padded (B, T) -> (B, T)
    """The tokens before each place, of what a batch has for the input."""
    return value.values


def join_rows(text: TokenRows, rows: np.ndarray) -> JoinedText:  # (m,) rising
    """Rows that are neighbours as one piece; START before those that begin a document."""
    opens = text.opens[rows]
    apart = np.concatenate([[True], np.diff(rows) != 1])[: len(rows)] | opens
    heads = np.flatnonzero(apart)
    tails = np.concatenate([heads[1:], [len(rows)]])[: len(heads)] - 1
    first = np.where(opens[heads], START, -1)
    return join_pieces(text.values, text.starts[rows[heads]], text.ends[rows[tails]], first)


def join_windows(text: TokenRows, rows: np.ndarray) -> JoinedText:  # (m,)
    """Each row as a piece of its own, behind START or the token before it, as a batch has them outside of training."""
    low = text.starts[rows]
    first = np.where(text.opens[rows], START, text.values[np.maximum(low - 1, 0)])
    return join_pieces(text.values, low, text.ends[rows], first)


def first_rows(text: TokenRows, rows: np.ndarray, most: int) -> np.ndarray:  # (m,) -> (…,)
    """The first of some rows, with at most so many tokens together, but at least one row."""
    return rows[: max(int(np.searchsorted(np.cumsum(text.lengths[rows]), most, "right")), 1)]


def spread_rows(text: TokenRows, rows: np.ndarray, most: int) -> np.ndarray:  # (m,) -> (…,)
    """Some of the rows, spread evenly, with about so many tokens together, at most."""
    step = -(-int(text.lengths[rows].sum()) // most)
    return rows[:: max(step, 1)]


def part_rows(text: TokenRows, rows: np.ndarray, folds: int) -> np.ndarray:  # (m,) rising -> (m,) 0 to K - 1
    """The fold of each row: neighbours together, about as many tokens in each."""
    lengths = text.lengths[rows]
    middle = np.cumsum(lengths) - lengths / 2
    return np.minimum(middle * folds / max(lengths.sum(), 1), folds - 1).astype(np.int64)


def left_out_stretches(
    text: TokenRows, rows: np.ndarray, fold: np.ndarray, joined: JoinedText, folds: int
) -> np.ndarray:  # (m,), (m,) -> (K, 2)
    """From and to which place of the joined text each fold leaves it out: all that a window of its rows may hold.

    A window begins up to ``reach`` - 1 tokens before its row and holds ``reach`` tokens, within its document.
    """
    starts, own_low = text.starts[rows], text.low[rows]
    documents = np.unique(text.low)
    own_high = np.append(documents[1:], len(text.values))[np.searchsorted(documents, own_low)]
    low = np.maximum(starts - (text.reach - 1), own_low)
    high = np.minimum(np.maximum(text.ends[rows], starts + text.reach), own_high)
    found = np.zeros((folds, 2), np.int64)
    for k in range(folds):
        own = fold == k
        if own.any():
            found[k] = np.searchsorted(joined.origin, [low[own].min(), high[own].max()])
    return found
