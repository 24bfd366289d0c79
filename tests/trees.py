"""Pictures of trees of files, to be held against each other: what is there, and that nothing of it has changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path


def picture(
    root: Path, ours: Callable[[Path], bool] = lambda _: False, times: bool = False
) -> dict[str, tuple[object, ...]]:
    """Every file, folder and link under ``root`` by name: type and mode, and content and time or where it leads.

    Args:
        ours: what is passed over, with all that lies in it.
        times: look at those of folders too, which change where something of ours comes into one.
    """
    found: dict[str, tuple[object, ...]] = {}
    stack = [root]
    while stack:
        for entry in os.scandir(stack.pop()):
            path, about = Path(entry.path), entry.stat(follow_symlinks=False)
            if ours(path):
                continue
            name, mode = str(path.relative_to(root)), about.st_mode
            if stat.S_ISLNK(mode):
                found[name] = mode, os.readlink(path), about.st_mtime_ns
            elif stat.S_ISDIR(mode):
                found[name] = mode, about.st_mtime_ns * times
                stack.append(path)
            else:
                found[name] = mode, path.read_bytes() if stat.S_ISREG(mode) else b"", about.st_mtime_ns
    return found
