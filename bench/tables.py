"""diamonds.csv → price and → cut: pellucid's network beside a plain scikit-learn MLP and gradient boosting.

One seeded split 80/10/10; every model learns from the same training rows and is scored on the same test rows.
Validation rows are for choices alone: pellucid's, and when gradient boosting stops. The MLP runs until its own
tolerance. How much of the gap from the MLP to boosting does the network close?
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from common import arguments, data_file, made_once, pellucid, report, spread

WORDS = ("cut", "color", "clarity")
METRICS = {"price": "R²", "cut": "accuracy"}
SEEDS = (0, 1, 2)


def split_file() -> Path:
    """diamonds.csv with a ``split`` column, drawn once with a fixed seed."""

    def write(folder: Path) -> None:
        table = pl.read_csv(data_file("diamonds.csv"))
        order, tenth = np.random.default_rng(0).permutation(len(table)), len(table) // 10
        part = np.full(len(table), "train", dtype=object)
        part[order[:tenth]], part[order[tenth : 2 * tenth]] = "test", "validation"
        table.with_columns(pl.Series("split", part.tolist())).write_csv(folder / "diamonds.csv")

    return made_once("diamonds", write) / "diamonds.csv"


def parts(target: str) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """train, validation, test → numbers (N, columns), words (N, columns), target (N,)."""
    words = [name for name in WORDS if name != target]
    table = pl.read_csv(split_file())
    numbers = [name for name, kind in table.schema.items() if kind.is_numeric() and name != target]
    of = {part: table.filter(split=part) for part in ("train", "validation", "test")}
    return {p: (t[numbers].to_numpy(), t[words].to_numpy(), t[target].to_numpy()) for p, t in of.items()}


def plain_mlp(target: str, seed: int) -> float:
    """Test score of scikit-learn's MLP (100 hidden units, its defaults), standardised numbers and one-hot words."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    data = parts(target)
    scale, one_hot = StandardScaler().fit(data["train"][0]), OneHotEncoder(sparse_output=False).fit(data["train"][1])
    x = {part: np.hstack([scale.transform(n), one_hot.transform(w)]) for part, (n, w, _) in data.items()}
    model = (MLPRegressor if target == "price" else MLPClassifier)(max_iter=1000, random_state=seed)
    return model.fit(x["train"], data["train"][2]).score(x["test"], data["test"][2])


def boosting(target: str, seed: int) -> float:
    """Test score of scikit-learn's histogram gradient boosting (its defaults), stopped on the validation rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.preprocessing import OrdinalEncoder

    data = parts(target)
    codes = OrdinalEncoder().fit(data["train"][1])
    x = {part: np.hstack([codes.transform(w), n]) for part, (n, w, _) in data.items()}
    model = (HistGradientBoostingRegressor if target == "price" else HistGradientBoostingClassifier)(
        max_iter=1000, early_stopping=True, categorical_features=range(len(codes.categories_)), random_state=seed
    )
    model.fit(x["train"], data["train"][2], X_val=x["validation"], y_val=data["validation"][2])
    return model.score(x["test"], data["test"][2])


def network(target: str, seed: int, budget: str) -> dict[str, Any]:
    words = ("--target", target, "--network", "mlp", "--budget", budget, "--seed", seed)
    return pellucid(split_file(), "--split", "split", *words)


def compare(target: str, budget: str) -> list[str]:
    """One row of the table: both references and the network, each over the seeds."""
    mlp, boost = ([score(target, seed) for seed in SEEDS] for score in (plain_mlp, boosting))
    ours = [network(target, seed, budget) for seed in SEEDS]
    values = [result["value"] for result in ours]
    gap = np.mean(boost) - np.mean(mlp)
    closed = (
        f"{(np.mean(values) - np.mean(mlp)) / gap:.0%}" if gap > np.std(mlp, ddof=1) else "no gap beyond the spread"
    )
    seconds = max(result["seconds"] for result in ours)
    scores = [spread(part, digits=4) for part in (mlp, boost, values)]
    return [target, METRICS[target], *scores, closed, f"{seconds:.1f}"]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--target", nargs="+", default=list(METRICS), choices=METRICS)
    given = parser.parse_args()
    rows = [compare(target, given.budget) for target in given.target]
    header = ("target", "metric", "plain MLP", "gradient boosting", "pellucid mlp", "gap closed", "longest run, s")
    note = f"Mean ± sd over {len(SEEDS)} seeds, one split, `--budget {given.budget}`. Wanted: at least 67% of the gap."
    report("Tables: diamonds.csv", header, rows, note, given.write)


if __name__ == "__main__":
    main()
