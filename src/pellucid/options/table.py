"""Every option, declared once: its name, meaning, default and type.

The command line, the checks of the Python API and the table in the docs follow from these declarations. Torch-free
and light, so that ``pellucid --help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError, unknown_name
from .budget import MOST, Budget
from .types import (
    Number,
    Some,
    Text,
    Texts,
    ValueType,
    Whatever,
    Whole,
    Written,
    YesNo,
    check_network,
    parse_class_weights,
    parse_decimal,
    parse_delimiter,
    parse_encoding,
    parse_kinds,
    parse_networks,
    parse_pixels,
    parse_threshold,
)

# What training can make of a photo or a recording, for --augment; a test holds it to what input layers have.
CHANGES_KNOWN = ("mirror", "shift", "cover", "speed", "pitch", "colour", "noise", "mask")

ANYTHING = Whatever()

BUDGET = Written(Budget.parse, "budget", "5m", annotation=str | Budget)
KINDS_KNOWN = ("number", "category", "text", "image", "labels", "date", "series", "sound", "writing")
KINDS = Written(parse_kinds, "kinds", "zip=category", KINDS_KNOWN,
                annotation=Mapping[str, str] | Sequence[str])  # fmt: skip
PIXELS = Written(parse_pixels, "pixels", "48x32", annotation=int | str | tuple[int, int])
# The names a user types; a test holds them, and the kinds and outputs below, to what is registered.
NETWORKS_KNOWN = ("mlp", "cnn", "rnn", "gru", "lstm", "mingru", "transformer")
NETWORK = Written(check_network, "network", "cnn", NETWORKS_KNOWN)
CLASS_WEIGHTS = Written(parse_class_weights, "class weights", "cat=2,dog=1", annotation=str | Mapping[str, float])
THRESHOLD = Written(parse_threshold, "threshold", "yes=0.3", annotation=float | str | Mapping[str, float])
CHANGES = Some(CHANGES_KNOWN, ("auto", "none"))
NAMES = Written(parse_networks, "networks", "mlp,cnn", NETWORKS_KNOWN, str | Sequence[str])
TARGETS = Texts("column", alone=True)
OUTPUT = Text(of="output", choices=("category", "labels", "number", "future", "tokens", "transcript", "written"))
METRIC = Text(of="metric")
COLUMNS = Texts("column")
DECIMAL = Written(parse_decimal, "decimal separator", ",", (",", "."), annotation=str)
ENCODING = Written(parse_encoding, "encoding", "cp932", annotation=str)
DELIMITER = Written(parse_delimiter, "delimiter", ";", annotation=str)

# A test holds them to those of passages.
LEVELS_KNOWN = ("characters", "bytes", "bpe")
LEVEL = Text("|".join(LEVELS_KNOWN), expected="expected characters, bytes or bpe", of="level", choices=LEVELS_KNOWN)

DEVICE = Text(r"cpu|cuda(:\d+)?", expected="expected cpu, cuda or cuda:1", of="device")

FOLDER_NAME = Text(r"[^/\\\x00-\x1f]{1,200}", (".", ".."), "expected a name for a folder, without slashes", "folder")

FOLDER = Text(r"[^\x00]+", expected="expected the name of a folder; '.' is this one", of="folder")

# What is written down of a run holds no larger ones. A learning rate above 1 never trains anything; Muon's is ten times
# as large.
LARGEST_SEED, LARGEST_RATE, LARGEST_BATCH, LARGEST_SIZE, MOST_SEEDS = (1 << 63) - 1, 1000.0, 1_000_000, 20, 1000

# Heads of a network: a stranger's file may ask for any number.
MOST_HEADS = 64

# Texts that are followed at once.
MOST_BEAMS = 64

FOLDS = Whole(most=1000, but=(1,), unit="parts", expected="expected 0, or 2 and more: a part is left out in turn")


@dataclass(frozen=True)
class Option:
    """One option of one or more verbs.

    Attributes:
        name: the keyword in Python, e.g. ``"batch_size"``.
        help: what it does, one short sentence without its default.
        type: what its value may be; the check follows from it.
        default: the value when it is not given.
        unset: what happens without it, in words, when ``default`` is None.
        metavar: what stands for its value in the help; empty for a switch.
        flag: how it is spelt on the command line; made from the name when left out. ``--a/--no-a`` is a yes or no.
        many: may be given several times; the values are collected in a tuple.
        command: exists on the command line only.
    """

    name: str
    help: str
    type: ValueType = ANYTHING
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
            return self.type.check(value)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{self.name.replace('_', ' ')} {received_text(value)}: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """The option as a form on a page can be made from it."""
        default = list(self.default) if isinstance(self.default, tuple) else self.default
        about = {"name": self.name, "help": self.help, "type": self.type.to_json(), "default": default}
        return about | {"without": self.usual_text, "flag": self.spelling, "many": self.many}


WEIGHTS = Option("weights", "Column of sample weights: how much each row counts.", Text(of="column"),
                 unset="all count the same", metavar="COLUMN")  # fmt: skip

# How a table is written, where that is to be said.
FORM = (
    Option("header", "Whether the first line of a table has the column names.", YesNo(), unset="recognised",
           flag="--header/--no-header"),
    Option("decimal", "Decimal separator: , or .", DECIMAL, unset="recognised", metavar="CHARACTER"),
    Option("delimiter", "Delimiter between the cells of a text file: ';', tab, '::', or ' ' for spaces.", DELIMITER,
           unset="recognised", metavar="CHARACTERS"),
    Option("sheet", "Sheet of a spreadsheet to read.", Text(of="sheet"),
           unset="the one with the columns named, else the largest", metavar="NAME"),
    Option("encoding", "Encoding of a text file, such as cp932 or utf-16.", ENCODING, unset="recognised",
           metavar="NAME"),
)  # fmt: skip

# Rows that are the moments of series.
FORECAST = (
    Option("horizon", "Forecast so many steps ahead: 24, or 1d; 0 for a table whose rows are no moments.",
           Text(of="horizon"), unset="a dated, regular table of numbers is forecast by its rhythm", metavar="STEPS"),
    Option("time", "Column of dates that says when a row is.", Text(of="column"), unset="the one with dates",
           metavar="COLUMN"),
    Option("series", "Column that says which series a row is of, or several: shop,item.", COLUMNS, default=(),
           unset="recognised", metavar="COLUMN", many=True),
    Option("known", "Column that is known ahead, or several: load,wind.", COLUMNS, default=(),
           unset="those that go on for a horizon after the target", metavar="COLUMN", many=True),
    Option("every", "Step that rows are brought to, by their mean: 1h, 1d, 1mo.", Text(of="step"),
           unset="the step that rows have", metavar="STEP"),
    Option("fill", "Fill missing values of the past: by the last one, or zero.",
           Text("last|zero", expected="expected last or zero", of="way to fill", choices=("last", "zero")),
           unset="they stay missing", metavar="HOW"),
    Option("doubles", "Which of several rows of one moment to use: first, last or mean.",
           Text("first|last|mean", expected="expected first, last or mean", of="choice",
                choices=("first", "last", "mean")), unset="first", metavar="WHICH"),
    Option("season", "Steps in one season.", Whole(1, 1_000_000, "steps"), unset="found",
           metavar="N"),
    Option("stride", "Steps between two forecasts that are learned from and scored.", Whole(1, 1_000_000, "steps"),
           default=None, unset="1", metavar="N"),
    Option("context", "Steps of the past that a forecast looks at; tokens of a passage of a text.",
           Whole(1, 1_000_000, "steps"), unset="512 steps, 256 tokens, fewer for short data", metavar="N"),
)  # fmt: skip

READ = (
    Option("target", "Column to predict, or several of numbers or of 0 and 1: a,b.", TARGETS,
           unset="the likely one; if not clear, an error lists the columns", metavar="COLUMN"),
    Option("kinds", "Kind of a column: number, category, text, image, labels, date, series, sound, writing.", KINDS,
           unset="recognised", metavar="COLUMN=KIND", flag="--kind", many=True),
    Option("ignore", "Leave a column out.", COLUMNS, default=(), unset="none", metavar="COLUMN", many=True),
    *FORM,
    Option("split", "Train, validation, test: 80,10,10, column:fold, group:patient, time, 12mo,4mo,4mo.",
           Whatever("80,10,10", str | Sequence[float]),
           unset="as given by the data, else 80 : 10 : 10", metavar="SPLIT"),
    WEIGHTS,
    Option("image_size", "Size in pixels that images are resized to.", PIXELS, unset="their own, up to a limit",
           metavar="PIXELS"),
    Option("seconds", "Length in seconds after which the rest of a recording is not read.",
           Number(unit="seconds", most=600), unset="30", metavar="SECONDS"),
    Option("label_from", "How names of files tell the class, such as {label}_{speaker}_{index}.", Text(of="pattern"),
           unset="folders or a table tell it", metavar="PATTERN"),
    Option("level", "What a token of a text is: characters, bytes or bpe (pieces of words).", LEVEL,
           unset="characters; bytes for source code; bpe for long texts or many different characters", metavar="NAME"),
    *FORECAST,
)  # fmt: skip

TRAIN = (
    Option("network", "mlp, cnn, rnn, gru, lstm, mingru or transformer.", NETWORK, unset="chosen by the kind of data",
           metavar="NAME"),
    Option("budget", "What training may take, everything included: 30s, 5m, 10epochs, 500steps.", BUDGET,
           unset="until it stops improving, at most 10 minutes", metavar="BUDGET"),
    Option("epochs", "The budget in epochs (passes over the training examples).",
           Number(unit="epochs", most=MOST["epochs"]), metavar="N"),
    Option("steps", "The budget in optimizer steps (batches).", Whole(1, MOST["steps"], "steps"), metavar="N"),
    Option("batch_size", "Examples in a batch (one step).", Whole(1, LARGEST_BATCH, "examples"), unset="planned",
           metavar="N"),
    Option("lr", "Learning rate.", Number(most=LARGEST_RATE), unset="planned", metavar="RATE"),
    Option("seed", "Random seed.", Whole(most=LARGEST_SEED), default=0, metavar="N"),
    Option("split_seed", "Random seed of the split alone.", Whole(most=LARGEST_SEED),
           unset="the seed", metavar="N"),
    Option("reference", "Whether to train a classical reference model on the same split.", YesNo(),
           unset="yes, for tables and texts", flag="--reference/--no-reference"),
    Option("solved", "Whether the network begins with a solved classical model, to which the trunk adds.", YesNo(),
           unset="yes, for series, forecasts and language models", flag="--solved/--no-solved"),
    Option("examples", "Whether to keep examples in the run, to look into it where its data is gone.",
           YesNo(), unset="yes, at most 256 of training and 512 of validation, 8 MB",
           flag="--examples/--no-examples"),
    Option("output", "Kind of answer: category, labels, number, future, tokens, transcript or written.", OUTPUT,
           unset="chosen by the target's kind", metavar="NAME"),
    Option("augment", "Augmentation: auto, none, or some of mirror,shift,cover,speed,pitch,colour,noise,mask.", CHANGES,
           default="auto", metavar="CHANGES"),
    Option("class_weights", "Class weights in the loss: balanced, or cat=2,dog=1.", CLASS_WEIGHTS,
           unset="all count the same", metavar="WEIGHTS"),
    Option("positive", "Positive class of two, for curves and thresholds.", Text(of="class"),
           unset="the rarer one", metavar="CLASS"),
    Option("metric", "Metric of the score and of choices: balanced accuracy, f1, log loss, auc; mae, rmse.", METRIC,
           unset="accuracy; for numbers r2", metavar="NAME"),
    Option("size", "Size of the network: 0 is tiny, each number up about twice the work.", Whole(most=LARGEST_SIZE),
           unset="planned", metavar="N"),
    Option("heads", "Heads of a dense network, whose answers are averaged; 1 for a single one.", Whole(1, MOST_HEADS),
           unset="8 for tables of more than 2,000 training rows with time for them, else 1", metavar="N"),
    Option("device", "cpu, cuda or cuda:1.", DEVICE, unset="the fastest available", metavar="NAME"),
    Option("name", "Name of the run and its folder.", FOLDER_NAME, unset="made from data and network", metavar="NAME"),
    Option("out", "Folder that runs are written to.", FOLDER, default="runs", metavar="FOLDER"),
    Option("folds", "Folds of the cross-validation that finds the number of steps; 0 for none.", FOLDS,
           unset="5 for small tables trained by time (3 above 500 rows), else 0", metavar="N"),
    Option("start", "Start from the weights of an earlier run (transfer learning).", Text(of="run"),
           unset="fresh weights", metavar="RUN"),
    Option("like", "Repeat the training of an earlier run; DATA may be left out.", Text(of="run"),
           unset="a new plan", metavar="RUN"),
)  # fmt: skip

FIX = Option("fix", "For each note, say what training does and what you can do; nothing is changed.", YesNo(),
             command=True)  # fmt: skip

NETWORKS = Option("networks", "Networks to compare.", NAMES, default=("mlp", "cnn", "rnn", "transformer"),
                  metavar="NAME,NAME")  # fmt: skip

SEEDS = Option("seeds", "Number of seeds: trainings of each network.", Whole(1, MOST_SEEDS), default=1, metavar="N")

EACH = {  # what is said otherwise where there are several trainings
    "budget": Option("budget", "What each training may take, everything included: 1m, 10epochs, 500steps.",
                     BUDGET, unset="1m", metavar="BUDGET"),
    "seed": Option("seed", "First random seed; also of the split that all share.",
                   Whole(most=LARGEST_SEED - MOST_SEEDS), default=0, metavar="N"),
    "name": Option("name", "Name of the comparison; given again, it continues with what is missing.", FOLDER_NAME,
                   unset="the data's", metavar="NAME"),
}  # fmt: skip

# What says something of one network alone.
OF_ONE = ("network", "heads", "like", "start")

COMPARE = (NETWORKS, SEEDS, *(EACH.get(o.name, o) for o in TRAIN if o.name not in OF_ONE))

JSON = Option("json", "Print JSON lines, the result last.", YesNo(), command=True)

QUIET = Option("quiet", "Print only the score.", YesNo(), command=True)

VERBOSE = Option("verbose", "Print the whole plan and every decision; the report has them too.", YesNo(),
                 command=True)  # fmt: skip

PLAN_ONLY = Option("plan_only", "Print the plan, do not train.", YesNo(), command=True)

TEXT = Option("texts", "A text to predict from; also standard input: each line, for language models all of it.",
              Texts("text"), default=(), metavar="TEXT", flag="--text", many=True)  # fmt: skip

TEXT_INSPECTED = Option("texts", "A text to look into; of several the first.", Texts("text"), default=(),
                        metavar="TEXT", flag="--text", many=True)  # fmt: skip

CUT = Option("threshold", "Of two classes, predict the positive one from this probability: 0.3, or yes=0.3.",
             THRESHOLD, unset="the more probable class", metavar="[CLASS=]T")  # fmt: skip

BEAM = Option("beam", "Beams (candidate texts) in the search; 1 is greedy.",
              Whole(1, MOST_BEAMS, "texts"), unset="as the run was scored", metavar="N")  # fmt: skip

BEST = Option("best", "Number of texts to give for each example, the best first.",
              Whole(1, MOST_BEAMS, "texts"), default=1, metavar="N")  # fmt: skip

ALIGN = Option("align", "For each written word, say which input word it comes from.", YesNo())

PAGE = Option("out", "Write the page here (.html).", Text(of="path"), unset="beside the run; none with --json",
              command=True, metavar="FILE")  # fmt: skip

STEPS = Option("steps", "Steps ahead of a forecast; beyond the horizon it goes on from its own answers.",
               Whole(1, 1_000_000, "steps"), unset="the horizon", metavar="N")  # fmt: skip

LENGTH = Option("length", "Tokens a language model writes after the text.",
                Whole(1, 1_000_000, "tokens"), unset="400", metavar="N")  # fmt: skip

TEMPERATURE = Option("temperature",
                     "Sampling temperature: 0 always takes the likeliest token, 1 follows the probabilities.",
                     Number(least=0, most=100), unset="0.8", metavar="T")  # fmt: skip

TOP_P = Option("top_p", "Sample only from the likeliest tokens whose probabilities add up to this.",
               Number(most=1), unset="1: from all", metavar="P")  # fmt: skip

STOP = Option("stop", "Text that ends what is written.", Texts("text"), default=(), unset="none", metavar="TEXT",
              many=True)  # fmt: skip

DRAWN = Option("seed", "Random seed of sampling.", Whole(most=LARGEST_SEED), unset="0", metavar="N")

WRITE = (LENGTH, TEMPERATURE, TOP_P, STOP, DRAWN)

FROM = Option("from", "Rows that a forecast follows.", Text(of="path"), unset="the last that the run has seen",
              command=True, metavar="FILE")  # fmt: skip

KEEP = Option("keep", "Column of the input to write beside the predictions; all for all of them.", COLUMNS, default=(),
              unset="only ids", metavar="COLUMN", many=True)  # fmt: skip

FORCE = Option("force", "Replace the file of --out if it exists.", YesNo(), command=True)

TABLE = Option("out", "Write predictions to a .csv, .json, .jsonl or .parquet file.", Text(of="path"), command=True,
               metavar="FILE")  # fmt: skip

ANSWER = Option("answer", "The answer that is explained: a class, a label, a target; of a forecast OT,24.",
                Text(of="answer"), unset="the network's own", metavar="NAME")  # fmt: skip

TRUE = Option("true", "True answer for the example, where its data has none: a class, a number.",
              Text(of="answer"), unset="as its data says", metavar="VALUE")  # fmt: skip

UNIT = Option("unit", "Open one hidden unit: layer2.17.", Text(of="unit"), unset="none", metavar="STAGE.N")  # fmt: skip

AT = Option("at", "Where the unit is opened: a position or row,column, counted from 1.", Text(of="at"),
            unset="where it is highest", metavar="N,…")  # fmt: skip

WEIGHT_OPENED = Option("weight", "Open one weight: trunk.layer2.first.weight[17,3,1,1].", Text(of="weight"),
                       unset="none", metavar="NAME[I,…]")  # fmt: skip

CURVES = Option("curves", "Sweep each column of a table: the answer's curve.", YesNo())

HEALTH = Option("health", "Training seen from inside, and a verdict.", YesNo())

WITHOUT = Option("without", "What if a stage, a unit or a head were not there: layer3, layer3.17.", Texts("stage"),
                 default=(), unset="none", metavar="STAGE", many=True)  # fmt: skip

MOVE = Option("move", "What if a photo were moved by so many pixels: right,down.", Text(of="move"), unset="none",
              metavar="X,Y")  # fmt: skip

MASK = Option("mask", "What if a word, a column or a patch of a photo (row,column) were not there.", Texts("mask"),
              default=(), unset="none", metavar="WORD", many=True)  # fmt: skip

SET = Option("set", "What if a column, or a weight, had another value: area=90.", Texts("set"), default=(),
             unset="none", metavar="NAME=V", many=True)  # fmt: skip

PNG = Option("png", "Write each view's pictures to this folder.", Text(of="path"), unset="none", command=True,
             metavar="FOLDER")  # fmt: skip

INSPECT = (ANSWER, TRUE, UNIT, AT, WEIGHT_OPENED, CURVES, HEALTH, WITHOUT, MOVE, MASK, SET)

MORE = Option(
    "more",
    "Train for longer: 5m, 10epochs.",
    BUDGET,
    unset="what was left",
    metavar="BUDGET",
)

OPEN = Option("open", "Whether to open it in a browser.", YesNo(), unset="yes, in a terminal with a display",
              flag="--open/--no-open", command=True)  # fmt: skip

REDRAW = Option("redraw", "Make it again, from the run's weights and data.", YesNo(), command=True)

TO = Option("to", "Where to write it.", Text(of="path"), unset="./NAME", metavar="PATH")

VERBS: dict[str, tuple[Option, ...]] = {
    "read": (*READ, FIX, JSON),
    "train": (*READ, *TRAIN, PLAN_ONLY, JSON, QUIET, VERBOSE),
    "plan": (*READ, *TRAIN),
    "compare": (*READ, *COMPARE, JSON, QUIET),
    "evaluate": (WEIGHTS, CUT, *FORM, PAGE, FORCE, JSON),
    "predict": (TEXT, *WRITE, BEAM, BEST, ALIGN, CUT, STEPS, FROM, KEEP, *FORM, TABLE, FORCE, JSON),
    "inspect": (TEXT_INSPECTED, *INSPECT, *FORM, PAGE, FORCE, PNG, JSON),
    "resume": (MORE, JSON, QUIET, VERBOSE),
    "runs": (JSON,),
    "report": (OPEN, REDRAW),
    "sample": (TO,),
}


def received_text(value: Any) -> str:
    """A value as an error shows it, cut where it is long."""
    try:
        # A list that the command line makes is shown as what was typed.
        typed = isinstance(value, tuple) and value and all(isinstance(one, str) for one in value)
        text = ", ".join(map(repr, value)) if typed else repr(value)
    # Of thousands of digits, which Python refuses to write.
    except ValueError:
        return f"of {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:200]}…"


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
