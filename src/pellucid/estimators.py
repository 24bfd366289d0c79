"""Networks as scikit-learn estimators, for pipelines, cross-validation and searches.

n examples, F features, C classes, R targets of a regression.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_array, check_consistent_length, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, check_is_fitted, column_or_1d, validate_data

from .data.schema import SPLIT_NAMES
from .data.splits.split import FEWEST_ROWS
from .dataset import read
from .errors import Interrupted, PellucidError
from .fields import Field
from .fields.number import first_word
from .planning.plan import Recipe
from .planning.rules import SEEN, SMALL, usual_folds
from .runs.run import Run
from .runs.train import train
from .trunks import Trunk
from .tuning.cross_validation import LONGER_FACTOR, MARKS

# By name n values, or an array (n, H, W, ...) of images.
Columns = dict[str, Any]

# By name the kind of a column, where that is sure.
Kinds = dict[str, str]

# Rows of a table that are answered at once, at least. A float32 matrix product of up to 8 rows rounds otherwise than
# one of many, one of 16 to 513 never did (six shapes, 1 and 2 threads; docs/LOG.md, 2026-11-22), and `check_estimator`
# asks that an answer not depend on how many rows are asked for.
MIN_ANSWERED_ROWS = 16

# Those of scikit-learn's checks of estimators that can't pass, and why.
EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "a row that counts twice is not drawn twice: batches and the "
    "part kept for validation are drawn from other rows, so the same is learned, but not to the last digits"
}

TEXT, IMAGE = "text", "image"  # the column that a list of texts or an array of images makes, and its kind


class InvalidInput(PellucidError, ValueError):
    """What is wrong with the data or a parameter; a ValueError too, as scikit-learn's callers expect."""


