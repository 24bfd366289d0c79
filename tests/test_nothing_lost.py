"""Nothing of the user's is lost: no command changes, removes or replaces what is not ours, whatever lies around it."""

from __future__ import annotations

import os
import random
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import picture

import pellucid
from pellucid.cli import exit_code
from pellucid.cli import output_file as output
from pellucid.data.cache.cache_folder import is_marked
from pellucid.errors import PellucidError
from pellucid.runs.prediction_file import write_file


class Answers(list):
    """Something to write: all that a writer asks of predictions."""

    def to_frame(self, library: str) -> pl.DataFrame:
        return pl.DataFrame(self)


ANSWER = Answers([{"input": "a", "value": 1.5}])

TRAIN = ("--steps", "2", "--size", "0", "--quiet", "--no-reference")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, table: Path, photos: Path) -> Path:
    """A folder with two runs, ``table`` and ``photos``, and a comparison."""
    place = tmp_path_factory.mktemp("runs")
    for name, source in (("table", table), ("photos", photos)):
        assert exit_code(["train", str(source), *TRAIN, "--out", str(place), "--name", name], 0.0) == 0
    words = ["--networks", "mlp", "--out", str(place), "--name", "table"]
    assert exit_code(["compare", str(table), *TRAIN, *words], 0.0) == 0
    return place


