"""The text that is counted: pieces one after the other, over whose borders no sequence goes.

M places of the joined text, P pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class JoinedText:
    """Pieces of a text, one after the other.

    Attributes:
        tokens: (M,) int32. depth: (M,) int32, tokens of the same piece up to each place, that one with it.
        origin: (M,) int64, the place of each token among all; of the START before a document that of the token behind.
    """

    tokens: np.ndarray
    depth: np.ndarray
    origin: np.ndarray


def join_pieces(values: np.ndarray, low: np.ndarray, high: np.ndarray, first: np.ndarray) -> JoinedText:
    """The pieces ``values[low:high]``, each behind its token ``first``; -1 for none. (P,) each."""
    before = (first >= 0).astype(np.int64)
    lengths = high - low + before
    begin = np.cumsum(lengths) - lengths
    place = np.arange(int(lengths.sum())) - np.repeat(begin, lengths)
    origin = np.maximum(np.repeat(low - before, lengths) + place, np.repeat(low, lengths))
    # A document without a token may stand at the very end.
    tokens = values[np.minimum(origin, max(len(values) - 1, 0))].astype(np.int32)
    tokens[begin[before > 0]] = first[before > 0]
    return JoinedText(tokens, (place + 1).astype(np.int32), origin)
