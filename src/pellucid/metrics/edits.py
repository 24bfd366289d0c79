"""Edits between two sequences: how many words or letters to change, leave out and put in, and which.

m items in what was right, n in what was said.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

# Of a table of costs that is kept to find the way back through it; a larger one is cut in two.
MOST_CELLS = 1 << 22


class Edit(NamedTuple):
    """One step of an alignment: what was right and what was said for it; None where there is nothing.

    Without ``true`` it was put in, without ``said`` left out; where both are there and differ it was changed.
    """

    true: Hashable | None
    said: Hashable | None


def edit_distance(true: Sequence[Hashable], said: Sequence[Hashable]) -> int:  # m, n items
    """The fewest items to change, leave out and put in that make one sequence the other (Levenshtein, 1966).

    Works on words, letters (of a string) or anything that can be looked up. Takes n steps on whole numbers of m bits
    (Myers, 1999, as Hyyrö, 2003, has it): 10,000 letters against 10,000 take about 0.1 s.

    >>> edit_distance("the cat sat".split(), "a cat sat down".split()), edit_distance("kitten", "sitting")
    (2, 3)
    """
    if not len(true):
        return len(said)
    places: dict[Hashable, int] = {}
    for i, item in enumerate(true):
        places[item] = places.get(item, 0) | 1 << i
    every, last = (1 << len(true)) - 1, 1 << (len(true) - 1)
    # Of the table of distances of all beginnings, one column: where it rises or falls by 1 from item to item, as bits.
    up, down, found = every, 0, len(true)
    for item in said:
        equal = places.get(item, 0)
        # One addition carries along whole runs of items.
        level = (((equal & up) + up) ^ up) | equal | down
        rises, falls = down | (every & ~(level | up)), up & level
        found += (rises & last > 0) - (falls & last > 0)
        rises, falls = (rises << 1 | 1) & every, falls << 1 & every
        up, down = falls | (every & ~(level | rises)), rises & level
    return found


def align_edits(true: Sequence[Hashable], said: Sequence[Hashable]) -> list[Edit]:  # m, n items
    """The shortest way from one sequence to the other, item by item, those that agree among them.

    Of several shortest ways one that keeps the most items as they are, so that a word left out and another put in
    further on are no chain of changes; of these always the same one. Tables of more than ``MOST_CELLS`` are cut in two
    (Hirschberg, 1975), so that memory does not grow with m n.

    >>> [tuple(edit) for edit in align_edits(["the", "cat"], ["cat", "sat"])]
    [('the', None), ('cat', 'cat'), (None, 'sat')]
    """
    codes: dict[Hashable, int] = {}
    one, other = (np.array([codes.setdefault(item, len(codes)) for item in items], np.int64) for items in (true, said))
    return [Edit(None if i < 0 else true[i], None if j < 0 else said[j]) for i, j in _align(one, other, len(one), 0, 0)]


def count_error_pairs(pairs: Iterable[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """How often each error of words comes in texts: (true word, said word), with "" for what is not there.

    Args:
        pairs: of texts, what was right and what was said; words are what stands between white space.

    >>> count_error_pairs([("the cat sat", "the hat sat"), ("a cat", "a hat too")]).most_common()
    [(('cat', 'hat'), 2), (('', 'too'), 1)]
    """
    found: Counter[tuple[str, str]] = Counter()
    for true, said in pairs:
        steps = align_edits(true.split(), said.split())
        found.update((str(edit.true or ""), str(edit.said or "")) for edit in steps if edit.true != edit.said)
    return found


def _align(
    true: np.ndarray, said: np.ndarray, most: int, at: int, of: int
) -> list[tuple[int, int]]:  # (m,), (n,) codes -> places in both, -1 for none
    """Pairs of places; ``most`` items may be changed in all, ``at`` and ``of`` stand before the first places."""
    if (len(true) + 1) * (len(said) + 1) <= MOST_CELLS or len(true) < 2:
        return [(i + at if i >= 0 else -1, j + of if j >= 0 else -1) for i, j in _walk_back(true, said, most)]
    half = len(true) // 2
    first, second = _last_costs(true[:half], said, most), _last_costs(true[half:][::-1], said[::-1], most)
    cut = int(np.argmin(first + second[::-1]))
    return _align(true[:half], said[:cut], most, at, of) + _align(true[half:], said[cut:], most, at + half, of + cut)


def _cost_rows(true: np.ndarray, said: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """The costs of all beginnings, a row an item of what was right: (n + 1,) each, less what putting all in costs."""
    # An edit costs so much that a change, which costs 1 more, is never taken for a further edit.
    edit = most + 1
    row = np.zeros(len(said) + 1, np.int64)
    yield row
    for i, item in enumerate(true):
        new = np.empty_like(row)
        new[0] = (i + 1) * edit
        np.minimum(row[1:] + edit, row[:-1] + np.where(said == item, -edit, 1), out=new[1:])
        # Less what putting in costs, so that the best of all places before is a running minimum.
        row = np.minimum.accumulate(new)
        yield row


def _last_costs(true: np.ndarray, said: np.ndarray, most: int) -> np.ndarray:  # (n + 1,)
    """What all of ``true`` costs beside each beginning of ``said``."""
    (row,) = deque(_cost_rows(true, said, most), maxlen=1)
    return np.asarray(row + (most + 1) * np.arange(len(said) + 1))


def _walk_back(true: np.ndarray, said: np.ndarray, most: int) -> list[tuple[int, int]]:
    """The cheapest way through the table of costs."""
    edit, table = most + 1, [row.tolist() for row in _cost_rows(true, said, most)]
    i, j, way = len(true), len(said), []
    while i or j:
        # What is put in or left out is taken late, so that of two words for one the first is the changed one.
        if j and table[i][j] == table[i][j - 1]:
            j -= 1
            way.append((-1, j))
        elif i and table[i][j] == table[i - 1][j] + edit:
            i -= 1
            way.append((i, -1))
        else:
            i, j = i - 1, j - 1
            way.append((i, j))
    return way[::-1]
