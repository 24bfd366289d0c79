"""In a notebook: progress by itself; data, runs, plans and comparisons with views of their own; one that runs."""

from __future__ import annotations

import io
import re
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

import pellucid
from pellucid.activity import Progress as Work
from pellucid.draw.notebook import NAME, note_list, scope_css
from pellucid.runs import waiting_line
from pellucid.training import status_line
from pellucid.training.listeners import Progress
from pellucid.training.status_line import StatusLine, StreamLine, progress_text, with_progress

ROOT = Path(__file__).parents[1]
EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">'


class Balanced(HTMLParser):
    """Counts elements, and fails where one is not closed."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.seen.append(tag)
        if tag not in ("img", "br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose every name would do harm on a page."""
    folder = tmp_path_factory.mktemp("evil")
    quoted = EVIL.replace('"', '""')
    rows = [f'{i % 7}.5,{i % 5},"{quoted}{("a", "b")[i % 2]}"' for i in range(120)]
    (folder / "t.csv").write_text("\n".join([f'"{quoted}",height,"goal{quoted}"', *rows]))
    return folder / "t.csv"


def test_every_view_is_escaped_and_has_no_scripts(evil: Path, tmp_path: Path) -> None:
    data = pellucid.read(str(evil), target=f"goal{EVIL}")
    run = pellucid.train(data, steps=4, out=str(tmp_path), name="r", reference=False)
    found = pellucid.compare(data, networks="mlp", steps=2, out=str(tmp_path), name="c", reference=False)
    for thing in (data, run, run.plan, found, pellucid.load(run.path)):
        page = thing._repr_html_()
        seen = Balanced(page).seen
        assert seen[:2] == ["div", "style"]
        assert not {"script", "img", "iframe", "link"} & set(seen)
    assert "&lt;script&gt;" in data._repr_html_()
    assert run.score.metric in run._repr_html_()
    assert "svg" in Balanced(run._repr_html_()).seen
    assert str(run.path) in run._repr_html_()


def test_views_say_what_there_is(table: Path) -> None:
    data = pellucid.read(str(table), target="label")
    page = data._repr_html_()
    for field in data.fields.values():
        assert f">{field.name}</td>" in page
    assert 'class="target">label</td>' in page
    run = pellucid.train(data, steps=3, save=False)
    assert "in memory" in run._repr_html_()
    for name, value, _ in run.plan.lines():
        assert f">{name}</td>" in run.plan._repr_html_()
        assert re.search(rf"^{re.escape(name)} +{re.escape(value)}", str(run.plan), re.M)
    assert repr(run.plan).startswith("Plan(network='dense', ")
    assert len(repr(run.plan)) < 120


def test_a_style_touches_nothing_else() -> None:
    page = pellucid.read({"a": [1.5, 2.5] * 30, "label": ["x", "y"] * 30}, cache=False)._repr_html_()
    style = page.split("<style>")[1].split("</style>")[0]
    selectors = re.findall(r"([^{}]+)\{", style.replace("@media (prefers-color-scheme:dark){", ""))
    assert len(selectors) > 20
    assert all(f".{NAME}" in one for rule in selectors for one in rule.split(",") if one.strip())


def test_rules_are_put_behind_a_scope() -> None:
    assert scope_css(".a .b,.c{x:1}\n.d{y:2}", ".z") == ".z .a .b,.z .c{x:1}.z .d{y:2}"


def test_the_worst_notes_come_first() -> None:
    shown = note_list([("info", "one"), ("error", "two"), ("warning", "three")], 2)
    assert re.findall(r"</b>([^<]+)", str(shown)) == ["two", "three", "1 more"]
    assert note_list([], 3) is None


def test_a_print_is_short_and_a_description_long() -> None:
    wide = {f"c{i}": [float(j * i % 7) for j in range(60)] for i in range(1, 60)} | {"label": ["x", "y"] * 30}
    data = pellucid.read(wide, cache=False)
    assert len(repr(data).splitlines()) < 45 < len(data.describe().splitlines())
    assert "… 44 more columns (number" in repr(data)


# --- progress ----------------------------------------------------------------------------------------------------


