"""What a network looked at: shares, places, fields, examples near by, and whether the badges are earned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from test_network import JOINS, NAMES, batch_of, fitted, network_of
from test_open import randomised

from pellucid.network import Network
from pellucid.outputs import OUTPUTS
from pellucid.trunks import Dense
from pellucid.views import VIEWS, Subject, badges, gradients, where
from pellucid.views.place_blocks import fit_cells
from pellucid.views.variants import Sample

TARGETS = ("category", "number", "labels")


def bare_subject(net: Network, row: int = 1, **more: Any) -> Subject:
    """One example of the columns that the contracts know, and nothing kept."""
    return Subject(net.eval(), batch_of(net, [row]), **more)


def state_of(net: Network) -> list[Any]:
    """What a view must leave as it was."""
    weights = [(p.detach().clone(), p.grad, p.requires_grad) for p in net.parameters()]
    return [net.training, weights, [len(m._forward_hooks) for m in net.modules()]]


def assert_untouched(before: list[Any], net: Network) -> None:
    after = state_of(net)
    assert before[0] == after[0]
    assert before[2] == after[2]
    for (w, g, r), (w2, g2, r2) in zip(before[1], after[1], strict=True):
        assert torch.equal(w, w2)
        assert g is None
        assert g2 is None
        assert r == r2


# -- shares


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("join", JOINS)
def test_shares_add_up_to_the_answer(join: str, name: str) -> None:
    net = randomised(network_of(JOINS[join], name, TARGETS[len(join) % 3])).eval()
    subject, before = bare_subject(net), state_of(net)
    view = VIEWS["shares"]
    if net.vector:
        assert "one vector" in str(view.missing(subject))
        return
    assert view.missing(subject) is None
    result = view(subject)
    assert_untouched(before, net)
    assert result.badge.level == "exact"
    answer = subject.explained.to_units(float(subject.raw[subject.explained.index]))
    parts = result.arrays["shares"].sum() + result.arrays["bias"] + result.arrays["solved"]
    assert parts == pytest.approx(answer, abs=1e-5 * max(1, abs(answer)))
    assert result.arrays["shares"].size >= 1
    assert result.paper


def test_shares_of_a_mean_are_those_of_class_activation_mapping() -> None:
    net = randomised(network_of(("image",), "transformer")).eval()
    subject = bare_subject(net)
    f = net.features(subject.example)
    expected = f.x[0] @ net.output.layer.weight[subject.explained.index] / (f.x.shape[1] * f.x.shape[2])
    np.testing.assert_allclose(VIEWS["shares"](subject).arrays["shares"], expected.detach().numpy(), atol=1e-6)


def test_shares_of_the_largest_are_those_of_the_winner() -> None:
    net = randomised(network_of(("text",), "convolutional")).eval()
    subject = bare_subject(net)
    f = net.features(subject.example)
    value, winner = f.x[0].max(0)
    each = torch.zeros(f.x.shape[1]).index_add(0, winner, value * net.output.layer.weight[subject.explained.index])
    np.testing.assert_allclose(VIEWS["shares"](subject).arrays["shares"], each.detach().numpy(), atol=1e-6)


def test_shares_of_a_mirror_image_are_turned_back() -> None:
    photo, answer = fitted("image")[0], fitted("category", "answer", "target")[0]
    from pellucid.inputs import INPUTS

    net = randomised(Network([INPUTS["image"]([photo], mirror=True)], "transformer", answer)).eval()
    subject = bare_subject(net)
    result = VIEWS["shares"](subject)
    one, two = (
        net.features(b).x[0] @ net.output.layer.weight[subject.explained.index]
        for b in (subject.example, net.mirror_batch(subject.example))
    )
    expected = (one + two.flip(1)) / 2 / one.numel()
    np.testing.assert_allclose(result.arrays["shares"], expected.detach().numpy(), atol=1e-6)
    assert result.arrays["answer"] == pytest.approx(float(subject.raw[subject.explained.index]))


def test_several_heads_have_no_shares() -> None:
    output = OUTPUTS["category"]([fitted("category", "answer", "target")[0]], heads=3)
    net = Network([fitted("number")[0]], Dense(32, depth=1), output)
    assert VIEWS["shares"].missing(bare_subject(net)) is not None


def test_cells_beyond_the_photo_are_cut() -> None:
    cells = np.arange(4.0).reshape(2, 2)
    assert fit_cells(cells, (4, 4), (8, 8)) is cells
    drawn = fit_cells(cells, (8, 8), (9, 12))
    assert drawn.shape == (9, 12)
    assert drawn[8, 0] == 2
    assert drawn[7, 8] == 1


# -- where


@pytest.mark.parametrize("name", NAMES)
def test_the_last_stages_map_is_class_activation_mapping(name: str) -> None:
    """Pooled by a mean and answered by one linear map, HiResCAM is CAM: the shares of the positions."""
    net = randomised(network_of(("image",), name)).eval()
    subject, before = bare_subject(net), state_of(net)
    # A vector, or rows, are no grid.
    if net.layers[0].positions < 2:
        assert "as a grid" in str(VIEWS["where"].missing(subject))
        return
    maps = where.stage_maps(net, subject.example, 0, subject.explained.index)
    np.testing.assert_allclose(list(maps.values())[-1], VIEWS["shares"](subject).arrays["shares"], atol=1e-6)
    result = VIEWS["where"](subject)
    assert_untouched(before, net)
    assert result.badge.level == "suggestive"
    assert result.blocks[0].pixels.shape == (9, 7, 3)


def test_maps_of_a_photo_beside_other_inputs() -> None:
    net = randomised(network_of(JOINS["photo and text"], "convolutional")).eval()
    subject = bare_subject(net)
    i = where.photo_layers(net)[0]
    maps = where.stage_maps(net, subject.example, i, 0)
    assert all(name.startswith(f"parts.{i}.") for name in maps)
    assert VIEWS["where"](subject).arrays


def test_maps_of_mirror_images_are_turned_back() -> None:
    from pellucid.inputs import INPUTS

    photo, answer = fitted("image")[0], fitted("category", "answer", "target")[0]
    net = randomised(Network([INPUTS["image"]([photo], mirror=True)], "transformer", answer)).eval()
    subject = bare_subject(net)
    mirrored = Subject(net, net.mirror_batch(subject.example))
    one, two = (where.stage_maps(net, s.example, 0, 1) for s in (subject, mirrored))
    for name, values in one.items():
        np.testing.assert_allclose(values, two[name][:, ::-1], atol=1e-6)


# -- expected gradients


def references_of(net: Network, i: int, rows: list[int]) -> Any:
    return batch_of(net, rows).inputs[net.input_keys()[i]]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("join", JOINS)
def test_parts_add_up_to_the_difference(join: str, name: str) -> None:
    net = randomised(network_of(JOINS[join], name)).eval()
    before = state_of(net)
    sample = Sample(batch_of(net, [1]), None, 1, 0)
    for i, layer in enumerate(net.layers):
        if layer.as_numbers(sample.batch.inputs[net.input_keys()[i]]) is None:
            continue
        found = gradients.expected_gradients(net, sample, i, references_of(net, i, [2, 4, 6]), nodes=16, most=64)
        assert found.parts.sum().item() == pytest.approx(found.total, abs=0.02 * max(abs(found.total), 0.2))
        places = layer.sum_places(found.parts.unsqueeze(0))[0]
        assert places.sum().item() == pytest.approx(found.parts.sum().item(), abs=1e-4)
    assert_untouched(before, net)


def linear_network() -> Network:
    """A photo as a vector, one linear map into a trunk whose branches add nothing, and one out of it."""
    photo, answer = fitted("image")[0], fitted("category", "answer", "target")[0]
    net = Network([photo], Dense(16, depth=1, norm=False), answer).eval()
    with torch.no_grad():
        net.trunk.stages["layer1"].out.weight.zero_()
        net.trunk.stages["layer1"].out.bias.zero_()
        net.output.layer.weight.normal_(generator=torch.Generator().manual_seed(3))
    return net


def test_of_a_linear_network_parts_are_weight_times_difference() -> None:
    net = linear_network()
    batch, references = batch_of(net, [1]), references_of(net, 0, [2, 4, 6, 8])
    found = gradients.expected_gradients(net, Sample(batch, None, 1, 2), 0, references, nodes=2)
    assert found.steps == 2 * 4
    layer = net.layers[0]
    weight = net.output.layer.weight[2] @ net.entry.weight @ layer.layer.weight  # (H * W * C,)
    moved = batch.inputs["image:image"].float() - references.float().mean(0, keepdim=True)
    expected = weight.view(9, 7, 3) * layer.scale * moved[0]
    torch.testing.assert_close(found.parts, expected.detach(), atol=1e-5, rtol=1e-4)


def test_captum_agrees() -> None:
    attr = pytest.importorskip("captum.attr")
    net = randomised(network_of(("image",), "convolutional", "number")).eval()
    batch, key = batch_of(net, [1]), net.input_keys()[0]
    reference = references_of(net, 0, [2])
    found = gradients.expected_gradients(net, Sample(batch, None, 1, 0), 0, reference, nodes=64, most=64)

    def answer(x: torch.Tensor) -> torch.Tensor:
        from dataclasses import replace

        return net.predict(replace(batch, inputs={key: x}, rows=np.zeros(len(x))))[:, :1]

    method = attr.IntegratedGradients(answer, multiply_by_inputs=True)
    theirs = method.attribute(
        batch.inputs[key].float(), reference.float(), target=0, n_steps=64, method="gausslegendre"
    )
    torch.testing.assert_close(found.parts, theirs[0].float(), atol=1e-4, rtol=1e-3)


# -- badges


def test_rank_correlation_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.integers(0, 6, 30).astype(float), rng.normal(size=30)
        assert badges.rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert badges.rank_correlation(np.ones(4), np.arange(4.0)) == 0


def test_what_every_example_has_is_no_likeness() -> None:
    """Maps of two networks that are alike only where nothing ever differs between examples."""
    rng = np.random.default_rng(1)
    border = np.repeat([0.0, 1.0], 200)
    own = [border * rng.normal(size=400) for _ in range(6)]
    moved = [border * rng.normal(size=400) for _ in range(6)]
    assert np.mean([badges.rank_correlation(abs(a), abs(b)) for a, b in zip(own, moved, strict=True)]) > 0.6
    assert abs(badges.mean_correlation(own, moved)) < 0.15
    assert badges.mean_correlation(own, [-m for m in own]) > 0.9


def test_shuffled_networks_have_the_same_weights_elsewhere() -> None:
    net = randomised(network_of(("image",), "convolutional")).eval()
    subject = bare_subject(net)
    before = state_of(net)
    last, every = (badges.shuffled_network(subject, which) for which in ("last", "all"))
    assert_untouched(before, net)
    for (name, p), a, b in zip(net.named_parameters(), last.parameters(), every.parameters(), strict=True):
        assert torch.equal(p.flatten().sort().values, b.flatten().sort().values)
        assert torch.equal(p, a) != name.startswith("output.")
        assert torch.equal(p, b) == bool((p == p.flatten()[0]).all()) or p.numel() < 3
