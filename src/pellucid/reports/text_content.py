"""A language model's answers as a page shows them: what it writes, and where a text was surprising.

All of it is looked at for some seconds alone: as many passages as these allow, spread evenly.

n passages, T places.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from ..fields.text import PADDING
from ..network import Network
from ..options import Budget
from ..training.evaluate import Answers
from ..training.token_losses import SlidingWindow, TokenLosses, token_losses

if TYPE_CHECKING:
    from ..data import Examples
    from ..runs.run import Run
    from ..training.loader import Loader

# Of a budget of time, what all of it may take, seconds at the most, and the share of writing.
BUDGET_SHARE, MOST_SECONDS, WRITING_SHARE = 0.06, 6.0, 0.65

# Passages looked at token by token, at most and between two looks at the clock; bins of places.
SAMPLED, AT_ONCE, BINS = 256, 16, 16

# Passages that are read with what stands before them where time is no matter.
MOST_READ = 4096

# Passages that are shown, those that may be among them, and letters before each; documents that are shown.
SHOWN, CANDIDATES, BEFORE, MOST_DOCUMENTS = 6, 12, 100, 12

# Of what is written for the page: how boldly, tokens, and tokens of a passage that it goes on from.
TEMPERATURES, WRITTEN, PROMPT = (0.5, 0.8, 1.0), 300, 80

# What a decoder writes for bytes that are no letter, and bytes of one letter at most.
NO_LETTER, MOST_BYTES = "�", 4


def language_seconds(budget: Budget) -> float:
    """Seconds that the content of a page may take within a budget."""
    return min(MOST_SECONDS, BUDGET_SHARE * budget.amount) if budget.kind == "seconds" else MOST_SECONDS


def text_content(
    run: Run,
    data: Examples,
    rows: np.ndarray,
    answers: Answers,
    loader: Loader,
    seconds: float = MOST_SECONDS,
    context: Mapping[str, float] | None = None,
    shown: tuple[str, np.ndarray, Answers] | None = None,
) -> dict[str, Any]:
    """What a page shows of a language model on the passages ``rows`` (n,); nothing without any.

    Args:
        answers: sums of losses with tokens right (n, 2), and tokens with bytes (n, 2), of these rows.
        shown: other passages (m,), at least one, what they are and the answers to them; texts of these are shown, and
            of ``rows`` sums alone.
        seconds: that it may take, about; what is there by then is shown.
        context: of ``context_losses``, where that is known; else of the passages that are looked at.
    """
    if not len(rows):
        return {}
    began = time.monotonic()
    what, passages, said = shown or ("", rows, answers)
    written = written_samples(run, data, passages, began + WRITING_SHARE * seconds)
    window, solved = SlidingWindow(loader), run.network.solved
    surprising = surprising_passages(run, data, passages, said, window)
    found = {
        "unit": run.network.output.task.unit,
        "solved": None if solved is None else solved.name,
        "of": what,
        "written": written,
        "surprising": surprising,
        "documents": losses_by_document(data, rows, answers),
        **sampled_losses(run, rows, answers, loader, window, began + seconds),
    }
    return found if context is None else {**found, "context": context}


def passage_rows(run: Run, data: Examples, rows: np.ndarray, answers: Answers) -> pl.DataFrame:
    """One line a test passage: where it is, its tokens and bytes, the loss a token, how many were the likeliest."""
    raw, size = (part.numpy() for part in answers)
    return pl.DataFrame(
        {
            "row": rows,
            "input": data.short_titles(rows),
            "tokens": size[:, 0].astype(np.int64),
            "bytes": size[:, 1].astype(np.int64),
            "loss": raw[:, 0] / np.maximum(size[:, 0], 1),
            "right": raw[:, 1].astype(np.int64),
        }
    )


# -- what it writes


def written_samples(run: Run, data: Examples, rows: np.ndarray, deadline: float) -> list[dict[str, Any]]:
    """What the network writes after the beginning of a passage, at several temperatures.

    Args:
        deadline: of ``time.monotonic``. Each sample has as much of the time until then; ``whole``: that it was enough.
    """
    prompt = find_prompt(run, data, rows)
    found, began = [], time.monotonic()
    share = max(deadline - began, 0.0) / len(TEMPERATURES)
    for i, temperature in enumerate(TEMPERATURES, 1):
        pieces = run.write(prompt, WRITTEN, temperature=temperature, seed=run.plan.seed)
        text, whole = _until(pieces, began + i * share)
        found.append({"temperature": temperature, "prompt": prompt, "added": text, "whole": whole})
    return found


def _until(pieces: Iterator[str], deadline: float) -> tuple[str, bool]:
    """What is written up to a moment, and whether that was all."""
    text = ""
    for piece in pieces:
        text += piece
        if time.monotonic() > deadline:
            return text, next(pieces, None) is None
    return text, True


def find_prompt(run: Run, data: Examples, rows: np.ndarray) -> str:
    """The beginning of the passage in the middle, in whole lines and words where it has them."""
    text = text_of(data, run.network.output.fields[0].name, int(rows[len(rows) // 2]))
    start = text.find("\n", 0, len(text) // 2) + 1
    prompt = text[start : start + PROMPT]
    last = max(prompt.rfind(" "), prompt.rfind("\n"))
    # White space goes with the word behind it, as pieces of words have it.
    return prompt[:last].rstrip() if last > len(prompt) // 2 else prompt


# -- losses of some passages


def sampled_losses(
    run: Run, rows: np.ndarray, answers: Answers, loader: Loader, window: SlidingWindow, deadline: float
) -> dict[str, Any]:
    """Of some passages, spread evenly: losses by place, and what reading more before them is worth.

    Returns:
        ``by_place``: ``place`` (how many tokens were read before, from 1), ``network`` and, where there
        is a solved part, ``solved``: mean losses. ``context``: the loss of the same passages ``alone`` and ``before``,
        with at least ``lead`` tokens read before each token; of how many ``passages``.
    """
    order = spread_order(len(rows))[:SAMPLED]
    parts, before, used = list[TokenLosses](), [], []
    for start in range(0, len(order), AT_ONCE):
        # The first passages are looked at in any case.
        if parts and time.monotonic() > deadline:
            break
        some = order[start : start + AT_ONCE]
        parts.append(token_losses(run.network, loader, rows[some], with_solved=True))
        before.append(window.answers(run.network, rows[some]))
        used.append(some)
    context = _compare_context(np.concatenate(used), answers, torch.cat(before), window)
    return {"by_place": losses_by_place(TokenLosses.joined(parts)), "context": context}


def context_losses(network: Network, loader: Loader, rows: np.ndarray, answers: Answers) -> dict[str, float]:
    """``context`` of ``sampled_losses`` over all of ``rows`` (n,), or ``MOST_READ`` of very many, spread evenly."""
    some, window = np.sort(spread_order(len(rows))[:MOST_READ]), SlidingWindow(loader)
    return _compare_context(some, answers, window.answers(network, rows[some]), window)


def _compare_context(
    some: np.ndarray, answers: Answers, before: torch.Tensor, window: SlidingWindow
) -> dict[str, float]:  # (m,), (m, 2)
    alone, size = answers[0][some], float(answers[1][some, 0].sum())
    return {
        "alone": float(alone[:, 0].sum()) / size,
        "before": float(before[:, 0].sum()) / size,
        "passages": len(some),
        "lead": window.lead,
        "span": window.span,
    }


def spread_order(n: int) -> np.ndarray:  # -> (n,)
    """0 .. n - 1 in an order whose beginning lies evenly over all of them (van der Corput, 1935).

    >>> spread_order(8).tolist()
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    bits = max(n - 1, 1).bit_length()
    places = np.arange(1 << bits)
    turned = np.zeros_like(places)
    for i in range(bits):
        turned |= ((places >> i) & 1) << (bits - 1 - i)
    return turned[turned < n]


