"""Tables in files: every format, compressed and in archives, several as one, and larger than a block."""

import bz2
import gzip
import io
import lzma
import os
import stat
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import picture

from pellucid.data import encode_groups, read_new
from pellucid.data.tables import text_blocks as blocks
from pellucid.data.tables.spool import Spool
from pellucid.dataset import read as read_data
from pellucid.errors import PellucidError
from pellucid.fields.column import LazyValues

QUICK = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
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
    stored = {name: data.stored_values(name) for name, field in data.fields.items() if field.role != "ignore"}
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


def as_sheet(path, rows):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl writes the spreadsheets of these tests")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


WRITERS = {
    ".csv": lambda f, p: f.write_csv(p),
    ".tsv": lambda f, p: f.write_csv(p, separator="\t"),
    ".parquet": lambda f, p: f.write_parquet(p),
    ".arrow": lambda f, p: f.write_ipc(p),
    ".feather": lambda f, p: f.write_ipc(p, compression="lz4"),
    ".ipc": lambda f, p: f.write_ipc_stream(p),
    ".jsonl": lambda f, p: f.write_ndjson(p),
    ".xlsx": lambda f, p: as_sheet(p, (f.columns, *f.rows())),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_table_says_the_same_in_every_format(suffix, tmp_path):
    WRITERS[suffix](FRAME, tmp_path / f"t{suffix}")
    data, frame = read_data(tmp_path / f"t{suffix}"), read_data(FRAME)
    assert [(f.kind, f.role) for f in data.fields.values()] == [(f.kind, f.role) for f in frame.fields.values()]
    assert data.fingerprint() == frame.fingerprint()


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".ipc"])
def test_columns_of_a_large_typed_file_are_read_one_at_a_time(suffix, tmp_path, monkeypatch):
    frame = FRAME.with_columns(
        day=pl.date(2020, 1, 1), nested=pl.concat_list("n"), kind=pl.col("label").cast(pl.Enum(["x", "y"]))
    )
    WRITERS[suffix](frame, tmp_path / f"t{suffix}")
    whole = contents(read_data(tmp_path / f"t{suffix}", cache=False))
    monkeypatch.setattr("pellucid.data.tables.readers.LARGE", 1)
    monkeypatch.setattr("pellucid.data.tables.table.PIECE", 7)
    np.testing.assert_equal(contents(read_data(tmp_path / f"t{suffix}", cache=False)), whole)
    assert "column 'nested': there is no number in the series; left out" in str(whole["notes"])


def test_feather_of_the_first_version_is_refused(tmp_path):
    with pytest.raises(PellucidError) as error:
        read_data(written(tmp_path / "t.feather", b"FEA1nonsense"))
    assert str(error.value) == (
        "t.feather: is Feather of version 1, which is no longer read\n"
        "  write it again with a newer library (Feather version 2), or as Parquet"
    )


@pytest.mark.parametrize("content", [b"", b"x", b"ARROW1\0\0nonsense", b"\xff\xff\xff\xff\xa8\0\0\0"])
def test_damaged_arrow_files_are_said(content, tmp_path):
    with pytest.raises(PellucidError, match=r"t\.arrow: cannot be read as Arrow"):
        read_data(written(tmp_path / "t.arrow", content))


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
    data = read_data(tmp_path / "t.xlsx")
    assert data.layout == "a table of 8 rows and 4 columns (the sheet 'Data', names in its first row)"
    assert list(data.fields) == ["n", "code", "n_2", "label"]
    assert data.column("code").values[7] == "007"
    assert [data.place(row) for row in (0, 7)] == ["t.xlsx, line 4", "t.xlsx, line 18"]
    assert "t.xlsx: the sheet 'Data' is read, the sheets 'About' and 'Notes' are left out" in texts(data)
    assert "t.xlsx: 2 rows above the table are skipped" in texts(data)


