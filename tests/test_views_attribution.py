"""What a network looked at: shares, places, fields, examples near by, and whether the badges are earned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from subjects import subject_of
from test_network import JOINS, NAMES, batch_of, fitted, network_of
from test_open import randomised

import pellucid
from pellucid.data.batches.batch import Batch, Padded
from pellucid.inputs import base as inputs_base
from pellucid.network import Network
from pellucid.outputs import OUTPUTS
from pellucid.trunks import Convolutional, Dense
from pellucid.views import VIEWS, Subject, evidence, fields, where
from pellucid.views.attribution import badges, gradients, variants
from pellucid.views.attribution.place_blocks import fit_cells
from pellucid.views.attribution.variants import Sample
from pellucid.views.blocks import Bars, Picture
from pellucid.views.result import Badge

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
        assert g is g2
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


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_a_single_cell_is_no_map(depth: int) -> None:
    """One square of one colour says nothing about where; bars still add up."""
    answer = fitted("category", "answer", "target")[0]
    net = randomised(Network([fitted("image")[0]], Convolutional(8, depth=depth), answer)).eval()
    subject = bare_subject(net)
    maps = where.stage_maps(net, subject.example, 0, subject.explained.index)
    shown = VIEWS["where"](subject)
    assert all(not isinstance(b, Picture) or b.values.size > 1 for b in shown.blocks)
    assert len(shown.blocks) == sum(v.size > 1 for v in shown.arrays.values())
    found = VIEWS["shares"](subject)
    alone = list(maps.values())[-1].size == 1
    assert sum(isinstance(b, Picture) for b in found.blocks) == (not alone)
    assert isinstance(found.blocks[-1], Bars)
    assert alone == (depth > 3)


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


def test_a_gap_is_rough_and_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that miss the answer by more than 2% say so, and what was tested on others is not contradicted."""
    subject = bare_subject(randomised(network_of(("image",), "convolutional")))
    for level, wanted in (("checked", "suggestive"), ("suggestive", "suggestive"), ("failed", "failed")):
        found = Badge(
            level, "Passed its test: on 12 examples." if level == "checked" else "Not so.", {"examples": 12.0}
        )
        monkeypatch.setattr(evidence, "checked_badge", lambda *_, found=found: found)
        near, far = (evidence.evidence_badge(subject, gap) for gap in (0.01, 0.3))
        assert near.level == level
        assert far.level == wanted
        assert far.figures["gap"] == 0.3
    monkeypatch.setattr(evidence, "checked_badge", lambda *_: Badge("checked", "Passed its test: well.", {}))
    reason = evidence.evidence_badge(subject, 0.3).reason
    assert "within 30.0%" in reason
    assert "more than 2.0%" in reason
    assert "passed its test" in reason
    assert "ailed" not in reason