@pytest.fixture
def place(tmp_path: Path, runs: Path, table: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, which is the current one: runs, a table, photos, and links to them."""
    shutil.copytree(runs, tmp_path / "runs")
    shutil.copy2(table, tmp_path / "d.csv")
    shutil.copytree(photos, tmp_path / "photos")
    shutil.copy2(table, tmp_path / "photos" / "old.csv")
    (tmp_path / "other.csv").write_text("mine\n")
    os.link(tmp_path / "d.csv", tmp_path / "hard.csv")
    (tmp_path / "soft.csv").symlink_to("d.csv")
    (tmp_path / "nowhere.csv").symlink_to("gone.csv")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "same").symlink_to("photos")
    (tmp_path / "run").symlink_to("runs/table")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "x.csv").write_text("a,b\n1,2\n")
    (tmp_path / "photos" / "far").symlink_to("../far")
    monkeypatch.chdir(tmp_path)
    return tmp_path


INPUT = "{out}: it is one of the inputs, and would be overwritten\n  write to another file"
RUN = "{out}: it is inside a run's folder\n  write it to another folder"
LINK = "{out}: it is a link to '{to}', and nothing is written through links\n  name the file itself"
INSIDE = (
    "{out}: it is in '{to}', which is predicted from, and would be read as an input next time\n"
    "  write it to another folder"
)
THERE = "{out}: there is a file of this name already\n  choose another name, or have it replaced with --force"
REFUSED = [
    ("table", "d.csv", "d.csv", INPUT, ""),
    ("table", "d.csv", "./photos/../d.csv", INPUT, ""),
    ("table", "d.csv", "hard.csv", INPUT, ""),
    ("table", "soft.csv", "d.csv", INPUT, ""),
    ("table", "d*.csv", "d.csv", INPUT, ""),
    ("table", "d.csv", "soft.csv", LINK, "d.csv"),
    ("table", "d.csv", "nowhere.csv", LINK, "gone.csv"),
    ("table", "d.csv", "folder.csv", "{out}: it is a folder\n  name a file", ""),
    ("table", "d.csv", "pipe.csv", "{out}: it is not a file but a pipe, a socket or a device\n  name a file", ""),
    ("table", "d.csv", "runs/table/predictions.parquet", RUN, ""),
    ("table", "d.csv", "runs/table/new.csv", RUN, ""),
    ("table", "d.csv", "runs/table/new/er.csv", RUN, ""),
    ("table", "d.csv", "run/new.csv", RUN, ""),
    ("table", "d.csv", "runs/photos/run.json", RUN, ""),
    ("table", "d.csv", "runs/table-compare/comparison.json", RUN, ""),
    ("table", "d.csv", "runs/table-compare/new.csv", RUN, ""),
    ("photos", "photos", "photos/new.csv", INSIDE, "photos"),
    ("photos", "photos", "photos/above/new.csv", INSIDE, "photos"),
    ("photos", "photos", "same/new.csv", INSIDE, "photos"),
    ("photos", "same", "photos/new.csv", INSIDE, "same"),
    ("photos", "photos", "photos/old.csv", INPUT, ""),
    ("photos", "photos", "far/x.csv", INPUT, ""),
    ("photos", ".", "new.csv", INSIDE, "."),
]  # fmt: skip


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(("run", "source", "out", "said", "to"), REFUSED, ids=lambda word: word[:30])
def test_predictions_never_replace_an_input_or_lie_in_a_run(
    run: str, source: str, out: str, said: str, to: str, force: bool, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not replacing was asked for, and before anything is predicted."""
    monkeypatch.setattr(pellucid, "load", None)
    before = picture(place)
    with pytest.raises(PellucidError) as error:
        output.check_output(out, run, [source], force)
    assert str(error.value) == said.format(out=out, to=to)
    assert exit_code(["predict", run, source, "--out", out, *["--force"] * force], 0.0) == 1
    assert picture(place) == before


def test_another_file_is_replaced_only_when_asked_for(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "other.csv").chmod(0o600)
    before = picture(place)
    words = ["predict", "table", "d.csv", "--out", "other.csv"]
    assert exit_code(words, 0.0) == 1
    assert capsys.readouterr().err == f"✗ {THERE.format(out='other.csv')}\n"
    assert picture(place) == before
    assert exit_code([*words, "--force"], 0.0) == 0
    assert picture(place, ours=lambda path: path.name == "other.csv") == {
        name: what for name, what in before.items() if name != "other.csv"
    }
    assert pl.read_csv(place / "other.csv").height == 120
    assert (place / "other.csv").stat().st_mode & 0o777 == 0o600


def test_force_without_a_file_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["predict", "table", "d.csv", "--force"], 0.0) == 2
    assert capsys.readouterr().err == ("✗ --force needs --out\n  add --out FILE\n")


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("came", ["a file", "a link"])
def test_a_file_that_comes_while_predicting_is_not_replaced(
    came: str, links: bool, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(95, "Operation not supported")))
    path = output.check_output("new.csv", "table", ["d.csv"], False)
    path.write_text("mine\n") if came == "a file" else path.symlink_to("other.csv")
    before = picture(place)
    with pytest.raises(PellucidError) as error:
        write_file([ANSWER], path, replace=False)
    assert str(error.value) == THERE.format(out="new.csv")
    assert picture(place) == before


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_written_whole_and_alone(
    force: bool, links: bool, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(95, "Operation not supported")))
    before = picture(place)
    write_file([ANSWER], place / "deep" / "new.csv", replace=force)
    assert (place / "deep" / "new.csv").read_text() == "input,value\na,1.5\n"
    assert os.listdir(place / "deep") == ["new.csv"]
    assert (place / "deep" / "new.csv").stat().st_nlink == 1
    assert picture(place, ours=lambda path: path.name == "deep") == before


def test_a_link_that_comes_while_predicting_is_not_written_through(place: Path) -> None:
    (place / "new.csv").symlink_to("other.csv")
    write_file([ANSWER], place / "new.csv", replace=True)
    assert (place / "other.csv").read_text() == "mine\n"


# -- runs and comparisons --------------------------------------------------------------------------------------------


