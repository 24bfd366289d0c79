"""From log-probabilities of each frame to a text (CTC): the best path, and the best texts by prefix beam search.

B examples, A of them not over yet, T frames, V tokens of which one is the blank, K beams.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from .beam import best_places
from .hypothesis import NOTHING, Hypothesis, not_finite_error

# What is added to the score of a text: takes N texts, as tokens, and gives for each what every next token adds, (N, V);
# at the blank stands what is added if the text ends there.
Add = Callable[[Sequence[tuple[int, ...]]], np.ndarray]

# In place of a text, in the tree of all texts: for a beam that is not used, and for what comes before the empty text.
UNUSED, NONE, BEFORE_ALL = -1, -2, -3

# What a beam is that is not used, array by array of ``_Prefixes``.
UNUSED_BEAM = (UNUSED, NONE, 0, -np.inf, -np.inf, 0.0)

# The empty text.
ROOT = 0


def collapse_path(path: Sequence[int] | np.ndarray, blank: int = 0) -> tuple[int, ...]:
    """The text of a path through frames: repeated tokens become one, then blanks go (Graves et al., 2006).

    >>> collapse_path([0, 3, 3, 0, 3, 5, 5])
    (3, 3, 5)
    """
    path = np.asarray(path, np.int64)
    new = np.diff(path, prepend=-1) != 0
    return tuple(path[new & (path != blank)].tolist())


def find_best_paths(
    log_probs: np.ndarray, lengths: np.ndarray, *, blank: int = 0, strict: bool = True
) -> list[Hypothesis]:
    """The text of the likeliest token of each frame: greedy decoding.

    Args:
        log_probs: (B, T, V) log-probabilities. lengths: (B,) frames of each example.
        strict: as of ``search_prefixes``.

    Raises:
        PellucidError: where a frame has no likeliest token, unless ``strict`` is False.

    >>> find_best_paths(np.log([[[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]]]), np.array([3]))[0].tokens
    (1,)
    """
    found = []
    for own, length in zip(np.asarray(log_probs, np.float64), lengths, strict=True):
        path = own[:length].argmax(1)
        log_probability = float(own[np.arange(length), path].sum())
        known = np.isfinite(log_probability)
        if strict and not known:
            raise not_finite_error()
        one = Hypothesis(collapse_path(path, blank), log_probability, log_probability)
        found.append(one if known else NOTHING)
    return found


def search_prefixes(
    log_probs: np.ndarray,
    lengths: np.ndarray,
    *,
    blank: int = 0,
    beams: int = 16,
    most: int = 1,
    add: Add | None = None,
    context: int | None = None,
    strict: bool = True,
) -> list[list[Hypothesis]]:
    """The best texts of each example, at most ``most`` of at most ``beams``, the best first.

    A text counts with all its paths through the frames together, not with the best of them (prefix beam search: Graves,
    2012; Hannun et al., 2014). What is found does not depend on the other examples.

    Args:
        log_probs: (B, T, V) log-probabilities. lengths: (B,) frames of each example.
        add: what is added to the score of a text, such as the log-probabilities of counted n-grams, times their weight,
            and a bonus for each token. Without it the score is the log-probability.
        context: how many last tokens of a text ``add`` is given, as what it looks at; None for all.
        strict: False gives an example without any text ``NOTHING``, as where the log-probabilities are NaN.

    Raises:
        UsageError: for less than one beam.
        PellucidError: where an example has no text, unless ``strict`` is False.

    >>> log_probs = np.log([[[0.4, 0.35, 0.25], [0.4, 0.35, 0.25]]])
    >>> find_best_paths(log_probs, np.array([2]))[0].tokens, search_prefixes(log_probs, np.array([2]))[0][0].tokens
    ((), (1,))
    """
    if beams < 1:
        raise UsageError(f"{beams} beams find nothing", fix="choose at least 1 beam")
    log_probs, lengths = np.fmax(np.asarray(log_probs, np.float64), -np.inf), np.asarray(lengths)
    beam = _Prefixes.begin(len(log_probs))
    tree = _Tree(blank, log_probs.shape[2], add, context)
    for frame in range(int(lengths.max(initial=0))):
        going = np.flatnonzero(lengths > frame)
        beam = beam.put(going, _read_frame(beam.of(going), log_probs[going, frame], tree, beams))
    added = beam.added + tree.additions(beam.text)[:, :, blank]
    total = np.logaddexp(beam.blank, beam.token)
    place, score = best_places(total + added, min(most, beams))
    if strict and not (score[:, 0] > -np.inf).all():
        raise not_finite_error()
    return [
        [
            Hypothesis(tree.tokens(beam.text[i, k]), float(total[i, k]), float(s))
            for k, s in zip(place[i], score[i], strict=True)
            if s > -np.inf
        ]
        or [NOTHING]
        for i in range(len(place))
    ]


@dataclass(frozen=True)
class _Prefixes:
    """Texts that are followed, (A, K) each.

    Attributes:
        text: its place in the tree; ``parent``: that of the text without its last token, ``last``.
        blank, token: log-probabilities of its paths so far that end in a blank, and in its last token. added: to it.
    """

    text: np.ndarray
    parent: np.ndarray
    last: np.ndarray
    blank: np.ndarray
    token: np.ndarray
    added: np.ndarray

    @classmethod
    def begin(cls, examples: int) -> _Prefixes:
        """The empty text alone."""
        places = [np.full((examples, 1), value) for value in (ROOT, BEFORE_ALL, 0)]
        return cls(*places, *(np.full((examples, 1), value) for value in (0.0, -np.inf, 0.0)))

    def of(self, some: np.ndarray) -> _Prefixes:
        return _Prefixes(*(array[some] for array in vars(self).values()))

    def put(self, some: np.ndarray, new: _Prefixes) -> _Prefixes:
        """The same with ``new`` in the place of some examples; of the others, which are over, beams stay unused."""
        n, k = len(self.text), max(new.text.shape[1], self.text.shape[1])
        arrays = []
        for old, own, value in zip(vars(self).values(), vars(new).values(), UNUSED_BEAM, strict=True):
            array = np.full((n, k), value, own.dtype)
            array[:, : old.shape[1]] = old
            array[some] = value
            array[some, : own.shape[1]] = own
            arrays.append(array)
        return _Prefixes(*arrays)


class _Tree:
    """All texts that were met, each as the one before it and a token: so each has one place, whichever way it came."""

    def __init__(self, blank: int, size: int, add: Add | None, context: int | None):
        self.blank, self.size, self.add, self.context = blank, size, add, context
        self.places: dict[tuple[int, int], int] = {}
        self.nodes: list[tuple[int, int]] = [(BEFORE_ALL, blank)]
        self.known: dict[int, np.ndarray] = {UNUSED: np.zeros(size)}

    def find(self, parents: np.ndarray, tokens: np.ndarray) -> list[int]:  # (N,), (N,)
        """The places of texts with one token more, new ones made."""
        found = []
        for pair in zip(parents.tolist(), tokens.tolist(), strict=True):
            place = self.places.setdefault(pair, len(self.nodes))
            if place == len(self.nodes):
                self.nodes.append(pair)
            found.append(place)
        return found

    def tokens(self, place: int, most: int | None = None) -> tuple[int, ...]:
        """A text, or its last tokens."""
        found: list[int] = []
        while place != ROOT and len(found) != most:
            place, token = self.nodes[place]
            found.append(token)
        return tuple(found[::-1])

    def additions(self, text: np.ndarray) -> np.ndarray:  # (A, K) -> (A, K, V)
        """What each next token adds to the score of texts."""
        if self.add is None:
            return np.zeros((*text.shape, self.size))
        places, of = np.unique(text, return_inverse=True)
        # Those that are followed no more are let go of: with a large vocabulary they would fill the memory.
        known = {place: self.known[place] for place in places.tolist() if place in self.known}
        wanted = [place for place in places.tolist() if place not in known]
        if wanted:
            added = np.asarray(self.add([self.tokens(place, self.context) for place in wanted]), np.float64)
            known |= dict(zip(wanted, added, strict=True))
        table = np.stack([known[place] for place in places.tolist()])
        self.known = known | {UNUSED: np.zeros(self.size)}
        return table[of].reshape(*text.shape, self.size)


def _read_frame(beam: _Prefixes, log_probs: np.ndarray, tree: _Tree, beams: int) -> _Prefixes:  # (A, K), (A, V)
    """The best texts after one frame more."""
    a, k = beam.text.shape
    rows, places = np.arange(a)[:, None], np.arange(k)[None]
    total = np.logaddexp(beam.blank, beam.token)  # (A, K)
    # The same text goes on with a blank, or with its last token again.
    blank, again = total + log_probs[:, tree.blank, None], beam.token + log_probs[rows, beam.last]
    # One token more; the last one again only where a blank lies between.
    longer = total[:, :, None] + log_probs[:, None]  # (A, K, V)
    longer[rows, places, beam.last] = beam.blank + log_probs[rows, beam.last]
    longer[:, :, tree.blank] = -np.inf
    # What becomes a text that is followed already is the same text.
    i, j, of = np.nonzero(beam.parent[:, :, None] == beam.text[:, None])
    again[i, j] = np.logaddexp(again[i, j], longer[i, of, beam.last[i, j]])
    longer[i, of, beam.last[i, j]] = -np.inf
    added = beam.added[:, :, None] + tree.additions(beam.text)  # (A, K, V)
    scores = np.concatenate([np.logaddexp(blank, again) + beam.added, (longer + added).reshape(a, -1)], 1)
    place, score = best_places(scores, beams)
    stays = place < k
    own = np.where(stays, place, (place - k) // tree.size)
    token = np.where(stays, beam.last[rows, own], (place - k) % tree.size)
    text, parent = beam.text[rows, own], np.where(stays, beam.parent[rows, own], beam.text[rows, own])
    new = ~stays & (score > -np.inf)
    text[new] = tree.find(parent[new], token[new])
    lost = score == -np.inf
    found = _Prefixes(
        text,
        parent,
        token,
        np.where(stays, blank[rows, own], -np.inf),
        np.where(stays, again[rows, own], longer[rows, own, token]),
        np.where(stays, beam.added[rows, own], added[rows, own, token]),
    )
    for array, value in zip(vars(found).values(), UNUSED_BEAM, strict=True):
        array[lost] = value
    return found
