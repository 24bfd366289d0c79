"""Run folders made to harm whoever opens them, with the checksums that their maker would write: each is refused."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import Outcome, opened, tree

import pellucid
from pellucid.cli import exit_code
from pellucid.errors import Interrupted
from pellucid.storage import Folder, pack_tensors, unpack_tensors
from pellucid.storage.jsonl import from_lines, to_lines
from pellucid.storage.manifest import render_manifest, version_of
from pellucid.training.listeners import Listener

LARGE = 1 << 30  # bytes that opening a hostile run never takes
Harm = Callable[[Path], Any]
CASES: dict[str, tuple[str, Harm]] = {}  # name -> the honest run it starts from, what is done to it


def case(base: str, harm: Harm, name: str) -> None:
    assert name not in CASES, name
    CASES[name] = base, harm


# -- what an attacker does -------------------------------------------------------------------------------------------


def seal(run: Path, **others: dict[str, Any]) -> None:
    """Write the manifest that belongs to what lies in the folder now."""
    names = [n for n in ("run.json", "weights.safetensors", "history.parquet", "report.html") if (run / n).is_file()]
    files = {n: version_of((run / n).read_bytes()) for n in names}
    (run / "manifest.json").write_bytes(render_manifest(files | others))


def edit(*path: str | int, to: Any) -> Harm:
    """Put a value at a place of run.json, and seal."""

    def harm(run: Path) -> None:
        held = json.loads((run / "run.json").read_text())
        place = held
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to
        (run / "run.json").write_text(json.dumps(held))
        seal(run)

    return harm


def record(raw: str | bytes) -> Harm:
    """Another text for run.json, and seal."""

    def harm(run: Path) -> None:
        (run / "run.json").write_bytes(raw.encode() if isinstance(raw, str) else raw)
        seal(run)

    return harm


def weights(change: Callable[[dict[str, np.ndarray]], object]) -> Harm:
    """Other weights, packed with their own right checksum, and seal."""

    def harm(run: Path) -> None:
        path = run / "weights.safetensors"
        tensors, meta = unpack_tensors(path.read_bytes(), path)
        change(tensors)
        path.write_bytes(pack_tensors(tensors, meta))
        seal(run)

    return harm


def tensor(name: str, value: Any) -> Harm:
    def change(tensors: dict[str, np.ndarray]) -> None:
        (key,) = [k for k in tensors if k.endswith(name)][:1]
        tensors[key] = value(tensors[key]) if callable(value) else value

    return weights(change)


def header(change: Callable[[dict[str, Any], bytes], bytes | dict[str, Any]]) -> Harm:
    """The weights' safetensors header by hand: a dict to be written as it is, or all bytes of the file."""

    def harm(run: Path) -> None:
        path = run / "weights.safetensors"
        data = path.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        found = change(json.loads(data[8 : 8 + size]), data)
        if isinstance(found, dict):
            text = json.dumps(found).encode()
            found = struct.pack("<Q", len(text)) + text + data[8 + size :]
        path.write_bytes(found)
        seal(run)

    return harm


def instead(name: str, make: Callable[[Path], Any]) -> Harm:
    """Something else where a file of the run is expected; the manifest stays as it was."""

    def harm(run: Path) -> None:
        path = run / name
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.rename(run.parent / f"moved-{path.name}")
        make(path)

    return harm


def linked(path: Path) -> None:
    path.symlink_to(path.parent.parent / f"moved-{path.name}")  # the very bytes that the manifest expects


