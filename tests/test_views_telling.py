"""The units and weights that are opened in advance: parts that add up, and gradients that are autograd's."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from subjects import subject_of
from test_network import batch_of, fitted
from test_open import randomised

import pellucid
from pellucid.inputs import INPUTS
from pellucid.network import Network
from pellucid.trunks import TRUNKS
from pellucid.views import VIEWS, Subject
from pellucid.views.blocks import Sum


def make_subject(trunk: str, seed: int = 0):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 4))
    table = {f"c{i}": x[:, i] for i in range(4)} | {"y": np.array(["a", "b", "c"])[rng.integers(0, 3, 200)]}
    data = pellucid.read(pl.DataFrame(table), target="y")
    fields = data.fitted(0)
    network = Network(
        [f for f in fields.values() if f.is_input],
        TRUNKS[trunk].of_size(0),
        [f for f in fields.values() if f.role == "target"],
        seed=seed,
    )
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(seed)))
    return subject_of(network, data)


@pytest.mark.parametrize("trunk", ["dense", "recurrent", "transformer", "convolutional"])
def test_what_units_add_is_the_slope_of_the_answer_times_their_value(trunk: str) -> None:
    subject = make_subject(trunk)
    found = VIEWS["units"](subject)
    parts = found.arrays["parts"]
    stage = next(s for s in reversed(list(subject.opened[0])) if s.name.startswith("trunk."))
    assert parts.shape == (stage.features.x.shape[-1],)
    bias = subject.network.output.layer.bias[subject.explained.index].item()
    assert found.badge.level == "exact"
    assert parts.sum() + bias == pytest.approx(float(subject.raw[subject.explained.index]), abs=1e-4)
    largest = int(abs(parts).argmax())
    assert f"{stage.name.removeprefix('trunk.')}.{largest}" in found.sentence
    assert all(p.grad is None for p in subject.network.parameters())


def test_of_a_mirrored_photo_the_parts_are_those_of_both_images() -> None:
    photo, answer = fitted("image")[0], fitted("category", "answer", "target")[0]
    net = randomised(Network([INPUTS["image"]([photo], mirror=True)], "transformer", answer)).eval()
    subject = Subject(net, batch_of(net, [1]))
    found = VIEWS["units"](subject)
    index = subject.explained.index
    bias = net.output.layer.bias[index].item()
    one = float(net(subject.example)[0, index].detach())
    both = float(subject.raw[index])
    assert abs(one - both) > 1e-3
    assert found.badge.level == "exact"
    assert found.arrays["parts"].sum() + bias == pytest.approx(both, abs=1e-4)


@pytest.mark.parametrize("trunk", ["dense", "recurrent", "transformer", "convolutional"])
def test_a_unit_is_opened_only_where_its_sum_is_what_the_stage_returns(trunk: str) -> None:
    subject = make_subject(trunk)
    found = VIEWS["units"](subject)
    sums = [block for block in found.blocks if isinstance(block, Sum)]
    stage = next(s for s in reversed(list(subject.opened[0])) if s.name.startswith("trunk."))
    returned = stage.features.x[..., int(abs(found.arrays["parts"]).argmax())].flatten().detach().numpy()
    for block in sums:
        end = block.after[-1][1] if block.after else block.total
        assert min(abs(returned - end)) < 1e-4
    assert ("is opened" in found.caption) == bool(sums)


def test_a_trunk_that_adds_nothing_has_no_telling_units() -> None:
    subject = make_subject("dense")
    with torch.no_grad():
        subject.network.output.layer.weight.zero_()
    assert "adds nothing" in str(VIEWS["units"].missing(subject))


@pytest.mark.parametrize("trunk", ["dense", "recurrent"])
def test_three_weights_are_of_three_matrices_and_stay_as_they_are(trunk: str) -> None:
    subject = make_subject(trunk, 1)
    before = {n: p.detach().clone() for n, p in subject.network.named_parameters()}
    found = VIEWS["weights"](subject)
    assert found.title == "Three important weights"
    assert len({row[0].partition("[")[0] for row in found.blocks[0].rows}) == 3
    assert found.blocks[0].rows[-1][0].startswith("output.")
    assert all(torch.equal(before[n], p) for n, p in subject.network.named_parameters())
    assert all(p.grad is None for p in subject.network.parameters())