class PellucidEstimator(BaseEstimator):
    """What the classifier and the regressor share: parameters, reading X, training in memory.

    ``X`` may be an array (n, F) of numbers, with NaN where one is missing; an array or data frame with columns of
    words, texts, categories and dates among them; images (n, H, W) or (n, H, W, 3); or n texts.

    Args:
        network: ``"mlp"``, ``"cnn"``, ``"rnn"``, ``"transformer"`` … or a trunk; chosen by the kind of data.
        steps, epochs, budget: how long to train; one of them. Left out, so many epochs as its size calls for
            (``usual_epochs``): never by the clock, so that fitting twice gives the same. A budget such as ``"30s"``
            is the clock's.
        batch_size, lr, size, device: as in ``pellucid.train``; planned when left out.
        metric: that the weights are chosen by, such as ``"f1"`` or ``"mae"``; ``score`` stays scikit-learn's.
        kinds: of columns by name, where the recognised ones are wrong: ``{"zip": "category"}``.
        validation_fraction: of the rows. They are not trained on: the weights are chosen and the confidence is
            calibrated there. Left out, it is 0.15; small tables of which neither this nor a length is given are
            learned from whole, and cross-validation finds the number of steps and how sure to be.
        save: a folder to write the run to. Left out, it stays in memory; ``run_.save(path)`` writes it later.
        random_state: of everything random; whole number, RandomState, or None for another training each time.

    Attributes:
        run_: the finished run: ``run_.plan``, ``run_.history``, ``run_.network``. Its score is that of validation.
        n_iter_: optimizer steps.
        n_features_in_, feature_names_in_: of tables.
    """

    run_: Run
    _form: str  # what X held
    _kinds: Kinds  # of its columns, where they are sure
    _names: list[str]  # of its columns

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
        metric: str | None = None,
        kinds: Mapping[str, str] | None = None,
        validation_fraction: float | None = None,
        device: str | None = None,
        save: str | os.PathLike[str] | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ):
        self.network = network
        self.steps = steps
        self.epochs = epochs
        self.budget = budget
        self.batch_size = batch_size
        self.lr = lr
        self.size = size
        self.metric = metric
        self.kinds = kinds
        self.validation_fraction = validation_fraction
        self.device = device
        self.save = save
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = tags.input_tags.categorical = tags.input_tags.three_d_array = True
        tags.non_deterministic = self.budget is not None
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "run_")

    def _train_run(self, columns: Columns, targets: Columns, kind: str, weight: np.ndarray | None) -> None:
        """Train on all rows but those of validation, and set ``run_`` and ``n_iter_``.

        ``kind`` is the targets'; ``weight``, (n,), says how much each row counts. Raises ValueError.
        """
        n = len(next(iter(targets.values())))
        fraction = self.validation_fraction
        if fraction is not None and not 0 < fraction < 1:
            raise ValueError(f"validation_fraction is {fraction}; expected a share between 0 and 1")
        if self.save is not None and os.path.exists(self.save):
            raise InvalidInput("there is something already", where=str(self.save), fix="save to another folder")
        # Who fits an estimator parts the rows himself: a column called "fold" is an input like the others.
        words = {name: "category" for name in columns if name.lower() in SPLIT_NAMES}
        kinds = words | self._kinds | dict(self.kinds or {}) | dict.fromkeys(targets, kind)
        names = ("network", "steps", "epochs", "budget", "batch_size", "lr", "size", "metric", "device")
        options = {name: getattr(self, name) for name in names}
        length_is_open = all(options[name] is None for name in ("steps", "epochs", "budget"))
        learns_from_all = (
            length_is_open
            and fraction is None
            and self._form == "a table"
            and n <= SMALL
            and not isinstance(self.network, Trunk)
        )
        if learns_from_all:
            # Cross-validation finds the number of steps, so no row is kept from learning. The best number lies between
            # 48 and 1,100 by table: one number for all was 1.1 to 5.0 points behind scikit-learn (10 tables), the
            # number found 0.4 (6 of the hardest; docs/LOG.md, 2026-11-22).
            options |= {"steps": round(LONGER_FACTOR * MARKS[-1]), "folds": usual_folds(n)}
        elif length_is_open:
            options["epochs"] = usual_epochs(n)
        validation_share = 0.0 if learns_from_all else 0.15 if fraction is None else fraction
        parts = (1 - validation_share, validation_share, 0.0)
        with in_their_words():
            read_options: dict[str, Any] = {"target": tuple(targets), "kinds": kinds, "split": parts}
            weights = {} if weight is None else {unused_name("sample_weight", columns): weight}
            data = read(
                {**columns, **targets, **weights},
                **read_options,
                weights=next(iter(weights), None),
                cache=False,
                check=False,
            )
            check_numbers(columns, data.inputs)
            self.run_ = train(data, save=False, progress=False, seed=seed_of(self.random_state), **options)
            if self.save is not None:
                self.run_ = self.run_.save(self.save)
        self.n_iter_ = self.run_.record["steps"]

    def _raw_answers(self, X: Any) -> np.ndarray:  # -> (n, C or R) float64
        """Raw answers to every row."""
        check_is_fitted(self)
        with in_their_words():
            least = MIN_ANSWERED_ROWS if self._form == "a table" else 1
            columns = self._check_columns(X, reset=False)
            check_numbers(columns, self.run_.fields)
            data, rows, raw = self.run_.answers(columns, least=least, cache=False)
            # scikit-learn expects an answer to every row: one that cannot be read is an error and no gap.
            if len(rows) < len(data):
                where, what = next(iter(data.input_problems().items()))
                raise InvalidInput(what, where=f"row {where}")
        return raw.double().cpu().numpy()

    @property
    def _task(self) -> Any:
        """What the network's answers are."""
        return self.run_.network.output.task

    # -- X as columns

    def _check_columns(self, X: Any, *, reset: bool) -> Columns:
        """X as named columns, checked; ``reset`` when fitting, else it must look as it did then."""
        if reset:
            # Should fitting fail, nothing old is to answer.
            self.__dict__.pop("run_", None)
        form = form_of(X)
        if not reset and form != self._form:
            raise ValueError(f"{type(self).__name__} was fitted on {self._form}, and X holds {form}")
        made, kinds = {"texts": self._text_columns, "images": self._image_columns, "a table": self._table_columns}[
            form
        ](X, reset)
        n = len(next(iter(made.values())))
        if reset and n < FEWEST_ROWS:
            name = type(self).__name__
            raise ValueError(f"Found array with {n} sample(s) while a minimum of {FEWEST_ROWS} is required by {name}.")
        if reset:
            self._form, self._kinds = form, kinds
        return made

    def _text_columns(self, X: Any, reset: bool) -> tuple[Columns, Kinds]:
        series = pl.Series([None if text is None else str(text) for text in X], dtype=pl.String)
        return {TEXT: series}, {TEXT: TEXT}

    def _image_columns(self, X: Any, reset: bool) -> tuple[Columns, Kinds]:
        return {IMAGE: check_array(X, allow_nd=True, dtype="numeric", estimator=self)}, {IMAGE: IMAGE}

    def _table_columns(self, X: Any, reset: bool) -> tuple[Columns, Kinds]:
        """Numbers are taken for numbers, whatever they look like; what other columns are is recognised."""
        if is_frame(X):
            X = X if hasattr(X, "iloc") else pl.DataFrame(X)
            numbers = all(map(is_numeric, X.dtypes))
        else:
            X = X if hasattr(X, "dtype") or hasattr(X, "toarray") else as_objects(X)
            numbers = not holds_words(X)
        if numbers:
            x = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")  # (n, F)
            found = [(column, "number") for column in x.T]
        else:
            # The array itself is not checked, which would refuse words; names and number of columns are.
            validate_data(self, X, reset=reset, skip_check_array=True)
            found = [column_values(column) for column in frame_columns(X)]
        if reset:
            given = [str(name) for name in getattr(self, "feature_names_in_", ())]
            # Names that occur twice would overwrite each other in a dict of columns.
            numbered = [f"column_{i + 1}" for i in range(len(found))]
            self._names = given if given and len(set(given)) == len(given) else numbered
        named = dict(zip(self._names, found, strict=True))
        return {k: v for k, (v, _) in named.items()}, {k: kind for k, (_, kind) in named.items() if kind}


