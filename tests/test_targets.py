"""Several numbers as one target."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import pellucid
from pellucid import PellucidError
from pellucid.cli import show_data
from pellucid.fields import KINDS
from pellucid.outputs import OUTPUTS


def test_two_numbers_are_learned_scored_and_predicted_together(tmp_path: Path, numbers: Path) -> None:
    data = pellucid.read(numbers, target="price, y")
    assert [f.name for f in data.targets] == ["y", "price"]
    assert "'y, price', 2 numbers" in " ".join(data.describe().split())
    assert show_data.target_text(data.summary()).plain == "y, price, 2 numbers, from x (number): as you asked", (
        "said in one place"
    )
    assert "2 numbers, predicted together" in str(pellucid.plan(data))
    alone = pellucid.read({"y": [0.5 * i for i in range(30)]}, target="y", cache=False)
    assert "'y', a number, but there is nothing to predict it from: as you asked" in alone.describe()
    run = pellucid.train(data, epochs=2, out=str(tmp_path), size=0)
    assert len(run.network.output.fields) == 2
    first = run.predict(numbers)[0]
    assert first["price"]["low"] < first["price"]["value"] < first["price"]["high"]
    assert set(first["y"]) == {"value", "low", "high"}
    again = pellucid.load(run.path).evaluate(numbers)
    assert again.score.n == 120
    most = "the run was trained on most of this"
    assert most in str(again.notes[-1])
    frame = pl.read_csv(numbers)
    for same in (str(numbers.parent / "num*.csv"), frame):
        assert any(most in note.text for note in run.evaluate(same).notes), "whatever holds the examples"
    assert not any(most in note.text for note in run.evaluate(frame[:60]).notes)


def test_of_several_targets_each_must_be_a_number(table: Path) -> None:
    with pytest.raises(pellucid.PellucidError) as error:
        pellucid.read(table, target=["x", "label"])
    assert str(error.value) == (
        "several targets must all be numbers, or all be 0 or 1 (yes or no); 'label' is a category\n"
        "  name one target, or use --kind label=number"
    )


def test_a_misspelt_one_of_several_targets_suggests(table: Path) -> None:
    with pytest.raises(pellucid.PellucidError, match=r"Unknown column 'labell'. Did you mean 'label'\?"):
        pellucid.read(table, target="x,labell")


def test_a_number_that_is_always_the_same_is_not_predicted() -> None:
    for y, kinds in (([5] * 60, {}), ([5] * 60, {"y": "number"}), ([5] * 59 + [None], {"y": "number"})):
        with pytest.raises(
            pellucid.PellucidError, match="the target 'y' can't be predicted: always 5, which says noth"
        ):
            pellucid.read({"x": list(range(60)), "y": y}, target="y", kinds=kinds)


STORIES = [f"the {a} ship went {b} the {c} island and came back late" for a in "abcde" for b in "vwxyz" for c in "klmn"]


def test_a_text_is_predicted_where_it_is_asked_for() -> None:
    table = {"label": STORIES, "m": [i * 7 % 13 for i in range(100)], "l": [i**2 % 17 for i in range(100)]}
    assert pellucid.read(table, target="label").need_target().kind == "writing"
    data = pellucid.read(table)  # and is not taken for the target because of its name
    assert data.target is None
    assert {f.name: f.role for f in data.fields.values()} == {"label": "input", "m": "input", "l": "input"}


def test_what_can_be_a_target_has_an_output() -> None:
    assert {name for name, kind in KINDS.items() if kind.predictable} == {
        output.task_type.kind for output in OUTPUTS.values()
    }


def test_an_empty_name_is_no_data() -> None:
    with pytest.raises(PellucidError, match="the name of the data is empty\n  name a file or a folder"):
        pellucid.read("")


def test_without_names_a_text_in_the_last_column_is_not_the_target(tmp_path: Path) -> None:
    place = tmp_path / "spam.csv"
    place.write_text("".join(f"{'ham' if i % 3 else 'spam'},{story} {i}\n" for i, story in enumerate(STORIES)))
    data = pellucid.read(place, cache=False)
    assert data.target is not None
    assert (data.target.name, data.target.kind) == ("column_1", "category")


def test_several_numbers_have_no_error_in_common_units() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    table = pl.DataFrame({"x": x, "price": 1e5 * x + 3e5, "age": 10 * x + rng.normal(size=400) + 40})

    def shown(*names: str, metric: str | None = None) -> set[str]:
        fitted = pellucid.read(table, target=list(names)).fitted(0)
        task = OUTPUTS["number"].task_type([fitted[name] for name in names], metric)
        true = rng.normal(size=(50, len(names)))
        return set(task.report_content(true + 0.1, true)["metrics"])

    errors = {"mean absolute error", "root mean squared error", "median absolute error"}
    assert shown("price") >= errors | {"R2"}
    assert "R2" in shown("price", "age")
    assert not errors & shown("price", "age")
    # The metric that was asked for stays.
    assert errors & shown("price", "age", metric="mean absolute error") == {"mean absolute error"}
