"""Layouts beside plain tables: archives, tables beside photos, nested class folders, data in memory."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data import archives
from pellucid.errors import PellucidError
from pellucid.fields import Note

# archives

FILES = {"a/one.txt": b"one", "a/b/two.txt": b"two " * 5000, "three.txt": b""}


def write_archive(path: Path, files: dict[str, bytes]) -> Path:
    """A ZIP or tar by the name's ending."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in files.items():
                packed.writestr(name, data)
        return path
    with tarfile.open(path, f"w:{'' if path.suffix == '.tar' else path.suffix[1:].replace('tgz', 'gz')}") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def unpack(path: Path) -> tuple[dict[str, bytes], list[str]]:
    notes: list[Note] = []
    return {member.name: member.read() for member in archives.members(path, notes.append)}, list(map(str, notes))


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.xz", "x.tar.bz2"])
def test_archives_give_their_files(name: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path / name, FILES)
    assert archives.is_archive(path)
    assert unpack(path) == (FILES, [])
    lying = path.rename(tmp_path / "misnamed.zip")  # the first bytes tell, not the name
    assert unpack(lying) == (FILES, [])
    assert [member.size for member in archives.members(lying, [].append)] == [3, 20000, 0]  # none of them read


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_names_that_lead_out_are_left_out(name: str, tmp_path: Path) -> None:
    odd = {"/abs.txt": b"1", "../up.txt": b"2", "a/../../up.txt": b"3", "C:/x.txt": b"4", "./ok.txt": b"5"}
    found, notes = unpack(write_archive(tmp_path / name, {**odd, ".hidden": b"6", "__MACOSX/x": b"7"}))
    assert found == {"ok.txt": b"5"}
    assert notes == [f"{name}: 4 members are left out: names that lead out of the archive"]


def test_links_devices_and_sparse_files_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE):
            info = tarfile.TarInfo(f"odd-{kind!r}")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    for name in ("x.tar", "x.zip"):
        with pytest.raises(PellucidError) as error:
            unpack(tmp_path / name)
        why = "there is no file in the archive that can be read (no ordinary files (links, devices))"
        assert str(error.value) == f"{name}: {why}"


def test_a_cut_tar_gives_what_came_before(tmp_path: Path) -> None:
    files = {f"{i}.bin": os.urandom(5000) for i in range(40)}
    whole = write_archive(tmp_path / "x.tar.xz", files).read_bytes()
    (tmp_path / "cut.tar.xz").write_bytes(whole[: len(whole) // 2])
    found: dict[str, bytes] = {}
    notes: list[Note] = []
    for member in archives.members(tmp_path / "cut.tar.xz", notes.append):
        if len(found) == 10:
            break
        found[member.name] = member.read()
    assert found == {name: files[name] for name in list(files)[:10]}
    names = [member.name for member in archives.members(tmp_path / "cut.tar.xz", notes.append)]
    assert 10 < len(names) < 30
    why = f"is damaged or cut off after {names[-1]} (Compressed file ended before the end-of-stream marker was reached)"
    assert list(map(str, notes)) == [f"cut.tar.xz: {why}; what came before is used"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.zip", b"", "x.zip: is no ZIP or tar archive, or a damaged one (empty file)"),
        ("x.tar.gz", b"not an archive", "x.tar.gz: is no ZIP or tar archive, or a damaged one (truncated header)"),
        ("x.zip", b"PK\3\4" + bytes(100), "x.zip: is damaged or cut off (File is not a zip file)"),
        ("x.tar", bytes(10240), "x.tar: there is no file in the archive that can be read"),
    ],
)
def test_what_is_no_archive(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PellucidError) as error:
        unpack(tmp_path / name)
    assert str(error.value).split("\n")[0] == message


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.xz"])
def test_bombs_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE", 1 << 20)
    path = write_archive(tmp_path / name, {"a.png": bytes(1 << 16), "b.png": bytes(8 << 20)})
    with pytest.raises(PellucidError, match="as in archives made to do harm") as error:
        unpack(path)
    assert error.value.fix == "unpack it by hand if you trust it, and read the folder"
    monkeypatch.setattr(archives, "MOST_MEMBERS", 1)
    with pytest.raises(PellucidError, match=r"more than 1 files|made to do harm"):
        list(archives.members(path, [].append))


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 4000), byte=st.integers(0, 255), kind=st.sampled_from([".zip", ".tar", ".tar.gz"]))
def test_a_changed_byte_is_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, kind: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    data = bytearray(write_archive(folder / f"x{kind}", FILES).read_bytes())
    data[place % len(data)] = byte
    (folder / f"x{kind}").write_bytes(data)
    try:
        for member in archives.members(folder / f"x{kind}", [].append):
            member.read()
    except PellucidError:
        pass
