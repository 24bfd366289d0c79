"""One contract for every trunk: to be registered is to be tested.

Every registered trunk is built for every number of positions it reads; made tiny, and with its zero weights filled in,
so that no branch is silent while it is tested.
"""

from __future__ import annotations

import inspect
import json
from itertools import pairwise

import pytest
import shapes
import torch
from torch import Tensor, nn

from pellucid.errors import PellucidError, UsageError
from pellucid.trunks import (
    TRUNKS,
    Convolutional,
    Custom,
    Features,
    Lstm,
    Need,
    Recurrent,
    Transformer,
    Trunk,
    base,
    buffers,
    cells,
    convolutional,
    dense,
    layers,
    parallel_scan,
    recurrent,
    transformer,
    trunk_named,
)
from pellucid.trunks.layers import GROUP, assign_salts

for _module in (base, buffers, cells, layers, dense, convolutional, parallel_scan, recurrent, transformer):
    shapes.hold(_module)

SHAPES = {0: (), 1: (9,), 2: (7, 6)}  # positions -> what the tests use
CASES = [(name, n) for name, trunk in TRUNKS.items() for n in trunk.reads]
CAUSAL = [name for name, trunk in TRUNKS.items() if trunk.causal]


def made(name: str, positions: int, causal: bool = False, *, double: bool = True) -> Trunk:
    """A small trunk ready for prediction, all of its parameters random."""
    torch.manual_seed(0)
    trunk = TRUNKS[name].of_size(0).build(positions, causal)
    for parameter in trunk.parameters():
        nn.init.normal_(parameter, std=0.2)
    for module in trunk.modules():
        if isinstance(module, layers.GroupedBatchNorm):
            nn.init.uniform_(module.var, 0.5, 2.0)
            nn.init.normal_(module.mean)
    assign_salts(trunk)
    return (trunk.double() if double else trunk).eval()


def some(trunk: Trunk, positions: int, batch: int = 3) -> Tensor:  # (B, *positions, D)
    return torch.randn(batch, *SHAPES[positions], trunk.width, dtype=next(trunk.parameters()).dtype)


@pytest.mark.parametrize(("name", "positions"), CASES)
def test_returns_what_it_states(name: str, positions: int) -> None:
    trunk = made(name, positions, double=False)
    x = some(trunk, positions)
    f = trunk(Features(x))
    assert f.x.shape[0] == 3
    assert f.x.ndim == x.ndim
    assert f.x.shape[-1] == trunk.out_width
    assert f.x.isfinite().all()
    assert trunk.pool(f).shape == (3, trunk.out_width)
    assert list(f.stages) == list(trunk.stages)
    assert next(iter(f.stages)) == "layer1"
    assert torch.equal(f.stages[list(f.stages)[-1]].x, f.x)


@pytest.mark.parametrize(("name", "positions"), CASES)
def test_gradients_agree_with_central_differences(name: str, positions: int) -> None:
    trunk = made(name, positions)
    x = some(trunk, positions, batch=2).requires_grad_()
    weights = list(trunk.parameters())

    def loss() -> Tensor:
        return trunk.pool(trunk(Features(x))).sin().sum()

    slopes = torch.autograd.grad(loss(), [x, *weights])
    for tensor, slope in zip([x, *weights], slopes, strict=True):
        way = torch.randn_like(tensor)
        with torch.no_grad():
            ends = [loss_at(tensor, way * h, loss) for h in (1e-6, -1e-6)]
        assert torch.allclose((slope * way).sum(), (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-7)


def loss_at(tensor: Tensor, move: Tensor, loss) -> Tensor:
    before = tensor.detach().clone()
    tensor += move
    value = loss()
    tensor.copy_(before)
    return value


@pytest.mark.parametrize(("name", "positions"), [c for c in CASES if c[1] > 0])
def test_padding_never_changes_a_prediction(name: str, positions: int) -> None:
    trunk = made(name, positions)
    x = some(trunk, positions)
    inner = (4, 5)[:positions]  # the first example is smaller than the others
    real = torch.ones(x.shape[:-1], dtype=torch.bool)
    real[0] = False
    real[0][tuple(slice(n) for n in inner)] = True
    alone = trunk(Features(x[:1][(slice(None), *(slice(n) for n in inner))].clone()))
    garbage = x.masked_fill(~real.unsqueeze(-1), 1e3)
    together = trunk(Features(garbage, mask=real))
    assert torch.allclose(trunk.pool(alone)[0], trunk.pool(together)[0], atol=1e-9)
    cut = tuple(slice(n) for n in alone.x.shape[1:-1])
    assert torch.allclose(alone.x[0], together.x[0][cut], atol=1e-9)
    everything = trunk(Features(x, mask=torch.ones_like(real)))
    assert torch.allclose(everything.x, trunk(Features(x)).x, atol=1e-9)


@pytest.mark.parametrize(("name", "positions"), [c for c in CASES if c[1] > 0])
def test_an_example_that_is_all_padding_stays_finite(name: str, positions: int) -> None:
    trunk = made(name, positions)
    x = some(trunk, positions).requires_grad_()
    real = torch.ones(x.shape[:-1], dtype=torch.bool)
    real[1] = False
    trunk.train()
    pooled = trunk.pool(trunk(Features(x, mask=real)))
    pooled.square().sum().backward()
    assert pooled.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    opened, inside = trunk.eval().open(Features(x, mask=real))
    assert trunk.pool(opened).isfinite().all()
    assert all(t.isfinite().all() for t in inside["layer1"].values())


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("name", "positions", "causal"), [(*c, False) for c in CASES] + [(n, 1, True) for n in CAUSAL])
def test_open_equals_forward(name: str, positions: int, causal: bool, masked: bool) -> None:
    trunk = made(name, positions, causal, double=False)
    x = some(trunk, positions)
    real = None
    if masked and positions:
        real = torch.ones(x.shape[:-1], dtype=torch.bool)
        real[0, 5:] = False
    fast, (opened, inside) = trunk(Features(x, mask=real)), trunk.open(Features(x, mask=real))
    assert torch.allclose(trunk.pool(fast), trunk.pool(opened), atol=1e-5)
    if real is None:
        assert torch.allclose(fast.x, opened.x, atol=1e-5)
    assert list(inside) == list(trunk.stages)
    for stage in inside.values():
        assert stage
        assert all(len(t) == 3 and t.isfinite().all() for t in stage.values())


