"""What the user typed: click parameters made from the options, help pages, suggestions, runs found by name."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from glob import glob
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..errors import PellucidError, UsageError, unknown_name
from ..options import VERBS, Option
from .completion import complete_value

# Of a run; ``storage.names`` says so too, but loads NumPy, and help is to be there at once.
RECORD = "run.json"

# Photos or recordings that are tried, to name one that can be read.
MOST_TRIED = 20


class _Checked(click.ParamType):
    """A value that the option's own declaration reads."""

    def __init__(self, option: Option):
        self.option, self.name = option, option.metavar.lower() or "value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if self.option.many else self.option.check_value(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return complete_value(self.option.type, self.option.name, incomplete)


def _click_parameter(option: Option) -> click.Option:
    """Not given is None (or an empty tuple), so that a verb can tell it from the default."""
    usual = f"  [default: {option.usual_text}]" if option.usual_text else ""
    names, text = [option.spelling, option.name], option.help + usual
    if not option.metavar:
        return click.Option(names, is_flag=True, default=None, help=text)
    return click.Option(names, type=_Checked(option), multiple=option.many, metavar=option.metavar, help=text)


def typed_options(verb: str, values: dict[str, Any]) -> dict[str, Any]:
    """What the user typed out of ``values``, checked; options left out are missing, not None."""
    options = {option.name: option for option in VERBS[verb]}
    typed = {name: value for name, value in values.items() if value not in (None, ())}
    return {name: options[name].check_value(value) if options[name].many else value for name, value in typed.items()}


class Verb(click.Command):
    """One verb: its help page ends in examples that can be typed as they stand."""

    def __init__(self, name: str, run: Callable[..., Any], arguments: list[click.Argument], examples: str):
        # A verb is described once: its docstring is its help page.
        about = (run.__doc__ or "").strip()
        parameters = [*arguments, *(_click_parameter(option) for option in VERBS[name])]
        super().__init__(name, params=parameters, callback=run, help=about, short_help=about.splitlines()[0])
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write(_indent_block("Examples:", self.examples))


class Verbs(click.Group):
    """All verbs in the order they are used; a misspelt one is met with the one that was probably meant."""

    examples = ""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        # Half a command, of which a shell asks how it goes on, is no mistake yet.
        if args and args[0] not in self.commands and not ctx.resilient_parsing:
            raise UsageError(unknown_name("command", args[0], self.commands))
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write(_indent_block("Start here:", self.examples))


def _indent_block(title: str, block: str) -> str:
    return "\n".join([title, *(f"  {line.strip()}" for line in block.strip().splitlines())]) + "\n"


def find_run(word: str, records: Sequence[str] = (RECORD,), endings: Sequence[str] = ("",)) -> Path:
    """The run folder that ``word`` means: its path, or its name under ``runs``.

    A folder of data may have the name of a run, so what holds a record wins.

    Args:
        records: files one of which a folder has. endings: of its name, that may be left out.
    """
    places = [Path(word), *(Path("runs") / f"{word}{ending}" for ending in endings)]
    whole = [place for place in places if any(os.path.isfile(place / name) for name in records)]
    for place in (*whole, *filter(os.path.isdir, places)):
        return place
    known = sorted({found.parent.name for name in records for found in Path("runs").glob(f"*/{name}")})
    fix = "train one with: pellucid train DATA" if not known else None
    raise PellucidError(unknown_name("run", word, known) if known else f"there is no run '{word}'", fix=fix)


def example_input(
    data: str | list[str] | None, kinds: Sequence[str], readable: Callable[[str], bool] = os.path.isfile
) -> str:
    """Something to predict from that exists: of a folder of photos the first, else the data itself; or how far ahead.

    Args:
        kinds: of the fields that the network reads. A photo alone says nothing of a column beside it.
        readable: whether a photo or a recording can be predicted from: one that was left out as broken can't.
    """
    from ..fields import kind_named

    # A forecast follows what the run has seen; a language model goes on from a few words.
    if kinds and (kind_named(kinds[0]).moments or kind_named(kinds[0]).written):
        return kind_named(kinds[0]).try_it
    data = data[0] if isinstance(data, list) else data
    if data is None or not (os.path.exists(data) or glob(data, recursive=True)):
        return "INPUT"
    if os.path.isdir(data) and len(kinds) == 1 and kind_named(kinds[0]).suffixes:
        suffixes = kind_named(kinds[0]).suffixes
        for folder, inner, files in os.walk(data):
            # In the file system's order the example would differ from machine to machine.
            inner.sort()
            photos = sorted(name for name in files if name.lower().endswith(suffixes) and not name.startswith("."))
            for name in photos[:MOST_TRIED]:
                if readable(os.path.join(folder, name)):
                    return shlex.quote(os.path.join(folder, name))
    return shlex.quote(data)


def can_read(fields: Sequence[Any], path: str) -> bool:
    """Whether a file can be read as a value of the first of ``fields``."""
    from polars import Series

    from ..fields import Column

    return not any(len(f.traits.store(Column(f.name, Series([path])), f.settings, lambda _: None).bad) for f in fields)
