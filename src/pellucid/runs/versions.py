"""What the exact bytes of a training depend on beside plan, decisions and data, and what of it has changed."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..planning.decisions import Decisions
from ..training.listeners import Listener


def current_versions() -> dict[str, Any]:
    """Versions of libraries, number of threads and kind of processor, of this process."""
    return {
        "pellucid": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
    }


def say_versions(before: Mapping[str, Any], threads: int, listener: Listener) -> None:
    """Tell what has changed since a run was begun that its last digits depend on.

    Args:
        before: versions of then. threads: the most that were decided; 0 where torch's own number was used.
    """
    now = current_versions()
    # Threads that were decided are replayed, so they differ only where this machine has fewer processors.
    if threads:
        now["threads"] = before.get("threads") if threads <= (os.cpu_count() or 1) else os.cpu_count()
    for what, then in before.items():
        if now.get(what) != then:
            listener.said(f"{what} was {then} and is {now.get(what)}: numbers may differ in their last digits")


def most_threads(decisions: Decisions) -> int:
    """The largest number of threads that was decided; 0 where none was."""
    return max((one["value"] for one in decisions.all if one["name"] == "threads"), default=0)
