"""Input layers, outputs and the network that joins them: contracts over the registries, gradients, joins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import shapes
import torch
from torch import Tensor, nn

import pellucid
from pellucid import network as network_module
from pellucid.data.batches.batch import Batch, Padded, shape_target
from pellucid.errors import PellucidError
from pellucid.fields import KINDS, Column, Field
from pellucid.fields.recordings import to_wav
from pellucid.inputs import (
    INPUTS,
    Input,
    base,
    category,
    date,
    image,
    labels,
    number,
    series,
    sound,
    sound_augment,
    text,
)
from pellucid.network import Network
from pellucid.outputs import OUTPUTS, Output, output_for
from pellucid.outputs import category as category_output
from pellucid.outputs import labels as labels_output
from pellucid.outputs import number as number_output
from pellucid.trunks import TRUNKS, Custom, Features, Need
from pellucid.trunks.layers import GroupedBatchNorm, Linear

_inputs = (base, number, category, text, image, labels, date, series, sound, sound_augment)
for _module in (*_inputs, category_output, labels_output, number_output, network_module):
    shapes.hold(_module)

N = 40
RNG = np.random.default_rng(0)
RAW: dict[str, Any] = {  # raw values of one column of every kind
    "number": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N) ** 3),
    "category": RNG.choice(["red", "green", "blue", "grey"], N),
    "text": np.array([" ".join(RNG.choice(["one", "two", "three", "four", "five"], 3 + i % 6)) for i in range(N)]),
    "image": RNG.integers(0, 256, (N, 9, 7, 3), dtype=np.uint8),
    "labels": np.array([";".join(RNG.choice(["a", "b", "c", "d"], 1 + i % 3, replace=False)) for i in range(N)]),
    "sound": np.array(
        [to_wav(RNG.integers(-9000, 9000, 900 + 50 * i).astype(np.int16), 8000) for i in range(N)], object
    ),
    "date": np.datetime64("2019-01-01T00", "us") + RNG.integers(0, 10**14, N),
    "channel": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)),
    "series": pl.Series([[None if j == 3 else float(RNG.normal()) for j in range(5 + i % 4 * 9)] for i in range(N)]),
}
# Drawn by a generator of its own: the others stay what they were.
RAW["passage"] = np.array(["to be or not to be "[: 4 + i % 9] for i in range(N)])
# What a layout decides of a column, where its values alone don't.
SETTINGS: dict[str, dict[str, Any]] = {
    "channel": {"horizon": 3, "season": 2, "context": 8, "calendar": 0, "rhythms": [2], "relative": False,
                "apart": False, "place": 0},
    "passage": {"level": "characters", "context": 12},
}  # fmt: skip
# Outputs whose answers follow from the features alone.
PLAIN = [name for name, output in OUTPUTS.items() if output.task_type.constant]


def fitted(kind: str, name: str = "", role: str = "input") -> tuple[Field, Any]:
    """A fitted field of a kind and its encoded values."""
    raw, name = RAW[kind], name or kind
    if kind == "sound":
        held = pl.Series(name, raw.tolist(), pl.Binary)
    else:
        held = raw if isinstance(raw, np.ndarray) and raw.ndim > 1 else pl.Series(name, raw)
    column = Column(name, held)
    guess = KINDS[kind].recognise(column)
    settings = SETTINGS.get(kind) or (guess.settings if guess else {})
    stored = KINDS[kind].store(column, settings, lambda note: None)
    state = KINDS[kind].fit(stored, np.arange(0, N, 2), settings, role)
    field = Field(name, kind, role, settings=settings, state=json.loads(json.dumps(state)))
    return field, KINDS[kind].encode(stored, field.state)


def value_of(kind: str, rows: list[int], many: int = 1) -> Any:
    """Encoded values of some examples as an input layer reads them; ``many`` fields of a joint kind."""
    encoded = fitted(kind)[1]
    if kind in RAGGED:
        own = [torch.from_numpy(np.array(encoded[r])) for r in rows]
        own = [one.unsqueeze(-1).repeat(1, many) for one in own] if KINDS[kind].joint else own
        own = [one.long() for one in own] if kind in ("text", "passage") else own
        lengths = torch.tensor([len(one) for one in own])
        return Padded(nn.utils.rnn.pad_sequence(own, batch_first=True), lengths)
    if KINDS[kind].moments:
        # A stretch of the last rows up to each.
        index = np.array(rows)[:, None] - np.arange(SETTINGS[kind]["context"])[::-1]
        return torch.from_numpy(encoded[np.maximum(index, 0)]).unsqueeze(2).repeat(1, 1, many)
    picked = torch.from_numpy(np.ascontiguousarray(encoded[rows]))
    return picked.reshape(len(rows), -1).repeat(1, many) if KINDS[kind].joint else picked


def fields_of(kind: str) -> list[Field]:
    """What one input layer of a kind is made from: three fields of a joint kind, one of another."""
    return [fitted(kind, f"{kind}{i}")[0] for i in range(3 if KINDS[kind].joint else 1)]


RAGGED = ("text", "series", "sound", "passage")

CASES = [(kind, positions) for kind, layer in INPUTS.items() for positions in layer.offers]
ROWS = [0, 3, 4, 11, 7]


def layer_of(kind: str, positions: int, width: int = 24, **settings: Any) -> Input:
    torch.manual_seed(0)
    layer = INPUTS[kind](fields_of(kind), **settings)
    layer.build(positions, Need(positions=(positions,), width=width, longest=20))
    for p in layer.parameters():
        nn.init.normal_(p, std=0.3)
    return layer


def read_by(layer: Input, rows: list[int], key: Tensor | None = None) -> Features:
    return layer(value_of(layer.kind, rows, len(layer.fields)), key)


def test_every_kind_of_field_has_its_input_layer() -> None:
    # What is written is a target alone.
    assert set(INPUTS) == {name for name, kind in KINDS.items() if name != "writing"} == set(RAW)


@pytest.mark.parametrize(("kind", "positions"), CASES)
def test_input_layers_return_what_they_state(kind: str, positions: int) -> None:
    layer = layer_of(kind, positions)
    key = torch.arange(len(ROWS)) + 1000
    for given in (None, key):
        f = read_by(layer, ROWS, given)
        assert f.x.ndim == 2 + positions
        assert f.x.shape[0] == len(ROWS)
        assert f.x.shape[-1] == layer.out_width
        assert f.x.isfinite().all()
        assert f.key is given
        if positions:
            assert layer.out_width == 24
            assert int(np.prod(f.x.shape[1:-1])) <= 20 or kind not in ("image", "sound") or positions == 1
    again = INPUTS[kind](layer.fields, **json.loads(json.dumps(layer.config()))["settings"])
    again.build(positions, Need(positions=(positions,), width=24, longest=20))
    again.load_state_dict(layer.state_dict())
    assert torch.equal(read_by(again, ROWS).x, read_by(layer, ROWS).x)


@pytest.mark.parametrize(("kind", "positions"), CASES)
def test_an_example_does_not_depend_on_its_batch(kind: str, positions: int) -> None:
    known: dict[str, Any] = {"image": {"mirror": True, "shift": 0.2, "cover": 0.4}}
    known["sound"] = {"shift": 0.1, "speed": 0.2, "pitch": 0.2, "colour": 0.5, "noise": 0.03, "mask": 0.2}
    settings = known.get(kind, {})
    layer = layer_of(kind, positions, **settings)
    key = torch.arange(len(ROWS)) * 7919
    whole = read_by(layer, ROWS, key)
    for i, row in enumerate(ROWS):
        alone = read_by(layer, [row], key[i : i + 1]).x
        part = whole.x[i : i + 1]
        assert torch.allclose(alone, part[:, : alone.shape[1]] if positions and kind in RAGGED else part, atol=1e-5)


@pytest.mark.parametrize(("kind", "positions"), CASES)
def test_gradients_of_input_layers_agree_with_central_differences(kind: str, positions: int) -> None:
    layer = layer_of(kind, positions).double()
    if not list(layer.parameters()):
        return  # it enters as it is
    value = value_of(kind, ROWS, len(layer.fields))
    value = value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
    value = Padded(value.values.double(), value.lengths) if kind == "series" else value
    assert_gradients(lambda: layer(value).x.sin().sum(), list(layer.parameters()))


def assert_gradients(loss: Any, weights: list[Tensor], most: int = 12, step: float = 1e-5) -> None:
    """Autograd's slopes against central differences, at some entries of every tensor, in float64."""
    slopes = torch.autograd.grad(loss(), weights)
    generator = torch.Generator().manual_seed(0)
    for tensor, slope in zip(weights, slopes, strict=True):
        large = slope.flatten().abs().topk(min(most // 2, tensor.numel())).indices.tolist()
        for i in {*large, *torch.randint(tensor.numel(), (most // 2,), generator=generator).tolist()}:
            at = np.unravel_index(i, tensor.shape)
            kept = float(tensor.data[at])
            values = []
            for sign in (1, -1):
                tensor.data[at] = kept + sign * step
                values.append(loss().item())
            tensor.data[at] = kept
            assert (values[0] - values[1]) / (2 * step) == pytest.approx(
                float(slope.reshape(-1)[i]), rel=2e-5, abs=1e-7
            )


def test_unfitted_fields_are_refused() -> None:
    bare = Field("x", "number")
    with pytest.raises(PellucidError, match="the field 'x' has not learned its scale or vocabulary yet"):
        INPUTS["number"]([bare])
    with pytest.raises(PellucidError, match="the target 'x' has not been fitted yet"):
        OUTPUTS["number"]([bare])


def test_missing_and_unknown_values_have_vectors_of_their_own() -> None:
    layer = layer_of("category", 0)
    value = torch.tensor([[0, 0, 0], [1, 1, 1], [2, 2, 2]])
    x = layer(value).x
    assert not any(torch.allclose(x[i], x[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    layer = layer_of("number", 0)
    gone = layer(torch.full((1, 3), torch.nan)).x
    assert gone.isfinite().all()
    assert not torch.allclose(gone, layer(torch.zeros(1, 3)).x)


def test_without_an_embedding_numbers_enter_as_they_are() -> None:
    layer = layer_of("number", 0, embedding=0, bins=2)
    value = torch.stack([layer.low[:, 1], layer.low[:, 0], torch.full((3,), torch.nan)])  # (3, F): middle, least, none
    x = layer(value).x
    assert list(layer.parameters()) == []
    assert x.shape == (3, layer.out_width)
    assert torch.equal(x[:2, :3], value[:2])
    assert x[0, 3:9].tolist() == [1, -1] * 3, "behind the first bin, before the second"
    assert x[1, 3:9].tolist() == [-1, -1] * 3
    gaps = sum(field.state["missing"] > 0 for field in layer.fields)  # type: ignore[index]
    assert layer.out_width == 9 + gaps
    assert x[2].isfinite().all()
    assert x[:, 9:].tolist() == [[0.0] * gaps, [0.0] * gaps, [1.0] * gaps]


def test_a_layers_weights_may_be_those_of_several_networks() -> None:
    one, other = Linear(3, 2), Linear(3, 2)
    x = torch.randn(2, 5, 3)
    both = Linear(3, 2)
    both.weight = nn.Parameter(torch.stack([one.weight, other.weight]))
    both.bias = nn.Parameter(torch.stack([one.bias, other.bias]))
    assert torch.allclose(both(x), torch.stack([one(x[0]), other(x[1])]), atol=1e-6)


# -- outputs

NO_BATCH: Batch = Batch({}, None, np.zeros(0, np.int64))


def output_of(name: str) -> tuple[Output, Tensor]:
    """A built output and targets for ``ROWS``."""
    kind = OUTPUTS[name].task_type.kind
    field, encoded = fitted(kind, "answer", "target")
    torch.manual_seed(0)
    output = OUTPUTS[name]([field]).build(24)
    nn.init.normal_(output.layer.weight, std=0.3)  # type: ignore[arg-type]
    values = shape_target(np.nan_to_num(encoded) if encoded.dtype.kind == "f" else encoded)
    return output, torch.from_numpy(values)[: len(ROWS)]


@pytest.mark.parametrize("name", PLAIN)
def test_outputs_keep_their_contract(name: str) -> None:
    output, target = output_of(name)
    x = torch.randn(len(ROWS), 24)
    raw = output(Features(x), NO_BATCH).detach()
    losses = output.losses(raw, Batch.of_targets(target))
    assert losses.shape == (len(ROWS),)
    assert (losses >= 0).all()
    metric = output.task.measure(raw, target)
    score = output.task.score(raw, target)
    assert score.value == pytest.approx(metric)
    assert score.low <= score.value <= score.high or np.isnan(score.low)
    naive, words = output.task.naive_answer(target.numpy())
    assert naive.shape == raw.shape[1:]
    assert words.startswith("always")
    output.calibrate(raw, target)
    decoded = output.task.decode(raw)
    assert len(decoded) == len(output.task.decode_target(target.numpy())) == len(ROWS)
    assert json.loads(json.dumps(decoded)) == decoded
    details = output.task.report_content(raw, target)
    assert all(np.isfinite(v) for v in details["metrics"].values())
    again = OUTPUTS[name](output.fields, **output.config()["settings"]).build(24)
    again.load_state_dict(output.state_dict())
    again.task.restore_calibration(json.loads(json.dumps(output.task.calibration())))
    assert again.task.decode(again(Features(x), NO_BATCH).detach()) == decoded
    assert output.task.is_better(1.0, 0.0) is output.task.higher


@pytest.mark.parametrize("name", PLAIN)
def test_a_perfect_answer_scores_best_and_the_naive_one_is_no_better(name: str) -> None:
    output, target = output_of(name)
    perfect = 20 * nn.functional.one_hot(target.long(), 4).float() if name == "category" else target.float()
    assert output.task.measure(perfect, target) == pytest.approx(1.0)
    naive, _ = output.task.naive_answer(target.numpy())
    assert output.task.measure(np.tile(naive, (len(target), 1)), target) < 0.9
    assert [next(iter(d.values())) for d in output.task.decode(perfect)] == [
        pytest.approx(v) if isinstance(v, float) else v for v in output.task.decode_target(target.numpy())
    ]


@pytest.mark.parametrize("name", PLAIN)
def test_gradients_of_outputs_agree_with_central_differences(name: str) -> None:
    output, target = output_of(name)
    output = output.double().train()
    if "smoothing" in output.chosen:
        output.chosen["smoothing"] = 0.1
    x = torch.randn(len(ROWS), 24, dtype=torch.float64, requires_grad=True)
    # the losses are computed in float32 for safety under autocast, so the differences are coarse
    loss = lambda: output(Features(x), NO_BATCH).sin().sum()  # noqa: E731
    assert_gradients(loss, [x, *output.parameters()])
    raw = output(Features(x), NO_BATCH).detach().requires_grad_()
    slope = torch.autograd.grad(output.losses(raw, Batch.of_targets(target)).sum(), raw)[0]
    for i in range(raw.numel()):
        step = 1e-2
        values = []
        for sign in (1, -1):
            moved = raw.detach().clone()
            moved.view(-1)[i] += sign * step
            values.append(float(output.losses(moved, Batch.of_targets(target)).double().sum()))
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(float(slope.view(-1)[i]), rel=1e-2, abs=1e-3)


def test_an_output_that_does_not_suit_is_refused() -> None:
    target = fitted("category", "answer", "target")[0]
    assert output_for(target, [])[0] is OUTPUTS["category"]
    with pytest.raises(PellucidError, match="the output 'number' cannot predict 'answer', a category"):
        output_for(target, [], "number")
    with pytest.raises(PellucidError, match="there is no output for 'text', a text"):
        output_for(fitted("text")[0], [])


# -- networks

JOINS: dict[str, tuple[str, ...]] = {
    "numbers": ("number",),
    "a table": ("number", "category"),
    "photos": ("image",),
    "texts": ("text",),
    "photo and text": ("image", "text"),
    "recordings": ("sound",),
    "recordings and a number": ("sound", "number"),
    "labels and dates": ("labels", "date"),
    "everything": ("number", "category", "text", "image", "labels", "date", "sound"),
}
NAMES = [name for name in TRUNKS if name != "custom"]


def network_of(kinds: tuple[str, ...], name: str, target: str = "category") -> Network:
    trunk = TRUNKS[name].of_size(0)
    fields = [fitted(kind)[0] for kind in kinds]
    return Network(fields, trunk, fitted(target, "answer", "target")[0], seed=3)


def batch_of(net: Network, rows: list[int]) -> Batch:
    target = shape_target(fitted(net.output.task_type.kind, "answer", "target")[1])
    inputs = {key: value_of(key.partition(":")[0], rows) for key in net.input_keys()}
    return Batch(inputs, torch.from_numpy(np.nan_to_num(target))[rows], np.array(rows))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("join", JOINS)
def test_every_trunk_learns_from_every_join(join: str, name: str) -> None:
    net = network_of(JOINS[join], name)
    batch = batch_of(net, list(range(12)))
    assert net(batch).shape == (12, 4)
    net.loss(batch).backward()
    silent = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert silent == []
    moved = {n.partition(".")[0] for n, p in net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert {"inputs", "output"} <= moved
    with torch.no_grad():
        for p in net.parameters():
            p -= 0.05 * p.grad  # type: ignore[operator]
    net.zero_grad()
    net.loss(batch).backward()  # branches that start at zero have opened
    assert {"inputs", "trunk", "output"} <= {
        n.partition(".")[0]
        for n, p in net.named_parameters()
        if p.grad.abs().sum() > 0  # type: ignore[union-attr]
    }


@pytest.mark.parametrize("name", NAMES)
def test_inputs_with_positions_each_pass_their_own_copy(name: str) -> None:
    net = network_of(JOINS["everything"], name)
    vector = 0 in TRUNKS[name].reads and net.vector
    assert len(net.parts) == (0 if vector else 3)  # text, photo and recording
    if not vector:
        copies = [list(part.parameters()) for part in net.parts.values()]
        own = {id(p) for one in copies for p in one} | {id(p) for p in net.trunk.parameters()}
        assert len(own) == sum(map(len, copies)) + len(list(net.trunk.parameters()))
    net.eval()
    batch = batch_of(net, [0, 1, 2])
    before, keys = net(batch), net.input_keys()
    for key in keys:  # every input has a say
        other = batch_of(net, [9, 10, 13]).inputs[key]
        changed = Batch({**batch.inputs, key: other}, batch.target, batch.rows)
        assert not torch.allclose(net(changed), before, atol=1e-6), key


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("join", ["a table", "everything"])
def test_an_answer_does_not_depend_on_the_batch(join: str, name: str) -> None:
    net = network_of(JOINS[join], name).eval()
    for module in net.modules():
        if isinstance(module, GroupedBatchNorm):
            nn.init.uniform_(module.var, 0.5, 2.0)
    whole = net(batch_of(net, [0, 3, 5, 11]))
    for i, row in enumerate([0, 3, 5, 11]):
        assert torch.allclose(net(batch_of(net, [row])), whole[i : i + 1], atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_config_makes_the_same_network(name: str) -> None:
    net = network_of(JOINS["everything"], name)
    config = json.loads(json.dumps(net.config()))
    again = Network.from_config(config, net.fields, seed=3)
    mine, other = net.state_dict(), again.state_dict()
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[k], other[k]) for k in mine)
    different = Network.from_config(config, net.fields, seed=4).state_dict()
    assert any(not torch.equal(mine[k], different[k]) for k in mine)


def test_building_a_network_leaves_the_users_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    network_of(("number",), "dense")
    assert torch.equal(torch.rand(2), expected)


def test_a_network_needs_inputs_and_names_the_trunks_that_can() -> None:
    target = fitted("category", "answer", "target")[0]
    with pytest.raises(PellucidError, match="a network needs at least one input field"):
        Network([], "mlp", target)
    grid_only = Custom(nn.Identity(), width=8, reads=(2,))
    with pytest.raises(PellucidError, match=r"the network reads \(2,\) position axes, but a number field") as told:
        Network([fitted("number")[0]], grid_only, target)
    assert "dense" in str(told.value.fix)


def test_mirror_images_are_averaged_where_they_mean_the_same() -> None:
    field = fitted("image")[0]
    target = fitted("category", "answer", "target")[0]
    net = Network([INPUTS["image"]([field], mirror=True)], "cnn", target).eval()
    batch = batch_of(net, [0, 1, 2])
    flipped = Batch({k: v.flip(2) for k, v in batch.inputs.items()}, batch.target, batch.rows)
    assert torch.allclose(net.predict(batch), net.predict(flipped), atol=1e-6)
    assert torch.allclose(net.predict(batch), (net(batch) + net(flipped)) / 2, atol=1e-6)
    plain = Network([field], "cnn", target).eval()
    assert torch.equal(plain.predict(batch), plain(batch))


# -- the user's own loop


def test_a_loop_of_ones_own(table: Path, numbers: Path) -> None:
    for source, target in ((table, "label"), (numbers, "price")):
        data = pellucid.read(source, target=target)
        net = data.network(trunk="mlp", seed=1)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.003, momentum=0.9)
        losses = []
        for epoch in range(12):
            for batch in data.batches("train", net, seed=0, epoch=epoch, batch_size=16):
                optimizer.zero_grad()
                loss = net.loss(batch)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        assert np.mean(losses[-6:]) < 0.6 * np.mean(losses[:6])
        whole = list(data.batches("test", net))
        assert sum(len(b) for b in whole) == len(data.split(0).test)
        assert whole[0].key is None
    with pytest.raises(PellucidError, match=r"Unknown part of the data 'tset'\. Did you mean 'test'"):
        next(data.batches("tset", net))


def test_shapes_were_checked() -> None:
    """The shapes stated on the ``def`` lines above were held to: a check that compared nothing must fail."""
    seen = {name.partition(".")[0] for name in shapes.checked}
    assert {"Number", "Category", "Text", "Image", "Labels", "Date", "Network"} <= seen
