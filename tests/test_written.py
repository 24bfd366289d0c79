"""Metrics of what is written are those of sacreBLEU and of plain counting, and functions of the examples' weights."""

import doctest
import lzma
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import sacrebleu

from pellucid.metrics import edits
from pellucid.metrics.base import Metric, find_metric, normalised_weights
from pellucid.metrics.bootstrap import bootstrap_interval
from pellucid.metrics.edits import align_edits, count_error_pairs, edit_distance
from pellucid.metrics.written import OF_TOKENS, OF_TRANSCRIPTS, OF_TRANSLATIONS, bleu_sums

# Real data stands beside the project, never in it.
SENTENCES = Path(__file__).parents[2] / "shared" / "data" / "multi30k" / "test_2016_flickr.en.xz"


def made_sentences(n: int) -> list[str]:
    """Sentences with capitals, marks, numbers and what the tokenizer has rules for."""
    rng = np.random.default_rng(5)
    phrase = 'A man, woman\'s dog; runs (fast) on 3.5 Streets: two-way traffic &amp; "signs" in the U.S. snow'
    words = phrase.split()
    return [" ".join(rng.choice(words, rng.integers(4, 15))).capitalize() + "." for _ in range(n)]


def real_sentences(n: int) -> list[str]:
    if not SENTENCES.exists():
        pytest.skip("needs ../shared/data/multi30k")
    with lzma.open(SENTENCES, "rt", encoding="utf-8") as file:
        return file.read().splitlines()[:n]


def spoil(text: str, rng: np.random.Generator) -> str:
    """The same with some words left out, cut, or in small letters."""
    kept = [word for word in text.split() if rng.random() < 0.93]
    return " ".join(word if rng.random() < 0.8 else word.lower()[:4] for word in kept)


@pytest.fixture(scope="module", params=[made_sentences, real_sentences])
def texts(request: pytest.FixtureRequest) -> tuple[list[str], list[str]]:
    true, rng = request.param(300), np.random.default_rng(0)
    return [spoil(one, rng) for one in true], true


def value_of(metric: Metric, said: Sequence[str], true: Sequence[str], weight: np.ndarray | None = None) -> float:
    return float(metric.judge(said, true)(normalised_weights(weight, len(true))[None])[0])


THEIRS = {
    "bleu": lambda said, true: sacrebleu.corpus_bleu(said, [true], force=True).score,
    "lower bleu": lambda said, true: sacrebleu.corpus_bleu(said, [true], lowercase=True, force=True).score,
    "chrf": lambda said, true: sacrebleu.corpus_chrf(said, [true]).score,
}


@pytest.mark.parametrize("key", THEIRS)
def test_translations_score_as_sacrebleu_says(key: str, texts: tuple[list[str], list[str]]) -> None:
    metric, (said, true) = find_metric(OF_TRANSLATIONS, key), texts
    assert metric is not None
    assert 40 < value_of(metric, said, true) < 95, "answers that are neither right nor wrong"
    assert value_of(metric, said, true) == pytest.approx(THEIRS[key](said, true), abs=1e-9)
    assert value_of(metric, true, true) == pytest.approx(100, abs=1e-9)
    # Whole weights are repeated examples: what counts is how much of all there is.
    counts = np.random.default_rng(1).integers(0, 4, len(true))
    again = [np.repeat(np.array(one, object), counts).tolist() for one in (said, true)]
    assert value_of(metric, said, true, counts) == pytest.approx(THEIRS[key](*again), abs=1e-9)
    assert value_of(metric, said, true, counts) != pytest.approx(THEIRS[key](said, true), abs=1e-3)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("key", THEIRS)
def test_short_empty_and_wrong_translations_score_as_sacrebleu_says(key: str) -> None:
    metric, rng = find_metric(OF_TRANSLATIONS, key), np.random.default_rng(2)
    assert metric is not None
    seen = set()
    for _ in range(300):
        # Few words of few letters: some agree, some orders have no agreement, some answers are empty.
        said, true = ([" ".join(rng.choice(list("aBc"), rng.integers(0, 8))) for _ in range(2)] for _ in range(2))
        seen.add(found := value_of(metric, said, true))
        assert found == pytest.approx(THEIRS[key](said, true), abs=1e-9), (said, true)
    assert len(seen) > 100
    assert 0.0 in seen


