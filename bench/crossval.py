"""Small tables: PellucidClassifier with its defaults beside the better of scikit-learn's logistic regression and MLP.

Repeated stratified 5-fold cross-validation, the same folds for all three. The difference is paired by fold and taken
to the reference whose mean is higher, which leans towards scikit-learn. Its standard error is given as if folds were
independent, and corrected for the training rows they share (Nadeau and Bengio, 2003).
"""

from __future__ import annotations

import csv
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, data_file, made_once, report
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pellucid import PellucidClassifier

FOLDS = 5
LIMIT = 20.0  # seconds a fit
Table = tuple[np.ndarray, np.ndarray]  # (n, F) numbers, (n,) classes


def from_csv(name: str) -> Table:
    """A table without a header whose last column is the class."""
    with data_file(name).open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    return np.array([row[:-1] for row in rows], float), np.array([row[-1] for row in rows])


SETS: dict[str, Callable[[], Table]] = {
    "iris": lambda: from_csv("iris.csv"),
    "wine": lambda: load_wine(return_X_y=True),
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    "digits": lambda: load_digits(return_X_y=True),
    "sonar": lambda: from_csv("sonar.csv"),
    "winequality-red": lambda: from_csv("winequality-red.csv"),
}
REFERENCES = {
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
    "MLP": make_pipeline(StandardScaler(), MLPClassifier(max_iter=2000, random_state=0)),
}


def folds(table: Table, repeats: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=repeats, random_state=0).split(*table))


def scored(model: Any, table: Table, train: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    """Accuracy on one fold, and the seconds of the fit."""
    (x, y), own = table, clone(model)
    start = time.perf_counter()
    own.fit(x[train], y[train])
    seconds = time.perf_counter() - start
    return own.score(x[test], y[test]), seconds


def across(model: Any, table: Table, repeats: int, jobs: int) -> tuple[list[float], list[float]]:
    """Accuracy and seconds of every fold."""
    done = Parallel(n_jobs=jobs)(delayed(scored)(model, table, *fold) for fold in folds(table, repeats))
    return [accuracy for accuracy, _ in done], [seconds for _, seconds in done]


def references(name: str, repeats: int, jobs: int) -> dict[str, list[float]]:
    """Accuracies of scikit-learn's two, worked out once and kept."""

    def write(folder: Path) -> None:
        found = {who: across(model, SETS[name](), repeats, jobs)[0] for who, model in REFERENCES.items()}
        (folder / "accuracy.json").write_text(json.dumps(found))

    kept = made_once(f"crossval-{name.replace(' ', '-')}-{repeats}", write)
    return json.loads((kept / "accuracy.json").read_text())


def compare(name: str, given: Any) -> list[str]:
    """One row of the table."""
    known = references(name, given.repeats, given.jobs)
    best = max(known, key=lambda who: statistics.mean(known[who]))
    ours, seconds = across(PellucidClassifier(network=given.network), SETS[name](), given.repeats, given.jobs)
    paired = np.array(ours) - known[best]
    sd, k = float(paired.std(ddof=1)), len(paired)
    plain, corrected = sd * k**-0.5, sd * (1 / k + 1 / (FOLDS - 1)) ** 0.5
    good = paired.mean() >= -plain and max(seconds) <= LIMIT
    return [
        name,
        *(f"{statistics.mean(known[who]):.4f}" for who in REFERENCES),
        f"{statistics.mean(ours):.4f}",
        f"{paired.mean():+.4f} ± {plain:.4f} ({corrected:.4f})",
        f"{statistics.median(seconds):.1f}, {max(seconds):.1f}",
        "yes" if good else "**no**",
    ]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="folds at a time")
    parser.add_argument("--network", help="instead of the default")
    given = parser.parse_args()
    rows = []
    for name in given.sets:
        rows.append(compare(name, given))
        print(" | ".join(rows[-1]), flush=True)
    header = ("table", *REFERENCES, "pellucid", "difference ± s.e. (corrected)", "s a fit: median, longest", "held")
    note = (
        f"{given.repeats} × {FOLDS} folds, {given.jobs} at a time, network: {given.network or 'default'}. Wanted: a "
        f"mean difference to the better reference of at least −1 s.e., and at most {LIMIT:.0f} s a fit."
    )
    report("Small tables: cross-validation", header, rows, note, given.write)


if __name__ == "__main__":
    main()
