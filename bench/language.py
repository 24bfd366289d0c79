"""Language models: tiny Shakespeare by characters, Python's standard library by bytes or pieces, and how fast it goes.

    python bench/language.py shakespeare [--budgets 1m 3m 10m] [--networks transformer cnn rnn mingru] [--on-counts]
    python bench/language.py library [--level bytes bpe] [--budget 5m] [--networks transformer]
    python bench/language.py speed [--networks transformer cnn rnn mingru] [--lengths 64 2048] [--size 3]

shakespeare: the last tenth of the characters is the test, as in nanoGPT; of the others a fiftieth of the text, from
their middle, chooses, and the rest is learned from. Loss in nats a character, each passage by itself as a run scores
it, and with what stands before it, in a window that slides by halves; and of the first 64,000 characters of the test,
which are easier than the rest (docs/LOG.md). Beside it bz2 and xz: by how many bytes what they make of the text that
was learned from grows, when the last tenth is written behind it.

library: source files of this Python, tests and what was installed left out; a hash of a file's name says which part it
is in. Bits per byte, each passage by itself and with what stands before it; xz is given all training files before.
What is written after "def " is parsed, up to the next line that begins at the margin: is it Python?

speed: untrained networks without a solved part, whose speed does not depend on weights; one sequence is written at a
time. What the solved part costs is in the last rows.
"""

from __future__ import annotations

import argparse
import ast
import bz2
import hashlib
import lzma
import math
import re
import statistics
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, data_file, last_json, made_once, report, spread

import pellucid
from pellucid.fields.text import RESERVED
from pellucid.network import Network
from pellucid.reports.text_content import context_losses
from pellucid.runs.token_reader import TokenReader
from pellucid.runs.writing import Writer
from pellucid.solved import CountedNgrams
from pellucid.training.evaluate import predict_raw
from pellucid.training.loader import Loader
from pellucid.trunks import trunk_named

NETWORKS = ("transformer", "cnn", "rnn", "mingru")

# Tokens at the beginning of the test set that have a column of their own.
FIRST_TOKENS = 64_000
COUNTS = "counted n-grams alone"

# What stands before a function, what begins after its end, and tokens that it may have.
BEFORE, AFTER, LENGTH = "\n\n\n", re.compile(r"\n(?=[A-Za-z_@#])"), 1000


@dataclass
class Scored:
    """A run on its test passages.

    Attributes:
        result: of ``train --json``. alone, before: nats a token by itself and with what stands before.
        first: by itself, of the first ``FIRST_TOKENS``.
        bits: per byte, the same two. run: while its folder is there.
    """

    result: dict[str, Any]
    alone: float
    before: float
    first: float
    bits: tuple[float, float]
    run: Any


@contextmanager
def trained(source: Path, *words: Any, counts_alone: bool = False, **reading: Any) -> Iterator[Scored]:
    """A run of ``pellucid train SOURCE WORDS`` and its losses; its folder goes with it.

    Args:
        counts_alone: the trunk adds nothing. reading: the same of the words as ``read`` takes them.
    """
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "pellucid", "train", source, *words, "--out", out, "--json"]
        result, seconds = last_json(command, PELLUCID_CACHE=f"{out}/cache")
        run = pellucid.load(result["run"])
        if counts_alone:
            for weight in run.network.output.parameters():
                weight.data.zero_()
        data = pellucid.read(source, cache=f"{out}/cache", **reading)
        rows = data.split(run.plan.split_seed).test
        loader = Loader.of(data, run.network.fields, run.network.device)
        answers = predict_raw(run.network, loader, rows)
        about = context_losses(run.network, loader, rows, answers)
        # As many bytes as each token has on average in the test set.
        tokens, size = answers[1].sum(0).tolist()
        alone, before = float(answers[0][:, 0].sum() / tokens), about["before"]
        early = np.cumsum(answers[1][:, 0].numpy()) <= FIRST_TOKENS
        first = float(answers[0][early, 0].sum() / answers[1][early, 0].sum())
        each = tokens / size / math.log(2)
        yield Scored({**result, "seconds": seconds}, alone, before, first, (alone * each, before * each), run)


def passages_text(data: Any, rows: np.ndarray) -> str:
    """The text of some passages, one after the other."""
    stored, kind = data.stored_values(data.target.name), data.target.traits
    return "".join(kind.show(stored, row) for row in rows.tolist())


# -- tiny Shakespeare