def plugged(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket may not be long
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def sparse(size: int) -> Harm:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


def manifest(change: Callable[[dict[str, Any]], Any]) -> Harm:
    """Another list of files, rendered with its right checksum."""

    def harm(run: Path) -> None:
        files = json.loads((run / "manifest.json").read_text())["files"]
        (run / "manifest.json").write_bytes(render_manifest(change(files) or files))

    return harm


def raw_manifest(raw: bytes) -> Harm:
    return lambda run: (run / "manifest.json").write_bytes(raw)


def deep(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = {"a": found}
    return found


def place_of(kind: str, run: Path) -> int:
    fields = json.loads((run / "run.json").read_text())["fields"]
    return next(i for i, one in enumerate(fields) if one["kind"] == kind)


def state(kind: str, key: str, to: Any) -> Harm:
    """Change what the first field of a kind has learned."""
    return lambda run: edit("fields", place_of(kind, run), "state", key, to=to)(run)


def tokenizer(change: Callable[[dict[str, Any]], Any]) -> Harm:
    def to(text: str) -> str:
        held = json.loads(text)
        change(held)
        return json.dumps(held)

    return state("text", "tokenizer", to)


# -- names and files -------------------------------------------------------------------------------------------------

for said, path in {
    "a file above the folder": "../outside.json",
    "an absolute path": "/etc/passwd",
    "backslashes": "..\\..\\outside.json",
    "a zero character": "run\0.json",
    "a very long name": "x" * 100_000,
    "a drive": "c:/windows",
    "a name that is empty": "",
    "the manifest itself": "manifest.json",
}.items():

    def moved(files: dict[str, Any], path: str = path) -> None:
        files[path] = files.pop("weights.safetensors")

    case("table", manifest(moved), f"manifest: {said} in place of the weights")

for said, raw in {
    "deep JSON": b"[" * 100_000,
    "deep mappings": b'{"a":' * 100_000,
    "empty": b"",
    "no mapping": b"[]\n",
    "not UTF-8": b"\xff\xfe\x00",
    "a key twice": b'{"format": 1, "files": {}, "files": {}, "sha256": ""}',
    "a number of 100,000 digits": b'{"format": 1, "files": {}, "sha256": ' + b"9" * 100_000 + b"}",
}.items():
    case("table", raw_manifest(raw), f"manifest: {said}")


def lie(key: str, value: Any) -> Harm:
    return manifest(lambda files: files["weights.safetensors"].update({key: value}))


case("table", lie("size", 1 << 62), "manifest: a file of 4 exabytes")
case("table", lie("size", -1), "manifest: a file of less than nothing")
case("table", lie("sha256", "__import__('os').system('true')"), "manifest: code for a checksum")
case("table", manifest(lambda f: {**f, "run.json": [1]}), "manifest: a list for a file")
case("table", manifest(lambda f: {k: v for k, v in f.items() if k != "run.json"}), "manifest: without run.json")

for name in ("run.json", "weights.safetensors", "manifest.json"):
    case("table", instead(name, linked), f"{name} is a link to the right bytes")
    case("table", instead(name, lambda path: path.symlink_to(path)), f"{name} is a link to itself")
    case("table", instead(name, os.mkfifo), f"{name} is a pipe")
    case("table", instead(name, Path.mkdir), f"{name} is a folder")
    case("table", instead(name, plugged), f"{name} is a socket")
    case("table", instead(name, lambda path: path.symlink_to("/dev/zero")), f"{name} leads to a device without end")
    case("table", instead(name, sparse(40 << 30)), f"{name} has 40 GB of nothing")
case("table", instead("weights.safetensors", lambda path: path.symlink_to("/etc/hostname")), "weights lead elsewhere")

# -- run.json --------------------------------------------------------------------------------------------------------

for said, text in {
    "deep JSON": "[" * 100_000,
    "mappings in mappings": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a list": "[]",
    "a text": '"run"',
    "NaN": "NaN",
    "nothing": "",
    "a key twice": '{"format": 1, "format": 1}',
    "half a surrogate for a key": '{"\\ud800": 1}',
}.items():
    case("table", record(text), f"run.json: {said}")
case("table", record(b"\xff" * 100), "run.json: no text")
case("table", record(b'{"fields": [' + b"[]," * 9_000_000 + b"[]]}"), "run.json: nine million lists")
case("table", record(b'{"values": [' + b'"x",' * 10_000_000 + b'""]}'), "run.json: ten million values")

for said, (path, to) in {
    "status: unknown": (("status",), "running"),
    "format: true": (("format",), True),
    "format: the next": (("format",), 2),
    "format: less than none": (("format",), -1),
    "fields: none": (("fields",), []),
    "fields: one name twice": (("fields",), lambda f: [*f, f[0]]),
    "fields: a role that is code": (("fields", 0, "role"), "__class__"),
    "fields: a kind that is code": (("fields", 0, "kind"), "os.system"),
    "fields: a kind that steers a terminal": (("fields", 0, "kind"), "\x1b]0;mine\x07\x1b[2J{0.__class__}%s%n"),
    "fields: an input that learned nothing": (("fields", 0, "state"), None),
    "fields: a million of them": (("fields",), lambda f: [0] * 250_000),
    "plan: a seed beyond 64 bits": (("plan", "seed"), 1 << 70),
    "plan: a device that is code": (("plan", "device"), "cuda:__import__('os')"),
    "plan: a budget of nothing": (("plan", "budget"), {"kind": "steps", "amount": 0}),
    "plan: an endless budget": (("plan", "budget", "amount"), 1e308),
    "plan: a rate that is a text": (("plan", "recipe", "lr"), "fast"),
    "plan: a setting nobody knows": (("plan", "recipe", "hook"), "os.system"),
    "network: none": (("network",), None),
    "network: 10^9 wide": (("network", "trunk", "width"), 10**9),
    "network: 65,536 wide": (("network", "trunk", "width"), 1 << 16),
    "network: 10^6 layers": (("network", "trunk", "depth"), 10**6),
    "network: 4,000 layers": (("network", "trunk", "depth"), 4000),
    "network: less than no layers": (("network", "trunk", "depth"), -1),
    "network: no width": (("network", "trunk", "width"), 0),
    "network: a width of NaN": (("network", "trunk", "width"), None),
    "network: all dropped": (("network", "trunk", "dropout"), 1.0),
    "network: an unknown trunk": (("network", "trunk", "name"), "../evil"),
    "network: a trunk that is code": (("network", "trunk", "name"), "__init_subclass__"),
    "network: a trunk of its user's own": (("network", "trunk", "name"), "custom"),
    "network: a setting that is a method": (("network", "trunk", "forward"), 1),
    "network: an unknown output": (("network", "output", "name"), "builtins.eval"),
    "network: another output": (("network", "output", "name"), "number"),
    "network: an output's unknown setting": (("network", "output", "settings"), {"__class__": 1}),
    "network: a target that is not there": (("network", "output", "fields"), ["nobody"]),
    "network: a target that is an input": (("network", "output", "fields"), ["x"]),
    "network: no inputs": (("network", "inputs"), []),
    "network: an input twice": (("network", "inputs"), lambda i: [*i, i[0]]),
    "network: the target for an input": (("network", "inputs", 0, "fields"), ["label"]),
    "network: an input of another kind": (("network", "inputs", 0, "kind"), "text"),
    "network: vectors of 10^9 numbers": (("network", "inputs", 0, "settings", "embedding"), 10**9),
    "score: a text": (("score", "value"), "{0.__class__}"),
    "score: an unknown entry": (("score", "__init__"), 1),
    "naive: nothing": (("naive", "raw"), []),
    "naive: a tower": (("naive", "raw"), [[[1]]]),
    "decisions: no list": (("decisions",), {"__len__": 1}),
    "data: from a text with a zero": (("data", "source"), "a\0b"),
    "data: read with a list": (("data", "options"), []),
}.items():
    case("table", edit(*path, to=to), f"run.json: {said}")
for key in ("format", "status", "data", "fields", "plan", "network", "decisions", "score", "naive", "validation"):
    case("table", edit(key, to=deep(90)), f"run.json: 90 levels for {key}")

# -- what fields have learned ----------------------------------------------------------------------------------------

for said, (kind, key, to) in {
    "an endless mean": ("number", "mean", 1e999),
    "a spread of less than nothing": ("number", "std", -1.0),
    "edges that fall": ("number", "edges", [3.0, 2.0, 1.0]),
    "edges that are texts": ("number", "edges", ["1", "2"]),
    "a million and more edges": ("number", "edges", list(range(1 << 20))),
    "a curve of one side": ("number", "quantiles", {"value": [1.0, 2.0], "normal": [1.0]}),
    "a curve that stands": ("number", "quantiles", {"value": [1.0, 1.0], "normal": [0.0, 1.0]}),
    "a scale that is code": ("number", "scale", "eval"),
    "quantiles without a curve": ("number", "scale", "quantile"),
    "two million values": ("category", "values", [f"{i}" for i in range(2_000_000)]),
    "values that are lists": ("category", "values", [[], []]),
    "no values": ("category", "values", None),
    "more values than there are": ("category", "values", ["a", "b", "c", "d"]),
}.items():
    case("table", state(kind, key, to), f"{kind}: {said}")
for said, (key, to) in {
    "10^9 pixels a side": ("height", 10**9),
    "less than no pixels": ("width", -8),
    "no channels": ("channels", 0),
    "another size than images are brought to": ("height", 9),
    "a level too many": ("mean", [0.5] * 4),
    "a level that is none": ("std", ["0.5"] * 3),
}.items():
    case("photos", state("image", key, to), f"image: {said}")
for said, (kind, key, to) in {
    "parts that no calendar has": ("date", "parts", ["__class__"]),
    "a million parts": ("date", "parts", ["year"] * 1_000_000),
    "the end of time": ("date", "high", 1e300),
    "a clock that is a text": ("date", "clock", "no"),
    "a thousand and one labels": ("labels", "values", [f"{i}" for i in range(1001)]),
    "less labels than there are": ("labels", "values", []),
    "labels that are mappings": ("labels", "values", [{}, {}, {}, {}]),
    "a count of texts": ("labels", "n", "9"),
}.items():
    case("mixed", state(kind, key, to), f"{kind}: {said}")
case("mixed", tensor("temperature", lambda a: a * 0), "labels: a temperature of 0")
case("photos", edit("fields", 0, "settings", "height", to=10**6), "image: settings for a wall of pixels")

for said, change in {
    "of another model": lambda t: t["model"].update(type="WordPiece", unk_token="x", max_input_chars_per_word=1),
    "that reads a file": lambda t: t["model"].update(vocab="/etc/passwd", merges="/etc/passwd"),
    "with a huge pattern": lambda t: t.update(
        pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a|a)*" * 50_000}, "behavior": "Isolated",
                       "invert": False}
    ),
    "with a pattern that never ends": lambda t: t.update(
        normalizer={"type": "Replace", "pattern": {"Regex": "(x+x+)+y"}, "content": "z"}
    ),
    "that adds tokens": lambda t: t.update(
        added_tokens=[{"id": 1 << 31, "content": "a", "single_word": False, "lstrip": False, "rstrip": False,
                       "normalized": False, "special": True}]
    ),
    "whose tokens lie far apart": lambda t: t["model"]["vocab"].update({"a": (1 << 32) - 1}),
    "with a token too many": lambda t: t["model"]["vocab"].update({"\x1b[31m": len(t["model"]["vocab"])}),
    "with merges of nothing": lambda t: t["model"].update(merges=[["nothing", "here"]]),
    "with merges that are no pairs": lambda t: t["model"].update(merges=[["a"]]),
    "without a model": lambda t: t.pop("model"),
}.items():  # fmt: skip
    case("texts", tokenizer(change), f"text: a tokenizer {said}")
