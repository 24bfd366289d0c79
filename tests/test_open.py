"""A network opened shows every stage of the way, and its answer is the one that it gives."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from test_network import JOINS, NAMES, batch_of, fitted, network_of
from torch import nn

from pellucid.network import Network
from pellucid.trunks import TRUNKS, Custom, Dense, Opened
from pellucid.trunks.cells import back_by_rule, step_by_step
from pellucid.trunks.glossary import GLOSSARY, UNITS, shown_as
from pellucid.trunks.recurrent import Direction

TARGETS = ("category", "number", "labels")


def randomised(net: Network) -> Network:
    """Branches that start at zero opened, so that what they add shows."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator)
    return net


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("join", JOINS)
def test_opened_answers_are_the_forward_passes(join: str, name: str) -> None:
    net = randomised(network_of(JOINS[join], name, TARGETS[len(join) % 3]))
    batch = batch_of(net, list(range(5)))
    net.train()
    opened = net.open(batch)
    assert net.training
    net.eval()
    torch.testing.assert_close(opened.answer, net(batch), atol=2e-5, rtol=1e-4)
    names = list(opened.stages)
    assert names[0] == "inputs.0"
    assert names[-1] == "output"
    # Every trunk of every input is there, and each stage's weights carry its address.
    assert [n for n in names if n.startswith("trunk.")] == [f"trunk.{s}" for s in net.trunk.stages]
    for i in net.parted:
        assert [n for n in names if n.startswith(f"parts.{i}.")] == [f"parts.{i}.{s}" for s in net.parts[str(i)].stages]
        assert f"links.{i}" in names
    addresses = {n.replace(".stages.", ".") for n, _ in net.named_parameters()}
    assert all(any(a.startswith(n + ".") for n in names) for a in addresses if not a.startswith("heads"))


@pytest.mark.parametrize("name", NAMES)
def test_stages_show_nothing_that_is_not_declared(name: str) -> None:
    for join in JOINS:
        net = network_of(JOINS[join], name)
        for stage in net.open(batch_of(net, [0, 1, 2])):
            for key, value in stage.inside.items():
                shown, ways = shown_as(key)
                assert all(ways)
                positions = value.ndim - 2
                if "*" in shown.axes:
                    assert 0 <= positions <= 2, key
                else:
                    assert value.ndim == len(shown.axes), key
                assert len(value) == 3, key
                if shown.low is not None:
                    assert float(value.min()) >= shown.low - 1e-6, key
                if shown.high is not None:
                    assert float(value.max()) <= shown.high + 1e-6, key


def test_hidden_units_are_those_of_the_stages_map() -> None:
    for name in NAMES:
        for kinds in (("image",), ("text",)):
            net = network_of(kinds, name)
            for stage in net.open(batch_of(net, [0, 1])):
                path = getattr(stage.module, "unit_map", "")
                if path:
                    assert stage.module is not None
                    layer = stage.module.get_submodule(path)
                    assert isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_flow_through_all_that_is_shown(name: str) -> None:
    net = randomised(network_of(JOINS["photo and text"], name))
    opened = net.open(batch_of(net, [0, 1]))
    each = {stage.name: stage.features.x for stage in opened}
    # Of a stage whose result no other reads there is none: that of an input of another branch has its own way.
    grads = torch.autograd.grad(opened.answer[:, 0].sum(), list(each.values()), allow_unused=True)
    assert [n for n, g in zip(each, grads, strict=True) if g is None] == []


def opened_heads(trunk: Dense | str) -> tuple[Network, Opened]:
    fields = [fitted(kind)[0] for kind in ("number", "category")]
    from pellucid.outputs import OUTPUTS

    output = OUTPUTS["category"]([fitted("category", "answer", "target")[0]], heads=3)
    net = randomised(Network(fields, trunk, output, seed=2)).eval()
    return net, net.open(batch_of(net, [0, 1, 2, 3]))


def test_each_head_is_shown() -> None:
    net, opened = opened_heads(Dense(32, depth=2))
    torch.testing.assert_close(opened.answer, net(batch_of(net, [0, 1, 2, 3])))
    assert opened["heads"].features.x.shape == (4, 3, 32)
    assert opened["output"].inside["head_answers"].shape == (4, 3, 4)


def test_a_module_of_ones_own_shows_its_layers() -> None:
    module = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16))
    net = Network(
        [fitted("number")[0]],
        Custom(module, 16, reads=(0,)),
        fitted("category", "answer", "target")[0],
    ).eval()
    batch = batch_of(net, [0, 1])
    opened = net.open(batch)
    torch.testing.assert_close(opened.answer, net(batch))
    inside = opened["trunk.module"].inside
    assert list(inside) == ["module.0", "module.1", "module.2", "output"]
    assert float(inside["module.1"].min()) >= 0
    # And nothing stays behind in it.
    assert not any(m._forward_hooks for m in module.modules())


def test_the_glossary_is_whole() -> None:
    assert all(shown.meaning for shown in GLOSSARY.values())
    assert all(shown.axes == UNITS or "unit" not in shown.axes[:-1] for shown in GLOSSARY.values())
    with pytest.raises(KeyError):
        shown_as("attentoin")
    assert shown_as("rows.back.hidden")[1] == ["along each row", "from the last position to the first"]
    assert set(TRUNKS) >= set(NAMES)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm", "mingru"])
def test_steps_opened_together_are_those_one_by_one(cell: str, backward: bool) -> None:
    torch.manual_seed(3)
    way = Direction(cell, 5, 4, backward).double()
    with torch.no_grad():
        for p in way.parameters():
            p += 0.3 * torch.randn_like(p)
    x, lengths = torch.randn(3, 7, 5, dtype=torch.float64, requires_grad=True), torch.tensor([7, 4, 1])
    real = (torch.arange(7) < lengths[:, None]).unsqueeze(-1)
    told = torch.randn(3, 7, 4, dtype=torch.float64) * real
    found = []
    for way_of_going in (step_by_step, nullcontext):
        with way_of_going():
            y, inside = way.open(x, lengths)
        found.append((inside, torch.autograd.grad((y.tanh() * told).sum(), [x, *way.parameters()])))
    (one_by_one, slow), (together, fast) = found
    with back_by_rule():
        ruled = torch.autograd.grad((way(x, lengths).tanh() * told).sum(), [x, *way.parameters()])
    plain = torch.autograd.grad((way(x, lengths).tanh() * told).sum(), [x, *way.parameters()])
    torch.testing.assert_close(ruled, plain)
    assert list(one_by_one) == list(together)
    for name, value in together.items():
        torch.testing.assert_close(value * real, one_by_one[name] * real, msg=name)
    for one, two in zip(slow, fast, strict=True):
        assert float(one.abs().max()) > 0.01
        torch.testing.assert_close(two, one)
