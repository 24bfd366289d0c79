"""What all tests share: a cache of their own, one thread, and small data sets of every kind."""

from __future__ import annotations

import csv
import os
import signal
import tempfile
from pathlib import Path

# Before anything of pellucid or torch is loaded, and for the processes that tests start.
os.environ["PELLUCID_CACHE"] = _cache = tempfile.mkdtemp(prefix="pellucid-tests-")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and tests send it

# The same examples every time, so that a change is red for what it does; `make test-all` draws new ones.
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_unconfigure() -> None:
    shutil.rmtree(_cache, ignore_errors=True)


def write_table(path: Path, names: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 rows of two numbers, one with gaps, and a category; a class that follows from them."""
    rng = np.random.default_rng(0)
    rows: list[list[object]] = []
    for _ in range(120):
        x, y, colour = rng.normal(), rng.normal(), rng.choice(["red", "green", "blue"])
        rows.append([f"{x:.4f}", f"{y:.4f}" if rng.random() > 0.1 else "", colour, "yes" if x + y > 0 else "no"])
    return write_table(tmp_path_factory.mktemp("table") / "small.csv", ["x", "y", "colour", "label"], rows)


@pytest.fixture(scope="session")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 rows of two numbers and a third that follows from them."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(120, 2))
    rows: list[list[object]] = [[f"{x:.4f}", f"{y:.4f}", f"{100 + 7 * x * y:.4f}"] for x, y in values]
    return write_table(tmp_path_factory.mktemp("numbers") / "numbers.csv", ["x", "y", "price"], rows)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 80 colour photos of 8 × 8 pixels in two classes: bright above or bright below."""
    rng, root = np.random.default_rng(2), tmp_path_factory.mktemp("photos")
    for i in range(80):
        pixels = rng.integers(0, 128, (8, 8, 3))
        above = i % 2 == 0
        pixels[: 4 if above else None] += 100 * above
        pixels[4:] += 100 * (not above)
        folder = root / ("above" if above else "below")
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    return root


WORDS = ["the", "film", "story", "actor", "was", "rather", "very", "plot", "music", "ending", "scene", "long", "quiet"]


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 short texts of different lengths; those with a good word are good."""
    rng, rows = np.random.default_rng(3), []
    for i in range(100):
        words = [*rng.choice(WORDS, rng.integers(4, 14)), ["wonderful", "dreadful"][i % 2]]
        rows.append([" ".join(rng.permutation(words)), ["good", "bad"][i % 2]])
    return write_table(tmp_path_factory.mktemp("texts") / "reviews.csv", ["review", "verdict"], rows)
