"""The metrics of the report are those of scikit-learn, to rounding."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from pellucid.fields import Field
from pellucid.outputs import Category, Number


@pytest.mark.parametrize("classes", [2, 5])
def test_metrics_of_categories(classes: int) -> None:
    rng = np.random.default_rng(classes)
    state = {"values": [f"c{i}" for i in range(classes)], "role": "target"}
    output = Category([Field("label", "category", role="target", state=state)])
    raw = torch.from_numpy(rng.normal(size=(400, classes)).round(1)).float()  # rounded, so that scores tie
    true = torch.from_numpy(rng.integers(0, classes, 400))
    found = output.details(raw, true)
    guess, chances = raw.argmax(1).numpy(), raw.softmax(1).double().numpy()
    every = np.arange(classes)
    precision, recall, f1, count = sk.precision_recall_fscore_support(true, guess, labels=every, zero_division=0)
    expected = {
        "accuracy": sk.accuracy_score(true, guess),
        "balanced accuracy": sk.balanced_accuracy_score(true, guess),
        "macro F1": sk.f1_score(true, guess, average="macro"),
        "log loss": sk.log_loss(true, chances, labels=every),
    }
    if classes == 2:
        expected["ROC AUC"] = sk.roc_auc_score(true, chances[:, 1])
    assert found["metrics"] == pytest.approx(expected, abs=1e-6)
    assert found["confusion"]["matrix"] == sk.confusion_matrix(true, guess, labels=every).tolist()
    rows = [(r["precision"], r["recall"], r["f1"], r["count"]) for r in found["per_class"]]
    assert np.allclose(rows, np.stack([precision, recall, f1, count], 1))


def test_a_class_that_is_never_said_nor_there_counts_as_nothing() -> None:
    state = {"values": ["a", "b", "c"], "role": "target"}
    output = Category([Field("label", "category", role="target", state=state)])
    found = output.details(torch.tensor([[2.0, 1.0, 0.0]] * 4), torch.tensor([0, 0, 1, 1]))
    assert found["per_class"][2] == {"label": "c", "precision": 0.0, "recall": 0.0, "f1": 0.0, "count": 0}
    assert found["metrics"]["balanced accuracy"] == 0.5


def test_metrics_of_numbers() -> None:
    rng = np.random.default_rng(0)
    fields = [
        Field(name, "number", role="target", state={"mean": mean, "std": std, "role": "target"})
        for name, mean, std in (("price", 100.0, 20.0), ("weight", -3.0, 0.5))
    ]
    output = Number(fields)
    raw, true = torch.from_numpy(rng.normal(size=(300, 2))).float(), torch.from_numpy(rng.normal(size=(300, 2))).float()
    scale, shift = np.array([20.0, 0.5]), np.array([100.0, -3.0])
    guess, truth = raw.numpy() * scale + shift, true.numpy() * scale + shift
    found = output.details(raw, true)["metrics"]
    assert found["R2"] == pytest.approx(sk.r2_score(truth, guess), abs=1e-6)
    assert found["mean absolute error"] == pytest.approx(sk.mean_absolute_error(truth, guess), rel=1e-5)
    assert found["root mean squared error"] == pytest.approx(np.sqrt(sk.mean_squared_error(truth, guess)), rel=1e-5)
    assert found["median absolute error"] == pytest.approx(sk.median_absolute_error(truth, guess), rel=1e-5)
