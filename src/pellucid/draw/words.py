"""A text whose words stand on the colour of their values."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from ..wording import count_noun
from .markup import Markup, tag
from .signed import LEGEND_HEIGHT, LEGEND_WIDTH, SignedScale, signed_text
from .svg import WIDTH, draw_box, svg_element
from .ticks import one_line, shorten_text, text_width

# Words that are shown; of a longer text the stretches that count most, in their order.
MOST_WORDS, STRETCH = 400, 20

# A word of a text, or how many are left out.
Piece = tuple[str, float] | int

# Signs of one word that are shown.
_LONGEST_WORD = 60


def flowing_words(words: Sequence[str], values: Sequence[float]) -> Markup | None:
    """The words as a paragraph of a page, the scale below; None where there are none."""
    if not len(words):
        return None
    scale = SignedScale.over_values(values)
    parts: list[Markup | str] = []
    for piece in shown_words(words, values):
        if isinstance(piece, int):
            parts.append(tag("span", f"… {count_noun(piece, 'word')} …", class_="left-out"))
        else:
            parts.append(_html_word(*piece, scale))
        parts.append(" ")
    text = tag("p", parts, class_="words", dir="rtl" if runs_leftward(words) else "ltr")
    width = LEGEND_WIDTH + 100
    key = svg_element(
        width, LEGEND_HEIGHT, *scale.legend(2, 2, "-ground"), about="the scale of the colours", class_="chart key"
    )
    return tag("div", text, key)


def shown_words(words: Sequence[str], values: Sequence[float]) -> Iterator[Piece]:
    """All words with their values; of more than ``MOST_WORDS`` the stretches with the largest values."""
    size = np.nan_to_num(np.abs(np.asarray(values, float)), nan=0.0, posinf=0.0)
    starts = np.arange(0, len(words), STRETCH)
    kept = set(starts.tolist())
    if len(words) > MOST_WORDS:
        weight = np.add.reduceat(size, starts)
        kept = set(starts[np.argsort(-weight, kind="stable")[: MOST_WORDS // STRETCH]].tolist())
    hidden = 0
    for start in starts.tolist():
        own = range(start, min(start + STRETCH, len(words)))
        if start not in kept:
            hidden += len(own)
            continue
        if hidden:
            yield hidden
            hidden = 0
        for i in own:
            yield _plain_word(words[i]), float(values[i])
    if hidden:
        yield hidden


def runs_leftward(words: Sequence[str]) -> bool:
    """Whether a text is read from right to left, as its first letters say."""
    for word in words:
        for sign in word:
            if (direction := unicodedata.bidirectional(sign)) in ("L", "R", "AL"):
                return direction != "L"
    return False


def _plain_word(word: str) -> str:
    text = one_line(word) or "␣"
    return text if len(text) <= _LONGEST_WORD else text[: _LONGEST_WORD - 1] + "…"


def _html_word(word: str, value: float, scale: SignedScale) -> Markup:
    colour = f"{scale.colour(value)}-ground"
    share = scale.strength(value) if np.isfinite(value) else 0.35
    return tag(
        "span", word, class_=f"word {colour}", style=f"--a:{100 * share:.0f}%", title=f"{word}: {signed_text(value)}"
    )


# -- as a picture ----------------------------------------------------------------------------------------------------

_SIZE, _LINE, _AIR = 13.0, 24.0, 4.0


def drawn_words(words: Sequence[str], values: Sequence[float]) -> Markup | None:
    """The same as SVG, line by line, for a file that holds one picture."""
    if not len(words):
        return None
    scale = SignedScale.over_values(values)
    leftward = runs_leftward(words)
    marks: list[Markup] = []
    x, y = 0.0, 0.0
    for piece in shown_words(words, values):
        word, value = (f"… {count_noun(piece, 'word')} …", 0.0) if isinstance(piece, int) else piece
        word = shorten_text(word, WIDTH - 2 * _AIR, _SIZE)
        width = text_width(word, _SIZE) + 2 * _AIR
        if x and x + width > WIDTH:
            x, y = 0.0, y + _LINE
        at = WIDTH - x - width if leftward else x
        marks += _svg_word(word, value, scale, at, y, width)
        x += width + 3
    y += _LINE + 10
    return svg_element(
        WIDTH, y + LEGEND_HEIGHT, *marks, *scale.legend(0, y, "-ground"), about=f"a text of {len(words):,} words"
    )


def _svg_word(word: str, value: float, scale: SignedScale, x: float, y: float, width: float) -> list[Markup]:
    share = scale.strength(value) if np.isfinite(value) else 0.35
    ground = draw_box(
        x, y, width, _LINE - 4, f"{scale.colour(value)}-ground", signed_text(value), rx=3, fill_opacity=share
    )
    middle = x + width / 2
    return [ground, tag("text", word, x=middle, y=y + 14.5, text_anchor="middle", class_="word strong")]
