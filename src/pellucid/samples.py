"""Small data sets in the layout a person would have them in: real ones that scikit-learn brings along, and sounds that
are made. No network."""

from __future__ import annotations

import csv
import filecmp
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .errors import PellucidError, UsageError, unknown_name


@dataclass(frozen=True)
class Sample:
    """One data set.

    Attributes:
        about: one line for the list.
        file: the name of what is written: a folder or a file.
        write: writes it to a path.
    """

    about: str
    file: str
    write: Callable[[Path], None]


def same_content(one: Path, other: Path) -> bool:
    """Whether two files, or all files of two folders, hold the same bytes."""
    if one.is_file() or other.is_file():
        return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)
    names = [sorted(path.relative_to(each) for path in each.rglob("*") if path.is_file()) for each in (one, other)]
    return names[0] == names[1] and all(filecmp.cmp(one / name, other / name, shallow=False) for name in names[0])


def sample(name: str, to: str | Path | None = None) -> Path:
    """Write a sample data set and return where it is.

    >>> sample("iris", to=tmp / "iris.csv").name                                        # doctest: +SKIP
    'iris.csv'

    Args:
        name: one of ``SAMPLES``.
        to: where to put it; in a folder that is there it goes under its own name. Left out: the current folder.

    Raises:
        UsageError: for a name that is not there, with a suggestion.
        PellucidError: when something else lies there already (not this sample) or it cannot be written.
    """
    if name not in SAMPLES:
        raise UsageError(unknown_name("sample", name, SAMPLES))
    one = SAMPLES[name]
    place = Path(os.path.expanduser(to if to is not None else "."))
    if os.path.isdir(place):
        place = place / one.file
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Drafted beside its place: the rename stays on one file system, and nothing half-written is ever found there.
        with TemporaryDirectory(prefix=".pellucid-", dir=place.parent) as folder:
            draft = Path(folder) / place.name
            one.write(draft)
            # The same sample written twice is no error. ``lexists``, because a link to nowhere is in the way too.
            if not os.path.lexists(place):
                draft.rename(place)
            elif not os.path.exists(place) or not same_content(draft, place):
                what = "there is something of this name already"
                raise PellucidError(what, where=str(place), fix="move it, or use --to")
    except OSError as error:
        raise PellucidError(
            f"cannot be written ({error.strerror})", where=str(place), fix="choose another place with --to"
        ) from None
    return place


def _write_digits(folder: Path) -> None:
    """1,797 grey images of 8 x 8 pixels as PNG: ``0/0000.png`` to ``9/1796.png``."""
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    # scikit-learn has them in 17 levels, 0 to 16.
    pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)  # (n, 8, 8)
    for label in map(str, bunch.target_names):
        (folder / label).mkdir(parents=True)
    for i, (image, label) in enumerate(zip(pixels, bunch.target, strict=True)):
        Image.fromarray(image).save(folder / str(label) / f"{i:04}.png")


def _write_tones(folder: Path) -> None:
    """240 recordings at 8,000 Hz, half a second each: ``falling/000.wav`` to ``steady/059.wav``."""
    from .fields.recordings import to_wav

    rng, rate, count = np.random.default_rng(0), 8000, 4000
    time = np.arange(count) / rate  # (S,)
    for label in ("falling", "pulsing", "rising", "steady"):
        (folder / label).mkdir(parents=True)
        for i in range(60):
            low, ratio, beats = rng.uniform(200, 1200), rng.uniform(1.3, 2.5), rng.uniform(6, 14)
            start, end = {"falling": (low * ratio, low), "rising": (low, low * ratio)}.get(label, (low, low))
            # The phase of a pitch that moves evenly is its sum over time.
            phase = 2 * np.pi * (start * time + (end - start) * time**2 / (2 * time[-1]))
            loud = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * beats * time)) if label == "pulsing" else 1.0
            noise = rng.normal(0, 10 ** rng.uniform(-3, -1.5), count)
            samples = rng.uniform(0.1, 0.6) * loud * np.sin(phase) + noise
            wav = to_wav((np.clip(samples, -1, 1) * 32767).astype(np.int16), rate)
            (folder / label / f"{i:03}.wav").write_bytes(wav)


def _write_table(loader: str, target: str) -> Callable[[Path], None]:
    """A CSV with a header: the features under short names, then the target, classes by name."""

    def write_csv(file: Path) -> None:
        from sklearn import datasets

        # Standardised by default; a person would have them in years and milligrams.
        scaled = {"scaled": False} if loader == "load_diabetes" else {}
        bunch: Any = getattr(datasets, loader)(**scaled)
        classes = getattr(bunch, "target_names", None)
        answers = bunch.target if classes is None else [str(classes[i]) for i in bunch.target]
        with file.open("w", newline="", encoding="utf-8") as handle:
            rows = csv.writer(handle, lineterminator="\n")
            rows.writerow([*(_short_name(name) for name in bunch.feature_names), target])
            rows.writerows([*(f"{value:.12g}" for value in row), a] for row, a in zip(bunch.data, answers, strict=True))

    return write_csv


def _short_name(name: str) -> str:
    """``"sepal length (cm)"`` → ``"sepal_length_cm"``."""
    return "_".join("".join(c if c.isalnum() else " " for c in name).split())


SAMPLES: dict[str, Sample] = {
    "digits": Sample(
        "1,797 images of handwritten digits, 8 x 8 pixels, a folder for each digit", "digits", _write_digits
    ),
    "tones": Sample(
        "240 recordings of half a second, made by rule: tones that rise, fall, stay or pulse", "tones", _write_tones
    ),
    "wine": Sample(
        "178 wines, 13 measurements each: which of three growers", "wine.csv", _write_table("load_wine", "class")
    ),
    "iris": Sample("150 irises, 4 measurements each: which species", "iris.csv", _write_table("load_iris", "class")),
    "breast-cancer": Sample(
        "569 tumours, 30 measurements each: malignant or benign",
        "breast-cancer.csv",
        _write_table("load_breast_cancer", "class"),
    ),
    "diabetes": Sample(
        "442 patients, 10 measurements each: how the disease goes on in a year",
        "diabetes.csv",
        _write_table("load_diabetes", "target"),
    ),
}