def losses_by_place(found: TokenLosses) -> dict[str, list[float]]:
    """Mean losses by how many tokens were read before, in bins that grow; see ``sampled_losses``."""
    edges = np.unique(np.geomspace(1, found.losses.shape[1] + 1, BINS + 1).astype(int)) - 1
    bins = list(itertools.pairwise(edges.tolist()))

    def means_of(losses: torch.Tensor) -> list[float]:  # (n, T)
        return [float(losses[:, low:high].nanmean()) for low, high in bins]

    # What stands right before a passage is always read.
    curves = {"place": [(low + high + 1) / 2 for low, high in bins], "network": means_of(found.losses)}
    if found.solved is not None:
        curves["solved"] = means_of(found.solved)
    known = np.isfinite(curves["network"])
    return {
        name: [value for value, is_known in zip(own, known, strict=True) if is_known] for name, own in curves.items()
    }


def losses_by_document(data: Examples, rows: np.ndarray, answers: Answers) -> list[tuple[str, int, float]]:
    """The documents that are hardest to foretell: name, tokens, loss a token; none where there is one document."""
    if data.documents is None:
        return []
    documents, first, place = np.unique(data.documents[rows], return_index=True, return_inverse=True)
    if len(documents) < 2:
        return []
    loss, size = np.bincount(place, answers[0][:, 0].numpy()), np.bincount(place, answers[1][:, 0].numpy())
    each = loss / np.maximum(size, 1)
    names = [data.place(int(row)).rpartition(", ")[0] for row in rows[first]]
    order = np.argsort(-each, kind="stable")[:MOST_DOCUMENTS]
    return [(names[i], int(size[i]), float(each[i])) for i in order.tolist()]


