"""Which device there is to train on."""

from __future__ import annotations

from ..errors import PellucidError


def best_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(name: str) -> None:
    """Raises PellucidError when the device that was asked for is not there."""
    import torch

    if not name.startswith("cuda"):
        return
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(name.partition(":")[2] or 0) >= there:
        raise PellucidError(f"this machine has no '{name}'", fix="leave --device out, or use --device cpu")