def test_a_run_and_a_comparison_spare_each_other(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = picture(place)
    assert exit_code(["train", "d.csv", *TRAIN, "--name", "table-compare"], 0.0) == 1
    assert capsys.readouterr().err.endswith(
        "✗ runs/table-compare: there is a comparison here already\n  choose another --name\n"
    )
    shutil.copytree("runs/table", "runs/other-compare")
    after = picture(place)
    assert exit_code(["compare", "d.csv", *TRAIN, "--networks", "mlp", "--name", "other"], 0.0) == 1
    assert capsys.readouterr().err.endswith(
        "✗ runs/other-compare: there is a run here already\n  choose another --name\n"
    )
    assert picture(place) == after
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("link", ["runs/d-dense", "runs/d-compare"])
def test_a_link_to_nowhere_keeps_its_name(link: str, place: Path) -> None:
    (place / link).symlink_to("gone")
    before = picture(place)
    verb = ("train", "--network", "mlp") if link.endswith("dense") else ("compare", "--networks", "mlp")
    assert exit_code([verb[0], "d.csv", *verb[1:], *TRAIN], 0.0) == 0
    new = {"d-dense-2", "d-2-compare"}
    assert picture(place, ours=lambda path: path.name in new) == before
    assert len(new & set(os.listdir("runs"))) == 1


@pytest.mark.parametrize("kind", ["photos", "tables"])
def test_what_was_made_of_data_is_no_data(kind: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training in the folder of the data, twice, with the cache there too."""
    data = place / "photos"
    if kind == "tables":
        data = place / "tables"
        data.mkdir()
        for name in ("a", "b"):
            shutil.copy2(place / "d.csv", data / f"{name}.csv")
    monkeypatch.chdir(data)
    monkeypatch.setenv("PELLUCID_CACHE", ".")
    shutil.copytree(place / "runs" / "table-compare", data / "earlier")
    before = picture(data)
    alone = pellucid.read(data, cache=False)
    for name in ("one", "two"):
        assert exit_code(["train", ".", *TRAIN, "--name", name], 0.0) == 0
    assert exit_code(["resume", "one", "--more", "1steps", "--quiet"], 0.0) == 0
    assert exit_code(["predict", "one", ".", "--out", "../new.csv"], 0.0) == 0
    again = pellucid.read(data)
    assert again.fingerprint() == alone.fingerprint()
    assert again.content_digest() == alone.content_digest()
    assert picture(data, ours=lambda path: path.name in ("runs", "pellucid-cache")) == before
    if kind == "photos":
        left = "4 folders that Pellucid made are left out (earlier, pellucid-cache, runs/one and 1 more)"
        assert left in [note.text for note in pellucid.read(data, cache=False).notes]


# -- any tree --------------------------------------------------------------------------------------------------------

DRAFT, PIECES, KEY = ".0123456789abcdef-4711-0123abcd", "4711-0123456789ab", "ab" * 32
OLD = 10**15  # nanoseconds: 1970
AREAS = {  # where something may lie, and under what names: our own, nearly our own, and others
    ("h/ab", "h/ab", "h/cd", "h/pellucid-cache/ab"): [
        DRAFT, f"{DRAFT}-old", f"{DRAFT}-older", ".0123456789abcdef-4711-0123abc", ".abcd-1-2", ".git", KEY, PIECES,
    ],
    ("h/spool", "h/pellucid-cache/spool"): [PIECES, f"{PIECES}0", DRAFT, "mail"],
    ("h", "h", "h/pellucid-cache", f"h/ab/{KEY}"): [
        "ab", "cd", "ml", "spool", "CACHEDIR.TAG", ".marker-1-0123abcd", "notes.txt", "x.npy", "index.json", DRAFT,
    ],
    ("runs", "."): ["d-dense", "d-compare", "d", "trial-compare", "two", "new.csv", ".new.csv.4711", ".hidden"],
    ("runs/one", "runs/one/checkpoints"): [
        ".new-idea.txt", ".new-1-run.json", ".new-1-report.html", "notes.txt", "00000001.safetensors.bak",
    ],
    ("data", "data/photos", "data/photos/above", "data/photos/c"): ["x.csv", "a", ".git", "0.png", "new.csv", DRAFT],
}  # fmt: skip
THINGS = [
    "file", "folder", "folder of files", "folder of folders", "draft", "pieces", "link to a file", "link to a folder",
    "link outside", "link to nowhere", "link to itself", "link up", "hard link", "pipe",
]  # fmt: skip
MANY = 30  # things planted in a tree
COMMANDS = [
    ["read", "data/d.csv"],
    ["read", "data/photos"],
    ["train", "data/d.csv", *TRAIN, "--name", "two"],
    ["train", "data/d.csv", *TRAIN],
    ["predict", "one", "data/d.csv", "--out", "new.csv"],
    ["compare", "data/d.csv", *TRAIN, "--networks", "mlp", "--name", "trial"],
    ["resume", "one", "--more", "1steps", "--quiet"],
]


def drawn_plants(seed: int) -> list[tuple[str, str, str, bool]]:
    """Where to put what, under which name, and whether it is old; drawn evenly, which hypothesis does not."""
    rng = random.Random(seed)
    found = []
    for _ in range(rng.randint(0, MANY)):
        places, names = rng.choice(list(AREAS.items()))
        found.append((rng.choice(places), rng.choice(names), rng.choice(THINGS), rng.random() < 0.8))
    return found


def plant(root: Path, place: str, name: str, thing: str, old: bool) -> None:
    """Put one thing into a tree, where nothing is."""
    path = root / "home" / place / name
    if os.path.lexists(path) or not os.path.realpath(path.parent).startswith(f"{root}/home"):
        return
    if any(os.path.lexists(one) and not os.path.isdir(one) for one in path.parents):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    links = {
        "link to a file": "/".join([".."] * place.count("/") + ["../data/d.csv"]),
        "link to a folder": str(root / "home" / "data"),
        "link outside": str(root / "outside"),
        "link to nowhere": "gone",
        "link to itself": name,
        "link up": "..",
    }
    inside = {"folder of files": "notes.txt", "draft": "x.npy", "pieces": "1.arrow", "folder of folders": "x/y"}
    if thing in links:
        path.symlink_to(links[thing])
    elif thing == "hard link":
        os.link(root / "outside" / "x.csv", path)
    elif thing == "pipe":
        os.mkfifo(path)
    elif thing == "file":
        path.write_text("mine\n")
    else:
        path.mkdir()
        if thing in inside:
            (path / inside[thing]).parent.mkdir(exist_ok=True)
            (path / inside[thing]).write_text("mine\n")
    if old:
        os.utime(path, ns=(OLD, OLD), follow_symlinks=False)


def may_go(name: str, before: Mapping[str, tuple[Any, ...]], caches: list[str]) -> bool:
    """Whether a thing that was there may be changed or removed: what is half-written and ours, and a run's own files.

    Args:
        before: what was there. caches: folders that carry our marker.
    """
    own = r"(run|history|manifest)\.jsonl?|(history|predictions|suspects)\.parquet|report\.html|\.lock"
    own += r"|weights\.safetensors"
    half = r"(checkpoints/)?\.new-1-\w+\.(json|html)"
    if re.fullmatch(rf"runs/one/({own}|{half}|checkpoints/\d{{8}}\.safetensors)", name):
        return stat.S_ISREG(before[name][0])
    inner = next((name.removeprefix(f"{cache}/") for cache in caches if name.startswith(f"{cache}/")), "")
    found = re.match(rf"[0-9a-f]{{2}}/{re.escape(DRAFT)}(-old)?(?=/|$)|spool/{PIECES}(?=/|$)", inner)
    if not found:
        return False
    top = name.removesuffix(inner) + found[0]
    form = r"\d+\.\w+" if found[0].startswith("spool") else r"index\.json|\w+\.npy"
    inside = {one.removeprefix(f"{top}/"): what for one, what in before.items() if one.startswith(f"{top}/")}
    plain = all(stat.S_ISREG(what[0]) and re.fullmatch(form, one) for one, what in inside.items())
    return stat.S_ISDIR(before[top][0]) and plain


def may_come(name: str, caches: list[str]) -> bool:
    """Whether a command may make a thing of this name where there was none."""
    runs = r"runs/(two|d-dense(-2)?|trial-compare)(/.*)?|runs/one/checkpoints/\d{8}\.safetensors|new\.csv|h"
    entries = r"CACHEDIR\.TAG|spool|[0-9a-f]{2}(/[0-9a-f]{64}(/(index\.json|\w+\.npy))?)?"
    own = [rf"{cache}(/({entries}))?" for cache in caches]
    return any(re.fullmatch(form, name) for form in (runs, *own))


def check_nothing_is_lost(root: Path, begun: bool, plants: list[Any], commands: list[list[str]]) -> None:
    """Plant, do, and hold what is there against what was there.

    Args:
        begun: whether the cache is one already when things are planted in it.
    """
    home, outside = root / "home", root / "outside"
    for name, file in ((DRAFT, "x.npy"), (PIECES, "1.arrow")):
        (outside / name).mkdir(parents=True)
        (outside / name / file).write_text("theirs\n")
        os.utime(outside / name, ns=(OLD, OLD))
    (outside / "x.csv").write_text("theirs\n")
    if begun:
        assert exit_code(["read", "data/d.csv"], 0.0) == 0
    for one in plants:
        plant(root, *one)
    before, theirs = picture(home), picture(outside, times=True)
    for command in commands:
        assert exit_code(command, 0.0) in (0, 1), command
    assert picture(outside, times=True) == theirs
    after = picture(home)
    caches = [name for name in ("h", "h/pellucid-cache") if is_marked(home / name)]
    mine = {name: what for name, what in before.items() if not may_go(name, before, caches)}
    assert {name: after.get(name) for name in mine} == mine
    assert [name for name in after if name not in before and not may_come(name, caches)] == []


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, table: Path, photos: Path) -> Path:
    """A home with data and a run of them."""
    home = tmp_path_factory.mktemp("template") / "home"
    (home / "data").mkdir(parents=True)
    shutil.copy2(table, home / "data" / "d.csv")
    for name in ("above", "below"):
        (home / "data" / "photos" / name).mkdir(parents=True)
        for i, file in enumerate(sorted((photos / name).iterdir())[:6]):
            shutil.copy2(file, home / "data" / "photos" / name / f"{i}.png")
    words = ["--out", str(home / "runs"), "--name", "one"]
    assert exit_code(["train", str(home / "data" / "d.csv"), *TRAIN, *words], 0.0) == 0
    return home


@pytest.fixture
def tried(template: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Does commands in a tree of its own."""

    def run(begun: bool, plants: list[Any], commands: list[list[str]]) -> None:
        with tempfile.TemporaryDirectory() as folder, monkeypatch.context() as patch:
            home = Path(os.path.realpath(folder)) / "home"
            shutil.copytree(template, home)
            patch.chdir(home)
            patch.setenv("PELLUCID_CACHE", str(home / "h"))
            check_nothing_is_lost(home.parent, begun, plants, commands)

    return run


def quick(examples: int) -> settings:
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks)


TREE = {"begun": st.booleans(), "seed": st.integers(0, 1 << 62)}


@quick(20)
@given(**TREE)
def test_reading_and_sweeping_change_nothing(tried: Callable[..., None], begun: bool, seed: int) -> None:
    tried(begun, drawn_plants(seed), COMMANDS[:2])


@quick(3)
@given(**TREE)
@pytest.mark.slow
def test_no_command_changes_anything(tried: Callable[..., None], begun: bool, seed: int) -> None:
    tried(begun, drawn_plants(seed), COMMANDS)


@pytest.mark.slow
@quick(60)
@given(**TREE)
def test_no_command_changes_anything_in_many_trees(tried: Callable[..., None], begun: bool, seed: int) -> None:
    tried(begun, drawn_plants(seed), COMMANDS)
