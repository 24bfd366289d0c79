"""A recurrence for all positions at once against itself step by step: values, gradients, every length, extremes."""

from __future__ import annotations

import time

import pytest
import torch
from test_trunks import made
from torch import Tensor, nn

from pellucid.trunks import Features, MinGru, Recurrent
from pellucid.trunks.glossary import shown_as
from pellucid.trunks.parallel_scan import CHUNK, MinGruLayer, scan, walk_chunks
from pellucid.trunks.recurrent import Direction

# One chunk and less, its borders, several chunks, and chunks of chunks.
LENGTHS = (1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 100, CHUNK * CHUNK, CHUNK * CHUNK + 5)


def step_by_step(keep: Tensor, enter: Tensor, first: Tensor) -> Tensor:  # (S, T, K), (S, T, K), (S, K) -> (S, T, K)
    hidden = []
    for t in range(keep.shape[1]):
        first = keep[:, t] * first + enter[:, t]
        hidden.append(first)
    return torch.stack(hidden, 1)


def some(length: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Shares from all but 0 to all but 1, most of them large, so that states live long."""
    torch.manual_seed(length)
    keep = torch.sigmoid(4 * torch.randn(2, length, 3, dtype=dtype) + 2)
    return keep, torch.randn(2, length, 3, dtype=dtype), torch.randn(2, 3, dtype=dtype)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_scan_is_its_steps(length: int) -> None:
    for dtype, bound in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
        keep, enter, first = some(length, dtype)
        whole = step_by_step(keep, enter, first)
        assert (scan(keep, enter, first) - whole).abs().max() <= bound * whole.abs().max().clamp_min(1)


@pytest.mark.parametrize("length", LENGTHS[:-2])
def test_its_gradients_are_those_of_its_steps(length: int) -> None:
    given = [v.requires_grad_() for v in some(length)]
    way = torch.randn(2, length, 3, dtype=torch.float64)
    a, b = (torch.autograd.grad((run(*given) * way).sum(), given) for run in (scan, step_by_step))
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=1e-11)


def test_its_gradients_agree_with_central_differences() -> None:
    assert torch.autograd.gradcheck(scan, [v.requires_grad_() for v in some(CHUNK + 3)])


@pytest.mark.parametrize("length", LENGTHS)
def test_from_the_end_it_is_the_turned_sequence(length: int) -> None:
    keep, enter, _ = some(length)
    turned = walk_chunks(keep.flip(1), enter.flip(1)).flip(1)
    assert torch.allclose(walk_chunks(keep, enter, reverse=True), turned, atol=1e-12)


def test_shares_at_their_ends_neither_overflow_nor_vanish() -> None:
    length = 4 * CHUNK + 7
    _, enter, first = some(length, torch.float32)
    for share in (0.0, 1e-30, 1.0):
        keep = torch.full_like(enter, share)
        given = [v.clone().requires_grad_() for v in (keep, enter, first)]
        hidden = scan(*given)
        slopes = torch.autograd.grad(hidden.sum(), given)
        assert all(v.isfinite().all() for v in (hidden, *slopes))
        expected = step_by_step(keep.double(), enter.double(), first.double())
        assert torch.allclose(hidden.double(), expected, atol=1e-3 if share == 1 else 1e-6)
    # What is kept whole is there after any number of positions, to the last bit.
    keep, enter = torch.ones(1, 5000, 2), torch.zeros(1, 5000, 2)
    assert torch.equal(scan(keep, enter, torch.tensor([[0.1, -0.7]]))[0, -1], torch.tensor([0.1, -0.7]))


# -- the cell


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("length", [1, 9, CHUNK, 70, 2050])
def test_the_layer_is_its_gates_at_every_length_and_padding(length: int, backward: bool) -> None:
    torch.manual_seed(length)
    way = Direction("mingru", 5, 4, backward).double()
    for parameter in way.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(3, length, 5, dtype=torch.float64)
    lengths = torch.tensor([length, max(length // 2, 1), 0])
    for given in (None, lengths):
        y, (opened, inside) = way(x, given), way.open(x, given)
        assert torch.allclose(y, opened, atol=1e-12)
        assert set(inside) == {"candidate", "update_gate", "hidden"}
        for name, value in inside.items():
            low, high = shown_as(name)[0].low, shown_as(name)[0].high
            assert low is not None
            assert high is not None
            assert low <= value.min()
            assert value.max() <= high
    cut = int(lengths[1])
    alone = way(x[1:2, :cut], None)
    assert torch.allclose(way(x.index_fill(1, torch.arange(cut, length), 1e3)[1:2], lengths[1:2])[:, :cut], alone)


def test_the_cell_answers_what_views_ask() -> None:
    way = Direction("mingru", 5, 4).double()
    assert way.gate_rows(3) == {"candidate": 3, "update_gate": 7}
    assert {gate: way.activation_of(gate) for gate in way.gate_rows(0)} == {
        "candidate": "tanh",
        "update_gate": "sigmoid",
    }
    assert way.state_names() == ("hidden",)
    assert list(way.maps()) == ["input"]
    assert list(Direction("gru", 5, 4).maps()) == ["input", "state"]
    assert way.formula == "hidden = (1 - update gate) × candidate + update gate × hidden before"
    assert not any(way.state_factor(gate) for gate in way.gate_rows(0))
    x = torch.randn(1, 40, 5, dtype=torch.float64)
    inside = way.open(x, None)[1]
    gates = {name.replace("_", " "): float(v[0, 7, 2].detach()) for name, v in inside.items() if name != "hidden"}
    made_next = way.next_state(gates, {"hidden": float(inside["hidden"][0, 6, 2].detach())})
    assert made_next["hidden"] == pytest.approx(float(inside["hidden"][0, 7, 2].detach()))
    # Of the first weights: the share that is kept is large.
    assert way.layer.bias_ih_l0.tolist() == [0.0] * 4 + [1.0] * 4
    way.silence_unit(2)
    assert not way(x, None)[..., 2].any()
    assert way(x, None)[..., [0, 1, 3]].all()


def test_it_goes_by_its_name_and_has_no_weights_on_its_state() -> None:
    trunk = MinGru.of_size(4).build(1, causal=True)
    assert trunk.config() == {"width": 96, "depth": 3, "cell": "mingru", "dropout": 0.1, "longest": 64}
    assert isinstance(trunk.stages["layer1"].sweep.ways["ahead"].layer, MinGruLayer)
    # The same through the trunk of all cells.
    torch.manual_seed(3)
    one = MinGru(16, 2).build(1)
    torch.manual_seed(3)
    other = Recurrent(16, 2, cell="mingru").build(1)
    assert [n for n, _ in one.named_parameters()] == [n for n, _ in other.named_parameters()]
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not any("hh" in name for name, _ in one.named_parameters())


def test_half_numbers_are_computed_as_whole_ones() -> None:
    trunk = made("mingru", 1, causal=True, double=False)
    x = torch.randn(2, 100, trunk.width)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = trunk(Features(x)).x
    assert found.dtype == torch.float32
    assert torch.allclose(found, trunk(Features(x)).x, atol=1e-6)


def test_a_training_step_on_a_long_sequence_takes_a_part_of_a_grus_time() -> None:
    x = torch.randn(8, 1024, 64)
    seconds = []
    for cell in ("mingru", "gru"):
        trunk = Recurrent(64, 1, cell=cell, dropout=0.0).build(1, causal=True)
        found = []
        for _ in range(3):
            begin = time.thread_time()
            trunk(Features(x)).x.sum().backward()
            found.append(time.thread_time() - begin)
        seconds.append(min(found))
    # Five to twenty times was measured.
    assert 2 * seconds[0] < seconds[1]
