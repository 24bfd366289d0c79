"""Image files as people have them: every format, every mode, turned, damaged, misnamed, too large."""

import io
import struct
import warnings
import zlib

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pellucid.errors import PellucidError
from pellucid.fields import KINDS, Column, pixels, recognise

IMAGE = KINDS["image"]
RED, WHITE = (255, 0, 0), (255, 255, 255)


def quiet(note):
    pass


def column_of(folder, names):
    return Column("photo", pl.Series("photo", names, pl.String), base=folder)


def stored_one(path, **settings):
    """The one image at ``path`` as (H, W, C), which must be readable."""
    stored = IMAGE.store(column_of(path.parent, [path.name]), settings, quiet)
    assert not len(stored.bad)
    return stored.arrays["pixels"][0]


def photo(width=40, height=30):
    """Smooth colours, different in every corner: (height, width, 3) uint8."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / width, y * 255 / height, np.full_like(x, 90)], -1).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "gif", "tiff"])
def test_formats(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(photo()).save(path, **({"quality": 95} if suffix in ("jpg", "webp") else {}))
    kind, guess = recognise(column_of(tmp_path, [path.name]))
    assert kind is IMAGE
    assert guess.settings == {"height": 30, "width": 40, "channels": 3, "draft": False}
    seen = stored_one(path, **guess.settings)
    assert np.abs(seen.astype(int) - photo()).mean() < (1 if suffix in ("png", "bmp", "tiff") else 8)


def test_first_frame_of_a_moving_gif(tmp_path):
    red, blue = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), "blue")
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue])
    assert stored_one(tmp_path / "a.gif")[0, 0].tolist() == list(RED)


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_turned_by_its_exif_tag(tmp_path, tag, suffix):
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # tag -> the transposition that undoes it when saved
    upright = Image.fromarray(photo())
    lying = upright.transpose(Image.Transpose(turn[tag])) if tag > 1 else upright
    exif = Image.Exif()
    exif[pixels.ORIENTATION] = tag
    lying.save(tmp_path / f"a.{suffix}", exif=exif, quality=95)
    column = column_of(tmp_path, [f"a.{suffix}"])
    guess = IMAGE.recognise(column)
    assert (guess.settings["height"], guess.settings["width"]) == (30, 40)
    seen = stored_one(tmp_path / f"a.{suffix}", **guess.settings)
    assert np.abs(seen.astype(int) - photo()).mean() < 8


MODES = {
    "CMYK": (Image.new("RGB", (8, 8), RED).convert("CMYK"), "jpg", RED),
    "1-bit": (Image.new("1", (8, 8), 1), "png", WHITE),
    "grey": (Image.new("L", (8, 8), 100), "png", (100,) * 3),
    "grey and alpha": (Image.new("LA", (8, 8), (0, 0)), "png", WHITE),
    "half transparent": (Image.new("RGBA", (8, 8), (255, 0, 0, 128)), "png", (255, 127, 127)),
    "palette": (Image.new("RGB", (8, 8), RED).convert("P"), "png", RED),
    "16-bit": (Image.fromarray(np.full((8, 8), 100 * 257, np.uint16)), "png", (100,) * 3),
    "16-bit TIFF": (Image.fromarray(np.full((8, 8), 100 * 257, np.uint16)), "tiff", (100,) * 3),
    "32-bit": (Image.fromarray(np.full((8, 8), 65535, np.int32)), "tiff", WHITE),
    "fractions": (Image.fromarray(np.full((8, 8), 0.5, np.float32)), "tiff", (128,) * 3),
}


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_modes(tmp_path, name, channels):
    image, suffix, colour = MODES[name]
    path = tmp_path / f"a.{suffix}"
    image.save(path)
    seen = stored_one(path, height=8, width=8, channels=channels)
    grey = round(float(np.dot(colour, (0.299, 0.587, 0.114))))
    np.testing.assert_allclose(seen[4, 4], colour if channels == 3 else [grey], atol=2)


def test_palette_with_a_transparent_entry(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "a.png", transparency=0)
    Image.new("RGB", (8, 8), RED).save(tmp_path / "b.png", transparency=RED)
    assert stored_one(tmp_path / "a.png")[0, 0].tolist() == list(WHITE)
    assert stored_one(tmp_path / "b.png")[0, 0].tolist() == list(WHITE)


def test_depth_of_a_camera_is_found_once_for_all(tmp_path):
    for name, most in (("dark.png", 1000), ("bright.png", 4000)):
        Image.fromarray(np.linspace(0, most, 64).reshape(8, 8).astype(np.uint16)).save(tmp_path / name)
    column = column_of(tmp_path, ["dark.png", "bright.png"])
    guess = IMAGE.recognise(column)
    assert guess.settings == {"height": 8, "width": 8, "channels": 1, "draft": False, "black": 0.0, "white": 4095.0}
    seen = IMAGE.store(column, guess.settings, quiet).arrays["pixels"]
    assert seen[:, -1, -1, 0].tolist() == [62, 249]
    assert stored_one(tmp_path / "dark.png", **guess.settings).max() == 62, "the same alone as with the others"


def png_header(width, height):
    """A PNG that says it is so large and holds nothing."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def jpeg_bytes():
    out = io.BytesIO()
    Image.fromarray(photo()).save(out, "JPEG")
    return out.getvalue()


