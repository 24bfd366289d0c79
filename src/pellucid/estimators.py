"""A network as a scikit-learn estimator: ``fit``, ``predict``, ``predict_proba``, ``score``, in their pipelines.

n examples, F features, C classes, R targets of a regression.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .making import train
from .planning import SEEN
from .workbench import read

VALIDATION = 0.15  # of the rows: weights are chosen and confidence is calibrated on them


class PellucidClassifier(ClassifierMixin, BaseEstimator):
    """A network that learns classes."""

    def __init__(
        self,
        network: Any = None,
        *,
        steps: int | None = None,
        epochs: float | None = None,
        budget: str | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        size: int | None = None,
        device: str | None = None,
        random_state: int = 0,
    ):
        self.network = network
        self.steps = steps
        self.epochs = epochs
        self.budget = budget
        self.batch_size = batch_size
        self.lr = lr
        self.size = size
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> PellucidClassifier:
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, code = np.unique(y, return_inverse=True)
        columns = {f"column_{i + 1}": X[:, i] for i in range(X.shape[1])}
        kinds = {**dict.fromkeys(columns, "number"), "target": "category"}
        data = read(
            {**columns, "target": code},
            target="target",
            kinds=kinds,
            split=(1 - VALIDATION, VALIDATION, 0),
            cache=False,
        )
        options = self.get_params(deep=False)
        options["seed"] = options.pop("random_state")
        if self.steps is None and self.epochs is None and self.budget is None:
            options["epochs"] = max(15.0, SEEN / len(X))
        self.run_ = train(data, save=False, **options)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:  # -> (n, C)
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        _, _, raw = self.run_.answers(X, cache=False)
        output: Any = self.run_.network.output
        return output.probabilities(raw).double().cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:  # -> (n,)
        return self.classes_[self.predict_proba(X).argmax(1)]
