"""The trunks' building blocks against what they replace, and against what they promise."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pellucid.errors import PellucidError
from pellucid.trunks import Features
from pellucid.trunks.base import mean_positions
from pellucid.trunks.layers import (
    GROUP,
    Dropout,
    GroupedBatchNorm,
    assign_salts,
    dropout_mask,
    max_positions,
    rotary_angles,
    rotate_pairs,
)


def grid(batch: int, width: int = 3, side: int = 4, dtype: torch.dtype = torch.float64) -> Tensor:  # (B, D, H, W)
    return torch.randn(batch, side, side, width, dtype=dtype).permute(0, 3, 1, 2)


# ---------------------------------------------------------------- dropout


def test_dropout_is_a_function_of_the_key_alone() -> None:
    dropout, x = Dropout(0.3), torch.randn(8, 5, 7)
    key = torch.randint(2**62, (8,))
    whole = dropout(x, key)
    assert torch.equal(whole, dropout(x, key))
    assert torch.equal(whole[3:5], dropout(x[3:5], key[3:5]))
    order = torch.randperm(8)
    assert torch.equal(whole[order], dropout(x[order], key[order]))
    assert torch.equal(whole[:, :3], dropout(x[:, :3], key))  # nor of how far the batch was padded
    assert not torch.equal(whole, dropout(x, key + 1))


def test_dropout_keeps_the_mean_and_is_off_in_evaluation() -> None:
    dropout, x = Dropout(0.3), torch.ones(64, 1000)
    y = dropout(x, torch.arange(64))
    assert sorted(y.unique().tolist()) == pytest.approx([0, 1 / 0.7])
    assert y.mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(dropout.eval()(x, torch.arange(64)), x)
    assert dropout.train()(x).mean().item() == pytest.approx(1, abs=0.02)  # without keys, torch's own
    with pytest.raises(PellucidError, match="dropout 1 is not a share of values"):
        Dropout(1)


@pytest.mark.parametrize("p", [0.02, 0.5, 0.9])
def test_dropped_elements_look_independent(p: float) -> None:
    """Between examples (neighbouring keys are the hard case), between elements, and between salts."""
    n = 4000
    keep = dropout_mask(torch.arange(100), 1, n, p).double()  # (B, N)
    spread = (p * (1 - p) / n) ** 0.5
    assert abs(keep.mean().item() - (1 - p)) < 5 * spread / 100**0.5
    assert keep.mean(1).std().item() == pytest.approx(spread, rel=0.25)
    elements = dropout_mask(torch.arange(n), 1, 100, p).double().T
    salts = torch.cat([keep[:50], dropout_mask(torch.arange(50), 2, n, p).double()])
    for table in (keep, elements, salts):  # (100, n)
        off = torch.corrcoef(table) - torch.eye(100, dtype=table.dtype)
        assert off.abs().max().item() < 8 / n**0.5


def test_salts_differ_and_follow_the_order() -> None:
    network = nn.Sequential(Dropout(0.5), nn.ModuleList([Dropout(0.5), nn.Linear(2, 2), Dropout(0.5)]))
    assign_salts(network)
    assert [m.salt for m in network.modules() if isinstance(m, Dropout)] == [1, 2, 3]
    x, key = torch.ones(4, 100), torch.arange(4)
    assert not torch.equal(network[0](x, key), network[1][0](x, key))


# ---------------------------------------------------------------- normalisation over groups


def test_one_group_is_batch_normalisation() -> None:
    ours, torchs = GroupedBatchNorm(3).double(), nn.BatchNorm2d(3).double()
    x = grid(32).requires_grad_()
    (a,) = torch.autograd.grad(ours(x).sin().sum(), x)
    (b,) = torch.autograd.grad(torchs(x).sin().sum(), x)
    assert torch.allclose(ours(x), torchs(x), atol=1e-12)
    assert torch.allclose(a, b, atol=1e-12)
    assert torch.allclose(ours.mean, x.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(ours.var, x.var((0, 2, 3), correction=0), atol=1e-6)


def test_the_kernel_equals_the_formula_and_its_gradients_are_right() -> None:
    torch.manual_seed(0)
    norm = GroupedBatchNorm(2).double()
    nn.init.normal_(norm.weight)
    x = grid(37, width=2, side=2)
    everything = torch.ones(37, 2, 2, dtype=torch.bool)
    assert torch.allclose(norm(x), norm(x, everything), atol=1e-12)
    norm.group = 4
    x = grid(6, width=2, side=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w, b: _normalised(norm, x, w, b), (x, norm.weight, norm.bias))


def _normalised(norm: GroupedBatchNorm, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.func.functional_call(norm, {"weight": weight, "bias": bias}, (x,))


@pytest.mark.parametrize("masked", [False, True])
def test_micro_batches_of_whole_groups_give_what_the_whole_gives(masked: bool) -> None:
    whole, parts = GroupedBatchNorm(3).double(), GroupedBatchNorm(3).double()
    size, n = GROUP, 3 * GROUP + 4
    x = grid(n) * torch.linspace(1, 3, n).view(-1, 1, 1, 1)
    mask = torch.rand(n, 4, 4) < 0.7 if masked else None
    a = whole(x, mask)
    b = torch.cat([parts(x[i : i + size], None if mask is None else mask[i : i + size]) for i in range(0, n, size)])
    assert torch.allclose(a, b, atol=1e-6)
    for name in ("mean", "var"):
        assert torch.allclose(getattr(whole, name), getattr(parts, name), atol=1e-6)
    assert whole.count.item() == parts.count.item() == 4


def test_statistics_are_of_real_positions_only() -> None:
    norm, x = GroupedBatchNorm(3), grid(32, dtype=torch.float32)
    mask = torch.rand(32, 4, 4) < 0.6
    y = norm(x.masked_fill(~mask.unsqueeze(1), 1e4), mask).permute(0, 2, 3, 1)[mask]  # (positions, D)
    assert torch.allclose(y.mean(0), torch.zeros(3), atol=1e-4)
    assert torch.allclose(y.var(0, correction=0), torch.ones(3), atol=1e-3)


def test_a_group_of_one_value_takes_the_running_statistics() -> None:
    norm = GroupedBatchNorm(2)
    norm.mean.fill_(3.0)
    norm.var.fill_(4.0)
    y = norm(torch.full((1, 2, 1, 1), 5.0))
    assert torch.allclose(y, torch.ones_like(y), atol=1e-4)
    assert norm(torch.randn(GROUP + 1, 2, 1, 1)).isfinite().all()
    assert torch.allclose(norm.eval()(norm.mean.view(1, 2, 1, 1)), torch.zeros(1, 2, 1, 1), atol=1e-6)


def test_running_statistics_are_the_plain_average_at_first_and_then_follow() -> None:
    norm, x = GroupedBatchNorm(1).double(), grid(GROUP * 50, width=1)
    norm(x)
    assert torch.allclose(norm.mean, x.mean(), atol=1e-6)
    for _ in range(200):
        norm(x[:GROUP] + 7)
    assert norm.mean.item() == pytest.approx(7 + x[:GROUP].mean().item(), abs=0.15)


# ---------------------------------------------------------------- positions, pooling


@pytest.mark.parametrize("shape", [(7,), (3, 5)])
def test_rotary_keeps_lengths_and_knows_only_differences(shape: tuple[int, ...]) -> None:
    q, k = torch.randn(2, 8, dtype=torch.float64)
    turn = rotary_angles(shape, 8, q)
    total = turn[0].shape[0]
    qs, ks = rotate_pairs(q.expand(total, 8), turn), rotate_pairs(k.expand(total, 8), turn)
    assert torch.allclose(qs.norm(dim=-1), q.norm().expand(total))
    scores = (qs @ ks.T).view(*shape, *shape)
    if len(shape) == 1:
        assert torch.allclose(scores[2, 0], scores[6, 4])
        assert not torch.allclose(scores[2, 0], scores[0, 2])
    else:
        assert torch.allclose(scores[0, 0, 1, 2], scores[1, 2, 2, 4])
        assert not torch.allclose(scores[0, 0, 1, 2], scores[0, 0, 2, 1])


def test_rotary_can_start_anywhere() -> None:
    x = torch.zeros(1)
    for whole, late in zip(rotary_angles((9,), 8, x), rotary_angles((2,), 8, x, first=7), strict=True):
        assert torch.allclose(whole[7:], late, atol=1e-6)


def test_pooling_is_over_real_positions() -> None:
    x = torch.tensor([[[1.0], [2.0], [9.0]], [[-1.0], [-2.0], [-3.0]], [[5.0], [5.0], [5.0]]])
    mask = torch.tensor([[True, True, False], [True, True, True], [False, False, False]])
    assert max_positions(Features(x, mask=mask)).flatten().tolist() == [2.0, -1.0, 0.0]
    assert mean_positions(Features(x, mask=mask)).flatten().tolist() == [1.5, -2.0, 0.0]
    assert torch.equal(max_positions(Features(x)), F.max_pool1d(x.mT, 3).squeeze(-1))
