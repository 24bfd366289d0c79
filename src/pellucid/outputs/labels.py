"""Any of several labels: multi-label classification.

B batch, C labels (those of several target columns side by side), D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..fields import Field
from ..tasks.labels import LabelsTask
from ..trunks import Features
from .base import Output, register


@register
class Labels(Output):
    """One linear map to C logits; a sigmoid and binary cross-entropy for each label.

    Target: (B, C) zeros and ones. Step 0 says each label's frequency in training.
    """

    name = "labels"
    task_type = LabelsTask
    positive = ("temperature",)

    @classmethod
    def accepts(cls, target: Field, inputs: Sequence[Field]) -> str | None:
        return f"'{target.name}' holds any number of labels" if target.kind == cls.task_type.kind else None

    def build(self, width: int) -> Labels:
        self.layer = nn.Linear(width, len(self.task.values))
        nn.init.normal_(self.layer.weight, std=0.5 * width**-0.5)
        # Half an example more of each, so that a label of all or of none has a finite logit.
        share = [(c + 0.5) / (f.state["n"] + 1) for f in self.fields for c in f.state["counts"]]  # type: ignore[index]
        with torch.no_grad():
            self.layer.bias.copy_(torch.tensor(share).logit())
        return self

    def forward(self, f: Features, batch: Batch) -> Tensor:  # (B, D) -> (B, C)
        return self.layer(f.x)

    def losses(self, raw: Tensor, batch: Batch, f: Features | None = None) -> Tensor:  # (B, C) -> (B,)
        true: Tensor = batch.target  # type: ignore[assignment]
        return nnf.binary_cross_entropy_with_logits(raw.float(), true, reduction="none").mean(1)
