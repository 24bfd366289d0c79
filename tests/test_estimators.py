"""Estimators keep to scikit-learn's rules, take what people have as X, and travel as plain bytes."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import pellucid
from pellucid import PellucidClassifier, PellucidError, PellucidRegressor
from pellucid.errors import UsageError
from pellucid.estimators import EXPECTED_TO_FAIL, usual_epochs
from pellucid.storage import InMemory
from pellucid.training.listeners import Listener

STEPS = 60


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_iris(return_X_y=True)
    return x[::3], y[::3]


@pytest.fixture(scope="module")
def fitted(iris: tuple[np.ndarray, np.ndarray]) -> PellucidClassifier:
    return PellucidClassifier(steps=STEPS).fit(*iris)


@pytest.fixture(scope="module")
def mixed() -> tuple[pd.DataFrame, np.ndarray]:
    """120 rows of numbers, words, whole numbers with gaps, a categorical and a flag; a class that follows."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=120), "colour": rng.choice(["red", "green", "blue"], 120)})
    y = np.where((frame["x"] > 0) ^ (frame["colour"] == "red"), "yes", "no")
    frame["big"] = pd.array(rng.integers(0, 9, 120), dtype="Int64")
    frame["grade"] = pd.Categorical(rng.choice([1, 2, 3], 120))
    frame["flag"] = rng.random(120) > 0.5
    frame.loc[3, "x"], frame.loc[4, "colour"], frame.loc[5, "big"] = np.nan, None, pd.NA
    return frame, y


# -- scikit-learn's rules


@parametrize_with_checks([PellucidClassifier(steps=STEPS)], expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL)
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    """All of them. The number of steps is all that differs from the defaults."""
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([PellucidRegressor(steps=STEPS)], expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL)
def test_scikit_learn_checks_of_regressors(estimator: Any, check: Any) -> None:
    check(estimator)


def test_fitting_twice_gives_the_same(iris: tuple[np.ndarray, np.ndarray], fitted: PellucidClassifier) -> None:
    again = clone(fitted).fit(*iris)
    assert (again.predict_proba(iris[0]) == fitted.predict_proba(iris[0])).all()
    other = PellucidClassifier(steps=STEPS, random_state=1).fit(*iris)
    assert (other.predict_proba(iris[0]) != fitted.predict_proba(iris[0])).any()


def test_steps_are_planned_from_the_rows_and_not_from_the_clock() -> None:
    assert usual_epochs(100) == 1000
    assert usual_epochs(1_000_000) == 15
    data = np.arange(4000.0)[:, None]
    run = PellucidRegressor(epochs=0.5).fit(data, data[:, 0]).run_
    assert run.plan.budget.kind == "epochs"
    assert not any(decision["name"] == "seconds" for decision in run.record["decisions"])


def test_what_a_fit_leaves(iris: tuple[np.ndarray, np.ndarray], fitted: PellucidClassifier) -> None:
    assert fitted.n_iter_ == STEPS
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.run_.score.n == 8  # 15 % of 50
    assert fitted.run_.scored_on == "validation"
    assert "validation" in repr(fitted.run_)
    assert fitted.run_.history[-1]["step"] == STEPS
    assert fitted.run_.predict(iris[0][:1])[0]["label"] == "0"
    assert fitted.decision_function(iris[0]).shape == (50, 3)


@pytest.mark.slow
def test_in_their_tools(iris: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = iris
    ours = PellucidClassifier(steps=40)
    assert cross_val_score(make_pipeline(StandardScaler(), ours), x, y, cv=3).mean() > 0.8
    vote = VotingClassifier([("ours", ours), ("theirs", LogisticRegression(max_iter=500))], voting="soft").fit(x, y)
    assert vote.score(x, y) > 0.8
    calibrated = CalibratedClassifierCV(ours, cv=2).fit(x, y)
    assert calibrated.predict_proba(x).sum(1) == pytest.approx(1)


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])  # each loads torch anew
def test_a_search(iris: tuple[np.ndarray, np.ndarray], processes: int) -> None:
    search = GridSearchCV(PellucidClassifier(steps=40), {"lr": [1e-9, 2e-3]}, cv=2, n_jobs=processes).fit(*iris)
    assert search.best_params_ == {"lr": 2e-3}
    assert search.best_estimator_.score(*iris) > 0.8