# -- passages token by token


def surprising_passages(
    run: Run, data: Examples, rows: np.ndarray, answers: Answers, window: SlidingWindow
) -> list[dict[str, Any]]:
    """The passages with the largest loss a token, read with what stands before them, piece by piece.

    Each has ``where``, ``before`` (the end of what stands before), ``loss`` (the mean), and ``pieces``: a text, its
    loss, and what was held likelier in its place with the probability of that; ``None`` where it was the likeliest.
    """
    loss, size = answers[0][:, 0].numpy(), answers[1][:, 0].numpy()
    # Of a passage of a few tokens chance decides.
    mean = np.where(size >= np.median(size) / 2, loss / np.maximum(size, 1), -np.inf)
    some = rows[np.argsort(-mean, kind="stable")[:CANDIDATES]]
    top = some.tolist()
    read = dict(zip(top, window.token_losses(run.network, some), strict=True))
    # Some were surprising for want of what stands before them.
    top.sort(key=lambda row: -float(read[row].losses.mean()))
    task = run.network.output.task
    field, letters = task.fields[0], 1 if task.unit == "character" else MOST_BYTES

    def write(runs: list[list[int]]) -> list[str]:
        # All at once, since a tokenizer is made anew each time.
        padded = np.array([[*run, *[PADDING] * (letters - len(run))] for run in runs])
        return field.traits.decode(padded, field.state or {})

    return [
        {
            "where": data.short_title(row),
            "before": text_before(data, field.name, row),
            "loss": float(read[row].losses.mean()),
            "pieces": readable_pieces(read[row], write, letters, text_of(data, field.name, row)),
        }
        for row in top[:SHOWN]
    ]


def text_before(data: Examples, name: str, row: int) -> str:
    """The last letters before a passage, of the same document."""
    if row == 0 or data.documents is None or data.documents[row - 1] != data.documents[row]:
        return ""
    return text_of(data, name, row - 1)[-BEFORE:]


def text_of(data: Examples, name: str, row: int) -> str:
    return str(data.fields[name].traits.show(data.stored_values(name), row))


def readable_pieces(
    found: TokenLosses, write: Callable[[list[list[int]]], list[str]], most: int = MOST_BYTES, text: str = ""
) -> list[tuple[str, float, tuple[str, float] | None]]:
    """The tokens of one passage as texts, with their losses; tokens that are parts of one letter together.

    Args:
        found: (1, T). write: the texts of some runs of tokens. most: tokens of one letter, at most.
        text: of the passage, which has letters that no token stands for, where each token is one letter.
    """
    tokens, losses, likeliest, probabilities = (
        each[0].tolist() for each in (found.tokens, found.losses, found.likeliest, found.probability)
    )
    others = write([[token] for token in likeliest])
    # texts[i][k]: of k + 1 tokens from place i on, as many as there are.
    runs = [[tokens[i : i + k] for k in range(1, most + 1)] for i in range(len(tokens))]
    every = iter(write([run for own in runs for run in own]))
    texts = [[next(every) for _ in own] for own in runs]
    if most == 1 and len(text) == len(tokens):
        texts = [[letter] for letter in text]
    pieces, place = [], 0
    while place < len(tokens):
        left = min(most, len(tokens) - place)
        many = next((k for k in range(1, left) if not texts[place][k - 1].endswith(NO_LETTER)), left)
        likely = many > 1 or likeliest[place] == tokens[place]
        other = None if likely else (others[place], probabilities[place])
        pieces.append((texts[place][many - 1], sum(losses[place : place + many]), other))
        place += many
    return pieces
