"""Photos and recordings that are there twice. n of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...fields import Field, Note
from ...wording import count_noun
from .across_splits import COPIED, note_across_parts
from .base import SplitView

COPIES = "remove copies, unless they are separate examples"


def readable_rows(parts: SplitView, field: Field) -> np.ndarray:
    """The rows (sorted) whose file could be read."""
    return np.setdiff1d(np.arange(len(parts.data)), parts.data.stored_values(field.name).bad)


def note_copies(parts: SplitView, field: Field, are_equal: Callable[[int, int], bool]) -> Iterator[Note]:
    """That some files hold the same as another one; worst where one is in train and its copy in another part.

    Args:
        are_equal: whether two rows hold the same, for those that seem to.
    """
    noun = field.traits.file_noun
    good, column = readable_rows(parts, field), parts.data.column(field.name)
    _, firsts, inverse = np.unique(parts.content_hashes[field.name][good], return_index=True, return_inverse=True)
    # (n,), of each the first of its copies.
    firsts = firsts[inverse]
    copies = np.flatnonzero(firsts != np.arange(len(good)))
    # Equal hashes are looked at closely: what is said to be a copy is one.
    copies = np.array([i for i in copies if are_equal(int(good[i]), int(good[firsts[i]]))], np.int64)
    if len(copies):
        first, other = good[firsts[copies]], good[copies]
        example = f"such as {column.place(int(first[0]))}"
        text = f"{count_noun(len(copies), f'{noun} is a copy', f'{noun}s are copies')} of another one, {example}"
        yield Note("warning", text, column.place(int(other[0])), "all are kept", COPIES)
        yield from note_across_parts(parts, first, other, noun, COPIED)
