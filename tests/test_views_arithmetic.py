"""The network's own arithmetic opened: units, weights, losses, what a stage is worth, and what-if."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from conftest import write_table
from test_network import JOINS, NAMES, batch_of, fitted, network_of
from test_open import opened_heads, randomised
from torch import nn

import pellucid
from pellucid.data.batches.batch import Batch, Padded
from pellucid.data.read_new import read_new
from pellucid.errors import PellucidError, UsageError
from pellucid.network import Network
from pellucid.outputs import OUTPUTS
from pellucid.planning.plan import Recipe
from pellucid.runs.inspection import subject_of
from pellucid.training.loader import Loader
from pellucid.training.optimizer import Optimizer
from pellucid.training.state import TrainState
from pellucid.trunks import TRUNKS, Custom, Dense
from pellucid.trunks.layers import GroupedBatchNorm
from pellucid.views import VIEWS, Part, Subject
from pellucid.views.loss import loss, losses
from pellucid.views.sums.addresses import Scene, find_unit, find_weight, known_stems
from pellucid.views.sums.cell_gates import open_cell
from pellucid.views.sums.gradient_terms import gradient_terms
from pellucid.views.unit import unit
from pellucid.views.weight import chosen_rows, copy_to_learn, weight
from pellucid.views.what_if import what_if
from pellucid.views.worth import worth
from pellucid.wording import number_text


def state_of(net: nn.Module) -> dict[str, Any]:
    """All that a view must leave as it was."""
    return {
        "weights": {name: value.clone() for name, value in net.state_dict().items()},
        "modes": [m.training for m in net.modules()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()],
        "own": [sorted(m.__dict__) for m in net.modules()],
        "grads": [(p.grad is None, p.requires_grad) for p in net.parameters()],
    }


def assert_untouched(net: nn.Module, before: dict[str, Any]) -> None:
    after = state_of(net)
    # Buffers that calibration has not chosen yet are NaN.
    for name, value in before["weights"].items():
        np.testing.assert_array_equal(after["weights"][name], value)
    assert all(after[name] == before[name] for name in ("modes", "hooks", "own", "grads"))


def learned_statistics(net: Network) -> Network:
    for module in net.modules():
        if isinstance(module, GroupedBatchNorm):
            nn.init.uniform_(module.var, 0.5, 2.0)
            nn.init.uniform_(module.mean, -0.5, 0.5)
    return net


def subject_of_net(net: Network, row: int = 2) -> Subject:
    return Subject(net, batch_of(net, [row]), title="row 3")


def subject_of_data(source: Any, trunk: Any, row: int = 0, **options: Any) -> Subject:
    """A network of real data with its kept examples, and one of validation's as the example."""
    data = pellucid.read(source, **options)
    net = learned_statistics(randomised(data.network(trunk, seed=1))).eval()
    split = data.split()
    loader = Loader.of(data, net.fields, torch.device("cpu"))
    training, validation = (Part(data, loader, np.asarray(rows)) for rows in (split.train, split.validation))
    example = validation.batch([row])
    return Subject(net, example, data, validation.title(row), None, training, validation)


def units_of(net: Network, scene: Scene) -> list[str]:
    names = [f"{stem}.{k}" for stem in known_stems(scene) for k in (0, 3) if stem != "output"]
    names += [f"output.{value}" for value in net.output.task.values]
    return names + [f"{stage.name}.head0" for stage in scene.opened if "attention" in stage.inside]


# -- one unit


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("join", ["a table", "photos", "texts", "photo and text", "recordings and a number"])
def test_sums_are_those_of_the_forward_pass(join: str, name: str) -> None:
    net = learned_statistics(randomised(network_of(JOINS[join], name))).eval()
    before, subject = state_of(net), subject_of_net(net)
    scene = Scene.of(net, subject.example)
    seen = set()
    for full in units_of(net, scene):
        try:
            result = unit(subject, full)
        except PellucidError as error:
            assert "are no weighted sums" in str(error)  # noqa: PT017
            continue
        assert result.badge.level == "exact", full
        assert result.badge.figures["relative error"] <= 1e-5
        seen.add(full.rpartition(".")[0])
    assert len(seen) >= 4
    assert_untouched(net, before)


def test_a_sum_of_a_dense_layer_is_the_one_by_hand() -> None:
    net = randomised(network_of(JOINS["a table"], "dense")).eval()
    subject = subject_of_net(net)
    result, stage = unit(subject, "layer2.17"), net.trunk.stages["layer2"]
    with torch.no_grad():
        x = net.open(subject.example)["trunk.layer1"].features.x
        read = stage.norm(x)[0]
        total = float(stage.into(read)[17])
        value = float(net.open(subject.example)["trunk.layer2"].inside["activation"][0, 17])
    np.testing.assert_allclose(result.arrays["weights"], stage.into.weight[17].detach(), rtol=1e-6)
    np.testing.assert_allclose(result.arrays["values"], read, rtol=1e-5, atol=1e-6)
    assert float(result.arrays["total"]) == pytest.approx(total, rel=1e-6)
    assert float(result.arrays["value"]) == pytest.approx(value, rel=1e-6)
    _, rows = result.blocks[0].table()
    assert rows[-1][0] == "gelu"
    assert rows[-1][3] == pytest.approx(value, rel=1e-6)
    listed = sum(row[3] for row in rows[:-2])
    assert listed == pytest.approx(total, rel=1e-5), "the terms, the rest and the bias add up"


