"""A page of all blocks as a browser lays it out: no label is cut, none lies on another, text can be read."""

from __future__ import annotations

import html as entities
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from drawn import EVIL, common_blocks, odd_blocks, shown

import pellucid
from pellucid.draw.page import standalone_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is here to lay the page out")

# Measures inside the page: each label's four corners as they are seen, its neighbours in the same drawing, and how far
# its text stands out from what is behind it. What it finds becomes the text of the page.
MEASURE = r"""
const corners = (text) => {
  const box = text.getBBox(), seen = text.getScreenCTM(), svg = text.ownerSVGElement.createSVGPoint();
  return [[0, 0], [1, 0], [1, 1], [0, 1]].map(([a, b]) => {
    svg.x = box.x + a * box.width; svg.y = box.y + box.height * (0.14 + b * 0.72);
    const at = svg.matrixTransform(seen); return [at.x, at.y];
  });
};
const apart = (one, other) => {
  for (const shape of [one, other]) for (let i = 0; i < 4; i++) {
    const [x1, y1] = shape[i], [x2, y2] = shape[(i + 1) % 4], nx = y2 - y1, ny = x1 - x2;
    const length = Math.hypot(nx, ny) || 1;
    const of = (points) => points.map(([x, y]) => (x * nx + y * ny) / length);
    const a = of(one), b = of(other);
    if (Math.max(...a) <= Math.min(...b) + 0.6 || Math.max(...b) <= Math.min(...a) + 0.6) return true;
  }
  return false;
};
const found = {overlaps: [], cut: [], wide: [], low: [], labels: 0, words: 0, width: innerWidth,
  paper: getComputedStyle(document.body).backgroundColor};
document.querySelectorAll("svg.chart").forEach((svg, which) => {
  const frame = svg.getBoundingClientRect();
  const labels = [...svg.querySelectorAll("text")].filter((t) => t.getBBox().width > 0);
  const shapes = labels.map(corners);
  found.labels += labels.length;
  shapes.forEach((shape, i) => {
    const name = `${which} ${labels[i].lastChild ? labels[i].lastChild.textContent : ""}`;
    const xs = shape.map((p) => p[0]), ys = shape.map((p) => p[1]);
    if (Math.min(...xs) < frame.left - 1.5 || Math.max(...xs) > frame.right + 1.5 ||
        Math.min(...ys) < frame.top - 1.5 || Math.max(...ys) > frame.bottom + 1.5)
      found.cut.push(`${name} ${[Math.min(...xs) - frame.left, frame.right - Math.max(...xs),
        Math.min(...ys) - frame.top, frame.bottom - Math.max(...ys)].map((v) => v.toFixed(1))}`);
    for (let j = i + 1; j < shapes.length; j++)
      if (!apart(shape, shapes[j])) found.overlaps.push(`${name} | ${labels[j].lastChild.textContent}`);
  });
});
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const colour = (css) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
};
const over = (top, under) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * under[i]).concat(1);
const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255;
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const contrast = (a, b) => { const [low, high] = [light(a), light(b)].sort((p, q) => p - q);
  return (high + 0.05) / (low + 0.05); };
const paper = colour(getComputedStyle(document.body).backgroundColor);
document.querySelectorAll(".word, .badge, .left-out, .caption, figcaption span").forEach((word) => {
  let ground = paper;
  const above = [];
  for (let e = word; e && e !== document.body; e = e.parentElement) above.unshift(getComputedStyle(e).backgroundColor);
  above.forEach((css) => { ground = over(colour(css), ground); });
  const ratio = contrast(over(colour(getComputedStyle(word).color), ground), ground);
  found.words += word.classList.contains("word");
  if (ratio < 4.5) found.low.push(`${word.className} ${word.textContent.slice(0, 20)} ${ratio.toFixed(2)}`);
});
const prose = ".words, .gallery, .view > p, .view h3, .caption, figcaption, h1, .lead, .spine a, .opened > p, dd";
document.querySelectorAll(prose).forEach((part) => {
  if (part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline")
    found.wide.push(`${part.className || part.tagName} ${part.scrollWidth} > ${part.clientWidth}`);
});
found.sideways = document.documentElement.scrollWidth - document.documentElement.clientWidth;
"""


