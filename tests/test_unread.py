"""What is not read is named as what it is: photos, sound, boxes, tables in folders, addresses, lists of files."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

import pellucid
from pellucid.data.unread import FORMS
from pellucid.errors import PellucidError


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path_factory.mktemp("cache")))


def picture(seed: int, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)).save(out, form)
    return out.getvalue()


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        for name, data in files.items():
            out.writestr(name, data)
    return path


def error_of(source: object) -> str:
    with pytest.raises(PellucidError) as found:
        pellucid.read(source)
    return str(found.value)


HEIC = b"\0\0\0\x18ftypheic"
CONVERT = "save them as JPEG or PNG first (on a phone: share or export as 'most compatible')"
SOUND = "save them as WAV, FLAC, OGG or MP3 first (ffmpeg -i a.m4a a.flac)"
VOC = b"<annotation><size></size><object><bndbox></bndbox></object></annotation>"
BOXES = "beside the images; finding objects in photos can't be learned yet\n  to classify whole photos, put the images"


def test_no_suffix_is_of_two_forms_or_read() -> None:
    suffixes = [suffix for form in FORMS for suffix in form.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert not set(suffixes) & {".jpg", ".avif", ".csv", ".txt", ".parquet"}


def test_photos_in_a_form_that_is_not_read(tmp_path: Path) -> None:
    root = write(tmp_path / "ph", {f"{c}/IMG_{i}.HEIC": HEIC for c in ("cat", "dog") for i in range(3)})
    assert error_of(root) == f"{root}: it holds 6 HEIC photos (.heic), which can't be read\n  {CONVERT}"
    one = root / "cat" / "IMG_0.HEIC"
    assert error_of(one) == f"{one}: it is one HEIC photo (.heic), which can't be read\n  {CONVERT}"
    write(root, {f"{c}/{i}.png": picture(i) for c in ("cat", "dog") for i in range(3)})
    (note,) = [note for note in pellucid.read(root).notes if note.level == "warning" and "HEIC" in note.text]
    assert (note.text, note.fix) == ("6 HEIC photos can't be read and are left out (.heic)", CONVERT)


def test_heic_under_another_name_is_said(tmp_path: Path) -> None:
    data = pellucid.read(write(tmp_path / "d", {f"{c}/{i}.png": picture(i) for c in "ab" for i in range(3)}))
    write(tmp_path / "d", {"a/9.jpg": HEIC + bytes(20)})
    data = pellucid.read(tmp_path / "d")
    data.check()
    assert "a/9.jpg: is not an image that can be read (it is HEIC; save it as JPEG or PNG)" in "\n".join(
        map(str, data.notes)
    )


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not read AVIF")
def test_avif_is_read(tmp_path: Path) -> None:
    data = pellucid.read(write(tmp_path / "d", {f"{c}/{i}.avif": picture(i, "AVIF") for c in "ab" for i in range(3)}))
    assert len(data.usable_rows()) == 6
    assert data.stored_values("image").arrays["pixels"].shape == (6, 16, 16, 3)


def test_avif_without_its_reader_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda name: False)
    root = write(tmp_path / "d", {f"{c}/{i}.png": picture(i) for c in "ab" for i in range(3)})
    data = pellucid.read(write(root, {"a/9.avif": b"\0\0\0\x18ftypavif" + bytes(20)}))
    data.check()
    assert "it is AVIF, which this version of Pillow does not read; update it" in "\n".join(map(str, data.notes))


def test_recordings_in_other_forms_are_named(tmp_path: Path) -> None:
    files = {f"{c}/{i}.m4a": b"\0\0\0\x20ftypM4A " for c in ("yes", "no") for i in range(4)}
    for source in (write(tmp_path / "s", files), packed(tmp_path / "s.zip", files)):
        what = "it holds 8 sound files (.m4a), which can't be read"
        assert error_of(source).endswith(f"{source if source.is_dir() else 's.zip'}: {what}\n  {SOUND}")


@pytest.mark.parametrize("form", ["Pascal VOC", "YOLO", "COCO"])
@pytest.mark.parametrize("pack", [False, True])
def test_boxes_are_named(form: str, pack: bool, tmp_path: Path) -> None:
    if form == "Pascal VOC":
        files = {f"JPEGImages/{i}.jpg": picture(i, "JPEG") for i in range(6)}
        files |= {f"Annotations/{i}.xml": VOC for i in range(6)}
        what = "6 .xml files of bounding boxes (Pascal VOC)"
    elif form == "YOLO":
        files = {f"train/images/{i}.jpg": picture(i, "JPEG") for i in range(6)}
        files |= {f"train/labels/{i}.txt": b"0 0.5 0.5 0.25 1\n12 0.1 0.2 0.3 0.4\n" * (i % 2) for i in range(6)}
        what = "6 .txt files of bounding boxes (YOLO)"
    else:
        files = {f"{p}2017/{p}{i}.jpg": picture(i, "JPEG") for p in ("train", "val") for i in range(6)}
        boxes = {"images": [{"id": 1}], "annotations": [{"bbox": [1, 2, 3, 4]}]}
        files["annotations/instances_train2017.json"] = json.dumps(boxes).encode()
        what = "annotations/instances_train2017.json with bounding boxes (COCO)"
    source = packed(tmp_path / "d.zip", files) if pack else write(tmp_path / "d", files)
    assert error_of(source).startswith(f"{'d.zip' if pack else 'd/'}: {what} {BOXES}")


def test_boxes_beside_classes_are_left_out(tmp_path: Path) -> None:
    files = {f"{c}/{i}.jpg": picture(i, "JPEG") for c in "ab" for i in range(6)}
    data = pellucid.read(write(tmp_path / "d", files | {f"a/{i}.xml": VOC for i in range(6)}))
    assert data.reading.classes == {"a": 6, "b": 6}
    assert "d: 6 .xml files of bounding boxes (Pascal VOC) beside the images" in "\n".join(map(str, data.notes))
    # A caption of the same name is no box.
    captions = {f"{c}/{i}.txt": b"a cat on a mat" for c in "ab" for i in range(6)}
    data = pellucid.read(write(tmp_path / "e", files | captions))
    assert "boxes" not in "\n".join(map(str, data.notes))


def test_metadata_that_fits_no_image(tmp_path: Path) -> None:
    files = {f"scan{i}.png": picture(i) for i in range(10)}
    rows = "".join(f"{'scan' if i < 3 else 'filename'}{i}.png,{'ab'[i % 2]}\n" for i in range(10))
    root = write(tmp_path / "d", {**files, "metadata.csv": f"file_name,kind\n{rows}".encode()})
    what = "its column 'file_name' names 3 of 10 images that are there; the first that is not: 'filename3.png'"
    fix = "let it name the files as they are called, as paths from the table or from the folder"
    assert error_of(root) == f"d/metadata.csv: {what}\n  {fix}"


def test_tables_in_folders_are_named(tmp_path: Path) -> None:
    files = {f"{c}/{i}.csv": b"a,b\n1,2\n" for c in ("cat", "dog") for i in range(3)}
    root = write(tmp_path / "my data", files)
    what = "its 6 .csv files lie in its subfolders (cat/0.csv), which are not searched"
    fix = f"read them as one table, without the folders' names: '{root}/*/*.csv'"
    assert error_of(root) == f"{root}: {what}\n  {fix}"
    assert len(pellucid.read(f"{root}/*/*.csv")) == 6


@pytest.mark.parametrize(
    "address", ["https://example.com/t.csv", "http://x.y/photos.zip", "s3://bucket/t.parquet", "hf://datasets/x"]
)
def test_addresses_are_not_fetched(address: str) -> None:
    what = "it is a web address, and nothing is downloaded\n  download it first, and give the file"
    assert error_of(address) == f"{address}: {what}"
    assert error_of(Path(address)).endswith(what)


def test_a_file_address_is_a_path(tmp_path: Path) -> None:
    write(tmp_path, {"a b.csv": b"x,label\n1,p\n2,n\n"})
    assert len(pellucid.read(f"file://{tmp_path}/a%20b.csv")) == 2


def test_lists_of_what_is_no_table(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {f"{c}/{i}.jpg": picture(i, "JPEG") for c in "ab" for i in range(3)})
    photos = sorted(map(str, root.glob("*/*.jpg")))
    what = "6 images were given one by one, but their classes come from the folders they are in"
    assert error_of(photos) == f"{photos[0]}: {what}\n  name the folder that holds all of them: {root}"
    assert error_of([root / "a", root / "b"]).startswith(f"{root}/a: 2 folders were given one by one")
    assert "there is no such file or folder" in error_of([*photos, root / "gone.jpg"])
