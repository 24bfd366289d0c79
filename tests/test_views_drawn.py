"""Results of looking inside as pictures: every kind of block on common and odd values, on pages and in files."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from drawn import EVIL, LONG, common_blocks, odd_blocks, photo, shown, spot
from PIL import Image
from test_draw import SVG, check, texts, values_of

from pellucid.draw.heat import mean_cells
from pellucid.draw.literal import variables_of
from pellucid.draw.page import standalone_page
from pellucid.draw.signed import ABOVE, BELOW, SignedScale, short_text
from pellucid.draw.style import DARK, LIGHT
from pellucid.draw.ticks import one_line, shorten_text, text_width
from pellucid.draw.words import MOST_WORDS, shown_words
from pellucid.errors import PellucidError, UsageError
from pellucid.views import Result
from pellucid.views.blocks import Bars, Block, Curves, Gallery, Heat, Picture, Sum, Table, Words

BLOCKS = [*common_blocks(), *odd_blocks()]
NAMES = [f"{i}-{type(block).__name__}" for i, block in enumerate(BLOCKS)]


def drawings(html: str) -> list[str]:
    return re.findall(r"<svg.*?</svg>", html, re.S)


# -- every block -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_a_block_is_a_piece_of_a_page_that_runs_and_loads_nothing(block: Block) -> None:
    html = block.html()
    seen = check(html)
    assert "<script>alert" not in html
    assert "nan" not in " ".join(seen.text).lower().split()
    for svg in drawings(html):
        assert np.isfinite(values_of(svg)).all()
        assert min([v for e in ElementTree.fromstring(svg).iter() for k, v in _sizes(e)], default=0) >= 0


def _sizes(element: ElementTree.Element) -> list[tuple[str, float]]:
    return [(k, float(v)) for k, v in element.attrib.items() if k in ("width", "height", "r")]


@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_a_block_is_drawn_into_a_file_that_needs_no_style(block: Block) -> None:
    result = shown([block])
    if block.picture() is None:
        with pytest.raises(UsageError, match="has no picture"):
            result.save("nothing.svg")
        return
    from pellucid.views.pictures import picture_svg

    svg = picture_svg(result)
    root = ElementTree.fromstring(svg)
    assert "var(" not in svg
    assert "class=" not in svg
    assert "<style" not in svg
    assert np.isfinite(values_of(svg)).all()
    # Each label and each box has a colour of its own.
    for element in root.iter():
        if element.tag in (f"{SVG}text", f"{SVG}rect", f"{SVG}path", f"{SVG}line"):
            assert {"fill", "stroke"} & set(element.attrib), ElementTree.tostring(element)


@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_the_labels_of_a_drawing_stay_inside_it(block: Block) -> None:
    """Measured by the widths of the widest font; the browser measures its own below."""
    drawn = block.picture()
    if drawn is None:
        return
    root = ElementTree.fromstring(drawn)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter(f"{SVG}text"):
        if "transform" in element.attrib:
            continue
        size = 13.0 if "word" in element.attrib.get("class", "") else 11.5
        wide = text_width("".join(element.itertext()) if len(element) == 0 else element[-1].tail or "", size)
        x, y = float(element.attrib["x"]), float(element.attrib["y"])
        left = x - wide * {"end": 1.0, "middle": 0.5}.get(element.attrib.get("text-anchor", ""), 0.0)
        assert left > -2, element.attrib
        assert left + wide < width + 2, element.attrib
        assert 6 < y <= height + 1, element.attrib


@pytest.mark.parametrize(
    "block",
    [
        Bars("", [], []),
        Curves("", [], {}),
        Heat("", np.zeros((0, 3))),
        Gallery("", [], []),
        Words("", [], []),
        Picture("", np.zeros((0, 0, 3), np.uint8)),
        Table("", ("a",), []),
    ],
    ids=lambda block: type(block).__name__,
)
def test_of_nothing_no_picture_is_drawn(block: Block) -> None:
    assert block.draw() is None
    assert block.picture() is None


# -- right in what they show -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[3.0, -1.5, 0.0], [-2.0, -4.0], [1e-9, 2e-9], [0.0]])
def test_bars_are_as_long_as_their_values_and_begin_at_zero(values: list[float]) -> None:
    svg = Bars("", [f"n{i}" for i in range(len(values))], values).draw()
    assert svg is not None
    boxes = [e for e in ElementTree.fromstring(svg).iter(f"{SVG}rect") if len(e)]
    lengths = [float(e.attrib["width"]) for e in boxes]
    largest = max(map(abs, values))
    assert len(boxes) == len(values)
    for value, length, box in zip(values, lengths, boxes, strict=True):
        assert length == pytest.approx(abs(value) / (largest or 1) * max(lengths), abs=0.11)
        if value:
            assert box.attrib["class"] == ("above" if value > 0 else "below")
    zeros = {
        round(float(e.attrib["x"]) + (float(e.attrib["width"]) if v < 0 else 0), 0)
        for v, e in zip(values, boxes, strict=True)
        if v
    }
    assert len(zeros) <= 1


def test_the_largest_of_many_bars_are_drawn_in_their_order_and_the_rest_is_said() -> None:
    values = np.linspace(-1, 1, 500)
    block = Bars("", [f"column {i}" for i in range(500)], values)
    found = texts(block.draw() or "")
    assert "the 40 largest of 500" in found
    named = [int(one.split()[1]) for one in found if one.startswith("column ")]
    assert named == [*range(20), *range(480, 500)]
    assert len(block.table()[1]) == 500


def test_a_name_that_is_cut_says_the_whole_on_pointing_at_it() -> None:
    svg = Bars("", [LONG], [1.0]).draw() or ""
    label = next(e for e in ElementTree.fromstring(svg).iter(f"{SVG}text") if len(e) and e[0].tail)
    assert label[0].text == LONG
    assert (label[0].tail or "").endswith("…")


def test_the_scale_is_orange_above_blue_below_and_clear_at_zero() -> None:
    scale = SignedScale.over_values([-2.0, 0.5, float("nan")])
    found = scale.paint(np.array([[2.0, -2.0, 0.0, 1.0, float("nan")]]))[0]
    assert tuple(found[0]) == (*ABOVE, 255)
    assert tuple(found[1]) == (*BELOW, 255)
    assert found[2, 3] == 0
    assert found[3, 3] == 128
    assert scale.missing
    assert scale.limit == 2.0


@pytest.mark.parametrize(("value", "said"), [(0.0, "0"), (-0.0, "0"), (-1.5, "−1.5"), (1e30, "1.0e+30"), (np.inf, "–")])
def test_numbers_of_a_drawing(value: float, said: str) -> None:
    assert short_text(value) == said


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if isinstance(b, Heat | Picture | Words) and getattr(b, "values", None) is not None][:5]
)
def test_a_signed_drawing_says_its_ends_in_numbers(block: Block) -> None:
    said = " ".join(texts(drawings(block.html())[0]))
    values = np.asarray(getattr(block, "values"), float)  # noqa: B009
    limit = short_text(np.abs(values).max())
    assert limit in said


def test_maps_of_many_cells_are_means_of_neighbours_and_it_is_said() -> None:
    values = np.arange(24.0).reshape(4, 6)
    assert mean_cells(values, 2, 3).tolist() == [[4.0, 7.0], [16.0, 19.0]]
    odd = mean_cells(np.array([[1.0, np.nan, 5.0], [np.nan] * 3]), 1, 2)
    assert odd[0].tolist() == [1.0, 5.0]
    assert np.isnan(odd[1]).all()
    svg = Heat("", np.ones((700, 900))).draw() or ""
    assert "a cell is the mean of 3 × 4 of 700 × 900" in texts(svg)


def test_each_cell_of_a_small_map_says_its_number() -> None:
    svg = Heat("", np.array([[1.0, -2.5]]), ["unit 3"], ["a", "b"]).draw() or ""
    titles = [e.text for e in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert titles == ["unit 3, a: +1", "unit 3, b: −2.5"]


def test_a_small_photo_keeps_sharp_squares_and_the_map_lies_where_its_values_are() -> None:
    values = np.zeros((2, 2))
    values[0, 1] = 1.0
    svg = Picture("", np.full((2, 2, 3), 100, np.uint8), values).draw() or ""
    images = [e.attrib["href"] for e in ElementTree.fromstring(svg).iter(f"{SVG}image")]
    plain, covered = (np.asarray(_decode_png(one)) for one in images)
    assert (plain == 100).all()
    half = plain.shape[0] // 2
    assert covered[: half - 1, half + 1 :, 0].min() > covered[: half - 1, half + 1 :, 2].max() + 100
    assert (covered[half + 1 :, :, 0] == covered[half + 1 :, :, 2]).all()


def _decode_png(uri: str) -> Image.Image:
    from base64 import b64decode

    return Image.open(io.BytesIO(b64decode(uri.removeprefix("data:image/png;base64,"))))


def test_of_a_long_text_the_stretches_that_count_are_shown_and_the_rest_is_counted() -> None:
    words, values = [f"w{i}" for i in range(10_000)], np.zeros(10_000)
    values[[5000, 9999]] = -1.0, 2.0
    pieces = list(shown_words(words, values))
    kept = [piece[0] for piece in pieces if not isinstance(piece, int)]
    assert {"w5000", "w9999"} <= set(kept)
    assert len(kept) == MOST_WORDS
    assert len(kept) + sum(piece for piece in pieces if isinstance(piece, int)) == 10_000


def test_a_text_from_right_to_left_is_laid_out_so() -> None:
    html = Words("", ["هذا", "جيد"], [1.0, -1.0]).html()
    assert 'dir="rtl"' in html
    svg = Words("", ["هذا", "جيد"], [1.0, -1.0]).picture() or ""
    first, second = (e for e in ElementTree.fromstring(svg).iter(f"{SVG}text") if e.text in ("هذا", "جيد"))
    assert float(first.attrib["x"]) > float(second.attrib["x"])


def test_signs_that_turn_a_text_around_are_left_out() -> None:
    assert one_line("a\u202eb\n c") == "ab c"
    for block in (Bars("", [EVIL], [1.0]), Words("", [EVIL], [1.0]), Curves("", [1], {"a": [1]}, EVIL)):
        said = "".join(ElementTree.fromstring(block.picture() or "").itertext())
        assert "alert" in said
        assert "\u202e" not in said


def test_a_sum_adds_up_as_it_is_drawn() -> None:
    terms = [(f"u{i}", 0.5, float(i)) for i in range(40)]
    svg = Sum("", terms, (1.0, 3), -2.0, 389.0, [("after ReLU", 389.0)]).draw() or ""
    found = texts(svg)
    assert "13 more" in found
    assert short_text(1.0 + sum(0.5 * i for i in range(30, 40))) in found
    assert found.count("389") == 2


@pytest.mark.parametrize(("text", "width"), [("short", 200), (LONG, 90), ("W" * 99, 50), ("字" * 30, 60), ("a", 0.1)])
def test_a_text_is_cut_to_the_pixels_there_are(text: str, width: float) -> None:
    found = shorten_text(text, width)
    assert found == text if text_width(text) <= width else found.endswith("…")
    assert text_width(found) <= max(width, text_width("W…"))


# -- colours ---------------------------------------------------------------------------------------------------------


def _rgb(text: str) -> np.ndarray:
    text = text.strip().lstrip("#")
    text = "".join(2 * sign for sign in text) if len(text) == 3 else text
    return np.array([int(text[i : i + 2], 16) for i in (0, 2, 4)]) / 255


def _luminance(rgb: np.ndarray) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """As WCAG 2 defines it, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["--card", "--paper"])
@pytest.mark.parametrize("colour", ["--above-ground", "--below-ground", "--c0"])
def test_text_can_be_read_on_every_shade_of_the_scale(theme: str, ground: str, colour: str) -> None:
    """Contrast of 4.5 at least, as WCAG asks for."""
    known = variables_of(theme)
    for share in np.linspace(0, 0.35 if colour == "--c0" else 1, 21):
        mixed = share * _rgb(known[colour]) + (1 - share) * _rgb(known[ground])
        assert contrast(_rgb(known["--ink"]), mixed) >= 4.5