for said, (key, to) in {
    "a tokenizer that is deep": ("tokenizer", "[" * 100_000),
    "a tokenizer that is no text": ("tokenizer", {"model": {"type": "BPE"}}),
    "10^9 tokens": ("size", 10**9),
    "a token less": ("size", lambda n: n - 1),
    "texts without end": ("longest", 10**12),
    "texts of nothing": ("longest", 0),
}.items():
    case("texts", state("text", key, to), f"text: {said}")
case("texts", edit("network", "trunk", "head", to=0), "network: heads of no width")
case("texts", edit("network", "trunk", "head", to=7), "network: heads that do not fit")

# -- weights ---------------------------------------------------------------------------------------------------------

for said, change in {
    "one missing": lambda t: t.pop(min(t)),
    "one too many": lambda t: t.update({"__class__": np.zeros(1)}),
    "none": lambda t: t.clear(),
    "a name without end": lambda t: t.update({"x" * (1 << 20): t.pop(min(t))}),
}.items():
    case("table", weights(change), f"weights: {said}")
for said, (name, value) in {
    "NaN": ("output.layer.weight", lambda a: a * np.nan),
    "an infinity": ("output.layer.bias", lambda a: np.full_like(a, np.inf)),
    "twice as fine": ("output.layer.weight", lambda a: a.astype(np.float64)),
    "truths": ("output.layer.weight", lambda a: a > 0),
    "turned": ("trunk.stages.layer1.into.weight", lambda a: a.T.copy()),
    "a single number to be spread": ("output.layer.weight", np.zeros((1, 1), np.float32)),
    "a temperature of 0": ("output.temperature", np.zeros((), np.float32)),
    "a temperature of NaN": ("output.temperature", np.full((), np.nan, np.float32)),
    "places beyond a table": ("starts", lambda a: a + (1 << 40)),
    "places before a table": ("starts", lambda a: a - 1),
}.items():
    case("table", tensor(name, value), f"weights: {said}")
