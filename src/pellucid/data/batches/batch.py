"""What one step of training reads: the arrays of a batch, whatever library they are of.

B batch, n examples, F fields of a joint kind, T longest sequence of the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from ...fields import Encoded, Field, Ragged, input_groups
from ...fields.encoded import Passages, Windows
from ..documents.windows import encode_passages
from ..parallel.pairs import pair_texts
from ..timeline.windows import input_windows, target_windows
from .encode import encode_group

if TYPE_CHECKING:
    from ..examples import Examples

Array = TypeVar("Array")


@dataclass(frozen=True)
class Padded(Generic[Array]):
    """Sequences of different lengths side by side.

    Attributes:
        values: (B, T, ...) with zeros after each sequence's end.
        lengths: (B,) how many of the T are real.
    """

    values: Array
    lengths: Array


@dataclass(frozen=True)
class Batch(Generic[Array]):
    """One batch.

    Attributes:
        inputs: array by group key (``"number"`` (B, F), ``"image:photo"`` (B, H, W, C), ``"text:review"`` padded).
        target: (B, ...) what is to be predicted, or sequences of different lengths; None where it is not known.
        rows: (B,) int64, rows of the dataset.
        key: (B,) int64, one random key an example for augmentation and dropout; None outside training.
        weight: (B,) how much each example's loss counts, 1 on average over training; None where all count the same.
        solved: (B, R) what the network's solved part says; None where it has none, or has not been asked yet.
    """

    inputs: dict[str, Array | Padded[Array]]
    target: Array | Padded[Array] | None
    rows: np.ndarray
    key: Array | None = None
    weight: Array | None = None
    solved: Array | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of_targets(cls, target: Any) -> Batch[Any]:
        """Nothing but targets (n, ...): for the losses of answers that were kept."""
        return cls({}, target, np.arange(len(target)))


def cut_batch(batch: Batch[Any], cut: slice) -> Batch[Any]:
    """Some examples of a batch, one after the other; sequences stay padded as they are."""
    return replace(
        batch,
        inputs={name: cut_rows(value, cut) for name, value in batch.inputs.items()},
        target=cut_rows(batch.target, cut),
        rows=batch.rows[cut],
        key=cut_rows(batch.key, cut),
        weight=cut_rows(batch.weight, cut),
        solved=cut_rows(batch.solved, cut),
    )


def cut_rows(value: Any, cut: slice) -> Any:
    """The examples ``cut`` of one value of a batch: an array, padded sequences, or None."""
    if isinstance(value, Padded):
        return Padded(value.values[cut], value.lengths[cut])
    return None if value is None else value[cut]


def gather_batch(encoded: Mapping[str, Encoded], rows: np.ndarray) -> dict[str, np.ndarray | Padded[np.ndarray]]:
    """The ``rows`` of every encoded group; sequences are padded with zeros to the longest of them."""
    return {key: gather_rows(one, rows) for key, one in encoded.items()}


def gather_rows(encoded: Encoded, rows: np.ndarray) -> np.ndarray | Padded[np.ndarray]:  # (B,) -> (B, ...)
    if isinstance(encoded, Windows):
        return encoded.gather(rows)
    assert not isinstance(encoded, Passages), "windows of documents are gathered where the data lives"
    return pad_sequences(encoded, rows) if isinstance(encoded, Ragged) else encoded[rows]


def pad_sequences(ragged: Ragged, rows: np.ndarray) -> Padded[np.ndarray]:
    """Some sequences side by side, (B, T, ...), with zeros after each one's end."""
    ends = ragged.ends[rows]  # (B,)
    starts = np.where(rows > 0, ragged.ends[rows - 1], 0)  # (B,)
    lengths = ends - starts
    longest = int(lengths.max(initial=0))
    # One mask for the whole batch: a loop over its sequences would run in Python at every step.
    real = np.arange(longest) < lengths[:, None]  # (B, T)
    values = np.zeros((len(rows), longest, *ragged.values.shape[1:]), ragged.values.dtype)
    values[real] = ragged.values[(starts[:, None] + np.arange(longest))[real]]
    return Padded(values, lengths)


def encode_groups(dataset: Examples, fields: Iterable[Field]) -> dict[str, Encoded]:
    """The encoded inputs by group key, the fields of a joint kind stacked to one (n, F) array.

    Args:
        fields: with their fitted states; those that are no inputs are passed over.
    """
    named = {field.name: field for field in fields}
    return {
        group.key: _encode_input(dataset, [named[name] for name in group.fields])
        for group in input_groups(named.values())
    }


def _encode_input(dataset: Examples, fields: list[Field]) -> Encoded:
    """What one input layer reads of all examples."""
    if fields[0].traits.written:
        return encode_passages(dataset, fields[0])
    return (input_windows if fields[0].traits.moments else encode_group)(dataset, fields)


def encode_target(dataset: Examples, fields: Field | Iterable[Field]) -> Encoded:
    """The target as outputs read it: numbers (n, R), class numbers (n,), or sequences. Fields with fitted states.

    Several fields stand side by side.
    """
    targets = [fields] if isinstance(fields, Field) else list(fields)
    if targets[0].traits.moments:
        return target_windows(dataset, targets)
    if targets[0].traits.written:
        return encode_passages(dataset, targets[0])
    if targets[0].traits.prose:
        encoded = dataset.encoded_values(targets[0].name, targets[0])
        assert isinstance(encoded, Ragged)
        return pair_texts(dataset, targets[0], encoded)
    several = len(targets) > 1
    return shape_target(
        encode_group(dataset, targets) if several else dataset.encoded_values(targets[0].name, targets[0])
    )


def shape_target(target: Encoded) -> Encoded:
    """Numbers as (n, R), also where there is one an example."""
    numbers = isinstance(target, np.ndarray) and target.dtype.kind == "f"
    return target.reshape(len(target), -1) if numbers else target  # type: ignore[union-attr]
