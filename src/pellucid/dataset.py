"""What the user holds in Python: a Dataset that can also make networks and batches for a loop of one's own.

The data room knows nothing of torch; this face on it loads torch when a network is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import data as room
from .data.batches.batch import Batch, encode_groups, encode_target, gather_batch
from .data.batches.order import example_keys, shuffled_batches
from .data.sample_weights import loss_weights
from .errors import UsageError, unknown_name

if TYPE_CHECKING:
    from .network import Network
    from .trunks import Trunk


class Dataset(room.Dataset):
    """Data that was read, ready for training.

    Example:
        >>> data = pellucid.read("wine.csv", target="quality")                          # doctest: +SKIP
        >>> net = data.network(trunk="mlp")                                             # doctest: +SKIP
        >>> for batch in data.batches("train", net, seed=0):                            # doctest: +SKIP
        ...     net.loss(batch).backward()
    """

    __module__ = "pellucid"

    _encoded: Any = None  # the last network, its encoded inputs and target: an epoch is no time to encode anew

    def network(self, trunk: Trunk | str = "mlp", *, seed: int = 0, split_seed: int = 0) -> Network:
        """A network for this data: its input layers, the trunk (or a trunk's name), its output layer.

        Args:
            trunk: the hidden layers. seed: of the first weights. split_seed: whose training part scales and
                vocabularies are learned from.
        """
        from .network import Network

        self.need_target()
        fields = self.fitted(split_seed).values()
        return Network(
            [f for f in fields if f.role == "input"], trunk, [f for f in fields if f.role == "target"], seed=seed
        )

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
        from .network import target_array

        parts = self.split(split_seed).parts()
        if part not in parts:
            raise UsageError(unknown_name("part of the data", part, parts))
        if self._encoded is None or self._encoded[0] is not network:
            inputs = encode_groups(self, [f for f in network.fields if f.role != "target"])
            self._encoded = network, inputs, target_array(encode_target(self, network.output.fields))
        _, encoded, target = self._encoded
        training = part == "train"
        weight = loss_weights(self.row_weights(), parts["train"])
        order = shuffled_batches(parts[part], seed=seed, epoch=epoch, batch_size=batch_size, whole=training)
        for rows in order:
            key = example_keys(rows, seed, epoch) if training else None
            yield network.to_tensors(
                Batch(gather_batch(encoded, rows), target[rows], rows, key, None if weight is None else weight[rows])
            )


def read(source: Any, **options: Any) -> Dataset:
    """Read a folder, a table or arrays; recognise what they hold and what can be predicted. Torch stays unloaded.

    Args:
        source: a path (CSV, TSV, Parquet, JSON lines, a folder of photos), a DataFrame, a dict of columns or arrays.
        options: ``target``, ``kinds``, ``ignore``, ``header``, ``split``, ``image_size``,
            ``weights`` (``pellucid read --help``).

    Raises:
        PellucidError: when nothing can be recognised; says what was expected.
    """
    return room.read_data(source, make=Dataset, **options)