def test_a_spreadsheet_without_a_table(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl writes the spreadsheets of these tests")
    openpyxl.Workbook().save(tmp_path / "t.xlsx")
    with pytest.raises(PellucidError) as error:
        read_data(tmp_path / "t.xlsx")
    assert str(error.value) == "t.xlsx: no sheet holds a table (looked at 'Sheet')\n  put names in a first row"


# blocks


def everything_odd():
    """A table with all that makes cutting it hard."""
    rows = ["n,f,code,word,day,late,empty,label"]
    for i in range(150):
        f, code = i * 1.5 if i > 70 else i, f"{i:03}" if i < 140 else "x9"
        rows.append(
            f'{i},{f},{code},"a ""é"" {i % 5}\nb",2020-01-{i % 28 + 1:02},{"" if i < 125 else i},,{"xy"[i % 2]}'
        )
        rows += ["", "\r"] if i % 50 == 3 else ["1,2"] if i % 70 == 9 else [f"{i},,,,,,,x,9"] if i == 100 else []
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("block", [500, 3000])
def test_a_table_in_blocks_is_the_table_as_a_whole(encoding, block, tmp_path, monkeypatch):
    file = written(tmp_path / "t.csv", everything_odd().encode(encoding))
    whole = read_data(file, cache=False, target="label")
    assert whole.column("code").values[7] == "007"
    assert whole.column("day").values.dtype == pl.Date
    monkeypatch.setattr(blocks, "BLOCK", block)
    parts = read_data(file, cache=False, target="label")
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


@pytest.mark.slow
@QUICK
@given(st.integers(1, 4).flatmap(lambda w: st.lists(st.tuples(*[CELLS] * w), min_size=1, max_size=40)), st.data())
def test_any_table_in_blocks_of_any_size(tmp_path, monkeypatch, rows, data):
    frame = pl.DataFrame([[None if c is None else str(c) for c in row] for row in rows], orient="row")
    frame = frame.with_columns(key=pl.Series([f"k{i % 3}" for i in range(len(frame))]))
    file = tmp_path / "t.csv"
    frame.write_csv(file)
    block = data.draw(st.integers(1, file.stat().st_size))
    whole = read_data(file, cache=False, target="key", header=True)
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "BLOCK", block)
        same(read_data(file, cache=False, target="key", header=True), whole)


def test_pieces_on_disk_go_with_the_data(tmp_path, monkeypatch):
    file = written(tmp_path / "t.csv", everything_odd())
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    data = read_data(file, cache=tmp_path / "cache", target="label")
    folder = tmp_path / "cache" / "spool"
    data.column("n")
    assert len(list(folder.glob("*/*.arrow"))) > 5
    assert isinstance(data.column("n").held, LazyValues)
    del data
    assert not list(folder.iterdir())


@pytest.mark.parametrize("cached", [True, False])
def test_pieces_lie_in_a_folder_that_nobody_else_has(cached, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "spool").mkdir()  # of another user, who came first
    (tmp_path / "spool").chmod(0o500)
    before = picture(tmp_path)
    spool = Spool(tmp_path / "cache" if cached else None)
    assert spool.folder.parent == (tmp_path / "cache" / "spool" if cached else tmp_path)
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    spool.new_path(".csv").write_text("a\n")
    folder = spool.folder
    del spool
    assert not folder.exists()
    assert picture(tmp_path, ours=lambda path: path.name == "cache") == before


def test_pieces_never_lie_behind_a_link(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "spool").symlink_to(tmp_path / "outside")
    before = picture(tmp_path)
    with pytest.raises(PellucidError) as error:
        Spool(tmp_path / "cache")
    spool = tmp_path / "cache" / "spool"
    assert str(error.value) == (
        f"{tmp_path / 'cache'}: a large table is read in pieces, which cannot be kept here "
        f"([Errno 20] 'spool' is a link: '{spool}')\n  set PELLUCID_CACHE to a folder with room to write in"
    )
    assert picture(tmp_path) == before


