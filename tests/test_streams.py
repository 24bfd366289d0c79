"""What is printed survives any encoding of the stream, and JSON is UTF-8 in all of them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pellucid.cli.console import make_console, plain_grid
from pellucid.cli.streams import PLAIN, plain_sign

CLASSES = ("größer", "小さい", "kleiner–gleich")


def command(*args: str, folder: Path, encoding: str) -> subprocess.CompletedProcess[bytes]:
    own = {"PYTHONIOENCODING": encoding, "PELLUCID_CACHE": str(folder / "cache"), "PYTHONUTF8": "0"}
    return subprocess.run(
        [sys.executable, "-m", "pellucid", *args], cwd=folder, env=os.environ | own, capture_output=True, check=False
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of signs that few encodings have, and a run trained on it."""
    folder = tmp_path_factory.mktemp("signs")
    rows = [f"{i % 3}.{i % 7},{i % 5},{CLASSES[i % 3]}" for i in range(150)]
    (folder / "tö.csv").write_text("\n".join(["breite,höhe,größe", *rows]), encoding="utf-8")
    done = command(
        "train", "tö.csv", "--target", "größe", "--steps", "3", "--name", "r", folder=folder, encoding="ascii"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.isascii()
    assert done.stdout.isascii()
    return folder


@pytest.mark.parametrize(
    ("verb", "encoding"),
    [
        *(("read", encoding) for encoding in ("cp1252", "ascii", "latin-1", "cp437", "utf-8")),
        ("evaluate", "ascii"),
        ("predict", "cp1252"),
    ],
)
def test_every_verb_prints_in_every_encoding(trained: Path, verb: str, encoding: str) -> None:
    args = {"read": ("tö.csv", "--target", "größe")}.get(verb, ("r", "tö.csv"))
    done = command(verb, *args, folder=trained, encoding=encoding)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(encoding)
    assert not [line for line in shown.splitlines() if line != line.rstrip()], "no blanks at the ends of lines"
    if verb == "read":
        assert ("größer" if encoding != "ascii" else r"gr\xf6\xdfer") in shown
        assert ("小さい" if encoding == "utf-8" else r"\u5c0f\u3055\u3044") in shown
        assert ("kleiner–gleich" if encoding in ("utf-8", "cp1252") else "kleiner-gleich") in shown
        # cp437 has a full block, the others don't.
        assert ("█" * 24 if encoding in ("utf-8", "cp437") else "#" * 24) in shown


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-16", "utf-8-sig", "utf-8"])
def test_json_is_utf_8_in_every_encoding(trained: Path, encoding: str) -> None:
    found = {}
    verbs = {"read": ("tö.csv", "--target", "größe")} | ({"predict": ("r", "tö.csv")} if encoding == "cp1252" else {})
    for verb, args in verbs.items():
        done = command(verb, *args, "--json", folder=trained, encoding=encoding)
        assert done.returncode == 0, done.stderr
        found[verb] = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
        assert done.stdout.isascii() == (encoding in ("cp1252", "ascii"))
    assert set(found["read"][-1]["classes"]) == set(CLASSES)
    assert {row["label"] for row in found.get("predict", ())} <= set(CLASSES)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_errors_are_said_in_every_encoding(trained: Path, encoding: str) -> None:
    done = command("read", "schön小.csv", folder=trained, encoding=encoding)
    assert done.returncode == 1
    said = done.stderr.decode(encoding)
    name = "schön" if encoding == "cp1252" else r"sch\xf6n"
    assert f"x {name}" + r"\u5c0f.csv: there is no such file" in said


@pytest.mark.parametrize(
    ("sign", "plain"),
    [
        ("…", "..."),
        ("é", r"\xe9"),
        ("\u2800", " "),
        ("⠉", "'"),
        ("⣀", "."),
        ("⣿", ":"),
        ("😀", r"\U0001f600"),
        ("a", "a"),
    ],
)
def test_plain_signs(sign: str, plain: str) -> None:
    assert plain_sign(sign) == plain


def test_plain_signs_are_ascii() -> None:
    assert "".join(PLAIN.values()).isascii()
    assert not "".join(PLAIN).isascii()


def test_tables_in_a_pipe_have_no_blanks_at_the_ends_of_lines() -> None:
    stream = io.StringIO()
    table = plain_grid()
    for cells in (("a", "long one"), ("b", "")):
        table.add_row(*cells)
    out = make_console(stream)
    out.print(table)
    out.print("inner   blanks   stay  ")
    assert stream.getvalue() == "a  long one\nb\ninner   blanks   stay\n"
