"""Draws the next token: a function of the seed, the example and the step, so the same alone as in a batch.

B examples, V tokens of the vocabulary.
"""

from __future__ import annotations

import numpy as np

from ..data.batches.order import TOKEN_SALT, hash_counters
from ..errors import UsageError
from .hypothesis import not_finite_error


def choose_tokens(
    logits: np.ndarray,
    examples: np.ndarray,
    steps: np.ndarray | int,
    *,
    seed: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> np.ndarray:  # (B, V), (B,), (B,) -> (B,) int64
    """The next token of each example, drawn by its probability; the likeliest at a temperature of 0.

    Args:
        logits: unnormalised log-probabilities; what is -inf is never drawn. examples: a whole number for each text that
            is written. steps: how many tokens each has been given before.
        temperature: by which logits are divided: below 1 likely tokens are drawn more often, above 1 less often.
        top_p: only the likeliest tokens are drawn that have this share of the probability together (Holtzman et al.,
            ICLR 2020); 1 for all.

    Raises:
        UsageError: for a temperature below 0, or a share that is not above 0 and at most 1.
        PellucidError: where no token has a probability.

    >>> logits = np.log([[0.1, 0.6, 0.3]])
    >>> [int(choose_tokens(logits, np.array([7]), step, seed=0)[0]) for step in range(8)]
    [1, 1, 2, 2, 1, 1, 1, 2]
    >>> choose_tokens(logits, np.array([7]), 0, seed=0, temperature=0).tolist()
    [1]
    """
    check_sampling(temperature, top_p)
    logits = np.asarray(logits, np.float64)
    if not np.isfinite(logits.max(1)).all():
        raise not_finite_error()
    if temperature == 0:
        return logits.argmax(1)
    # In the order of the vocabulary rather than of the probabilities: where two are nearly the same, rounding would
    # change which comes first, and with it what is drawn.
    ends = np.cumsum(token_probabilities(logits, temperature, top_p), 1)  # (B, V)
    drawn = draw_numbers(examples, steps, seed)[:, None] * ends[:, -1:]
    return (ends <= drawn).sum(1)


def check_sampling(temperature: float, top_p: float) -> None:
    """Raises UsageError for a temperature or a share that means nothing."""
    if not 0 <= temperature < np.inf:
        raise UsageError(f"the temperature is {temperature:g}", fix="choose one from 0 (always the likeliest) on: 0.8")
    if not 0 < top_p <= 1:
        raise UsageError(f"top-p is {top_p:g}", fix="choose a share above 0, at most 1: 0.9")


def token_probabilities(logits: np.ndarray, temperature: float, top_p: float) -> np.ndarray:  # (B, V) -> (B, V)
    """By what share each token is drawn, not yet divided by their sum; 0 for those that are left out."""
    with np.errstate(over="ignore"):
        probabilities = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    if top_p == 1:
        return probabilities
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, 1)
    before = np.cumsum(ranked, 1) - ranked
    left_out = before >= top_p * probabilities.sum(1, keepdims=True)
    # The likeliest is always there, however small the share.
    left_out[:, 0] = False
    np.put_along_axis(probabilities, order, np.where(left_out, 0.0, ranked), 1)
    return probabilities


def draw_numbers(
    examples: np.ndarray, steps: np.ndarray | int, seed: int
) -> np.ndarray:  # (B,), (B,) -> (B,) in [0, 1)
    """A random number an example and step, the same whatever else is drawn."""
    own = hash_counters(np.asarray(examples), seed, TOKEN_SALT)
    # Hashed twice, as the examples of a batch may be at different steps.
    drawn = hash_counters(own + np.broadcast_to(steps, own.shape).astype(np.uint64))
    return (drawn >> np.uint64(11)).astype(np.float64) * 2.0**-53
