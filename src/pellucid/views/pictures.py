"""A result as one picture: title, badge and sentence, below them its drawings with their captions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

from ..draw.literal import drawing_text, literal_drawing
from ..draw.markup import Markup, tag
from ..draw.svg import WIDTH, draw_label, svg_element
from ..draw.ticks import shorten_text, text_width
from ..errors import UsageError
from .blocks import Block
from .result import Result

# Pixels around the picture and between its parts; of text, its sizes and the height of its lines.
_EDGE, _GAP, _SIZE, _LINE = 22.0, 18.0, 12.5, 18.0

# Pixels of the file to one of the drawing, and of its longer side at most.
_ZOOM, _MOST_PIXELS = 2.0, 8000

# The ground of a file, which a viewer in the dark would else show as its own.
_GROUND = "#ffffff"

# In place of the fonts that the page's list names, where none of them is there.
_PLAIN_FONT = "Aileron"


def picture_bytes(result: Result, ending: str) -> bytes:
    """A result as the content of a file that ends in ``.svg`` or ``.png``.

    Raises:
        UsageError: when nothing of it is drawn.
    """
    svg = picture_svg(result)
    return svg.encode() if ending == ".svg" else svg_to_png(svg)


def picture_svg(result: Result) -> str:
    """All drawings of a result below each other, as an SVG file that needs nothing else.

    Raises:
        UsageError: when nothing of it is drawn.
    """
    if not any(block.picture() is not None for block in result.blocks):
        raise UsageError(f"'{result.title}' has no picture", fix="save it as .html or .json")
    parts, y = _head_parts(result)
    for block in result.blocks:
        for part, height in _block_parts(block):
            parts.append(_placed(part, _EDGE, y))
            y += height
        y += _GAP
    size = (WIDTH + 2 * _EDGE, y)
    sheet = literal_drawing(svg_element(*size, about=f"{result.title}: {result.sentence}"))
    sheet.set("width", f"{size[0]:.0f}")
    sheet.set("height", f"{size[1]:.0f}")
    ground = ElementTree.SubElement(sheet, "{http://www.w3.org/2000/svg}rect")
    ground.attrib.update({"width": f"{size[0]:.0f}", "height": f"{size[1]:.0f}", "fill": _GROUND})
    sheet.extend(parts)
    return drawing_text(sheet) + "\n"


def svg_to_png(svg: str) -> bytes:
    """A drawing as PNG, by the fonts of this machine."""
    import resvg_py

    root = ElementTree.fromstring(svg)
    longest = max(float(root.attrib["width"]), float(root.attrib["height"]))
    with plain_font() as font:
        return bytes(
            resvg_py.svg_to_bytes(
                svg_string=svg,
                zoom=min(_ZOOM, _MOST_PIXELS / longest),
                background=_GROUND,
                font_files=[font],
                # Where no font of the page's list is there; without, a text would be left out.
                font_family=_PLAIN_FONT,
                sans_serif_family=_PLAIN_FONT,
                serif_family=_PLAIN_FONT,
            )
        )


@contextmanager
def plain_font() -> Iterator[str]:
    """A file with the font that comes with Pillow: a machine without any still writes what is said."""
    from PIL import ImageFont

    font = ImageFont.load_default(12)
    with tempfile.TemporaryDirectory(prefix="pellucid-font-") as folder:
        path = Path(folder) / "plain.otf"
        path.write_bytes(font.path.getvalue())  # type: ignore[union-attr]
        yield str(path)


# -- parts -----------------------------------------------------------------------------------------------------------


def _head_parts(result: Result) -> tuple[list[ElementTree.Element], float]:
    """Title, badge and sentence, and where they end."""
    title = shorten_text(" ".join(result.title.split()), WIDTH - 90, 17)
    marks = [
        tag("text", title, x=0.0, y=17.0, style="font-size:17px;font-weight:600", class_="strong"),
        draw_label(WIDTH, 16, result.badge.level, "end", "strong"),
    ]
    said = list(_text_lines(result.sentence))
    marks += [draw_label(0, 42 + i * _LINE, line, class_="strong") for i, line in enumerate(said)]
    height = 42 + len(said) * _LINE
    drawn = literal_drawing(svg_element(WIDTH, height, *_sized(marks), about="what is seen"))
    return [_placed(drawn, _EDGE, _EDGE)], _EDGE + height + 4


def _block_parts(block: Block) -> Iterator[tuple[ElementTree.Element, float]]:
    """The drawing of a block and its caption, each with its height; nothing where it draws nothing."""
    drawn = block.picture()
    if drawn is None:
        return
    root = literal_drawing(drawn)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    yield root, height * min(1.0, WIDTH / width) + 6
    lines = list(_text_lines(block.caption))
    if lines:
        marks = [draw_label(0, 13 + i * _LINE, line) for i, line in enumerate(lines)]
        height = len(lines) * _LINE + 4
        yield literal_drawing(svg_element(WIDTH, height, *_sized(marks), about="how to read it")), height


def _sized(marks: list[Markup]) -> list[Markup]:
    return [Markup(mark.replace("<text ", f'<text font-size="{_SIZE}" ', 1)) for mark in marks]


def _placed(drawing: ElementTree.Element, x: float, y: float) -> ElementTree.Element:
    """A drawing at a place of the sheet, as wide as it is or as there is room."""
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    share = min(1.0, WIDTH / width)
    size = {"x": x, "y": y, "width": width * share, "height": height * share}
    drawing.attrib.update({name: f"{value:.2f}" for name, value in size.items()})
    for name in ("role", "aria-label"):
        drawing.attrib.pop(name, None)
    return drawing


def _text_lines(text: str) -> Iterator[str]:
    """A text in lines that fit the drawings; a word that is longer than one is cut."""
    line = ""
    for word in text.split():
        word = shorten_text(word, WIDTH, _SIZE)
        longer = f"{line} {word}" if line else word
        if line and text_width(longer, _SIZE) > WIDTH:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line
