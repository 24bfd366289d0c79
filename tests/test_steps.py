"""Causal trunks read a prompt at once and go on a position at a time, and both are what ``forward`` gives."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from test_trunks import CAUSAL, made
from torch import Tensor, nn

from pellucid.errors import PellucidError
from pellucid.trunks import TRUNKS, Custom, Features, Trunk
from pellucid.trunks.buffers import LEAST_ROOM, PositionBuffer, take_examples
from pellucid.trunks.layers import RotaryTable, rotary_angles

# 61 positions are behind what five taps with dilation 16 reach only in parts, and more than one room of a buffer.
LENGTH = 61
# How long each piece is: None is one step.
SPLITS: dict[str, list[int | None]] = {
    "at once": [LENGTH],
    "read, then steps": [37, *[None] * (LENGTH - 37)],
    "steps, then read": [*[None] * 7, LENGTH - 7],
    "pieces": [1, 0, 2, None, 20, None, None, 3, 32],
    "reads of one": [1] * LENGTH,
    "steps": [None] * LENGTH,
}


def go_on(trunk: Trunk, x: Tensor, pieces: Sequence[int | None], state: Any = None) -> tuple[Tensor, Any]:
    """What a trunk gives for x (B, T, D) in pieces, and the state after it."""
    state = trunk.start(len(x), x) if state is None else state
    found, at = [], 0
    for piece in pieces:
        if piece is None:
            y, state = trunk.step(x[:, at], state)
            found.append(y.unsqueeze(1))
        else:
            y, state = trunk.read(x[:, at : at + piece], state)
            assert y.shape == (len(x), piece, trunk.out_width)
            found.append(y)
        at += 1 if piece is None else piece
    assert at == x.shape[1]
    return torch.cat(found, 1), state


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", CAUSAL)
def test_any_split_into_reads_and_steps_is_forward(name: str, split: str, mode: Any) -> None:
    for double, bound in ((True, 1e-12), (False, 1e-5)):
        trunk = made(name, 1, causal=True, double=double)
        x = torch.randn(2, LENGTH, trunk.width, dtype=next(trunk.parameters()).dtype)
        with mode():
            whole = trunk(Features(x)).x
            found, _ = go_on(trunk, x, SPLITS[split])
        assert (found - whole).abs().max() <= bound * whole.abs().max().clamp_min(1)


@pytest.mark.parametrize("name", CAUSAL)
def test_gradients_flow_through_reads_and_steps(name: str) -> None:
    trunk = made(name, 1, causal=True)
    x = torch.randn(2, LENGTH, trunk.width, dtype=torch.float64, requires_grad=True)
    weights = [x, *trunk.parameters()]
    whole = torch.autograd.grad(trunk(Features(x)).x.sin().sum(), weights)
    parts = torch.autograd.grad(go_on(trunk, x, SPLITS["pieces"])[0].sin().sum(), weights)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("name", CAUSAL)
def test_a_state_stays_what_it_is_when_one_goes_on_from_it(name: str) -> None:
    trunk = made(name, 1, causal=True)
    x, other = torch.randn(2, 2, LENGTH, trunk.width, dtype=torch.float64)
    _, state = go_on(trunk, x[:, :30], [30])
    ways: list[list[int | None]] = [[31], [None] * 31, [3, None, 27]]
    expected = [trunk(Features(torch.cat([x[:, :30], v[:, 30:]], 1))).x[:, 30:] for v in (x, other)]
    for pieces in ways:
        for v, whole in zip((x, other), expected, strict=True):
            found, _ = go_on(trunk, v[:, 30:], pieces, state)
            assert torch.allclose(found, whole, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("name", CAUSAL)
def test_states_are_taken_in_any_order_and_as_often_as_asked(name: str) -> None:
    trunk = made(name, 1, causal=True)
    x = torch.randn(3, LENGTH, trunk.width, dtype=torch.float64)
    index = torch.tensor([2, 0, 0, 2, 1])
    for pieces in ([30], [None] * 30):
        _, state = go_on(trunk, x[:, :30], pieces)
        taken = trunk.take(state, index)
        later = torch.randn(5, LENGTH - 30, trunk.width, dtype=torch.float64)
        whole = trunk(Features(torch.cat([x[index, :30], later], 1))).x[:, 30:]
        found, _ = go_on(trunk, later, [None, 4, *[None] * (LENGTH - 35)], taken)
        assert torch.allclose(found, whole, atol=1e-12)
        # And those it was taken from are as before.
        found, _ = go_on(trunk, x[:, 30:], [31], state)
        assert torch.allclose(found, trunk(Features(x)).x[:, 30:], atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("name", CAUSAL)
def test_each_stage_goes_on_by_itself(name: str) -> None:
    trunk = made(name, 1, causal=True)
    x = torch.randn(2, LENGTH, trunk.width, dtype=torch.float64)
    f = Features(x)
    for stage in trunk.stages.values():
        y, state = stage.read(f.x[:, :20], stage.start(2, f.x))
        state = stage.take(state, torch.tensor([1]))
        rest, _ = stage.read(f.x[1:, 20:], state)
        step, _ = stage.step(f.x[1:, 20], state)
        f = stage(f)
        assert torch.allclose(y, f.x[:, :20], atol=1e-12)
        assert torch.allclose(rest, f.x[1:, 20:], atol=1e-12)
        assert torch.allclose(step, f.x[1:, 20], atol=1e-12)


def test_a_trunk_that_hears_the_future_does_not_go_on() -> None:
    for name in CAUSAL:
        trunk = TRUNKS[name].of_size(0).build(1)
        if trunk.pointwise:
            assert len(trunk.start(2, torch.zeros(1))) == len(trunk.stages)
            continue
        with pytest.raises(PellucidError) as caught:
            trunk.start(2, torch.zeros(1))
        assert caught.value.what == (
            f"this {name} trunk hears what comes after a position, so it can't go on position by position"
        )
    with pytest.raises(PellucidError, match="this custom trunk hears what comes after"):
        Custom(nn.Identity(), width=4).build(1).start(2, torch.zeros(1))


# -- buffers


def test_a_buffer_holds_what_was_appended() -> None:
    x = torch.randn(2, 3, 100, 4)  # (B, n, T, E)
    buffer, last = PositionBuffer(x[:, :, :0]), PositionBuffer(x[:, :, :0])
    at = 0
    with torch.no_grad():
        for new in (1, 3, 0, 40, 1, 1, 54):
            buffer, last = (one.append(x[:, :, at : at + new]) for one in (buffer, last))
            last = last.keep_last(5)
            at += new
            assert torch.equal(buffer.values(), x[:, :, :at])
            assert torch.equal(last.values(), x[:, :, max(0, at - 5) : at])
            assert (len(buffer), len(last)) == (at, min(at, 5))
    assert at == 100


@torch.no_grad()
def test_appending_one_position_copies_all_others_seldom() -> None:
    buffer, last = (PositionBuffer(torch.zeros(1, 8, 2)) for _ in range(2))
    rooms: list[list[int]] = [[], []]
    for _ in range(1000):
        buffer, last = buffer.append(torch.ones(1, 1, 2)), last.append(torch.ones(1, 1, 2)).keep_last(8)
        for seen, one in zip(rooms, (buffer, last), strict=True):
            if not seen or seen[-1] != id(one.room):
                seen.append(id(one.room))
            kept.append(one.room)  # so that no other room gets the id
    assert len(rooms[0]) <= 8
    # Of the last eight positions there is never room for many more.
    assert len(rooms[1]) <= 1000 / 8 + 1
    assert last.room.values.shape[1] <= max(LEAST_ROOM, 18)


kept: list[Any] = []


def test_two_that_go_on_from_one_buffer_do_not_share() -> None:
    with torch.no_grad():
        first = PositionBuffer(torch.zeros(1, 0, 1)).append(torch.zeros(1, 2, 1))
        a, b = first.append(torch.full((1, 1, 1), 1.0)), first.append(torch.full((1, 1, 1), 2.0))
        a, b = a.append(torch.full((1, 1, 1), 3.0)), b.append(torch.full((1, 1, 1), 4.0))
    assert a.values().flatten().tolist() == [0, 0, 1, 3]
    assert b.values().flatten().tolist() == [0, 0, 2, 4]
    assert first.values().flatten().tolist() == [0, 0]


def test_what_was_read_in_inference_mode_goes_on_outside_of_it() -> None:
    for name in CAUSAL:
        trunk = made(name, 1, causal=True)
        x = torch.randn(1, 40, trunk.width, dtype=torch.float64)
        with torch.inference_mode():
            _, state = trunk.read(x[:, :20], trunk.start(1, x))
        with torch.no_grad():
            found, _ = go_on(trunk, x[:, 20:], [None, 5, *[None] * 14], state)
            assert torch.allclose(found, trunk(Features(x)).x[:, 20:], atol=1e-12)


def test_what_is_no_tensor_goes_for_all_examples() -> None:
    state = [(torch.tensor([[1.0], [2.0]]), "shared"), ()]
    taken = take_examples(state, torch.tensor([1, 1, 0]))
    assert taken[0][0].flatten().tolist() == [2, 2, 1]
    assert taken[0][1] == "shared"
    assert taken[1] == ()


# -- rotary positions, made once


def test_a_table_that_grows_is_the_whole_tables_beginning() -> None:
    like = torch.zeros(1, dtype=torch.float64)
    table, whole = RotaryTable(16, like), rotary_angles((300,), 16, like)
    for first, count in ((0, 1), (1, 1), (2, 40), (42, 1), (7, 250), (299, 1)):
        for part, all_of in zip(table.angles(first, count), whole, strict=True):
            assert torch.equal(part, all_of[first : first + count])


def count_calls(monkeypatch: pytest.MonkeyPatch, run: Callable[[], Any]) -> int:
    """How often rotary tables are made while ``run`` runs."""
    from pellucid.trunks import layers, transformer

    seen = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        return rotary_angles(*args, **kwargs)

    for module in (layers, transformer):
        monkeypatch.setattr(module, "rotary_angles", counted)
    run()
    return len(seen)


@pytest.mark.parametrize("positions", [1, 2])
def test_rotary_tables_are_made_once_a_forward(positions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = made("transformer", positions)
    x = torch.randn(2, *(4, 5)[:positions], trunk.width, dtype=torch.float64)
    f = trunk(Features(x))
    # Each stage alone makes its own, and gives the same.
    alone = Features(x)
    for stage in trunk.stages.values():
        alone = stage(alone.with_(turn=None))
    assert torch.equal(alone.x, f.x)
    assert f.turn is None
    assert len(trunk.stages) > 2
    assert count_calls(monkeypatch, lambda: trunk(Features(x))) == 1
    assert count_calls(monkeypatch, lambda: trunk.open(Features(x))) == 1
    # Without its first stage too.
    cut = copy.deepcopy(trunk)
    del cut.stages["layer1"]
    assert count_calls(monkeypatch, lambda: cut(Features(x))) == 1


def test_all_stages_go_on_by_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = made("transformer", 1, causal=True)
    x = torch.randn(1, 200, trunk.width, dtype=torch.float64)
    with torch.no_grad():
        _, state = trunk.read(x[:, :100], trunk.start(1, x))
        assert count_calls(monkeypatch, lambda: go_on(trunk, x[:, 100:], [None] * 100, state)) == 0
        # The empty one, and one for each doubling.
        assert count_calls(monkeypatch, lambda: go_on(trunk, x, [None] * 200)) <= 1 + 8