def damaged_files():
    jpeg = jpeg_bytes()
    return {
        "empty.jpg": (b"", "is empty (0 bytes)"),
        "page.jpg": (b"<!DOCTYPE html><title>404</title>", "is not an image that can be read (it is a web page)"),
        "drawing.png": (b"<svg xmlns='x'/>", "is not an image that can be read (it is an SVG or XML file)"),
        "script.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is not an image that can be read (it starts with b'%!PS-Ado')"),
        "phone.jpg": (b"\0\0\0\x18ftypheic....", "is not an image that can be read (it is HEIC; save it as JPEG"),
        "half.jpg": (jpeg[:-40], "is damaged (image file is truncated"),
        "start.jpg": (jpeg[:5], "is damaged ("),
        "start.png": (b"\x89PNG\r\n\x1a\n\0\0", "is damaged ("),
        "start.gif": (b"GIF89a", "is damaged ("),
        "start.tif": (b"II*\0\xff\xff\xff\xff", "is damaged ("),
        "start.webp": (b"RIFF\0\0\0\0WEBP", "is damaged ("),
        "bomb.png": (png_header(10_000, 10_000), "has 10,000 × 10,000 pixels, more than the 64 million allowed"),
        "big-bomb.png": (png_header(60_000, 60_000), "claims more pixels than the 64 million allowed"),
    }  # fmt: skip


def test_what_cannot_be_read_is_left_out_and_said(tmp_path):
    files = damaged_files()
    for name, (data, _) in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "misnamed.png").write_bytes(jpeg_bytes())
    (tmp_path / "folder.jpg").mkdir()
    causes = {name: cause for name, (_, cause) in files.items()}
    causes |= {"folder.jpg": "is not a file", "gone.jpg": "does not exist", "zero\0byte.jpg": "is not a path"}
    names = ["misnamed.png", *causes, None, "misnamed.png"]
    notes = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        column = column_of(tmp_path, names)
        guess = IMAGE.recognise(column)
        stored = IMAGE.store(column, guess.settings, notes.append)
    assert stored.bad.tolist() == list(range(1, len(names) - 1))
    assert (stored.arrays["pixels"][0] == stored.arrays["pixels"][-1]).all()
    assert stored.arrays["pixels"][0].max() > 0
    assert [note.level for note in notes] == ["error"] * len(stored.bad)
    said = {note.where: note.text for note in notes}
    for name, cause in causes.items():
        assert said[str(tmp_path / name)].startswith(cause), name
        assert said[str(tmp_path / name)].endswith("; left out")
    assert said[f"row {len(names) - 2}, column 'photo'"] == "there is no path; left out"


def test_many_bad_files_are_counted(tmp_path):
    notes = []
    stored = IMAGE.store(column_of(tmp_path, [f"{i}.jpg" for i in range(50)]), {}, notes.append)
    assert len(stored.bad) == 50
    assert len(notes) == 21
    assert notes[-1].text == "30 more images can't be read and are left out"
    kind, guess = recognise(column_of(tmp_path, ["1.jpg", "2.jpg"] * 9))
    assert (kind.name, guess.role) == ("category", "input"), "names that repeat may still be words"
    kind, guess = recognise(column_of(tmp_path, [f"{i}.jpg" for i in range(50)]))
    assert (kind.name, guess.role) == ("image", "ignore")
    assert guess.reason == f"50 names of image files, which do not exist (the first: {tmp_path}/0.jpg)"


def test_sizes_are_decided_from_the_files(tmp_path):
    def settings_of(*sizes):
        for i, size in enumerate(sizes):
            Image.new("RGB", size).save(tmp_path / f"{i}.bmp")
        return IMAGE.recognise(column_of(tmp_path, [f"{i}.bmp" for i in range(len(sizes))])).settings

    def square(side):
        return {"height": side, "width": side, "channels": 3, "draft": False}

    assert settings_of((96, 20), (96, 20)) == {"height": 20, "width": 96, "channels": 3, "draft": False}
    assert settings_of((97, 97), (97, 97)) == square(96)
    assert settings_of((400, 300), (500, 70), (300, 300)) == square(128)
    assert settings_of((80, 60), (64, 70)) == square(48)
    assert settings_of((8, 8), (9, 9)) == square(32)


