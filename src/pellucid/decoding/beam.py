"""Beam search: the texts that a network holds most likely, several examples at once.

B examples, A of them not done yet, K beams, W beams so far (1 at the start, then K), V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from ..errors import UsageError
from .hypothesis import NOTHING, Hypothesis, not_finite_error

State = TypeVar("State")

# Takes the last token of R texts, (R,) int64, and the state after those before; gives the log-probabilities of the next
# token, (R, V), and the state after it.
Step = Callable[[np.ndarray, State], tuple[np.ndarray, State]]

# Takes a state and rows of it, (R',) int64, some of them twice; gives the state of these.
Select = Callable[[State, np.ndarray], State]


@dataclass(frozen=True)
class BeamSearch(Generic[State]):
    """How texts are searched.

    Attributes:
        step, select: the network, token by token, as said above.
        end: the token that ends a text. longest: tokens of a text, its end counted, at most.
        beams: texts that are followed at once; of 1 the search is greedy.
        penalty: how much longer texts are preferred, 0 for not at all: the log-probability is divided by
            ((5 + length) / 6) ** penalty, the end counted (Wu et al., 2016).

    Raises:
        UsageError: for less than one beam or token, or a penalty below 0.
    """

    step: Step[State]
    select: Select[State]
    end: int
    longest: int
    beams: int = 4
    penalty: float = 0.6

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise UsageError(f"{self.beams} beams find nothing", fix="choose at least 1 beam")
        if self.longest < 1:
            raise UsageError(f"a text of at most {self.longest} tokens is none", fix="allow at least 1 token")
        if not 0 <= self.penalty < np.inf:
            raise UsageError(f"the length penalty is {self.penalty:g}", fix="choose one from 0 (none) on: 0.6")

    def search(self, state: State, first: np.ndarray, most: int = 1, *, strict: bool = True) -> list[list[Hypothesis]]:
        """The best texts of each example, at most ``most`` of at most ``beams``, the best first.

        An example is done when none that is followed could still be among the best. What is found does not depend on
        the other examples.

        Args:
            state: before the first token, of B rows. first: (B,) the token that every text begins behind, START.
            strict: False gives an example without any text ``NOTHING``, as where the log-probabilities are NaN.

        Raises:
            PellucidError: where an example has no text, unless ``strict`` is False.

        >>> log_probs = np.log([[0.0001, 0.6, 0.3999], [0.7, 0.2, 0.1], [0.9, 0.05, 0.05]])
        >>> step = lambda last, state: (log_probs[last], state)
        >>> search = BeamSearch(step, lambda state, rows: state, 0, 3, penalty=0)
        >>> [best] = search.search(None, np.array([0]), most=2)
        >>> [(one.tokens, round(float(np.exp(one.log_probability)), 3)) for one in best]
        [((1,), 0.42), ((2,), 0.36)]
        """
        most, n = min(most, self.beams), len(first)
        beams = _Beams(np.zeros((n, 1)), np.zeros((n, 1, 0), np.int64), np.arange(n))
        found: list[list[Hypothesis]] = [[] for _ in first]
        last, length = np.asarray(first, np.int64), 0
        while len(last):
            length += 1
            log_probs, state = self.step(last, state)
            beams, rows = self.extend(beams, np.asarray(log_probs, np.float64), found, length)
            if length == self.longest:
                self.cut_off(beams, found)
                break
            pairs = zip(beams.scores, beams.example, strict=True)
            going = np.array([self.goes_on(own, found[example], most) for own, example in pairs])
            if not going.any():
                break
            beams, rows = beams.of(going), rows[going]
            state, last = self.select(state, rows.ravel()), beams.tokens[:, :, -1].ravel()
        if strict and not all(found):
            raise not_finite_error()
        return [sorted(own, key=lambda one: -one.score)[:most] or [NOTHING] for own in found]

    def extend(
        self, beams: _Beams, log_probs: np.ndarray, found: list[list[Hypothesis]], length: int
    ) -> tuple[_Beams, np.ndarray]:  # (A W, V) -> (A, K) rows of the state
        """The best beams one token longer; those that came to their end are put among ``found``."""
        a, w = beams.scores.shape
        v = log_probs.shape[1]
        every = (beams.scores[:, :, None] + log_probs.reshape(a, w, v)).reshape(a, w * v)
        # Twice as many as beams: at most as many as there are beams end here.
        place, score = best_places(every, 2 * self.beams)
        beam, token = place // v, place % v
        ends, possible = token == self.end, score > -np.inf
        for i, rank in np.argwhere(ends[:, : self.beams] & possible[:, : self.beams]):
            own = tuple(beams.tokens[i, beam[i, rank]].tolist())
            found[beams.example[i]].append(self.rate(own, float(score[i, rank]), length))
        # What goes on, the best first; where there are too few, beams without a chance.
        kept = np.argsort(ends | ~possible, axis=1, kind="stable")[:, : self.beams]
        score, beam, token, lost = (np.take_along_axis(x, kept, 1) for x in (score, beam, token, ends | ~possible))
        behind = np.take_along_axis(beams.tokens, beam[:, :, None], 1)
        tokens = np.concatenate([behind, token[:, :, None]], 2)
        return _Beams(np.where(lost, -np.inf, score), tokens, beams.example), beam + w * np.arange(a)[:, None]

    def cut_off(self, beams: _Beams, found: list[list[Hypothesis]]) -> None:
        """Those that are as long as is allowed stand beside those that came to their end."""
        for i, k in np.argwhere(beams.scores > -np.inf):
            own = tuple(beams.tokens[i, k].tolist())
            found[beams.example[i]].append(self.rate(own, float(beams.scores[i, k]), len(own), ended=False))

    def goes_on(self, scores: np.ndarray, found: list[Hypothesis], most: int) -> bool:  # (K,)
        """Whether an example may still get a better text."""
        # Not once as many as there are beams have ended: where all wrong tokens are equally likely, as after a smoothed
        # loss, short texts end beside the best one at every step.
        if scores[0] == -np.inf or (self.beams == 1 and found):
            return False
        if len(found) < most:
            return True
        # No token makes a text likelier, and none is divided by more than the longest.
        best = scores[0] / length_penalty(self.longest, self.penalty)
        return bool(best > sorted(one.score for one in found)[-most])

    def rate(self, tokens: tuple[int, ...], log_probability: float, length: int, ended: bool = True) -> Hypothesis:
        return Hypothesis(tokens, log_probability, log_probability / length_penalty(length, self.penalty), ended)


@dataclass(frozen=True)
class _Beams:
    """The texts that are followed: log-probabilities (A, W), their tokens (A, W, T), and which example each is of."""

    scores: np.ndarray
    tokens: np.ndarray
    example: np.ndarray

    def of(self, some: np.ndarray) -> _Beams:  # (A,) bool
        return _Beams(self.scores[some], self.tokens[some], self.example[some])


def length_penalty(length: int, penalty: float) -> float:
    """By what the log-probability of a text of so many tokens is divided (Wu et al., 2016, equation 14).

    >>> length_penalty(1, 0.6), round(length_penalty(25, 1.0), 6)
    (1.0, 5.0)
    """
    return float(((5 + length) / 6) ** penalty)


def best_places(values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:  # (A, N) -> (A, M), (A, M)
    """The places of the largest values of each row and these, the largest first, of equal ones the first.

    What is no number comes last, as -inf.
    """
    values = np.fmax(values, -np.inf)
    if values.shape[1] > most:
        least = np.partition(values, -most, axis=1)[:, -most, None]  # (A, 1) the last that has room
        taken = values >= least
        # Where more are equal to it than there is room for, the first of them.
        crowded = np.flatnonzero(taken.sum(1) > most)
        above, equal = (sign(values[crowded], least[crowded]) for sign in (np.greater, np.equal))
        room = most - above.sum(1, keepdims=True)
        taken[crowded] = above | (equal & (np.cumsum(equal, axis=1) <= room))
        place = np.nonzero(taken)[1].reshape(len(values), most)
    else:
        place = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    own = np.take_along_axis(values, place, 1)
    order = np.argsort(-own, axis=1, kind="stable")
    return np.take_along_axis(place, order, 1), np.take_along_axis(own, order, 1)