def test_too_little_room_for_the_pieces_is_said(tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    with pytest.raises(PellucidError, match=r"t\.csv: it takes 0\.0 GB on the disk to read it, and 0\.0 GB are free"):
        read_data(written(tmp_path / "t.csv", everything_odd()))


def test_json_lines_in_blocks(tmp_path, monkeypatch):
    lines = [f'{{"n": {i}, "w": "{"uv"[i % 2]}"}}' for i in range(60)] + ['{"n": 0.5, "w": "u", "more": 3}'] * 9
    file = written(tmp_path / "t.jsonl", "\n".join(lines) + "\n")
    whole = read_data(file, cache=False)
    monkeypatch.setattr(blocks, "BLOCK", 300)
    same(read_data(file, cache=False), whole)
    bad = written(tmp_path / "u.jsonl", "\n".join([*lines, '{"n": ']) + "\n")
    with pytest.raises(PellucidError, match=r"u\.jsonl: line 70 is not JSON"):
        read_data(bad)


def test_a_wide_table_is_not_quadratic(tmp_path):
    import time

    width = 20_000
    lines = [",".join(f"c{i}" for i in range(width - 1)) + ",label"]
    lines += [",".join(str((i * j) % 7) for i in range(width - 1)) + f",{'xy'[j % 2]}" for j in range(4)]
    file = written(tmp_path / "t.csv", "\n".join(lines))
    from pellucid.data.recognise import recognise_source
    from pellucid.data.source import ReadOptions

    start = time.process_time()
    found = recognise_source(file, ReadOptions()).load()
    assert len(found.columns) == width
    assert time.process_time() - start < 3


def test_cells_of_a_million_characters(tmp_path):
    long = "a" * 10**6
    data = read_data(written(tmp_path / "t.csv", "text,label\n" + f'"{long}, ""b""",x\nshort,y\n' * 3), target="label")
    assert len(data) == 6
    assert len(data.column("text").values[0]) == 10**6 + 5


def test_a_short_first_row_does_not_narrow_the_table(tmp_path):
    data = read_data(written(tmp_path / "t.csv", "a,b,label\n1\n" + "1,2,x\n3,4,y\n" * 5))
    assert data.column("label").values.to_list() == [None, *"xy" * 5]


# compressed, in archives


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow", ".jsonl", ".xlsx"])
@pytest.mark.parametrize("packer", PACKERS)
def test_compressed_tables_are_read_in_place(suffix, packer, tmp_path):
    WRITERS[suffix](FRAME, tmp_path / f"t{suffix}")
    plain = (tmp_path / f"t{suffix}").read_bytes()
    data = read_data(written(tmp_path / f"p{suffix}{packer}", PACKERS[packer](plain)))
    assert data.fingerprint() == read_data(FRAME).fingerprint()
    assert data.place(0).startswith(f"p{suffix}{packer}, {'line' if suffix in ('.csv', '.jsonl', '.xlsx') else 'row'} ")
    assert not list((Path(os.environ["PELLUCID_CACHE"]) / "spool").iterdir())


def test_a_large_compressed_file_stays_unpacked_as_long_as_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.data.tables.readers.LARGE", 1)
    FRAME.write_parquet(tmp_path / "t.parquet")
    data = read_data(
        written(tmp_path / "t.parquet.gz", gzip.compress((tmp_path / "t.parquet").read_bytes())),
        cache=tmp_path / "cache",
    )
    assert data.column("n").values.to_list() == FRAME["n"].to_list()
    del data
    assert not list((tmp_path / "cache" / "spool").iterdir())


def test_zstandard_needs_a_python_that_knows_it(tmp_path):
    if sys.version_info >= (3, 14):
        pytest.skip("this Python knows zstd")
    with pytest.raises(PellucidError, match=r"t\.csv\.zst: Python reads zstd from version 3\.14 on"):
        read_data(written(tmp_path / "t.csv.zst", b"\x28\xb5\x2f\xfdrest"))


@pytest.mark.parametrize("packer", PACKERS)
def test_what_is_cut_off_or_damaged_is_said(packer, tmp_path):
    whole = PACKERS[packer](FRAME.write_csv().encode())
    for content in (whole[: len(whole) // 2], whole[:-1]):
        with pytest.raises(PellucidError, match=r"t\.csv\.\w+: is damaged or cut off"):
            read_data(written(tmp_path / f"t.csv{packer}", content))


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.data.archives.FREE", 1 << 20)
    with pytest.raises(PellucidError, match=r"b\.csv\.gz: .* like a decompression bomb"):
        read_data(written(tmp_path / "b.csv.gz", gzip.compress(b"1,2\n" * (1 << 20))))


def pack(path, files):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:" + path.suffix[1:].replace("tar", "")) as archive:
            for name, content in files.items():
                about = tarfile.TarInfo(name)
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content.encode()))
    return path


@pytest.mark.parametrize("name", ["t.zip", "t.tar", "t.tar.gz", "t.tar.xz"])
def test_tables_in_an_archive_are_one_table(name, tmp_path):
    one, two = FRAME[:10].write_csv(), FRAME[10:].select("label", "n", "whole", "word").write_csv()
    data = read_data(
        pack(tmp_path / name, {"in/a.csv": one, "in/b.csv": two, "in/README.txt": "hello", "licence.md": "x"})
    )
    assert data.fingerprint() == read_data(FRAME).fingerprint()
    assert data.place(10) == f"{name}, in/b.csv, line 2"
    assert f"{name}: 2 other files are left out (in/README.txt and licence.md)" in texts(data)
    assert data.layout == (
        f"a table of 24 rows and 4 columns (2 files, {name}, in/a.csv and {name}, in/b.csv: CSV with commas, "
        "names in the first line)"
    )


def test_an_archive_without_tables(tmp_path):
    with pytest.raises(PellucidError) as error:
        read_data(pack(tmp_path / "t.zip", {"a.bin": "x"}))
    assert str(error.value) == "t.zip: there is no table in the archive (it holds a.bin)\n  put a table into it"


# several files


def test_a_folder_a_list_and_a_pattern_are_one_table(tmp_path, monkeypatch):
    folder = tmp_path / "sales"
    written(folder / "a.csv", FRAME[:10].write_csv())
    written(folder / "b.tsv", FRAME[10:20].select("label", "word", "n", "whole").write_csv(separator="\t"))
    FRAME[20:].write_parquet(folder / "c.parquet")
    written(folder / "notes.md", "hello")
    whole = read_data(FRAME).fingerprint()
    forms = [folder, sorted(folder.glob("[abc].*")), [str(folder / f"{n}") for n in ("a.csv", "b.tsv", "c.parquet")]]
    for form in [*forms, str(folder / "[abc].*")]:
        data = read_data(form)
        assert data.fingerprint() == whole
        assert [data.place(row) for row in (0, 10, 23)] == ["a.csv, line 2", "b.tsv, line 2", "c.parquet, row 3"]
        again = read_data(data.recipe()["source"], **data.recipe()["options"])
        assert again.fingerprint() == whole
    assert read_data(folder).name == "sales"
    assert read_data(str(folder / "[abc].*")).name == "sales"
    monkeypatch.setattr("pellucid.data.tables.concat.HELD", 1)
    assert read_data(folder, cache=False).fingerprint() == whole


def test_types_of_files_are_brought_together(tmp_path):
    written(tmp_path / "t" / "a.csv", "zip,n,day,label\n" + "007,1,2020-01-02,x\n010,2,2020-01-03,y\n" * 3)
    written(tmp_path / "t" / "b.csv", "zip,n,day,label\n" + "x9,1.5,never,x\n008,2.5,2020-01-05,y\n" * 3)
    data = read_data(tmp_path / "t")
    assert data.column("zip").values.to_list() == ["007", "010"] * 3 + ["x9", "008"] * 3
    assert data.column("n").values.to_list() == [1.0, 2.0] * 3 + [1.5, 2.5] * 3
    assert data.column("day").values[0] == "2020-01-02"


def test_files_with_other_columns_are_said(tmp_path):
    written(tmp_path / "t" / "a.csv", "n,m,label\n1,2,x\n3,4,y\n")
    written(tmp_path / "t" / "b.csv", "n,k,l,label\n1,2,3,x\n3,4,5,y\n")
    with pytest.raises(PellucidError) as error:
        read_data(tmp_path / "t")
    assert str(error.value) == (
        "b.csv: its columns are not those of a.csv: it lacks 'm' and has 'k' and 'l' too\n"
        "  name the files that belong together, or give them the same columns"
    )


def test_only_the_first_of_several_pieces_may_have_a_header(tmp_path):
    written(tmp_path / "t" / "part-1.csv", "n,m,label\n" + "1,2,x\n3,4,y\n" * 4)
    written(tmp_path / "t" / "part-2.csv", "5,6,x\n7,8,y\n" * 4)
    data = read_data(tmp_path / "t")
    assert data.column("m").values.to_list() == [2, 4] * 4 + [6, 8] * 4
    assert "part-2.csv: has no header; its columns are taken in the order of part-1.csv" in texts(data)
    bare = [written(tmp_path / "u" / f"{i}.csv", f"{i},1,x\n{i},2,y\n" * 3) for i in range(3)]
    assert len(read_data(bare)) == 18
    assert read_data(bare).target.name == "column_3"


def rows(n, start=0):
    return "".join(f"{i},{i % 7},{'xy'[i % 2]}\n" for i in range(start, start + n))


def test_files_named_after_the_parts_give_the_split(tmp_path):
    for name, n in (("my-train.csv", 20), ("my-valid.csv", 6), ("my-test.csv", 5), ("notes.csv", 3)):
        written(tmp_path / "t" / name, "a,b,label\n" + rows(n, n))
    data = read_data(tmp_path / "t")
    assert [len(part) for part in data.split().parts().values()] == [20, 6, 5]
    assert data.split().how == "given by the data"
    assert data.place(20) == "my-valid.csv, line 2"
    assert "notes.csv: is neither train nor validation nor test and is left out" in texts(data)


@pytest.mark.parametrize("target", [None, "label"])
def test_a_test_file_without_the_target_is_left_out(target, tmp_path):
    written(tmp_path / "t" / "train.csv", "a,b,label\n" + rows(30))
    written(tmp_path / "t" / "test.csv", "a,b\n1,2\n3,4\n")
    written(tmp_path / "t" / "sample_submission.csv", "a,label\n1,x\n3,y\n")
    data = read_data(tmp_path / "t", target=target)
    assert (len(data), data.target.name) == (30, "label")
    assert "split" not in data.fields
    assert data.reading.why == ("as you asked" if target else "test.csv has every other column")
    expected = "test.csv: has no column 'label' to score with and is left out; a finished run can predict it"
    assert expected in texts(data)


def test_several_tables_for_a_finished_run(tmp_path):
    fields = list(read_data(written(tmp_path / "t.csv", "a,b,label\n" + rows(30)), target="label").fitted().values())
    new = [written(tmp_path / name, "b,a\n1,2\n3,4\n") for name in ("train.csv", "test.csv")]
    data = read_new([str(path) for path in new], fields, need_target=False)
    assert len(data) == 4
    assert data.place(2) == "test.csv, line 2"


def test_columns_of_a_sheet_without_names_keep_their_place(tmp_path):
    table = [[i % 9 + 0.5, i % 7 + 0.25, i % 5 + 0.75, "ab"[i % 2]] for i in range(40)]
    data = read_data(as_sheet(tmp_path / "t.xlsx", table), target="column_4")
    fields = list(data.fitted().values())
    blank = as_sheet(tmp_path / "new.xlsx", [[row[0], None, *row[2:]] for row in table[:3]])
    new = read_new(blank, fields, need_target=False, columns=data.reading.columns)
    assert new.stored_values("column_3").arrays["value"].tolist() == [0.75, 1.75, 2.75]
    assert np.isnan(new.stored_values("column_2").arrays["value"]).all()


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    may, june = (written(tmp_path / month / "sales.csv", "a,b\n1,2\n3,4\n") for month in ("may", "june"))
    packed = pack(tmp_path / "june" / "all.zip", {"sales.csv": "a,b\n1,2\n3,4\n"})
    other = pack(tmp_path / "may" / "all.zip", {"sales.csv": "a,b\n5,6\n"})
    data = read_data([may, packed, june, other])
    assert [data.place(row) for row in (0, 2, 5, 6)] == [
        "may/sales.csv, line 2",
        "june/all.zip, sales.csv, line 2",
        "june/sales.csv, line 3",
        "may/all.zip, sales.csv, line 2",
    ]
    written(tmp_path / "june" / "sales.csv", "a,c\n1,2\n")
    with pytest.raises(PellucidError) as error:
        read_data(str(tmp_path / "*" / "sales.csv"))
    assert str(error.value) == (
        "may/sales.csv: its columns are not those of june/sales.csv: it lacks 'c' and has 'b' too\n"
        "  name the files that belong together, or give them the same columns"
    )


def test_a_missing_one_of_several_files_is_said(tmp_path):
    one = written(tmp_path / "a.csv", "a,b\n1,2\n")
    with pytest.raises(PellucidError) as error:
        read_data([one, tmp_path / "b.csv"])
    assert str(error.value) == f"{tmp_path}/b.csv: there is no such file"
    with pytest.raises(PellucidError, match="there is no such file or folder"):
        read_data(str(tmp_path / "*.parquet"))


@QUICK
@given(frame=st.data(), form=st.sampled_from(sorted(WRITERS)), packer=st.sampled_from(["", *PACKERS]))
def test_any_frame_survives_any_format(frame, form, packer, tmp_path):
    n = frame.draw(st.integers(2, 20))
    column = lambda of: st.lists(st.none() | of, min_size=n, max_size=n)  # noqa: E731
    numbers = column(st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 3)))
    words = column(st.sampled_from(["a", "b c", 'd "e"', "f,g", "é", "h\ti"]))
    table = pl.DataFrame(
        {
            "number": pl.Series(frame.draw(numbers), dtype=pl.Float64),
            "word": pl.Series(frame.draw(words), dtype=pl.String),
            "label": pl.Series([f"k{i % 2}" for i in range(n)]),
        }
    )
    path = tmp_path / f"t{form}{packer}"
    WRITERS[form](table, tmp_path / f"t{form}")
    if packer:
        path.write_bytes(PACKERS[packer]((tmp_path / f"t{form}").read_bytes()))
    options = {"target": "label", "kinds": {"number": "number", "word": "category"}, "cache": False, "header": True}
    found, expected = read_data(path, **options), read_data(table, **{**options, "header": None})
    for name in table.columns:
        got, want = found.stored_values(name), expected.stored_values(name)
        assert got.meta == want.meta
        for key in want.arrays:
            np.testing.assert_array_equal(got.arrays[key], want.arrays[key])


