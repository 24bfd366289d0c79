"""Parts that keep groups together. n rows, G groups, C classes."""

from __future__ import annotations

import numpy as np

from ...errors import PellucidError
from ...wording import count_noun, join_words
from ..batches.order import hash_counters
from .by_time import consecutive_parts
from .spec import PARTS, SplitSpec

# Partings of groups that are tried, and rows that are looked at over all of them, so that millions of rows take no
# longer than thousands.
MOST_DRAWS, MOST_ROW_VISITS = 64, 4_000_000

# A stream of random numbers of its own (see ``batches.order``).
_GROUP_SALT = 5


def by_group(
    group: np.ndarray, parting: SplitSpec, seed: int, classes: np.ndarray | None
) -> tuple[np.ndarray, str]:  # (n,), -1 for none -> (n,) part, how
    """The part of each row, every group in one set only, and how that came about, in words.

    Of some random partings, the one whose parts come nearest to their shares of every class.

    Args:
        group: (n,) the group of each row. parting: the shares. classes: (n,) the class of each row; None for none.

    Raises:
        PellucidError: when there are fewer groups than parts.
    """
    known = group >= 0
    names, index = np.unique(group[known], return_inverse=True)  # (G,), (n,)
    asked = sum(share > 0 for share in parting.shares)
    if len(names) < asked:
        raise PellucidError(
            f"'{parting.column}' has {count_noun(len(names), 'different value')}, and {asked} sets need one each",
            fix="use a column with more groups, or split by something else",
        )
    label = np.zeros(len(index), np.int64) if classes is None else np.unique(classes[known], return_inverse=True)[1]
    count = int(label.max(initial=0)) + 1
    # Not filled greedily by size: that puts every large group into train, and test would hold only people with few
    # rows.
    aim = np.outer(parting.shares, np.bincount(label, minlength=count))  # (3, C)
    size = np.bincount(index)  # (G,)
    best, found = np.inf, np.zeros(len(names), np.int64)
    for draw in range(int(np.clip(MOST_ROW_VISITS // max(len(index), 1), 2, MOST_DRAWS))):
        order = np.argsort(hash_counters(np.arange(len(names)), seed, draw, _GROUP_SALT), kind="stable")
        part = np.empty(len(names), np.int64)
        part[order] = consecutive_parts(size[order], parting.shares)
        have = np.bincount(part[index] * count + label, minlength=3 * count).reshape(3, count)
        if (off := float(abs(have - aim).sum())) < best:
            best, found = off, part
    own = np.full(len(group), -1, np.int64)
    own[known] = found[index]
    of = join_words(f"{int((found == i).sum()):,} in {name}" for i, name in enumerate(PARTS))
    return own, f"{parting.shares_text()}, every '{parting.column}' in one set only ({of}), seed {seed}"
