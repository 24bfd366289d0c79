"""Opens run folders that were made to harm, in a process that can't be harmed: little memory, a clock, and a witness.

``opened`` is what the tests call; ``_open_all`` is what runs in the other process.
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sittings import context

SECONDS = 20  # that opening one run may take before it counts as hanging
ROOM = 3 << 30  # bytes of address space beyond what the process has when it begins
WATCHED = {"subprocess.Popen", "socket.connect", "socket.bind", "pickle.find_class", "shutil.rmtree", "code.__new__"}
WATCHED |= {f"os.{what}" for what in ("system", "exec", "posix_spawn", "fork", "remove", "rename", "mkdir", "truncate")}


@dataclass
class Outcome:
    """What opening a run led to.

    Attributes:
        error: the type of what was raised, empty when nothing was. text: what it said.
        seconds: that it took. peak: bytes of memory above what there was before.
        did: what the witness saw: files opened for writing, programs started, files removed.
    """

    error: str = ""
    text: str = ""
    seconds: float = 0.0
    peak: int = 0
    did: list[str] = field(default_factory=list)


def opened(runs: dict[str, Path], how: str = "load", inputs: dict[str, Any] | None = None) -> dict[str, Outcome]:
    """Open every run, by name, in a process of its own; those that open are predicted with, where ``inputs`` has some.

    Args:
        how: ``"load"`` or ``"resume"``.
    """
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_open_all, args=(runs, how, inputs or {}, theirs))
    process.start()
    theirs.close()
    found: dict[str, Outcome] = {}
    try:
        while True:
            name, outcome = ours.recv()
            found[name] = outcome
    except EOFError:
        process.join()
    missing = [name for name in runs if name not in found]
    assert not missing, f"opening {missing[0]} ended the process with {process.exitcode}"
    return found


def _open_all(runs: dict[str, Path], how: str, inputs: dict[str, Any], out: Any) -> None:
    import pellucid

    seen: list[str] = []
    sys.addaudithook(_witness(seen))
    signal.signal(signal.SIGALRM, _too_long)
    first = True
    for name, path in runs.items():
        outcome = _opened(pellucid, path, how, inputs.get(name), seen)
        if first:  # the first is an honest run: everything that is loaded lazily is there now
            used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
            first = False
        out.send((name, outcome))
    out.close()


def _opened(pellucid: Any, path: Path, how: str, inputs: Any, seen: list[str]) -> Outcome:
    seen.clear()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before, start, outcome = _peak(), time.perf_counter(), Outcome()
    signal.alarm(SECONDS)
    try:
        run = getattr(pellucid, how)(path)
        if inputs is not None:
            run.predict(inputs)
    except BaseException as error:
        outcome.error, outcome.text = type(error).__name__, str(error)
    finally:
        signal.alarm(0)
    outcome.seconds, outcome.peak = time.perf_counter() - start, _peak() - before
    outcome.did = list(seen)
    return outcome


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


class Hangs(BaseException):
    """It took too long."""


def _too_long(*_: Any) -> None:
    raise Hangs


def _witness(seen: list[str]) -> Callable[[str, tuple[Any, ...]], None]:
    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = args
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and not str(path).startswith("/proc/self/"):
                seen.append(f"opened {path} for writing")
        elif event in WATCHED:
            seen.append(f"{event} {args!r}"[:200])

    return hook


def tree(root: Path) -> dict[str, str]:
    """Everything under a folder: what it is, its size, and the digest of its content."""
    found = {}
    for folder, inner, files in os.walk(root):
        for name in inner + files:
            path = Path(folder, name)
            about = path.lstat()
            small = path.is_file() and not path.is_symlink() and about.st_size < 1 << 24
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if small else ""
            found[str(path)] = f"{about.st_mode:o} {about.st_size} {about.st_mtime_ns} {digest}"
    return found