# larger than memory


@pytest.fixture
def small_limits(monkeypatch):
    """Everything that is done only for large tables is done for small ones."""
    monkeypatch.setattr(blocks, "BLOCK", 2000)
    for name in (
        "pellucid.data.tables.table.PIECE",
        "pellucid.fields.column.PIECE",
        "pellucid.data.batches.encode.PIECE",
    ):
        monkeypatch.setattr(name, 50)
    monkeypatch.setattr("pellucid.data.batches.encode.LARGE", 0)
    monkeypatch.setattr("pellucid.data.cache.cache.SMALL", 0)


def a_table(path, n=400):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "x": rng.normal(size=n).round(3),
            "count": rng.poisson(4, n),
            "day": pl.Series([f"2020-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(n)]),
            "price": pl.Series([f"${i}" if i % 9 else "n/a" for i in range(n)]),
            "odd": pl.Series([str(i / 7) if i % 40 else "tall" for i in range(n)]),
            "word": rng.choice(["a", "b", "c"], n),
            "label": rng.choice(["yes", "no"], n),
        }
    )
    frame.write_csv(path)
    return path


def test_a_table_by_pieces_is_encoded_as_a_whole_one(tmp_path, request):
    file = a_table(tmp_path / "t.csv")
    whole = read_data(file, cache=tmp_path / "one")
    expected = encode_groups(whole, whole.fitted().values())
    request.getfixturevalue("small_limits")
    parts = read_data(file, cache=tmp_path / "two")
    same(parts, whole)
    fields = parts.fitted()
    assert {n: f.state for n, f in fields.items()} == {n: f.state for n, f in whole.fitted().items()}
    found = encode_groups(parts, fields.values())
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert isinstance(found[key], np.memmap)
        np.testing.assert_array_equal(found[key], array)
    assert [str(note) for note in parts.check()] == [str(note) for note in whole.check()]


