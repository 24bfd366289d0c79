"""What comes next after a text, by a language model; and how well it foretold the text itself.

T tokens of the text that are read, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Padded
from ..fields import Field
from ..fields.passage import unknown_tokens
from ..fields.text import RESERVED, START
from ..wording import count_noun, number_text, percent_text
from .base import Subject, register
from .blocks import Bars, Block, Table, Words
from .result import Badge, Result

# Tokens that are listed, and tokens of a word: texts without spaces are cut.
MOST_LISTED, LONGEST_WORD = 12, 24

# Of the largest logit, by which the opened network may differ from the forward pass.
TOLERANCE = 1e-5


def suits(subject: Subject) -> str | None:
    return None if subject.network.output.fields[0].traits.written else "it needs a language model"


@register("next", "What comes next", place=20, needs=("example",), suits=suits)
def next_token(subject: Subject) -> Result:
    """How likely each token is behind the text; what counts alone would say; and what each word of the text cost."""
    field, opened = subject.network.output.fields[0], subject.opened[0]
    tokens, logits = read_tokens(subject), opened.answer[0].detach().double()  # (T,), (T, V)
    probability = logits[-1].softmax(-1).numpy()
    # Those that may be written, as by ``runs.writing``.
    known = np.setdiff1d(np.arange(RESERVED, len(probability)), unknown_tokens(field.state or {}))
    order = known[np.argsort(-probability[known], kind="stable")[:MOST_LISTED]]
    names = [token_name(field, int(token)) for token in order]
    with torch.no_grad():
        forward = subject.network.predict(subject.example)[0].double()  # type: ignore[arg-type]
    off = float((forward - logits).abs().max() / forward.abs().max().clamp_min(1e-30))
    losses = -logits.log_softmax(-1)[:-1].gather(1, tokens[1:, None])[:, 0].numpy()  # (T - 1,)
    bars = Bars(
        "How likely each token is; the likeliest of them.",
        names,
        probability[order].tolist(),
        "probability",
        signed=False,
    )
    sentence = f"The likeliest next token is {names[0]}, with {percent_text(float(probability[order[0]]))}."
    if len(losses):
        many, mean = count_noun(len(losses), "token"), number_text(float(losses.mean()))
        sentence += f" The mean loss of the {many} of the text is {mean} nats."
    return Result(
        "next",
        "What comes next",
        sentence,
        Badge("exact" if off <= TOLERANCE else "failed",
              f"The probabilities are those of the forward pass, from which the opened network differs by {off:.1e}.",
              {"relative error": off}),
        [bars, *_solved_table(subject, order, names), *_cost_words(field, tokens, losses)],
        {"tokens": order, "probabilities": probability[order], "losses": losses},
        method="A softmax of the logits at the last place; the cost of a token is -log of what was given to it.",
        caption=_read_text(subject, len(tokens)),
    )  # fmt: skip


def read_tokens(subject: Subject) -> Tensor:  # (T,) int64
    """The tokens of the text that the network reads, the start of a document among them."""
    assert subject.example is not None
    (value,) = subject.example.inputs.values()
    assert isinstance(value, Padded)
    return value.values[0].long()


def token_name(field: Field, token: int) -> str:
    """A token for people: in quotes, as spaces and ends of lines could not be seen otherwise.

    >>> token_name(characters, 4)                                                   # doctest: +SKIP
    "'e'"
    """
    state = field.state or {}
    text = field.traits.decode(np.array([[token]]), state)[0]
    if text and "\ufffd" not in text:
        return repr(text)
    if state["level"] == "characters":
        return "a character not in training"
    # A part of a letter's bytes.
    return f"byte {token - RESERVED}" if state["level"] == "bytes" else f"token {token}"


def _solved_table(subject: Subject, order: np.ndarray, names: Sequence[str]) -> list[Block]:
    """Beside the network's probabilities those of its solved part, and what the trunk adds to their logarithms."""
    opened = subject.opened[0]
    if opened.solved is None or subject.network.solved is None:
        return []
    whole, own = (x[0, -1].detach().double().log_softmax(-1) for x in (opened.answer, opened.solved))
    rows: list[list[Any]] = [
        [name, float(whole[token].exp()), float(own[token].exp()), float((whole - own)[token])]
        for name, token in zip(names, order.tolist(), strict=True)
    ]
    counted = subject.network.solved.name
    caption = f"What the {counted} say alone, and what the trunk adds to the logarithm of it, in nats."
    return [Table(caption, ("token", "probability", f"by the {counted} alone", "the trunk adds"), rows)]


def _cost_words(field: Field, tokens: Tensor, losses: np.ndarray) -> list[Block]:
    """The text with what each word of it cost, in nats; none of a text of a single token."""
    if not len(losses):
        return []
    state, words, costs = field.state or {}, [], []
    for start, stop in word_stretches(field, tokens[1:]):
        words.append(field.traits.decode(tokens[None, 1 + start : 1 + stop].numpy(), state)[0].strip() or "␣")
        costs.append(float(losses[start:stop].sum()))
    return [Words("The loss of each word of the text, in nats: the larger, the less it was expected.", words, costs)]


def word_stretches(field: Field, tokens: Tensor) -> Iterator[tuple[int, int]]:  # (T,)
    """From which to before which token each word goes; white space belongs to the word behind it."""
    single = field.traits.decode(tokens[:, None].numpy(), field.state or {})
    start = 0
    for i in range(1, len(single)):
        if (single[i][:1].isspace() and not single[i - 1].isspace()) or i - start >= LONGEST_WORD:
            yield start, i
            start = i
    yield start, len(single)


def _read_text(subject: Subject, count: int) -> str:
    tokens = read_tokens(subject)
    if int(tokens[0]) == START:
        return "The text is read as the beginning of a document."
    return f"Of the text the last {count_noun(count, 'token')} are read, as many as in training."
