"""The page of a language model: its numbers against plain loops, and what it says in words."""

from __future__ import annotations

import html
import itertools
import math
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid.cli import exit_code
from pellucid.data.batches.batch import Batch, Padded
from pellucid.errors import PellucidError
from pellucid.fields.encoded import Passages
from pellucid.options import Budget
from pellucid.reports import text_content as module
from pellucid.reports.page import report_page
from pellucid.reports.sections.language import FULL, language_section, surprises_section
from pellucid.reports.text_content import (
    context_losses,
    find_prompt,
    language_seconds,
    losses_by_document,
    losses_by_place,
    readable_pieces,
    sampled_losses,
    spread_order,
    surprising_passages,
    text_content,
    written_samples,
)
from pellucid.training.evaluate import predict_raw
from pellucid.training.loader import Loader
from pellucid.training.token_losses import SlidingWindow, TokenLosses, cut_passages, token_losses

CONTEXT = 16
WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "a", "dog", "ran", "to", "été,", "while", "猫", "slept")


def write_documents(folder: Path, count: int = 30, seed: int = 0) -> Path:
    """Texts of a few words in lines, some of more bytes than letters."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for i in range(count):
        lines = [" ".join(rng.choice(WORDS, rng.integers(3, 9))) for _ in range(rng.integers(3, 12))]
        (folder / f"text{i:02}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


class Case:
    """A trained run on texts, its data, test rows and answers."""

    def __init__(self, folder: Path, level: str):
        source = write_documents(folder / "texts")
        how = {"level": level, "context": CONTEXT}
        self.source, self.run = (
            source,
            pellucid.train(source, **how, network="transformer", size=0, steps=6, out=str(folder / "runs"), seed=1),
        )
        self.data = pellucid.read(source, **how)
        self.rows = self.data.split(self.run.plan.split_seed).test
        self.loader = Loader.of(self.data, self.run.network.fields, self.run.network.device)
        self.answers = predict_raw(self.run.network, self.loader, self.rows)
        self.page = html.unescape((self.run.path / "report.html").read_text())

    @property
    def passages(self) -> Passages:
        assert isinstance(self.loader.target, Passages)
        return self.loader.target

    def log_chances(self, before: list[int], part: Any = None) -> torch.Tensor:  # -> (V,)
        """What may follow some tokens, asked by themselves."""
        values = torch.tensor([before], dtype=torch.int32)
        (key,) = self.loader.arrays
        batch = Batch({key: Padded(values, torch.tensor([len(before)]))}, None, np.zeros(1, np.int64))
        with torch.inference_mode():
            return (part or self.run.network)(batch)[0, -1].log_softmax(0)

    def losses_of(self, row: int, lead: int, part: Any = None, most: int = CONTEXT) -> list[float]:
        """The loss of each token of a passage, in pieces of ``most`` tokens with ``lead`` read before each."""
        p = self.passages
        start, end, low = int(p.starts[row]), int(p.ends[row]), int(p.low[row])
        many = max(-(-(end - start) // most), 1)
        cuts, found = [start + (end - start) * i // many for i in range(many + 1)], []
        for first, last in itertools.pairwise(cuts):
            begin = max(first - lead, low)
            for place in range(first, last):
                # The token before the first one is always read; before a document that is its start.
                head = [1] if begin == low else [int(p.values[begin - 1])]
                before = [*head, *p.values[begin:place].tolist()]
                found.append(-float(self.log_chances(before, part)[int(p.values[place])]))
        return found


@pytest.fixture(scope="module", params=["characters", pytest.param("bytes", marks=pytest.mark.slow)])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp(request.param), request.param)


# -- losses of tokens


def test_each_token_has_the_loss_it_has_alone(case: Case) -> None:
    some = case.rows[[0, 3, 5]]
    found = token_losses(case.run.network, case.loader, some, with_solved=True)
    for i, row in enumerate(some.tolist()):
        asked = found.tokens[i] > 0
        assert (
            found.tokens[i][asked].tolist() == case.passages.values[case.passages.starts[row] :][: asked.sum()].tolist()
        )
        assert found.losses[i][asked].tolist() == pytest.approx(case.losses_of(row, 0, most=1000), abs=2e-4)
        assert found.losses[i][~asked].isnan().all()
        assert found.solved is not None
        own = case.losses_of(row, 0, case.run.network.solved, most=1000)
        assert found.solved[i][asked].tolist() == pytest.approx(own, abs=2e-4)


def test_the_likeliest_has_the_chance_it_is_said_to_have(case: Case) -> None:
    row = int(case.rows[2])
    found = token_losses(case.run.network, case.loader, np.array([row]))
    start, low = int(case.passages.starts[row]), int(case.passages.low[row])
    head = 1 if start == low else int(case.passages.values[start - 1])
    for place in (0, 4):
        said = case.log_chances([head, *case.passages.values[start : start + place].tolist()])
        assert int(found.likeliest[0, place]) == int(said.argmax())
        assert float(found.probability[0, place]) == pytest.approx(float(said.max().exp()), abs=1e-4)


def test_the_window_that_slides_has_half_a_window_before_each_token(case: Case) -> None:
    window = SlidingWindow(case.loader)
    half = case.passages.span // 2
    assert window.lead == half
    some = case.rows[[1, 4]]
    plain = [case.losses_of(row, half, most=case.passages.span - half) for row in some.tolist()]
    found = window.answers(case.run.network, some)
    assert found[:, 0].tolist() == pytest.approx([sum(own) for own in plain], abs=2e-3)
    for own, each in zip(plain, window.token_losses(case.run.network, some), strict=True):
        assert each.losses[0].tolist() == pytest.approx(own, abs=2e-4)
    right = [float((one.likeliest == one.tokens).sum()) for one in window.token_losses(case.run.network, some)]
    assert found[:, 1].tolist() == right
    assert case.loader.arrays.keys() == window.loader.arrays.keys()
    assert all(array.lead == 0 for array in window.loader.arrays.values()), "and all is as it was"


def test_pieces_are_the_passages_cut(case: Case) -> None:
    pieces, last = cut_passages(case.passages, 5)
    assert pieces.ends[last - 1].tolist() == case.passages.ends.tolist()
    assert pieces.lengths.max() <= 5
    assert pieces.lengths.sum() == case.passages.lengths.sum()
    first = np.concatenate([[0], last[:-1]])
    for row in range(len(last)):
        own = pieces.lengths[first[row] : last[row]]
        assert own.max() - own.min() <= 1, "all of one are about as long"
        assert len(own) == max(1, -(-int(case.passages.lengths[row]) // 5))


def test_a_window_slides_over_passages_alone() -> None:
    loader = Loader({"number": np.zeros((4, 1), np.float32)}, np.zeros((4, 1), np.float32), torch.device("cpu"))
    with pytest.raises(ValueError, match="a window slides over passages, and these are none"):
        SlidingWindow(loader)


# -- what a page shows


def test_losses_by_place_are_means_over_passages(case: Case) -> None:
    found = token_losses(case.run.network, case.loader, case.rows, with_solved=True)
    curves = losses_by_place(found)
    assert curves["place"][0] == 1, "one token stands before each passage"
    assert found.solved is not None
    for name, losses in (("network", found.losses), ("solved", found.solved)):
        firsts = [float(own[0]) for own, tokens in zip(losses, found.tokens, strict=True) if tokens[0] > 0]
        assert curves[name][0] == pytest.approx(np.mean(firsts))
    narrow = TokenLosses(*(torch.tensor([[5.0, 3.0, 1.0, torch.nan]]) for _ in range(4)))
    assert losses_by_place(narrow) == {"place": [1.0, 2.0, 3.0], "network": [5.0, 3.0, 1.0]}


def test_what_more_context_is_worth_is_of_the_same_passages(case: Case) -> None:
    window = SlidingWindow(case.loader)
    found = sampled_losses(case.run, case.rows, case.answers, case.loader, window, time.monotonic() + 60)["context"]
    assert found["passages"] == len(case.rows)
    tokens = float(case.answers[1][:, 0].sum())
    assert found["alone"] == pytest.approx(float(case.answers[0][:, 0].sum()) / tokens)
    before = sum(sum(case.losses_of(row, window.lead, most=case.passages.span - window.lead)) for row in case.rows[:6])
    assert float(window.answers(case.run.network, case.rows[:6])[:, 0].sum()) == pytest.approx(before, rel=1e-4)
    every = context_losses(case.run.network, case.loader, case.rows, case.answers)
    assert every == pytest.approx(found, rel=1e-6)
    # Where the time is over, the first passages are looked at all the same, and said to be so many.
    few = sampled_losses(case.run, case.rows, case.answers, case.loader, window, 0.0)["context"]
    assert few["passages"] == min(module.AT_ONCE, len(case.rows)) < len(case.rows)


def test_passages_are_looked_at_in_an_order_that_is_spread() -> None:
    for n in (1, 2, 7, 16, 100):
        order = spread_order(n)
        assert sorted(order.tolist()) == list(range(n))
    first = np.sort(spread_order(1000)[:50])
    assert np.diff(first).max() <= 2 * 1000 / 50


def test_documents_are_ranked_by_their_losses(case: Case) -> None:
    found = losses_by_document(case.data, case.rows, case.answers)
    sums: dict[str, list[float]] = {}
    for row, (loss, _), (size, _) in zip(case.rows.tolist(), *(part.tolist() for part in case.answers), strict=True):
        own = sums.setdefault(case.data.place(row).rpartition(", ")[0], [0.0, 0.0])
        own[0] += loss
        own[1] += size
    assert len(sums) > 1
    wanted = sorted(((name, int(n), loss / n) for name, (loss, n) in sums.items()), key=lambda one: -one[2])
    assert [one[:2] for one in found] == [one[:2] for one in wanted]
    assert [one[2] for one in found] == pytest.approx([one[2] for one in wanted])


def test_surprising_passages_stand_as_they_are_in_their_texts(case: Case) -> None:
    window = SlidingWindow(case.loader)
    found = surprising_passages(case.run, case.data, case.rows, case.answers, window)
    assert len(found) == module.SHOWN
    assert [one["loss"] for one in found] == sorted((one["loss"] for one in found), reverse=True)
    for one in found:
        name, _, place = one["where"].rpartition(", character ")
        text, start = (case.source / name).read_text(encoding="utf-8"), int(place.replace(",", ""))
        own = "".join(piece for piece, _, _ in one["pieces"])
        assert text[start:].startswith(own)
        assert len(own) > CONTEXT // 4
        assert text[:start].endswith(one["before"])
        assert (start == 0) == (one["before"] == "")
        row = next(row for row in case.rows.tolist() if case.data.short_title(row) == one["where"])
        losses = case.losses_of(row, window.lead, most=case.passages.span - window.lead)
        assert sum(loss for _, loss, _ in one["pieces"]) == pytest.approx(sum(losses), abs=2e-3)
        assert one["loss"] == pytest.approx(np.mean(losses), abs=2e-4)
        for piece, _, other in one["pieces"]:
            assert len(piece) == 1, "also a letter of several bytes is one"
            assert other is None or 0 < other[1] <= 1


def test_bytes_of_one_letter_stand_together() -> None:
    raw = "aé猫!".encode()
    ones = torch.arange(1.0, len(raw) + 1)[None]
    found = TokenLosses(torch.tensor([list(raw)]), ones, torch.full((1, len(raw)), ord("x")), 0.5 * ones / ones)
    pieces = readable_pieces(found, lambda runs: [bytes(run).decode(errors="replace") for run in runs])
    assert [piece for piece, _, _ in pieces] == ["a", "é", "猫", "!"]
    assert [loss for _, loss, _ in pieces] == [1.0, 5.0, 15.0, 7.0]
    assert [other for _, _, other in pieces] == [("x", 0.5), None, None, ("x", 0.5)]
    cut = TokenLosses(*(each[:, :2] for each in (found.tokens, found.losses, found.likeliest, found.probability)))
    last = readable_pieces(cut, lambda runs: [bytes(run).decode(errors="replace") for run in runs])
    assert [piece for piece, _, _ in last] == ["a", "�"], "of a letter that is cut off nothing is known"


def test_letters_that_training_has_not_seen_are_shown_as_they_are() -> None:
    ones = torch.ones(1, 3)
    found = TokenLosses(torch.tensor([[3, 9, 4]]), ones, torch.tensor([[3, 3, 4]]), ones)
    write = lambda runs: ["�" if run == [9] else chr(94 + run[0]) for run in runs]  # noqa: E731
    assert readable_pieces(found, write, 1, "a$b") == [("a", 1.0, None), ("$", 1.0, ("a", 1.0)), ("b", 1.0, None)]


def test_it_writes_within_its_time(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = find_prompt(case.run, case.data, case.rows)
    assert prompt
    assert prompt in case.data.target.traits.show(case.data.stored_values("text"), int(case.rows[len(case.rows) // 2]))
    whole = written_samples(case.run, case.data, case.rows, time.monotonic() + 60)
    assert [one["temperature"] for one in whole] == list(module.TEMPERATURES)
    for one in whole:
        pieces = case.run.write(prompt, module.WRITTEN, temperature=one["temperature"], seed=case.run.plan.seed)
        assert one["added"] == "".join(pieces)
        assert one["whole"]
    late = written_samples(case.run, case.data, case.rows, 0.0)
    assert all(one["added"] and not one["whole"] for one in late), "one piece is written in any case"
    assert all(full["added"].startswith(one["added"]) for one, full in zip(late, whole, strict=True))


@pytest.mark.parametrize(("budget", "seconds"), [("40s", 2.4), ("10m", 6.0), ("20steps", 6.0), ("2epochs", 6.0)])
def test_the_page_has_a_share_of_the_budget(budget: str, seconds: float) -> None:
    assert language_seconds(Budget.parse(budget)) == pytest.approx(seconds)


def test_without_passages_there_is_nothing(case: Case) -> None:
    none = torch.zeros(0, 2), torch.zeros(0, 2)
    assert text_content(case.run, case.data, case.rows[:0], none, case.loader) == {}


# -- the page


def test_the_page_says_it_in_the_words_for_its_tokens(case: Case) -> None:
    unit = {"characters": "character", "bytes": "byte"}[case.run.network.fields[0].settings["level"]]
    ahead = case.run.record["solved"]["ahead"]
    for said in (
        f"in nats a {unit}; baseline (each {unit} as often as in training)",
        f"test passages, in nats a {unit}.",
        f"Loss by {unit}s read before",
        "What the trunk added",
        "counted n-grams alone",
        "Hardest documents",
        "Some training passages:",
        "Loss of all",
        f"pellucid predict {case.run.path} --text",
    ):
        assert said in case.page
    assert "oken loss" not in case.page
    told = re.sub(r'class="[^"]*"|<style>.*?</style>', "", case.page.partition('<section id="data">')[0], flags=re.S)
    assert "token" not in told
    assert f"{-ahead['value']:+.4f}".replace("-", "−") in case.page or ahead["value"] == 0


def test_single_passages_are_of_validation_and_sums_of_test(case: Case) -> None:
    assert "Bold: a prompt from the validation passages; after it, what the network writes" in case.page
    assert "The most surprising of the validation passages" in case.page
    rows = case.data.split(case.run.plan.split_seed).validation
    answers = predict_raw(case.run.network, case.loader, rows)
    shown = ("validation passages", rows, answers)
    found = text_content(case.run, case.data, case.rows, case.answers, case.loader, 60.0, shown=shown)
    plain = report_content(case)["language"]
    titles = {case.data.short_title(int(row)) for row in rows}
    assert {one["where"] for one in found["surprising"]} <= titles
    assert not {one["where"] for one in plain["surprising"]} & titles
    assert found["written"][0]["prompt"] == find_prompt(case.run, case.data, rows)
    assert found["documents"] == plain["documents"]
    assert found["surprising"][0]["where"] in case.page


def test_colours_are_as_strong_as_losses(case: Case) -> None:
    section = str(surprises_section(report_content(case)))
    shown = re.findall(r'<span class="token" style="--a:(\d+)%" title="([^"]*)">(.*?)</span>', section, re.S)
    content = report_content(case)["language"]["surprising"]
    pieces = [piece for one in content for piece in one["pieces"]]
    assert len(shown) == len(pieces)
    for (strength, title, text), (piece, loss, other) in zip(shown, pieces, strict=True):
        assert int(strength) == pytest.approx(100 * min(loss / FULL, 1), abs=0.51)
        assert html.unescape(text) == piece.replace("\n", "<i>↵</i>\n")
        odds = html.unescape(title).partition(";")[0]
        chance = 1 / float(odds[5:].replace(",", "")) if odds.startswith("1 in") else float(odds[:-1]) / 100
        # 1 in 2 stands for anything down to 1 in 2.5.
        assert chance == pytest.approx(math.exp(-loss), rel=0.26, abs=0.006)
        assert (other is None) == title.endswith("; the likeliest")


def report_content(case: Case) -> Any:
    found = text_content(case.run, case.data, case.rows, case.answers, case.loader, 60.0)
    return {"title": "t", "scored": "test passages", "language": found, "score": {"value": 1.0, "n": len(case.rows)}}


def test_what_is_written_is_shown_as_text_and_cuts_are_said() -> None:
    written = [{"temperature": 0.5, "prompt": "<b>\n", "added": "a & b", "whole": False}]
    page = str(language_section({"title": "t", "language": {"unit": "token", "written": written}}))
    assert '<pre class="written"><b>&lt;b&gt;\n</b>a &amp; b</pre>' in page
    assert "Cut off: time for writing ran out." in page
    assert "Cut off" not in str(
        language_section({"title": "t", "language": {"unit": "token", "written": [{**written[0], "whole": True}]}})
    )


def test_other_pages_have_none_of_it() -> None:
    page = report_page({"title": "t", "data": {"summary": ["300 photos."]}})
    assert "What it writes" not in page
    assert "What surprised it" not in page


def test_an_evaluation_says_where_a_text_was_surprising(case: Case, tmp_path: Path) -> None:
    other = write_documents(tmp_path / "others", count=3, seed=5)
    found = case.run.evaluate(other)
    data = pellucid.read(other, level=case.run.network.fields[0].settings["level"], context=CONTEXT)
    loader = Loader.of(data, case.run.network.fields, case.run.network.device)
    rows = np.arange(len(data))
    raw, size = predict_raw(case.run.network, loader, rows)
    slid = SlidingWindow(loader).answers(case.run.network, rows)
    assert found.score.value == pytest.approx(float(raw[:, 0].sum() / size[:, 0].sum()), rel=1e-5)
    assert found.metrics["loss with context"] == pytest.approx(float(slid[:, 0].sum() / size[:, 0].sum()), rel=1e-5)
    page = html.unescape(found.report(tmp_path / "page.html").read_text())
    assert "Most surprising" not in page
    for said in ("What surprised it", "What it writes", f"Loss of all {len(data)} passages.", "evaluated passages"):
        assert said in page
    assert "Largest errors" not in page
    assert f"{found.metrics['loss with context']:.4f}" in page
    assert any(path.name in page for path in other.iterdir())


def test_what_the_trunk_added_is_said_of_the_loss(case: Case) -> None:
    solved = case.run.record["solved"]
    own, name = f"{solved['score']['value']:.4f}", "the loss of the counted n-grams"
    said = case.run.say_added()
    ahead = solved["ahead"]
    if ahead["low"] > 0:
        assert said.startswith(f"The trunk lowered {name}, {own}, by {ahead['value']:.4f} (")
    elif ahead["high"] < 0:
        assert said.startswith(f"The trunk raised {name}, {own}, by {-ahead['value']:.4f} (")
    elif ahead["value"] == ahead["low"] == ahead["high"] == 0:
        assert said == "The trunk changed nothing."
    else:
        assert said.startswith(f"The trunk did not lower {name}, {own}, significantly: change ")


def test_one_passage_gives_no_interval(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.txt").write_text("the cat sat on")
    page = tmp_path / "one.html"
    typed = ["evaluate", str(case.run.path), str(tmp_path / "one.txt"), "--out", str(page)]
    assert exit_code(typed, started=time.time()) == 0
    shown, html = " ".join(capsys.readouterr().out.split()), page.read_text()
    assert "1 passage, which gives no interval" in shown
    assert "95% interval" not in shown + html
    assert re.search(r"Loss [\d.]+, in nats", shown)
    assert "on 1 evaluated passage, " in html
    assert "One alone gives no interval" in html
    said = case.run.evaluate(tmp_path / "one.txt").score
    assert str(said).endswith("(1 example)")


def test_what_is_no_text_is_said_to_be_none(case: Case, tmp_path: Path) -> None:
    (tmp_path / "binary.txt").write_bytes(bytes(range(32)) * 90)
    with pytest.raises(PellucidError, match="it is not text but binary data") as caught:
        case.run.evaluate(tmp_path / "binary.txt")
    assert caught.value.fix == "give a file of text"
    # Nor is it advised to read such a file.
    with pytest.raises(PellucidError, match=r"it holds binary.txt, none of them text") as caught:
        pellucid.read(tmp_path)
    assert caught.value.fix == "give files of text"
