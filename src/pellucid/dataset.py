"""``Dataset``, what a user holds: data that is described, checked, split, and turned into networks and batches.

Torch is loaded when a network is asked for, not before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import checks
from .data.batches.batch import Batch, encode_groups, encode_target, gather_batch, gather_rows
from .data.batches.order import example_keys, shuffled_batches
from .data.cache.cache import key_of
from .data.examples import Examples
from .data.read import read_data
from .data.sample_weights import loss_weights
from .data.splits.spec import parse_split
from .data.splits.split import Split, split_data
from .data.summary import SHORT, describe_lines, summarise_data
from .errors import PellucidError, UsageError, unknown_name
from .fields import Field, Note, Ragged
from .options.signature import with_options

if TYPE_CHECKING:
    from typing_extensions import Self

    from .network import Network
    from .trunks import Trunk


class Dataset(Examples):
    """Data that was read, ready for training. Made by ``pellucid.read``; its print says what was found.

    Example:
        >>> data = pellucid.read("wine.csv", target="quality")                          # doctest: +SKIP
        >>> net = data.network(trunk="mlp")                                             # doctest: +SKIP
        >>> for batch in data.batches("train", net, seed=0):                            # doctest: +SKIP
        ...     net.loss(batch).backward()
    """

    __module__ = "pellucid"

    # The last network, its encoded inputs and target: an epoch is no time to encode anew.
    _encoded: Any = None
    # The last split, and the seed, shares and roles that it was made for.
    _split: tuple[Any, Split] | None = None

    @classmethod
    def of(cls, examples: Examples) -> Self:
        """A dataset that shares every attribute of ``examples``: nothing is copied and nothing read."""
        data = cls.__new__(cls)
        vars(data).update(vars(examples))
        return data

    def __repr__(self) -> str:
        return "\n".join(describe_lines(self, SHORT))

    def _repr_html_(self) -> str:
        from .data.summary_html import data_html

        return data_html(self)

    def describe(self) -> str:
        """What ``print`` shows, at its full length: every column and note that a screen or two can hold."""
        return "\n".join(describe_lines(self))

    def summary(self) -> dict[str, Any]:
        """What ``describe`` says, as plain JSON; ``pellucid read --json`` prints it."""
        return summarise_data(self)

    def split(self, seed: int = 0, fractions: Sequence[float] | None = None) -> Split:
        """Train, validation and test rows: as the data gives them or was asked for, else at random.

        Args:
            seed: of the random choice.
            fractions: shares of train, validation and test; those of ``read``, else 80 : 10 : 10, when left out.

        Raises:
            PellucidError: when there are too few examples, groups or moments for the parts.
        """
        if fractions is not None:
            fractions = parse_split([float(share) for share in fractions]).shares
        # Roles decide which rows can be used, so a target that is named later asks for another split.
        about = seed, fractions and tuple(fractions), tuple((f.name, f.role) for f in self.fields.values())
        if self._split is None or self._split[0] != about:
            self._split = about, split_data(self, seed, fractions)
        return self._split[1]

    def fitted(self, seed: int = 0) -> dict[str, Field]:
        """The input and target fields with what they learn from the training rows of ``split(seed)`` alone."""
        self.need_target()
        rows = self.split(seed).learned_rows
        about = _rows_digest(rows)
        learns = {f.name for f in self.fields.values() if f.is_input or f.role == "target"}
        # What says when and whose a row is learns nothing, and goes along to read new data by.
        along = {f.name for f in self.fields.values() if f.role in ("time", "series id")}
        return {
            name: self.fit_field(f, rows, about) if name in learns else f
            for name, f in self.fields.items()
            if name in learns or name in along
        }

    def with_fitted(self, fitted: Mapping[str, Field]) -> Self:
        """A copy whose fields take settings and states from ``fitted``, by name, and are not fitted again."""
        other = super().with_fitted(fitted)
        # A fitted target may leave out rows whose class it has not seen: split and encoded arrays are made anew.
        other._split = other._encoded = None
        return other

    def check(self, split: Split | None = None) -> list[Note]:
        """Decode everything and look for what only shows then: unreadable files, copies across parts. Adds notes.

        Args:
            split: the parts that examples are compared across; those of seed 0 when left out.
        """
        if self.unchecked:
            return self.notes
        for field in self.inputs:
            self.stored_values(field.name)
        rows = self.usable_rows()
        # Too few rows for any parts: training says so.
        with suppress(PellucidError):
            split = split or self.split()
        shape = None if split is None else [split.how, *(_rows_digest(rows) for rows in split.parts().values())]

        def build_entry(_: Any) -> tuple[dict[str, np.ndarray], Any]:
            return {}, [asdict(note) for note in checks.check_examples(self, split, rows)]

        # Checks read every example; kept under all that they depend on, they are paid for once.
        key = key_of("checks", checks.checks_digest(), self.fingerprint(), self._key, shape)
        for note in self.cache.get_or_build(key, build_entry, self.add_note).meta:
            self.add_note(Note(**note))
        return self.notes

    def network(self, trunk: Trunk | str = "mlp", *, seed: int = 0, split_seed: int = 0) -> Network:
        """A network for this data: its input layers, the trunk (or a trunk's name), its output layer.

        Args:
            trunk: the hidden layers. seed: of the first weights. split_seed: whose training set scales and
                vocabularies are learned from.
        """
        from .network import Network

        self.need_target()
        fields = self.fitted(split_seed).values()
        return Network([f for f in fields if f.is_input], trunk, [f for f in fields if f.role == "target"], seed=seed)

    def batches(
        self,
        part: str,
        network: Network,
        *,
        seed: int = 0,
        epoch: int = 0,
        batch_size: int = 64,
        split_seed: int = 0,
    ) -> Iterator[Batch]:
        """One pass over a part as batches of tensors on the network's device.

        Args:
            part: ``"train"`` (shuffled, the order a function of seed and epoch), ``"validation"`` or ``"test"``.
            network: whose fields and states say how to encode.
            seed, epoch: of the order. split_seed: of the split, the same for a network's whole life.

        Raises:
            UsageError: for another part.
        """
        parts = self.split(split_seed).parts()
        if batch_size < 1:
            raise UsageError(f"a batch of {batch_size} examples is none", fix="give batch_size 1 or more")
        if part not in parts:
            raise UsageError(unknown_name("part of the data", part, parts))
        # By identity: another network of the same fields may have been fitted on other rows.
        if self._encoded is None or self._encoded[0] is not network:
            inputs = encode_groups(self, network.fields)
            self._encoded = network, inputs, encode_target(self, network.output.fields)
        _, encoded, target = self._encoded
        training = part == "train"
        lengths = target.lengths if isinstance(target, Ragged) else None
        weight = loss_weights(self.row_weights(), parts["train"], lengths=lengths)
        order = shuffled_batches(parts[part], seed=seed, epoch=epoch, batch_size=batch_size, whole=training)
        for rows in order:
            # Keys switch on augmentation and dropout, which evaluation must not have.
            key = example_keys(rows, seed, epoch) if training else None
            yield network.to_tensors(
                Batch(
                    gather_batch(encoded, rows),
                    gather_rows(target, rows),
                    rows,
                    key,
                    None if weight is None else weight[rows],
                )
            )


@with_options("read", also=read_data)
def read(source: Any, **options: Any) -> Dataset:
    """Read a folder, a table or arrays; recognise what they hold and what can be predicted. Torch stays unloaded.

    Args:
        source: a path (CSV, TSV, Parquet, JSON lines, a folder of photos), a DataFrame, a dict of columns or arrays.
        cache: folder for decoded values; ``$PELLUCID_CACHE`` or ``~/.cache/pellucid`` when left out, False for none.
        check: False looks for nothing odd in the values, now or before training, which saves time.
        options: those of ``pellucid read``, below.

    Raises:
        PellucidError: when nothing can be recognised; says what was expected.
    """
    return Dataset.of(read_data(source, **options))


def read_again(data: Dataset, **options: Any) -> Dataset:
    """The data with other options of reading."""
    own = {**data.options, "cache": data.cache.folder or False, "check": not data.unchecked, **options}
    return read(data.source, **own)


def _rows_digest(rows: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(rows).data).hexdigest()
