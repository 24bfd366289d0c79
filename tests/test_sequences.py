"""Series and recordings from arrays in memory: dicts and frames of columns, (X, y), new data of a run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

import pellucid
from pellucid.errors import PellucidError
from pellucid.fields.recordings import pack_samples

RATE = 8000


def waves(n: int = 40, channels: int = 1) -> tuple[list[np.ndarray], list[str]]:
    """Slow and fast waves of 40 to 59 values, (C, T) or (T,)."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        t = np.arange(40 + i % 20)
        each = [np.sin(t / (2 + 3 * (i % 2)) + c) + 0.02 * rng.normal(size=len(t)) for c in range(channels)]
        found.append(np.stack(each) if channels > 1 else each[0])
    return found, ["fast", "slow"] * (n // 2)


def tones(n: int = 24, rate: int = RATE) -> tuple[list[np.ndarray], list[str]]:
    """Low and high tones of about a third of a second."""
    rng = np.random.default_rng(1)
    length = [rate // 3 + 40 * i for i in range(n)]
    return [
        (0.5 * np.sin(2 * np.pi * (300 + 900 * (i % 2)) * np.arange(m) / rate) + 0.01 * rng.normal(size=m))
        for i, m in enumerate(length)
    ], ["low", "high"] * (n // 2)


def kinds(data: Any) -> dict[str, str]:
    return {f.name: f.kind for f in data.inputs}


def read(source: Any, **options: Any) -> Any:
    return pellucid.read(source, cache=False, **options)


@pytest.mark.parametrize("made", [list, lambda x: [one.tolist() for one in x]], ids=["arrays", "lists"])
def test_a_column_of_unlike_lengths_is_one_of_series(made: Any) -> None:
    x, y = waves()
    data = read({"x": made(x), "label": y}, target="label")
    assert kinds(data) == {"x": "series"}
    frame = read(pd.DataFrame({"x": pd.Series(made(x)), "label": y}), target="label")
    assert kinds(frame) == {"x": "series"}
    np.testing.assert_allclose(data.column("x").series()[3].to_numpy(), x[3])


def test_equal_lengths_are_a_table_unless_asked() -> None:
    x = np.stack([one[:40] for one in waves()[0]])
    y = waves()[1]
    assert set(kinds(read({"x": x, "label": y}, target="label")).values()) == {"number"}
    assert kinds(read({"x": x, "label": y}, target="label", kinds={"x": "series"})) == {"x": "series"}


def test_lists_of_whole_numbers_stay_labels_and_gaps_stay_gaps() -> None:
    data = read({"tags": [[1, 2], [3], [1]] * 20, "label": ["a", "b", "c"] * 20}, target="label")
    assert kinds(data) == {"tags": "labels"}
    x, y = waves()
    gone = read({"x": [None, *x[1:]], "label": y}, target="label")
    assert gone.column("x").series()[0] is None


@pytest.mark.parametrize("turned", [False, True])
def test_channels_before_or_behind_time(turned: bool) -> None:
    x, y = waves(channels=2)
    even = np.stack([one[:, :40] for one in x])
    for source in (x, even):
        own = [one.T for one in source] if turned else list(source)
        own = np.stack(own) if source is even else own
        data = read((own, y))
        assert kinds(data) == {"channel_1": "series", "channel_2": "series"}
        if source is even:
            # In the user's own shape.
            told = f"{own.shape} is read as 40 series of 2 channels, 40 values long"
            assert told in "\n".join(map(str, data.notes))
        np.testing.assert_allclose(data.column("channel_2").series()[5].to_numpy(), source[5][1])
        named = read({"x": list(own), "label": y}, target="label", kinds={"x": "series"})
        assert kinds(named) == {"x_1": "series", "x_2": "series"}
        np.testing.assert_allclose(named.column("x_2").series()[5].to_numpy(), source[5][1])


def test_photos_are_no_series() -> None:
    smooth = np.tile(np.linspace(0, 255, 20).astype(np.uint8)[None, :, None, None], (12, 1, 20, 3))
    data = read((smooth, ["a", "b"] * 6))
    assert set(kinds(data).values()) == {"image"}
    grey = read(({"image": smooth[..., 0]}, ["a", "b"] * 6))
    assert set(kinds(grey).values()) == {"image"}


@pytest.mark.parametrize("turned", [False, True])
def test_a_run_of_series_reads_what_it_was_given(tmp_path: Path, turned: bool) -> None:
    x, y = waves(channels=2)
    own = [one.T for one in x] if turned else x
    run = pellucid.train((own, y), budget="2steps", out=tmp_path / "run")
    whole = [row["label"] for row in run.predict(own)]
    assert whole == [row["label"] for row in run.predict(x)]
    assert run.predict(own[0])[0]["label"] == whole[0]
    named = pellucid.train(
        {"x": own, "label": y}, target="label", kinds={"x": "series"}, budget="2steps", out=tmp_path / "named"
    )
    assert len(named.predict({"x": own[:3]})) == 3


@pytest.mark.parametrize(
    ("samples", "read_back"),
    [
        (np.array([0, 1, -32768, 32767], np.int16), [0, 1, -32768, 32767]),
        (np.array([0, 5, -7]), [0, 5, -7]),
        (np.array([0.0, 0.25, -1.0]), [0, 8192, -32768]),
        (np.array([0.5, -0.5], np.float32), [16384, -16384]),
        (np.array([0, 1 << 30], np.int32), [0, 1 << 14]),
        (np.array([128, 255], np.uint8), [0, 127 << 8]),
        (np.array([[0.5, 0.25]] * 3), [[16384, 8192]] * 3),
        (np.array([[0.5, 0.25]] * 3).T, [[16384, 8192]] * 3),
    ],
)
def test_samples_are_packed_as_they_are(samples: np.ndarray, read_back: list[Any]) -> None:
    packed = pack_samples(samples, 11_025)
    assert packed == pack_samples(samples, 11_025)
    found, rate = soundfile.read(io.BytesIO(packed), dtype="float64")
    assert rate == 11_025
    np.testing.assert_allclose(found * (1 << 15), read_back, atol=1e-6)


@pytest.mark.parametrize("form", ["rate", "rates", "spoken", "frame"])
def test_recordings_in_memory(form: str) -> None:
    x, y = tones()
    source: Any = {
        "rate": {"sound": x, "rate": RATE, "label": y},
        "rates": {"sound": x, "rate": [RATE] * len(x), "label": y},
        "spoken": [
            {"audio": {"array": one, "sampling_rate": RATE}, "label": own} for one, own in zip(x, y, strict=True)
        ],
        "frame": pd.DataFrame({"sound": pd.Series(x), "sampling_rate": RATE, "label": y}),
    }[form]
    name = "audio" if form == "spoken" else "sound"
    asked = {"kinds": {"sound": "sound"}} if form in ("rates", "frame") else {}
    data = read(source, target="label", **asked)
    assert kinds(data) == {name: "sound"}
    assert data.fields[name].settings["rate"] == RATE
    stored = data.stored_values(name).arrays
    np.testing.assert_allclose(stored["samples"][: len(x[0])] / (1 << 15), x[0], atol=1e-4)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"sound": tones()[0], "label": tones()[1]}, "how many samples a second"),
        ({"sound": tones()[0], "rate": 7, "label": tones()[1]}, "the rate 7 is none from 1,000 to 384,000"),
        ({"sound": tones()[0], "rate": "fast", "label": tones()[1]}, "the rate fast is none"),
    ],
)
def test_recordings_without_a_rate_are_asked_for_it(source: Any, text: str) -> None:
    with pytest.raises(PellucidError, match=text):
        read(source, target="label", kinds={"sound": "sound"})


def test_a_run_of_recordings_from_memory_to_answer(tmp_path: Path) -> None:
    x, y = tones()
    run = pellucid.train({"sound": x, "rate": RATE, "label": y}, target="label", budget="2steps", out=tmp_path / "run")
    found = [row["label"] for row in run.predict({"sound": x[:4], "rate": RATE})]
    for i in range(4):
        soundfile.write(tmp_path / f"{i}.wav", x[i], RATE)
    assert [row["label"] for row in run.predict([tmp_path / f"{i}.wav" for i in range(4)])] == found
