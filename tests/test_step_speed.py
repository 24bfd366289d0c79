"""Writing costs what it adds: a late token as much as an early one, a prompt a small part of its steps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_trunks import CAUSAL

# torch's GRU has no fused kernel on a CPU and takes half of what is gained: five times was measured.
GRU_GAIN = 3


@pytest.fixture(scope="module")
def times() -> dict[str, dict[str, float]]:
    script = Path(__file__).with_name("step_times.py")
    done = subprocess.run([sys.executable, str(script), "3"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CAUSAL)
def test_a_prompt_is_read_ten_times_as_fast_as_it_is_stepped(name: str, times: dict[str, dict[str, float]]) -> None:
    assert times[name]["stepped"] > (GRU_GAIN if name == "recurrent" else 10) * times[name]["read"]


@pytest.mark.parametrize("name", CAUSAL)
def test_a_late_token_costs_at_most_twice_an_early_one(name: str, times: dict[str, dict[str, float]]) -> None:
    assert times[name]["late"] < 2 * times[name]["early"]