def shakespeare_files() -> Path:
    """Tiny Shakespeare as ``train|val|test/NAME``: the last tenth is the test."""
    text = data_file("tinyshakespeare.txt").read_text(encoding="utf-8")
    parts = {"train/first": (0, 0.44), "val/middle": (0.44, 0.46), "train/second": (0.46, 0.9), "test/last": (0.9, 1)}

    def write(folder: Path) -> None:
        for name, (low, high) in parts.items():
            path = folder / f"{name}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text[round(low * len(text)) : round(high * len(text))], encoding="utf-8")

    return made_once("tinyshakespeare", write)


def shakespeare(given: argparse.Namespace) -> None:
    source, reading = shakespeare_files(), {"context": given.context}
    data = pellucid.read(source, **reading)
    parts = data.split(0)
    known, test = passages_text(data, parts.train), passages_text(data, parts.test)
    rows = [pack_row(name, known, test) for name in ("bz2", "xz")]
    words = ("--context", given.context)
    with trained(source, *words, "--steps", 1, "--size", 0, counts_alone=True, **reading) as own:
        rows.append([COUNTS, "", "", *(f"{one:.4f}" for one in nats(own)), f"{own.result['seconds']:.0f}"])
    for budget in given.budgets:
        for network in given.networks:
            for solved in ("--solved",) if given.on_counts else ("--solved", "--no-solved"):
                found = []
                for seed in range(given.seeds):
                    more = (*words, "--network", network, "--budget", budget, "--seed", seed, solved)
                    with trained(source, *more, **reading) as own:
                        found.append((nats(own), own.result))
                name = f"{network} {'on counts' if solved == '--solved' else 'by itself'}"
                rows.append(trained_row(name, budget, found))
                print("  ".join(rows[-1]), flush=True)
    header = (
        "model", "budget", "parameters", "loss, nats a character", "with what stands before", "of the first 64,000",
        "seconds",
    )  # fmt: skip
    note = (
        f"{len(known):,} characters to learn from, {len(test):,} to score, {given.context} at a time; {given.seeds} "
        "seed(s). Packers: how many bytes more the first take with the second behind them."
    )
    report("Language: tiny Shakespeare, the last tenth", header, rows, note, given.write)


def nats(own: Scored) -> tuple[float, float, float]:
    return own.alone, own.before, own.first


def trained_row(
    name: str, budget: str, found: Sequence[tuple[tuple[float, float, float], dict[str, Any]]]
) -> list[str]:
    losses = (spread([one[0][i] for one in found], 4) for i in range(3))
    seconds = max(result["seconds"] for _, result in found)
    return [name, budget, f"{found[0][1]['parameters']:,}", *losses, f"{seconds:.0f}"]


def pack_row(name: str, known: str, test: str) -> list[str]:
    """What a packer needs for a text after another: in nats a character; it has no window to begin anew in."""
    start = time.perf_counter()
    loss = more_bytes(name, known.encode(), test.encode()) * 8 * math.log(2) / len(test)
    return [name, "", "", "", f"{loss:.4f}", "", f"{time.perf_counter() - start:.1f}"]


def more_bytes(packer: str, known: bytes, test: bytes) -> int:
    """By how many bytes a packed text grows when another is written behind it."""
    pack: dict[str, Callable[[bytes], bytes]] = {
        "bz2": bz2.compress,
        # A dictionary that holds all of it.
        "xz": lambda raw: lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME),
    }
    return len(pack[packer](known + test)) - len(pack[packer](known))


# -- the standard library


def library_files() -> Path:
    """Source files of the standard library as ``train|val|test/NAME``, by a hash of their names."""

    def write(folder: Path) -> None:
        root = Path(sysconfig.get_paths()["stdlib"])
        left_out = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(root)
            if left_out & set(name.parts):
                continue
            place = hashlib.sha256(str(name).encode()).digest()[0]
            part = "test" if place < 26 else "val" if place < 52 else "train"
            to = folder / part / name
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(path.read_bytes())

    return made_once(f"library-{sys.version_info.major}.{sys.version_info.minor}", write)