def test_a_convolution_is_opened_where_it_is_highest_or_asked() -> None:
    net = learned_statistics(randomised(network_of(JOINS["photos"], "convolutional"))).eval()
    subject = subject_of_net(net)
    first = net.open(subject.example)["trunk.layer2"].inside["first"][0, ..., 5].detach()
    assert float(unit(subject, "layer2.5").arrays["value"]) == pytest.approx(float(first.max()), rel=1e-6)
    row, column = first.shape[0], 1
    asked = unit(subject, "layer2.5", at=f"{row},{column}")
    assert float(asked.arrays["value"]) == pytest.approx(float(first[-1, 0]), rel=1e-6)
    assert f"row {row}, column {column}" in asked.sentence
    # At the edge of the grid, what lies outside of it is 0.
    assert (asked.arrays["values"].reshape(-1, 3, 3)[:, :, 0] == 0).all()
    for wrong in ("9,9", "1", "0,0", "up"):
        with pytest.raises(UsageError, match="is at no position"):
            unit(subject, "layer2.5", at=wrong)


@pytest.mark.parametrize("cell", ["recurrent", "lstm", "mingru"])
@pytest.mark.parametrize("join", ["photos", "texts"])
def test_gates_make_the_state(cell: str, join: str) -> None:
    net = randomised(network_of(JOINS[join], cell)).eval()
    batch = batch_of(net, [2, 5])
    inside = net.open(batch)["trunk.layer1"].inside
    for way in (name.rpartition(".")[0] for name in inside if name.endswith(".hidden")):
        # Every step of one unit, the first and the last included.
        hidden = inside[f"{way}.hidden"][0, ..., 3].detach()
        subject = Subject(net, batch_of(net, [2]), title="row 3")
        for at in np.ndindex(tuple(net.open(subject.example)["trunk.layer1"].features.x.shape[1:-1])):
            result = unit(subject, f"layer1.{way}.3", at=",".join(str(i + 1) for i in at))
            assert result.badge.level == "exact", (way, at)
            assert float(result.arrays["value"]) == pytest.approx(float(hidden[at]), abs=1e-5)
    assert unit(subject, "layer1.0").title == f"Unit layer1.{next(iter(net.trunk.stages['layer1'].cells()))}.0"


def test_a_causal_cell_and_padding_are_opened_too() -> None:
    net = randomised(network_of(JOINS["texts"], "lstm")).eval()
    scene = Scene.of(net, batch_of(net, [0, 5]))
    for example in (0, 1):
        for number in range(4):
            place = find_unit(scene, f"layer1.back.{number}").highest(example)
            assert open_cell(scene, find_unit(scene, f"layer1.back.{number}"), place).residual < 1e-5


def test_a_head_is_opened_where_it_looks_hardest() -> None:
    net = randomised(network_of(JOINS["texts"], "transformer")).eval()
    subject = subject_of_net(net)
    looks = net.open(subject.example)["trunk.layer1"].inside["attention"][0, 0].detach()
    result = unit(subject, "layer1.head0")
    np.testing.assert_allclose(result.arrays["attention"], looks[int(looks.amax(1).argmax())], atol=1e-6)
    assert result.badge.level == "exact"
    with pytest.raises(UsageError, match="there is no head 9 in 'layer1': it has 1"):
        unit(subject, "layer1.head9")
    with pytest.raises(UsageError, match="has no attention heads"):
        unit(subject, "norm.head0")


def test_an_output_of_several_heads_and_a_solved_part_is_followed_to_the_answer() -> None:
    net, opened = opened_heads(Dense(32, depth=2))
    subject = Subject(net, batch_of(net, [2]), title="row 3")
    result = unit(subject, "output.blue")
    assert result.badge.level == "exact"
    assert "head" in result.sentence
    _, rows = result.blocks[0].table()
    assert rows[-1][3] == pytest.approx(opened.answer[2, 0].item(), rel=1e-5)
    assert rows[-1][0] == "joined with the other 2 heads"


def test_a_module_of_ones_own_is_opened() -> None:
    module = nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 16), nn.Tanh())
    net = Network([fitted("number")[0]], Custom(module, 16, reads=(0,)), fitted("category", "answer", "target")[0])
    subject = subject_of_net(randomised(net).eval())
    inside = net.open(subject.example)["trunk.module"].inside
    for address, shown in (("module.module.0.7", "module.1"), ("module.module.2.7", "module.3")):
        result = unit(subject, address)
        assert result.badge.level == "exact"
        assert float(result.arrays["value"]) == pytest.approx(inside[shown][0, 7].item(), rel=1e-6)


