"""Random convolutions: features against a plain loop, what padding and odd series do, and whole runs with them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sittings import sitting
from torch import Tensor

import pellucid
from pellucid.data.batches.batch import Batch, Padded
from pellucid.fields import Field, Ragged
from pellucid.solved import RandomConvolutions, random_convolutions
from pellucid.solved.kernels import (
    EXTREMES,
    KERNELS,
    TAPS,
    differences,
    dilations_for,
    draw_kernels,
    draw_thresholds,
    pooled_features,
)
from pellucid.training.loader import Loader

CPU = torch.device("cpu")


def some_series(lengths: list[int], channels: int = 1, more: int = 0, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.zeros(len(lengths), max(lengths) + more, channels)
    for i, length in enumerate(lengths):
        x[i, :length] = torch.randn(length, channels, generator=rng).cumsum(0)
    return x, torch.tensor(lengths)


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_those_of_a_plain_loop(channels: int) -> None:
    x, lengths = some_series([20, 13, 1], channels)
    dilations = dilations_for(20, 16)
    kernels = draw_kernels(channels, len(dilations), seed=3)
    # A series of one value has thresholds on it, where rounding would decide.
    thresholds = draw_thresholds(x, lengths, kernels, dilations, 2, seed=3) + 0.01
    found = pooled_features(x, lengths, kernels, thresholds, dilations)
    assert found.shape == (3, len(dilations) * KERNELS * (2 + EXTREMES))
    by_dilation = found.view(3, len(dilations), 2 + EXTREMES, KERNELS)
    for row, length in enumerate(lengths.tolist()):
        for d, dilation in enumerate(dilations):
            for k in (0, 17, 83):
                given = []
                for t in range(length):
                    places = [(t + (j - TAPS // 2) * dilation, j) for j in range(TAPS)]
                    inside = [(p, j) for p, j in places if 0 <= p < length]
                    given.append(
                        sum(float(kernels[d, k, c, j] * x[row, p, c]) for p, j in inside for c in range(channels))
                    )
                shares = [np.mean([g > float(v) for g in given]) for v in thresholds[d, k]]
                expected = [*shares, max(given), min(given)]
                assert by_dilation[row, d, :, k].tolist() == pytest.approx(expected, abs=1e-4)


def test_kernels_have_three_heavy_taps_and_read_some_channels() -> None:
    kernels = draw_kernels(12, 4, seed=1)
    read = kernels.abs().sum(-1) > 0
    assert set(read.sum(-1).flatten().tolist()) <= set(range(1, 10))
    assert len(set(read.sum(-1).flatten().tolist())) > 3
    own = kernels[read]
    assert torch.equal(own.sort(-1).values, torch.tensor([-1.0] * 6 + [2.0] * 3).expand_as(own))
    assert torch.equal(draw_kernels(12, 4, seed=1), kernels)
    assert not torch.equal(draw_kernels(12, 4, seed=2), kernels)


@pytest.mark.parametrize("channels", [1, 2])
def test_padding_changes_no_feature(channels: int) -> None:
    x, lengths = some_series([30, 12, 5], channels)
    dilations = dilations_for(30, 8)
    kernels = draw_kernels(channels, len(dilations), 0)
    thresholds = draw_thresholds(x, lengths, kernels, dilations, 3, 0)
    whole = pooled_features(x, lengths, kernels, thresholds, dilations)
    other = torch.nn.functional.pad(x, (0, 0, 0, 17))
    # Not a single value differs by more than the rounding of a convolution over another length.
    assert_alike(pooled_features(other, lengths, kernels, thresholds, dilations), whole)
    for i, length in enumerate(lengths.tolist()):
        alone = pooled_features(x[i : i + 1, :length], lengths[i : i + 1], kernels, thresholds, dilations)
        assert_alike(alone[0], whole[i])


def assert_alike(one: torch.Tensor, other: torch.Tensor) -> None:
    """Equal to rounding, which on some processors takes a value at its threshold to the other side: one more counts."""
    close = torch.isclose(one, other, atol=1e-5)
    assert close.float().mean() > 0.99


def test_differences_end_where_a_series_does() -> None:
    x, lengths = some_series([4, 2, 1], more=2)
    found, fewer = differences(x, lengths)
    assert fewer.tolist() == [3, 1, 1]
    assert torch.allclose(found[0, :3], x[0].diff(dim=0)[:3])
    assert not found[0, 3:].any()
    assert not found[2].any()


# -- the part


def part_and_rows(
    lengths: list[int], answers: Any, channels: int = 1, missing: float = 0.0, **settings: Any
) -> tuple[RandomConvolutions, Loader]:
    x, _ = some_series(lengths, channels)
    loud = 6 * torch.as_tensor(answers, dtype=torch.float32).view(-1, 1, 1)
    x += loud * torch.sin(torch.arange(x.shape[1])).view(1, -1, 1)
    values = np.concatenate([x[i, :n].numpy() for i, n in enumerate(lengths)])
    values[np.random.default_rng(0).random(len(values)) < missing] = np.nan
    state = {"role": "input", "mean": 0.0, "std": 1.0, "longest": max(lengths), "shortest": 1, "missing": missing}
    fields = [Field(f"c{i}", "series", state=state, settings={"axis": "a"}) for i in range(channels)]
    names = sorted({str(a) for a in answers})
    target = {"role": "target", "values": names, "counts": [1] * len(names)}
    goal = Field("y", "category", "target", state=target)
    chosen = {"dilations": 4, "thresholds": 2, "seed": 0, **settings}
    part = RandomConvolutions(fields, [goal], **chosen)
    encoded = Ragged(values, np.cumsum(lengths))
    code = np.array([names.index(str(a)) for a in answers], np.int32)
    return part, Loader({"series:a": encoded}, code, CPU)


def solved(part: RandomConvolutions, rows: Loader, train: np.ndarray, others: np.ndarray) -> Tensor:
    def never(raw: Tensor, true: Tensor) -> float:
        raise AssertionError("everything is chosen on left-out training rows")

    return part.solve(rows, train, others, validation=others, error=never)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_it_answers_what_it_left_out(channels: int, missing: float) -> None:
    rng = np.random.default_rng(0)
    answers = rng.integers(0, 3, 90)
    lengths = rng.integers(20, 40, 90).tolist()
    part, rows = part_and_rows(lengths, answers, channels, missing)
    train, others = np.arange(60), np.arange(60, 90)
    said = solved(part, rows, train, others)
    assert said.shape == (90, 3)
    true = torch.from_numpy(answers)
    assert (said.argmax(1) == true)[:60].float().mean() > 0.9
    assert (said.argmax(1) == true)[60:].float().mean() > 0.9
    assert float(torch.nn.functional.cross_entropy(said[60:], true[60:])) < 0.5, "they are logits"
    again = part(rows.batch(torch.from_numpy(others)))
    assert torch.allclose(again, said[60:], atol=1e-4)
    facts = part.facts()
    assert facts["features"] == len(part.coefficients)
    assert set(facts) == {"features", "penalty", "scale"}


def test_odd_series_have_answers_too() -> None:
    answers = np.arange(40) % 2
    lengths = [30] * 37 + [1, 2, 5]
    part, rows = part_and_rows(lengths, answers)
    said = solved(part, rows, np.arange(40), np.arange(0))
    assert said.isfinite().all()
    odd = Padded(torch.zeros(4, 60, 1), torch.tensor([60, 1, 0, 30]))
    odd.values[3, :30] = torch.nan
    found = part(Batch({"series:a": odd}, None, np.arange(4)))
    assert found.isfinite().all()
    assert torch.allclose(found[0], found[0])


def test_series_that_never_vary_say_nothing() -> None:
    part, rows = part_and_rows([20] * 20, np.arange(20) % 2)
    rows.arrays["series:a"].values.zero_()
    said = solved(part, rows, np.arange(20), np.arange(0))
    assert said.isfinite().all()
    assert float((said[:, 0] - said[:, 1]).abs().max()) < 5


def test_many_rows_are_solved_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    answers, lengths = rng.integers(0, 2, 120), rng.integers(20, 30, 120).tolist()
    few, rows = part_and_rows(lengths, answers, dilations=1, thresholds=1)
    whole = solved(few, rows, np.arange(100), np.arange(100, 120))
    monkeypatch.setattr(random_convolutions, "MOST_ROWS", 10)
    monkeypatch.setattr(random_convolutions, "ROWS_AT_ONCE", 32)
    many, _ = part_and_rows(lengths, answers, dilations=1, thresholds=1)
    pieces = solved(many, rows, np.arange(100), np.arange(100, 120))
    assert few.facts()["penalty"] == many.facts()["penalty"]
    assert torch.allclose(pieces, whole, atol=1e-2)
    assert (pieces.argmax(1) == whole.argmax(1)).all()


def test_little_time_makes_fewer_features() -> None:
    part, rows = part_and_rows([30] * 40, np.arange(40) % 2, dilations=16, thresholds=8)
    assert part.within(rows, np.arange(40), 40, 1e9) == part.chosen
    assert part.within(rows, np.arange(40), 40, 0.0) == {"dilations": 1, "thresholds": 1, "seed": 0}


# -- whole runs


@pytest.fixture
def waves(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    t, fast = np.arange(30), np.arange(80) % 2
    x = np.sin(t[None] * (0.3 + 0.1 * fast[:, None]) + rng.uniform(0, 6, (80, 1))) + 0.3 * rng.normal(size=(80, 30))
    lines = (",".join(f"{v:.4f}" for v in row) + f":{'ab'[label]}" for row, label in zip(x, fast, strict=True))
    path = tmp_path / "waves.ts"
    path.write_text("@univariate true\n@classLabel true a b\n@data\n" + "\n".join(lines))
    return path


def digests(folder: Path) -> list[str]:
    names = ("weights.safetensors", "solved.safetensors")
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]


@pytest.mark.slow
def test_killed_and_resumed_it_is_the_same_to_the_last_bit(waves: Path, tmp_path: Path) -> None:
    job = {"data": waves, "steps": 12, "size": 0, "seed": 3}
    assert sitting(tmp_path / "whole", job) == 0
    for i, kill in enumerate([("before a checkpoint", 3), ("before a file is renamed", 9)]):
        assert sitting(tmp_path / f"cut{i}", job, kill) == -9
        assert sitting(tmp_path / f"cut{i}", job) == 0
        assert digests(tmp_path / f"cut{i}") == digests(tmp_path / "whole")


def test_numbers_of_whole_series_are_predicted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    speed = rng.uniform(0.1, 1, 150)
    x = np.sin(np.arange(40) * speed[:, None] + rng.uniform(0, 6, (150, 1)))
    run = pellucid.train((x, speed), kinds={"series": "series"}, steps=20, size=0, out=str(tmp_path))
    assert run.record["solved"]["score"]["value"] > 0.9
    assert run.score.metric == "R2"
    assert run.predict(x[:3])[0]["value"] == pytest.approx(speed[0], abs=0.1)
    alone = pellucid.train((x, speed), kinds={"series": "series"}, steps=2, size=0, solved=False, save=False)
    assert alone.network.solved is None
