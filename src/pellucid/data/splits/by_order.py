"""Parts of texts: whole documents where there are many, else of each the first, the next and the last part.

n passages, D documents.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...errors import PellucidError, UsageError
from ...fields import Column
from ...fields.passage import count_characters
from ...wording import count_noun, is_or_are, join_words
from ..source import Contents
from .by_group import by_group
from .by_time import consecutive_parts
from .spec import PARTS, SplitSpec, parse_split

if TYPE_CHECKING:
    from ..examples import Examples

# Documents from which on each is in one set, unless one of them holds more than this share of all passages: then no
# choice of whole ones comes near to the shares.
MANY_DOCUMENTS, LARGEST_SHARE = 10, 0.5

# Passages of a document that gives parts of its own; shorter ones beside it are learned from.
FEWEST_PASSAGES = 20

# What is asked for by a word where there is no column of that name.
RANDOM, ORDER = "random", "order"

FIX = "write 80,10,10, group:document or order:80,10,10"


def settle_parting(found: Contents, asked: SplitSpec, ignore: tuple[str, ...] = ()) -> SplitSpec:
    """How the passages of documents are parted; of all else as asked.

    Args:
        ignore: columns that are left out, such as the one that says the parts.

    Raises:
        UsageError: for what documents can't be parted by.
    """
    if not found.document:
        return asked
    word, _, rest = (asked.column or "").partition(":")
    if asked.by == "time":
        raise UsageError("passages of a text have no times to be split by", fix=FIX)
    if asked.by == "column" and asked.column not in found.columns and word.lower() in (RANDOM, ORDER):
        shares = replace(parse_split(rest) if rest else SplitSpec(), column=None, asked=True)
        if word.lower() == ORDER:
            return replace(shares, by=ORDER)
        counts = document_lengths(found.columns[found.document])
        if not _are_many(counts):
            raise UsageError(
                f"passages of {'one text' if len(counts) == 1 else f'{len(counts):,} texts'} are not drawn at random: "
                "each would lie between two that are learned from, and the score would be too good",
                fix=FIX,
            )
        return replace(shares, by="group", column=found.document)
    if asked.by != "chance" or ("split" in found.columns and "split" not in ignore):
        return asked
    if _are_many(document_lengths(found.columns[found.document])):
        return replace(asked, by="group", column=found.document)
    return replace(asked, by=ORDER)


def document_lengths(column: Column) -> np.ndarray:  # (n,) names -> (D,)
    """The passages of each document, by the column that names it."""
    series = column.series()
    assert series is not None
    return series.rle().struct.field("len").to_numpy()


def _are_many(counts: np.ndarray) -> bool:  # (D,)
    return len(counts) >= MANY_DOCUMENTS and int(counts.max()) <= LARGEST_SHARE * int(counts.sum())


def by_order(size: np.ndarray, document: np.ndarray, parting: SplitSpec) -> tuple[np.ndarray, str]:  # -> (n,), how
    """The part of each passage, train before validation before test, and how that came about, in words.

    Each document gives its own last part, so that the test is of all of them; short ones beside it are learned from.
    Where all are short, all of them in their order are one text.

    Args:
        size: (n,) characters of each passage. document: (n,) which one it is of; those of one follow one another.

    Raises:
        PellucidError: when there are fewer passages than parts.
    """
    asked = sum(share > 0 for share in parting.shares)
    if len(size) < asked:
        raise PellucidError(
            f"there {is_or_are(len(size))} {count_noun(len(size), 'passage')}, and {asked} sets need one each",
            fix="give longer texts, or shorter passages: --context 64",
        )
    part = np.zeros(len(size), np.int64)
    starts = np.flatnonzero(np.diff(document, prepend=document[:1] - 1))
    stretches = list(zip(starts.tolist(), [*starts[1:].tolist(), len(size)], strict=True))
    long = [(start, stop) for start, stop in stretches if stop - start >= FEWEST_PASSAGES]
    for start, stop in long or [(0, len(size))]:
        part[start:stop] = consecutive_parts(size[start:stop], parting.shares)
    order = ("the first", "the next", "the last")
    said = [
        f"{name} {place} {int(size[part == i].sum()):,}"
        for i, (name, place) in enumerate(zip(PARTS, order, strict=True))
        if (part == i).any()
    ]
    each = f"of each of {len(long):,} documents in order" if len(long) > 1 else "in order"
    rest = len(stretches) - len(long) if long else 0
    short = f"; {count_noun(rest, 'short document')} in train" if rest else ""
    return part, f"{each}: {join_words(said)} of {count_noun(int(size.sum()), 'character')}{short}"


def order_parts(data: Examples, rows: np.ndarray) -> tuple[np.ndarray, str]:  # (m,) -> (m,), how
    """``by_order`` for some rows of a data set."""
    size, document = _sizes(data, rows)
    return by_order(size, document, data.reading.parting)


def carve_documents(
    data: Examples, rows: np.ndarray, part: np.ndarray, seed: int
) -> tuple[np.ndarray, str]:  # (m,), (m,) -> (m,), how
    """Parts that are given, and one that is missing taken from train: whole documents, or the last part.

    Args:
        part: of each of ``rows``, index in ``PARTS``, -1 for none.
    """
    part, how = part.copy(), ""
    for i in (2, 1):
        share = data.reading.parting.shares[i]
        if (part == i).any() or share <= 0:
            continue
        train = np.flatnonzero(part == 0)
        size, document = _sizes(data, rows[train])
        parting = SplitSpec("group", "document", (1 - share, share, 0.0))
        many = _are_many(np.unique(document, return_counts=True)[1]) if len(train) else False
        own = (by_group(document, parting, seed, None) if many else by_order(size, document, parting))[0]
        part[train[own == 1]] = i
        how += f"; {PARTS[i]} is {share:.0%} of train, " + (
            f"whole documents, seed {seed}" if many else "its last part"
        )
    return part, how


def _sizes(data: Examples, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (m,) -> (m,), (m,)
    """The characters of some passages, and the document that each is of."""
    target = data.need_target()
    assert data.documents is not None
    return count_characters(data.stored_values(target.name))[rows], data.documents[rows]