def test_names_that_are_not_there_suggest_others() -> None:
    net = randomised(network_of(JOINS["photos"], "convolutional")).eval()
    subject = subject_of_net(net)
    for wrong, right in (
        ("layr2.3", "Did you mean 'layer2.3'"),
        ("layer2", "Did you mean 'layer2.0'"),
        ("output.bleu", "Did you mean"),
        ("layer2.24000", "there is no unit 24,000 in 'layer2': it has"),
        ("pooled.0", "are no weighted sums"),
    ):
        with pytest.raises(PellucidError, match=right):
            unit(subject, wrong)
    with pytest.raises(PellucidError, match="needs an example"):
        unit(Subject(net), "layer2.3")


def test_kept_examples_that_excite_a_unit_most_are_found(photos: Path, table: Path, texts: Path) -> None:
    for source, trunk, name in (
        (photos, TRUNKS["convolutional"].of_size(0), "layer2.3"),
        (table, TRUNKS["dense"].of_size(0), "layer1.5"),
        (texts, TRUNKS["transformer"].of_size(0), "layer1.head0"),
    ):
        subject = subject_of_data(source, trunk)
        part = subject.training
        assert part is not None
        values = unit(subject, name).arrays["kept"]
        assert len(values) == len(part)
        one = np.array([find_unit(Scene.of(subject.network, part.batch([row])), name).each().max() for row in range(9)])
        np.testing.assert_allclose(values[:9], one, atol=1e-5)
        best = int(values.argmax())
        alone = unit(Subject(subject.network, training=part), name)
        assert f"On {part.title(best)}" in alone.sentence
        gallery = alone.blocks[-1]
        assert gallery.titles[0] == f"highest: {part.title(best)}"
        assert len(gallery.titles) == 27
        assert len({t.partition(": ")[2] for t in gallery.titles}) == 27, "no example twice"
        if source is photos:
            assert all(p is not None and min(p.shape[:2]) >= 5 for p in gallery.pixels)


def test_photos_are_cut_to_what_a_unit_sees(photos: Path) -> None:
    subject = subject_of_data(photos, TRUNKS["convolutional"].of_size(0))
    sizes = {p.shape[:2] for p in unit(subject, "inputs.0.2").blocks[-1].pixels}
    assert sizes == {(5, 5)}, "a 3 x 3 convolution, in the least that is shown"


# -- one weight


