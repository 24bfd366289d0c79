"""Passages of documents as a network reads and answers them. n passages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...fields import Field, Ragged
from ...fields.encoded import Passages
from ...fields.passage import Passage
from ...fields.text import START

if TYPE_CHECKING:
    from ..examples import Examples

PASSAGE = Passage()


def encode_passages(data: Examples, field: Field) -> Passages:
    """The tokens of every passage, and where its document begins."""
    encoded = data.encoded_values(field.name, field)
    assert isinstance(encoded, Ragged)
    assert field.state is not None
    sizes = PASSAGE.sizes(encoded, data.stored_values(field.name)).astype(np.float32)
    # Examples that were taken out of their documents, as those that a run keeps, stand each for itself, behind the
    # token that was before it.
    documents = np.arange(len(encoded)) if data.documents is None else data.documents
    low = document_starts(encoded.starts, documents)
    span, vocabulary = int(field.state["context"]), int(field.state["size"])
    return Passages(encoded.values, encoded.ends, low, sizes, span, vocabulary, data.tokens_before)


def tokens_before(passages: Passages) -> np.ndarray:  # -> (n,) int32
    """The token before each passage; START where it begins its document."""
    starts = passages.starts
    before = np.asarray(passages.values)[np.maximum(starts - 1, 0)] if len(passages.values) else starts
    return np.where(starts > passages.low, before, START).astype(np.int32)


def document_starts(starts: np.ndarray, documents: np.ndarray) -> np.ndarray:  # (n,), (n,) -> (n,)
    """Where the document of each passage begins, of where passages begin and which document each is of."""
    first = np.flatnonzero(np.diff(documents, prepend=-1) != 0)
    return np.repeat(starts[first], np.diff(first, append=len(documents))).astype(np.int64)
