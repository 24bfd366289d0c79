"""Keeping freed memory for the next step, giving it back after the last, and how much there was at most."""

from __future__ import annotations

import gc
from pathlib import Path

import torch

from ..machine import of_glibc
from ..trunks.layers import element_hashes

# Numbers of two of glibc's mallopt parameters (malloc.h): the free top of the heap that is given back, and how many
# blocks may be maps of their own.
TRIM_THRESHOLD, MMAP_MAX = -1, -4


def keep_freed() -> bool:
    """Ask glibc to keep freed blocks rather than return them to the system; whether it agreed.

    Every step frees and takes the same large activations. By default blocks over 32 MB go back at once, and each of
    their pages costs a fault when it is touched anew: 10% of a convolutional step and 20% of a transformer's here.
    Peak memory stays what it was.
    """
    mallopt = of_glibc("mallopt")
    return bool(mallopt and mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, 2**31 - 1))


def give_back() -> None:
    """Return freed memory to the system, so that one training's does not count as the next one's."""
    # Hashes of elements are as large as activations; what holds itself in a circle is freed by a collection alone.
    element_hashes.cache_clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if trim := of_glibc("malloc_trim"):
        trim(0)


class Peak:
    """The most memory at once since this was made.

    On a GPU what torch took there; else what the process had resident, its libraries included, as Linux tells it.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.known = True
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            return
        try:
            # From here on VmHWM is the peak since now (proc(5)).
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self.known = False

    def bytes(self) -> int | None:
        """Bytes at the peak; None where the system does not tell."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        try:
            status = Path("/proc/self/status").read_text() if self.known else ""
        except OSError:
            return None
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(found[0]) * 1024 if found else None
