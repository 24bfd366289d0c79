"""aeon's own ROCKET on one problem, for ``series.py``: its accuracy and seconds as JSON. Run by a Python that has aeon.

Usage: ``python bench/rocket.py FOLDER NAME SEED``. It takes series of one length: shorter ones get zeros at their end.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from aeon.classification.convolution_based import RocketClassifier
from aeon.datasets import load_from_ts_file


def of_one_length(series: Any, length: int) -> np.ndarray:  # -> (n, channels, length)
    """Each series cut at ``length``, or with zeros up to there."""
    return np.stack([np.pad(one[:, :length], ((0, 0), (0, max(length - one.shape[1], 0)))) for one in series])


def main() -> None:
    folder, name, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    (x, y), (other, true) = (load_from_ts_file(str(folder / name / f"{name}_{part}.ts")) for part in ("TRAIN", "TEST"))
    began = time.perf_counter()
    length = max(one.shape[1] for one in x)
    model = RocketClassifier(random_state=seed, n_jobs=1).fit(of_one_length(x, length), y)
    right = model.predict(of_one_length(other, length)) == true
    print(json.dumps({"rocket": float(right.mean()), "rocket_seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