@pytest.mark.parametrize("name", CAUSAL)
def test_steps_equal_forward(name: str) -> None:
    trunk = made(name, 1, causal=True)
    x = torch.randn(2, 30, trunk.width, dtype=torch.float64)
    whole, state, steps = trunk(Features(x)).x, trunk.start(2, x), []
    for t in range(x.shape[1]):
        y, state = trunk.step(x[:, t], state)
        steps.append(y)
    assert torch.allclose(torch.stack(steps, 1), whole, atol=1e-9)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CAUSAL)
def test_the_future_does_not_change_the_past(name: str, masked: bool) -> None:
    trunk = made(name, 1, causal=True)
    x = some(trunk, 1)
    real = torch.ones(x.shape[:-1], dtype=torch.bool) if masked else None
    other = x.clone()
    other[:, 5:] = torch.randn_like(other[:, 5:])
    before, after = (trunk(Features(v, mask=real)).x for v in (x, other))
    assert torch.allclose(before[:, :5], after[:, :5], atol=1e-12)
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize("name", [n for n in CAUSAL if n != "dense"])
def test_not_causal_hears_the_future_and_causal_the_past(name: str) -> None:
    for causal, at in ((False, 0), (True, -1)):
        trunk = made(name, 1, causal)
        x = some(trunk, 1).requires_grad_()
        trunk(Features(x)).x[:, at].sum().backward()
        assert x.grad is not None
        assert x.grad[:, 4].abs().sum() > 1e-6


@pytest.mark.parametrize(("name", "positions"), CASES)
def test_training_does_not_depend_on_the_micro_batch(name: str, positions: int) -> None:
    trunk = TRUNKS[name](**{**TRUNKS[name].of_size(0).config(), "dropout": 0.4}).build(positions).double().train()
    for parameter in trunk.parameters():
        nn.init.normal_(parameter, std=0.2)
    assign_salts(trunk)
    x, key = some(trunk, positions, batch=2 * GROUP), torch.randint(2**62, (2 * GROUP,))
    whole = trunk(Features(x, key=key)).x
    parts = torch.cat([trunk(Features(v, key=k)).x for v, k in zip(x.split(GROUP), key.split(GROUP), strict=True)])
    assert torch.allclose(whole, parts, atol=1e-9)
    assert not torch.allclose(whole, trunk(Features(x, key=key + 1)).x)