def largest_entry(slope: torch.Tensor) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(int(slope.abs().argmax()), tuple(slope.shape))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("join", ["a table", "photos", "texts", "photo and text", "labels and dates"])
def test_terms_of_a_gradient_add_up_and_agree_with_central_differences(
    join: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Losses are worked out in float32, whatever the network is of: too coarse for differences.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    net = copy_to_learn(
        learned_statistics(
            randomised(network_of(JOINS[join], name, ("category", "number", "labels")[len(join) % 3]))
        ).double()
    )
    batch = as_double(batch_of(net, [0, 1, 2, 3]))
    slopes = dict(
        zip(dict(net.named_parameters()), torch.autograd.grad(net.loss(batch), list(net.parameters())), strict=True)
    )
    rooms: dict[str, int] = {}
    for full, slope in slopes.items():
        # Some of every room, of every form.
        room = f"{full.partition('.')[0]}{slope.ndim}"
        rooms[room] = rooms.get(room, 0) + 1
        if rooms[room] > 2:
            continue
        index = largest_entry(slope)
        terms = gradient_terms(net, batch, full, index)
        assert terms.slope == pytest.approx(slope[index].item(), rel=1e-6, abs=1e-12), full
        assert terms.residual <= 1e-6, full
        assert terms.products.sum() == pytest.approx(slope[index].item(), rel=1e-6, abs=1e-12), full
        assert len(terms.examples) == len(terms.products) == len(terms.places)
        weight, step = net.get_parameter(full), 1e-5
        kept, losses = weight[index].item(), []
        with torch.no_grad():
            for sign in (1, -1):
                weight[index] = kept + sign * step
                losses.append(net.loss(batch).item())
            weight[index] = kept
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(terms.slope, rel=1e-5, abs=1e-7), full
    assert len(rooms) >= 4


def as_double(batch: Batch) -> Batch:
    def double(value: Any) -> Any:
        if isinstance(value, Padded):
            return Padded(double(value.values), value.lengths)
        return value.double() if value.is_floating_point() else value

    return replace(batch, inputs={k: double(v) for k, v in batch.inputs.items()}, target=double(batch.target))


def test_terms_of_a_linear_map_are_the_ones_by_hand() -> None:
    net = copy_to_learn(randomised(network_of(JOINS["a table"], "dense")))
    batch = batch_of(net, [0, 1, 2, 3])
    terms = gradient_terms(net, batch, "output.layer.weight", (2, 5))
    with torch.no_grad():
        x = net.open(batch)["trunk.norm"].features.x
        chance = net(batch).softmax(1)
        delta = (chance[:, 2] - (batch.target == 2).float()) / 4
    np.testing.assert_allclose(terms.deltas, delta, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(terms.values, x[:, 5], rtol=1e-5)
    assert terms.examples.tolist() == [0, 1, 2, 3]
    bias = gradient_terms(net, batch, "output.layer.bias", (2,))
    np.testing.assert_allclose(bias.deltas, delta, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("trunk", "weight_name", "matrix"),
    [
        ("convolutional", "trunk.layer2.first.weight[3,2,1,1]", True),
        ("convolutional", "layer2.first_norm.weight[3]", False),
        ("transformer", "layer1.attention.qkv.weight[7,3]", True),
        ("recurrent", "layer1.sweep.ways.ahead.layer.weight_hh_l0[7,3]", True),
        ("dense", "output.layer.weight[1,3]", False),
        ("dense", "inputs.0.layer.bias[4]", False),
    ],
)
def test_a_step_of_a_weight_is_the_optimizers(photos: Path, trunk: str, weight_name: str, matrix: bool) -> None:
    subject = subject_of_data(photos, TRUNKS[trunk].of_size(0))
    net, part = subject.network, subject.training
    assert part is not None
    before = state_of(net)
    result = weight(subject, weight_name)
    assert_untouched(net, before)
    assert result.badge.level == "exact"
    full, index = find_weight(net, weight_name)
    other = copy.deepcopy(net)
    optimizer, batch = Optimizer(other, Recipe()), part.batch(range(min(64, len(part))))
    other.loss(batch).backward()
    kept = other.get_parameter(full)[index].item()
    assert float(result.arrays["gradient"]) == pytest.approx(other.get_parameter(full).grad[index].item(), rel=2e-4)
    optimizer.step(1.0)
    # To the last bit.
    assert result.arrays["step"].tolist() == [kept, other.get_parameter(full)[index].item()]
    assert ("(Muon)" in result.sentence) is matrix
    formula = [block for block in result.blocks if "formula" in block.caption]
    assert len(formula) == (not matrix)
    if formula:
        assert formula[0].table()[1][-1][1] == pytest.approx(result.arrays["step"][1], rel=1e-6)
    assert "fresh optimizer" in result.sentence
    # The loss around it: the middle is the loss, and the tangent touches it there.
    at, losses, tangent = (result.arrays[k] for k in ("at", "losses", "tangent"))
    assert len(at) == 11
    assert at[5] == pytest.approx(kept)
    assert losses[5] == pytest.approx(tangent[5], rel=1e-5)
    with torch.no_grad():
        probe = copy.deepcopy(net)
        probe.get_parameter(full)[index] = at[9]
        assert losses[9] == pytest.approx(float(probe.loss(batch)), rel=1e-6)


def test_a_step_goes_on_from_the_kept_state(photos: Path) -> None:
    subject = subject_of_data(photos, TRUNKS["dense"].of_size(0))
    part = subject.training
    assert part is not None

    def trained() -> TrainState:
        state = TrainState(copy.deepcopy(subject.network), Recipe(clip=0.5))
        for _ in range(3):
            state.optimizer.clear()
            state.network.loss(part.batch(range(20))).backward()
            state.optimizer.step(1.0)
            state.step += 1
        return state

    history = [{"lr_factor": 0.25}]
    known = replace(subject, facts={"state": trained, "history": lambda: history})
    result = weight(known, "output.layer.weight[1,3]")
    state, batch = trained(), part.batch(range(min(64, len(part))))
    state.optimizer.clear()
    state.network.loss(batch).backward()
    norm = state.optimizer.norm()
    assert norm > 0.5
    torch._foreach_mul_([p.grad for p in state.optimizer.parameters], 0.5 / norm)
    kept = state.network.output.layer.weight[1, 3].item()
    state.optimizer.step(0.25)
    assert result.arrays["step"].tolist() == [kept, state.network.output.layer.weight[1, 3].item()]
    assert "the step after step 3" in result.sentence
    assert "not the weights that answer" in result.blocks[2].caption
    assert result.blocks[3].table()[1][-1][1] == pytest.approx(result.arrays["step"][1], rel=1e-6)


def test_weights_that_are_not_there_suggest_others(photos: Path) -> None:
    subject = subject_of_data(photos, TRUNKS["convolutional"].of_size(0))
    for wrong, right in (
        ("layer2.frist.weight[0,0,0,0]", "Did you mean 'trunk.layer2.first.weight'"),
        ("layer2.first.weight[0,0]", "places count from 0, up to"),
        ("layer2.first.weight[999,0,0,0]", "places count from 0, up to"),
        ("output.layer.weight", r"output.layer.weight\[0,0\]"),
        ("", "there is no weight to look at"),
    ):
        with pytest.raises(UsageError, match=right):
            weight(subject, wrong)
    assert VIEWS["weight"].missing(replace(subject, training=None)) == "the run keeps no training examples"


def test_weights_of_heads_and_of_ones_own_modules_are_opened() -> None:
    net = copy_to_learn(opened_heads(Dense(32, depth=2))[0])
    module = nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 16), nn.LayerNorm(16))
    own = Network([fitted("number")[0]], Custom(module, 16, reads=(0,)), fitted("category", "answer", "target")[0])
    own = copy_to_learn(randomised(own))
    for network, names in (
        (net, ["output.layer.weight", "output.layer.bias", "heads.signs", "trunk.stages.layer1.into.weight"]),
        (own, ["trunk.stages.module.module.0.weight", "trunk.stages.module.module.3.weight"]),
    ):
        batch = batch_of(network, [0, 1, 2, 3])
        for name in names:
            (slope,) = torch.autograd.grad(network.loss(batch), network.get_parameter(name))
            terms = gradient_terms(network, batch, name, largest_entry(slope))
            assert terms.slope == pytest.approx(slope.flatten()[slope.abs().argmax()].item(), rel=1e-5)
            assert terms.residual <= 1e-6, name
            assert terms.whole is (name.endswith("signs") or "module.3" in name)


