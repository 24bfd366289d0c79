"""Modified Kneser-Ney smoothing: counts of a text's token sequences, and how much of each count is set aside.

Kneser and Ney, "Improved backing-off for m-gram language modeling", 1995; Chen and Goodman, "An empirical study of
smoothing techniques for language modeling", 1999, with a discount for counts of 1, of 2 and of more, interpolated.
Sequences that begin a document count as often as they are there, as in KenLM (Heafield, 2011): nothing is before them.

M places, V tokens, n nodes of a level, K folds, e counts that are less without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..fields.text import START
from .joined_text import JoinedText
from .token_trie import GrownLevel, child_starts, grow_levels

# Of a node, for where its children begin.
START_BYTES = 4

# Counts from which on the discount is the same.
MOST_DISCOUNTS = 3


@dataclass(frozen=True)
class Counts:
    """How often each node of a level counts, and how much less without a fold.

    Attributes:
        every: (n,) int32. keys: (e,) int64, rising, (1 + fold) * n + node. less: (e,) int32, from 1 to all of it.
    """

    every: np.ndarray
    keys: np.ndarray
    less: np.ndarray

    @property
    def bytes(self) -> int:
        """What it takes when it is kept, its keys in 32 bits."""
        return 4 * len(self.every) + 8 * len(self.keys)


@dataclass(frozen=True)
class CountedLevel:
    """All sequences of some length.

    Attributes:
        keys: as of ``GrownLevel``; of the first level none: there each token is a node.
        last: counts for sequences behind which all that is known is looked at: how often they are there.
        lower: counts for the shorter ones that these fall back on: how many tokens they are found behind.
    """

    keys: np.ndarray
    last: Counts
    lower: Counts


def count_levels(
    text: JoinedText, stretches: np.ndarray, size: int, most: int, room: int
) -> Iterator[CountedLevel]:  # (K, 2)
    """The levels 1 to ``most`` of a text, one after the other.

    It ends early where no sequence is so long, and before all keys and counts together take more than ``room`` bytes.

    Args:
        stretches: from and to which place each fold leaves the text out. size: V.
    """
    tokens = text.tokens
    told = np.where(tokens == START, -1, tokens)
    every = np.bincount(told[told >= 0], minlength=size).astype(np.int32)
    last = Counts(every, *left_out_counts(told, 1, size, stretches))
    keys, begins, taken = np.zeros(0, np.int64), np.zeros(size, bool), 0
    for grown in grow_levels(tokens, text.depth, size, most, START):
        longer = Counts(grown.counts, *left_out_counts(grown.nodes, grown.length, len(grown.keys), stretches))
        found = CountedLevel(keys, last, continuation_counts(last, begins, grown, longer))
        taken += keys.nbytes + last.bytes + found.lower.bytes + START_BYTES * len(last.every)
        yield found
        keys, last, begins = grown.keys, longer, grown.begins
        if taken + keys.nbytes + last.bytes > room:
            return
    # Of the longest ones nothing longer is known: they are never the lower ones.
    yield CountedLevel(keys, last, last)


def left_out_counts(
    nodes: np.ndarray, length: int, count: int, stretches: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # (M,), (K, 2) -> (e,), (e,)
    """How often each of ``count`` nodes touches what each fold leaves out, as keys and counts."""
    keys, less = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for k, (low, high) in enumerate(stretches):
        # Sequences that end up to ``length`` - 1 places behind a stretch begin within it.
        own = nodes[low : high + length - 1 if high > low else low]
        often = np.bincount(own[own >= 0], minlength=count)
        some = np.flatnonzero(often)
        keys.append(some + (k + 1) * count)
        less.append(often[some].astype(np.int32))
    return np.concatenate(keys), np.concatenate(less)


def continuation_counts(own: Counts, begins: np.ndarray, grown: GrownLevel, longer: Counts) -> Counts:  # (n,)
    """How many different tokens each sequence is found behind; of those that begin a document how often they are there.

    Args:
        own: how often its sequences are there. grown, longer: the level of those that are longer by one.
    """
    count = len(own.every)
    every = np.bincount(grown.suffix, minlength=count).astype(np.int32)
    every[begins] = own.every[begins]
    # What a fold leaves out altogether is found behind one token less.
    fold, node = np.divmod(longer.keys, len(longer.every))
    gone = longer.less == longer.every[node]
    keys, less = np.unique(fold[gone] * count + grown.suffix[node[gone]], return_counts=True)
    at_start = begins[own.keys % count]
    keys, less = np.concatenate([keys, own.keys[at_start]]), np.concatenate([less, own.less[at_start]])
    order = np.argsort(keys, kind="stable")
    return Counts(every, keys[order], less[order].astype(np.int32))


def discounts_of(counts: Counts, folds: int) -> np.ndarray:  # -> (K + 1, 4) float32
    """What is set aside of counts of 0, 1, 2 and more: with everything counted, and without each fold."""
    fold, node = np.divmod(counts.keys, len(counts.every))
    full = counts.every[node]
    changed = count_histogram(full - counts.less, fold, folds + 1) - count_histogram(full, fold, folds + 1)
    return discounts_from(count_histogram(counts.every, np.int64(0), 1) + changed)


def count_histogram(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:  # (n,), (n,) -> (groups, 4)
    """How often each group has a count of 1, 2, 3, 4."""
    top = MOST_DISCOUNTS + 2
    flat = np.bincount(group * (top + 1) + np.minimum(values, top), minlength=groups * (top + 1))
    return flat.reshape(groups, top + 1)[:, 1:top]


def discounts_from(having: np.ndarray) -> np.ndarray:  # (K, 4) -> (K, 4) float32
    """What is set aside of counts of 0, 1, 2 and more, by how many sequences have a count of 1 to 4."""
    found = np.zeros(having.shape, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = having[:, 0] / (having[:, 0] + 2 * having[:, 1])
        for j in range(1, MOST_DISCOUNTS + 1):
            own = j - (j + 1) * share * having[:, j] / having[:, j - 1]
            # Where there are too few sequences to tell: as KenLM has it.
            found[:, j] = np.where((own > 0) & (own < j), own, j / 2)
    return found


def pack_level(levels: Sequence[CountedLevel], index: int, size: int, folds: int) -> dict[str, np.ndarray]:
    """The tensors of a ``NgramLevel``, of the level at ``index`` of a model: the last one has only its own counts."""
    level = levels[index]
    kinds = [level.last] if index == len(levels) - 1 else [level.lower, level.last]
    count = len(level.keys)
    keys = [one.keys + i * (folds + 1) * count for i, one in enumerate(kinds)]
    return {
        "keys": level.keys,
        "starts": child_starts(level.keys, len(levels[index - 1].last.every), size),
        "counts": np.stack([one.every for one in kinds]),
        "less_keys": np.concatenate(keys).astype(np.int32),
        "less": np.concatenate([one.less for one in kinds]),
        "discounts": np.concatenate([discounts_of(one, folds) for one in kinds]),
    }


def first_probabilities(counts: Counts, folds: int) -> np.ndarray:  # -> (K + 1, V) float32
    """How likely each token is whatever is before it: with everything counted, and without each fold."""
    size = len(counts.every)
    own = np.tile(counts.every, (folds + 1, 1))
    own.reshape(-1)[counts.keys] -= counts.less
    discount = np.take_along_axis(discounts_of(counts, folds), np.minimum(own, MOST_DISCOUNTS), 1).astype(float)
    total = own.sum(1, keepdims=True)
    probability = (own - discount + discount.sum(1, keepdims=True) / size) / np.maximum(total, 1)
    return np.where(total > 0, probability, 1 / size).astype(np.float32)


def order_losses(levels: Sequence[CountedLevel], text: JoinedText, size: int) -> list[float]:
    """The loss, in nats a token, of the models of order 1, 2 … on a text: but for the first token of each piece.

    Empty where the text has no other.
    """
    # Where less is known than an order looks at, the longest sequences are those of what is known.
    asked = np.flatnonzero(text.depth > 1)
    if not len(asked):
        return []
    # Of each place the node of the tokens before it, and the one with its own token; the number n for none.
    context, node = np.zeros(len(asked), np.int64), text.tokens.astype(np.int64)
    probability = answer = np.full(len(asked), 1 / size)
    losses, above = [], 1
    for length, level in enumerate(levels, 1):
        count = len(level.last.every)
        starts = np.array([0, size, size]) if length == 1 else child_starts(level.keys, above, size)
        if length > 1:
            behind = np.concatenate([[above], node[:-1]])
            behind[text.depth < length] = above
            context, node = behind[asked], find_nodes(level.keys, behind, text.tokens, size)
        ahead = node[asked]
        known = text.depth[asked] >= length
        answer = np.where(known, interpolate(level.last, starts, context, ahead, probability), answer)
        losses.append(float(-np.log(answer).mean()))
        probability = interpolate(level.lower, starts, context, ahead, probability)
        above = count
    return losses


def find_nodes(keys: np.ndarray, above: np.ndarray, tokens: np.ndarray, size: int) -> np.ndarray:  # (M,), (M,) -> (M,)
    """The child of each node by its last token; the number n where there is none."""
    wanted = above * size + tokens
    place = np.searchsorted(keys, wanted)
    return np.where(keys[np.minimum(place, len(keys) - 1)] == wanted, place, len(keys))


def interpolate(
    counts: Counts, starts: np.ndarray, context: np.ndarray, ahead: np.ndarray, probability: np.ndarray
) -> np.ndarray:  # (m + 2,), (P,), (P,), (P,) -> (P,)
    """The probability of each node behind its context, from that of its token behind a shorter one."""
    discounts = discounts_from(count_histogram(counts.every, np.int64(0), 1))[0].astype(float)
    kept = counts.every - discounts[np.minimum(counts.every, MOST_DISCOUNTS)]
    total, told = (np.diff(np.concatenate([[0], np.cumsum(of)])[starts])[context] for of in (counts.every, kept))
    own = np.append(kept, 0.0)[ahead]
    return np.where(total > 0, (own + (total - told) * probability) / np.maximum(total, 1), probability)
