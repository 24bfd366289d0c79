"""What was read for each word that was written: the decoder's look at the words of a text.

S words that were read, T that were written.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Padded
from ..fields import Field
from ..outputs.written import LOOK, Written
from ..tasks.written import words_of_tokens
from ..wording import join_words, percent_text
from .base import Subject, register
from .blocks import Block, Heat, Table
from .result import Badge, Result

# Words that are drawn, of more the first; those that are named in the sentence.
MOST_WORDS, NAMED = 40, 4


def suits(subject: Subject) -> str | None:
    layers = subject.network.layers
    if subject.network.decoder is None:
        return "the network writes no texts"
    if len(layers) != 1 or not layers[0].fields[0].traits.prose:
        return "it is of one text that is read, and nothing else"
    return None


@register("alignment", "What each word was written from", place=20, needs=("example",), suits=suits)
def alignment(subject: Subject) -> Result:
    """What share of its look each word that is written gives to each word that was read, the mean over heads."""
    network, example = subject.network, subject.example
    assert example is not None
    output = cast(Written, network.output)
    batch = output.complete(network, example)
    written = cast(Padded, batch.target).values[0]
    opened = network.open(batch)
    look = next(stage.inside[LOOK] for stage in opened if LOOK in stage.inside)[0].mean(0).detach()  # (T, S)
    read = cast(Padded, example.inputs[network.input_keys()[0]]).values[0]
    sources, said = words(network.layers[0].fields[0], read), words(output.fields[0], written)
    shares = gather_words(look, said, sources)[:MOST_WORDS, :MOST_WORDS]
    names, columns = said[0][:MOST_WORDS], sources[0][:MOST_WORDS]
    rows: list[list[str | float]] = []
    blocks: list[Block] = []
    # Of a blank text there is no word to look at.
    if shares.size:
        best = shares.argmax(1).tolist()
        rows = [[word, columns[at], float(shares[i, at])] for i, (word, at) in enumerate(zip(names, best, strict=True))]
        caption = "The darker, the more of the look at what was read."
        blocks = [
            Heat(caption, shares, names, columns, "written", "read", False),
            Table("", ("written", "looked at most", "share"), rows),
        ]
    text = output.task.texts_of(written[None].numpy())[0]
    named = join_words(f"'{one}' at '{other}' ({percent_text(float(share), 0)})" for one, other, share in rows[:NAMED])
    sentence = f"It writes “{text}”." + (f" Of what was read it looked most for {named}." if rows else "")
    badge = Badge(
        "suggestive",
        "The shares are the network's own, exactly; what a position holds also comes from those around it, so that a "
        "look beside a word may be a look at that word.",
    )
    return Result(
        "alignment",
        "What each word was written from",
        sentence,
        badge,
        blocks,
        {"shares": shares},
        method="Attention of the decoder to what was read, the mean over heads, summed over the pieces of a word.",
        paper="Bahdanau, Cho and Bengio, 2015; what attention shows and does not: Jain and Wallace, 2019",
    )


def words(field: Field, tokens: Tensor) -> tuple[list[str], np.ndarray]:  # (T,) -> words, (T,)
    """The words that tokens make, and which of them each token is of."""
    return words_of_tokens(field, tokens.numpy())


def gather_words(look: Tensor, said: tuple[list[str], np.ndarray], read: tuple[list[str], np.ndarray]) -> np.ndarray:
    """Shares of words (T', S') from those of tokens (T, S): the mean over a word's tokens, the sum over those read."""
    rows, columns = (torch.zeros(len(names), len(of)) for names, of in (said, read))
    for matrix, (_, of) in ((rows, said), (columns, read)):
        there = np.flatnonzero(of >= 0)
        matrix[of[there], there] = 1.0
    rows = rows / rows.sum(1, keepdim=True).clamp_min(1)
    return (rows @ look[: rows.shape[1]] @ columns.T).numpy()