# What those see who lack one of the three kinds of cones, in linear light (Machado, 2009).
_SEEN = {
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("seen", _SEEN)
def test_the_two_ends_of_the_scale_are_told_apart_by_the_colour_blind(seen: str) -> None:
    above, below = (np.clip(np.array(_SEEN[seen]) @ (np.array(one) / 255) ** 2.2, 0, 1) for one in (ABOVE, BELOW))
    assert np.abs(above ** (1 / 2.2) - below ** (1 / 2.2)).max() > 0.3


# -- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".svg", ".png", ".html", ".json"])
def test_a_result_is_written_as_what_its_name_ends_in(tmp_path: Path, ending: str) -> None:
    result = shown(common_blocks()[:6])
    path = result.save(tmp_path / f"seen{ending}")
    content = path.read_bytes()
    if ending == ".svg":
        said = " ".join("".join(e.itertext()) for e in ElementTree.fromstring(content).iter(f"{SVG}text"))
        assert result.title in said
        assert "checked" in said
        assert "mostly because of the words" in said
    elif ending == ".png":
        image = Image.open(io.BytesIO(content))
        assert image.size[0] == 2 * 504
        # White at its edge, and something in many colours inside.
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
        assert len(image.convert("RGB").resize((200, 800)).getcolors(200 * 800) or []) > 50
    elif ending == ".html":
        assert "Content-Security-Policy" in content.decode()
        check(content.decode())
    else:
        assert len(json.loads(content)["blocks"]) == 6


def test_a_page_of_everything_is_small_and_hostile_names_do_nothing() -> None:
    page = standalone_page(EVIL, shown(BLOCKS).html())
    check(page)
    assert len(page.encode()) < 5e6


@pytest.mark.parametrize("block", [Words("", ["good"], [0.5]), Picture("", photo(), spot(3, 4))])
def test_a_picture_of_a_block_is_not_empty(tmp_path: Path, block: Block) -> None:
    with_block, without = (
        Image.open(shown(blocks, "x").save(tmp_path / f"{len(blocks)}.png")).size[1]
        for blocks in ([block, block], [block])
    )
    assert with_block > without


def test_a_picture_that_cant_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match="can't be written"):
        shown(common_blocks()[1:2]).save(tmp_path / "not there" / "x.svg")
    with pytest.raises(PellucidError, match="can't be written"):
        shown(common_blocks()[1:2]).save(tmp_path / "not there" / "x.html")
    with pytest.raises(UsageError, match=r"choose \.html"):
        shown(common_blocks()[1:2]).save(tmp_path / "x.bmp")


def test_writing_is_repeatable_to_the_last_byte(tmp_path: Path) -> None:
    one, other = (shown(common_blocks()).save(tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert one == other
    assert isinstance(shown([]), Result)