def test_a_column_transformer_before_it(mixed: tuple[pd.DataFrame, np.ndarray]) -> None:
    frame, y = mixed
    before = make_column_transformer((StandardScaler(), ["x"]), remainder="drop")
    assert make_pipeline(before, PellucidClassifier(steps=STEPS)).fit(frame, y).predict(frame).shape == (120,)


def test_ctrl_c_ends_a_whole_search(iris: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """A search takes a failed fit for a bad score and goes on; it must not take Ctrl-C for one."""

    def stopped(*_: Any, **__: Any) -> None:
        raise pellucid.errors.Interrupted("stopped")

    monkeypatch.setattr(pellucid.estimators, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        cross_val_score(PellucidClassifier(), *iris)


# -- what X and y may be


@pytest.mark.parametrize("form", ["pandas", "polars", "arrow", "objects", "lists"])
def test_columns_of_every_kind(mixed: tuple[pd.DataFrame, np.ndarray], form: str) -> None:
    frame, y = mixed
    few = frame[["x", "colour"]]
    series = [pl.Series(name, few[name].astype(object).where(few[name].notna(), None).tolist()) for name in few]
    x = {
        "pandas": lambda: frame,
        "polars": lambda: pl.DataFrame(
            [*series, pl.Series("grade", frame["grade"].astype(str).tolist(), pl.Categorical)]
        ),
        "arrow": lambda: pytest.importorskip("pyarrow") and pl.DataFrame(series).to_arrow(),
        "objects": lambda: few.to_numpy(),
        "lists": lambda: few.to_numpy().tolist(),
    }[form]()
    model = PellucidClassifier(steps=150).fit(x, y)
    assert model.score(x, y) > 0.9
    kinds = [field.kind for field in model.run_.fields]
    assert sorted(set(kinds)) == ["category", "number"]
    one = x[:1] if form != "pandas" else x.iloc[:1]
    assert (model.predict_proba(one) == model.predict_proba(x)[:1]).all()
    assert model.n_features_in_ == len(kinds)


def test_kinds_can_be_told() -> None:
    x = pd.DataFrame({"code": np.arange(60) % 3, "size": np.arange(60.0)})
    model = PellucidClassifier(steps=5, kinds={"code": "category"}).fit(x, np.arange(60) % 2)
    assert {field.name: field.kind for field in model.run_.fields} == {"code": "category", "size": "number"}
    with pytest.raises(ValueError, match=r"Unknown column 'cod'\. Did you mean 'code'"):
        PellucidClassifier(steps=5, kinds={"cod": "category"}).fit(x, np.arange(60) % 2)


def test_columns_may_be_called_anything() -> None:
    """Also like the target, or like a column that would say how to part the rows."""
    x = pd.DataFrame({"target": np.arange(40.0), "split": ["train", "test"] * 20, 7: np.arange(40.0)})
    x.columns = x.columns.astype(str)
    model = PellucidClassifier(steps=5).fit(x, ["a", "b"] * 20)
    assert {field.name for field in model.run_.fields} == {"target", "split", "7"}
    assert sum(model.run_.record["data"]["split"][part] for part in ("train", "validation")) == 40


def test_images(photo_arrays: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = photo_arrays
    for images in (x, np.repeat(x[..., None], 3, 3) / 255):
        model = PellucidClassifier(steps=40).fit(images, y)
        assert model.run_.plan.network == "convolutional"
        assert model.score(images, y) > 0.9
    with pytest.raises(ValueError, match="was fitted on images, and X holds a table"):
        model.predict(x[:, 0])


@pytest.fixture(scope="module")
def photo_arrays() -> tuple[np.ndarray, np.ndarray]:
    """60 grey pictures of 8 × 8, dark above or dark below."""
    x, y = np.random.default_rng(0).integers(0, 255, (60, 8, 8)).astype(np.uint8), np.arange(60) % 2
    x[y == 0, :4] //= 3
    x[y == 1, 4:] //= 3
    return x, y


@pytest.mark.parametrize("form", [list, np.array, pd.Series, pl.Series])
def test_texts(form: Any) -> None:
    rng = np.random.default_rng(0)
    said = [
        f"the {' '.join(rng.choice(['film', 'plot', 'scene'], 4))} was {'bad' if i % 2 else 'good'}" for i in range(80)
    ]
    model = PellucidClassifier(steps=STEPS).fit(form(said), np.arange(80) % 2)
    assert model.score(form(said), np.arange(80) % 2) > 0.9
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize(
    "classes",
    [np.array([True, False]), np.array([1.0, 2.0]), np.array(["b", "a b"]), np.array([10, 9]), np.array([" a", "a"])],
    ids=str,
)
def test_classes_of_any_type(classes: np.ndarray) -> None:
    x, y = np.tile([[0.0], [5.0]], (20, 1)), np.tile(classes, 20)
    model = PellucidClassifier(steps=STEPS).fit(x, y)
    assert (model.predict(x) == y).all()
    assert (model.classes_ == np.unique(classes)).all()
    assert (model.classes_[model.predict_proba(x).argmax(1)] == y).all()


def test_a_class_of_one_and_a_class_alone() -> None:
    x = np.arange(30.0)[:, None]
    model = PellucidClassifier(steps=5).fit(x, [7] + [1, 2] * 14 + [2])
    assert model.classes_.tolist() == [1, 2, 7]
    assert model.predict_proba(x).shape == (30, 3)
    assert PellucidClassifier(steps=5).fit(x, [4] * 30).predict(x).tolist() == [4] * 30


def test_several_targets_and_their_shape() -> None:
    x = np.random.default_rng(0).normal(size=(120, 1))
    model = PellucidRegressor(steps=300).fit(x, np.hstack([x, 100 - 30 * x, 0 * x]))
    assert model.predict(x).shape == (120, 3)
    assert model.predict(x)[:, 1] == pytest.approx((100 - 30 * x)[:, 0], abs=20)
    assert PellucidRegressor(steps=5).fit(x, x[:, 0]).predict(x).shape == (120,)


def test_missing_numbers_are_taken_and_infinite_ones_refused(iris: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = iris[0].copy(), iris[1]
    x[::7, 0] = np.nan
    model = PellucidClassifier(steps=STEPS).fit(x, y)
    assert np.isfinite(model.predict_proba(x)).all()
    with pytest.raises(ValueError, match="contains infinity"):
        model.predict(np.full((1, 4), np.inf))
    with pytest.raises(ValueError, match="contains infinity"):
        model.fit(pd.DataFrame({"a": np.full(50, np.inf), "b": ["u", "v"] * 25}), y)


def test_what_was_looked_at_is_called_what_it_is(iris: tuple[np.ndarray, np.ndarray]) -> None:
    whole = PellucidClassifier().fit(*iris).run_.history
    assert {"training_loss", "training accuracy"} < set(whole[0])
    assert not {"validation_loss", "accuracy"} & set(whole[0])
    assert {"validation_loss", "accuracy"} < set(PellucidClassifier(steps=2).fit(*iris).run_.history[0])


def test_words_in_a_column_of_numbers_are_refused(mixed: tuple[pd.DataFrame, np.ndarray]) -> None:
    x, y = mixed
    made = PellucidClassifier(steps=2, network="mlp").fit(x, y)
    number = next(f.name for f in made.run_.fields if f.kind == "number")
    odd = x.astype({number: object})
    odd.loc[odd.index[3], number] = "tall"
    for call in (made.predict, lambda frame: PellucidClassifier(steps=2, network="mlp").fit(frame, y)):
        with pytest.raises(ValueError, match=f"could not convert string to float: 'tall', in column '{number}'"):
            call(odd)
    odd.loc[odd.index[3], number] = "1.5"
    assert len(made.predict(odd)) == len(x)


@pytest.mark.slow
def test_rows_count_as_much_as_they_are_said_to(iris: tuple[np.ndarray, np.ndarray]) -> None:
    """The same examples with both labels: the heavier label is learned, and one of weight 0 is not there."""
    x, y = np.tile(iris[0], (2, 1)), np.repeat(["first", "second"], 50)
    for heavier, lighter in ((0, 1), (1, 0)):
        weight = np.repeat([[9.0, 1.0][heavier], [9.0, 1.0][lighter]], 50)
        model = PellucidClassifier(steps=STEPS).fit(x, y, weight)
        assert (model.predict(x) == ["first", "second"][heavier]).mean() > 0.9
    without = PellucidClassifier(steps=STEPS).fit(iris[0], iris[1])
    more = PellucidClassifier(steps=STEPS).fit(np.vstack([iris[0], x]), [*iris[1], *[9] * 100], [1] * 50 + [0] * 100)
    assert (more.predict_proba(iris[0]) == without.predict_proba(iris[0])).all()
    for wrong, said in (([1.0] * 99 + [-1], "holds negative"), ([0] * 100, "is zero"), ([[1]] * 100, "has the shape")):
        with pytest.raises(ValueError, match=said):
            PellucidClassifier(steps=STEPS).fit(x, y, wrong)


def test_the_weights_are_chosen_by_a_metric(iris: tuple[np.ndarray, np.ndarray]) -> None:
    model = PellucidClassifier(steps=20, metric="log loss").fit(*iris)
    assert model.run_.score.metric == "log loss"
    assert model.score(*iris) == (model.predict(iris[0]) == iris[1]).mean()


def test_what_cannot_be_learned_is_said() -> None:
    x = np.arange(20.0)[:, None]
    wrong: list[tuple[dict[str, Any], Any, str]] = [
        ({"network": "mpl"}, [0, 1] * 10, "Unknown network 'mpl'. Did you mean 'mlp'?"),
        ({"steps": 3, "epochs": 2}, [0, 1] * 10, "only one budget can be given, not both 2 epochs and 3 steps"),
        ({"validation_fraction": 1.5}, [0, 1] * 10, "validation_fraction is 1.5; expected a share between 0 and 1"),
        ({"steps": 3}, range(20), "no example is left for validation"),
        ({"steps": 3}, [[0, 1]] * 20, "y should be a 1d array"),
    ]
    for options, y, said in wrong:
        with pytest.raises(ValueError, match="^" + said.replace("?", r"\?")):
            PellucidClassifier(**options).fit(x, y)
    with pytest.raises(PellucidError):
        PellucidClassifier(network="mpl").fit(x, [0, 1] * 10)


# -- as bytes


class Watched(pickle.Unpickler):
    """Notes the modules that a pickle takes anything from."""

    def __init__(self, data: bytes):
        super().__init__(io.BytesIO(data))
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.modules.add(module.split(".")[0])
        return super().find_class(module, name)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_plain_bytes(iris: tuple[np.ndarray, np.ndarray], fitted: Any, protocol: int) -> None:
    """It takes nothing from torch: the run is its record and its weights as safetensors."""
    opened = Watched(pickle.dumps(fitted, protocol))
    again = opened.load()
    assert "pellucid" in opened.modules
    assert opened.modules <= {"pellucid", "numpy", "builtins", "__builtin__", "copyreg", "copy_reg", "_codecs"}
    assert (again.predict_proba(iris[0]) == fitted.predict_proba(iris[0])).all()
    assert again.run_.score == fitted.run_.score
    assert again.run_.history == []
    assert (pickle.loads(pickle.dumps(again)).predict_proba(iris[0]) == fitted.predict_proba(iris[0])).all()


def test_a_damaged_pickle_is_refused(fitted: PellucidClassifier) -> None:
    state = fitted.run_.__getstate__()
    weights = bytearray(state["weights"])
    weights[-3] ^= 1
    run = pellucid.Run.__new__(pellucid.Run)
    with pytest.raises(PellucidError, match="its checksum is wrong"):
        run.__setstate__({**state, "weights": bytes(weights)})
    with pytest.raises(PellucidError, match="not JSON"):
        run.__setstate__({**state, "record": b"{"})


def test_a_trunk_of_ones_own_is_not_pickled(iris: tuple[np.ndarray, np.ndarray]) -> None:
    trunk = pellucid.Custom(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), width=8)
    model = PellucidClassifier(trunk, steps=5).fit(*iris)
    with pytest.raises(PellucidError, match="can't be pickled, because the trunk is code"):
        pickle.dumps(model)


# -- runs in memory


def test_a_run_in_memory_writes_no_file(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = pellucid.read(table, cache=False)
    with pytest.raises(UsageError, match=r"^name needs a run folder, and this run has none\n"):
        pellucid.train(data, save=False, name="mine")
    run = pellucid.train(data, steps=20, save=False)
    assert list(tmp_path.iterdir()) == []
    assert run.scored_on == "test"
    assert run.predict(table, cache=False)[0]["label"] in ("yes", "no")
    kept = pellucid.train(data, steps=20, name="kept")
    assert kept.score == run.score
    assert [r["loss"] for r in run.history] == [r["loss"] for r in kept.history]


def test_a_run_in_memory_can_be_saved(fitted: PellucidClassifier, tmp_path: Path, iris: Any) -> None:
    saved = fitted.run_.save(tmp_path / "run")
    opened = pellucid.load(tmp_path / "run")
    assert opened.folder.verify() == []
    assert opened.score == saved.score == fitted.run_.score
    assert opened.history == fitted.run_.history
    assert opened.predict(iris[0]) == fitted.run_.predict(iris[0])
    with pytest.raises(PellucidError, match="there is a run here already"):
        fitted.run_.save(tmp_path / "run")
    with pytest.raises(PellucidError, match="holds no checkpoint to continue from"):
        pellucid.resume(tmp_path / "run", more="1epoch", data=fitted_data(iris))


def fitted_data(iris: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """The data as the estimator hands it to ``read``."""
    x, y = iris
    return {f"column_{i + 1}": x[:, i] for i in range(4)} | {"target": y.astype(str).astype(object)}


def test_an_estimator_can_save_its_run(iris: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    model = PellucidClassifier(steps=5, save=tmp_path / "run").fit(*iris)
    assert pellucid.load(tmp_path / "run").score == model.run_.score
    with pytest.raises(ValueError, match="there is something already"):
        model.fit(*iris)


def test_a_stopped_training_in_memory_is_lost(table: Path) -> None:
    class Stop(Listener):
        def evaluated(self, row: dict[str, Any]) -> None:
            import signal

            signal.raise_signal(signal.SIGINT)

    with pytest.raises(pellucid.errors.Interrupted, match=r"^stopped; this training was in memory and is lost$"):
        pellucid.train(table, steps=2000, save=False, listeners=[Stop()])


def test_files_in_memory() -> None:
    files = InMemory({"a": b"1"})
    files.save_tensors("t", {"x": np.arange(3)}, {"step": 1})
    tensors, meta = files.load_tensors("t")
    assert (tensors["x"] == np.arange(3)).all()
    assert meta == {"step": 1}
    assert files.names() == ["a", "t"]
    assert files.exists("a")
    assert not files.exists("b")
    files.append("l", [{"step": 1}, {"step": 2}])
    files.truncate_lines("l", lambda row: row["step"] < 2)
    assert files.lines("l") == [{"step": 1}]
    with pytest.raises(PellucidError, match="'b' is missing"):
        files.read("b")
    with pytest.raises(PellucidError, match="there is no checkpoint"):
        files.load_checkpoint()
