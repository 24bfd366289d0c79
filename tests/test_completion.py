"""Shells complete commands, options, their values, runs and files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pellucid.cli import exit_code
from pellucid.cli.completion import SHELLS


def complete(*words: str, folder: Path) -> list[tuple[str, str]]:
    """What bash is answered: the type and the value of each completion of the last word."""
    own = {"_PELLUCID_COMPLETE": "bash_complete", "COMP_WORDS": "\n".join(words).replace("\n", " "),
           "COMP_CWORD": str(len(words) - 1)}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pellucid"], cwd=folder, env=os.environ | own, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [tuple(line.split(",", 1)) for line in done.stdout.splitlines() if line]  # type: ignore[misc]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("digits", "wine"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("pellucid", "re"), ["read", "resume", "report"]),
        (("pellucid", "train", "x", "--split-"), ["--split-seed"]),
        (("pellucid", "train", "x", "--network", "m"), ["mingru", "mlp"]),
        (("pellucid", "train", "x", "--augment", "mirror,s"), ["mirror,shift", "mirror,speed"]),
        (("pellucid", "train", "x", "--kind", "zip=c"), ["zip=category"]),
        (("pellucid", "train", "x", "--kind", "zip"), []),
        (("pellucid", "compare", "x", "--networks", "mlp,c"), ["mlp,cnn"]),
        (("pellucid", "predict", "w"), ["wine"]),
        (("pellucid", "train", "--like", "d"), ["digits"]),
        (("pellucid", "sample", "ir"), ["iris"]),
        (("pellucid", "nonsense", "x", "--t"), []),
        (("pellucid", "train", "--seed", "nonsense", "--netw"), ["--network"]),
    ],
)
def test_what_is_offered(typed: tuple[str, ...], offered: list[str], place: Path) -> None:
    found = complete(*typed, folder=place)
    assert sorted(value for kind, value in found if kind == "plain") == sorted(offered)


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        (("pellucid", "train", "ph"), "file"),
        (("pellucid", "predict", "wine", "ph"), "file"),
        (("pellucid", "predict", "wine", "--out", "ph"), "file"),
        (("pellucid", "evaluate", "ru"), "dir"),
        (("pellucid", "train", "x", "--out", "ru"), "dir"),
    ],
)
def test_files_are_left_to_the_shell(typed: tuple[str, ...], kind: str, place: Path) -> None:
    assert (kind, typed[-1]) in complete(*typed, folder=place)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_asks_and_is_answered(shell: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["--show-completion", shell], 0) == 0
    script = capsys.readouterr().out
    assert f"{shell}_complete" in script
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here")
    command = place / "bin" / "pellucid"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pellucid "$@"\n')
    command.chmod(0o755)
    (place / "script").write_text(script)
    ask = {
        "bash": "source ./script; COMP_WORDS=(pellucid tra); COMP_CWORD=1; _pellucid_completion pellucid;"
        ' echo "${COMPREPLY[@]}"; complete -p pellucid',
        "zsh": "autoload -Uz compinit && compinit -u -d zcompdump; source ./script; which _pellucid_completion"
        " >/dev/null && echo $_comps[pellucid] && COMP_WORDS='pellucid tra' COMP_CWORD=1"
        " _PELLUCID_COMPLETE=zsh_complete pellucid",
        "fish": "source script; complete -C 'pellucid tra'",
    }[shell]
    environment = os.environ | {"PATH": f"{command.parent}:{os.environ['PATH']}", "HOME": str(place)}
    done = subprocess.run([shell, "-c", ask], cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert "train" in done.stdout.split(), done.stderr


def test_the_shell_is_the_one_in_use(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert exit_code(["--show-completion"], 0) == 0
    assert "fish_complete" in capsys.readouterr().out
    assert exit_code(["--show-completion", "tcsh"], 0) == 2
    assert "Unknown shell 'tcsh'. Known: bash, zsh, fish" in capsys.readouterr().err
