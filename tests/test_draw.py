"""Pictures and the report: well formed, self-contained, escaped, right in what they show."""

from __future__ import annotations

import doctest
import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from pellucid import draw, wording
from pellucid.draw import Bar, markup
from pellucid.draw import confusion as matrix
from pellucid.draw import ticks as numbers
from pellucid.draw.markup import VOID
from pellucid.network import TracedStage
from pellucid.reports.content import Content
from pellucid.reports.page import report_page
from pellucid.reports.sections.training import training_section
from pellucid.wording import value_and_spread

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '<script>alert("x")</script>&\'"\0\x1b\ud800'


def parse(svg: str) -> ElementTree.Element:
    """An SVG file as others read it: strictly."""
    return ElementTree.fromstring(svg)


def texts(svg: str) -> list[str]:
    return [e.text or "" for e in parse(svg).iter(f"{SVG}text")]


def values_of(svg: str) -> list[float]:
    """Every number in the geometry of a drawing; none may be missing, infinite or NaN."""
    out = []
    for e in parse(svg).iter():
        for key, value in e.attrib.items():
            if key in {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"}:
                out.append(float(value))
    return out


class Checker(HTMLParser):
    """Every element is closed in order; collects what a page could load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [v for k, v in attributes if k in {"src", "href", "srcset", "data"} and not v.startswith("#")]
        assert not any(k.startswith("on") for k, _ in attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def check(html: str) -> Checker:
    seen = Checker()
    seen.feed(html)
    seen.close()
    assert seen.open == []
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(seen.tags)
    assert all(one.startswith("data:image/png;base64,") for one in seen.loads)
    assert "url(" not in html
    assert "@import" not in html
    html.encode()
    return seen


# -- markup and numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module",
    [
        markup,
        wording,
    ],
)
def test_examples_in_the_docs(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_everything_is_escaped():
    made = draw.tag("p", EVIL, draw.tag("b", "bold"), None, [1, "<2"], title=EVIL, class_=None)
    root = ElementTree.fromstring(made)
    assert root.tag == "p"
    assert root.attrib["title"].startswith('<script>alert("x")</script>&')
    assert [child.tag for child in root] == ["b"]
    assert "\0" not in made
    assert "\ud800" not in made


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (0.0012, 0.0019), (326, 18823), (1e-9, 3e-9), (-1e6, 1e7)])
def test_linear_ticks_are_round_and_inside(low, high):
    ticks = numbers.linear_ticks(low, high)
    assert 3 <= len(ticks) <= 9
    assert all(low - 1e-12 <= t <= high + 1e-12 for t in ticks)
    step = np.diff(ticks)
    assert np.allclose(step, step[0])
    assert round(step[0] / 10 ** np.floor(np.log10(step[0]) + 1e-9), 6) in (1, 2, 5)


@pytest.mark.parametrize(("low", "high"), [(0.01, 5), (1, 3), (1e-8, 1e8), (0.61, 0.64)])
def test_log_ticks(low, high):
    ticks = numbers.log_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert all(low <= t <= high for t in ticks)


# -- charts ----------------------------------------------------------------------------------------------------------


def test_line_falls_where_values_fall():
    svg = draw.line_chart({"loss": ([0, 1, 2, 3], [4.0, 2.0, None, 1.0])}, x_label="epochs", y_label="loss")
    d = next(e.attrib["d"] for e in parse(svg).iter(f"{SVG}path"))
    points = [tuple(map(float, p.split())) for p in re.findall(r"[ML]([\d. ]+)", d)]
    assert d.count("M") == 2  # the gap
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted(y for _, y in points)  # pixels grow downwards
    assert {"epochs", "loss"} <= set(texts(svg))


def test_line_names_curves_at_their_ends_or_in_a_legend():
    few = {f"curve {i}": ([0, 1], [i * 1e-6, 0.0]) for i in range(3)}
    ends = [e for e in parse(draw.line_chart(few)).iter(f"{SVG}text") if e.text.startswith("curve")]
    heights = sorted(float(e.attrib["y"]) for e in ends)
    assert min(np.diff(heights)) >= 13  # they end in one point, and still don't touch
    many = {f"curve {i}": ([0, 1], [i, i]) for i in range(7)}
    assert sum(t.startswith("curve") for t in texts(draw.line_chart(many))) == 7


def test_thinning_keeps_the_peaks():
    y = np.zeros(20_000)
    y[12_345], y[777] = 9, -9
    d = next(e.attrib["d"] for e in parse(draw.line_chart({"a": (np.arange(20_000), y)})).iter(f"{SVG}path"))
    heights = {p.split()[1] for p in re.findall(r"[ML]([\d. ]+)", d)}
    assert len(heights) == 3
    assert len(d) < 10_000


@pytest.mark.parametrize(
    "svg",
    [
        draw.line_chart({}),
        draw.line_chart({"a": ([], [])}),
        draw.line_chart({"a": ([0], [5])}, log=True),
        draw.line_chart({"a": ([0, 1], [None, float("nan")])}, level=("baseline", 0.0), mark=(0, 0, "best")),
        draw.line_chart({EVIL: ([0, 1], [1e308, -1e308])}, x_label=EVIL, y_label=EVIL, level=(EVIL, 1.0)),
        draw.line_chart({"a": ([0, 1], [1e-12, 1e12])}, log=True, as_percent=True),
        draw.histogram([1 + 1e-16, 1, 1 - 2e-16]),
        draw.histogram([1e17, 1e17 + 64, 1e17]),
        draw.scatter_plot([], []),
        draw.scatter_plot([1, 1], [1, 1]),
        draw.scatter_plot([1, float("inf")], [None, 2], diagonal=False),
        draw.scatter_plot(np.arange(9000), np.arange(9000), log=True),
        draw.bar_chart([]),
        draw.bar_chart([Bar(EVIL, float("nan")), Bar("b", -3, -4, -2), Bar("字" * 60, 1e9)]),
        draw.bar_chart([Bar("a", 0, 0, 0)], as_percent=True),
        draw.histogram([]),
        draw.histogram([3, 3, 3], zero=True),
        draw.histogram([*range(-50, 50), 1e12, None], x_label=EVIL, zero=True),
        draw.calibration_chart([], [], []),
        draw.calibration_chart([0.5, None], [0.4, 0.2], [10, 0]),
        draw.confusion_matrix([], []),
        draw.confusion_matrix(["only"], [[0]]),
        draw.confusion_matrix([EVIL, "b"], [[10**9, 0], [0, 0]]),
        draw.confusion_matrix([f"class {i}" for i in range(20)], np.arange(400).reshape(20, 20)),
        draw.confusion_matrix([f"class {i}" for i in range(50)], np.arange(2500).reshape(50, 50)),
    ],
)
def test_odd_values_still_draw(svg):
    assert np.isfinite(values_of(svg)).all()
    assert "nan" not in svg.lower()
    assert not list(parse(svg).iter(f"{SVG}script"))


def test_bars_are_as_long_as_their_values():
    svg = draw.bar_chart([Bar("net", 0.8, 0.7, 0.9), Bar("baseline", 0.2)], as_percent=True, top=1)
    long, short = (float(e.attrib["width"]) for e in parse(svg).iter(f"{SVG}rect"))
    assert long == pytest.approx(4 * short, abs=0.1)
    whiskers = [e for e in parse(svg).iter(f"{SVG}line") if e.attrib["class"] == "whisker"]
    assert len(whiskers) == 3
    assert float(whiskers[0].attrib["x2"]) - float(whiskers[0].attrib["x1"]) == pytest.approx(short, abs=0.1)
    assert {"net", "baseline", "80.0%", "20.0%"} <= set(texts(svg))


def test_scatter_puts_equal_values_on_the_diagonal():
    svg = draw.scatter_plot([1, 2, 3], [1, 2, 3])
    guide = next(e for e in parse(svg).iter(f"{SVG}line") if e.attrib["class"] == "guide")
    x1, y1, x2, y2 = (float(guide.attrib[k]) for k in ("x1", "y1", "x2", "y2"))
    for dot in parse(svg).iter(f"{SVG}circle"):
        x, y = float(dot.attrib["cx"]), float(dot.attrib["cy"])
        assert (y - y1) == pytest.approx((x - x1) * (y2 - y1) / (x2 - x1), abs=0.05)


def test_histogram_counts_everything():
    svg = draw.histogram(np.random.default_rng(0).normal(size=5000))
    tips = [e.text for e in parse(svg).iter(f"{SVG}title")]
    assert sum(int(t.rsplit(": ", 1)[1].replace(",", "")) for t in tips) == 5000


def test_confusion_cells_and_pairs():
    svg = draw.confusion_matrix(["cat", "dog"], [[90, 10], [25, 75]])
    tips = [e.text for e in parse(svg).iter(f"{SVG}title")]
    assert "cat, predicted as dog: 10 of 100 (10.0%)" in tips
    assert {"90", "10", "25", "75"} <= set(texts(svg))
    labels = [f"c{i}" for i in range(30)]
    counts = np.eye(30, dtype=int) * 50
    counts[3, 7], counts[8, 1] = 9, 4
    assert matrix.commonest_mistakes(labels, counts) == [("c3", "c7", 9, 9 / 59), ("c8", "c1", 4, 4 / 54)]
    assert texts(draw.confusion_matrix(labels, counts)) == ["c3 → c7", "9", "c8 → c1", "4"]


# -- the report ------------------------------------------------------------------------------------------------------


def png(size: int = 32) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def history(n: int) -> list[dict]:
    return [
        {"step": 10 * i, "epoch": i / 3, "seconds": i, "loss": 2 / (i + 1), "validation_loss": 2 / i if i else None,
         "accuracy": 1 - 1 / (i + 2), "lr": 0.01 * (1 - i / n)}
        for i in range(n)
    ]  # fmt: skip


def photos() -> Content:
    """A whole report on photos; the numbers are made up, their form is that of a run."""
    names = ["cat", "dog", EVIL]
    return {
        "title": f"pets {EVIL}",
        "subtitle": "Recognises 3 kinds of photo, right 76.4% of the time.",
        "score": {"metric": "accuracy", "value": 0.764, "low": 0.755, "high": 0.772, "n": 10_000},
        "baseline": {"metric": "accuracy", "value": 0.34, "low": 0.33, "high": 0.35, "name": "always “cat”"},
        "facts": [("parameters", 144_218), (EVIL, EVIL), ("resumed", False)],
        "data": {
            "summary": ["300 photos."], "classes": dict.fromkeys(names, 100),
            "splits": {"train": 240, "validation": 30, "test": 30}, "notes": [EVIL],
        },
        "plan": [("lr", 0.012, EVIL), ("sizes", [1, {"a": None}], "")],
        "decisions": [{"step": 612, "name": "cool-down", "value": 612, "reason": "half of the budget is left"}],
        "metric": {"name": "accuracy", "higher_is_better": True, "percent": True},
        "history": history(30),
        "confusion": {"labels": names, "matrix": [[80, 15, 5], [20, 78, 2], [0, 0, 100]]},
        "calibration": {"confidence": [0.4, 0.9], "accuracy": [0.5, 0.85], "count": [40, 260]},
        "per_class": [{"label": n, "precision": 0.8, "recall": 0.7, "f1": 0.75, "count": 100} for n in names],
        "metrics": {"macro F1": 0.7627, "balanced accuracy": 0.75},
        "percents": ["accuracy", "balanced accuracy"],
        "worst": [
            {"shown": {"image_png": png()}, "true": EVIL, "predicted": "dog", "probability": 0.97, "where": EVIL}
            for _ in range(40)
        ],
        "network": [TracedStage("input", (32, 32, 24), 672)],
        "use": {"cli": ["pellucid predict runs/pets cat.jpg"], "python": ["import pellucid"]},
        "protocol": "Split first.",
        "versions": {"torch": "2.10"},
    }  # fmt: skip


def prices() -> Content:
    rng = np.random.default_rng(0)
    true = rng.lognormal(8, 1, 3000)
    return {
        "title": "diamonds → price",
        "score": {"metric": "RMSE", "value": 541.2, "low": 522.1, "high": 560.0, "n": 5394},
        "baseline": {"metric": "RMSE", "value": 3989.0, "name": "always the mean"},
        "metric": {"name": "RMSE", "higher_is_better": False, "unit": "$"},
        "residuals": {"true": list(true), "predicted": list(true * rng.normal(1, 0.1, 3000)), "unit": "$", "log": True},
        "worst": [{"shown": {"row": {"carat": 2.09, EVIL: EVIL}}, "true": 18392.0, "predicted": 15480.0}],
    }  # fmt: skip


def reviews() -> Content:
    return {
        "title": "reviews",
        "worst": [{"shown": {"text": f"{EVIL} long " * 200}, "true": "bad", "predicted": "good"}],
    }


@pytest.mark.parametrize("content", [photos(), prices(), reviews(), {"title": "bare"}])
def test_pages_are_whole_self_contained_and_escaped(content):
    html = report_page(content)
    seen = check(html)
    assert html.startswith("<!doctype html>")
    assert content["title"][:4] in "".join(seen.text)
    assert "<script" not in html
    assert "nan" not in re.sub(r"base64,[^\"]*", "", html).lower()


def test_the_large_number_is_whole():
    assert re.findall(r'class="big">([\d.]+)<small>%</small>', report_page(photos())) == ["76.4"]


def test_a_page_says_what_it_was_given():
    text = " ".join("".join(check(report_page(photos())).text).split())
    for said in (
        "Accuracy on 10,000 test examples. 95% interval 75.5–77.2%.",
        "train 240 (80%)",
        "cat predicted as dog (15 times, 15.0%)",
        "cool-down: 612",
        "from step 612: half of the budget is left",
        "290 steps in 29 s.",
        "best 96.8%",
        "The largest errors on the validation set.",
        "pellucid predict runs/pets cat.jpg",
        "Split first. Made with torch 2.10.",
        "balanced accuracy75.0%",
    ):
        assert said in text, said


def test_a_regression_page_speaks_in_the_unit_of_the_target():
    text = " ".join("".join(check(report_page(prices())).text).split())
    for said in (
        "541 $",
        "95% interval 522–560 $.",
        "Shorter is better.",
        "Median absolute error",
        "predicted ($)",
    ):
        assert said in text, said


def test_at_most_24_errors_and_small_photos_stay_sharp():
    html = report_page(photos())
    assert html.count("<figure>") == 24
    assert html.count('class="tiny"') == 24
    big: Content = {"title": "x", "worst": [{"shown": {"image_png": png(200)}, "true": 1, "predicted": 2}]}
    assert 'class="tiny"' not in report_page(big)


def test_photo_text_and_columns_are_shown_together_and_long_networks_fold():
    shown = {"image_png": png(), "text": "a red tulip", "row": {"height": 31.5}}
    stages = [TracedStage(f"layer {i}", (8,), i) for i in range(200)]
    content: Content = {"title": "x", "worst": [{"shown": shown, "true": 1}], "network": stages}
    seen = check(report_page(content))
    assert {"a red tulip", "31.5", "All 200 of them"} <= set(seen.text)
    assert "19,900 parameters: the numbers that training adjusts." in seen.text
    assert {"img", "blockquote", "details"} <= set(seen.tags)


def test_what_is_left_out_is_left_out():
    html = report_page({"title": "bare"})
    assert "<section" not in html
    assert "<nav" not in html


def test_equal_content_gives_equal_pages():
    assert report_page(photos()) == report_page(photos())


def test_decisions_and_ranges_read_as_words() -> None:
    said = training_section({"history": [{"step": 1, "loss": 0.5}], "decisions": [
        {"step": 0, "name": "schedule", "value": [[-0.5, 0.0], [0, 1.0], [1203, 0.0]], "reason": "as asked"}
    ]})  # fmt: skip
    assert "<b>schedule: 1,203 steps</b>" in str(said)
    assert value_and_spread(-5.3, -5.69, -4.93)[1] == "-5.69 to -4.93"
    assert value_and_spread(5.3, 4.93, 5.69)[1] == "4.93–5.69"


def test_names_of_curves_are_whole_where_there_is_room_for_them() -> None:
    x = np.arange(5.0)
    chart = str(draw.line_chart({"training": (x, x), "validation": (x, 2 * x)}))
    assert ">validation<" in chart
    assert "…" not in chart
