"""The house keeps its order: who imports whom, what stays unloaded, what is never done."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pellucid
from pellucid.fields import KINDS

SOURCE = Path(pellucid.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

#: From below to above; a room imports those of earlier lines, and of its own line only itself. Where some files of a
#: room are of use to rooms below it, they have a place of their own.
ROOMS = (
    ("errors", "wording", "machine", "activity"),
    ("storage", "draw"),
    ("metrics",),
    ("fields",),
    ("options",),
    ("data", "samples"),
    ("decoding", "ngrams"),
    ("trunks", "references", "tasks"),
    ("inputs", "outputs"),
    ("solved",),
    ("network_memory",),
    ("network",),
    ("dataset",),
    ("planning",),
    ("training",),
    ("tuning",),
    ("views",),
    ("reports",),
    ("runs",),
    ("run",),
    ("estimators", "comparison"),
    ("cli",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
TORCH_FREE = (
    "errors",
    "wording",
    "machine",
    "activity",
    "options",
    "storage",
    "draw",
    "metrics",
    "fields",
    "data",
    "samples",
    "decoding",
    "tasks",
)
EXCEPTIONS = {
    ("options", "trunks"),  # the names of trunks, looked up when a value is checked
}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Full names of everything a file imports, inside functions too, types alone left out."""
    package = ["pellucid", *path.relative_to(SOURCE).parts[:-1]]
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = [*base, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*start, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (one.value for one in node.args[:1] if isinstance(one, ast.Constant))


def test_every_room_is_known() -> None:
    assert {room_of(path) for path in FILES} - {"__init__"} == set(LEVEL)
    assert len(FILES) > 60


def test_arrows_run_one_way() -> None:
    wrong, seen, excused = [], 0, set()
    for path in FILES:
        own = room_of(path)
        if own == "__init__":
            continue
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "pellucid" or len(parts) < 2 or parts[1] not in LEVEL or parts[1] == own:
                continue
            seen += 1
            if (own, parts[1]) in EXCEPTIONS:
                excused.add((own, parts[1]))
            elif LEVEL[parts[1]] >= LEVEL[own]:
                wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert wrong == []
    assert excused == EXCEPTIONS
    assert seen > 100


def test_rooms_without_torch_never_import_it() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}: {name}"
        for path in FILES
        if room_of(path) in TORCH_FREE
        for name in imports(path)
        if name.split(".")[0] in ("torch", "sklearn") and not (room_of(path) == "samples" and "sklearn" in name)
    ]
    assert wrong == []


def loaded_after(code: str) -> set[str]:
    """The top-level modules that are loaded when ``code`` has run in a process of its own."""
    script = f"{code}\nimport sys\nprint(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_pellucid_loads_neither_torch_nor_polars() -> None:
    loaded = loaded_after("import pellucid")
    assert "pellucid" in loaded
    assert not loaded & {"torch", "polars", "numpy", "sklearn", "PIL"}


def test_reading_leaves_torch_unloaded(table: Path, photos: Path, texts: Path) -> None:
    code = f"import pellucid\nfor source in {[str(table), str(photos), str(texts)]}: repr(pellucid.read(source))"
    loaded = loaded_after(code)
    assert "polars" in loaded
    assert not loaded & {"torch", "sklearn"}


def test_the_public_surface_is_what_it_says() -> None:
    assert sorted(pellucid.__all__) == dir(pellucid)
    for name in pellucid.__all__:
        assert getattr(pellucid, name) is not None
    with pytest.raises(AttributeError, match="module 'pellucid' has no attribute 'trian'"):
        pellucid.trian  # noqa: B018
    typed = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse((SOURCE / "__init__.py").read_text()))
        if isinstance(node, ast.If)
        for inner in ast.walk(node)
        if isinstance(inner, ast.ImportFrom)
        for alias in inner.names
    }
    assert typed | {"__version__"} == set(pellucid.__all__), "type checkers see another surface"


def test_public_classes_call_the_package_their_home() -> None:
    """So pickles and tracebacks outlive any move; those made before look for ``Run`` where it was."""
    public = [getattr(pellucid, name) for name in pellucid.__all__]
    homes = {one.__name__: one.__module__ for one in public if isinstance(one, type)}
    assert len(homes) >= 10
    assert set(homes.values()) == {"pellucid"}
    assert importlib.import_module("pellucid.run").Run is pellucid.Run