def test_a_training_on_pieces_ends_with_the_same_weights(tmp_path, request, monkeypatch):
    import pellucid

    file, options = a_table(tmp_path / "t.csv"), {"steps": 12, "network": "mlp", "size": 0}
    runs = [pellucid.train(pellucid.read(file, cache=tmp_path / "one"), **options, out=tmp_path / "runs")]
    request.getfixturevalue("small_limits")
    monkeypatch.setattr("pellucid.training.arrays.MAPPED_BYTES", 0)
    monkeypatch.setattr("pellucid.reports.run_report.BLOCK", 7)
    runs.append(pellucid.train(pellucid.read(file, cache=tmp_path / "two"), **options, out=tmp_path / "runs"))
    weights = [(run.path / "weights.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1]
    tables = [pl.read_parquet(run.path / "predictions.parquet") for run in runs]
    assert tables[0].equals(tables[1])
    assert tables[0]["input"][0].startswith("line ")


def test_several_targets_on_pieces_are_learned(tmp_path, small_limits, monkeypatch):
    import pellucid

    monkeypatch.setattr("pellucid.training.arrays.MAPPED_BYTES", 0)
    rows = [f"{i % 7},{i % 7 * 2.5},{i % 7 * -1.5}" for i in range(200)]
    file = written(tmp_path / "t.csv", "\n".join(["x,a,b", *rows]))
    run = pellucid.train(pellucid.read(file, target="a,b", cache=tmp_path / "cache"), steps=12, folds=0, out=tmp_path)
    assert sorted(run.predict(str(file))[0]) == ["a", "b", "input", "row"]


def test_the_second_start_of_a_large_table_opens_no_source(tmp_path, small_limits):
    file = a_table(tmp_path / "t.csv")
    first = read_data(file, cache=tmp_path / "cache")
    first.check()
    places = [first.place(row) for row in range(len(first))]
    data = read_data(file, cache=tmp_path / "cache")
    data._load = lambda: pytest.fail("the source was opened")
    data.check()
    assert [data.place(row) for row in range(len(data))] == places
    encode_groups(data, data.fitted().values())


def test_a_file_of_the_cache_that_is_cut_short_is_said(tmp_path):
    from pellucid.training.arrays import FileRows

    np.save(tmp_path / "a.npy", np.arange(20.0).reshape(10, 2))
    rows = FileRows(np.load(tmp_path / "a.npy", mmap_mode="r"))
    np.testing.assert_array_equal(rows[np.array([3, 0])], [[6, 7], [0, 1]])
    with (tmp_path / "a.npy").open("r+b") as file:
        file.truncate(200)
    with pytest.raises(PellucidError, match=r"a\.npy: a cache file was cut short"):
        rows[np.array([9])]


def test_few_of_very_many_validation_rows_are_watched(tmp_path, monkeypatch):
    import pellucid

    monkeypatch.setattr("pellucid.outputs.base.Output.most_watched", 10)
    monkeypatch.setattr("pellucid.metrics.bootstrap.GROUPS", 13)
    said = []

    class Ear(pellucid.Listener):
        def said(self, text):
            said.append(text)

    data = pellucid.read(a_table(tmp_path / "t.csv"))
    run = pellucid.train(data, steps=12, network="mlp", size=0, out=tmp_path, listeners=[Ear()])
    assert "choices are made on 10 of 40 validation examples, spread evenly" in said
    assert len(pl.read_parquet(run.path / "predictions.parquet")) == 40
    assert run.score.low <= run.score.value <= run.score.high
