"""Any of several labels: multi-label classification.

B batch, C labels (those of several target columns side by side), D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from ..fields import Field
from ..tasks.labels import LabelsTask
from .base import register
from .pooled import PooledOutput


@register
class Labels(PooledOutput):
    """One linear map to C logits; a sigmoid and binary cross-entropy for each label.

    Target: (B, C) zeros and ones. Step 0 says each label's frequency in training.
    """

    name = "labels"
    task_type = LabelsTask
    positive = ("temperature",)
    # Those of small tables are cross-validated one fold after the other.
    map_type = nn.Linear

    @classmethod
    def accepts(cls, target: Field, inputs: Sequence[Field]) -> str | None:
        return f"'{target.name}' holds any number of labels" if target.kind == cls.task_type.kind else None

    @property
    def answers(self) -> int:
        return len(self.task.values)

    def start_weights(self, width: int) -> None:
        nn.init.normal_(self.layer.weight, std=0.5 * width**-0.5)
        # Half an example more of each, so that a label of all or of none has a finite logit.
        share = [(c + 0.5) / (f.state["n"] + 1) for f in self.fields for c in f.state["counts"]]  # type: ignore[index]
        with torch.no_grad():
            self.layer.bias.copy_(torch.tensor(share).logit().repeat(self.heads))

    def each_loss(self, raw: Tensor, true: Tensor) -> Tensor:  # (n, C), (n, C) -> (n,)
        return nnf.binary_cross_entropy_with_logits(raw, true, reduction="none").mean(1)

    def join_heads(self, raw: Tensor) -> Tensor:  # (B, H, C) -> (B, C)
        """The logit of the mean probability."""
        raw = raw.float()
        return nnf.logsigmoid(raw).logsumexp(1) - nnf.logsigmoid(-raw).logsumexp(1)