FORBIDDEN = {"eval", "exec", "compile", "__import__"}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_runs_code_that_it_opens() -> None:
    wrong = []
    for path in FILES:
        for name, call in calls(path):
            unsafe = name in FORBIDDEN or name.split(".")[0] in ("pickle", "marshal", "shelve", "dill", "joblib")
            unsafe |= name in ("torch.load", "torch.save", "torch.jit.load", "torch.hub.load")
            unsafe |= any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in call.keywords)
            unsafe |= any(k.arg == "shell" for k in call.keywords)
            if unsafe:
                wrong.append(f"{path.relative_to(SOURCE)}:{call.lineno} {name}")
        wrong += [
            f"{path.relative_to(SOURCE)} imports {name}"
            for name in imports(path)
            if name.split(".")[0] in ("pickle", "marshal", "shelve", "dill", "joblib", "socket", "urllib", "requests")
        ]
    assert wrong == []


def test_only_the_command_line_prints() -> None:
    printing = {room_of(path) for path in FILES for name, _ in calls(path) if name in ("print", "sys.stdout.write")}
    assert printing <= {"cli", "__main__"}


def code_lines(text: str, node: ast.AST) -> int:
    """Lines of a definition that hold code: a why above a block must not count against it."""
    inner = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    told = {
        line
        for n in inner
        if ast.get_docstring(n)
        for line in range(n.body[0].lineno, n.body[0].end_lineno + 1)  # type: ignore[operator]
    }
    lines = text.splitlines()
    own = range(node.lineno, node.end_lineno + 1)  # type: ignore[attr-defined]
    return sum(1 for i in own if i not in told and lines[i - 1].strip() and not lines[i - 1].strip().startswith("#"))


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in FILES:
        text = path.read_text()
        if text.count("\n") > 600:
            long.append(f"{path.relative_to(SOURCE)} has {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            limits = {ast.FunctionDef: 70, ast.ClassDef: 300}
            limit = next((n for kind, n in limits.items() if isinstance(node, kind)), None)
            if limit and (size := code_lines(text, node)) > limit:
                long.append(f"{path.relative_to(SOURCE)}: {node.name} has {size} lines")  # type: ignore[attr-defined]
    assert long == []


NAMED = {
    "cli/progress.py": 1,
    "data/memory/columns.py": 1,
    "estimators.py": 1,
    "trunks/convolutional.py": 1,
    "trunks/dense.py": 1,
    "trunks/recurrent.py": 1,
    "trunks/transformer.py": 1,
}


def kinds_named(path: Path) -> list[int]:
    """The lines on which something is compared with the name of a kind or family, or a dict has one as a key."""
    known = {*KINDS, *(kind.family for kind in KINDS.values())}
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        words: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                words += side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
        elif isinstance(node, ast.Dict):
            words += node.keys
        if any(isinstance(word, ast.Constant) and word.value in known for word in words):
            found.append(node.lineno)
    return found


def test_a_kind_is_named_in_its_own_files() -> None:
    """Other code asks a kind for a trait, an input layer or an output for what it plans; each exception says why."""
    own = ("fields", "inputs", "outputs", "tasks", "samples")
    lines = {str(path.relative_to(SOURCE)): kinds_named(path) for path in FILES if room_of(path) not in own}
    found = {file: len(some) for file, some in lines.items() if some}
    more = {file: count for file, count in found.items() if count > NAMED.get(file, 0)}
    assert more == {}, "ask field.traits, INPUTS[kind] or the output instead: the number of these places may only fall"
    assert found == NAMED, "there are fewer by now, so let NAMED say so"
    for file, some in lines.items():
        text = (SOURCE / file).read_text().splitlines()
        assert all(text[line - 2].strip().startswith("#") for line in some), f"{file}: no comment above that says why"


def test_the_way_to_a_step_is_straight() -> None:
    """``train`` → ``Trainer.run`` → ``Loop.run`` → ``Loop.train_step`` → ``Optimizer.step``, in two files."""
    found = []
    steps = (("runs/train.py", "train"), ("runs/train.py", "run"), ("training/loop.py", "run"))
    for file, function in (*steps, ("training/loop.py", "train_step")):
        tree = ast.parse((SOURCE / file).read_text())
        node = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function)
        found.append({ast.unparse(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)})
    assert "trainer.run" in found[0]
    assert "loop.run" in found[1]
    assert "self.train_step" in found[2]
    assert "state.optimizer.step" in found[3]
