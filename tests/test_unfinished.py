"""A training that has not finished, looked into as of its last checkpoint; and asks that inspect can't answer."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from test_resume import Ear, assert_same, trained

import pellucid
from pellucid.cli import exit_code
from pellucid.errors import Interrupted, PellucidError, UsageError
from pellucid.runs.inspection import inspect_run
from pellucid.runs.unfinished import is_unfinished, open_unfinished
from pellucid.training import loop


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Path:
    path = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"REPORT_SECONDS": 0.0, "CHECKPOINT_SECONDS": 0.0, "CHECKPOINT_SHARE": 1e9}.items():
            patch.setattr(loop, name, value)
        stop = Ear(7, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted):
            trained(table, path, target="label", steps=12, size=1, listeners=[stop])
    return path


def test_its_weights_are_those_of_the_checkpoint(stopped: Path) -> None:
    run = open_unfinished(stopped)
    step, tensors, _, _ = run.folder.load_checkpoint()
    assert run.step == step > 0
    for name, value in run.network.state_dict().items():
        stored = tensors.get(f"network.{name}", tensors.get(name))
        if stored is not None:
            assert np.array_equal(value.numpy(), stored)
    assert not run.network.training
    assert all(row["step"] <= step for row in run.history)


def test_it_is_looked_into_and_goes_on_to_the_same_end(stopped: Path, tmp_path: Path, table: Path) -> None:
    copy, other = tmp_path / "copy", tmp_path / "other"
    shutil.copytree(stopped, copy)
    shutil.copytree(stopped, other)
    found = inspect_run(open_unfinished(copy), table)
    assert [result.view for result in found]
    found.report()
    assert exit_code(["inspect", str(copy)], 0.0) == 0
    assert is_unfinished(copy)
    pellucid.resume(copy)
    pellucid.resume(other)
    assert not is_unfinished(copy)
    assert_same(copy, other)
    with pytest.raises(PellucidError, match="no such run"):
        open_unfinished(tmp_path / "nothing")


def test_an_answer_is_asked_of_an_example(stopped: Path) -> None:
    with pytest.raises(UsageError, match="--answer needs an example"):
        inspect_run(open_unfinished(stopped), answer="1")


def test_a_run_is_looked_into_without_its_kept_examples_where_they_are_damaged(stopped: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(stopped, copy)
    kept = copy / "kept.safetensors"
    kept.write_bytes(kept.read_bytes()[:1000])
    found = inspect_run(open_unfinished(copy))
    assert "anatomy" in [result.view for result in found]


def test_the_callers_network_stays_in_its_mode(stopped: Path) -> None:
    run = open_unfinished(stopped)
    run.network.train()
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    inspect_run(run)
    assert run.network.training
    assert all(torch.equal(before[name], value) for name, value in run.network.state_dict().items())
