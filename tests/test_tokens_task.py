"""What comes next in a text, as a task: scores from sums, beside how often each token comes in training."""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from pellucid.errors import UsageError
from pellucid.fields import KINDS, Field
from pellucid.tasks import TASKS
from pellucid.tasks import tokens as module
from pellucid.tasks.tokens import TokensTask, count_tokens

SIZE = 12


@dataclass
class Rows:
    """Passages as they are encoded: tokens one after the other, where each ends, tokens and bytes of each."""

    values: np.ndarray
    ends: np.ndarray
    sizes: np.ndarray


def passages(n: int = 40, seed: int = 0) -> Rows:
    """Some of them are empty, and tokens are of very different frequency."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 30, n)
    values = 3 + np.minimum(rng.geometric(0.35, lengths.sum()) - 1, SIZE - 5)
    return Rows(values.astype(np.int32), lengths.cumsum(), np.stack([lengths, lengths * 2], 1).astype(float))


def task(metric: str | None = None) -> TokensTask:
    state = {"role": "target", "level": "characters", "size": SIZE, "context": 30}
    return TokensTask([Field("text", "passage", role="target", state=state)], metric)


@pytest.mark.parametrize("at_once", [module.TOKENS_AT_ONCE, 16])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_baseline_says_how_often_each_token_comes(
    at_once: int, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOKENS_AT_ONCE", at_once)
    data, learned, rows = passages(), np.arange(5, 30), np.array([33, 31, 0, 39])
    weight = np.random.default_rng(1).choice([0.5, 2.0], len(learned)) if weighted else None
    starts = np.concatenate([[0], data.ends[:-1]])
    counts = np.ones(SIZE)
    for i, row in enumerate(learned):
        for token in data.values[starts[row] : data.ends[row]]:
            counts[token] += 1 if weight is None else weight[i]
    chances = counts / counts.sum()
    own = [data.values[starts[row] : data.ends[row]] for row in rows]
    found, name = task().naive_answers(data, learned, rows, weight)
    assert name == "each token as often as in training"
    assert found[:, 0] == pytest.approx([-np.log(chances[tokens]).sum() for tokens in own])
    assert found[:, 1].tolist() == [(tokens == counts.argmax()).sum() for tokens in own]
    assert found[:, 1].sum() > 0
    assert SIZE - 1 not in data.values[starts[5] : data.ends[29]], "a token that training has not still has a chance"
    assert np.isfinite(found).all()


def test_no_rows_have_no_tokens() -> None:
    assert count_tokens(passages(), np.zeros(0, np.int64), SIZE).tolist() == [0] * SIZE
    found, _ = task().naive_answers(passages(), np.zeros(0, np.int64), np.array([1, 2]))
    assert found[:, 0] == pytest.approx(passages().sizes[1:3, 0] * math.log(SIZE)), "then all are as likely"


def test_it_scores_from_sums_with_an_interval_and_is_compared_on_the_same_passages() -> None:
    data, own = passages(200), task()
    rows = np.arange(100, 200)
    naive, name = own.naive_answers(data, np.arange(100), rows)
    target = data.sizes[rows]
    better = naive * [0.8, 1.0]
    score, baseline = own.score(better, target), own.score(naive, target, name)
    assert score.metric == "token loss"
    assert score.value == pytest.approx(better[:, 0].sum() / target[:, 0].sum())
    assert score.low < score.value < score.high < baseline.low
    ahead, low, high = own.paired_difference(better, naive, target)
    assert ahead == pytest.approx(0.2 * baseline.value)
    assert 0 < low < ahead < high
    document = np.repeat(np.arange(5), 20)
    grouped = own.score(better, target, group=document)
    assert grouped.value == score.value
    assert grouped.low != score.low
    assert own.say_score(score, baseline) == (
        f"Loss {score.value:.4f} ({score.low:.4f} to {score.high:.4f}), in nats a character; baseline "
        f"(each character as often as in training): {baseline.value:.4f}."
    )
    pieces = TokensTask([Field("text", "passage", role="target", state={"level": "bpe", "size": SIZE})])
    assert pieces.say_score(score, baseline) == own.say_score(score, baseline).replace("character", "token")
    assert own.is_better(score.value, baseline.value)


def test_the_report_has_all_its_metrics_and_counts_weights() -> None:
    raw, target = np.array([[120.0, 30], [90.0, 50]], np.float32), np.array([[60.0, 200], [80.0, 210]], np.float32)
    found = task("perplexity").report_content(raw, target)["metrics"]
    assert list(found) == ["perplexity", "token loss", "bits per byte", "token accuracy"]
    assert found["token loss"] == pytest.approx(1.5)
    assert found["perplexity"] == pytest.approx(math.exp(1.5))
    assert found["bits per byte"] == pytest.approx(210 / math.log(2) / 410)
    assert found["token accuracy"] == pytest.approx(80 / 140)
    weighed = task().report_content(raw, target, np.array([3.0, 1.0]))["metrics"]
    assert weighed["token loss"] == pytest.approx((360 + 90) / (180 + 80))


def test_what_it_says_of_a_passage() -> None:
    own = task()
    raw, target = np.array([[120.5, 30], [2.0, 1]], np.float32), np.array([[60.0, 200], [1.0, 1]])
    assert own.decode(raw) == [{"value": 120.5, "right": 30}, {"value": 2.0, "right": 1}]
    assert own.decode_target(target) == ["60 tokens, 200 bytes", "1 token, 1 byte"]
    assert own.tabulate(raw) == {"value": [120.5, 2.0], "right": [30, 1]}


def test_a_loss_is_opened_as_its_sum_and_no_number_is_explained() -> None:
    own = task()
    opened = own.open_loss(np.array([120.0, 30.0]), np.array([60.0, 200.0]))
    assert opened.total == 120
    assert opened.sentence == (
        "The total loss of the 60 tokens of this passage is 120 nats, 2 each; 50.0% of them were the likeliest."
    )
    values = {row[0]: row[1] for row in opened.rows}
    assert values["perplexity"] == pytest.approx(math.exp(2))
    assert values["bits per byte"] == pytest.approx(120 / math.log(2) / 200)
    with pytest.raises(UsageError) as error:
        own.explain(np.zeros(2))
    assert str(error.value) == (
        "'text' is predicted token by token, so there is no one number that could be explained\n  leave this view out"
    )
    with pytest.raises(UsageError) as error:
        own.open_loss(np.zeros((30, SIZE)), np.zeros(2))
    assert str(error.value) == (
        "the loss of 'text' is a sum over many tokens, which is not opened one by one\n  leave this view out"
    )


def test_another_metric_is_found_by_any_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert task("ppl").metric == "perplexity"
    assert task("BPB").metric == "bits per byte"
    assert task("accuracy").percent
    assert not task("loss").higher
    monkeypatch.setitem(KINDS, "passage", SimpleNamespace(noun="a text"))
    with pytest.raises(UsageError) as error:
        task("bleu")
    assert str(error.value) == (
        "a text has no metric 'bleu'\n  choose one of: loss, perplexity, bits per byte, accuracy"
    )


def test_it_learns_nothing_beside_the_weights() -> None:
    own = TASKS["tokens"]([Field("text", "passage", role="target", state={"size": SIZE})])
    raw, target = np.array([[120.0, 30]]), np.array([[60.0, 200]])
    before = own.measure(raw, target)
    own.calibrate(raw, target)
    assert own.learned == {}
    assert own.calibration() is None
    assert own.measure(raw, target) == before == 2
