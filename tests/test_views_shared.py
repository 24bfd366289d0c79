"""What views work out once and share is what working it out each time gives."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import write_table
from test_network import JOINS, NAMES, batch_of, network_of
from test_open import randomised
from test_views_arithmetic import subject_of_data

import pellucid
from pellucid.network import whole_batch
from pellucid.runs.inspection import subject_of
from pellucid.runs.kept_tests import BADGES, FACTS, KeptFacts, weights_digest
from pellucid.runs.run import Run
from pellucid.trunks import TRUNKS
from pellucid.views import VIEWS, Subject, evidence
from pellucid.views.attribution import badges
from pellucid.views.attribution.hiding import hidden_by_places
from pellucid.views.attribution.variants import variants
from pellucid.views.changes.replayed import keep_stages, replay_before
from pellucid.views.what_if import what_if


@pytest.mark.parametrize("cell", ["recurrent", "lstm"])
def test_a_map_inside_a_cell_at_nothing_is_a_cell_without_its_row(cell: str) -> None:
    net = randomised(network_of(JOINS["texts"], cell)).eval()
    subject, cut = Subject(net, batch_of(net, [2])), copy.deepcopy(net)
    own = cut.trunk.stages["layer1"].sweep.ways["back"].layer
    with torch.no_grad():
        own.weight_hh_l0[5] = own.bias_hh_l0[5] = 0
    after = what_if(subject, without="trunk.layer1.sweep.ways.back.layer.weight_hh_l0.5").arrays["after"]
    np.testing.assert_allclose(after, cut.predict(subject.example)[0].detach(), atol=2e-6)
    assert not np.allclose(after, subject.raw, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("join", JOINS)
def test_a_replay_answers_as_the_whole_network_does(join: str, name: str) -> None:
    net = randomised(network_of(JOINS[join], name)).eval()
    batch = batch_of(net, [0, 3, 4])
    kept, answer = keep_stages(net, batch)
    before = [sorted(module.__dict__) for module in net.modules()]
    torch.testing.assert_close(answer, net(batch))
    for parameter, weight in net.named_parameters():
        with torch.no_grad():
            old = weight.clone()
            weight += 0.5 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
            with replay_before(net, kept, parameter):
                again = net(batch)
            torch.testing.assert_close(again, net(batch), msg=parameter)
            weight.copy_(old)
    # And nothing stays behind in it.
    assert [sorted(module.__dict__) for module in net.modules()] == before
    # The other way round: where nothing is said to have changed, nothing is run again.
    with torch.no_grad(), replay_before(net, kept, "output"):
        for p in net.trunk.parameters():
            p.zero_()
        torch.testing.assert_close(net(batch), answer)


def test_a_network_of_zeros_has_no_telling_weight(table: Path) -> None:
    subject = subject_of_data(table, TRUNKS["dense"].of_size(0))
    with torch.no_grad():
        for p in subject.network.parameters():
            p.zero_()
    assert VIEWS["weights"].missing(subject) == "no single weight moves the answers to kept examples"


def news(folder: Path) -> Path:
    """Texts of two columns, one of which says the class."""
    rng = np.random.default_rng(3)
    words = {"good": ["fine", "great", "lovely"], "bad": ["awful", "poor", "dull"]}
    rows: list[list[object]] = []
    for _ in range(160):
        label = str(rng.choice(["good", "bad"]))
        filler = [f"word{rng.integers(20)}" for _ in range(12)]
        rows.append([" ".join([*filler[:3], *rng.choice(words[label], 3), *filler[3:7]]), " ".join(filler), label])
    return write_table(folder / "news.csv", ["title", "text", "label"], rows)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("shared")
    return pellucid.train(
        news(folder), target="label", network="transformer", budget="40steps", out=folder, name="r", seed=1
    )


def test_networks_that_share_their_hidden_layers_have_the_maps_that_each_has_alone(run: Run) -> None:
    subject = subject_of(run)
    assert subject.validation is not None
    sample = badges.tested_samples(subject, subject.validation)[0]
    others = [badges.shuffled_network(subject, "last", seed) for seed in range(3)]
    for i in (0, 1):
        maps_of = evidence.tested_maps(subject, i)
        together, alone = maps_of(others, sample), [maps_of([one], sample)[0] for one in others]
        for one, two in zip(together, alone, strict=True):
            assert one is not None
            assert two is not None
            np.testing.assert_allclose(one.units, two.units, atol=1e-5)
        assert not np.allclose(together[0].units, together[1].units, atol=1e-3)  # type: ignore[union-attr]


def test_inputs_that_stay_are_read_once(run: Run) -> None:
    net, subject = run.network, subject_of(run)
    assert subject.validation is not None
    one, several = subject.validation.batch([0]), subject.validation.batch([1, 2, 3])
    title, text = net.input_keys()
    shared = variants(one, 3, {title: several.inputs[title]})
    assert len(shared.inputs[text].values) == 1
    whole = whole_batch(shared)
    assert len(whole.inputs[text].values) == 3
    torch.testing.assert_close(net(shared), net(whole))


@pytest.mark.slow
def test_a_test_that_is_settled_ends_as_the_whole_test_would(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def tested(which: int) -> tuple[badges.Tested, int]:
        subject, made = subject_of(run), []
        maps_of = evidence.tested_maps(subject, which)

        def noted(networks: Any, sample: Any) -> Any:
            made.extend(networks)
            return maps_of(networks, sample)

        found = badges.test_map(subject, noted, hidden_by_places(subject, which), f"places {which}")
        return found, len(made)

    for which in (0, 1):
        soon, few = tested(which)
        with monkeypatch.context() as patch:
            patch.setattr(badges, "is_certain", lambda each, most: False)
            patch.setattr(badges, "is_settled", lambda each, most, count: False)
            whole, every = tested(which)
        examples = int(whole[2]["examples"])
        assert every == len(badges.tested_samples(subject_of(run), subject_of(run).validation)) + 12 * examples
        assert few < 0.8 * every
        assert soon[0] == whole[0]
        for name, value in whole[2].items():
            near = 0.2 if "rank correlation" in name else 1e-5
            assert soon[2][name] == pytest.approx(value, abs=near), name


@pytest.mark.slow
def test_what_takes_long_is_kept_beside_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (BADGES, FACTS):
        (run.path / name).unlink(missing_ok=True)
    first = {one.view: one.to_json() for one in run.inspect()}
    kept = json.loads((run.path / FACTS).read_text())
    assert set(kept["values"]) == {"worth", "signs"}
    assert run.folder.verify() == []

    def never(*_: object, **__: object) -> None:
        raise AssertionError("worked out again")

    with monkeypatch.context() as patch:
        patch.setattr("pellucid.views.worth.measure_worth", never)
        patch.setattr("pellucid.views.health.vital_signs", never)
        again = {one.view: one.to_json() for one in pellucid.load(run.path).inspect()}
        for view in ("worth", "verdict"):
            assert {**first[view], "seconds": 0} == {**again[view], "seconds": 0}
        # Of other weights, and of a longer training that left them as they are, nothing is read.
        for other in ({"digest": "0" * 64}, {"steps": 41}):
            digest = weights_digest(run.network) if "digest" not in other else str(other["digest"])
            longer = SimpleNamespace(path=run.path, folder=run.folder, record={"steps": other.get("steps", 40)})
            assert dict(KeptFacts(longer, digest)) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "damage",
    ["", "{}", "[1]", '{"made": 3}', "NaN", '{"worth": {"score": "<b>", "parts": []}}', '{"signs": {"x": "y"}}'],
)
def test_a_damaged_file_of_facts_is_made_again(run: Run, damage: str) -> None:
    made = KeptFacts(run, weights_digest(run.network))
    made["worth"] = {"score": math.nan, "parts": []}
    right = (run.path / FACTS).read_text()
    found = KeptFacts(run, weights_digest(run.network))
    assert math.isnan(found["worth"]["score"])
    values = json.dumps({**json.loads(right), "values": json.loads(damage)}) if damage.startswith('{"') else damage
    (run.path / FACTS).write_text(values)
    assert dict(KeptFacts(run, weights_digest(run.network))) == {}
    # What JSON can't hold is not kept as something else.
    made["worth"] = {"score": math.inf, "parts": []}
    assert "worth" not in KeptFacts(run, weights_digest(run.network))
