"""Pellucid turns your own data into a trained deep network that you can see through.

>>> import pellucid
>>> run = pellucid.train("photos/", budget="5m")                                        # doctest: +SKIP
>>> run.score, run.baseline, run.predict(["cat.jpg"])                                   # doctest: +SKIP

Names load where they are first used: ``import pellucid`` imports neither torch nor polars.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Comparison": "comparing",
    "Custom": "trunks",
    "Dataset": "workbench",
    "Listener": "training.listeners",
    "Network": "network",
    "PellucidClassifier": "estimators",
    "PellucidError": "errors",
    "PellucidRegressor": "estimators",
    "Plan": "planning",
    "Run": "run",
    "compare": "comparing",
    "load": "run",
    "plan": "making",
    "read": "workbench",
    "resume": "making",
    "sample": "samples",
    "train": "making",
}
_ROOMS = ("fields", "inputs", "trunks", "outputs")

__all__ = ["__version__", *_HOMES, *_ROOMS]

if TYPE_CHECKING:
    from . import fields, inputs, outputs, trunks
    from .comparing import Comparison, compare
    from .errors import PellucidError
    from .estimators import PellucidClassifier, PellucidRegressor
    from .making import plan, resume, train
    from .network import Network
    from .planning import Plan
    from .run import Run, load
    from .samples import sample
    from .training.listeners import Listener
    from .trunks import Custom
    from .workbench import Dataset, read


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'pellucid' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
