"""Several numbers as one target."""

from pathlib import Path

import pytest

import pellucid


def test_two_numbers_are_learned_scored_and_predicted_together(tmp_path: Path, numbers: Path) -> None:
    data = pellucid.read(numbers, target="price, y")
    assert [f.name for f in data.targets] == ["y", "price"]
    assert "'y, price', 2 numbers" in " ".join(data.describe().split())
    run = pellucid.train(data, epochs=2, out=str(tmp_path), size=0)
    assert len(run.network.output.fields) == 2
    first = run.predict(numbers)[0]
    assert first["price"]["low"] < first["price"]["value"] < first["price"]["high"]
    assert set(first["y"]) == {"value", "low", "high"}
    again = pellucid.load(run.path).evaluate(numbers)
    assert again.score.n == 120
    assert "the run was trained on most of this" in str(again.notes[-1])


def test_of_several_targets_each_must_be_a_number(table: Path) -> None:
    with pytest.raises(pellucid.PellucidError) as error:
        pellucid.read(table, target=["x", "label"])
    assert str(error.value) == (
        "several targets must all be numbers, or all say 0 or 1 (yes or no); 'label' is a category\n"
        "  name one target, or say --kind label=number"
    )


def test_a_misspelt_one_of_several_targets_suggests(table: Path) -> None:
    with pytest.raises(pellucid.PellucidError, match=r"Unknown column 'labell'. Did you mean 'label'\?"):
        pellucid.read(table, target="x,labell")