class Line:
    pause = 0.0

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.ends: list[bool] = []

    def write(self, text: str, last: bool = False) -> None:
        self.texts.append(text)
        self.ends.append(last)


def test_a_line_says_where_a_training_stands(table: Path, tmp_path: Path) -> None:
    line = Line()
    data = pellucid.read(str(table), target="label")
    run = pellucid.train(data, steps=30, out=str(tmp_path), name="r", listeners=[StatusLine(line)])  # type: ignore[arg-type]
    assert line.texts[-1].startswith("trained in ")
    assert str(run.score)[:12] in line.texts[-1]
    assert any("dense network, 30 steps: getting ready" in text for text in line.texts)
    assert any(re.match(r" *\d+%", text) and "epoch" in text for text in line.texts)
    assert line.ends == [False] * (len(line.ends) - 1) + [True]
    assert max(map(len, line.texts)) <= status_line.CHARACTERS


def test_whoever_waits_for_views_sees_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_line, "PATIENCE", 0.01)
    monkeypatch.setattr(waiting_line, "PAUSE", 0.01)
    line = Line()
    with waiting_line.WaitingLine(line), Work(4) as work:
        work.advance()
        while len(line.texts) < 2:
            time.sleep(0.005)
    assert re.fullmatch(r"looking inside …  25%, .+ left", line.texts[1])
    assert line.texts[-1] == ""
    # Nothing is said of what is quick, nor where nobody reads it.
    line = Line()
    monkeypatch.setattr(waiting_line, "PATIENCE", 9.0)
    with waiting_line.WaitingLine(line):
        pass
    assert line.texts == []
    assert waiting_line.WaitingLine().line is None


def test_the_text_of_a_line() -> None:
    p = Progress(40, 100, 3.25, 6.0, 9.0, 900.0, 0.41234, "hold")
    assert progress_text(p, "validation accuracy 0.93") == (
        " 40%   hold   epoch 3.2   loss 0.412   validation accuracy 0.93   9 s left"
    )
    assert (
        progress_text(Progress(1, 4, 0.1, 1.0, float("inf"), 1.0, float("nan"), "warm up"))
        == " 25%   warm up   epoch 0.1"
    )


def test_a_terminal_line_is_written_over_and_a_log_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for live, expected in ((True, "\r\x1b[Kone\r\x1b[Ktwo\n"), (False, "one\ntwo\n")):
        stream = io.StringIO()
        stream.isatty = lambda live=live: live  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stderr", stream)
        line = StreamLine()
        line.write("one")
        line.write("two", last=True)
        assert stream.getvalue() == expected


@pytest.mark.parametrize(
    ("shell", "asked", "lines"),
    [
        (None, None, 0),
        (None, True, 1),
        (SimpleNamespace(), None, 0),  # IPython in a terminal
        (SimpleNamespace(kernel=object()), None, 1),
        (SimpleNamespace(kernel=object()), False, 0),
    ],
)
def test_where_there_is_progress_by_itself(shell, asked, lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    own = pellucid.Listener()
    found = with_progress([own], asked)
    assert found[0] is own
    assert [type(one) for one in found[1:]] == [StatusLine] * lines


# --- a notebook --------------------------------------------------------------------------------------------------


def test_the_example_runs(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="to run a notebook: pip install nbclient ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="to run a notebook: pip install nbclient ipykernel")
    pytest.importorskip("ipykernel", reason="to run a notebook: pip install nbclient ipykernel")
    book = nbformat.read(ROOT / "examples" / "digits.ipynb", as_version=4)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells), "kept without outputs"
    for cell in cells:
        cell.source = cell.source.replace('budget="20s"', "steps=40")
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    read, plan, train, predict, history, report = (cell.outputs for cell in cells)
    for outputs in (read, plan, train, report):
        assert "text/html" in outputs[-1].data
    # One output that was written over, then the run.
    assert [one.output_type for one in train] == ["display_data", "execute_result"]
    assert train[0].data["text/plain"].startswith("trained in ")
    assert " is a 3 " in predict[0].text
    assert "accuracy on validation" in history[0].text
    assert report[-1].data["text/html"].startswith("<iframe srcdoc=")
    assert (tmp_path / "runs" / "digits" / "report.html").exists()
