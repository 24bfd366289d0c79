"""Every option, declared once: its name, meaning, default and check.

The command line, the checks of the Python API and the table in the docs follow from these declarations. Torch-free
and light, so that ``pellucid --help`` answers at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import UsageError, unknown_name

_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("seconds", 1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), ("seconds", 60)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), ("seconds", 3600)),
    **dict.fromkeys(("epoch", "epochs"), ("epochs", 1)),
    **dict.fromkeys(("step", "steps"), ("steps", 1)),
}

PHOTO_CHANGES = ("mirror", "shift", "cover")  # that training can make of a photo, for --augment

_PIECE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([a-z]*)")


@dataclass(frozen=True)
class Budget:
    """What a training may spend.

    >>> Budget.parse("1h30m")
    Budget(kind='seconds', amount=5400.0)
    >>> str(Budget.parse("10epochs"))
    '10 epochs'

    Attributes:
        kind: ``"seconds"`` of wall clock, ``"epochs"`` (passes over the training examples) or ``"steps"``.
        amount: how many of them, more than 0; steps are whole.

    Raises:
        UsageError: when ``kind`` is none of these or ``amount`` is no such number.
    """

    kind: str
    amount: float

    def __post_init__(self) -> None:
        if self.kind not in ("seconds", "epochs", "steps"):
            raise UsageError(unknown_name("kind of budget", self.kind, ("seconds", "epochs", "steps")))
        if not (math.isfinite(self.amount) and self.amount > 0):
            raise UsageError(f"a budget of {self.amount:g} {self.kind} trains nothing", fix="give it more than 0")
        if self.kind == "steps" and self.amount != int(self.amount):
            raise UsageError(f"a budget of {self.amount:g} steps is not a whole number of steps")

    @classmethod
    def parse(cls, text: str | Budget) -> Budget:
        """Read ``"30s"``, ``"5m"``, ``"1h30m"``, ``"10epochs"`` or ``"500 steps"``; a Budget is returned as it is."""
        if isinstance(text, Budget):
            return text
        packed = re.sub(r"[\s,_]+", "", str(text)).lower()
        pieces = _PIECE.findall(packed)
        if not pieces or "".join(number + unit for number, unit in pieces) != packed:
            raise UsageError(f"budget '{text}' is not an amount", fix=_BUDGET_FIX)
        for _, unit in pieces:
            if unit not in _UNITS:
                what = (
                    unknown_name("unit", unit, ("s", "m", "h", "epochs", "steps"))
                    if unit
                    else "a number needs its unit"
                )
                raise UsageError(f"budget '{text}': {what}", fix=_BUDGET_FIX)
        kinds = {_UNITS[unit][0] for _, unit in pieces}
        if len(kinds) > 1:
            raise UsageError(f"budget '{text}' mixes {' and '.join(sorted(kinds))}", fix=_BUDGET_FIX)
        return cls(kinds.pop(), sum(float(number) * _UNITS[unit][1] for number, unit in pieces))

    @classmethod
    def of(cls, budget: str | Budget | None, epochs: float | None, steps: int | None) -> Budget | None:
        """The one budget among the three ways to state it; None when none is given."""
        given = [
            cls.parse(budget) if budget is not None else None,
            cls("epochs", float(epochs)) if epochs is not None else None,
            cls("steps", float(steps)) if steps is not None else None,
        ]
        found = [one for one in given if one]
        if len(found) > 1:
            said = " and ".join(str(one) for one in found)
            raise UsageError(f"a training has one budget, and {said} are two", fix="give budget, epochs or steps")
        return found[0] if found else None

    def __str__(self) -> str:
        if self.kind != "seconds":
            return f"{self.amount:.12g} {self.kind[:-1] if self.amount == 1 else self.kind}"
        minutes, seconds = divmod(round(self.amount, 3), 60)
        hours, minutes = divmod(int(minutes), 60)
        clock = ((hours, "h"), (minutes, "m"), (round(seconds, 3), "s"))
        return "".join(f"{n:g}{unit}" for n, unit in clock if n) or "0.001s"


_BUDGET_FIX = "write it like 30s, 5m, 1h30m, 10epochs or 500steps"


@dataclass(frozen=True)
class Option:
    """One option of one or more verbs.

    Attributes:
        name: the keyword in Python, e.g. ``"batch_size"``.
        help: what it does, one short sentence without its default.
        check: takes what was typed (text) or passed (any value) and returns the value to use; raises ValueError
            with what it expected. Left out, every value goes.
        default: the value when it is not given.
        unset: what happens without it, in words, when ``default`` is None.
        metavar: what stands for its value in the help; empty for a switch.
        flag: how it is spelt on the command line; made from the name when left out. ``--a/--no-a`` is a yes or no.
        many: may be given several times; the values are collected in a tuple.
        command: exists on the command line only.
    """

    name: str
    help: str
    check: Callable[[Any], Any] = lambda value: value
    default: Any = None
    unset: str = ""
    metavar: str = ""
    flag: str = ""
    many: bool = False
    command: bool = False

    @property
    def spelling(self) -> str:
        return self.flag or "--" + self.name.replace("_", "-")

    @property
    def usual_text(self) -> str:
        """What holds without it, in words."""
        if self.default in (None, ()):
            return self.unset
        return ",".join(self.default) if isinstance(self.default, tuple) else str(self.default)

    def check_value(self, value: Any) -> Any:
        """The checked value. Raises UsageError that names the option, what was expected and what was received."""
        try:
            return self.check(value)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{self.name.replace('_', ' ')} {value!r}: {error}") from None


def _whole_number(least: int, most: float = math.inf) -> Callable[[Any], int]:
    def check_value(value: Any) -> int:
        number = _check_number(value, "a whole number")
        if number != int(number) or number < least:
            raise ValueError(f"expected a whole number of at least {least}")
        if number > most:
            raise ValueError(f"expected at most {most:,}")
        return int(number)

    return check_value


def _fold_count(value: Any) -> int:
    folds = _whole_number(0)(value)
    if folds == 1:
        raise ValueError("expected 0, or 2 and more: a part is left out in turn")
    return folds


def _above_zero(value: Any) -> float:
    number = _check_number(value, "a number")
    if not number > 0:
        raise ValueError("expected a number above 0")
    return number


def _check_number(value: Any, expected: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (ValueError, TypeError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected {expected}")
    return number


def _yes_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected True or False")
    return value


def _parse_pixels(value: Any) -> int | tuple[int, int]:
    """``32`` or ``"48x32"`` (height x width)."""
    from .fields.pixels import LARGEST

    typed = value.lower().split("x") if isinstance(value, str) else value
    sides = typed if isinstance(typed, tuple | list) else [typed]
    if len(sides) not in (1, 2):
        raise ValueError("expected one size in pixels, or HEIGHTxWIDTH")
    whole = [_whole_number(1, LARGEST)(side) for side in sides]
    return whole[0] if len(whole) == 1 else (whole[0], whole[1])


def _parse_kinds(value: Any) -> dict[str, str]:
    """``{"zip": "category"}`` or ``("zip=category",)`` → the former; kinds are checked against the registry."""
    from . import fields

    pairs = dict(value) if isinstance(value, Mapping) else dict(_parse_pair(text) for text in _parse_several(value))
    for kind in pairs.values():
        fields.base.kind_named(kind)
    return pairs


def _parse_pair(text: str) -> tuple[str, str]:
    column, equals, kind = text.rpartition("=")
    if not (column and equals and kind):
        raise ValueError("expected COLUMN=KIND, such as zip=category")
    return column, kind


def _class_weights(value: Any) -> str | dict[str, float]:
    """``"balanced"``, or ``"cat=2,dog=1"`` → ``{"cat": 2.0, "dog": 1.0}``."""
    if value == "balanced":
        return "balanced"
    expected = "expected balanced, or LABEL=WEIGHT, such as cat=2,dog=1"
    try:
        pairs = value if isinstance(value, Mapping) else dict(one.rsplit("=", 1) for one in str(value).split(","))
        found = {str(label).strip(): _check_number(weight, "a number") for label, weight in pairs.items()}
    except (ValueError, TypeError):
        raise ValueError(expected) from None
    if min(found.values(), default=-1) < 0 or "" in found:
        raise ValueError(expected)
    return found


def _parse_target(value: Any) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else tuple(str(name) for name in value)


def _parse_augment(value: Any) -> str | tuple[str, ...]:
    """``"auto"``, ``"none"``, or ``"shift,mirror"`` and ``["shift", "mirror"]`` → ``("mirror", "shift")``."""
    words = value.split(",") if isinstance(value, str) else [str(one) for one in value]
    names = {word.strip().lower() for word in words}
    if names in ({"auto"}, {"none"}):
        return names.pop()
    if not names or names - set(PHOTO_CHANGES):
        raise ValueError(f"expected auto, none, or some of {','.join(PHOTO_CHANGES)}")
    return tuple(name for name in PHOTO_CHANGES if name in names)


def _parse_several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _check_network(value: Any) -> Any:
    """A name is checked before any data is read; a module goes through as it is."""
    if isinstance(value, str):
        from . import trunks

        trunks.base.trunk_named(value)
    return value


def _parse_networks(value: Any) -> tuple[str, ...]:
    """``"mlp,cnn"`` or a list of names, each another network."""
    from . import trunks

    words = value.split(",") if isinstance(value, str) else map(str, value)
    names = tuple(word.strip() for word in words if word.strip())
    known: dict[str, str] = {}
    for name in names:
        same = known.setdefault(trunks.base.trunk_named(name).name, name)
        if same != name or names.count(name) > 1:
            raise ValueError(f"'{same}' and '{name}' are the same network")
    if not names:
        raise ValueError("expected names such as mlp,cnn")
    return names


def _check_device_name(value: Any) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", str(value)):
        raise ValueError("expected cpu, cuda or cuda:1")
    return str(value)


def _folder_name(value: Any) -> str:
    if not re.fullmatch(r"[^/\\\x00-\x1f]{1,200}", str(value)) or str(value) in (".", ".."):
        raise ValueError("expected a name for a folder, without slashes")
    return str(value)


def _check_place(value: Any) -> str:
    if not str(value) or "\0" in str(value):
        raise ValueError("expected the name of a folder; '.' is this one")
    return str(value)


WEIGHTS = Option("weights", "Column that says how much each row counts.", str, unset="all count the same",
                 metavar="COLUMN")  # fmt: skip

READ = (
    Option("target", "Column to predict, or several of numbers or of 0 and 1: a,b.", _parse_target,
           unset="the obvious one, else an error lists the columns", metavar="COLUMN"),
    Option("kinds", "Take a column for a kind: number, category, text, image, labels, date.", _parse_kinds,
           unset="recognised", metavar="COLUMN=KIND", flag="--kind", many=True),
    Option("ignore", "Leave a column out.", _parse_several, default=(), unset="none", metavar="COLUMN", many=True),
    Option("header", "Whether the first line of a table holds names.", _yes_no, unset="recognised",
           flag="--header/--no-header"),
    Option("split", "Parts: 80,10,10, column:fold, group:patient, time or 12mo,4mo,4mo.",
           unset="as given by the data, else 80 : 10 : 10", metavar="SPLIT"),
    WEIGHTS,
    Option("image_size", "Pixels a side that images are brought to.", _parse_pixels, unset="theirs, up to a limit",
           metavar="PIXELS"),
)  # fmt: skip

TRAIN = (
    Option("network", "mlp, cnn, rnn, gru, lstm or transformer.", _check_network, unset="chosen by the kind of data",
           metavar="NAME"),
    Option("budget", "What training may spend, everything included: 30s, 5m, 10epochs, 500steps.", Budget.parse,
           unset="until it stops improving, at most 10 minutes", metavar="BUDGET"),
    Option("epochs", "The budget in passes over the training examples.", _above_zero, metavar="N"),
    Option("steps", "The budget in optimizer steps.", _whole_number(1), metavar="N"),
    Option("batch_size", "Examples a step.", _whole_number(1), unset="planned", metavar="N"),
    Option("lr", "Learning rate.", _above_zero, unset="planned", metavar="RATE"),
    Option("seed", "Start of every random choice.", _whole_number(0), default=0, metavar="N"),
    Option("split_seed", "Start of the random split alone, where it is to stay the same.", _whole_number(0),
           unset="the seed", metavar="N"),
    Option("reference", "Whether a classical model learns on the same split, to compare with.", _yes_no,
           unset="yes, for tables and texts", flag="--reference/--no-reference"),
    Option("output", "Kind of answer: category or number.", str, unset="picked by the target's kind", metavar="NAME"),
    Option("augment", "How photos change in training: auto, none, or some of mirror,shift,cover.", _parse_augment,
           default="auto", metavar="CHANGES"),
    Option("class_weights", "How much classes count in the loss: balanced, or cat=2,dog=1.", _class_weights,
           unset="all count the same", metavar="WEIGHTS"),
    Option("metric", "What is chosen and scored by: balanced accuracy, f1, log loss, auc; mae, rmse.", str,
           unset="accuracy; for numbers r2", metavar="NAME"),
    Option("size", "Size of the network: 0 is tiny, each step about twice the work.", _whole_number(0), unset="planned",
           metavar="N"),
    Option("device", "cpu, cuda or cuda:1.", _check_device_name, unset="the fastest there is", metavar="NAME"),
    Option("name", "Name of the run's folder.", _folder_name, unset="made from data and network", metavar="NAME"),
    Option("out", "Folder that runs are written to.", _check_place, default="runs", metavar="FOLDER"),
    Option("folds", "Parts of the cross-validation that finds the number of steps; 0 for none.", _fold_count,
           unset="5 for small tables trained by time (3 above 500 rows), else 0", metavar="N"),
    Option("start", "Begin with the weights of an earlier run.", unset="fresh weights", metavar="RUN"),
    Option("like", "Do the training of an earlier run again; DATA may be left out.", unset="a new plan", metavar="RUN"),
)  # fmt: skip

FIX = Option("fix", "Say of each finding what training does about it and what you can do; nothing is written.",
             command=True)  # fmt: skip

NETWORKS = Option("networks", "Networks to compare.", _parse_networks, default=("mlp", "cnn", "rnn", "transformer"),
                  metavar="NAME,NAME")  # fmt: skip

SEEDS = Option(
    "seeds", "Trainings of each network, from one seed after the other.", _whole_number(1), default=1, metavar="N"
)

EACH = {  # what is said otherwise where there are several trainings
    "budget": Option("budget", "What each training may spend, everything included: 1m, 10epochs, 500steps.",
                     Budget.parse, unset="1m", metavar="BUDGET"),
    "seed": Option("seed", "The first seed; also of the split that all share.", _whole_number(0), default=0,
                   metavar="N"),
    "name": Option("name", "Name of the comparison; given again, it goes on with what is missing.", _folder_name,
                   unset="the data's", metavar="NAME"),
}  # fmt: skip

COMPARE = (NETWORKS, SEEDS, *(EACH.get(o.name, o) for o in TRAIN if o.name not in ("network", "like", "start")))

JSON = Option("json", "Print JSON lines for programs, the result last.", command=True)

QUIET = Option("quiet", "Print the score alone.", command=True)

PLAN_ONLY = Option("plan_only", "Print the plan and train nothing.", command=True)

TEXT = Option("texts", "A text to predict from (also: one a line on standard input).", _parse_several, default=(),
              metavar="TEXT", flag="--text", many=True)  # fmt: skip

TABLE = Option("out", "Write predictions to a .csv, .json, .jsonl or .parquet file.", command=True, metavar="FILE")

FORCE = Option("force", "Replace the file of --out where there is one.", command=True)

MORE = Option("more", "Go on for longer: 5m, 10epochs.", Budget.parse, unset="what was left", metavar="BUDGET")

TO = Option("to", "Where to put it.", str, unset="./NAME", metavar="PATH")

VERBS: dict[str, tuple[Option, ...]] = {
    "read": (*READ, FIX, JSON),
    "train": (*READ, *TRAIN, PLAN_ONLY, JSON, QUIET),
    "plan": (*READ, *TRAIN),
    "compare": (*READ, *COMPARE, JSON, QUIET),
    "evaluate": (WEIGHTS, JSON),
    "predict": (TEXT, TABLE, FORCE, JSON),
    "resume": (MORE, JSON, QUIET),
    "sample": (TO,),
}


def check_options(verb: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options passed to a verb of the Python API, checked and brought to their form.

    >>> check_options("train", {"batch_size": 64, "budget": "5m"})
    {'batch_size': 64, 'budget': Budget(kind='seconds', amount=300.0)}

    Args:
        verb: a key of ``VERBS``.
        given: keyword arguments as the user passed them; None means not given and stays None.

    Raises:
        UsageError: for a name that is no option of the verb (with a suggestion) or a value that can't be used.
    """
    known = {option.name: option for option in VERBS[verb] if not option.command}
    for name in given:
        if name not in known:
            raise UsageError(unknown_name(f"option of {verb}", name, known))
    return {name: None if value is None else known[name].check_value(value) for name, value in given.items()}


def default_options(verb: str) -> dict[str, Any]:
    """Every option of a verb of the Python API with its default."""
    return {option.name: option.default for option in VERBS[verb] if not option.command}


def options_table(verb: str) -> str:
    """The options of a verb as a table for the docs."""
    rows = [
        f"| `{o.spelling}{' ' + o.metavar if o.metavar else ''}` | {o.help} | {o.usual_text} |" for o in VERBS[verb]
    ]
    return "\n".join(["| option | what it does | without it |", "|---|---|---|", *rows]) + "\n"
