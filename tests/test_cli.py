"""The command line, against a Python API that answers at once."""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import click
import polars as pl
import pytest
from rich.console import Console

import pellucid
from pellucid import options
from pellucid.cli import console, exit_code, progress, show_data, show_predictions
from pellucid.errors import Interrupted, PellucidError, UsageError
from pellucid.fields import Note
from pellucid.fields.notes import join_notes
from pellucid.options import Budget
from pellucid.tasks.base import flatten_prediction
from pellucid.training.listeners import Progress, Remark

ROWS = [
    {"input": "a.png", "label": "cat", "probability": 0.9, "probabilities": {"cat": 0.9, "dog": 0.1}},
    {"input": "b, c.png", "label": "dog", "probability": 0.6, "probabilities": {"cat": 0.4, "dog": 0.6}},
]
RESULT = {
    "run": "runs/r",
    "metric": "accuracy",
    "value": 0.97,
    "low": 0.96,
    "high": 0.98,
    "baseline": 0.1,
    "seconds": 2.5,
    "steps": 40,
    "parameters": 1234,
}


def made_score(value: float, name: str = "") -> SimpleNamespace:
    return SimpleNamespace(
        metric="accuracy", value=value, low=value - 0.01, high=value + 0.01, n=360, name=name, label=name
    )


class FakeRun:
    """A trained run as the command line sees it."""

    forecasts = writes = False
    network = SimpleNamespace(output=SimpleNamespace(task=SimpleNamespace(examples="examples"), writes=False))
    damage = ()

    def __init__(self, path: Path = Path("runs/r"), rows: list | None = None):
        self.path, self.rows = path, ROWS if rows is None else rows
        self.score, self.baseline = made_score(0.97), made_score(0.1, "always '3'")
        self.metrics, self.notes = {"accuracy": 0.97, "f1": 0.95}, ()
        read = SimpleNamespace(store=lambda *_: SimpleNamespace(bad=()))
        self.fields = [SimpleNamespace(kind="image", name="photo", settings={}, traits=read)]
        self.asked: list = []

    def result(self) -> dict:
        return RESULT

    def say(self) -> str:
        return "Right 97.0% of the time."

    def evaluate(self, data: str) -> FakeRun:
        self.asked.append(data)
        return self

    def report(self) -> Path:
        return Path("r-on-new.html")

    def predict_pieces(self, inputs: list[str], texts: list[str] = (), keep: tuple[str, ...] = ()) -> FakePieces:
        self.asked.append((inputs, texts))
        return FakePieces(self.rows)


class FakePieces:
    """What ``predict_pieces`` returns: all predictions in one piece."""

    notes = ()

    def __init__(self, rows: list):
        self.rows = rows
        self.errors = {i: row["error"] for i, row in enumerate(rows) if "error" in row}

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self):
        yield FakePredictions(self.rows)


class FakePredictions(list):
    def to_frame(self, library: str) -> pl.DataFrame:
        return pl.DataFrame([flatten_prediction(row) for row in self])


class FakePlan:
    def lines(self) -> list[tuple[str, str, str]]:
        return [("network", "cnn", "photos are grids"), ("size", "3", "as much as 20 s allow")]

    def to_json(self) -> dict:
        return {"network": "cnn"}