def test_many_weights_at_once_are_each_alone(texts: tuple[list[str], list[str]]) -> None:
    weights = np.random.default_rng(3).integers(0, 3, (5, len(texts[0]))).astype(float)
    for metric in (*OF_TRANSLATIONS.values(), *OF_TRANSCRIPTS.values()):
        judge = metric.judge(*texts)
        assert judge(weights).shape == (5,)
        assert judge(weights) == pytest.approx([judge(one[None])[0] for one in weights])


def test_no_translations_are_no_trouble() -> None:
    assert bleu_sums([], []).shape == (0, 10)


def test_intervals_lie_around_values_and_within_limits(texts: tuple[list[str], list[str]]) -> None:
    for metric in (*OF_TRANSLATIONS.values(), *OF_TRANSCRIPTS.values()):
        judge, even = metric.judge(*texts), np.ones(len(texts[0]))
        low, high = bootstrap_interval(judge, even, repeats=200)
        assert metric.limits[0] <= low < judge(even[None])[0] < high <= metric.limits[1], metric.name


# -- edits


def plain_distance(true: Sequence[str], said: Sequence[str]) -> tuple[int, int]:
    """The fewest edits and, of these ways, the fewest changes, from the table of all beginnings."""
    table = {(0, 0): (0, 0)}
    for i in range(len(true) + 1):
        for j in range(len(said) + 1):
            ways = []
            if i:
                ways.append((table[i - 1, j][0] + 1, table[i - 1, j][1]))
            if j:
                ways.append((table[i, j - 1][0] + 1, table[i, j - 1][1]))
            if i and j:
                changed = true[i - 1] != said[j - 1]
                ways.append((table[i - 1, j - 1][0] + changed, table[i - 1, j - 1][1] + changed))
            if ways:
                table[i, j] = min(ways)
    return table[len(true), len(said)]


@pytest.mark.parametrize("cells", [edits.MOST_CELLS, 6])
def test_edits_are_the_fewest_and_alignments_have_as_many(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "MOST_CELLS", cells)
    rng = np.random.default_rng(4)
    for _ in range(400):
        true, said = (rng.choice(list("abc"), rng.integers(0, 12)).tolist() for _ in range(2))
        fewest, changes = plain_distance(true, said)
        way = align_edits(true, said)
        assert edit_distance(true, said) == fewest
        assert [edit.true for edit in way if edit.true is not None] == true
        assert [edit.said for edit in way if edit.said is not None] == said
        wrong = [edit for edit in way if edit.true != edit.said]
        assert len(wrong) == fewest
        assert sum(None not in edit for edit in wrong) == changes


def test_edits_of_more_items_than_a_machine_word_has_bits() -> None:
    rng = np.random.default_rng(6)
    true = rng.choice(list("abcdefgh"), 300).tolist()
    said = [one for one in true if rng.random() < 0.9] + list("xyz")
    assert edit_distance(true, said) == plain_distance(true, said)[0] > 20


def test_a_thousand_pairs_of_a_hundred_words_are_fast() -> None:
    rng = np.random.default_rng(7)
    words = np.array([f"word{i}" for i in range(500)])
    true = [rng.choice(words, 100) for _ in range(1000)]
    said = [np.where(rng.random(100) < 0.2, rng.choice(words, 100), one) for one in true]
    pairs = [(" ".join(one), " ".join(other)) for one, other in zip(true, said, strict=True)]
    start = time.process_time()
    value_of(OF_TRANSCRIPTS["word error rate"], [two for _, two in pairs], [one for one, _ in pairs])
    seconds = time.process_time() - start
    start = time.process_time()
    count_error_pairs(pairs[:200])
    assert seconds < 1
    assert time.process_time() - start < 1


