"""``read``, ``predict`` and ``evaluate`` on random and damaged files: a result or a PellucidError, in time."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import fuzzing
import polars as pl
import pytest
from fuzzing import Fuzzer, trained

import pellucid
from pellucid.errors import PellucidError

CASES, SECONDS = 80, 600


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Fuzzer:
    root = tmp_path_factory.mktemp("fuzz")
    return Fuzzer(root, trained(root))


def test_the_same_cases_every_time(fuzzer: Fuzzer) -> None:
    counts, wrong = fuzzer.all(iter(range(CASES)))
    assert wrong == [], f"{wrong[0][1]}\ntry it again: python tests/fuzzing.py {wrong[0][0]}"
    assert set(counts) == {"read", "answered", "refused"}
    assert min(counts.values()) > CASES // 12, f"the cases are too much alike: {counts}"


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
def test_new_cases_for_ten_minutes(tmp_path: Path) -> None:
    """In a process of its own, which a crash ends: the case that was being done is in a file."""
    first, now = random.SystemRandom().randrange(10**9), tmp_path / "now"
    words = [sys.executable, str(Path(fuzzing.__file__)), str(first), "--seconds", str(SECONDS), "--now", str(now)]
    env = {**os.environ, "PYTHONPATH": str(Path(pellucid.__file__).parents[1])}
    try:
        done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=SECONDS + 200)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it hangs: python tests/fuzzing.py {now.read_text()}") from None
    last = now.read_text()
    assert done.returncode == 0, (
        f"{done.stdout}\n{done.stderr[-3000:]}\nit began with case {first}, the last was {last}"
    )
    assert sum(json.loads(done.stdout.splitlines()[0]).values()) > 1000


def test_what_goes_wrong_is_told(fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Panics and hangs are no Exceptions; a case is the same each time it is made."""

    class PanicException(BaseException):
        pass

    def panic(*_: object) -> str:
        raise PanicException("out of range")

    monkeypatch.setattr(fuzzer, "_do", panic)
    counts, wrong = fuzzer.all(iter([7]))
    assert counts == {"wrong": 1}
    assert wrong[0][0] == 7
    assert "PanicException: out of range" in wrong[0][1]
    monkeypatch.setattr(fuzzer, "_do", lambda *about: repr(about) + str(_content(fuzzer.root / "case")))
    assert fuzzer.do(7) == fuzzer.do(7) != fuzzer.do(8)


def _content(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


# -- found by it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["parquet", "arrow"])
@pytest.mark.parametrize("kind", [pl.Date, pl.Datetime("ms"), pl.Datetime("us", "Asia/Tokyo")])
def test_dates_that_no_calendar_has(sort: str, kind: pl.DataType, tmp_path: Path) -> None:
    """Polars panics when it writes out a year beyond 262,143, and Python knows none beyond 9999."""
    days = pl.Series("day", [0, 40, 80, 10**7, None, 95_000_000] * 4)
    times = days.cast(pl.Int32) if kind == pl.Date else days * 86_400 * (10**3 if kind.time_unit == "ms" else 10**6)
    frame = pl.DataFrame([times.cast(kind).alias("day"), pl.Series("label", ["a", "b"] * 12)])
    path = tmp_path / f"t.{sort}"
    (frame.write_parquet if sort == "parquet" else frame.write_ipc)(path)
    data = pellucid.read(path, cache=False)
    assert "column 'day': 8 values outside the years 1 to 9999 counted as missing" in map(str, data.notes)
    values = data.column("day").values
    assert values.null_count() == 12
    assert str(values.cast(pl.Date)[2]) == "1970-03-22"


def test_digits_of_other_scripts(tmp_path: Path) -> None:
    """Polars takes them for a number's and can't read them."""
    (tmp_path / "t.csv").write_text("a,b\n1,١٢٣\n2,4\n3,7\n", encoding="utf-8")
    values = pellucid.read(tmp_path / "t.csv", cache=False).column("b").values
    assert values.to_list() == ["١٢٣", "4", "7"]


def _workbook() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("xl/workbook.xml", "<workbook/>")
    made = bytearray(out.getvalue())
    made[made.rindex(b"PK\x01\x02")] ^= 1
    return bytes(made)


@pytest.mark.parametrize(("name", "make"), [("t.xlsx", _workbook)])
def test_damage_is_said(name: str, make: Callable[[], bytes], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(make())
    with pytest.raises(PellucidError, match="cannot be read as a spreadsheet"):
        pellucid.read(tmp_path / name, cache=False)


def test_a_reader_that_panics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What libraries written in Rust raise where they gave up is no Exception."""

    class PanicException(BaseException):
        pass

    def panic(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}).write_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(PellucidError, match=r"t\.parquet: is damaged: its reader gave up \(index out of bounds\)"):
        pellucid.read(tmp_path / "t.parquet", cache=False)
