"""Muon, AdamW, and which parameter goes to which."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from pellucid.planning.plan import Recipe
from pellucid.training.optimizer import Adam, Muon, Optimizer, orthogonalise, split_parameters
from pellucid.training.state import AVERAGE_EVERY_STEPS, TrainState


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 40), (2, 40, 8), (1, 64, 9), (4, 24, 72)])
def test_orthogonal_keeps_the_singular_vectors_and_evens_the_values(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = orthogonalise(matrices, 12)
    u, before, v = torch.linalg.svd(matrices, full_matrices=False)
    core = u.mT @ found @ v.mT  # what is left of each singular direction
    values = core.diagonal(dim1=1, dim2=2)
    assert torch.allclose(core, torch.diag_embed(values), atol=1e-9), "it turned the singular vectors"
    assert values.min() > 0.6  # this iteration swings around 1 and never settles
    assert values.max() < 1.3
    assert before.max() / before.min() > 1.3, "the test matrices were even to begin with"


def test_few_rounds_already_even_out() -> None:
    matrices = torch.randn(1, 32, 48, generator=torch.Generator().manual_seed(1))
    spread = [torch.linalg.svdvals(orthogonalise(matrices, rounds)) for rounds in (0, 2, 4)]
    ratios = [float(s.max() / s.min()) for s in spread]
    assert ratios[0] > ratios[1] > ratios[2]
    assert ratios[2] < 3


def test_muon_is_the_formula_on_every_shape_at_once() -> None:
    torch.manual_seed(0)
    params = [nn.Parameter(torch.randn(s)) for s in ((16, 8), (16, 8), (8, 24), (12, 3, 3, 3))]
    before = [p.detach().clone() for p in params]
    memory = [torch.zeros(p.shape[0], p[0].numel()) for p in params]
    muon = Muon(params, decay=0.1, momentum=0.9, rounds=4)
    expected = [b.clone() for b in before]
    for _ in range(3):
        gradients = [torch.randn_like(p) for p in params]
        for p, g in zip(params, gradients, strict=True):
            p.grad = g.clone()
        muon.step(0.02)
        for i, g in enumerate(gradients):
            flat = g.flatten(1)
            memory[i] = 0.9 * memory[i] + 0.1 * flat
            update = orthogonalise((0.1 * flat + 0.9 * memory[i])[None], 4)[0]
            stretch = max(1, update.shape[0] / update.shape[1]) ** 0.5
            expected[i] = expected[i] * (1 - 0.02 * 0.1) - 0.02 * stretch * update.view_as(g)
    for p, e in zip(params, expected, strict=True):
        assert torch.allclose(p, e, atol=1e-6)
    assert set(muon.tensors()) == {"muon.16x8", "muon.8x24", "muon.12x27"}


def test_adam_is_torchs_to_the_last_bit() -> None:
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(s)) for s in ((5, 7), (3,), (2, 3, 4))]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    adam = Adam([(ours[:1] + ours[2:], 0.05), ([ours[1]], 0.0), ([], 0.3)], betas=(0.9, 0.97))
    groups: list[Any] = [
        {"params": [theirs[0], theirs[2]], "weight_decay": 0.05},
        {"params": [theirs[1]], "weight_decay": 0.0},
    ]
    torchs = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.97), eps=1e-8, fused=True)
    for step in range(20):
        rate = 0.01 / (1 + step)
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn_like(p) * (step % 3)
            q.grad = p.grad.clone()
        adam.step(rate)
        for group in torchs.param_groups:
            group["lr"] = rate
        torchs.step()
    for p, q in zip(ours, theirs, strict=True):
        assert torch.equal(p, q)


class Parts(nn.Module):
    """Named as the parts of a network are."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs = nn.ModuleList([nn.Linear(9, 16)])
        self.trunk = nn.Sequential(nn.Conv2d(16, 16, 3), nn.LayerNorm(16), nn.Linear(16, 4), nn.Linear(16, 16))
        self.links = nn.ModuleDict({"0": nn.Linear(16, 16)})
        self.output = nn.Linear(16, 10)

    def weights(self) -> dict[str, Any]:
        return self.state_dict()


def test_hidden_matrices_go_to_muon_and_everything_goes_somewhere() -> None:
    parts = Parts()
    names = {id(p): name for name, p in parts.named_parameters()}
    matrices, rest = split_parameters(parts)
    assert {names[id(p)] for p in matrices} == {"trunk.0.weight", "trunk.3.weight", "links.0.weight"}
    assert len(matrices) + len(rest) == len(names)
    optimizer = Optimizer(parts, Recipe())
    assert {id(p) for p in optimizer.parameters} == set(names)
    assert len(optimizer.parameters) == len(names)
    adam_only = Optimizer(parts, Recipe(matrix_lr=0.0))
    assert adam_only.muon.tensors() == {}
    assert len(adam_only.parameters) == len(names)


