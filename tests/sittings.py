"""Trainings in processes of their own, that are killed at a chosen moment: ``sit`` is what such a process runs."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["pellucid.runs.train", "sklearn.metrics"])  # imported once, forked many times


def sit(path: Path, job: dict[str, Any], kill: tuple[str, int] | None) -> None:
    """Train into ``path``, or resume there when there is a run; die at the ``kill[1]``-th event of a sort."""
    import pellucid
    from pellucid.training import loop

    loop.REPORT_SECONDS, loop.CHECKPOINT_SECONDS, loop.CHECKPOINT_SHARE = 0.0, 0.0, 1e9  # type: ignore[misc]  # a checkpoint after every step
    if kill:
        die_at(*kill)
    if (path / "run.json").exists():
        pellucid.resume(path)
    else:
        pellucid.train(**job, out=path.parent, name=path.name)


def die_at(sort: str, number: int) -> None:
    """SIGKILL to oneself at the ``number``-th event, counted from 0."""
    from pellucid.storage import atomic as disk
    from pellucid.storage.folder import Folder
    from pellucid.training.optimizer import Muon

    owner: Any
    owner, name = {
        "between the optimizers": (Muon, "step"),  # AdamW has moved its weights, Muon has not
        "before a checkpoint": (Folder, "save_checkpoint"),
        "before a file is renamed": (disk.Disk, "rename"),
        "before a decision": (Folder, "append"),
    }[sort]
    real, left = getattr(owner, name), [number]

    def counted(*args: Any, **kwargs: Any) -> Any:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(*args, **kwargs)

    setattr(owner, name, counted)


def sitting(path: Path, job: dict[str, Any], kill: tuple[str, int] | None = None) -> int:
    """Run one; its exit code, -9 when it was killed."""
    process = context.Process(target=sit, args=(path, job, kill))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode
