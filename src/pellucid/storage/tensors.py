"""Arrays and JSON in one safetensors file that carries its own checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .strict_json import damage_error, to_json

# Of all arrays, which safetensors makes on the way to a file's bytes.
SAVING_COPIES = 3

Tensors = dict[str, np.ndarray]


def pack_tensors(tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> bytes:
    """Arrays of any shape (also none, also empty) and JSON ``meta`` as the bytes of one safetensors file.

    Equal content gives equal bytes. Raises MemoryError.
    """
    # 10 ms that `pellucid --help` need not wait for.
    from safetensors.numpy import save

    # Contiguous, because safetensors writes other arrays scrambled.
    arrays = {name: np.asarray(a, a.dtype.newbyteorder("<"), order="C") for name, a in tensors.items()}
    text = to_json(meta)
    # Where this fails, ``save`` would end the process by a Rust panic or an abort (docs/LOG.md, 2026-11-22).
    np.empty(SAVING_COPIES * sum(a.nbytes for a in arrays.values()), np.uint8)
    # All metadata under one key, because safetensors writes several in random order.
    return save(arrays, metadata={"pellucid": to_json({"sha256": _content_seal(arrays, text), "meta": text})})


def unpack_tensors(data: bytes, path: Path) -> tuple[Tensors, dict[str, Any]]:
    """The arrays and the JSON of a file that ``pack_tensors`` made; the arrays can be written to.

    Args:
        path: of the file, for the error.

    Raises:
        PellucidError: for anything that ``pack_tensors`` did not write, hostile files included.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = {name: a if a.flags.writeable else a.copy() for name, a in load(data).items()}
        size = int.from_bytes(data[:8], "little")
        own = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["pellucid"])
        good = own["sha256"] == _content_seal(arrays, own["meta"])
        meta = json.loads(own["meta"])
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise damage_error("it is damaged or not written by Pellucid", path) from None
    if not good or not isinstance(meta, dict):
        raise damage_error("it is damaged (its checksum is wrong)", path)
    return arrays, meta


def _content_seal(arrays: Mapping[str, np.ndarray], meta: str) -> str:
    """SHA-256 over names, types, shapes and bytes of all arrays, and over the JSON."""
    # Over the content rather than the file, which holds the checksum.
    seal = hashlib.sha256(meta.encode())
    for name, a in sorted(arrays.items()):
        seal.update(to_json([name, a.dtype.str, a.shape]).encode())
        seal.update(a.reshape(-1).view(np.uint8).data)
    return seal.hexdigest()
