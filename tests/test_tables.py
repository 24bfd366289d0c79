"""Tables in files: every format, compressed and in archives, several as one, and larger than a block."""

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.data import blocks, read
from pellucid.errors import PellucidError
from pellucid.fields.base import Later

QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
FRAME = pl.DataFrame(
    {
        "n": [1.5, 2.0, None, 4.25] * 6,
        "whole": list(range(1, 25)),
        "word": ["u", "v", None, "w, x"] * 6,
        "label": ["x", "y"] * 12,
    }
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path_factory.mktemp("cache")))


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def texts(data):
    return [str(note) for note in data.notes]


def contents(data):
    """Everything that is read: kinds, roles, values as they are stored, places, notes."""
    stored = {name: data.stored(name) for name, field in data.fields.items() if field.role != "ignore"}
    return {
        "fields": [(f.name, f.kind, f.role, f.reason) for f in data.fields.values()],
        "arrays": {n: {k: a.tolist() for k, a in one.arrays.items()} for n, one in stored.items()},
        "meta": {n: dict(one.meta) for n, one in stored.items()},
        "places": [data.place(row) for row in range(len(data))],
        "notes": texts(data),
    }


def same(one, other):
    """NaN is equal to NaN here."""
    np.testing.assert_equal(contents(one), contents(other))


# formats


def as_excel(frame, path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl writes the spreadsheets of these tests")
    book = openpyxl.Workbook()
    for row in (frame.columns, *frame.rows()):
        book.active.append(row)
    book.save(path)


WRITERS = {
    ".csv": lambda f, p: f.write_csv(p),
    ".tsv": lambda f, p: f.write_csv(p, separator="\t"),
    ".parquet": lambda f, p: f.write_parquet(p),
    ".arrow": lambda f, p: f.write_ipc(p),
    ".feather": lambda f, p: f.write_ipc(p, compression="lz4"),
    ".ipc": lambda f, p: f.write_ipc_stream(p),
    ".jsonl": lambda f, p: f.write_ndjson(p),
    ".xlsx": as_excel,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_table_says_the_same_in_every_format(suffix, tmp_path):
    WRITERS[suffix](FRAME, tmp_path / f"t{suffix}")
    data, frame = read(tmp_path / f"t{suffix}"), read(FRAME)
    assert [(f.kind, f.role) for f in data.fields.values()] == [(f.kind, f.role) for f in frame.fields.values()]
    assert data.fingerprint() == frame.fingerprint()


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".ipc"])
def test_columns_of_a_large_typed_file_are_read_one_at_a_time(suffix, tmp_path, monkeypatch):
    frame = FRAME.with_columns(
        day=pl.date(2020, 1, 1), nested=pl.concat_list("n"), kind=pl.col("label").cast(pl.Enum(["x", "y"]))
    )
    WRITERS[suffix](frame, tmp_path / f"t{suffix}")
    whole = contents(read(tmp_path / f"t{suffix}", cache=False))
    monkeypatch.setattr("pellucid.data.tables.LARGE", 1)
    monkeypatch.setattr("pellucid.data.pieces.PIECE", 7)
    np.testing.assert_equal(contents(read(tmp_path / f"t{suffix}", cache=False)), whole)
    assert "holds List(Float64) and is left out" in str(whole["notes"])


def test_feather_of_the_first_version_is_refused(tmp_path):
    with pytest.raises(PellucidError) as error:
        read(written(tmp_path / "t.feather", b"FEA1nonsense"))
    assert str(error.value) == (
        "t.feather: is Feather of version 1, which is no longer read\n"
        "  write it again with a newer library (Feather version 2), or as Parquet"
    )


@pytest.mark.parametrize("content", [b"", b"x", b"ARROW1\0\0nonsense", b"\xff\xff\xff\xff\xa8\0\0\0"])
def test_damaged_arrow_files_are_said(content, tmp_path):
    with pytest.raises(PellucidError, match=r"t\.arrow: cannot be read as Arrow"):
        read(written(tmp_path / "t.arrow", content))


# spreadsheets