@pytest.mark.parametrize(("name", "positions"), CASES)
def test_config_makes_the_same_trunk_again(name: str, positions: int) -> None:
    trunk = TRUNKS[name].of_size(1)
    config = json.loads(json.dumps(trunk.config()))
    assert set(config) == set(inspect.signature(TRUNKS[name]).parameters)
    again = TRUNKS[name](**config)
    assert again.config() == trunk.config()
    for t in (trunk, again):
        torch.manual_seed(1)
        t.build(positions)
    assert str(again) == str(trunk)
    for a, b in zip(trunk.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", TRUNKS)
def test_the_dial_grows_a_trunk_at_every_step(name: str) -> None:
    counts = []
    for size in range(10):
        trunk = TRUNKS[name].of_size(size).build(TRUNKS[name].reads[0])
        counts.append(sum(p.numel() for p in trunk.parameters() if p.ndim > 1))
    ratios = [b / a for a, b in pairwise(counts)]
    assert min(ratios) > 1.2
    assert max(ratios) < 3
    assert 1.5 < (counts[-1] / counts[0]) ** (1 / 9) < 2.6
    with pytest.raises(PellucidError, match="there is no size 10"):
        TRUNKS[name].of_size(10)


@pytest.mark.parametrize("name", TRUNKS)
def test_needs(name: str) -> None:
    trunk = TRUNKS[name].of_size(0)
    need = trunk.need(Need(every=True))
    # One vector has no positions to answer at.
    assert (need.positions, need.width, need.every) == (tuple(n for n in trunk.reads if n), trunk.width, True)
    assert trunk.need(Need()).positions == trunk.reads
    assert need.longest == trunk.longest()
    assert all(TRUNKS[name].recipe(kind)["lr"] > 0 for kind in ("image", "text", "table"))


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_grid_is_refused(name: str) -> None:
    if 2 in TRUNKS[name].reads:
        with pytest.raises(PellucidError, match="a grid has no before and after"):
            TRUNKS[name].of_size(0).build(2, causal=True)


def test_positions_it_cannot_read_are_refused() -> None:
    with pytest.raises(PellucidError) as caught:
        Transformer().build(0)
    assert caught.value.what == "the transformer trunk reads 1 or 2 position axes, not 0"


def test_names() -> None:
    words = {"mlp": "dense", "cnn": "convolutional", "rnn": "recurrent", "GRU": "recurrent", "lstm": "lstm"}
    assert {w: trunk_named(w).name for w in words} == words
    assert trunk_named("lstm").of_size(3).config()["cell"] == "lstm"
    with pytest.raises(UsageError, match=r"Unknown network 'transfomer'\. Did you mean 'transformer'\?"):
        trunk_named("transfomer")


def test_two_trunks_of_one_name_are_refused() -> None:
    for words in ({"name": "dense"}, {"name": "new", "aliases": ("cnn",)}):
        with pytest.raises(ValueError, match="two trunks are called"):
            base.register(type("Copy", (Recurrent,), {"aliases": (), **words}))
    assert "new" not in TRUNKS


def test_sizes_that_cannot_be_are_refused() -> None:
    for make, text in (
        (lambda: Transformer(100), "a transformer 100 wide can't have heads 32 wide"),
        (lambda: Recurrent(7), "a recurrent trunk can't be 7 wide: each direction takes half"),
        (lambda: Recurrent(cell="gruu"), "Unknown cell 'gruu'. Did you mean 'gru'? Known: gru, lstm, mingru"),
        (lambda: Convolutional(dropout=1.0).build(2), "dropout 1.0 is not a share of values"),
    ):
        with pytest.raises(PellucidError) as caught:
            make()
        assert caught.value.what == text


def test_any_module_is_a_trunk() -> None:
    trunk = Custom(nn.Linear(5, 4), width=5, out_width=4, reads=(0, 1)).build(1)
    f, inside = trunk.open(Features(torch.randn(2, 3, 5)))
    assert f.x.shape == (2, 3, 4)
    assert torch.equal(inside["module"]["output"], f.x)
    assert trunk.need(Need()).positions == (0, 1)
    with pytest.raises(PellucidError, match="the custom trunk cannot be causal"):
        trunk.need(Need(causal=True))


def test_a_trunk_of_one_vector_cannot_answer_at_every_position() -> None:
    able = ", ".join(TRUNKS)
    assert TRUNKS["dense"].of_size(0).need(Need(every=True)).positions == (1, 2)
    assert Custom(nn.Identity(), width=4, reads=(0, 1)).need(Need(every=True)).positions == (1,)
    with pytest.raises(PellucidError) as caught:
        Custom(nn.Identity(), width=4, reads=(0,)).need(Need(every=True))
    assert caught.value.what == "the custom trunk gives one vector, and this output answers at every position"
    assert caught.value.fix == f"choose one of: {able}"
    with pytest.raises(PellucidError) as caught:
        Custom(nn.Identity(), width=4).need(Need(causal=True))
    assert caught.value.fix == f"choose one of: {', '.join(CAUSAL)}"


@pytest.mark.parametrize("size", range(10))
@pytest.mark.parametrize("least", [0, 85, 86, 342])
def test_a_causal_convolutional_trunk_sees_exactly_what_it_should(size: int, least: int) -> None:
    """Which inputs have a gradient from the last position: an unbroken stretch, at least ``least``, and none before."""
    trunk = Convolutional.of_size(size)
    trunk.least = least
    torch.manual_seed(0)
    trunk.build(1, causal=True)
    for parameter in trunk.parameters():
        # Of the size that keeps values alive through all stages.
        nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    layers = [stage for name, stage in trunk.stages.items() if name != "norm"]
    seen = 1 + sum(stage.reach for stage in layers)
    assert seen >= max(least, 85)
    assert len(layers) == max(3, convolutional.stages_to_see(least))
    x = torch.randn(1, seen + 7, trunk.width, requires_grad=True)
    trunk(Features(x)).x[0, -1].sum().backward()
    assert x.grad is not None
    heard = x.grad[0].abs().sum(1) > 0
    assert not heard[:7].any()
    assert heard[7]
    # And no hole between the taps: dilation grows slower than what five of them reach.
    assert heard[7:].all()


def test_what_attention_shows() -> None:
    trunk = made("transformer", 1, causal=True)
    real = torch.ones(3, 9, dtype=torch.bool)
    real[0, 6:] = False
    for causal in (False, True):
        trunk = made("transformer", 1, causal)
        inside = trunk.open(Features(some(trunk, 1), mask=real))[1]["layer1"]
        weights = inside["attention"]  # (B, n, T, T)
        assert torch.allclose(weights.sum(-1), torch.ones((), dtype=weights.dtype))
        assert (weights[0, :, :6, 6:] == 0).all()
        if causal:
            assert (weights[1].triu(1) == 0).all()


def test_gates_are_gates_and_the_last_state_is_what_torch_says() -> None:
    trunk = made("lstm", 1, causal=True)
    x = some(trunk, 1)
    sweep = trunk.stages["layer1"].sweep
    inside = trunk.open(Features(x))[1]["layer1"]
    _, (hidden, cell) = sweep.ways["ahead"].layer(sweep.norm(x))
    assert torch.allclose(inside["ahead.hidden"][:, -1], hidden[0], atol=1e-9)
    assert torch.allclose(inside["ahead.cell"][:, -1], cell[0], atol=1e-9)
    for gate in ("input_gate", "forget_gate", "output_gate"):
        assert inside[f"ahead.{gate}"].min() > 0
        assert inside[f"ahead.{gate}"].max() < 1
    fresh = Lstm(8, 1).build(1, causal=True)
    bias = fresh.stages["layer1"].sweep.ways["ahead"].layer.bias_ih_l0
    assert bias.tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16


def test_the_convolutional_trunk_takes_grids_of_any_size_and_pools_them() -> None:
    trunk = made("convolutional", 2)
    for height, width in ((1, 1), (2, 5), (8, 8), (33, 17)):
        f = trunk(Features(torch.randn(2, height, width, trunk.width, dtype=torch.float64)))
        assert f.x.shape == (2, -(-height // 8), -(-width // 8), trunk.out_width)
        assert f.x.is_contiguous()  # channels-last all the way
        assert torch.allclose(trunk.pool(f), f.x.mean((1, 2)))
    trunk = made("convolutional", 1)
    f = trunk(Features(some(trunk, 1)))
    assert torch.equal(trunk.pool(f), f.x.amax(1))


def test_stated_shapes_are_checked() -> None:
    """In all of the tests above; here it is counted."""
    shapes.checked.clear()
    for name, positions in CASES:
        trunk = made(name, positions)
        f = Features(some(trunk, positions))
        assert trunk(f).x.shape == trunk.open(f)[0].x.shape
    for name in CAUSAL:
        trunk = made(name, 1, causal=True)
        trunk.step(some(trunk, 1)[:, 0], trunk.start(3, some(trunk, 1)))
    for name in (
        "DenseStage.forward",
        "ConvolutionalGridStage.forward",
        "ConvolutionalSequenceStage.read",
        "Attention.forward",
        "Trunk.forward",
    ):
        assert shapes.checked[name] > 0, name
    assert len(shapes.checked) > 30


def test_a_wrong_shape_would_be_caught() -> None:
    def narrowed(x: Tensor) -> Tensor:  # (B, T, D) -> (B, D)
        return x[:, 0, 1:]

    with pytest.raises(AssertionError, match=r"narrowed states B D, but a shape is \(2, 4\)"):
        shapes.held(narrowed, *shapes.shapes_of(narrowed))(torch.zeros(2, 3, 5))
