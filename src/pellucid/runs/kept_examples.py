"""Examples of training and validation that a run keeps, so that it can be looked into where its data is gone.

m rows of a part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.batches.order import KEPT_SALT, hash_counters
from ..data.kept_examples import KeptExamples, example_bytes, moment_bytes, pack_examples
from ..data.timeline.forecast import Forecast
from ..errors import UsageError, unknown_name
from ..storage import Files, damage_error, pack_tensors, unpack_tensors
from ..storage.names import KEPT
from ..wording import count_parts
from .record import damage_as_error

if TYPE_CHECKING:
    from ..data import Examples
    from ..fields import Field
    from .train import Trainer

# Of each part, at most.
MOST = {"train": 256, "validation": 512}

MOST_BYTES = 8_000_000

# Of them, that a single example may take: a few long recordings would leave no room for others.
LARGEST_SHARE = 0.1

# Groups that numbers are cut into by their ranks, so that a few examples have small and large ones alike.
RANKS = 16


class Kept:
    """The examples that a run keeps.

    Attributes:
        counts: how many of each part, ``{"train": 256, "validation": 512}``.

    >>> data = run.kept.examples("validation")                                              # doctest: +SKIP
    >>> loader = Loader.of(data, run.network.fields, run.network.device)                    # doctest: +SKIP
    """

    def __init__(self, folder: Files, fields: Sequence[Field], forecast: Forecast | None):
        self._folder, self._fields, self._forecast = folder, fields, forecast
        path = folder.path / KEPT
        arrays, about = unpack_tensors(folder.read(KEPT), path)
        with damage_as_error(path):
            self._packed = arrays, dict(about["kept"])
            self.counts = {part: int(about["counts"][part]) for part in MOST}
            total = len(about["kept"]["places"])
        if min(self.counts.values()) < 0 or sum(self.counts.values()) != total:
            raise damage_error("it is damaged (its parts are not of its examples)", path)

    def __repr__(self) -> str:
        return f"Kept({count_parts(self.counts)})"

    def examples(self, part: str) -> KeptExamples:
        """The examples of ``"train"`` or ``"validation"``, spread over the answers: the first few are so, too.

        They are read as any others: by ``encode_groups``, ``Loader.of``, ``short_title``. Their ``rows`` are those
        numbers that they have in the data of the run.

        Raises:
            UsageError: for another part. PellucidError: when the file is damaged.
        """
        if part not in MOST:
            raise UsageError(unknown_name("part that is kept", part, MOST))
        before = self.counts["train"] if part == "validation" else 0
        with damage_as_error(self._folder.path / KEPT):
            return self._whole.subset(before + np.arange(self.counts[part]))

    @cached_property
    def _whole(self) -> KeptExamples:
        return KeptExamples(self._packed, self._fields, self._forecast)


def open_kept(folder: Files, record: Mapping[str, Any], fields: Sequence[Field]) -> Kept | None:
    """The examples that a run keeps; None where it keeps none.

    Args:
        fields: those of its network. Raises PellucidError when the file is damaged.
    """
    if not folder.exists(KEPT):
        return None
    about = record["data"].get("forecast")
    return Kept(folder, fields, Forecast.from_json(about) if about else None)


def keep_examples(job: Trainer) -> None:
    """Write the examples that the run of ``job`` keeps, where its plan has it so, and say how many; once in a run."""
    # A training killed between the file and the record that counts it keeps them again.
    if not job.plan.examples or (job.folder.exists(KEPT) and "kept" in job.record):
        return
    fields = [f for f in job.fields.values() if f.is_input or f.role == "target"]
    ordered = {part: spread_rows(job.data, job.targets, job.split[part], job.plan.seed) for part in MOST}
    rows = fit_bytes(job.data, fields, ordered)
    while True:
        packed = pack_examples(job.data, fields, np.concatenate([rows[part] for part in MOST]))
        counts = {part: len(own) for part, own in rows.items()}
        size = sum(array.nbytes for array in packed[0].values()) + len(repr(packed[1]))
        if size <= MOST_BYTES or not sum(counts.values()):
            break
        # Names and places of columns are not among what was counted.
        rows = {part: own[: int(len(own) * 0.9 * MOST_BYTES / size)] for part, own in rows.items()}
    wanted = {part: min(MOST[part], len(job.split[part])) for part in MOST}
    job.record["kept"] = counts
    if sum(counts.values()):
        job.folder.write_made(KEPT, lambda: pack_tensors(packed[0], {"kept": packed[1], "counts": counts}))
    job.listener.said(say_kept(counts, wanted))


def say_kept(counts: Mapping[str, int], wanted: Mapping[str, int]) -> str:
    """How many examples are kept in a run, of how many that there might be, in a sentence."""
    less = f" (more would need over {MOST_BYTES / 1e6:.0f} MB)" if counts != wanted else ""
    if not sum(counts.values()):
        return f"no examples are kept in the run: two would need more than {MOST_BYTES / 1e6:.0f} MB"
    return f"{count_parts(counts)} are kept in the run, for inspect{less}; --no-examples keeps none"


def why_no_examples(record: Mapping[str, Any], wanted: bool) -> tuple[str, str]:
    """Why a run keeps no examples, and how to have some; of a run that keeps none.

    Args:
        wanted: whether its plan has it keep some.
    """
    if not wanted:
        return "the run keeps no examples: it was trained with --no-examples", "train again without --no-examples"
    if "kept" not in record:
        return "the run keeps no examples: an older version of Pellucid made it", "train again"
    if not sum(record["kept"].values()):
        reason = f"the run keeps no examples: two would need more than {MOST_BYTES / 1e6:.0f} MB"
        return reason, "train again on smaller ones"
    return "the examples that the run keeps can't be read", "train again"


def spread_rows(data: Examples, targets: Sequence[Field], rows: np.ndarray, seed: int) -> np.ndarray:  # (m,) -> (m,)
    """The rows in an order in which the first few, however many, are spread over the answers; at random otherwise.

    Of classes, and of 16 groups of numbers by their ranks or of texts by their lengths, each has its turn. Moments are
    spread over time.
    """
    draw = hash_counters(rows, seed, 0, KEPT_SALT)
    order = np.argsort(draw, kind="stable")
    group = _answer_groups(data, targets, rows)[order]
    # How many of its group come before each: each has its first turn before any has its second.
    inside = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[inside], prepend=-1))
    turn = np.empty(len(rows), np.int64)
    turn[inside] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    return rows[order[np.argsort(turn, kind="stable")]]


def _answer_groups(data: Examples, targets: Sequence[Field], rows: np.ndarray) -> np.ndarray:  # (m,) -> (m,) from 0
    """Which group of answers each row is of."""
    # Of what is written, rows stand in the order of their documents.
    if targets[0].traits.moments or (not targets[0].traits.plain and targets[0].traits.axes):
        return np.arange(len(rows)) * RANKS // max(len(rows), 1)
    stored = [data.stored_values(f.name) for f in targets]
    if targets[0].traits.stratified:
        return np.unique(targets[0].traits.strata(stored)[rows], return_inverse=True)[1]
    if targets[0].traits.axes:
        # Of texts by how long they are.
        amounts = [np.diff(np.asarray(one.arrays["ends"]), prepend=0) for one in stored]
    else:
        amounts = [np.asarray(one.arrays["value"]) for one in stored]
    ranks = sum(np.argsort(np.argsort(amount[rows], kind="stable")) for amount in amounts)
    return np.argsort(np.argsort(ranks, kind="stable")) * RANKS // max(len(rows), 1)


def fit_bytes(data: Examples, fields: Sequence[Field], ordered: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of the rows of each part, in their order, so many as are kept: of all parts the same share fits ``MOST_BYTES``.

    Args:
        ordered: rows by part, of each as many as there are.
    """
    moments = data.timeline is not None
    if not moments:
        small = LARGEST_SHARE * MOST_BYTES
        # Twice as many as are kept are looked at: among all rows of a large table sizes take longer than values.
        ordered = {part: rows[: 2 * MOST[part]] for part, rows in ordered.items()}
        ordered = {part: rows[example_bytes(data, fields, rows) <= small] for part, rows in ordered.items()}

    def cut(share: float) -> dict[str, np.ndarray]:
        return {part: rows[: int(np.ceil(share * MOST[part]))] for part, rows in ordered.items()}

    def size(share: float) -> int:
        rows = np.concatenate(list(cut(share).values()))
        return moment_bytes(data, fields, rows) if moments else int(example_bytes(data, fields, rows).sum())

    low, high = 0, max(MOST.values())
    if size(1.0) <= MOST_BYTES:
        return cut(1.0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle / max(MOST.values())) <= MOST_BYTES else (low, middle)
    return cut(low / max(MOST.values()))