class FakeData:
    """What ``pellucid.read`` returns, as far as the command line needs it."""

    notes = (Note("info", "left out: constant", "column 'c'"), Note("warning", "3 rows repeat an earlier one", "row 7"))

    def check(self):
        return []

    def summary(self) -> dict:
        columns = [("carat", "number", "input"), ("cut", "category", "target"), ("id", "number", "id")]
        return {
            "name": "diamonds.csv",
            "layout": "a table of 1,300 rows and 3 columns",
            "first_rows": [{"carat": "0.23", "cut": "Ideal"}],
            "fields": [{"name": n, "kind": k, "role": r, "reason": f"why {n} " * 9} for n, k, r in columns],
            "target": {
                "name": "cut",
                "kind": "category",
                "why": "as asked",
                "what": "one of 3 classes",
                "from": "carat (number)",
            },
            "classes": {"Ideal": 1000, "[Good]": 200, "Fair": 100},
            "split": {"how": "80 : 10 : 10, drawn at random, stratified by class"},
        }


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """The verbs of the Python API record what they were called with and answer at once."""
    seen: dict[str, tuple] = {}
    run = FakeRun()

    def train(source, listeners=(), **options):
        seen["train"] = (source, options)
        for ear in listeners:
            tell(ear)
        return run

    def resume(path, listeners=(), **options):
        seen["resume"] = (path, options)
        return run

    def load(path):
        seen["load"] = (path, {})
        return run

    def plan(source, **options):
        seen["plan"] = (source, options)
        return FakePlan()

    def read(source, **options):
        seen["read"] = (source, options)
        return FakeData()

    for verb in (train, resume, load, plan, read):
        monkeypatch.setitem(vars(pellucid), verb.__name__, verb)
    monkeypatch.chdir(tmp_path)
    seen["run"] = (run, {})
    return seen


def tell(ear, steps: int = 20) -> None:
    """A whole training, told to a display."""
    ear.said("200 images decoded")
    ear.planned(FakePlan())
    for i in range(steps + 1):
        loss = math.exp(-i / 5)
        ear.stepped(Progress(i * 10, steps * 10, i / 2, i * 0.5, (steps - i) * 0.5, 900.0, loss, "hold"))
        if i % 5 == 0:
            ear.evaluated(
                {
                    "step": i * 10,
                    "epoch": i / 2,
                    "loss": loss,
                    "validation_loss": loss,
                    "accuracy": 1 - loss,
                    "seconds": i * 0.5,
                }
            )
    ear.decided({"step": 0, "name": "size", "value": 3, "reason": "as much as 20 s allow"})
    ear.decided({"step": 100, "name": "schedule", "value": [[0, 0.0], [1200, 0.0]], "reason": "2 steps a second"})
    ear.finished(FakeRun())


def pellucid_command(*args: str) -> int:
    return exit_code(args, started=123.0)


# --- help, usage, errors -----------------------------------------------------------------------------------------


def test_help_lists_every_verb(capsys):
    assert pellucid_command() == 0
    shown = capsys.readouterr().out
    for verb in ("read", "train", "evaluate", "predict", "resume", "sample"):
        assert f"  {verb} " in shown


