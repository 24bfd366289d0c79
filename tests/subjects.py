"""Subjects to look into, made by hand: a network, some examples kept of training and of validation, one example."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pellucid.network import Network
from pellucid.training.loader import Loader
from pellucid.views.base import Part, Subject

CPU = torch.device("cpu")


def subject_of(
    network: Network, data: Any, row: int | None = 0, kept: tuple[int, int] = (64, 64), **more: Any
) -> Subject:
    """What is looked into: ``row`` of some data; the first rows are kept as training's, the last as validation's."""
    loader = Loader.of(data, network.fields, CPU)
    rows = data.usable_rows()
    training, validation = rows[: kept[0]], rows[-kept[1] :]
    example = None if row is None else loader.batch(torch.tensor([int(rows[row])]))
    return Subject(
        network.eval(),
        example,
        data,
        "" if row is None else data.short_title(int(rows[row])),
        training=Part(data, loader, np.asarray(training)),
        validation=Part(data, loader, np.asarray(validation)),
        **more,
    )
