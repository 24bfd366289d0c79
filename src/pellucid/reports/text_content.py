"""A language model's answers as a page shows them: where a text was surprising, and what it writes.

n passages, T places.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ..outputs.tokens import Tokens
from ..training.evaluate import Answers, autocast

if TYPE_CHECKING:
    from ..data import Examples
    from ..runs.run import Run
    from ..training.loader import Loader

# Passages that losses by place are taken from, bins of places, passages and documents that are shown.
SAMPLED, BINS, SHOWN, MOST_DOCUMENTS = 256, 16, 6, 12

# Of what is written for the page: how boldly, tokens, and tokens of a test passage that it goes on from.
TEMPERATURES, WRITTEN, PROMPT = (0.5, 0.8, 1.0), 300, 48


def text_content(run: Run, data: Examples, rows: np.ndarray, answers: Answers, loader: Loader) -> dict[str, Any]:
    """What a page shows of a language model on the passages ``rows`` (n,).

    Args:
        answers: sums of losses with tokens right (n, 2), and tokens with bytes (n, 2), of these rows.
    """
    unit = "character" if (run.network.output.fields[0].state or {}).get("level") == "characters" else "token"
    return {
        "unit": unit,
        "by_place": losses_by_place(run, rows, loader),
        "surprising": surprising_passages(run, data, rows, answers, loader),
        "documents": losses_by_document(data, rows, answers),
        "written": written_samples(run, rows, loader),
    }


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


@torch.inference_mode()
def token_losses(run: Run, rows: np.ndarray, loader: Loader) -> tuple[Tensor, Tensor]:  # -> (n, T), (n, T)
    """The loss of each token of some passages, NaN behind their ends, and the tokens themselves."""
    found, network = [], run.network
    output = cast(Tokens, network.output)
    for part in torch.from_numpy(rows).to(loader.home).split(loader.at_once):
        batch = loader.batch(part)
        with autocast(network.device):
            losses = output.token_losses(network(batch).float(), batch)
        true = cast(Any, batch.target).values
        found.append((losses.masked_fill(true == 0, torch.nan).cpu(), true.cpu()))
    longest = max(loss.shape[1] for loss, _ in found)
    grown = [
        (torch.nn.functional.pad(loss, (0, longest - loss.shape[1]), value=torch.nan),
         torch.nn.functional.pad(true, (0, longest - true.shape[1])))
        for loss, true in found
    ]  # fmt: skip
    return torch.cat([loss for loss, _ in grown]), torch.cat([true for _, true in grown])


def losses_by_place(run: Run, rows: np.ndarray, loader: Loader) -> dict[str, list[float]]:
    """The mean loss by how many tokens of the passage were read before, in bins: places from 1, and losses."""
    some = rows[:: max(1, len(rows) // SAMPLED)]
    losses, _ = token_losses(run, some, loader)
    places = losses.shape[1]
    edges = np.unique(np.geomspace(1, places + 1, BINS + 1).astype(int))
    means = [float(losses[:, low - 1 : high - 1].nanmean()) for low, high in itertools.pairwise(edges)]
    middle = [(float(low) + float(high) - 1) / 2 for low, high in itertools.pairwise(edges)]
    kept = [(x, y) for x, y in zip(middle, means, strict=True) if np.isfinite(y)]
    return {"place": [x for x, _ in kept], "loss": [y for _, y in kept]}


def surprising_passages(
    run: Run, data: Examples, rows: np.ndarray, answers: Answers, loader: Loader
) -> list[dict[str, Any]]:
    """The passages with the largest loss a token, with the loss of each token."""
    loss, size = answers[0][:, 0].numpy(), answers[1][:, 0].numpy()
    mean = loss / np.maximum(size, 1)
    # Of a passage of a few tokens chance decides.
    mean = np.where(size >= np.median(size) / 2, mean, -np.inf)
    top = np.argsort(-mean, kind="stable")[:SHOWN]
    each, tokens = token_losses(run, rows[top], loader)
    field = run.network.output.fields[0]
    return [
        {
            "where": data.short_title(int(rows[i])),
            "loss": float(mean[i]),
            "tokens": field.traits.decode(own[own > 0].numpy()[:, None], field.state or {}),
            "losses": losses[own > 0].tolist(),
        }
        for i, losses, own in zip(top.tolist(), each, tokens, strict=True)
    ]


def losses_by_document(data: Examples, rows: np.ndarray, answers: Answers) -> list[tuple[str, int, float]]:
    """The documents that are hardest to foretell: name, tokens, loss a token; none where there is one document."""
    if data.documents is None:
        return []
    documents = data.documents[rows]
    names, place = np.unique(documents, return_inverse=True)
    if len(names) < 2:
        return []
    loss = np.bincount(place, answers[0][:, 0].numpy())
    size = np.bincount(place, answers[1][:, 0].numpy())
    first = [int(rows[np.flatnonzero(place == i)[0]]) for i in range(len(names))]
    order = np.argsort(-(loss / np.maximum(size, 1)), kind="stable")[:MOST_DOCUMENTS]
    return [
        (data.place(first[i]).rpartition(", ")[0], int(size[i]), float(loss[i] / max(size[i], 1)))
        for i in order.tolist()
    ]


def written_samples(run: Run, rows: np.ndarray, loader: Loader) -> list[dict[str, Any]]:
    """What the network writes after the beginning of a test passage, at several temperatures."""
    row = int(rows[len(rows) // 2])
    true = cast(Any, loader.batch(torch.tensor([row], device=loader.home)).target).values[0]
    field = run.network.output.fields[0]
    prompt = field.traits.decode(true[:PROMPT].cpu().numpy()[None], field.state or {})[0]
    return [
        {
            "temperature": one,
            "prompt": prompt,
            "text": "".join(run.write(prompt, WRITTEN, temperature=one)),
        }
        for one in TEMPERATURES
    ]
