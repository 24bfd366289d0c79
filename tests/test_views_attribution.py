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
from pellucid.views import VIEWS, Subject
from pellucid.views.place_blocks import fit_cells

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
