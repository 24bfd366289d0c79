"""Pellucid turns your own data into a trained deep network that you can see through.

>>> import pellucid
>>> run = pellucid.train("photos/", budget="5m")                                        # doctest: +SKIP
>>> run.score, run.baseline, run.predict(["cat.jpg"])                                   # doctest: +SKIP

Names load where they are first used: ``import pellucid`` imports neither torch nor polars.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Type checkers do not run ``__getattr__``: they get the same names as imports. A test compares both lists.
if TYPE_CHECKING:
    from . import fields, inputs, outputs, trunks
    from .comparison.compare import compare
    from .comparison.comparison import Comparison
    from .dataset import Dataset, read
    from .errors import PellucidError
    from .estimators import PellucidClassifier, PellucidRegressor
    from .network import Network
    from .planning.plan import Plan
    from .runs.listing import list_runs
    from .runs.run import Run, load
    from .runs.train import plan, resume, train
    from .samples import sample
    from .training.listeners import Listener
    from .trunks import Custom

__version__ = "0.1.0"

# Where each public name lives. It is imported on first use (PEP 562), so that `import pellucid` takes 0.01 s
# (bench/RESULTS.md, "Starting"): neither torch nor polars is loaded by it.
_HOMES = {
    "Comparison": "comparison.comparison",
    "Custom": "trunks",
    "Dataset": "dataset",
    "Listener": "training.listeners",
    "Network": "network",
    "PellucidClassifier": "estimators",
    "PellucidError": "errors",
    "PellucidRegressor": "estimators",
    "Plan": "planning.plan",
    "Run": "runs.run",
    "compare": "comparison.compare",
    "list_runs": "runs.listing",
    "load": "runs.run",
    "plan": "runs.train",
    "read": "dataset",
    "resume": "runs.train",
    "sample": "samples",
    "train": "runs.train",
}

_ROOMS = ("fields", "inputs", "trunks", "outputs")

__all__ = ["__version__", *_HOMES, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'pellucid' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
