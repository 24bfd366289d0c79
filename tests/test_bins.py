"""Bins of numbers: over different values, none of which takes more than one bin's worth."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid
from pellucid.fields.number import BINS, bin_edges, one_bins_worth
from pellucid.inputs.number import field_edges, scaled_edges

RNG = np.random.default_rng(3)
TAIL = RNG.lognormal(2, 1, 400)


@pytest.mark.parametrize(
    ("value", "fewest"),
    [
        (np.concatenate([np.zeros(4600), TAIL]), BINS),
        (np.concatenate([np.full(3000, 9.0), np.full(3000, -1.0), TAIL]), BINS - 2),
        (RNG.poisson(200, 5000).astype(float), BINS - 6),
        (RNG.normal(size=5000), BINS),
        (np.concatenate([np.zeros(99), [1.0]]), 1),
        (np.arange(BINS + 1.0), BINS),
        (np.repeat(np.arange(20.0), 7), 19),
    ],
)
def test_ties_use_up_no_bins(value: np.ndarray, fewest: int) -> None:
    edges = bin_edges(value)
    assert fewest <= len(edges) - 1 <= BINS
    assert (np.diff(edges) > 0).all()
    assert (edges[0], edges[-1]) == (value.min(), value.max())
    # Without the repeats of the commonest value, the bins hold about as many values each.
    distinct, count = np.unique(value, return_counts=True)
    if len(distinct) > BINS + 1:
        kept = np.minimum(count, one_bins_worth(count, BINS))
        held = np.histogram(np.repeat(distinct, kept), edges)[0]
        assert held.max() <= 3 * held.mean()


def test_without_repeats_they_are_plain_quantiles() -> None:
    value = RNG.normal(size=3001)
    np.testing.assert_array_equal(bin_edges(value), np.quantile(value, np.linspace(0, 1, BINS + 1)))


def test_few_values_are_edges_themselves() -> None:
    assert bin_edges(np.array([3.0, 1, 1, 1, 2, 7])).tolist() == [1, 2, 3, 7]
    assert bin_edges(np.array([4.0, 4])).tolist() == [4]
    assert len(bin_edges(np.array([]))) == 0


@given(st.lists(st.integers(-40, 200), min_size=1, max_size=400), st.integers(2, 12))
def test_edges_rise_within_the_values(values: list[int], bins: int) -> None:
    value = np.array(values, float)
    edges = bin_edges(value, bins)
    assert 1 <= len(edges) <= bins + 1
    assert (np.diff(edges) > 0).all()
    assert (edges[0], edges[-1]) == (value.min(), value.max())


@given(st.lists(st.integers(1, 500), min_size=5, max_size=60), st.integers(2, 4))
def test_one_bins_worth_is_the_least_that_fills_the_bins(count: list[int], bins: int) -> None:
    worth = one_bins_worth(np.array(count), bins)
    filled = np.minimum(count, worth).sum() / worth
    # Rounded up to a whole value.
    assert filled <= bins + 1e-9 or worth == 1
    if worth > 1:
        assert np.minimum(count, worth - 1).sum() / (worth - 1) > bins - 1e-9


@pytest.mark.parametrize("zeros", [0, 60, 140])
def test_a_small_table_is_parted_at_the_median(zeros: int) -> None:
    value = np.concatenate([np.zeros(zeros), RNG.exponential(size=200 - zeros)])
    data = pellucid.read(pl.DataFrame({"x": value, "y": ["a", "b"] * 100}), target="y")
    field = data.fitted(0)["x"]
    rows = data.split(0).train
    middle = np.median(value[rows])
    edges = field_edges(field, 2)
    state = field.state
    if zeros < 100:
        assert field.state["median"] == middle
        # In the units of what is encoded.
        curve = np.interp(middle, state["edges"], scaled_edges(field))
        assert edges[1] == pytest.approx(curve, abs=0.05)
        assert len(edges) == 3
    else:
        # The median is the smallest value: no bin ends there.
        assert len(edges) == 3
        assert edges[0] < edges[1] < edges[2]


def test_a_state_without_a_median_is_read_as_before() -> None:
    data = pellucid.read(pl.DataFrame({"x": RNG.normal(size=300), "y": ["a", "b"] * 150}), target="y")
    field = data.fitted(0)["x"]
    old = field.with_(state={k: v for k, v in field.state.items() if k != "median"})
    np.testing.assert_allclose(field_edges(old, 2), field_edges(field, 2), rtol=1e-6)
    np.testing.assert_array_equal(field_edges(old, None), field_edges(field, None))