case("numbers", tensor("output.std", lambda a: -a), "weights: a spread below 0")
case("numbers", tensor("output.mean", lambda a: a * np.inf), "weights: an endless mean")


def offsets(begin: int, end: int) -> Harm:
    def change(held: dict[str, Any], data: bytes) -> dict[str, Any]:
        next(v for k, v in held.items() if k != "__metadata__")["data_offsets"] = [begin, end]
        return held

    return header(change)


def overlapping(held: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Two tensors of one shape in the same place."""
    by_size: dict[str, Any] = {}
    for one in held.values():
        if "shape" in one:
            one["data_offsets"] = by_size.setdefault(str(one["shape"]), one)["data_offsets"]
    return held


def first(**changes: Any) -> Harm:
    def change(held: dict[str, Any], data: bytes) -> dict[str, Any]:
        next(v for k, v in held.items() if k != "__metadata__").update(changes)
        return held

    return header(change)


case("table", header(lambda h, d: struct.pack("<Q", 1 << 63) + d[8:]), "safetensors: a header of 2^63 bytes")
case("table", header(lambda h, d: struct.pack("<Q", 1 << 30) + d[8:]), "safetensors: a header of 1 GB")
case("table", header(lambda h, d: struct.pack("<Q", 100_000) + b"[" * 100_000), "safetensors: a deep header")
case("table", header(lambda h, d: d[:7]), "safetensors: seven bytes")
case("table", header(lambda h, d: {"__metadata__": {"pellucid": "[" * 100_000}}), "safetensors: a deep seal")
case(
    "table",
    header(lambda h, d: {**h, "__metadata__": {"pellucid": '{"sha256": 1, "meta": 2}'}}),
    "safetensors: no seal",
)
case("table", offsets(0, 1 << 62), "safetensors: offsets beyond the end")
case("table", offsets(-8, 8), "safetensors: offsets before the start")
case("table", offsets(16, 8), "safetensors: offsets that turn back")
case("table", header(overlapping), "safetensors: offsets that overlap")
case("table", first(shape=[1 << 40, 1 << 40]), "safetensors: a shape that overflows")
case("table", first(shape=[-1, 4]), "safetensors: a side of less than nothing")
case("table", first(shape=[0] * 10_000), "safetensors: 10,000 axes")
case("table", first(dtype="F64"), "safetensors: a type that is larger")
case("table", first(dtype="os.system"), "safetensors: a type that is code")
case("table", first(dtype="BF16"), "safetensors: a type that NumPy has not")

# -- the tests -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with dates and sets of labels."""
    path = tmp_path_factory.mktemp("mixed") / "films.csv"
    genres = ("drama", "crime; drama", "comedy", "comedy; crime", "drama; comedy")
    kept = ("old; good", "new", "new; good", "old")
    rows = [f"{1990 + i % 30}-{1 + i % 12:02}-{1 + i % 28:02},{kept[i % 4]},{genres[i % 5]}" for i in range(120)]
    path.write_text("\n".join(["released,shelf,genres", *rows]))
    return path


@pytest.fixture(scope="module")
def honest(
    tmp_path_factory: pytest.TempPathFactory, table: Path, numbers: Path, photos: Path, texts: Path, mixed: Path
) -> Path:
    """A folder of finished runs, and one that was stopped."""
    out = tmp_path_factory.mktemp("honest")
    for name, source, target, network in (
        ("table", table, "label", "mlp"),
        ("numbers", numbers, "price", "mlp"),
        ("photos", photos, None, "cnn"),
        ("texts", texts, "verdict", "transformer"),
        ("mixed", mixed, "genres", "mlp"),
    ):
        pellucid.train(source, target=target, network=network, size=0, steps=2, name=name, out=out)

    class Stop(Listener):
        def evaluated(self, row: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        pellucid.train(table, target="label", size=0, steps=9, name="stopped", out=out, listeners=[Stop()])
    return out


@pytest.fixture(scope="module")
def inputs(table: Path, numbers: Path, photos: Path, texts: Path, mixed: Path) -> dict[str, Any]:
    sources = {"table": table, "numbers": numbers, "photos": photos, "texts": texts, "mixed": mixed}
    return {name: [str(source)] for name, source in sources.items()}


@pytest.fixture(scope="module")
def outcomes(honest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    """What loading each hostile run led to; all of them in one other process."""
    root = tmp_path_factory.mktemp("hostile")
    (root / "outside.json").write_text("{}")
    runs = {"honest": honest / "table"}
    for i, (name, (base, harm)) in enumerate(CASES.items()):
        runs[name] = root / f"{i}" / "run"
        shutil.copytree(honest / base, runs[name], ignore=shutil.ignore_patterns("checkpoints", "*.html", "*.parquet"))
        harm(runs[name])
    before = tree(root)
    found = opened(runs)
    assert tree(root) == before, "something was written"
    assert found["honest"].error == "", found["honest"].text
    yield found
    shutil.rmtree(root)


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_run_is_refused(name: str, outcomes: dict[str, Outcome]) -> None:
    found = outcomes[name]
    assert found.error == "PellucidError", (found.error, found.text)
    first, *rest = found.text.split("\n")
    assert 10 < len(first) < 600, first
    assert len(rest) <= 1, found.text
    assert first.isprintable(), ascii(first)
    assert found.did == []
    assert found.peak < LARGE, f"{found.peak >> 20} MB"
    assert found.seconds < 10


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60


def test_what_is_only_unusual_opens(honest: Path, tmp_path: Path, table: Path) -> None:
    (tmp_path / "run").mkdir()
    for path in (honest / "table").iterdir():
        if path.is_file():
            os.link(path, tmp_path / "run" / path.name)
    (tmp_path / "link").symlink_to(tmp_path / "run")
    assert pellucid.load(tmp_path / "link").predict([str(table)]) == pellucid.load(honest / "table").predict(
        [str(table)]
    )


# -- every value of run.json -----------------------------------------------------------------------------------------

NASTY = (
    None,
    True,
    "__import__('os').system('true')",
    [],
    {},
    -1,
    10**30,
    1e300,
    0.5,
    [[1]],
    deep(40),
    "cpu\0",
    [None],
)


def places(held: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value; of a long list, to its ends."""
    inner = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
    for key, value in inner:
        if not (isinstance(held, list) and 1 < key < len(held) - 1):
            yield (*above, key)
            yield from places(value, (*above, key))


def replaced(base: Path, root: Path, share: float) -> dict[str, Path]:
    """Runs in which one value of run.json is another; a ``share`` of all there can be."""
    held, rng = json.loads((base / "run.json").read_text()), np.random.default_rng(0)
    files = json.loads((base / "manifest.json").read_text())["files"]
    made = {}
    for place in places(held):
        for i, nasty in enumerate(NASTY):
            if rng.random() > share:
                continue
            other = copy.deepcopy(held)
            inner = other
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = nasty
            run = root / f"{len(made)}"
            run.mkdir()
            os.link(base / "weights.safetensors", run / "weights.safetensors")
            data = json.dumps(other).encode()
            (run / "run.json").write_bytes(data)
            (run / "manifest.json").write_bytes(render_manifest(files | {"run.json": version_of(data)}))
            made[f"{place} = nasty {i}"] = run
    return made


@pytest.mark.parametrize("share", [0.015, pytest.param(1.0, marks=pytest.mark.slow)])
def test_any_value_may_be_anything(share: float, honest: Path, inputs: dict[str, Any], tmp_path: Path) -> None:
    """A value that is not what it should be is refused, or does no harm: then the run predicts as any other."""
    runs, asked = {"honest": honest / "table"}, {"honest": inputs["table"]}
    for base, source in inputs.items():
        (tmp_path / base).mkdir()
        made = replaced(honest / base, tmp_path / base, share)
        runs |= {f"{base} {name}": run for name, run in made.items()}
        asked |= {f"{base} {name}": source for name in made}
    assert len(runs) > 60
    found = opened(runs, inputs=asked)
    wrong = {name: (one.error, one.text) for name, one in found.items() if one.error not in ("", "PellucidError")}
    assert wrong == {}
    refused = [name for name, one in found.items() if one.error]
    assert len(refused) > 0.4 * len(runs)
    assert all(found[name].did == [] for name in refused)


# -- trainings that were stopped -------------------------------------------------------------------------------------


def checkpoint(change: Callable[[dict[str, np.ndarray], dict[str, Any]], object]) -> Harm:
    """Other contents of every checkpoint, packed with their right checksum."""

    def harm(run: Path) -> None:
        for path in (run / "checkpoints").iterdir():
            tensors, own = unpack_tensors(path.read_bytes(), path)
            change(tensors, own["meta"])
            path.write_bytes(pack_tensors(tensors, own))

    return harm


def history(change: Callable[[list[dict[str, Any]]], object]) -> Harm:
    """Another history, every line with its right checksum."""

    def harm(run: Path) -> None:
        path = run / "history.jsonl"
        rows = from_lines(path.read_bytes(), path)[0]
        change(rows)
        path.write_bytes(to_lines(rows, 0)[0])

    return harm


def decided(name: str, value: Any) -> Harm:
    def change(rows: list[dict[str, Any]]) -> None:
        rows.append({"event": "decided", "step": 1, "name": name, "value": value, "reason": ""})

    return history(change)


def elsewhere(run: Path) -> None:
    """Its checkpoints lie in another folder."""
    (run / "checkpoints").rename(run.parent / "elsewhere")
    (run / "checkpoints").symlink_to(run.parent / "elsewhere")


RESUMED: dict[str, Harm] = {
    "a checkpoint with NaN": checkpoint(
        lambda t, m: t.update({k: v * np.nan for k, v in t.items() if v.dtype.kind == "f"})
    ),
    "a checkpoint of another network": checkpoint(lambda t, m: t.pop(min(t))),
    "a checkpoint to be spread": checkpoint(lambda t, m: t.update({k: v[:1] for k, v in t.items() if v.ndim == 2})),
    "a checkpoint of another type": checkpoint(lambda t, m: t.update({k: v.astype("f8") for k, v in t.items()})),
    "a checkpoint from before the start": checkpoint(lambda t, m: m.update(step=-1)),
    "a checkpoint after the end of time": checkpoint(lambda t, m: m.update(step=10**30)),
    "a checkpoint with a text for a clock": checkpoint(lambda t, m: m.update(seconds="1")),
    "a checkpoint without its best": checkpoint(lambda t, m: m.update(best_row={"step": 1})),
    "a checkpoint that forgot": checkpoint(lambda t, m: m.clear()),
    "a history of nothing known": history(lambda rows: rows.append({"event": "os.system"})),
    "a history without steps": history(lambda rows: rows.append({"event": "evaluated"})),
    "a history that is deep": history(lambda rows: rows.append({"event": "evaluated", "step": 1, "loss": deep(60)})),
    "a schedule without points": decided("schedule", []),
    "a schedule that goes back": decided("schedule", [[5, 1.0], [1, 0.0]]),
    "a schedule of texts": decided("schedule", [["0", "1"], ["1", "0"]]),
    "micro-batches of nothing": decided("micro batch", 0),
    "no threads": decided("threads", 0),
    "threads in words": decided("threads", "all"),
    "threads by the million": decided("threads", 10**6),
    "evaluations every 0 steps": decided("evaluate every", 0),
    "looks every -1 steps": decided("watch every", -1),
    "looks every 1.5 steps": decided("watch every", 1.5),
    "a history that is a pipe": instead("history.jsonl", os.mkfifo),
    "a history that is a link": instead("history.jsonl", linked),
    "a history of 40 GB": instead("history.jsonl", sparse(40 << 30)),
    "a lock that is a link": instead(".lock", lambda path: path.symlink_to(path.parent.parent / "outside.json")),
    "a lock that is a folder": instead(".lock", Path.mkdir),
    "another's data": edit("data", "source", to="/etc/passwd"),
    "data that never ends": edit("data", "source", to="/dev/zero"),
    "data to be kept elsewhere": edit("data", "options", to={"cache": "/tmp/pellucid-was-here"}),
    "data made by code": edit("data", "options", to={"make": "os.system"}),
    "data read with a number": edit("data", "options", to={"target": 5}),
    "another's fingerprint": edit("data", "fingerprint", to="0" * 64),
    "a network of gigabytes": edit("network", "trunk", to={"name": "dense", "width": 65536, "depth": 100}),
    "a batch of 10^15": edit("plan", "recipe", "batch_size", to="10**15"),
}  # fmt: skip


@pytest.fixture(scope="module")
def resumed(honest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    root = tmp_path_factory.mktemp("resumed")
    runs = {"honest": root / "honest" / "run"}
    shutil.copytree(honest / "stopped", runs["honest"])
    for i, (name, harm) in enumerate(RESUMED.items()):
        runs[name] = root / f"{i}" / "run"
        shutil.copytree(honest / "stopped", runs[name])
        (runs[name].parent / "outside.json").write_text("{}")
        seal(runs[name])
        harm(runs[name])
    before = {path: found for path, found in tree(root).items() if "/run" not in path}
    found = opened(runs, "resume")
    assert {path: now for path, now in tree(root).items() if "/run" not in path} == before, (
        "something was written outside"
    )
    assert found["honest"].error == "", found["honest"].text
    yield found
    shutil.rmtree(root)


@pytest.mark.parametrize("name", RESUMED)
def test_a_hostile_training_is_not_gone_on_with(name: str, resumed: dict[str, Outcome]) -> None:
    found = resumed[name]
    assert found.error == "PellucidError", (found.error, found.text)
    assert found.text.split("\n")[0].isprintable()
    assert found.peak < LARGE
    harmless = ("os.mkdir", "os.truncate")  # the cache, which is there; the lock
    assert [one for one in found.did if not one.startswith(harmless) and "/run/" not in one] == []


def test_half_written_files_are_swept_up_here_alone(tmp_path: Path) -> None:
    folder = Folder.create(tmp_path / "run")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".new-1-run.json").write_text("not theirs")
    (folder.path / "inside").symlink_to(outside)
    (folder.path / ".new-2-run.json").write_text("half")
    with folder.lock():
        assert (outside / ".new-1-run.json").exists()
        assert not (folder.path / ".new-2-run.json").exists()


def test_checkpoints_in_a_linked_folder_are_none(honest: Path, tmp_path: Path) -> None:
    shutil.copytree(honest / "stopped", tmp_path / "run")
    assert Folder.open(tmp_path / "run").has_checkpoint()
    elsewhere(tmp_path / "run")
    assert not Folder.open(tmp_path / "run").has_checkpoint()


# -- what a person sees ----------------------------------------------------------------------------------------------

STEERING = "\x1b[2J\x1b]0;mine\x07\u202e\x9b31m{0.__class__}%n[red]"


def test_names_do_not_steer_a_terminal(honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every verb that shows names, with a table and a run full of them."""
    rows = "".join(f"{i % 7},{STEERING}{i % 3},{STEERING}{i % 2}\n" for i in range(60))
    source = tmp_path / f"data{STEERING}.csv".replace("/", "")
    source.write_text(f"{STEERING}x,{STEERING},label\n{rows}")
    run = str(tmp_path / "run")
    assert exit_code(["read", str(source)], 0.0) == 0
    assert (
        exit_code(
            ["train", str(source), "--target", "label", "--steps", "2", "--out", str(tmp_path), "--name", "run"], 0.0
        )
        == 0
    )
    for arguments in (
        ["predict", run, str(source)],
        ["predict", run, str(source), "--json"],
        ["evaluate", run, str(source)],
    ):
        assert exit_code(arguments, 0.0) == 0, arguments
    assert exit_code(["predict", run, f"missing{STEERING}.csv"], 0.0) == 1
    said = "".join(capsys.readouterr())
    assert "u001b[2J" in said
    assert all(c.isprintable() or c in "\n\t" for c in said), ascii(said)


@pytest.mark.parametrize("verb", [["predict"], ["resume"], ["evaluate"]])
def test_the_command_line_says_it_in_a_line(
    verb: list[str], honest: Path, table: Path, tmp_path: Path, capsys: Any
) -> None:
    shutil.copytree(honest / "table", tmp_path / "run")
    edit("fields", 0, "kind", to=STEERING)(tmp_path / "run")
    more = [] if verb == ["resume"] else [str(table)]
    assert exit_code([*verb, str(tmp_path / "run"), *more], 0.0) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"✗ {tmp_path}/run/run.json: it is damaged (run.fields[0].kind is '\\x1b[2J"), said.err
    assert said.err.endswith(")\n  copy it from a backup, or train again\n")
    assert said.err.count("\n") == 2