def test_only_matrices_decay_and_parts_that_took_no_part_stand_still() -> None:
    parts = Parts()
    before = {k: v.clone() for k, v in parts.state_dict().items()}
    optimizer = Optimizer(parts, Recipe(lr=0.1, decay=0.5, matrix_lr=0.1, matrix_decay=0.5))
    optimizer.clear()
    optimizer.step(0.5)
    for name, p in parts.named_parameters():
        kept = 1 if p.ndim < 2 else 1 - 0.5 * 0.1 * 0.5
        assert torch.allclose(p, before[name] * kept), name


def test_norm_is_of_the_whole_gradient() -> None:
    parts = Parts()
    optimizer = Optimizer(parts, Recipe())
    for p in parts.parameters():
        p.grad = torch.full_like(p, 0.5)
    count = sum(p.numel() for p in parts.parameters())
    assert float(optimizer.norm()) == pytest.approx(0.5 * count**0.5)
    parts.output.bias.grad[3] = torch.inf  # type: ignore[index]
    assert not optimizer.norm().isfinite()


def test_making_an_optimizer_does_not_import_torchs_compiler() -> None:
    code = (
        "import sys, torch; from torch import nn; from pellucid.planning.plan import Recipe; "
        "from pellucid.training.optimizer import Optimizer; net = nn.Linear(3, 3); o = Optimizer(net, Recipe()); "
        "o.clear(); o.norm; o.step(1.0); assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def small_state() -> TrainState:
    network: Any = Parts()
    network.device = torch.device("cpu")
    network.output.task = SimpleNamespace(metric="accuracy", watched=SimpleNamespace(name="accuracy"))
    network.trunk.append(nn.BatchNorm1d(4))
    return TrainState(network, Recipe())


def test_averaged_weights_are_the_mean_at_first_and_follow_later() -> None:
    state = small_state()
    weight, seen = state.weights["output.bias"], []
    for step in range(1, 30 * AVERAGE_EVERY_STEPS + 1):
        weight.fill_(float(step))
        state.step = step
        state.update_ema()
        if step % AVERAGE_EVERY_STEPS == 0:
            seen.append(float(step))
        if step <= 10 * AVERAGE_EVERY_STEPS and seen:
            first = float(small_state().weights["output.bias"][0]) * 0
            mean = (first + sum(seen)) / (len(seen) + 1)  # the first weights count as one
            assert state.average["output.bias"][0] == pytest.approx(mean, abs=0.2)
    assert state.average["output.bias"][0] < state.weights["output.bias"][0]
    state.weights["trunk.4.num_batches_tracked"].fill_(7)
    state.step += AVERAGE_EVERY_STEPS
    state.update_ema()
    assert state.average["trunk.4.num_batches_tracked"] == 7, "counts are copied, not averaged"
    state.step += 1
    before = state.average["output.bias"].clone()
    state.update_ema()
    assert torch.equal(state.average["output.bias"], before), "in between nothing moves"


def test_a_checkpoint_restores_everything_into_another_state() -> None:
    one, two = small_state(), small_state()
    torch.manual_seed(3)
    for p in one.optimizer.parameters:
        p.grad = torch.randn_like(p)
    one.optimizer.step(1.0)
    one.step, one.stale, one.lowest, one.seconds = 4, 3, 0.25, 9.5
    one.update_ema()
    one.keep_best({"step": 4, "validation_loss": 0.25, "accuracy": 0.5})
    two.restore(one.tensors(), one.meta(), Path("checkpoints"))
    assert two.meta() == one.meta()
    mine, other = one.tensors(), two.tensors()
    assert mine.keys() == other.keys()
    assert all((mine[k] == other[k]).all() for k in mine)
    assert small_state().meta()["lowest"] is None  # strict JSON has no infinity
    two.restore(small_state().tensors(), small_state().meta(), Path("checkpoints"))
    assert two.lowest == float("inf")


def test_buffers_that_a_forward_pass_changed_can_be_put_back() -> None:
    state = small_state()
    norm: Any = state.network.trunk[4]
    norm(torch.randn(6, 4))
    kept = norm.running_mean.clone()
    state.keep_buffers()
    norm(torch.full((6, 4), torch.nan))
    assert norm.running_mean.isnan().all()
    state.put_back_buffers()
    assert torch.equal(norm.running_mean, kept)
    assert int(norm.num_batches_tracked) == 1
