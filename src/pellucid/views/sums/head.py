"""One attention head opened where it looks hardest: a query times a key, then a softmax.

T positions, E width of a head.
"""

from __future__ import annotations

import math

import numpy as np

from ...wording import number_text
from ..blocks import Bars, Block, Sum
from .addresses import Scene, Unit
from .term_names import position_text

# Positions that are listed.
MOST_POSITIONS = 12


def open_head(scene: Scene, unit: Unit, place: int) -> tuple[str, list[Block], dict[str, np.ndarray], float]:
    """A head at the position ``place``: a sentence, blocks, arrays, and how far its softmax is off."""
    assert unit.stage is not None
    inside, head = unit.stage.inside, unit.number
    example, looker = divmod(place, inside["attention"].shape[2])
    looks, query, keys, values, mixed = (
        inside[name][example, head].detach().double().numpy()
        for name in ("attention", "query", "key", "value", "mixed")
    )
    width = query.shape[-1]
    scores = query[looker] @ keys.T / math.sqrt(width)  # (T,)
    # What it must not see has no share: padding, and the future of a causal network.
    seen = looks[looker] > 0
    raised = np.where(seen, np.exp(scores - scores[seen].max()), 0.0)
    shares = raised / raised.sum()
    off = max(
        float(abs(shares - looks[looker]).max()),
        float(abs(shares @ values - mixed[looker]).max() / max(1.0, abs(mixed[looker]).max())),
    )
    order = np.argsort(-shares, kind="stable")[:MOST_POSITIONS]
    size = tuple(unit.stage.features.x.shape[1:-1])
    names = [position_text(scene.network, tuple(map(int, np.unravel_index(int(at), size)))) for at in order]
    best = int(order[0])
    weight = query[looker] / math.sqrt(width)
    terms = np.argsort(-abs(weight * keys[best]), kind="stable")
    listed = [(f"feature {k}", float(weight[k]), float(keys[best, k])) for k in terms[:MOST_POSITIONS]]
    rest = terms[MOST_POSITIONS:]
    lengths = np.linalg.norm(values, axis=-1)
    blocks: list[Block] = [
        Bars("What share of its look this position gives to each: the shares add up to 1.", names,
             [float(shares[at]) for at in order], "share of the look"),
        Bars("Share times the length of what is handed over: how much really arrives (Kobayashi 2020).", names,
             [float(shares[at] * lengths[at]) for at in order], "share × length"),
        Sum(f"Why it looks at {names[0]}: what is looked for (w) times what is found there (x), then the softmax over "
            "all positions.", listed, (float((weight * keys[best])[rest].sum()), len(rest)), 0.0, float(scores[best]),
            [("softmax", float(shares[best]))]),
    ]  # fmt: skip
    sentence = f"it looks hardest at {names[0]}, with {number_text(float(shares[best]), 3)} of its look."
    arrays = {"attention": shares, "scores": scores, "weights": weight, "values": keys[best], "mixed": mixed[looker]}
    return sentence, blocks, arrays, off
