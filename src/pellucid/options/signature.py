"""Real signatures for functions that take options: what ``help()``, notebooks and editors show, from the declarations.

``python -m pellucid.options.signature`` writes ``__init__.pyi``, the stub that editors read.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .table import VERBS, Option

F = TypeVar("F", bound=Callable[..., Any])

# Functions of the package that take options: the verb, and where each is defined.
WITH_OPTIONS = {"read": "dataset", "train": "runs.train", "plan": "runs.train", "compare": "comparison.compare"}


def with_options(verb: str, also: Callable[..., Any] | None = None) -> Callable[[F], F]:
    """A decorator: ``**options`` of a function becomes the options of a verb, with their types, defaults and help.

    Args:
        also: a function whose further keyword arguments are taken, too.
    """

    def decorate(function: F) -> F:
        vars(function)["__signature__"] = full_signature(function, verb, also)
        about = inspect.cleandoc(function.__doc__ or "")
        function.__doc__ = f"{about}\n\nOptions:\n{textwrap.indent(options_text(function, verb), '    ')}"
        return function

    return decorate


def full_signature(
    function: Callable[..., Any], verb: str, also: Callable[..., Any] | None = None
) -> inspect.Signature:
    """A function's signature with every option of a verb in place of ``**options``."""
    own = resolved_signature(function)
    kept = {name: one for name, one in own.parameters.items() if one.kind is not one.VAR_KEYWORD}
    for option in api_options(verb):
        kept.setdefault(option.name, option_parameter(option))
    if also is not None:
        for name, one in resolved_signature(also).parameters.items():
            if one.kind is one.KEYWORD_ONLY:
                kept.setdefault(name, one)
    return own.replace(parameters=list(kept.values()))


def resolved_signature(function: Callable[..., Any]) -> inspect.Signature:
    """A signature with types in place of their names, where the names are known when it is asked for."""
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:
        return inspect.signature(function)


def api_options(verb: str) -> list[Option]:
    """The options of a verb that Python has, too."""
    return [option for option in VERBS[verb] if not option.command]


def option_parameter(option: Option) -> inspect.Parameter:
    """An option as a keyword argument."""
    kind = option.type.annotation
    if getattr(option.type, "of", "") in ("path", "folder", "run"):
        kind = str | Path
    hint = kind if option.default is not None or kind is Any else kind | None
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=hint)


def options_text(function: Callable[..., Any], verb: str) -> str:
    """What each option does and what holds without it, those left out that the function has a parameter for."""
    own = function.__code__.co_varnames[: function.__code__.co_argcount + function.__code__.co_kwonlyargcount]
    lines = []
    for option in api_options(verb):
        if option.name not in own:
            without = f" Without it: {option.usual_text}." if option.usual_text else ""
            lines.append("\n    ".join(textwrap.wrap(f"{option.name}: {option.help}{without}", 108)))
    return "\n".join(lines)


# --- the stub ----------------------------------------------------------------------------------------------------


def stub_text() -> str:
    """``__init__.pyi``: the public names, functions with all of their options."""
    source = (Path(__file__).parents[1] / "__init__.py").read_text("utf-8")
    block = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    lines = ["# Made by `python -m pellucid.options.signature`: editors read it, Python does not.", ""]
    lines += ["from collections.abc import Mapping, Sequence", "from pathlib import Path", "from typing import Any", ""]
    for node in imports:
        names = [alias.name for alias in node.names if alias.name not in WITH_OPTIONS]
        for name in names:
            lines.append(f"from {'.' * node.level}{node.module or ''} import {name} as {name}")
    lines += ["from .options import Budget", "", "__version__: str", "__all__: list[str]", ""]
    return "\n".join([*lines, *map(_stub_of, sorted(WITH_OPTIONS))])


def _stub_of(verb: str) -> str:
    import importlib

    function = getattr(importlib.import_module(f"pellucid.{WITH_OPTIONS[verb]}"), verb)
    signature = inspect.signature(function)
    parts, starred = [], False
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        default = "" if one.default is one.empty else " = ..."
        parts.append(f"{one.name}: {type_text(one.annotation)}{default}")
    inner = "".join(f"    {part},\n" for part in parts)
    return f"def {verb}(\n{inner}) -> {type_text(signature.return_annotation)}: ...\n"


def type_text(hint: Any) -> str:
    """A type as it is written in a stub."""
    named = isinstance(hint, type) and not hasattr(hint, "__args__")
    text = hint if isinstance(hint, str) else hint.__name__ if named else str(hint)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", text)


if __name__ == "__main__":
    (Path(__file__).parents[1] / "__init__.pyi").write_text(stub_text(), "utf-8")