class PellucidClassifier(ClassifierMixin, PellucidEstimator):
    """A network that learns which class an example is of. Parameters and X: see ``PellucidEstimator``.

    Attributes:
        classes_: (C,) the classes, sorted.

    >>> PellucidClassifier(steps=300).fit(X, y).predict_proba(X[:2])                    # doctest: +SKIP
    """

    __module__ = "pellucid"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PellucidClassifier:
        """Learn y, (n,) classes of any type; ``sample_weight`` is (n,), how much each example counts.

        Raises:
            ValueError: (``InvalidInput`` with what to do about it) for data that can't be learned from.
        """
        columns = self._check_columns(X, reset=True)
        y = column_or_1d(need_targets(self, y), warn=True)
        assert_all_finite(y, input_name="y")
        check_consistent_length(*columns.values(), y)
        check_classification_targets(y)
        columns, y, weight = weighed_rows(columns, y, sample_weight)
        self.classes_, code = np.unique(y, return_inverse=True)
        words = np.array(words_of(self.classes_), object)
        self._train_run(columns, {unused_name("target", columns): words[code]}, "category", weight)
        values = self._task.values
        # The run has its classes in an order of its own: natural order, not that of ``np.unique``.
        self._places = [values.index(word) for word in words]
        return self

    def predict(self, X: Any) -> np.ndarray:  # -> (n,)
        """The likeliest class of each example."""
        best = self._logits(X).argmax(1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:  # -> (n, C)
        """The probability of each class, calibrated on validation."""
        logits = self._logits(X)
        return self._task.probabilities(logits)

    def decision_function(self, X: Any) -> np.ndarray:  # -> (n, C), of two classes (n,)
        """The network's logits; of two classes the second's less the first's."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def _logits(self, X: Any) -> np.ndarray:  # -> (n, C), in the order of classes_
        return self._raw_answers(X)[:, self._places]


class PellucidRegressor(RegressorMixin, PellucidEstimator):
    """A network that learns a number, or several. Parameters and X: see ``PellucidEstimator``.

    >>> PellucidRegressor(steps=300).fit(X, y).predict(X[:2])                           # doctest: +SKIP
    """

    __module__ = "pellucid"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PellucidRegressor:
        """Learn y, (n,) or (n, R) numbers; ``sample_weight`` is (n,), how much each example counts.

        Raises:
            ValueError: (``InvalidInput`` with what to do about it) for data that can't be learned from.
        """
        columns = self._check_columns(X, reset=True)
        y = check_array(need_targets(self, y), dtype=np.float64, ensure_2d=False, input_name="y", estimator=self)
        check_consistent_length(*columns.values(), y)
        columns, y, weight = weighed_rows(columns, y, sample_weight)
        self._one = y.ndim == 1
        names = [unused_name(f"target_{i + 1}", columns) for i in range(1 if self._one else y.shape[1])]
        self._train_run(columns, dict(zip(names, y.reshape(len(y), -1).T, strict=True)), "number", weight)
        return self

    def predict(self, X: Any) -> np.ndarray:  # -> (n,) or (n, R), as y was
        """The expected numbers."""
        raw = self._raw_answers(X)
        values = self._task.to_units(raw)
        return values[:, 0] if self._one else values


def usual_epochs(rows: int) -> float:
    """Passes over ``rows`` rows that show ``SEEN`` examples in all, and no fewer than the recipe's usual number."""
    return max(Recipe.epochs, SEEN / rows)


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def need_targets(estimator: BaseEstimator, y: Any) -> Any:
    if y is None:
        name = type(estimator).__name__
        raise ValueError(f"This {name} estimator requires y to be passed, but the target y is None.")
    return y


def weighed_rows(columns: Columns, y: np.ndarray, sample_weight: Any) -> tuple[Columns, np.ndarray, np.ndarray | None]:
    """The rows that count and, (n,), how much; those of weight 0 are as if they were not there."""
    if sample_weight is None:
        return columns, y, None
    weight = check_array(sample_weight, dtype=np.float64, ensure_2d=False, allow_nd=True, input_name="sample_weight")
    if weight.ndim != 1:
        raise ValueError(f"sample_weight has the shape {weight.shape}; expected one number an example")
    check_consistent_length(y, weight)
    if (weight < 0).any() or not weight.any():
        raise ValueError("sample_weight holds negative numbers" if weight.any() else "every sample_weight is zero")
    keep = weight > 0
    kept = {k: v.filter(pl.Series(keep)) if isinstance(v, pl.Series) else v[keep] for k, v in columns.items()}
    return kept, y[keep], weight[keep]


def check_numbers(columns: Columns, fields: Sequence[Field]) -> None:
    """Raises ValueError for words in a column of numbers, which would otherwise count as missing."""
    for field in fields:
        values = columns[field.name]
        if field.traits.amount and not (isinstance(values, np.ndarray) and values.dtype.kind in "biuf"):
            series = (
                values if isinstance(values, pl.Series) else pl.Series([None if v is None else str(v) for v in values])
            )
            if (word := first_word(series, field.settings.get("decimal", "."))) is not None:
                raise ValueError(f"could not convert string to float: {word!r}, in column '{field.name}' of numbers")


def unused_name(name: str, columns: Columns) -> str:
    """``name``, with as many underscores behind it as tell it from every column's name."""
    while name in columns:
        name += "_"
    return name


def words_of(classes: np.ndarray) -> list[str]:
    """Each class as text, for the run to answer with; its number where texts would be empty or alike."""
    words = [str(one).strip() for one in classes]
    good = all(words) and len(set(words)) == len(words)
    return words if good else [str(i) for i in range(len(words))]


@contextmanager
def in_their_words() -> Iterator[None]:
    """Errors as scikit-learn and its callers expect them: ValueError; Ctrl-C stops a whole search, not one fit."""
    try:
        yield
    # Searches take an exception for a failed fit, score it NaN and go on; Ctrl-C is to stop them.
    except Interrupted:
        raise KeyboardInterrupt from None
    except PellucidError as error:
        raise InvalidInput(error.what, where=error.where, fix=error.fix) from error


# -- what X may be


def form_of(X: Any) -> str:
    """What X holds: ``"a table"``, ``"images"`` or ``"texts"``."""
    if is_frame(X) or hasattr(X, "toarray"):
        return "a table"
    # A list of lists is a table; only a flat one of strings is texts.
    one_axis = isinstance(X, list | tuple) or len(getattr(X, "shape", ())) == 1
    if one_axis and len(X) and all(isinstance(one, str) or one is None for one in X):
        return "texts"
    shape = X.shape if hasattr(X, "shape") else np.asarray(X).shape
    return "images" if len(shape) in (3, 4) else "a table"


def is_frame(X: Any) -> bool:
    """Whether X has named columns, as data frames and Arrow tables have."""
    return hasattr(X, "columns") and not callable(X.columns)


def is_numeric(dtype: Any) -> bool:
    """Of numbers or truth values, in NumPy, pandas or Polars; complex numbers too, which are then refused."""
    if isinstance(dtype, pl.DataType):
        return dtype.is_numeric() or dtype == pl.Boolean
    return getattr(dtype, "kind", "O") in "biufc"


def holds_words(X: np.ndarray) -> bool:
    kind = getattr(getattr(X, "dtype", None), "kind", "")
    return kind in ("U", "S") or (kind == "O" and any(isinstance(one, str) for one in X.flat))


def as_objects(X: Any) -> np.ndarray:
    """Nested lists as an array; where words stand among numbers the numbers stay numbers."""
    array = np.asarray(X)
    return np.asarray(X, dtype=object) if array.dtype.kind in "US" else array


def frame_columns(X: Any) -> list[Any]:
    if isinstance(X, pl.DataFrame):
        return X.get_columns()
    return [X.iloc[:, i] if is_frame(X) else X[:, i] for i in range(X.shape[1])]


def column_values(column: Any) -> tuple[Any, str]:
    """A column as ``read`` takes it, (n,), and its kind where the type of its values settles that."""
    if isinstance(column, pl.Series):
        if is_numeric(column.dtype):
            return check_finite(column.cast(pl.Float64).to_numpy()), "number"
        return column, "category" if column.dtype in (pl.Categorical, pl.Enum) else ""
    if isinstance(column, np.ndarray):
        return (column, "") if holds_words(column) else (check_finite(column.astype(np.float64)), "number")
    if is_numeric(column.dtype):  # pandas from here on
        return check_finite(column.to_numpy(np.float64, na_value=np.nan)), "number"
    if column.dtype.kind == "M":
        # The time on the wall, as everywhere: nine in the morning is nine wherever it was.
        return pl.Series(column.dt.tz_localize(None).to_numpy()), ""
    values = column.astype(object).where(column.notna(), None).to_numpy()
    # On the left a type of pandas, not a kind.
    return values, "category" if str(column.dtype) == "category" else ""


def check_finite(values: np.ndarray) -> np.ndarray:  # (n,) -> (n,)
    """The values. Raises ValueError for an infinite one; NaN, which stands for a missing one, passes."""
    assert_all_finite(values, allow_nan=True, input_name="X")
    return values
