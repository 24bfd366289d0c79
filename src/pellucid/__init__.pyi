# Made by `python -m pellucid.options.signature`: editors read it, Python does not.

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import fields as fields
from . import inputs as inputs
from . import outputs as outputs
from . import trunks as trunks
from .comparison.comparison import Comparison as Comparison
from .dataset import Dataset as Dataset
from .errors import PellucidError as PellucidError
from .estimators import PellucidClassifier as PellucidClassifier
from .estimators import PellucidRegressor as PellucidRegressor
from .network import Network as Network
from .planning.plan import Plan as Plan
from .runs.listing import list_runs as list_runs
from .runs.run import Run as Run
from .runs.run import load as load
from .runs.train import resume as resume
from .samples import sample as sample
from .training.listeners import Listener as Listener
from .trunks import Custom as Custom
from .options import Budget

__version__: str
__all__: list[str]

def compare(
    data: Any,
    *,
    listeners: Sequence[Listener] = ...,
    progress: bool | None = ...,
    target: str | Sequence[str] | None = ...,
    kinds: Mapping[str, str] | Sequence[str] | None = ...,
    ignore: str | Sequence[str] = ...,
    header: bool | None = ...,
    decimal: str | None = ...,
    delimiter: str | None = ...,
    sheet: str | None = ...,
    encoding: str | None = ...,
    split: str | Sequence[float] | None = ...,
    weights: str | None = ...,
    image_size: int | str | tuple[int, int] | None = ...,
    seconds: float | None = ...,
    label_from: str | None = ...,
    networks: str | Sequence[str] = ...,
    seeds: int = ...,
    budget: str | Budget | None = ...,
    epochs: float | None = ...,
    steps: int | None = ...,
    batch_size: int | None = ...,
    lr: float | None = ...,
    seed: int = ...,
    split_seed: int | None = ...,
    reference: bool | None = ...,
    output: str | None = ...,
    augment: str | Sequence[str] = ...,
    class_weights: str | Mapping[str, float] | None = ...,
    positive: str | None = ...,
    metric: str | None = ...,
    size: int | None = ...,
    device: str | None = ...,
    name: str | Path | None = ...,
    out: str | Path = ...,
    folds: int | None = ...,
) -> Comparison: ...

def plan(
    data: Any = ...,
    *,
    like: str | Path | None = ...,
    target: str | Sequence[str] | None = ...,
    kinds: Mapping[str, str] | Sequence[str] | None = ...,
    ignore: str | Sequence[str] = ...,
    header: bool | None = ...,
    decimal: str | None = ...,
    delimiter: str | None = ...,
    sheet: str | None = ...,
    encoding: str | None = ...,
    split: str | Sequence[float] | None = ...,
    weights: str | None = ...,
    image_size: int | str | tuple[int, int] | None = ...,
    seconds: float | None = ...,
    label_from: str | None = ...,
    network: Any = ...,
    budget: str | Budget | None = ...,
    epochs: float | None = ...,
    steps: int | None = ...,
    batch_size: int | None = ...,
    lr: float | None = ...,
    seed: int = ...,
    split_seed: int | None = ...,
    reference: bool | None = ...,
    output: str | None = ...,
    augment: str | Sequence[str] = ...,
    class_weights: str | Mapping[str, float] | None = ...,
    positive: str | None = ...,
    metric: str | None = ...,
    size: int | None = ...,
    heads: int | None = ...,
    device: str | None = ...,
    name: str | Path | None = ...,
    out: str | Path = ...,
    folds: int | None = ...,
    start: str | Path | None = ...,
) -> Plan: ...

def read(
    source: Any,
    *,
    target: str | Sequence[str] | None = ...,
    kinds: Mapping[str, str] | Sequence[str] | None = ...,
    ignore: str | Sequence[str] = ...,
    header: bool | None = ...,
    decimal: str | None = ...,
    delimiter: str | None = ...,
    sheet: str | None = ...,
    encoding: str | None = ...,
    split: str | Sequence[float] | None = ...,
    weights: str | None = ...,
    image_size: int | str | tuple[int, int] | None = ...,
    seconds: float | None = ...,
    label_from: str | None = ...,
    cache: str | Path | bool | None = ...,
    check: bool = ...,
) -> Dataset: ...

def train(
    data: Any = ...,
    *,
    listeners: Sequence[Listener] = ...,
    started: float | None = ...,
    like: str | Path | None = ...,
    save: bool = ...,
    progress: bool | None = ...,
    target: str | Sequence[str] | None = ...,
    kinds: Mapping[str, str] | Sequence[str] | None = ...,
    ignore: str | Sequence[str] = ...,
    header: bool | None = ...,
    decimal: str | None = ...,
    delimiter: str | None = ...,
    sheet: str | None = ...,
    encoding: str | None = ...,
    split: str | Sequence[float] | None = ...,
    weights: str | None = ...,
    image_size: int | str | tuple[int, int] | None = ...,
    seconds: float | None = ...,
    label_from: str | None = ...,
    network: Any = ...,
    budget: str | Budget | None = ...,
    epochs: float | None = ...,
    steps: int | None = ...,
    batch_size: int | None = ...,
    lr: float | None = ...,
    seed: int = ...,
    split_seed: int | None = ...,
    reference: bool | None = ...,
    output: str | None = ...,
    augment: str | Sequence[str] = ...,
    class_weights: str | Mapping[str, float] | None = ...,
    positive: str | None = ...,
    metric: str | None = ...,
    size: int | None = ...,
    heads: int | None = ...,
    device: str | None = ...,
    name: str | Path | None = ...,
    out: str | Path = ...,
    folds: int | None = ...,
    start: str | Path | None = ...,
) -> Run: ...