def measure_page(page: str, folder: Path, width: int, dark: bool) -> dict[str, Any]:
    """What a browser finds on a page in a frame of so many pixels."""
    # The page's own policy forbids scripts: this copy goes without it, and changes nothing else.
    page, removed = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert removed == 1
    page = page.replace("</body>", f"<script>{MEASURE}parent.postMessage(JSON.stringify(found), '*')</script></body>")
    frame = (
        f'<!doctype html><meta charset="utf-8"><pre id="out"></pre>'
        f"<script>onmessage = (e) => {{ document.getElementById('out').textContent = e.data; }}</script>"
        f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{entities.escape(page)}"></iframe>'
    )
    path = folder / f"{width}-{dark}.html"
    path.write_text(frame, encoding="utf-8")
    done = subprocess.run(
        [
            str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=20000",
            f"--user-data-dir={folder / 'profile'}", f"--window-size={width + 100},1000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}", path.as_uri(),
        ],
        capture_output=True, timeout=240, check=False,
    )  # fmt: skip
    text = re.search(r'<pre id="out">(.*?)</pre>', done.stdout.decode(errors="replace"), re.S)
    assert text, done.stderr[-2000:]
    assert text[1], "the page measured nothing"
    return json.loads(entities.unescape(text[1]))  # type: ignore[no-any-return]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [420, 1100])
@pytest.mark.parametrize("kind", ["common", "odd"])
def test_labels_are_whole_and_apart_and_can_be_read(kind: str, width: int, dark: bool, tmp_path: Path) -> None:
    blocks = common_blocks() if kind == "common" else odd_blocks()
    found = measure_page(standalone_page(EVIL, shown(blocks).html()), tmp_path, width, dark)
    assert found["width"] == width
    assert (found["paper"] == "rgb(17, 20, 26)") == dark
    assert found["labels"] > 150
    assert found["words"] > 50
    assert found["overlaps"] == []
    assert found["cut"] == []
    assert found["low"] == []
    assert found["wide"] == []
    assert found["sideways"] <= 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [420, 1100])
def test_a_network_opened_stage_by_stage_can_be_read(opened_page: str, width: int, dark: bool, tmp_path: Path) -> None:
    """With every stage open, as on paper."""
    page = opened_page.replace("</style>", ".opened{display:block}</style>", 1)
    found = measure_page(page, tmp_path, width, dark)
    assert found["labels"] > 50
    for fault in ("overlaps", "cut", "low", "wide"):
        assert found[fault] == [], fault
    assert found["sideways"] <= 0


@pytest.fixture(scope="module")
def opened_page(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs")
    run = pellucid.train(photos, budget="5steps", out=folder, name="a-run-with-a-rather-long-name-of-its-own")
    found = run.inspect(next(photos.rglob("*.png")))
    return found.report(folder / "page.html").path.read_text("utf-8")


def test_the_measure_finds_what_is_wrong(tmp_path: Path) -> None:
    """Two labels on each other, one that leaves its drawing, and grey on grey."""
    svg = (
        '<svg class="chart" viewBox="0 0 460 60" xmlns="http://www.w3.org/2000/svg"><text x="10" y="30">one</text>'
        '<text x="12" y="33">two</text><text x="440" y="50">far outside</text></svg>'
    )
    page = standalone_page("x", shown([]).html()).replace(
        "</article>", svg + '<span class="word" style="background:#888;color:#999">x</span></article>'
    )
    found = measure_page(page, tmp_path, 600, dark=False)
    assert [one.split(" ", 1)[1] for one in found["overlaps"]] == ["one | two"]
    assert len(found["cut"]) == 1
    assert len(found["low"]) == 1
