"""Shell completion: what a shell asks while a command is being typed, and the script that makes it ask."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from ..errors import UsageError, unknown_name
from ..options.types import Some, Text, ValueType, Written

SHELLS = ("bash", "zsh", "fish")

# Under which click's scripts ask: ``bash_complete`` and its kin.
VARIABLE = "_PELLUCID_COMPLETE"

# Where a shell looks for the script.
PLACES = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshrc",
    "fish": "~/.config/fish/completions/pellucid.fish",
}


class PathType(click.ParamType):
    """A file or a folder, which the shell completes by itself."""

    name = "path"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


class RunType(click.ParamType):
    """A run: a folder, or a name under ``runs``."""

    name = "run"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return complete_runs(incomplete)


class SampleType(click.ParamType):
    """The name of a sample."""

    name = "sample"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ..samples import SAMPLES

        return complete_words(tuple(SAMPLES), incomplete)


def complete_words(words: Sequence[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def complete_runs(incomplete: str) -> list[CompletionItem]:
    """Names under ``runs``, and folders."""
    names = sorted(found.parent.name for found in Path("runs").glob("*/run.json"))
    # First, because bash's script forgets what came before a folder.
    return [CompletionItem(incomplete, type="dir"), *complete_words(names, incomplete)]


def complete_value(kind: ValueType, name: str, incomplete: str) -> list[CompletionItem]:
    """What the value of an option may be, as far as its declaration says."""
    named = getattr(kind, "of", "")
    if named in ("path", "folder", "run"):
        own = {"path": "file", "folder": "dir"}
        return complete_runs(incomplete) if named == "run" else [CompletionItem(incomplete, type=own[named])]
    if isinstance(kind, Some | Written | Text) and kind.choices:
        words = (*getattr(kind, "instead", ()), *kind.choices)
        # After ``zip=`` come kinds, after ``mlp,`` other networks: what stands before stays.
        sign = {"kinds": "=", "networks": ","}.get(name, "," if isinstance(kind, Some) else "")
        before, found, last = incomplete.rpartition(sign) if sign else ("", "", incomplete)
        if sign == "=" and not found:
            return []
        return [CompletionItem(before + found + word) for word in words if word.startswith(last)]
    return []


def answer_shell(command: click.Command) -> int | None:
    """Answer a shell that asks for completions; the exit code, or None where none asks."""
    asked = os.environ.get(VARIABLE)
    if not asked:
        return None
    try:
        return shell_complete(command, {}, "pellucid", VARIABLE, asked)
    # Whatever is wrong with half a command, a traceback between its words helps nobody.
    except Exception:
        return 1


def completion_script(command: click.Command, shell: str) -> str:
    """The script that a shell is to read. Raises UsageError for a shell that is not known."""
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise UsageError(unknown_name("shell", name, SHELLS), fix="name it: pellucid --show-completion bash")
    made: Any = get_completion_class(name)
    asking = made(command, {}, "pellucid", VARIABLE)
    # Not ``source``, which starts a bash to ask for its version.
    text = asking.source_template % asking.source_vars()
    return f"# pellucid --show-completion {name} >> {PLACES[name]}\n{text.strip()}\n"