def test_an_example_without_a_slope_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As forecasts with almost no past: no number is made up, and none is NaN."""
    net = randomised(network_of(("image",), "convolutional")).eval()
    references = references_of(net, 0, [2, 4])
    predict = net.predict
    # The square root of nothing has a value and no slope.
    monkeypatch.setattr(net, "predict", lambda batch: predict(batch) + (0 * batch.inputs["image:image"].sum()).sqrt())
    found = gradients.expected_gradients(net, Sample(batch_of(net, [1]), None, 1, 0), 0, references)
    assert not found.told
    assert found.gap == 1
    assert bool((found.parts == 0).all())
    badge = evidence.evidence_badge(bare_subject(net), found.gap, found.told)
    assert badge.level == "suggestive"
    assert badge.reason.startswith("Could not be tested")
    assert np.isfinite(list(badge.figures.values())).all()


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


# -- fields


KEPT = list(range(2, 12))


def others_of(net: Network) -> dict[str, Any]:
    return batch_of(net, KEPT).inputs


@pytest.mark.parametrize("name", ["dense", "transformer"])
@pytest.mark.parametrize("join", JOINS)
def test_shares_of_fields_add_up(join: str, name: str) -> None:
    """Complete against the mean answer to the references, whatever the kinds of the fields."""
    net = randomised(network_of(JOINS[join], name)).eval()
    before = state_of(net)
    sample, players = Sample(batch_of(net, [1]), None, 1, 2), fields.players_of(net)
    found = fields.swap_fields(net, sample, players, others_of(net), 64)
    with torch.no_grad():
        answer = float(net.predict(sample.batch)[0, 2])
        base = float(np.mean([float(net.predict(batch_of(net, [r]))[0, 2]) for r in KEPT]))
    assert found.references == len(KEPT)
    assert found.base == pytest.approx(base, abs=1e-5)
    assert found.base + found.shares.sum() == pytest.approx(answer, abs=1e-5)
    assert len(found.shares) == len(found.errors) == len(players)
    assert_untouched(before, net)


def test_of_a_sum_each_field_has_its_own() -> None:
    """Where the answer is linear in the fields, each has its weight times how far it is from the mean."""
    answer, numbers = fitted("number", "price", "target")[0], [fitted("number", f"n{i}")[0] for i in range(3)]
    net = Network(numbers, Dense(16, depth=1, norm=False), answer).eval()
    with torch.no_grad():
        net.output.layer.weight.normal_(generator=torch.Generator().manual_seed(0))
    values = torch.randn(11, 3, generator=torch.Generator().manual_seed(1))
    key = net.input_keys()[0]
    sample, others = Sample(Batch({key: values[:1]}, None, np.zeros(1)), None, 0, 0), {key: values[1:]}
    found = fields.swap_fields(net, sample, fields.players_of(net), others, 64)
    for k in range(3):
        changed = values[:1].repeat(10, 1)
        changed[:, k] = values[1:, k]
        moved = variants.answers(net, variants.variants(sample.batch, 10, {key: changed}), 0)
        own = variants.answers(net, sample.batch, 0)[0] - moved.mean()
        assert found.shares[k] == pytest.approx(own, abs=1e-5)


def test_what_is_usual() -> None:
    assert inputs_base.usual_value(torch.tensor([[1.0, 2.0], [3.0, float("nan")]])).tolist() == [[2.0, 2.0]]
    assert inputs_base.usual_value(torch.tensor([[1, 5], [1, 6], [2, 6]])).tolist() == [[1, 6]]
    assert inputs_base.usual_value(torch.tensor([[[0]], [[255]]], dtype=torch.uint8)).dtype == torch.uint8
    texts = Padded(torch.tensor([[1, 0, 0], [2, 2, 0], [3, 3, 3]]), torch.tensor([1, 2, 3]))
    assert inputs_base.usual_value(texts).values.tolist() == [[2, 2, 0]]


# -- examples near by, and curves


@pytest.fixture(scope="module")
def of_table(table: Path) -> Subject:
    data = pellucid.read(table, target="label")
    run = pellucid.train(data, network="mlp", size=0, steps=150, save=False)
    return subject_of(run.network, data, 5)


def test_the_nearest_examples(of_table: Subject) -> None:
    subject, before = of_table, state_of(of_table.network)
    result = VIEWS["nearest"](subject)
    assert_untouched(before, subject.network)
    part, net = subject.training, subject.network
    assert part is not None
    with torch.no_grad():
        raw = net.predict(part.batch())
        vectors = net.output_input(part.batch()).x.flatten(1)
        own = net.output_input(subject.example).x.flatten()
    own, vectors = ((v - vectors.mean(0)) / vectors.std(0, unbiased=False).clamp_min(1e-9) for v in (own, vectors))
    likeness = torch.nn.functional.cosine_similarity(vectors, own.unsqueeze(0)).numpy()
    np.testing.assert_allclose(result.arrays["likeness"], likeness, atol=1e-4)
    says = raw.argmax(1).numpy() == int(subject.raw.argmax())
    for name, chosen in (("the same answer", says), ("another answer", ~says)):
        rows = [r for r in np.argsort(-likeness) if chosen[r] and part.rows[r] != 5][:3]
        assert result.arrays[name].tolist() == part.rows[rows].tolist()
    for block in result.blocks:
        assert len(block.titles) == 3
        assert all(any(line.startswith("true: ") for line in lines) for lines in block.lines)
        assert all(any(line.startswith("colour: ") for line in lines) for lines in block.lines)
    assert "likeness" in result.sentence


def test_the_nearest_photos_are_shown(photos: Path) -> None:
    data = pellucid.read(photos)
    run = pellucid.train(data, size=0, steps=5, save=False)
    result = VIEWS["nearest"](subject_of(run.network, data, 3, (40, 40)))
    assert all(p.shape == (8, 8, 3) and p.dtype == np.uint8 for block in result.blocks for p in block.pixels)


def test_curves_are_the_answers_to_changed_rows(of_table: Subject, table: Path, tmp_path: Path) -> None:
    subject, before = of_table, state_of(of_table.network)
    result = VIEWS["curves"](subject)
    assert_untouched(before, subject.network)
    import polars as pl

    names = [block.caption.partition(";")[0] for block in result.blocks]
    assert set(names) == {"x", "y", "colour"}
    spans = [np.ptp(result.arrays[f"answer.{name}"]) for name in names]
    assert spans == sorted(spans, reverse=True)
    block = next(b for b in result.blocks if b.caption == "x")
    # The same row written anew with the first and the last value of the curve.
    rows = pl.read_csv(table)
    changed = [rows[5].with_columns(x=pl.lit(v)) for v in (block.x[0], block.x[-1])]
    pl.concat([*changed, rows]).write_csv(tmp_path / "changed.csv")
    data = pellucid.read(tmp_path / "changed.csv", target="label")
    again = subject_of(subject.network, data, 0, (2, 10))
    answers = subject.answers(again.training.batch()).numpy()
    own = block.curves["this row"]
    np.testing.assert_allclose([own[0], own[-1]], answers, atol=1e-4)
    assert block.mark is not None
    assert block.mark[0] == pytest.approx(float(rows["x"][5]), abs=1e-5)
    assert block.mark[1] == pytest.approx(float(subject.raw[subject.explained.index]), abs=1e-5)
    assert len(block.curves) == 21
    assert len(block.rug) > 20


def test_views_say_what_they_need(photos: Path, of_table: Subject) -> None:
    bare = Subject(of_table.network, of_table.example)
    for word in ("pixels", "fields", "nearest", "curves"):
        assert "training" in str(VIEWS[word].missing(bare))
    assert "see 'fields'" in str(VIEWS["pixels"].missing(of_table))
    photo = network_of(("image",), "convolutional")
    with_kept = Subject(photo, batch_of(photo, [0]), training=of_table.training)
    assert "see 'pixels'" in str(VIEWS["fields"].missing(with_kept))
    assert "no columns" in str(VIEWS["curves"].missing(with_kept))
