"""Functions show their options: signatures and docstrings follow from the table, and so does the stub for editors."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from pathlib import Path

import pytest

import pellucid
from pellucid.options import VERBS, Budget, default_options
from pellucid.options.signature import WITH_OPTIONS, stub_text

STUB = Path(pellucid.__file__).parent / "__init__.pyi"


@pytest.mark.parametrize("verb", sorted(WITH_OPTIONS))
def test_signatures_have_every_option(verb: str) -> None:
    function = getattr(pellucid, verb)
    shown = inspect.signature(function).parameters
    assert not [one for one in shown.values() if one.kind is one.VAR_KEYWORD]
    own = set(inspect.signature(function, follow_wrapped=False).parameters)
    assert own == set(shown)
    for option in (o for o in VERBS[verb] if not o.command):
        assert shown[option.name].default == default_options(verb)[option.name]
        assert shown[option.name].kind is inspect.Parameter.KEYWORD_ONLY
        assert f"{option.name}: " in (function.__doc__ or "")
    assert len(shown) == len(set(shown))


def test_types_and_defaults_are_those_of_the_table() -> None:
    shown = inspect.signature(pellucid.train).parameters
    expected = {
        "seed": (int, 0),
        "steps": (int | None, None),
        "lr": (float | None, None),
        "budget": (str | Budget | None, None),
        "header": (bool | None, None),
        "augment": (str | Sequence[str], "auto"),
        "out": (str | Path, "runs"),
        "save": (bool, True),
        "like": (str | Path | None, None),
    }
    for name, (hint, default) in expected.items():
        assert (shown[name].annotation, shown[name].default) == (hint, default), name
    assert inspect.signature(pellucid.read).return_annotation is pellucid.Dataset
    assert "cache" in inspect.signature(pellucid.read).parameters
    assert "cache" not in shown


def test_what_a_signature_shows_can_be_passed(table: Path) -> None:
    """Every default may be passed as it stands, and what is not shown is refused."""
    given = {n: p.default for n, p in inspect.signature(pellucid.read).parameters.items() if n != "source"}
    data = pellucid.read(str(table), **given | {"target": "label"})
    assert data.target is not None
    usual = {n: p.default for n, p in inspect.signature(pellucid.plan).parameters.items() if n != "data"}
    reading = set(inspect.signature(pellucid.read).parameters)
    assert pellucid.plan(data, **{n: v for n, v in usual.items() if n not in reading | {"start", "like"}}).network
    with pytest.raises(pellucid.PellucidError, match="Unknown option of train 'sede'"):
        pellucid.train(data, sede=1)


def test_the_stub_is_what_the_table_makes() -> None:
    assert STUB.read_text() == stub_text(), "write it anew: python -m pellucid.options.signature"


def test_the_stub_names_what_is_public() -> None:
    named = set()
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            named.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            named |= {alias.asname for alias in node.names if alias.asname}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            named.add(node.target.id)
    assert named == {*pellucid.__all__, "__all__"}


def test_signatures_cost_no_import() -> None:
    import subprocess
    import sys

    code = "import pellucid.dataset, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
