"""The decoder: any causal trunk with one look at what another trunk has read."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
import shapes
import torch
from test_trunks import CAUSAL
from torch import Tensor, nn

from pellucid.errors import PellucidError
from pellucid.network import trunk_from
from pellucid.storage.forms import FormError
from pellucid.trunks import TRUNKS, Convolutional, Custom, Decoder, Features, Transformer, decoder
from pellucid.trunks.glossary import GLOSSARY, shown_as
from pellucid.trunks.layers import assign_salts

shapes.hold(decoder)

LENGTH, SEEN, MEMORY = 23, 7, 10  # T, S, M


def made(name: str, double: bool = True) -> Decoder:
    """A small decoder ready to write, all of its parameters random."""
    torch.manual_seed(0)
    found = Decoder(TRUNKS[name].of_size(0)).build(MEMORY)
    for parameter in found.parameters():
        nn.init.normal_(parameter, std=0.2)
    assign_salts(found)
    return (found.double() if double else found).eval()


def some(found: Decoder, batch: int = 3) -> tuple[Tensor, Tensor]:  # (B, T, D), (B, S, M)
    dtype = next(found.parameters()).dtype
    return torch.randn(batch, LENGTH, found.width, dtype=dtype), torch.randn(batch, SEEN, MEMORY, dtype=dtype)


def some_mask() -> Tensor:
    """The first example has fewer positions than the others, the last one none."""
    mask = torch.ones(3, SEEN, dtype=torch.bool)
    mask[0, 4:] = False
    mask[2] = False
    return mask


@pytest.mark.parametrize("name", CAUSAL)
def test_it_returns_what_it_states(name: str) -> None:
    found = made(name, double=False)
    x, memory = some(found)
    f = found(Features(x), Features(memory))
    assert f.x.shape == (3, LENGTH, found.out_width)
    assert f.x.isfinite().all()
    assert list(f.stages) == list(found.stages)
    assert list(found.stages)[:2] == ["layer1", "memory"]
    assert sum(isinstance(stage, decoder.MemoryAttention) for stage in found.stages.values()) == 1
    assert f.memory is None


@pytest.mark.parametrize("name", CAUSAL)
def test_it_starts_as_its_trunk_alone(name: str) -> None:
    found = Decoder(TRUNKS[name].of_size(0)).build(MEMORY).eval()
    x, memory = some(found)
    told = found(Features(x), Features(memory)).x
    assert torch.equal(told, found(Features(x), Features(torch.randn_like(memory))).x)
    del found.trunk.stages["memory"]
    assert torch.equal(told, found.trunk(Features(x)).x)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CAUSAL)
def test_a_token_changes_nothing_before_it(name: str, masked: bool) -> None:
    found = made(name)
    x, memory = some(found)
    read = Features(memory, mask=some_mask() if masked else None)
    whole = found(Features(x), read).x
    for at in (0, 1, 11, LENGTH - 1):
        other = x.clone()
        other[:, at] = torch.randn_like(other[:, at])
        changed = found(Features(other), read).x
        assert torch.equal(changed[:, :at], whole[:, :at])
        assert not torch.allclose(changed[:, at], whole[:, at])


@pytest.mark.parametrize("name", CAUSAL)
def test_padding_of_the_memory_never_changes_an_answer(name: str) -> None:
    found, mask = made(name), some_mask()
    x, memory = some(found)
    together = found(Features(x), Features(memory.masked_fill(~mask.unsqueeze(-1), 1e3), mask=mask)).x
    alone = found(Features(x[:1]), Features(memory[:1, :4])).x
    assert torch.allclose(together[:1], alone, atol=1e-12)
    everything = found(Features(x), Features(memory, mask=torch.ones_like(mask))).x
    assert torch.allclose(everything, found(Features(x), Features(memory)).x, atol=1e-12)
    # Of what is padding not even what is no number is heard.
    broken = found(Features(x), Features(memory.masked_fill(~mask.unsqueeze(-1), torch.nan), mask=mask)).x
    assert torch.equal(broken, together)


@pytest.mark.parametrize("name", CAUSAL)
def test_padding_of_what_is_written_never_changes_an_answer(name: str) -> None:
    found = made(name)
    x, memory = some(found)
    real = torch.ones(3, LENGTH, dtype=torch.bool)
    real[0, 9:] = False
    together = found(Features(x.masked_fill(~real.unsqueeze(-1), 1e3), mask=real), Features(memory)).x
    alone = found(Features(x[:1, :9]), Features(memory[:1])).x
    assert torch.allclose(together[0, :9], alone[0], atol=1e-12)


@pytest.mark.parametrize("name", CAUSAL)
def test_an_example_without_a_memory_is_written_as_by_the_trunk_alone(name: str) -> None:
    found = made(name)
    x, memory = some(found)
    x.requires_grad_()
    memory.requires_grad_()
    told = found(Features(x), Features(memory, mask=some_mask())).x
    told.sum().backward()
    assert memory.grad is not None
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert memory.grad.isfinite().all()
    assert not memory.grad[2].any()
    assert not memory.grad[0, 4:].any()
    empty = found(Features(x[2:]), Features(memory[2:, :0])).x
    opened = found.open(Features(x[2:]), Features(memory[2:, :0]))[0].x
    masked_away = found.open(Features(x), Features(memory, mask=some_mask()))[0].x
    state = found.start(Features(memory[2:, :0]))
    read = found.read(x[2:], state)[0]
    del found.trunk.stages["memory"]
    alone = found.trunk(Features(x[2:])).x
    for one in (told[2:], empty, opened, masked_away[2:], read):
        assert torch.allclose(one, alone, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CAUSAL)
def test_reads_and_steps_are_forward(name: str, masked: bool) -> None:
    for double, bound in ((True, 1e-12), (False, 1e-5)):
        found = made(name, double)
        x, memory = some(found)
        read = Features(memory, mask=some_mask() if masked else None)
        with torch.no_grad():
            whole = found(Features(x), read).x
            for pieces in ([LENGTH], [None] * LENGTH, [5, None, None, 7, 9]):
                told, state, at = [], found.start(read), 0
                for piece in pieces:
                    if piece is None:
                        y, state = found.step(x[:, at], state)
                        told.append(y.unsqueeze(1))
                    else:
                        y, state = found.read(x[:, at : at + piece], state)
                        told.append(y)
                    at += piece or 1
                assert at == LENGTH
                assert (torch.cat(told, 1) - whole).abs().max() <= bound * whole.abs().max().clamp_min(1)


@pytest.mark.parametrize("name", CAUSAL)
def test_the_memory_is_read_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, seen = made(name), []
    x, memory = some(found)
    own = decoder.MemoryAttention.read_memory

    def counted(self: Any, value: Features) -> Any:
        seen.append(value)
        return own(self, value)

    monkeypatch.setattr(decoder.MemoryAttention, "read_memory", counted)
    state = found.start(Features(memory))
    for t in range(LENGTH):
        _, state = found.step(x[:, t], state)
    assert len(seen) == 1


@torch.no_grad()
@pytest.mark.parametrize("name", CAUSAL)
def test_beams_take_their_memory_along(name: str) -> None:
    found, index = made(name), torch.tensor([1, 1, 0, 2])
    x, memory = some(found)
    read = Features(memory, mask=some_mask())
    _, state = found.read(x[:, :10], found.start(read))
    later = torch.randn(4, LENGTH - 10, found.width, dtype=torch.float64)
    told, _ = found.read(later, found.take(state, index))
    whole = found(Features(torch.cat([x[index, :10], later], 1)), Features(memory[index], mask=some_mask()[index])).x
    assert torch.allclose(told, whole[:, 10:], atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CAUSAL)
def test_opened_it_gives_the_same_and_shows_its_look(name: str, masked: bool) -> None:
    found = made(name)
    x, memory = some(found)
    read = Features(memory, mask=some_mask() if masked else None)
    f, inside = found.open(Features(x), read)
    assert torch.allclose(f.x, found(Features(x), read).x, atol=1e-12)
    assert f.memory is None
    assert list(inside) == list(found.stages)
    own = inside["memory"]
    for key, value in own.items():
        shown, ways = shown_as(key)
        assert not ways
        assert "*" in shown.axes or value.ndim == len(shown.axes)
    looks = own["memory_attention"]  # (B, n, T, S)
    assert looks.shape == (3, found.stages["memory"].heads, LENGTH, SEEN)
    assert GLOSSARY["memory_attention"].axes == ("batch", "head", "position", "memory position")
    expected = torch.ones_like(looks[..., 0])
    if masked:
        assert not looks[0, ..., 4:].any()
        # Where there is nothing to look at, nothing is looked at.
        expected[2] = 0
    assert torch.allclose(looks.sum(-1), expected)
    assert torch.allclose(looks @ own["memory_value"], own["mixed"], atol=1e-12)
    score = own["query"] @ own["memory_key"].mT / own["query"].shape[-1] ** 0.5
    assert torch.allclose(looks[1], score[1].softmax(-1), atol=1e-12)


@pytest.mark.parametrize("name", CAUSAL)
def test_gradients_reach_the_memory_and_every_weight(name: str) -> None:
    found = made(name)
    x, memory = some(found)
    memory.requires_grad_()
    found(Features(x), Features(memory)).x.sin().sum().backward()
    assert memory.grad is not None
    assert (memory.grad.abs().sum(-1) > 0).all()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in found.parameters())
    # And they are right.
    way = torch.randn_like(memory)
    with torch.no_grad():
        ends = [found(Features(x), Features(memory + h * way)).x.sin().sum() for h in (1e-6, -1e-6)]
    assert torch.allclose((memory.grad * way).sum(), (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-7)


def test_the_look_opens_with_the_first_step() -> None:
    """Its output map starts at zero, and its own gradient does not."""
    found = Decoder(TRUNKS["recurrent"].of_size(0)).build(MEMORY)
    x, memory = some(found)
    target = torch.randn(3, LENGTH, found.out_width)
    memory.requires_grad_()
    optimizer = torch.optim.SGD(found.parameters(), lr=0.1)
    for step in range(2):
        loss = (found(Features(x, key=torch.arange(3)), Features(memory)).x - target).square().mean()
        (slope,) = torch.autograd.grad(loss, memory, retain_graph=True)
        assert bool(slope.any()) == (step > 0)
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("name", CAUSAL)
def test_training_does_not_depend_on_the_micro_batch(name: str) -> None:
    torch.manual_seed(0)
    trunk = TRUNKS[name](**{**TRUNKS[name].of_size(0).config(), "dropout": 0.4})
    found = Decoder(trunk, dropout=0.4).build(MEMORY).double().train()
    for parameter in found.parameters():
        nn.init.normal_(parameter, std=0.2)
    assign_salts(found)
    x, memory = some(found)
    key = torch.randint(2**62, (3,))
    whole = found(Features(x, key=key), Features(memory)).x
    parts = [found(Features(x[i : i + 1], key=key[i : i + 1]), Features(memory[i : i + 1])).x for i in range(3)]
    assert torch.allclose(whole, torch.cat(parts), atol=1e-9)
    assert not torch.allclose(whole, found(Features(x, key=key + 1), Features(memory)).x)


def test_a_memory_may_be_a_grid_or_a_vector() -> None:
    found = made("recurrent")
    x, _ = some(found)
    grid = torch.randn(3, 2, 5, MEMORY, dtype=torch.float64)
    mask = torch.ones(3, 2, 5, dtype=torch.bool)
    mask[0, 1] = False
    line = Features(grid.flatten(1, 2), mask=mask.flatten(1))
    assert torch.equal(found(Features(x), Features(grid, mask=mask)).x, found(Features(x), line).x)
    vector = torch.randn(3, MEMORY, dtype=torch.float64)
    one = found(Features(x), Features(vector.unsqueeze(1))).x
    assert torch.equal(found(Features(x), Features(vector)).x, one)
    told, _ = found.read(x, found.start(Features(vector)))
    assert torch.allclose(told, one, atol=1e-12)


# -- its config


@pytest.mark.parametrize("size", [0, 1, 3])
@pytest.mark.parametrize("name", CAUSAL)
def test_config_makes_the_same_decoder_again(name: str, size: int) -> None:
    found = Decoder(TRUNKS[name].of_size(size), head=16, dropout=0.2, least=100)
    config = json.loads(json.dumps(found.config()))
    assert set(config) == set(inspect.signature(Decoder).parameters)
    again = Decoder.from_config(config, trunk_from(config["trunk"], None))
    assert again.config() == found.config()
    for one in (found, again):
        torch.manual_seed(1)
        one.build(MEMORY)
    assert str(again) == str(found)
    mine, other = found.state_dict(), again.state_dict()
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[key], other[key]) for key in mine)
    assert not any(key.startswith("trunk.trunk") for key in mine)


def test_heads_divide_every_width() -> None:
    for name in CAUSAL:
        for size in range(8):
            found = Decoder(TRUNKS[name].of_size(size)).build(MEMORY)
            look = found.stages["memory"]
            assert found.out_width % look.heads == 0
            assert 8 < found.out_width // look.heads <= 32


def test_least_is_what_each_position_sees() -> None:
    assert len(Decoder(Convolutional(8), least=342).build(MEMORY).stages) == 5 + 1 + 1
    assert len(Decoder(Convolutional(8)).build(MEMORY).stages) == 3 + 1 + 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"head": 0}, "decoder.head is 0, not a whole number from 1"),
        ({"dropout": "much"}, "decoder.dropout is 'much', not a number"),
        ({"least": -1}, "decoder.least is -1, not a whole number"),
        ({"module": "os"}, "module"),
    ],
)
def test_what_no_decoder_says_of_itself_is_refused(change: dict[str, Any], text: str) -> None:
    config = {**Decoder(TRUNKS["recurrent"].of_size(0)).config(), **change}
    with pytest.raises(FormError) as caught:
        Decoder.from_config(config, TRUNKS["recurrent"].of_size(0))
    assert text in str(caught.value)


def test_a_trunk_that_cannot_be_causal_is_no_decoder() -> None:
    with pytest.raises(PellucidError) as caught:
        Decoder(Custom(nn.Identity(), width=4))
    assert caught.value.what == "the custom trunk cannot be causal, as this output needs"
    assert caught.value.fix == f"choose one of: {', '.join(CAUSAL)}"


def test_the_trunk_that_is_passed_stays_as_it_is() -> None:
    trunk = Transformer(32, 1)
    first, second = Decoder(trunk).build(MEMORY), Decoder(trunk).build(MEMORY)
    assert not list(trunk.parameters())
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}


def test_stated_shapes_are_checked() -> None:
    shapes.checked.clear()
    found = made("recurrent")
    x, memory = some(found)
    found(Features(x), Features(memory))
    found.open(Features(x), Features(memory))
    found.read(x, found.start(Features(memory)))
    for name in ("MemoryAttention.forward", "MemoryAttention._look", "Decoder.forward", "Decoder.read"):
        assert shapes.checked[name] > 0, name