def test_the_first_sheet_with_a_table_is_read(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl writes the spreadsheets of these tests")
    book = openpyxl.Workbook()
    book.active.title = "About"
    book.active["A1"] = "made by hand"
    sheet = book.create_sheet("Data")
    sheet.append(["Sales of 2020"])
    sheet.append([])
    sheet.append(["n", "code", None, "n", "label"])
    for i in range(8):
        sheet.append([i * 1.5, f"00{i}", None, i % 3, "xy"[i % 2]])
        sheet.append([None] * 5)
    book.create_sheet("Notes")
    book.save(tmp_path / "t.xlsx")
    data = read(tmp_path / "t.xlsx")
    assert data.layout == "a table of 8 rows and 4 columns (the sheet 'Data', names in its first row)"
    assert list(data.fields) == ["n", "code", "n_2", "label"]
    assert data.column("code").values[7] == "007"
    assert [data.place(row) for row in (0, 7)] == ["t.xlsx, row 4", "t.xlsx, row 18"]
    assert "t.xlsx: the sheet 'Data' is read and the sheets 'About' and 'Notes' left out" in texts(data)
    assert "t.xlsx: 2 rows above the table are passed over" in texts(data)


def test_a_spreadsheet_without_a_table(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl writes the spreadsheets of these tests")
    openpyxl.Workbook().save(tmp_path / "t.xlsx")
    with pytest.raises(PellucidError) as error:
        read(tmp_path / "t.xlsx")
    assert str(error.value) == "t.xlsx: no sheet holds a table (looked at 'Sheet')\n  put names in a first row"


# blocks


def everything_odd():
    """A table with all that makes cutting it hard."""
    rows = ["n,f,code,word,day,late,empty,label"]
    for i in range(300):
        f, code = i * 1.5 if i > 150 else i, f"{i:03}" if i < 280 else "x9"
        rows.append(
            f'{i},{f},{code},"a ""é"" {i % 5}\nb",2020-01-{i % 28 + 1:02},{"" if i < 250 else i},,{"xy"[i % 2]}'
        )
        rows += ["", "\r"] if i % 50 == 3 else ["1,2"] if i % 70 == 9 else [f"{i},,,,,,,x,9"] if i == 200 else []
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("block", [97, 1000, 5000])
def test_a_table_in_blocks_is_the_table_as_a_whole(encoding, block, tmp_path, monkeypatch):
    file = written(tmp_path / "t.csv", everything_odd().encode(encoding))
    whole = read(file, cache=False, target="label")
    assert whole.column("code").values[7] == "007"
    assert whole.column("day").values.dtype == pl.Date
    monkeypatch.setattr(blocks, "BLOCK", block)
    parts = read(file, cache=False, target="label")
    same(parts, whole)
    for name in whole.fields:
        one, other = parts.column(name).values, whole.column(name).values
        assert one.to_list() == other.to_list()
        assert one.dtype == other.dtype


CELLS = st.one_of(
    st.none(),
    st.integers(-(10**6), 10**6),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3)),
    st.sampled_from(
        ["007", "NA", "true", "false", "2020-01-02", "2021-12-31", "x", "a b", '"', "a,b", "a\nb", " 7", "é"]
    ),
)


@QUICK
@given(st.integers(1, 4).flatmap(lambda w: st.lists(st.tuples(*[CELLS] * w), min_size=1, max_size=40)), st.data())
def test_any_table_in_blocks_of_any_size(tmp_path, monkeypatch, rows, data):
    frame = pl.DataFrame([[None if c is None else str(c) for c in row] for row in rows], orient="row")
    frame = frame.with_columns(key=pl.Series([f"k{i % 3}" for i in range(len(frame))]))
    file = tmp_path / "t.csv"
    frame.write_csv(file)
    block = data.draw(st.integers(1, file.stat().st_size))
    whole = read(file, cache=False, target="key", header=True)
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "BLOCK", block)
        same(read(file, cache=False, target="key", header=True), whole)


def test_pieces_on_disk_go_with_the_data(tmp_path, monkeypatch):
    file = written(tmp_path / "t.csv", everything_odd())
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    data = read(file, cache=tmp_path / "cache", target="label")
    folder = tmp_path / "cache" / "spool"
    data.column("n")
    assert len(list(folder.glob("*/*.arrow"))) > 10
    assert isinstance(data.column("n").held, Later)
    del data
    assert not list(folder.iterdir())


def test_too_little_room_for_the_pieces_is_said(tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    with pytest.raises(PellucidError, match=r"t\.csv: it takes 0\.0 GB on the disk to read it, and 0\.0 GB are free"):
        read(written(tmp_path / "t.csv", everything_odd()))


def test_json_lines_in_blocks(tmp_path, monkeypatch):
    lines = [f'{{"n": {i}, "w": "{"uv"[i % 2]}"}}' for i in range(60)] + ['{"n": 0.5, "w": "u", "more": 3}'] * 9
    file = written(tmp_path / "t.jsonl", "\n".join(lines) + "\n")
    whole = read(file, cache=False)
    monkeypatch.setattr(blocks, "BLOCK", 300)
    same(read(file, cache=False), whole)
    bad = written(tmp_path / "u.jsonl", "\n".join([*lines, '{"n": ']) + "\n")
    with pytest.raises(PellucidError, match=r"u\.jsonl: line 70 is not JSON"):
        read(bad)


def test_a_wide_table_is_not_quadratic(tmp_path):
    import time

    width = 20_000
    lines = [",".join(f"c{i}" for i in range(width - 1)) + ",label"]
    lines += [",".join(str((i * j) % 7) for i in range(width - 1)) + f",{'xy'[j % 2]}" for j in range(4)]
    file = written(tmp_path / "t.csv", "\n".join(lines))
    from pellucid.data.layouts import recognised
    from pellucid.data.sources import Options

    start = time.process_time()
    found = recognised(file, Options()).load()
    assert len(found.columns) == width
    assert time.process_time() - start < 3


def test_cells_of_a_million_characters(tmp_path):
    long = "a" * 10**6
    data = read(written(tmp_path / "t.csv", "text,label\n" + f'"{long}, ""b""",x\nshort,y\n' * 3), target="label")
    assert len(data) == 6
    assert len(data.column("text").values[0]) == 10**6 + 5


def test_a_short_first_row_does_not_narrow_the_table(tmp_path):
    data = read(written(tmp_path / "t.csv", "a,b,label\n1\n" + "1,2,x\n3,4,y\n" * 5))
    assert data.column("label").values.to_list() == [None, *"xy" * 5]