# -- what if


def raw_after(subject: Subject, **options: Any) -> np.ndarray:
    before = state_of(subject.network)
    result = what_if(subject, **options)
    assert_untouched(subject.network, before)
    np.testing.assert_allclose(result.arrays["before"], subject.raw, atol=1e-6)
    assert result.badge.level == "exact"
    return result.arrays["after"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("join", ["a table", "photos", "photo and text"])
def test_a_unit_at_nothing_is_a_network_whose_next_map_does_not_read_it(join: str, name: str) -> None:
    net = learned_statistics(randomised(network_of(JOINS[join], name))).eval()
    subject = subject_of_net(net)
    cut = copy.deepcopy(net)
    stage = cut.trunk.stages["layer2" if "layer2" in cut.trunk.stages else "layer1"]
    units, layer = [1, 2, 3, 5], 2 if "layer2" in cut.trunk.stages else 1
    with torch.no_grad():
        if cells := stage.cells():
            # Nothing enters their states.
            first = next(iter(cells.values()))
            for one in first.layer.parameters():
                one[[first.gate_rows(k)["candidate"] for k in units]] = 0
        elif stage.unit_map == "first":
            stage.second.weight[:, units] = 0
        else:
            stage.out.weight[:, units] = 0
        expected = cut.predict(subject.example)[0]
    after = raw_after(subject, without=[f"layer{layer}.{k}" for k in units])
    np.testing.assert_allclose(after, expected, atol=2e-5, rtol=1e-4)
    assert not np.allclose(after, subject.raw, atol=1e-6)


def test_a_head_at_nothing_is_an_attention_that_does_not_read_it() -> None:
    trunk = TRUNKS["transformer"](32, 2, head=8)
    net = randomised(Network([fitted("text")[0]], trunk, fitted("category", "answer", "target")[0], seed=1)).eval()
    subject, cut = subject_of_net(net), copy.deepcopy(net)
    with torch.no_grad():
        cut.trunk.stages["layer1"].attention.out.weight[:, 8:16] = 0
        cut.trunk.stages["layer2"].out.weight[:, [3, 4]] = 0
    # Several at once are applied together.
    after = raw_after(subject, without=["layer1.head1", "layer2.3", "layer2.4"])
    np.testing.assert_allclose(after, cut.predict(subject.example)[0].detach(), atol=2e-5)


def test_stages_are_left_out_or_held_at_their_mean(photos: Path) -> None:
    subject = subject_of_data(photos, TRUNKS["transformer"].of_size(0))
    cut = copy.deepcopy(subject.network)
    del cut.trunk.stages["layer1"]
    after = raw_after(subject, without="layer1")
    np.testing.assert_allclose(after, cut.predict(subject.example)[0].detach(), atol=1e-5)
    assert "layer1 left out" in what_if(subject, without="layer1").sentence
    subject = subject_of_data(photos, TRUNKS["convolutional"].of_size(0))
    part = subject.validation
    assert part is not None
    everything = part.batch()
    with torch.no_grad():
        last = subject.network.open(everything)["trunk.layer3"].features
        mean = subject.network.output.layer(last.x.mean((0, 1, 2)))
    after = raw_after(subject, without="layer3")
    np.testing.assert_allclose(after, mean, atol=1e-4)
    assert "held at its mean" in what_if(subject, without="layer3").sentence
    bare = replace(subject, training=None, validation=None)
    with pytest.raises(PellucidError, match="the run keeps no examples"):
        what_if(bare, without="layer3")
    # With a unit of another stage at once.
    both = raw_after(subject, without=["layer1.2", "layer3"])
    np.testing.assert_allclose(both, mean, atol=1e-4)


def test_a_weight_is_set(photos: Path) -> None:
    subject = subject_of_data(photos, TRUNKS["dense"].of_size(0))
    other = copy.deepcopy(subject.network)
    with torch.no_grad():
        other.output.layer.weight[1, 3] = 5.5
    after = raw_after(subject, values=["output.layer.weight[1,3]=5.5"])
    np.testing.assert_allclose(after, other.predict(subject.example)[0].detach(), atol=1e-6)
    with pytest.raises(UsageError, match="is no number that a weight can be"):
        what_if(subject, values="output.layer.weight[1,3]=much")


def test_photos_are_moved_and_covered(photos: Path) -> None:
    subject = subject_of_data(photos, TRUNKS["convolutional"].of_size(0))
    assert subject.example is not None
    (key,) = subject.network.input_keys()
    pixels = subject.example.inputs[key].numpy()

    def answer(own: np.ndarray) -> np.ndarray:
        batch = replace(subject.example, inputs={key: torch.from_numpy(own.copy())})
        return subject.network.predict(batch)[0].detach().numpy()

    moved = np.concatenate([pixels[:, :, :2][:, :, ::-1], pixels[:, :, :-2]], 2)
    np.testing.assert_allclose(raw_after(subject, move="2,0"), answer(moved), atol=1e-5)
    covered = pixels.copy()
    covered[:, 2, 3] = np.round(np.array(subject.network.fields[0].state["mean"]) * 255)
    np.testing.assert_allclose(raw_after(subject, mask="3,4"), answer(covered), atol=1e-5)
    for options, message in (
        ({"move": "9,0"}, "can't be moved by 9,0"),
        ({"move": "left"}, "says no move"),
        ({"mask": "9,1"}, "there is no patch 9,1"),
        ({"mask": "nose"}, "Unknown word or column 'nose'"),
        ({}, "there is nothing to change"),
        ({"without": "layr3"}, "Did you mean 'layer3'"),
        ({"without": "output.above"}, "is an answer, which can't be left out"),
        ({"values": "brightness"}, "sets nothing"),
        ({"values": "image=3"}, "which can't be typed|Unknown column"),
    ):
        with pytest.raises(PellucidError, match=message):
            what_if(subject, **options)


def test_columns_are_set_as_their_kind_reads_them(table: Path) -> None:
    subject = subject_of_data(table, TRUNKS["dense"].of_size(0))
    data, part = subject.data, subject.validation
    assert data is not None
    assert part is not None
    row = int(part.rows[0])

    def answer_with(**cells: Any) -> np.ndarray:
        frame = pl.read_csv(table)[row : row + 1].with_columns(**{k: pl.lit(v) for k, v in cells.items()})
        other = read_new(frame, subject.network.fields, False)
        fields = [f for f in subject.network.fields if f.is_input]
        batch = Loader.of(other, fields, torch.device("cpu")).batch(torch.tensor([0]))
        return subject.network.predict(batch)[0].detach().numpy()

    np.testing.assert_allclose(raw_after(subject, values="x=1.25"), answer_with(x=1.25), atol=1e-5)
    np.testing.assert_allclose(
        raw_after(subject, values=["x=1.25", "colour=blue"]), answer_with(x=1.25, colour="blue"), atol=1e-5
    )
    np.testing.assert_allclose(raw_after(subject, values="y=NA"), answer_with(y=None), atol=1e-5)
    np.testing.assert_allclose(raw_after(subject, mask="y"), answer_with(y=None), atol=1e-5)
    for options, message in (
        ({"values": "colour=bleu"}, "Unknown value of 'colour' 'bleu'. Did you mean 'blue'"),
        ({"values": "color=blue"}, "Unknown column 'color'. Did you mean 'colour'"),
        ({"values": "x=much"}, "'much' can't be read for 'x', a number"),
        ({"move": "1,0"}, "there is no photo to move"),
        ({"mask": "1,1"}, "Unknown word or column|there is no photo to cover"),
    ):
        with pytest.raises(PellucidError, match=message):
            what_if(subject, **options)
    assert "far outside" in what_if(subject, values="x=1,000,000").sentence


def test_words_are_left_out(texts: Path) -> None:
    subject = subject_of_data(texts, TRUNKS["transformer"].of_size(0), row=3)
    data, part = subject.data, subject.validation
    assert data is not None
    assert part is not None
    text = str(data.fields["review"].traits.show(data.stored_values("review"), int(part.rows[3])))
    word = text.split()[2]
    rest = " ".join(one for one in text.split() if one != word)
    np.testing.assert_allclose(
        raw_after(subject, mask=word.upper()), raw_after(subject, values=f"review={rest}"), atol=1e-6
    )
    assert not np.allclose(raw_after(subject, mask=word), subject.raw)
    known = next(one for one in text.split() if one != word)
    with pytest.raises(UsageError, match=f"Did you mean '{known}'"):
        what_if(subject, mask=known + "e")
    # A text may be empty.
    assert np.isfinite(raw_after(subject, mask="review")).all()


def test_numbers_are_told_in_their_units(numbers: Path) -> None:
    subject = subject_of_data(numbers, TRUNKS["dense"].of_size(0), target="price")
    result = what_if(subject, values="x=2")
    _, rows = result.blocks[0].table()
    assert rows[0][0] == "price"
    low, high = (float(subject.task.to_units(result.arrays[k])[0]) for k in ("before", "after"))
    assert rows[0][1].startswith(number_text(low))
    assert rows[0][3] == number_text(high - low)
    assert f"price goes from {number_text(low)} to {number_text(high)}" in result.sentence


# -- the loss


def labelled(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    rows = [[f"{x:.3f}", f"{y:.3f}", ";".join(w for w, v in (("up", x > 0), ("right", y > 0), ("far", x * y > 1)) if v)]
            for x, y in rng.normal(size=(120, 2))]  # fmt: skip
    return write_table(tmp_path / "tags.csv", ["x", "y", "tags"], rows)


def test_losses_are_opened_for_every_kind_of_answer(table: Path, numbers: Path, tmp_path: Path) -> None:
    for source, target in ((table, "label"), (numbers, "price"), (labelled(tmp_path), "tags")):
        subject = subject_of_data(source, TRUNKS["dense"].of_size(0), target=target)
        part, before = subject.validation, state_of(subject.network)
        assert part is not None
        result = losses(subject)
        assert_untouched(subject.network, before)
        assert result.badge.level == "exact"
        with torch.no_grad():
            own = subject.network.losses(part.batch())
        np.testing.assert_allclose(result.arrays["losses"], own, rtol=1e-4, atol=1e-6)
        _, rows = result.blocks[0].table()
        worst = int(own.argmax())
        assert rows[0][:2] == ["worst", part.title(worst)]
        assert rows[0][4] == pytest.approx(float(own[worst]), rel=1e-4)
        if len(part) > 9:
            assert rows[9][:2] == ["best", part.title(int(own.argmin()))]
        for row in range(5):
            one = loss(replace(subject, example=part.batch([row])))
            assert one.badge.level == "exact"
            assert one.arrays["loss"] == pytest.approx(float(own[row]), rel=1e-4, abs=1e-6)


def test_a_loss_of_classes_is_a_softmax_and_a_logarithm() -> None:
    net = randomised(network_of(JOINS["a table"], "dense")).eval()
    task = net.output.task
    raw = np.array([1.0, 0.0, -1.0, 2.0], np.float32)
    opened = task.open_loss(raw, np.array(2))
    chance = np.exp(-1.0) / np.exp(raw.astype(float)).sum()
    assert opened.total == pytest.approx(-np.log(chance), rel=1e-9)
    assert opened.rows[0][0] == task.values[2]
    assert opened.rows[0][3] == pytest.approx(chance, rel=1e-9)
    assert sum(row[3] for row in opened.rows) == pytest.approx(1)
    assert [row[4] is None for row in opened.rows] == [False, True, True, True]
    assert f"= {number_text(-np.log(chance))}" in opened.sentence
    # A class that was thought next to impossible has a finite loss.
    assert np.isfinite(task.open_loss(np.array([0, 0, -2000, 0], np.float32), np.array(2)).total)


def test_a_loss_of_numbers_is_told_in_units(numbers: Path) -> None:
    subject = subject_of_data(numbers, TRUNKS["dense"].of_size(0), target="price")
    part = subject.validation
    assert part is not None
    _, rows = loss(subject).blocks[0].table()
    name, said, true, off, square, scaled = rows[0]
    assert name == "price"
    shown = subject.data.fields["price"].traits.show(subject.data.stored_values("price"), int(part.rows[0]))
    assert true == pytest.approx(float(shown), rel=1e-4)
    assert off == pytest.approx(said - true)
    assert square == pytest.approx(off**2)
    assert scaled == pytest.approx(square / subject.task.learned["std"][0] ** 2)


def test_a_forecast_is_opened_step_by_step() -> None:
    field = fitted("channel", "load", "target")[0]
    task = OUTPUTS["future"]([field]).task
    raw, target = np.zeros(2 * 3, np.float32), np.array([[1.0], [np.nan], [3.0], [1.0]], np.float32)
    opened = task.open_loss(raw, target)
    assert opened.total is None
    assert [row[0] for row in opened.rows] == ["load, step 1", "load, step 3"]
    mean, std = task.learned["mean"][0], task.learned["std"][0]
    assert opened.rows[1][1:4] == pytest.approx([mean, 3 * std + mean, -3 * std])


def test_a_loss_needs_what_is_right(table: Path) -> None:
    subject = subject_of_data(table, TRUNKS["dense"].of_size(0))
    assert subject.example is not None
    assert VIEWS["loss"].missing(subject) is None
    unknown = replace(subject, example=replace(subject.example, target=None))
    assert "is not known" in (VIEWS["loss"].missing(unknown) or "")
    told = replace(unknown, facts={"target": lambda: subject.example.target})
    assert VIEWS["loss"].missing(told) is None
    assert loss(told).arrays["loss"] == pytest.approx(loss(subject).arrays["loss"])


# -- what a stage is worth


@pytest.mark.parametrize("trunk", ["dense", "convolutional", "transformer", "recurrent"])
def test_scores_without_a_stage_are_those_of_a_plain_loop(photos: Path, trunk: str) -> None:
    subject = subject_of_data(photos, TRUNKS[trunk].of_size(0))
    net, part, before = subject.network, subject.validation, state_of(subject.network)
    assert part is not None
    result = worth(subject)
    assert_untouched(net, before)
    batch, found = part.batch(), []
    with torch.no_grad():
        opened = net.open(batch)
    for name in net.trunk.stages:
        cut = copy.deepcopy(net)
        places = list(opened.stages)
        given = opened[places[places.index(f"trunk.{name}") - 1]].features.x
        out = opened[f"trunk.{name}"].features.x
        if given.shape == out.shape:
            del cut.trunk.stages[name]
        else:
            mean = out.mean(0, keepdim=True)
            cut.trunk.stages[name].register_forward_hook(
                lambda module, own, result, mean=mean: result.with_(x=mean.expand_as(result.x))
            )
        with torch.no_grad():
            found.append(net.output.task.measure(cut.predict(batch), batch.target))
    table = result.blocks[-1].table()[1]
    assert [row[0] for row in table] == [*net.trunk.stages, "image"]
    np.testing.assert_allclose(result.arrays["scores"][: len(found)], found, atol=1e-6)
    np.testing.assert_allclose(result.arrays["lost"], result.arrays["score"] - result.arrays["scores"], atol=1e-6)
    assert all(low <= lost + 1e-9 and lost <= high + 1e-9 for _, _, _, lost, low, high in table)


def test_inputs_are_shuffled_one_by_one(table: Path) -> None:
    subject = subject_of_data(table, TRUNKS["dense"].of_size(0))
    net, part = subject.network, subject.validation
    assert part is not None
    rows = {row[0]: row for row in worth(subject).blocks[-1].table()[1]}
    mixing = np.random.default_rng(0).permutation(len(part))
    batch, other = part.batch(), part.batch(mixing)
    for name, key, column in (("x", "number", 0), ("y", "number", 1), ("colour", "category", 0)):
        mixed = batch.inputs[key].clone()
        mixed[:, column] = other.inputs[key][:, column]
        with torch.no_grad():
            raw = net.predict(replace(batch, inputs={**batch.inputs, key: mixed}))
        assert rows[name][2] == pytest.approx(net.output.task.measure(raw, batch.target)), name
    assert VIEWS["worth"].missing(replace(subject, validation=None)) == "the run keeps no validation examples"


def test_a_stage_that_does_all_the_work_is_worth_most() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=200), "noise": rng.normal(size=200)}).with_columns(
        pl.when(pl.col("x").abs() > 0.67).then(pl.lit("far")).otherwise(pl.lit("near")).alias("label")
    )
    run = pellucid.train(frame, target="label", network="mlp", budget="60steps", heads=1, save=False)
    data = pellucid.read(frame, target="label")
    loader = Loader.of(data, run.network.fields, torch.device("cpu"))
    part = Part(data, loader, np.asarray(data.split().validation))
    result = worth(Subject(run.network.eval(), validation=part))
    rows = {row[0]: row for row in result.blocks[-1].table()[1]}
    assert rows["x"][3] > 0.1 > abs(rows["noise"][3])
    assert "The most important input is x" in result.sentence