def test_error_rates_are_edits_by_what_there_is() -> None:
    true, said = ["the cat sat", "it rains", "go"], ["the cat sat down", "it trains", ""]
    words, letters = OF_TRANSCRIPTS["word error rate"], OF_TRANSCRIPTS["character error rate"]
    assert value_of(words, said, true) == pytest.approx(3 / 6)
    assert value_of(letters, said, true) == pytest.approx((5 + 1 + 2) / (11 + 8 + 2))
    assert value_of(words, said, true, np.array([1, 0, 3])) == pytest.approx((1 + 3) / (3 + 3))
    assert value_of(OF_TRANSCRIPTS["exact match"], [" the  cat sat", "it rains", "Go"], true) == pytest.approx(2 / 3)
    assert value_of(words, ["a b", "c d e"], ["x", "y"]) == pytest.approx(5 / 2), "it can be more than all"
    assert np.isnan(value_of(words, ["a"], [""])), "of no word it is not known"


@pytest.mark.parametrize("key", ["wer", "cer"])
def test_error_rates_of_whole_weights_are_those_of_repeated_examples(
    key: str, texts: tuple[list[str], list[str]]
) -> None:
    metric, (said, true) = find_metric(OF_TRANSCRIPTS, key), texts
    assert metric is not None
    counts = np.random.default_rng(8).integers(0, 4, len(true))
    split = str.split if key == "wer" else list
    pairs = [(split(" ".join(a.split())), split(" ".join(b.split()))) for a, b in zip(true, said, strict=True)][:40]
    plain = sum(c * plain_distance(a, b)[0] for (a, b), c in zip(pairs, counts, strict=False))
    every = sum(c * len(a) for (a, _), c in zip(pairs, counts, strict=False))
    assert value_of(metric, said[:40], true[:40], counts[:40]) == pytest.approx(plain / every)


def test_error_pairs_say_which_words_are_taken_for_which() -> None:
    found = count_error_pairs([("the cat sat", "the hat sat"), ("a cat", "a hat too"), ("left out here", "left here")])
    assert found == {("cat", "hat"): 2, ("", "too"): 1, ("out", ""): 1}
    moved = count_error_pairs([("now we go home", "we go home soon")])
    assert moved == {("now", ""): 1, ("", "soon"): 1}, "words that are right stay so"


# -- tokens

KEPT = np.array([[120.0, 30], [90.0, 50], [10.0, 1]])

SIZES = np.array([[60.0, 200], [80.0, 210], [4.0, 12]])


def test_metrics_of_tokens_are_shares_of_sums() -> None:
    def value(key: str, weight: list[float] | None = None) -> float:
        metric = find_metric(OF_TOKENS, key)
        assert metric is not None
        even = normalised_weights(None if weight is None else np.array(weight), 3)
        return float(metric.judge(KEPT, SIZES)(even[None])[0])

    assert value("loss") == pytest.approx(220 / 144)
    assert value("perplexity") == pytest.approx(math.exp(220 / 144))
    assert value("bits per byte") == pytest.approx(220 / math.log(2) / 422)
    assert value("accuracy") == pytest.approx(81 / 144)
    assert value("loss", [2, 0, 1]) == pytest.approx(250 / 124), "long texts count as much as they are long"
    assert value("bpb", [2, 0, 1]) == pytest.approx(250 / math.log(2) / 412)
    assert value("accuracy", [2, 0, 1]) == pytest.approx(61 / 124)


@pytest.mark.filterwarnings("error")
def test_a_loss_beyond_all_numbers_has_an_endless_perplexity() -> None:
    judge = OF_TOKENS["perplexity"].judge(np.array([[1e6, 0.0]]), np.array([[1.0, 1.0]]))
    assert judge(np.ones((1, 1)))[0] == math.inf


@pytest.mark.parametrize("metrics", [OF_TOKENS, OF_TRANSLATIONS, OF_TRANSCRIPTS])
def test_every_metric_has_a_sentence_and_words_of_its_own(metrics: dict[str, Metric]) -> None:
    numbers = {"value": 0.25, "low": 0.125, "high": 0.5, "base": 0.75}
    said = [one for metric in metrics.values() for one in metric.words]
    assert len(said) == len(set(said))
    for name, metric in metrics.items():
        sentence = metric.sentence.format(name=name, naive="always the same", names="'text'", **numbers)
        assert sentence.startswith(name)
        assert sentence.endswith("baseline (always the same): 75.0%." if metric.percent else "): 0.75.")
        assert metric.words


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(edits)
    assert result.attempted >= 3
    assert result.failed == 0