@pytest.mark.parametrize("verb", ["read", "train", "evaluate", "predict", "resume", "sample"])
def test_help_of_a_verb_shows_its_options_and_examples(verb, capsys):
    assert pellucid_command(verb, "--help") == 0
    shown = capsys.readouterr().out
    assert "Examples:\n  pellucid " in shown
    for option in options.VERBS[verb]:
        assert option.spelling.split("/")[0] in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_help_is_quick_and_light():
    code = "import sys; from pellucid.cli import exit_code; exit_code(['--help'], 0); print(sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = shown.splitlines()[-1]
    assert "'click'" in loaded
    for heavy in ("torch", "numpy", "polars", "rich", "sklearn", "PIL"):
        assert f"'{heavy}'" not in loaded


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["tarin", "x"], "Unknown command 'tarin'. Did you mean 'train'?"),
        (["train", "x", "--targt", "y"], "'--target'?)"),
        (["train"], "name the data: pellucid train DATA (or --like RUN)"),
        (["train", "x", "--budget", "5x"], "budget '5x': Unknown unit 'x'"),
        (["train", "x", "--epochs", "many"], "epochs 'many': expected a number"),
        (["train", "x", "--kind", "zip"], "expected COLUMN=KIND, such as zip=category"),
        (["predict"], "Missing argument 'RUN'"),
        (["predict", "r", "x.png", "--out", "x.xls"], "Unknown ending of --out '.xls'."),
        (["sample", "a", "b"], "unexpected extra argument"),
    ],
)
def test_usage_is_exit_code_2(args, said, calls, capsys):
    assert pellucid_command(*args) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PellucidError("no columns", where="a.csv", fix="add some"), 1, "✗ a.csv: no columns\n  add some\n"),
        (UsageError("Unknown network 'x'"), 2, "✗ Unknown network 'x'\n"),
        (Interrupted("stopped at step 9", fix="continue with: pellucid resume runs/r"), 130, "pellucid resume runs/r"),
        (KeyboardInterrupt(), 130, "■ stopped\n"),
        (click.Abort(), 130, "■ stopped\n"),
        (PermissionError(13, "Permission denied", "runs"), 1, "✗ runs: Permission denied\n"),
        (MemoryError(), 1, "machine is out of memory"),
        (ZeroDivisionError("division by zero"), 70, "this is a bug in Pellucid: ZeroDivisionError: division by zero"),
    ],
)
def test_errors_are_said_without_a_traceback(error, code, said, calls, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setitem(vars(pellucid), "train", fail)
    assert pellucid_command("train", "x", "--quiet") == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_a_bug_shows_where_on_request(calls, monkeypatch, capsys):
    monkeypatch.setitem(vars(pellucid), "train", lambda *_, **__: 1 / 0)
    monkeypatch.setenv("PELLUCID_DEBUG", "1")
    assert pellucid_command("train", "x", "--quiet") == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -m pellucid train --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: pellucid train")
    assert done.stderr == ""


# --- verbs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 100])
def test_read_fits_the_terminal(width):
    out = Console(file=io.StringIO(), width=width)
    show_data.show_dataset(FakeData(), out)
    shown = out.file.getvalue()
    words = " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= width
    assert "diamonds.csv a table of 1,300 rows and 3 columns" in words
    assert "target cut, one of 3 classes, from carat (number): as asked" in words
    assert "[Good] 200 ████▊" in words
    assert "split 80 : 10 : 10, drawn at random, stratified" in words
    assert words.endswith("! row 7: 3 rows repeat an earlier one · column 'c': left out: constant")


def test_read(calls, capsys):
    assert pellucid_command("read", "a.csv", "--ignore", "id") == 0
    assert calls["read"] == ("a.csv", {"ignore": ("id",)})
    assert "cut, one of" in capsys.readouterr().out
    assert pellucid_command("read", "a.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out) == FakeData().summary()


def test_read_without_an_obvious_target():
    assert "choose one with --target" in show_data.target_text({"target": None, "classes": {}}).plain


def test_long_lists_are_cut_in_the_middle():
    assert list(show_data.first_and_last("abcdef", 2, 1)) == ["a", "b", 3, "f"]
    assert list(show_data.first_and_last("abcd", 2, 1)) == list("abcd")  # a line that says "1 more" would save nothing


def test_samples_are_listed_and_written(calls, capsys):
    assert pellucid_command("sample") == 0
    assert "digits" in capsys.readouterr().out
    assert pellucid_command("sample", "iris", "--to", "new.csv") == 0
    assert capsys.readouterr().out == "  written to new.csv\n  next: pellucid train new.csv --budget 30s\n"
    assert Path("new.csv").read_text().count("\n") == 151
    assert pellucid_command("sample", "irsi") == 2
    assert "Did you mean 'iris'?" in capsys.readouterr().err


def test_train_passes_on_what_was_typed_and_nothing_else(calls, capsys):
    typed = "--target price --kind zip=category --kind n=number --ignore id --no-header --network mlp --budget 30s"
    assert pellucid_command("train", "a.csv", *typed.split(), "--batch-size", "64", "--name", "first") == 0
    source, given = calls["read"]
    assert source == "a.csv"
    assert given == {
        "target": "price",
        "kinds": {"zip": "category", "n": "number"},
        "ignore": ("id",),
        "header": False,
    }
    source, given = calls["train"]
    assert isinstance(source, FakeData)
    assert given == {
        "network": "mlp",
        "budget": Budget("seconds", 30),
        "batch_size": 64,
        "name": "first",
        "started": 123.0,
    }


def test_train_ends_with_the_score_beside_the_baseline_and_what_to_do_next(calls, tmp_path, capsys):
    (tmp_path / "my data" / "cat").mkdir(parents=True)
    (tmp_path / "my data" / "cat" / "1.png").touch()
    (tmp_path / "runs" / "r").mkdir(parents=True)
    (tmp_path / "runs" / "r" / "report.html").touch()
    assert pellucid_command("train", "my data") == 0
    shown = capsys.readouterr()
    words = " ".join(shown.out.split())
    assert "Right 97.0% of the time. 95% interval over 360 test examples" in words
    assert "0.9700" not in words, "each score is said once"
    assert "runs/r/report.html" in words
    assert "pellucid predict runs/r 'my data/cat/1.png'\n" in shown.out
    assert "pellucid resume runs/r --more 5m\n" in shown.out
    assert "photos are grids" in shown.err
    assert "! row 7: 3 rows repeat an earlier one" in shown.err


def test_train_quiet_prints_the_score_alone(calls, capsys):
    assert pellucid_command("train", "x", "--quiet") == 0
    shown = capsys.readouterr()
    assert shown.out == "accuracy 0.9700 (0.9600 to 0.9800); baseline (always '3'): 0.1000\n"
    assert shown.err == ""


def test_train_json_prints_json_lines_and_the_result_last(calls, capsys):
    assert pellucid_command("train", "x", "--json") == 0
    shown = capsys.readouterr()
    lines = [json.loads(line) for line in shown.out.splitlines()]
    assert lines[-1] == RESULT
    assert [line["event"] for line in lines[:-1]] == ["read", "said", "planned", *["evaluated"] * 5, *["decided"] * 2]
    assert shown.err == ""


def test_json_has_no_nan(capsys):
    console.print_json({"a": float("nan"), "b": [float("inf"), 1], "c": Path("x"), "d": {1: "é"}})
    assert capsys.readouterr().out == '{"a": null, "b": [null, 1], "c": "x", "d": {"1": "é"}}\n'


def test_plan_only_trains_nothing(calls, capsys):
    assert pellucid_command("train", "x", "--plan-only", "--target", "y", "--budget", "5m") == 0
    assert "train" not in calls
    assert calls["plan"] == ("x", {"target": "y", "budget": Budget("seconds", 300)})
    assert "as much as 20 s allow" in capsys.readouterr().out
    assert pellucid_command("train", "x", "--plan-only", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"network": "cnn"}


def run_folder(name: str) -> Path:
    folder = Path(name)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    return folder


def test_like_replays_a_run_without_data(calls, capsys):
    run_folder("runs/old")
    assert pellucid_command("train", "--like", "old", "--quiet") == 0
    assert calls["train"] == (None, {"like": Path("runs/old"), "started": 123.0})
    assert "read" not in calls


def test_a_run_is_found_by_path_or_name(calls, capsys):
    run_folder("runs/digits")
    Path("digits").mkdir()  # the data it was trained on has the same name
    for word in ("digits", "runs/digits"):
        assert pellucid_command("evaluate", word, "x") == 0
        assert calls["load"][0] == Path("runs/digits")
    capsys.readouterr()
    assert pellucid_command("evaluate", "digit", "x") == 1
    assert "Unknown run 'digit'. Did you mean 'digits'?" in capsys.readouterr().err


def test_no_run_at_all(calls, capsys):
    assert pellucid_command("predict", "r", "x.png") == 1
    assert capsys.readouterr().err == "✗ there is no run 'r'\n  train one with: pellucid train DATA\n"


def test_evaluate(calls, capsys):
    run_folder("runs/r")
    assert pellucid_command("evaluate", "r", "new/") == 0
    shown = capsys.readouterr().out
    assert "Right 97.0% of the time. 95% interval over 360 examples f1 0.950" in " ".join(shown.split())
    assert pellucid_command("evaluate", "r", "new/", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == RESULT


def test_resume(calls, capsys):
    run_folder("runs/r")
    assert pellucid_command("resume", "r", "--more", "10epochs") == 0
    assert calls["resume"] == (Path("runs/r"), {"more": Budget("epochs", 10)})
    assert "Right 97.0% of the time." in capsys.readouterr().out


def test_predict_prints_tabs_where_no_terminal_listens(calls, capsys):
    run_folder("runs/r")
    assert pellucid_command("predict", "r", "a.png", "b, c.png") == 0
    assert capsys.readouterr().out == "a.png\tcat\t0.9000\nb, c.png\tdog\t0.6000\n"
    assert calls["run"][0].asked == [(["a.png", "b, c.png"], [])]


def test_predict_json(calls, capsys):
    run_folder("runs/r")
    assert pellucid_command("predict", "r", "a.png", "--json") == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


def test_predict_reads_texts(calls, monkeypatch, capsys):
    run_folder("runs/r")
    assert pellucid_command("predict", "r", "--text", "good", "--text", "bad") == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\n\n two \n"))
    assert pellucid_command("predict", "r") == 0
    assert calls["run"][0].asked == [([], ["good", "bad"]), ([], ["one", " two "])]
    assert capsys.readouterr().err == "! 1 blank line is left out\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert pellucid_command("predict", "r") == 2
    assert "there is nothing to predict from" in capsys.readouterr().err


def piped(text: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "writes", "lines"),
    [
        ("a\u2028b\x85c\n\x0cd\x1ce\n", False, ["a\u2028b\x85c", "\x0cd\x1ce"]),
        ("one\r\ntwo\rmore\r\n", False, ["one", "two\rmore"]),
        ("one\n\n \ntwo\n\n", False, ["one", "two"]),
        ("one\n\n \ntwo\n\n", True, ["one", "", " ", "two", ""]),
        ("\n", True, [""]),
        ("no end", True, ["no end"]),
    ],
)
def test_a_line_of_standard_input_is_a_text(text, writes, lines, calls, monkeypatch):
    run_folder("runs/r")
    run = calls["run"][0]
    run.network = SimpleNamespace(output=SimpleNamespace(writes=writes))
    monkeypatch.setattr(sys, "stdin", piped(text))
    assert pellucid_command("predict", "r") == 0
    assert run.asked == [([], lines)]


@pytest.mark.parametrize(
    ("text", "prompts"), [("ROMEO:\n", ["ROMEO:"]), ("a\n\nb\n\n", ["a\n\nb\n"]), ("", [""]), ("a\r\n", ["a"])]
)
def test_a_language_model_goes_on_from_all_of_standard_input(text, prompts, calls, monkeypatch):
    run_folder("runs/r")
    run = calls["run"][0]
    run.writes = True
    monkeypatch.setattr(sys, "stdin", piped(text))
    assert pellucid_command("predict", "r", "--json") == 0
    assert pellucid_command("predict", "r", "--json", "--text", "x") == 0
    assert run.asked == [([], prompts), ([], ["x"])]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json", ".jsonl"])
def test_predict_writes_a_table(ending, calls, capsys):
    run_folder("runs/r")
    assert pellucid_command("predict", "r", "a.png", "--out", f"new/out{ending}") == 0
    place = Path(f"new/out{ending}")
    if ending in (".json", ".jsonl"):
        text = place.read_text()
        assert (json.loads(text) if ending == ".json" else [json.loads(line) for line in text.splitlines()]) == ROWS
    else:
        table = pl.read_csv(place) if ending == ".csv" else pl.read_parquet(place)
        assert table.columns == ["input", "label", "probability", "p_cat", "p_dog"]
        assert table["p_dog"].to_list() == [0.1, 0.6]
        assert table["input"].to_list() == ["a.png", "b, c.png"]
    assert os.listdir("new") == [place.name]


def test_predict_says_which_inputs_failed(calls, capsys):
    run_folder("runs/r")
    calls["run"][0].rows = [ROWS[0], {"input": "c.png", "error": "c.png: not an image"}]
    assert pellucid_command("predict", "r", "a.png", "c.png") == 1
    shown = capsys.readouterr()
    assert "c.png\terror: c.png: not an image\n" in shown.out
    assert shown.err == "✗ 1 of 2 inputs could not be predicted: c.png: not an image\n"


def test_predictions_on_a_terminal():
    out = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    numbers = [
        {"input": "new.csv, line 2", "value": 326.5, "low": 300.0, "high": 353.0},
        {"input": "new.csv, line 3", "x": {"value": 1.0, "low": math.nan, "high": math.nan}, "y": {"value": 2.0}},
    ]
    show_predictions.show_predictions([*ROWS, *numbers, {"input": "z.png", "error": "empty"}], out)
    shown = out.file.getvalue()
    assert "90.0% █████████ " in shown
    assert "dog 10.0%" in shown
    assert "326.5 (300 to 353)" in shown
    assert "x 1" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_texts_that_are_cut_off_are_told_from_others_on_a_terminal(capsys):
    out = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    texts = [{"input": one, "value": one * 3, "confidence": 0.5, "cut_off": cut} for one, cut in (("a", 12), ("b", 0))]
    show_predictions.show_predictions(texts, out)
    first, second = [line for line in out.file.getvalue().splitlines() if line.strip()]
    assert "cut off at 12 tokens" in first
    assert "cut off" not in second
    show_predictions.print_rows(texts)
    assert capsys.readouterr().out == "a\taaa\nb\tbbb\n"


def test_many_predictions_are_cut_on_a_terminal_only(capsys):
    out = Console(file=io.StringIO(), force_terminal=True, width=80, highlight=False)
    show_predictions.show_predictions(ROWS * 40, out)
    assert "and 30 more" in out.file.getvalue()
    show_predictions.print_rows(ROWS * 40)
    assert capsys.readouterr().out.count("\n") == 80


# --- progress ----------------------------------------------------------------------------------------------------


def test_braille_draws_the_line():
    rising = progress.braille_line([(0, 0), (1, 1)], end=1, width=4, height=2)
    assert rising == ["⠀⠀⣠⠞", "⣠⠞⠁⠀"]
    half = progress.braille_line([(0, 1), (1, 1)], end=2, width=4, height=1)
    assert half == ["⠉⠉⠁⠀"]  # half of the time is over, and so is half of the line
    assert progress.braille_line([(0, 1), (1, math.nan), (2, 2)], end=1, width=4, height=1)


@pytest.mark.parametrize("width", [80, 100])
def test_screen_fits_and_tells(width, monkeypatch):
    out = Console(file=io.StringIO(), force_terminal=True, width=width, height=40, color_system=None)
    ear = progress.Screen(out)
    with ear:
        tell(ear)
    last = Console(file=io.StringIO(), width=width)
    last.print(progress.live_block(ear, ear.progress, width, ear.total))
    shown = last.file.getvalue()
    assert "100% in 2 s" in shown
    assert "epoch 10.0   step 200 of 200   900 examples a second" in shown
    assert "validation accuracy 0.982" in shown
    assert max(map(len, shown.splitlines())) <= width
    whole = out.file.getvalue()
    assert "200 images decoded" in whole
    assert whole.count("as much as 20 s allow") == 1, "what the plan says is not said again"
    assert "schedule" not in whole
    verbose = progress.Screen(Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None))
    verbose.verbose = True
    with verbose:
        tell(verbose)
    assert "  step 100: schedule 1,200 steps, 2 steps a second" in verbose.console.file.getvalue()


class LongPlan(FakePlan):
    def lines(self) -> list[tuple[str, str, str]]:
        names = ("predict", "network", "batch size", "learning rate", "budget", "device", "size", "reference")
        return [(name, f"of {name}", "why not") for name in names]


def test_a_plan_is_five_lines_and_the_rest_on_request():
    shown = {}
    for verbose in (False, True):
        ear = progress.Lines(Console(file=io.StringIO(), width=100))
        ear.verbose = verbose
        ear.planned(LongPlan())
        shown[verbose] = ear.console.file.getvalue()
    assert [line.split("  ")[1].strip() for line in shown[False].splitlines() if "why not" in line] == [
        "predict", "network", "budget", "size", "reference"
    ]  # fmt: skip
    assert "3 more with --verbose, and in the report" in shown[False]
    assert shown[True].count("why not") == 8
    assert "more with" not in shown[True]


def test_an_early_end_is_said_in_english():
    decision = {"step": 1440, "name": "stopped improving", "value": True, "reason": "the loss has not improved"}
    assert progress.decision_line(decision) == "step 1,440: the loss has not improved, so the learning rate cools down"


def test_levels_are_told_apart_on_a_terminal_by_colour_and_elsewhere_by_sign():
    for terminal in (True, False):
        out = Console(file=io.StringIO(), force_terminal=terminal, color_system="standard" if terminal else None)
        for level in ("info", "warning", "error"):
            progress.Lines(out).show_sentence(Remark(f"a remark, {level}", level))
        info, warning, error = out.file.getvalue().splitlines()
        assert ("\x1b[33m" in warning, "\x1b[31m" in error) == (terminal, terminal)
        assert ("!" in warning, "✗" in error, "!" in info) == (True, True, False)


def test_one_line_where_several_columns_have_the_same_note():
    notes = [Note("info", "left out: all the same", f"column '{name}'") for name in "abc"]
    notes.insert(1, Note("info", "left out: all the same", "row 7"))
    out = Console(file=io.StringIO(), width=100)
    show_data.note_lines(notes, out)
    assert " ".join(out.file.getvalue().split()) == (
        "· columns 'a', 'b' and 'c': left out: all the same · row 7: left out: all the same"
    )
    many = [Note("warning", "x", f"column '{i}'") for i in range(30)]
    assert [note.where for note in join_notes(many)] == ["columns '0', '1', '2', '3', '4' and 25 more"]


def test_screen_draws_seldom(monkeypatch):
    drawn = []
    ear = progress.Screen(Console(file=io.StringIO(), force_terminal=True))
    monkeypatch.setattr(ear, "_redraw", lambda: drawn.append(setattr(ear, "drawn", time.monotonic())))
    for i in range(1000):
        ear.stepped(Progress(i, 1000, 0.1, i / 100, 1.0, 10.0, 1.0, "hold"))
    assert 1 <= len(drawn) <= 2


def test_plain_lines_are_few_without_a_terminal():
    out = Console(file=io.StringIO())
    ear = progress.Lines(out)
    with ear:
        tell(ear)
    shown = out.file.getvalue()
    assert shown.count("examples/s") == 1
    assert "step 0 of 200" in shown
    assert "\x1b" not in shown


def test_the_display_fits_the_terminal(monkeypatch):
    assert isinstance(progress.choose_display(True, False), progress.JsonLines)
    assert isinstance(progress.choose_display(False, True), progress.Silent)
    assert isinstance(progress.choose_display(False, False), progress.Lines)  # pytest is no terminal


def test_unknown_time_left_comes_from_the_steps():
    ear = progress.Silent()
    ear.stepped(Progress(25, 100, 1.0, 10.0, math.inf, 1.0, 1.0, "hold"))
    assert ear.expected_end == pytest.approx(40)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59.6, "1 min 00 s"), (252, "4 min 12 s"), (3720, "1 h 02 min")]
)
def test_durations(seconds, said):
    assert console.clock_duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0.4123, "0.412"), (12.34, "12.3"), (18823, "18,823"), (0, "0.000"), (3.1e-5, "3.1e-05")]
)
def test_short_readings(value, said):
    assert console.short_number(value) == said


def test_several_files_are_one_table(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """As the shell makes of ``part*.csv``; and the run that comes of it can be used."""
    head, *rows = table.read_text().splitlines()
    for name, part in (("part1.csv", rows[:60]), ("part2.csv", rows[60:])):
        (tmp_path / name).write_text("\n".join([head, *part]))
    monkeypatch.chdir(tmp_path)
    parts = ["part1.csv", "part2.csv"]
    assert pellucid_command("train", *parts, "--target", "label", "--steps", "4", "--name", "both") == 0
    assert "120 rows" in "".join(capsys.readouterr())
    assert pellucid_command("resume", "both", "--more", "2 steps") == 0
    assert pellucid_command("evaluate", "both", *parts) == 0
    assert "trained on most of this" in " ".join("".join(capsys.readouterr()).split())
