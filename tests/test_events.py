"""Everything that ``--json`` prints and listeners hear has its line in docs/events.md."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pellucid
from pellucid.cli import exit_code
from pellucid.training.listeners import Progress

PAGE = (Path(__file__).parents[1] / "docs" / "events.md").read_text()


def described(section: str) -> set[str]:
    """The fields that a section of the page describes: the code in the first cells of its tables."""
    part = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", part, re.M)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def flatten(value: Any, path: str = "") -> Iterator[str]:
    """The path of everything in a JSON value, of an item of a list with ``[]``."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from flatten(inner, f"{path}[]")


def is_described(path: str, known: set[str]) -> bool:
    """Whether a path is one of ``known``, in which ``*`` stands for a name of the data's; ``**`` for all below."""
    forms = (re.escape(one).replace(r"\*\*", ".*").replace(r"\*", r"[^\[\]]+") for one in known)
    return any(re.fullmatch(form, path) for form in forms)


TABLES = {
    "classes": ("label", lambda i: ("yes", "no", "maybe")[i % 3]),
    "amounts": ("price", lambda i: f"{100 * (i % 11) + i * 0.37:.2f}"),
    "tags": ("tags", lambda i: ("cat; dog", "dog", "cat")[i % 3]),
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What every verb prints with ``--json``, by the section of the page that describes it."""
    folder, found = tmp_path_factory.mktemp("events"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, (target, value) in TABLES.items():
            rows = [f"{i % 7}.5,{i % 13},{('red', 'blue')[i % 2]},{value(i)}" for i in range(160)]
            Path(f"{name}.csv").write_text("\n".join([f"width,height,colour,{target}", *rows, "9,9,red,"]) + "\n")
        for name, (target, _) in TABLES.items():
            table = f"{name}.csv"
            about = ["--target", target, "--steps", "4"]
            for section, args in {
                "pellucid read": ["read", table, "--target", target],
                "pellucid train, resume and compare": ["train", table, *about, "--name", name],
                "pellucid evaluate": ["evaluate", name, table],
                "pellucid predict": ["predict", name, table],
            }.items():
                found.setdefault(section, []).extend(json_lines(args))
        more: dict[str, list[list[str]]] = {
            "pellucid train, resume and compare": [
                ["resume", "classes", "--more", "2 steps"],
                ["train", "classes.csv", "--target", "label", "--budget", "4s", "--name", "timed"],
                ["compare", "classes.csv", "--target", "label", "--networks", "mlp,cnn", "--steps", "2", "--name", "c"],
            ],
            "pellucid runs": [["runs"]],
            "Errors": [["read", "nowhere.csv"], ["train", "classes.csv", "--seed", "x"], ["train", "--nonsense"]],
            "pellucid train --plan-only": [["train", "amounts.csv", "--target", "price", "--plan-only"]],
        }
        for section, commands in more.items():
            for args in commands:
                found.setdefault(section, []).extend(json_lines(args))
    return found


def json_lines(args: list[str]) -> list[dict[str, Any]]:
    from contextlib import redirect_stdout
    from io import StringIO

    with redirect_stdout(StringIO()) as out:
        exit_code([*args, "--json"], started=0.0)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_every_field_that_is_sent_is_described(lines: dict[str, list[dict[str, Any]]]) -> None:
    missing = {
        (section, path)
        for section, sent in lines.items()
        for line in sent
        for path in flatten(line)
        if not is_described(path, described(section))
    }
    assert sorted(missing) == []


def test_the_last_line_says_how_it_ended(lines: dict[str, list[dict[str, Any]]]) -> None:
    codes = [line["exit_code"] for line in lines["Errors"]]
    assert codes == [1, 2, 2]
    assert lines["Errors"][0]["where"] == "nowhere.csv"
    assert lines["Errors"][2]["message"].startswith("No such option '--nonsense'")
    assert lines["Errors"][2]["fix"] == "pellucid train --help lists what there is"
    results = [line for line in lines["pellucid train, resume and compare"] if "event" not in line]
    assert [("comparison" in line, "run" in line) for line in results] == [(False, True)] * 5 + [(True, False)]


def test_runs_are_listed_as_they_ended(lines: dict[str, list[dict[str, Any]]]) -> None:
    found = {one["name"]: one for one in lines["pellucid runs"]}
    assert set(found) == {
        "classes", "amounts", "tags", "timed", "c-compare"
    }  # fmt: skip
    assert found["amounts"]["target"] == "price"
    assert found["classes"]["steps"] == 6
    results = {
        Path(line["run"]).name: line for line in lines["pellucid train, resume and compare"] if "parameters" in line
    }
    for name in ("amounts", "tags", "timed"):
        assert found[name]["status"] == "finished"
        for field in ("metric", "value", "low", "high", "baseline", "steps"):
            assert found[name][field] == results[name][field]


def test_events_are_those_that_listeners_have(lines: dict[str, list[dict[str, Any]]]) -> None:
    methods = {name: one for name, one in vars(pellucid.Listener).items() if inspect.isfunction(one)}
    page = PAGE.split("\n## Listeners\n")[1]
    rows = dict(re.findall(r"^\| `(\w+)\(([^)]*)\)`", page, re.M))
    assert {name: ", ".join(list(inspect.signature(one).parameters)[1:]) for name, one in methods.items()} == rows
    sent = {line["event"] for line in lines["pellucid train, resume and compare"] if "event" in line}
    assert sent == {"read", *methods} - {"stepped", "finished"}
    stepped = re.search(r"^\| `stepped\(progress\)` \|(.*)\|$", page, re.M)
    assert stepped
    assert re.findall(r"`(\w+)`", stepped[1]) == list(inspect.signature(Progress).parameters)


@pytest.mark.parametrize(
    ("path", "known", "is_one"),
    [
        ("classes.yes", {"classes.*"}, True),
        ("classes.a.b", {"classes.*"}, True),
        ("classes", {"classes.*"}, False),
        ("a[].b", {"a[].*"}, True),
        ("a[]", {"a.*"}, False),
        ("plan.x.y[]", {"plan.**"}, True),
        ("planned", {"plan.**"}, False),
    ],
)
def test_paths_are_compared_strictly(path: str, known: set[str], is_one: bool) -> None:
    assert is_described(path, known) == is_one