def library(given: argparse.Namespace) -> None:
    folder = library_files()
    files = {part: sorted((folder / part).rglob("*.py")) for part in ("train", "val", "test")}
    known, test = (b"".join(path.read_bytes() for path in files[part]) for part in ("train", "test"))
    start = time.perf_counter()
    packed = more_bytes("xz", known, test) * 8 / len(test)
    rows = [["xz", "", "", "", f"{packed:.3f}", f"{time.perf_counter() - start:.0f}", ""]]
    for level in given.level:
        for network in given.networks:
            words = ("--level", level, "--network", network, "--budget", given.budget, "--seed", given.seed)
            with trained(folder, *words, level=level) as own:
                alone, before = own.bits
                good = parsed_share(own.run, given.samples, given.temperature)
                size = f"{own.result['parameters']:,}"
                name, seconds = f"{network}, {level}", f"{own.result['seconds']:.0f}"
                rows.append([name, given.budget, size, f"{alone:.3f}", f"{before:.3f}", seconds, good])
            print("  ".join(rows[-1]), flush=True)
    header = ("model", "budget", "parameters", "bits per byte", "with what stands before", "seconds", "parses")
    counts = ", ".join(f"{len(paths):,} {part}" for part, paths in files.items())
    note = (
        f"Python {sys.version.split()[0]}: {counts} files, {len(known) / 1e6:.1f} MB to learn from, "
        f"{len(test) / 1e6:.1f} MB to score. Parses: of {given.samples} functions written after `def ` at temperature "
        f"{given.temperature:g}, up to the next line at the margin; after {LENGTH:,} tokens none is waited for."
    )
    report("Language: Python's standard library", header, rows, note, given.write)


def parsed_share(run: Any, samples: int, temperature: float) -> str:
    """Of functions that a run wrote, how many are Python, of those that ended."""
    written = [write_function(run.network, seed, temperature) for seed in range(samples)]
    ended = [text for text in written if text is not None]
    return f"{sum(map(is_python, ended))} of {len(ended)} that ended, of {samples}"


def write_function(network: Network, seed: int, temperature: float) -> str | None:
    """A function; None where it did not end: behind it a line begins at the margin."""
    text = "def "
    for piece in Writer(network, seed=seed, temperature=temperature).write(f"{BEFORE}{text}", LENGTH):
        text += piece
        if end := AFTER.search(text):
            return text[: end.start()]
    return None


