"""Results of looking inside in a terminal and in a pipe: every kind of block, on common and odd values."""

from __future__ import annotations

import doctest
import io
import re

import numpy as np
import pytest
from drawn import EVIL, LONG, common_blocks, odd_blocks, shown
from rich.cells import cell_len

from pellucid.cli import show_blocks, show_views
from pellucid.cli.console import Calm, make_console
from pellucid.cli.show_blocks import signed_bar, small_curve
from pellucid.cli.streams import plain_sign
from pellucid.views.blocks import Bars, Block, Curves, Gallery, Heat, Sum, Words

BLOCKS = [*common_blocks(), *odd_blocks()]
NAMES = [f"{i}-{type(block).__name__}" for i, block in enumerate(BLOCKS)]
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]")


def piped(*blocks: Block) -> str:
    stream = io.StringIO()
    show_views.show_results([shown(list(blocks))], make_console(stream))
    return stream.getvalue()


def on_terminal(*blocks: Block, width: int = 80) -> str:
    out = Calm(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=width, highlight=False)
    show_views.show_results([shown(list(blocks))], out)
    return out.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_in_a_pipe_there_are_no_colours_and_nothing_steers_a_terminal(block: Block) -> None:
    text = piped(block)
    assert not STEERING.search(text)
    assert "[checked]" in text
    assert "share 0.8" in text


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_on_a_terminal_no_line_of_a_table_is_broken_by_it(block: Block, width: int) -> None:
    out = Calm(file=io.StringIO(), force_terminal=True, color_system=None, width=width, highlight=False)
    with_caption = block.caption
    show_blocks.show_block(block, out)
    text = re.sub(r"\x1b\[[\d;]*m", "", out.file.getvalue())  # type: ignore[attr-defined]
    # Lines of prose are left to the terminal, which breaks them where it likes.
    prose = [with_caption, "  columns:", "  looks at:", " from ", ": 1 "]
    for line in text.splitlines():
        if not any(one and one in line for one in prose):
            assert cell_len(line) <= width, line


def test_in_a_pipe_long_names_are_whole_and_on_one_line() -> None:
    for block in (
        Bars("", [LONG], [1.0]),
        Sum("", [(LONG, 1.0, 2.0)], (0.0, 0), 0.0, 2.0),
        Curves("", [1, 2], {LONG: [1, 2]}),
    ):
        assert any(LONG in line for line in piped(block).splitlines())


@pytest.mark.parametrize(
    ("value", "low", "high", "bar"),
    [
        (-1.0, -1.0, 1.0, "████│    "),
        (0.5, -1.0, 1.0, "    │██  "),
        (0.0, 0.0, 0.0, "│        "),
        (1.0, 0.0, 1.0, "│████████"),
        (-0.25, -1.0, 0.0, "      ██│"),
        (-0.0625, -1.0, 0.0, "       ▐│"),
        (1e308, -1e308, 1e308, "    │████"),
        (float("nan"), -1.0, 1.0, "    │    "),
    ],
)
def test_a_bar_stands_at_zero_and_is_as_long_as_its_value(value: float, low: float, high: float, bar: str) -> None:
    assert signed_bar(value, low, high, 8).plain == bar


@pytest.mark.parametrize(
    ("values", "curve"),
    [([0, 7], "▁█"), ([1, 1], "▁▁"), ([0, float("nan"), 7], "▁ █"), ([-1e308, 1e308], "▁█"), ([], "")],
)
def test_a_small_curve(values: list[float], curve: str) -> None:
    assert small_curve(np.array(values, float)) == curve


def test_colours_say_the_sign_and_numbers_say_it_too() -> None:
    words = Words("", ["good", "bad", "the"], [1.0, -1.0, 0.0])
    seen = on_terminal(words)
    assert re.search(r"\x1b\[1;38;[\d;]+m" + "good", seen)
    assert re.search(r"\x1b\[1;38;[\d;]+m" + "bad", seen)
    assert not re.search(r"m" + "the", seen)
    text = piped(words)
    assert re.search(r"good +\+1", text)
    assert re.search(r"bad +−1", text)


def test_a_small_map_is_shaded_and_a_large_one_says_its_strongest() -> None:
    small = piped(Heat("", np.array([[4.0, -4.0, 0.0]]), ["r"], ["a", "b", "c"], "from", "to"))
    assert "   █ -█   " in small.replace("\n", "   \n")
    assert "to: 1 a, 2 b, 3 c" in small
    values = np.zeros((50, 60))
    values[7, 9] = -5.0
    large = piped(Heat("", values))
    assert re.search(r"8 +10 +-5", large)
    assert "strongest of 50 × 60" in large


def test_a_sum_says_every_number() -> None:
    text = piped(Sum("", [("a", 0.5, 3.0)], (0.25, 7), -1.0, 0.75, [("after ReLU", 0.75)]))
    for line in (r"a +0.5 +3 +1.5", r"7 more +0.25", r"bias b +−1", r"= sum +0.75", r"→ after ReLU +0.75"):
        assert re.search(line, text), line


def test_hostile_names_are_shown_as_what_they_are() -> None:
    text = piped(Bars("", [EVIL], [1.0]))
    assert '<script>alert("x")</script>' in text
    assert "\\u202e" in text


def test_signs_of_ours_have_plain_ones() -> None:
    for sign in "█▐░▒▓▁▂▃▄▅▆▇│":
        assert plain_sign(sign).isascii()
        assert not plain_sign(sign).startswith("\\"), sign


def test_the_examples_in_it_run() -> None:
    for module in (show_blocks, show_views):
        tried = doctest.testmod(module)
        assert tried.failed == 0
        assert tried.attempted


def test_examples_are_listed_one_after_the_other_on_a_terminal() -> None:
    block = Gallery("Nearest", ["line 1", "line 2"], [None, None], [["likeness 0.95", "answer: 5"], ["x" * 200]])
    text = on_terminal(block)
    assert "likeness 0.95 · answer: 5" in text
    assert text.count("x") >= 200