def test_other_shapes_are_cut_to_the_middle(tmp_path):
    wide = np.zeros((50, 150, 3), np.uint8)
    wide[:, :50], wide[:, 50:100], wide[:, 100:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / "high.png")
    notes = []
    settings = {"height": 32, "width": 32, "channels": 3}
    stored = IMAGE.store(column_of(tmp_path, ["wide.png", "high.png"]), settings, notes.append)
    middle = stored.arrays["pixels"][:, 1:-1, 1:-1]
    np.testing.assert_allclose(middle, np.broadcast_to([0, 255, 0], (2, 30, 30, 3)), atol=2)
    assert str(notes[0]) == "column 'photo': 2 of 2 images resized to 32 × 32 pixels"


def test_large_photos_keep_their_look_when_decoded_small(tmp_path):
    Image.fromarray(photo(1600, 1200)).save(tmp_path / "a.jpg", quality=95)
    seen = stored_one(tmp_path / "a.jpg", height=60, width=80, channels=3)
    assert np.abs(seen.astype(int) - photo(80, 60)).mean() < 3


def test_grey_sets_keep_one_channel(tmp_path):
    Image.new("L", (8, 8), 7).save(tmp_path / "a.png")
    Image.new("1", (8, 8), 1).save(tmp_path / "b.png")
    guess = IMAGE.recognise(column_of(tmp_path, ["a.png", "b.png"]))
    assert guess.settings["channels"] == 1
    assert guess.reason == "2 grey images, all of 8 × 8 pixels"
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    assert IMAGE.recognise(column_of(tmp_path, ["a.png", "b.png"])).settings["channels"] == 3


ARRAYS = {
    "grey": (photo()[None, ..., 0], photo()[..., :1]),
    "colour": (photo()[None], photo()),
    "channels first": (photo()[None].transpose(0, 3, 1, 2), photo()),
    "fractions": (photo()[None] / 255, photo()),
    "from -1 to 1": (photo()[None] / 127.5 - 1, photo()),
    "16-bit": (photo()[None].astype(np.uint16) * 257, photo()),
    "big whole numbers": (photo()[None].astype(np.int64), photo()),
    "alpha": (np.dstack([photo(), np.full((30, 40), 255, np.uint8)])[None], photo()),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    values, wanted = ARRAYS[name]
    column = Column("photo", values)
    kind, guess = recognise(column)
    assert kind is IMAGE
    seen = IMAGE.store(column, guess.settings, quiet).arrays["pixels"][0]
    np.testing.assert_allclose(seen, wanted, atol=3 if name == "from -1 to 1" else 1)


def test_arrays_of_another_size_and_with_holes():
    values = np.stack([photo() / 255] * 2)
    values[1, 3, 3] = np.nan
    notes = []
    stored = IMAGE.store(Column("photo", values), {"height": 15, "width": 20, "channels": 1}, notes.append)
    assert stored.arrays["pixels"].shape == (2, 15, 20, 1)
    assert stored.bad.tolist() == [1]
    assert str(notes[0]) == "row 1, column 'photo': has values that are not finite numbers; left out"
    with pytest.raises(PellucidError, match=r"an array of shape \(2, 9, 9, 9\) and type float64 holds no images"):
        IMAGE.store(Column("photo", np.zeros((2, 9, 9, 9))), {}, quiet)


def test_state_of_images():
    random = np.random.default_rng(0)
    photos = random.integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
    stored = IMAGE.store(Column("photo", photos), {}, quiet)
    state = IMAGE.fit(stored, np.arange(20), {}, "input")
    np.testing.assert_allclose(state["mean"], photos[:20].mean((0, 1, 2)) / 255)
    np.testing.assert_allclose(state["std"], photos[:20].std((0, 1, 2)) / 255)
    assert state["mirror"] is True
    assert IMAGE.encode(stored, state) is stored.arrays["pixels"], "no copy"
    drawings = np.full((30, 8, 8, 3), 255, np.uint8)
    drawings[:, 2:6, 3] = 0
    assert IMAGE.fit(IMAGE.store(Column("a", drawings), {}, quiet), np.arange(20), {}, "input")["mirror"] is False
    shown = Image.open(io.BytesIO(IMAGE.show(stored, 3)))
    np.testing.assert_array_equal(np.asarray(shown), photos[3])


def test_unreadable_images_do_not_count_in_the_state(tmp_path):
    Image.new("RGB", (8, 8), WHITE).save(tmp_path / "a.png")
    stored = IMAGE.store(column_of(tmp_path, ["a.png", "gone.png"]), {"height": 8, "width": 8, "channels": 3}, quiet)
    assert IMAGE.fit(stored, np.arange(2), {}, "input")["mean"] == [1.0, 1.0, 1.0]
