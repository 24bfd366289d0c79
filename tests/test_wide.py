"""Wide tables: many columns to an entry of the cache, with the same result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.data.cache import bundle


def wide_table(columns: int, rows: int = 40) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    table: dict[str, Any] = {f"x{i}": draw.normal(size=rows) for i in range(columns)}
    table |= {f"c{i}": [("red", "blue", "NA")[k] for k in draw.integers(0, 3, rows)] for i in range(columns // 4)}
    table["x1"] = [None, *table["x1"][1:].tolist()]
    return table | {"label": ["yes", "no"] * (rows // 2)}


@pytest.mark.parametrize("together", [4, 1000])
def test_columns_together_are_what_they_are_alone(
    together: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = wide_table(20)
    alone = pellucid.read(table, target="label", cache=tmp_path / "alone")
    alone.check()
    monkeypatch.setattr(bundle, "WIDE_COLUMNS", 8)
    monkeypatch.setattr(bundle, "BUNDLE_BYTES", 8 * 40 * together)
    # Made, then opened again.
    for _ in range(2):
        wide = pellucid.read(table, target="label", cache=tmp_path / "wide")
        wide.check()
        assert wide.fingerprint() == alone.fingerprint()
        assert [str(note) for note in wide.notes] == [str(note) for note in alone.notes]
        for name in table:
            one, other = wide.stored_values(name), alone.stored_values(name)
            assert (one.n, dict(one.meta), list(one.bad)) == (other.n, dict(other.meta), list(other.bad))
            for key, array in other.arrays.items():
                np.testing.assert_array_equal(one.arrays[key], array)
                assert one.arrays[key].dtype == array.dtype
    # The entries: what was read, files that are named, checks, the target, and the bundles.
    assert len(list((tmp_path / "wide").glob("??/*"))) < len(list((tmp_path / "alone").glob("??/*")))


def test_another_kind_or_state_is_not_taken_from_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "WIDE_COLUMNS", 8)
    table = wide_table(20) | {"x3": [1.0, 2.0] * 20}
    first = pellucid.read(table, target="label", cache=tmp_path)
    assert set(first.stored_values("x3").arrays) == {"value"}
    other = pellucid.read(table, target="label", kinds={"x3": "category"}, cache=tmp_path)
    assert other.stored_values("x3").meta["values"] == ["1", "2"]
    changed = first.with_fitted({"x3": first.fields["x3"].with_(settings={"scale": "quantile"}, state={})})
    assert list(changed.stored_values("x3").arrays["value"][:2]) == [1.0, 2.0]


def test_which_columns_lie_together() -> None:
    names = [f"x{i}" for i in range(bundle.WIDE_COLUMNS)]
    assert bundle.bundle_of(names[1:], "x1", 10) == ("x1",), "not wide"
    assert bundle.bundle_of(names, "label", 10) == ("label",), "no plain input"
    assert bundle.bundle_of(names, "x1", bundle.MOST_ROWS + 1) == ("x1",), "long columns have files of their own"
    rows = bundle.BUNDLE_BYTES // 8 // 100
    assert list(bundle.bundle_of(names, "x101", rows)) == names[100:200]
