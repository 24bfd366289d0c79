"""Bounding boxes beside images, by their forms: named as what they are, since they can't be learned from yet."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from ...fields.files import Unreadable, read_file
from ...wording import count_noun
from .listing import Listing, suffix_of

# Files of a form that are looked into, spread evenly.
MOST_LOOKED_AT = 8

# Bytes of a file of boxes of all images that its form is told from.
LARGE_JSON_BYTES = 1 << 28

# A class and where its box lies, or the corners of a polygon, as shares of the image.
YOLO_LINE = re.compile(rb"\s*\d+(\s+[01]?\.\d+|\s+[01]|\s+\d\.\d+e-\d+){4,}\s*")


def describe_boxes(files: Listing) -> str:
    """What form of boxes lies beside the images of a folder or an archive, in words; empty where there is none."""
    stems = {_stem(path) for path in files.paths}
    beside = [path for path in files.sidecars if _stem(path) in stems]
    for form, suffix, is_form in (("Pascal VOC", ".xml", _is_voc), ("YOLO", ".txt", _is_yolo)):
        own = [path for path in beside if suffix_of(path) == suffix]
        if own and _are_all(files, own, is_form):
            return f"{count_noun(len(own), f'{suffix} file')} of bounding boxes ({form})"
    tables = [path for path, (size, _) in files.tables.items() if suffix_of(path) == ".json"]
    for path in sorted(tables)[:MOST_LOOKED_AT]:
        if files.tables[path][0] < LARGE_JSON_BYTES and _is_coco(_content(files, path)):
            return f"{path} with bounding boxes (COCO)"
    return ""


def _stem(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[0]


def _are_all(files: Listing, paths: Sequence[str], is_form: Callable[[bytes], bool]) -> bool:
    return all(is_form(_content(files, path)) for path in paths[:: -(-len(paths) // MOST_LOOKED_AT)])


def _content(files: Listing, path: str) -> bytes:
    """The content of a file; nothing of one that can't be read."""
    try:
        return files.fetch(path) if files.fetch else read_file(str(files.root / path))
    except Unreadable:
        return b""


def _is_voc(data: bytes) -> bool:
    return b"<annotation" in data and b"<size>" in data


def _is_yolo(data: bytes) -> bool:
    # An image without an object has an empty file.
    return all(YOLO_LINE.fullmatch(line) for line in data.splitlines() if line.strip())


def _is_coco(data: bytes) -> bool:
    if b'"annotations"' not in data or b'"bbox"' not in data:
        return False
    try:
        found = json.loads(data)
    # Nested too deep, or no JSON.
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("images"), list)
