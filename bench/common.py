"""What the benchmarks share: where the data is, running pellucid, a Markdown table with the machine beside it."""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pellucid-bench"


def data_file(name: str) -> Path:
    """A file of the benchmark data: in ``$PELLUCID_DATA``, or in ``shared/data`` beside the project."""
    folder = Path(os.environ.get("PELLUCID_DATA", BENCH.parents[1] / "shared" / "data"))
    if not (folder / name).exists():
        sys.exit(f"{folder / name} is missing: set PELLUCID_DATA to the folder that holds {name}")
    return folder / name


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """``CACHE/name``, made by ``make(folder)`` the first time; half-made folders are not left behind."""
    done = CACHE / name
    if not done.exists():
        draft = done.with_name(f"{done.name}.{os.getpid()}.part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        make(draft)
        draft.rename(done)
    return done


def cifar(per_class: int | None = None) -> Path:
    """CIFAR-10 as ``train|test/CLASS/*.jpg``: the first ``per_class`` training photos of each class, all of test."""

    def unpack(folder: Path) -> None:
        with tarfile.open(data_file("cifar10.tar.xz")) as archive:
            archive.extractall(folder, filter="data")

    def choose(folder: Path) -> None:
        shutil.copytree(whole / "test", folder / "test")
        for kind in sorted((whole / "train").iterdir()):
            (folder / "train" / kind.name).mkdir(parents=True)
            for photo in sorted(kind.iterdir())[:per_class]:
                shutil.copy(photo, folder / "train" / kind.name)

    whole = made_once("cifar10", unpack) / "cifar10"
    return made_once(f"cifar10-{per_class}-a-class", choose) if per_class else whole


def last_json(command: Sequence[Any], **environment: str) -> tuple[dict[str, Any], float]:
    """Run a command; its last line of output as JSON, and the wall-clock seconds from start to exit."""
    start = time.perf_counter()
    env = {**os.environ, **environment}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=env)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nended with exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1]), seconds


def side_by_side(
    commands: Sequence[Sequence[Any]], done: Callable[[dict[str, Any]], None] = lambda found: None
) -> list[dict[str, Any]]:
    """The last line of each command's output as JSON, two commands at a time, each on a core of its own.

    Args:
        done: is told of each as soon as it is there, on a thread of its own.
    """
    free = sorted(os.sched_getaffinity(0))[:2]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")

    def run_command(command: Sequence[Any]) -> dict[str, Any]:
        core = free.pop()
        try:
            found, _ = last_json(["taskset", "-c", core, *command], **threads)
        finally:
            free.append(core)
        done(found)
        return found

    with concurrent.futures.ThreadPoolExecutor(len(free)) as pool:
        return list(pool.map(run_command, commands))


def pellucid(*words: Any) -> dict[str, Any]:
    """``pellucid train WORDS --json``: run, metric, value, low, high, baseline, steps, parameters.

    Nothing is cached from an earlier run. ``seconds`` is what a clock outside saw, from the start of the process to
    its end.
    """
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "pellucid", "train", *words, "--out", out, "--json"]
        result, wall = last_json(command, PELLUCID_CACHE=f"{out}/cache")
    return {**result, "seconds": wall}


def spread(values: Sequence[float], digits: int = 3) -> str:
    """``mean ± sd (n)``; the value alone where there is one."""
    values = list(values)
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f} ({len(values)})"


def machine() -> str:
    """Date, processor, cores, load and versions, on one line."""
    names = ("pellucid", "torch", "numpy", "scikit-learn")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    return (
        f"{date.today()}: {_processor()}, {os.cpu_count()} cores{load}; Python {platform.python_version()}, {versions}"
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def arguments(about: str | None) -> argparse.ArgumentParser:
    """A parser with ``--write``, which every benchmark has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="append the table to bench/RESULTS.md")
    return parser


def report(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]], note: str, write: bool) -> None:
    """Print a Markdown section; append it to ``RESULTS.md`` on request."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (header, ["---"] * len(header), *rows)]
    section = "\n".join([f"## {title}", "", machine(), "", *lines, "", note, ""])
    print(f"\n{section}", flush=True)
    if write:
        results = BENCH / "RESULTS.md"
        before = results.read_text() if results.exists() else "# Results\n\nEach section is one run of one script.\n"
        results.write_text(f"{before.rstrip()}\n\n{section}")