def is_python(text: str) -> bool:
    """Whether a text parses; nothing of it is run."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


# -- speed


def speed(given: argparse.Namespace) -> None:
    source, rows = data_file("tinyshakespeare.txt"), []
    for length in given.lengths:
        data = pellucid.read(source, context=length)
        for name in given.networks:
            network = data.network(trunk_named(name).of_size(given.size))
            rows.append([name, f"{length:,}", f"{network.parameter_count:,}", *speed_cells(data, network, given.batch)])
            print("  ".join(rows[-1]), flush=True)
    rows.append([COUNTS, "", "", *count_cells(source)])
    start = first_token_seconds(source, given.budget)
    header = (
        "trunk", "length", "parameters", "trains, tokens/s", "writes, tokens/s", "token 50, ms", "token 2,000, ms",
        "prompt of 1,000 at once, ms", "in steps, ms",
    )  # fmt: skip
    note = (
        f"Size {given.size}, batches of {given.batch:,} tokens, {torch.get_num_threads()} thread(s), medians. "
        "Training: a step of AdamW in a loop of one's own; of the counts: solving them. A network reads no more tokens "
        "than its length: beyond, half of them are read anew. A trained run's first token: "
        f"{start[0]:.2f} s after `import pellucid` began, {start[1]:.3f} s after the run was loaded."
    )
    report("Language: speed", header, rows, note, given.write)


def speed_cells(data: Any, network: Network, batch_tokens: int) -> list[str]:
    span = network.layers[0].span  # type: ignore[union-attr]
    train = training_rate(data, network, max(1, batch_tokens // span))
    network.eval()
    steps = token_seconds(TokenReader(network), 2010)
    early, late = (statistics.median(steps[i - 10 : i + 10]) for i in (50, 2000))
    whole, stepped = prompt_seconds(network, 1000, steps)
    writes = len(steps) / sum(steps)
    return [f"{train:,.0f}", f"{writes:,.0f}", *(f"{1e3 * one:.2f}" for one in (early, late, whole, stepped))]


def training_rate(data: Any, network: Network, batch_size: int, steps: int = 8) -> float:
    """Tokens a second, of steps of AdamW."""
    optimizer, seconds = torch.optim.AdamW(network.parameters(), lr=1e-3), []
    loader, rows = Loader.of(data, network.fields, network.device), data.split(0).train
    network.train()
    for step in range(min(steps, len(rows) // batch_size)):
        start = time.perf_counter()
        own = torch.from_numpy(rows[step * batch_size : (step + 1) * batch_size])
        batch = loader.batch(own)
        optimizer.zero_grad()
        network.loss(batch).backward()
        optimizer.step()
        seconds.append((time.perf_counter() - start) / network.output.count(batch))
    return 1 / statistics.median(seconds)


def token_seconds(reader: Any, tokens: int) -> list[float]:
    """Of each of so many tokens, one after the other."""
    found, token = [], torch.full((1, 1), RESERVED)
    for _ in range(tokens):
        start = time.perf_counter()
        reader.read(token)
        found.append(time.perf_counter() - start)
    return found


def prompt_seconds(network: Network, size: int, steps: Sequence[float]) -> tuple[float, float]:
    """Of a prompt that is read at once, and token by token."""
    prompt, seconds = torch.full((1, size), RESERVED), []
    for _ in range(3):
        reader, start = TokenReader(network), time.perf_counter()
        reader.read(prompt)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), sum(steps[:size])


class CountsReader:
    """A solved part alone, as a ``TokenReader`` reads."""

    def __init__(self, part: CountedNgrams):
        self.part, self.state = part, part.start(1)

    @torch.inference_mode()
    def read(self, tokens: torch.Tensor) -> torch.Tensor:
        said, self.state = self.part.read(tokens, self.state)
        return said[:, -1]


def count_cells(source: Path) -> list[str]:
    """The same of counted n-grams; they are not trained but solved, at so many tokens a second."""
    data = pellucid.read(source)
    fields = list(data.fitted().values())
    loader, split = Loader.of(data, data.network("mlp").fields, torch.device("cpu")), data.split(0)
    part, start = CountedNgrams(fields, [f for f in fields if f.role == "target"]), time.perf_counter()
    part.solve(loader, split.train, split.test, validation=split.validation, error=lambda raw, true: 0.0)
    solved = part.facts()["tokens"] / (time.perf_counter() - start)
    part.eval()
    steps = token_seconds(CountsReader(part), 2010)
    early, late = (statistics.median(steps[i - 10 : i + 10]) for i in (50, 2000))
    prompt, start = torch.full((1, 1000), RESERVED), time.perf_counter()
    CountsReader(part).read(prompt)
    whole = time.perf_counter() - start
    cells = (1e3 * one for one in (early, late, whole, sum(steps[:1000])))
    return [f"{solved:,.0f}", f"{len(steps) / sum(steps):,.0f}", *(f"{one:.2f}" for one in cells)]


# In a process of its own, so that nothing is loaded before.
FIRST = """
import json, sys, time
began = time.perf_counter()
import pellucid
run = pellucid.load(sys.argv[1])
loaded = time.perf_counter()
next(run.write("ROMEO:"))
print(json.dumps([time.perf_counter() - began, time.perf_counter() - loaded]))
"""


def first_token_seconds(source: Path, budget: str, times: int = 3) -> tuple[float, float]:
    """Of a trained run: seconds to its first token, from the first import on and from when it was loaded."""
    with trained(source, "--budget", budget) as own:
        found = [last_json([sys.executable, "-c", FIRST, own.result["run"]])[0] for _ in range(times)]
    return tuple(statistics.median(pair) for pair in zip(*found, strict=True))  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="what", required=True)
    own = {name: parts.add_parser(name, parents=[arguments(None)], add_help=False) for name in COMMANDS}
    for one in own.values():
        one.add_argument("--networks", nargs="+", default=list(NETWORKS))
    own["shakespeare"].add_argument("--budgets", nargs="+", default=["1m", "3m", "10m"])
    own["shakespeare"].add_argument("--seeds", type=int, default=1)
    own["shakespeare"].add_argument("--context", type=int, default=256, help="characters of a passage")
    own["shakespeare"].add_argument("--on-counts", action="store_true", help="no network by itself")
    own["library"].add_argument("--level", nargs="+", default=["bytes", "bpe"], choices=("bytes", "bpe"))
    own["library"].add_argument("--budget", default="5m")
    own["library"].add_argument("--seed", type=int, default=0)
    own["library"].add_argument("--samples", type=int, default=100, help="functions that are written and parsed")
    own["library"].add_argument("--temperature", type=float, default=0.8)
    own["library"].set_defaults(networks=["transformer"])
    own["speed"].add_argument("--lengths", nargs="+", type=int, default=[64, 2048])
    own["speed"].add_argument("--size", type=int, default=3)
    own["speed"].add_argument("--batch", type=int, default=4096, help="tokens in a batch of training")
    own["speed"].add_argument("--budget", default="20s", help="of the run whose first token is timed")
    given = parser.parse_args()
    COMMANDS[given.what](given)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "shakespeare": shakespeare,
    "library": library,
    "speed": speed,
}


if __name__ == "__main__":
    main()