# -- of a run


def test_a_run_hands_its_checkpoint_and_what_is_right_to_the_views(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = pellucid.train(table, target="label", network="mlp", budget="20steps", name="run")
    subject = subject_of(run, table)
    state = subject.facts["state"]()
    assert state.step == 20
    assert state.weights.keys() == run.network.weights().keys()
    # Each look gets a state of its own, and the run stays as it is.
    again = subject.facts["state"]()
    assert again.network is not state.network
    assert all(torch.equal(again.weights[k], v) for k, v in state.weights.items() if not v.isnan().any())
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    data = pellucid.read(table, target="label")
    loader = Loader.of(data, run.network.fields, torch.device("cpu"))
    known = replace(subject, training=Part(data, loader, np.asarray(data.split().train)))
    result = weight(known, "output.layer.weight[0,1]")
    assert "the step after step 20" in result.sentence
    assert before == {path: path.read_bytes() for path in before}
    # The table says what is right.
    first = pl.read_csv(table)["label"][0]
    assert f"'{first}' was right" in loss(subject).sentence
    bare = subject_of(run, pl.read_csv(table).drop("label"))
    assert VIEWS["loss"].missing(bare) is not None
    for path in (run.path / "checkpoints").iterdir():
        path.unlink()
    assert subject_of(pellucid.load(run.path)).facts["state"]() is None
    found = pellucid.load(run.path).inspect(table, unit="layer1.3", set=("x=1",), without=("layer2",))
    assert [one.view for one in found] == ["unit", "what-if"]
    assert "layer2 left out" in found["what-if"].sentence


def test_of_long_sequences_fewer_examples_are_looked_at(texts: Path) -> None:
    subject = subject_of_data(texts, TRUNKS["dense"].of_size(0))
    part = subject.training
    assert part is not None
    assert chosen_rows(part).tolist() == list(range(min(64, len(part))))
    part.loader.lengths = np.full(len(part.loader.lengths), 512)
    assert len(chosen_rows(part)) == 16
