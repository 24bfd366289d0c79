"""Language models from end to end: what a run of texts does in every verb, and what holds of any of its networks."""

from __future__ import annotations

import copy
import csv
import json
import math
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sittings import sitting
from test_events import described, flatten, is_described, json_lines
from test_resume import assert_same
from torch import Tensor

import pellucid
from pellucid.cli import exit_code
from pellucid.data.batches.batch import Batch, Padded
from pellucid.data.kept_examples import BEFORE, KeptExamples
from pellucid.decoding.stop import piece_bytes
from pellucid.errors import PellucidError, UsageError
from pellucid.fields import Field
from pellucid.fields.text import RESERVED, START
from pellucid.network import Network
from pellucid.outputs.tokens import Tokens
from pellucid.reports import text_content
from pellucid.runs import writing
from pellucid.runs.solved_part import solved_answers
from pellucid.runs.token_reader import TokenReader
from pellucid.runs.writing import Writer, agreeing_tokens, encode_prompt, open_end, token_pieces
from pellucid.storage import pack_tensors, unpack_tensors
from pellucid.storage.forms import FormError
from pellucid.training import loop
from pellucid.training.evaluate import predict_raw
from pellucid.training.listeners import Listener
from pellucid.training.loader import Loader
from pellucid.training.loop import micro_batches
from pellucid.training.token_losses import SlidingWindow

CPU = torch.device("cpu")

# Tokens of a window.
SPAN = 24

WORDS = "the king said that no man of the town may go to war with him when night is come and all men".split()  # noqa: SIM905
NAMES = ["ANNA", "BERT", "CARL"]

# What is trained: the trunk, or the level of its tokens.
TRUNKS = ("transformer", "gru", "lstm", "mingru", "cnn")
LEVELS = ("bpe", "bytes")


def speech(lines: int, seed: int = 0) -> str:
    """Lines that people say, as in a play."""
    draw = random.Random(seed)
    said = (" ".join(draw.choices(WORDS, k=draw.randint(4, 9))) for _ in range(lines))
    return "".join(f"{draw.choice(NAMES)}:\n{line.capitalize()}.\n\n" for line in said)


@pytest.fixture(scope="module", autouse=True)
def short_samples() -> Iterator[None]:
    """Reports that write little: what they write at its usual length takes longer than all else here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_content, "WRITTEN", 8)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two texts of which the second has letters of its own."""
    root = tmp_path_factory.mktemp("texts")
    (root / "play.txt").write_text(speech(60))
    (root / "other.txt").write_text(speech(16, seed=1) + "QUEEN:\nZounds, my xylophone!\n\n")
    return root


def trained(place: Path, name: str, source: str = "play.txt", **options: Any) -> pellucid.Run:
    usual = {
        "network": "transformer",
        "size": 0,
        "steps": 8,
        "seed": 1,
        "context": SPAN,
        "out": place / "runs",
        "name": name,
    }
    return pellucid.train(str(place / source), **usual | options)


@pytest.fixture(scope="module")
def run(place: Path) -> pellucid.Run:
    return trained(place, "play")


@pytest.fixture(scope="module")
def runs(place: Path, run: pellucid.Run) -> dict[str, pellucid.Run]:
    """One of each trunk, and of each level, by its name."""
    found = {"transformer": run}
    for name in TRUNKS[1:]:
        found[name] = in_memory(place, network=name)
    for level in LEVELS:
        found[level] = in_memory(place, level=level)
    return found


def in_memory(place: Path, **options: Any) -> pellucid.Run:
    return pellucid.train(str(place / "play.txt"), context=SPAN, size=0, steps=2, seed=1, save=False, **options)


# -- what must hold of any network


def stirred(network: Network) -> Network:
    """A copy whose output layer says something: beside a solved part it begins at nothing."""
    found = copy.deepcopy(network).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in found.output.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.3)
    return found


def some_tokens(network: Network, length: int, seed: int = 0) -> Tensor:  # (1, T)
    """The start of a document and tokens drawn from the vocabulary."""
    size = int(network.output.fields[0].state["size"])
    drawn = torch.randint(RESERVED, size, (1, length), generator=torch.Generator().manual_seed(seed))
    drawn[0, 0] = START
    return drawn


def batch_of(network: Network, tokens: Tensor) -> Batch:  # (B, T)
    (key,) = network.input_keys()
    return Batch({key: Padded(tokens, torch.full((len(tokens),), tokens.shape[1]))}, None, np.arange(len(tokens)))


@pytest.mark.parametrize("name", [*TRUNKS, *LEVELS])
def test_no_logit_follows_from_what_comes_later(name: str, runs: dict[str, pellucid.Run]) -> None:
    """Change any token: what was said before it stays as it was, to the last bit."""
    network = stirred(runs[name].network)
    tokens = some_tokens(network, SPAN)
    with torch.no_grad():
        before = network(batch_of(network, tokens))
        for place in range(1, SPAN, 2):
            changed = tokens.clone()
            changed[0, place] = RESERVED + (tokens[0, place] - RESERVED + 1) % 20
            after = network(batch_of(network, changed))
            assert torch.equal(after[:, :place], before[:, :place]), place
            assert not torch.equal(after[:, place], before[:, place]), place


@pytest.mark.parametrize("name", [*TRUNKS, *LEVELS])
def test_the_opened_network_says_what_forward_says(name: str, runs: dict[str, pellucid.Run]) -> None:
    network = stirred(runs[name].network)
    batch = batch_of(network, torch.cat([some_tokens(network, SPAN, seed) for seed in range(3)]))
    with torch.no_grad():
        forward, opened = network(batch), network.open(batch)
    assert opened.answer.shape == forward.shape == (3, SPAN, int(network.output.fields[0].state["size"]))
    assert float((opened.answer - forward).abs().max()) < 1e-4
    assert opened.solved is not None
    assert not torch.equal(opened.solved, forward)


def read_plainly(network: Network, tokens: Tensor, cuts: list[int], span: int) -> list[Tensor]:
    """What comes after each stretch of tokens, each time worked out from the beginning of what the network has read.

    Where it has read as much as it was trained on, it goes on with half of that, or with what is new if that is more.
    """
    (layer,), output, solved = network.layers, network.output, network.solved
    found, first, end = [], 0, 0
    for cut in cuts:
        end += cut
        if end - first > span:
            first = end - min(max(span // 2, cut), span)
        own = tokens[:, first:end]
        f = network.trunk(layer(Padded(own, torch.tensor([own.shape[1]]))))
        raw = output.layer(f.x[:, -1:])
        if solved is not None:
            said = solved.read_orders(tokens[:, :end], solved.start(1))[0][:, -1:]
            raw = output.add_solved(raw, said, f.with_(x=f.x[:, -1:]))
        found.append(raw[:, 0])
    return found


@pytest.mark.parametrize("name", [*TRUNKS, *LEVELS])
@pytest.mark.parametrize("cuts", [[1] * 60, [5, 1, 1, 30, 1, 20, 1, 1], [70, 1, 1]])
def test_a_reader_says_what_forward_says_and_goes_on_beyond_a_window(
    name: str, cuts: list[int], runs: dict[str, pellucid.Run]
) -> None:
    network = stirred(runs[name].network)
    tokens, reader = some_tokens(network, sum(cuts)), TokenReader(network)
    with torch.no_grad():
        wanted = read_plainly(network, tokens, cuts, reader.span)
        # Within a window it is what the network says of the whole text.
        whole = network(batch_of(network, tokens[:, : reader.span]))
    end = 0
    for cut, plain in zip(cuts, wanted, strict=True):
        said = reader.read(tokens[:, end : end + cut])
        end += cut
        assert float((said - plain).abs().max()) < 2e-4, end
        if end <= reader.span:
            assert float((said - whole[:, end - 1]).abs().max()) < 2e-4, end


@pytest.mark.parametrize("name", [*TRUNKS, *LEVELS])
def test_kept_sums_are_those_of_a_plain_loop(name: str, runs: dict[str, pellucid.Run], place: Path) -> None:
    run = runs[name]
    data = pellucid.read(str(place / "play.txt"), context=SPAN, level=name if name in LEVELS else None)
    loader = Loader.of(data, run.network.fields, CPU)
    rows = data.split(1).test[:6]
    batch = loader.batch(torch.from_numpy(rows))
    with torch.no_grad():
        raw = run.network(batch)
        kept = run.network.output.keep(raw, batch).double()
    for i, row in enumerate(rows.tolist()):
        true = batch.target.values[i]
        loss = right = count = 0.0
        for place_, token in enumerate(true.tolist()):
            if token == 0:
                continue
            logits = raw[i, place_].double().tolist()
            most = max(logits)
            loss += most + math.log(sum(math.exp(x - most) for x in logits)) - logits[token]
            right += logits.index(most) == token
            count += 1
        assert float(kept[i, 0]) == pytest.approx(loss, rel=1e-5)
        assert float(kept[i, 1]) == right
        text = data.stored_values("text")
        size = int(np.diff(text.arrays["ends"], prepend=0)[row])
        assert loader.targets(rows[i : i + 1]).tolist() == [[count, size]]


@pytest.mark.parametrize("name", ["transformer", "mingru", "cnn"])
def test_micro_batches_change_rounding_alone(name: str, runs: dict[str, pellucid.Run], place: Path) -> None:
    network = stirred(runs[name].network)
    data = pellucid.read(str(place / "play.txt"), context=SPAN)
    loader, train = Loader.of(data, network.fields, CPU), data.split(1).train
    loader.learn_from(train)
    # Windows of different lengths, each where its key puts it.
    rows = torch.from_numpy(np.append(train[:10], train[-1]))
    batch = loader.batch(rows, torch.arange(11) * 7919)
    count = network.output.count(batch)
    assert count == float((batch.target.values != 0).sum())

    def gradients(size: int) -> dict[str, Tensor]:
        network.zero_grad()
        for part in micro_batches(batch, size):
            (network.losses(part).sum() / count).backward()
        return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}

    whole, parts = gradients(11), gradients(3)
    assert whole.keys() == parts.keys() == {name for name, _ in network.named_parameters()}
    for name_, one in whole.items():
        assert float((one - parts[name_]).abs().max()) <= 1e-5 * max(1.0, float(one.abs().max())), name_


# -- documents


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve documents, each of two letters that no other has."""
    root, draw = tmp_path_factory.mktemp("letters") / "notes", random.Random(3)
    root.mkdir()
    for i in range(12):
        own = chr(97 + 2 * i) + chr(98 + 2 * i)
        (root / f"{i:02}.txt").write_text("".join(draw.choices(own, k=150 + 7 * i)))
    return root


def test_no_border_of_a_document_is_crossed(letters: Path, tmp_path: Path) -> None:
    """Neither by parts, nor by windows, nor by what is counted, nor by what a passage is answered with."""
    run = pellucid.train(str(letters), context=SPAN, size=0, steps=3, out=tmp_path, name="a")
    data = pellucid.read(str(letters), context=SPAN)
    split, documents = data.split(0), data.documents
    owned = [set(documents[rows].tolist()) for rows in (split.train, split.validation, split.test)]
    assert all(owned)
    assert sum(map(len, owned)) == 12
    loader = Loader.of(data, run.network.fields, CPU)
    loader.learn_from(split.train)
    (key,) = run.network.input_keys()
    tokens_of = [
        set(np.unique(loader.batch(torch.from_numpy(np.flatnonzero(documents == d))).target.values)) for d in range(12)
    ]
    met: set[int] = set()
    for draw in range(30):
        rows = torch.from_numpy(split.train)
        batch = loader.batch(rows, torch.arange(len(rows)) * 104729 + draw)
        for row, true, read in zip(rows.tolist(), batch.target.values, batch.inputs[key].values, strict=True):
            own = tokens_of[documents[row]]
            assert set(true.tolist()) <= own | {0}
            assert set(read.tolist()) <= own | {0, START}
            met |= set(true.tolist())
    assert met >= set().union(*(tokens_of[d] for d in owned[0]))
    solved = run.network.solved
    pairs = solved.ngrams[0]
    for one in owned[0]:
        for other in owned[0] - {one}:
            found = [
                int(pairs.find(torch.tensor(a), torch.tensor(b)))
                for a in tokens_of[one] - {0}
                for b in tokens_of[other] - {0}
            ]
            assert set(found) == {pairs.nodes}, "no pair of them was counted"
    assert run.evaluate(str(letters / "03.txt")).score.n == -(-(150 + 21) // SPAN)


# -- the life of a run


def test_a_run_is_loaded_moved_pickled_and_kept_in_memory(run: pellucid.Run, place: Path, tmp_path: Path) -> None:
    assert run.writes
    assert run.score.value < run.baseline.value
    text = run.predict(texts=["ANNA:\nThe "], length=30)[0]["written"]
    assert len(text) == 30
    loaded = pellucid.load(run.path)
    assert loaded.damage == []
    for other in (loaded, pickle.loads(pickle.dumps(run)), run.save(tmp_path / "moved")):
        assert other.predict(texts=["ANNA:\nThe "], length=30)[0]["written"] == text
        assert other.say_added() == run.say_added() != ""
    source = str(place / "play.txt")
    memory = pellucid.train(pellucid.read(source, context=SPAN), size=0, steps=2, save=False)
    assert memory.predict(length=5).to_frame()["written"].str.len_chars().to_list() == [5]
    assert "".join(memory.write("ANNA", length=7)) == memory.predict(texts=["ANNA"], length=7)[0]["written"]


def test_other_texts_are_scored(run: pellucid.Run, place: Path, tmp_path: Path) -> None:
    found = run.evaluate(str(place / "other.txt"))
    assert set(found.metrics) >= {"token loss", "perplexity", "bits per byte", "token accuracy"}
    assert found.metrics["perplexity"] == pytest.approx(math.exp(found.score.value))
    assert any("that were not in training" in str(note) for note in found.notes)
    assert found.score.value > run.score.value
    page = found.report(tmp_path / "page.html")
    assert "bits per byte" in Path(str(page)).read_text()
    assert any("was trained on most of this data" in str(note) for note in run.evaluate(str(place / "play.txt")).notes)


def test_a_replay_is_the_same_to_the_last_bit(run: pellucid.Run, place: Path) -> None:
    again = pellucid.train(like=run.path, out=place / "runs", name="again")
    assert (again.path / "weights.safetensors").read_bytes() == (run.path / "weights.safetensors").read_bytes()
    assert (again.path / "solved.safetensors").read_bytes() == (run.path / "solved.safetensors").read_bytes()
    longer = pellucid.resume(again.path, more="3steps")
    assert longer.record["steps"] == 11
    assert (longer.path / "solved.safetensors").read_bytes() == (run.path / "solved.safetensors").read_bytes()


def test_killed_and_resumed_it_is_the_same_to_the_last_bit(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("REPORT_SECONDS", 0.0), ("CHECKPOINT_SECONDS", 0.0), ("CHECKPOINT_SHARE", 1e9)):
        monkeypatch.setattr(loop, name, value)
    job = {"data": str(place / "play.txt"), "context": SPAN, "size": 0, "steps": 12, "seed": 5}
    pellucid.train(**job, out=tmp_path, name="whole")
    for sort, number in (("between the optimizers", 4), ("before a checkpoint", 3)):
        assert sitting(tmp_path / "cut", job, (sort, number)) == -signal.SIGKILL
    pellucid.resume(tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_another_run_begins_with_the_weights_and_the_vocabulary_of_the_first(run: pellucid.Run, place: Path) -> None:
    heard: list[str] = []

    class Ear(Listener):
        def said(self, text: str) -> None:
            heard.append(str(text))

    source, out = str(place / "other.txt"), place / "runs"
    other = pellucid.train(source, start=run.path, steps=2, out=out, name="started", listeners=[Ear()])
    before, now = (one.network.output.fields[0] for one in (run, other))
    assert now.state == before.state
    assert now.settings["context"] == SPAN, "passages are as long as those of the run"
    assert sum("holds 8 characters that were not in training" in text for text in heard) == 1, heard
    assert any(f"{other.parameters:,} of {other.parameters:,} weights come from" in text for text in heard), heard
    resumed = pellucid.resume(other.path, more="1 steps")
    assert resumed.network.output.fields[0].state == before.state
    with pytest.raises(
        UsageError, match=rf"the length of passages come from .*: characters, {SPAN}\n  leave --context out"
    ):
        pellucid.train(source, context=99, start=run.path, steps=2, out=out, name="other")


def test_without_a_solved_part_or_kept_examples(place: Path) -> None:
    run = trained(place, "bare", solved=False, examples=False, metric="bits per byte", steps=3)
    assert run.network.solved is None
    assert run.kept is None
    assert run.score.metric == "bits per byte"
    assert run.say_added() == ""
    assert len("".join(run.write("ANNA:", length=9, temperature=0))) == 9
    network = stirred(run.network)
    tokens = some_tokens(network, SPAN)
    reader = TokenReader(network)
    with torch.no_grad():
        assert float((reader.read(tokens) - network(batch_of(network, tokens))[:, -1]).abs().max()) < 1e-4
    with pytest.raises(PellucidError, match=r"^'Health' can't be shown: the run keeps no training examples$"):
        run.inspect(health=True)
    assert {result.view for result in run.inspect(texts=["ANNA"])} >= {"next"}


def test_networks_are_compared_and_the_counts_alone_are_one_of_them(place: Path) -> None:
    found = pellucid.compare(
        str(place / "play.txt"), networks="rnn,transformer", size=0, steps=2, context=SPAN, out=place / "runs", name="c"
    )
    assert sorted(found.ranking) == ["counted n-grams", "rnn", "transformer"]
    alone = found.networks["counted n-grams"]
    facts = pellucid.load(found.path / "rnn-0").record["solved"]
    assert alone["value"] == facts["score"]["value"]
    assert alone["validation"] == pytest.approx(facts["validation"], rel=1e-6)
    assert (alone["steps"], alone["alone"], alone["memory"]) == (0, True, None)
    assert alone["latency"] > 0
    run = found.run("counted n-grams")
    assert (
        run.evaluate(str(place / "other.txt")).score.value
        != found.run("rnn").evaluate(str(place / "other.txt")).score.value
    )
    rows = run.predict(texts=["ANNA"], length=3)
    assert len(rows[0]["written"]) == 3
    page = (found.path / "report.html").read_text()
    assert "counted n-grams" in page
    assert (
        pellucid.compare(
            str(place / "play.txt"),
            networks="rnn,transformer",
            size=0,
            steps=2,
            context=SPAN,
            out=place / "runs",
            name="c",
        ).networks["counted n-grams"]["value"]
        == alone["value"]
    )


# -- looking inside


@pytest.mark.parametrize("name", [*TRUNKS, *LEVELS])
def test_a_language_model_is_looked_into(name: str, runs: dict[str, pellucid.Run]) -> None:
    run = runs[name]
    found = {result.view: result for result in run.inspect()}
    assert set(found) >= {"anatomy", "verdict", "worth", "losses"}
    assert {result.badge.level for result in found.values()} <= {"exact", "suggestive"}
    each, kept = found["losses"].arrays["losses"], run.kept.examples("validation")
    loader = Loader.of(kept, run.network.fields, CPU)
    rows = kept.usable_rows()
    with torch.no_grad():
        sums = run.network.output.keep(run.network(batch := loader.batch(torch.from_numpy(rows))), batch)
    sizes = loader.targets(rows)[:, 0]
    assert each == pytest.approx((sums[:, 0] / sizes).numpy(), rel=1e-4)
    assert "gradient" in json.dumps(run.inspect(health=True).to_json())


@pytest.mark.parametrize("name", [*TRUNKS, *LEVELS])
def test_what_comes_next_is_shown(name: str, runs: dict[str, pellucid.Run], tmp_path: Path) -> None:
    run = runs[name]
    inspection = run.inspect(texts=["ANNA:\nThe king"])
    found = {result.view: result for result in inspection}
    assert found["next"].badge.level == "exact"
    arrays = found["next"].arrays
    reader = TokenReader(run.network)
    field = run.network.output.fields[0]
    tokens = encode_prompt(field, "ANNA:\nThe king")
    chance = reader.read(torch.from_numpy(tokens)[None])[0].double().softmax(-1).numpy()
    assert arrays["probabilities"] == pytest.approx(chance[arrays["tokens"]], rel=1e-4)
    assert arrays["tokens"][0] == RESERVED + chance[RESERVED:].argmax()
    assert len(arrays["losses"]) == len(tokens) - 1
    page = Path(str(inspection.report(tmp_path / "inside.html"))).read_text()
    assert "What comes next" in page
    assert "In short" not in page or "can't be answered" in page


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"without": ["layer1"]}, "'What if' can't be shown: it explains a single answer; this network writes a text"),
        ({"curves": True}, "'The answer as each column moves' can't be shown: it explains a single answer; this"),
        ({"answer": "e"}, "--answer explains a single answer; this network writes a text, token by token"),
        ({"true": "e"}, "--true is about a single answer; this network writes a text, token by token"),
        ({"unit": "output.e"}, "'text' is predicted token by token"),
    ],
)
def test_views_of_one_answer_are_left_out_in_a_sentence(run: pellucid.Run, asked: dict[str, Any], text: str) -> None:
    with pytest.raises(PellucidError) as error:
        run.inspect(texts=["ANNA"], **asked)
    assert str(error.value).startswith(text)
    assert not any(one.word in ("pixels", "why", "shares") for one in run.inspect(texts=["ANNA"]).left_out)


@pytest.mark.parametrize(
    "asked", [{"unit": "layer1.3"}, {"unit": "layer1.head0"}, {"weight": "output.layer.weight[4,3]"}]
)
def test_units_heads_and_weights_are_opened(run: pellucid.Run, asked: dict[str, str]) -> None:
    for texts in ([], ["ANNA:"]):
        (result,) = run.inspect(texts=texts, **asked)
        assert result.badge.level == "exact"


# -- writing


def test_a_seed_writes_the_same_text_alone_and_among_others(run: pellucid.Run) -> None:
    prompts, how = ["ANNA:\n", "The king", ""], {"length": 40, "seed": 3, "temperature": 1.0}
    together = [one["written"] for one in run.predict(texts=prompts, **how)]
    assert run.predict(texts=prompts[:1], **how)[0]["written"] == together[0]
    for i, prompt in enumerate(prompts):
        writer = Writer(run.network, seed=3, temperature=1.0)
        assert "".join(writer.write(prompt, 40, example=i)) == together[i]
    assert [one["written"] for one in run.predict(texts=prompts, **how)] == together
    assert run.predict(texts=prompts, **how | {"seed": 4})[0]["written"] != together[0]
    same = [one["written"] for one in run.predict(texts=["ANNA:\n"] * 3, **how)]
    assert len(set(same)) == 3
    cold = [one["written"] for one in run.predict(texts=["ANNA:\n"] * 3, **how | {"temperature": 0})]
    assert len(set(cold)) == 1


def test_a_character_that_is_not_known_is_neither_written_nor_listed(run: pellucid.Run) -> None:
    network = stirred(run.network)
    field = network.output.fields[0]
    with torch.no_grad():
        network.output.layer.bias[int(field.state["size"]) - 1] = 80.0
    for temperature in (0.0, 1.0):
        assert "\ufffd" not in "".join(Writer(network, temperature=temperature).write("ANNA:", 30))
    other = copy.copy(run)
    other.network = network
    found = {result.view: result for result in other.inspect(texts=["ANNA:"])}["next"]
    assert int(field.state["size"]) - 1 not in found.arrays["tokens"].tolist()


def test_kept_passages_are_read_as_validation_was(run: pellucid.Run, place: Path) -> None:
    kept, data = run.kept.examples("validation"), pellucid.read(str(place / "play.txt"), context=SPAN)
    assert len(kept) > 3
    ours, theirs = (Loader.of(one, run.network.fields, CPU) for one in (kept, data))
    network = stirred(run.network)
    found, _ = predict_raw(network, ours, kept.usable_rows())
    want, _ = predict_raw(network, theirs, kept.rows)
    assert torch.allclose(found, want, rtol=1e-5)
    (key,) = network.input_keys()
    first = ours.batch(torch.arange(len(kept))).inputs[key].values[:, 0]
    assert torch.equal(first, theirs.batch(torch.from_numpy(kept.rows)).inputs[key].values[:, 0])
    assert (first != START).any()
    assert torch.allclose(
        SlidingWindow(ours).answers(network, np.array([0])), SlidingWindow(ours).answers(network, np.array([0, 1]))[:1]
    )


@pytest.mark.parametrize("change", [lambda a: a + 1000, lambda a: a * 0, lambda a: a[:-1], lambda a: a.astype("<i8")])
def test_tokens_before_kept_passages_may_be_missing_and_not_made_up(change: Any, run: pellucid.Run) -> None:
    arrays, about = run.kept._packed
    old = {name: value for name, value in arrays.items() if name != BEFORE}
    loader = Loader.of(KeptExamples((old, about), run.network.fields), run.network.fields, CPU)
    (key,) = run.network.input_keys()
    assert (loader.batch(torch.arange(4)).inputs[key].values[:, 0] == START).all()
    with pytest.raises(FormError, match="it has not the tokens before its passages"):
        KeptExamples(({**arrays, BEFORE: change(arrays[BEFORE])}, about), run.network.fields)


def test_a_stop_text_ends_what_is_written(run: pellucid.Run) -> None:
    whole = run.predict(texts=["ANNA:"], length=60, temperature=0)[0]["written"]
    end = whole[5:8]
    for stop in (end, [end], ["zzz", end]):
        cut = run.predict(texts=["ANNA:"], length=60, temperature=0, stop=stop)[0]["written"]
        assert cut == whole[: whole.index(end)]
        assert "".join(run.write("ANNA:", length=60, temperature=0, stop=stop)) == cut
    assert len(run.predict(texts="ANNA:", length=3)) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"length": 0}, "length 0: expected a whole number of at least 1"),
        ({"length": "x"}, "length 'x': expected a whole number"),
        ({"stop": ""}, "a stop text is empty"),
        ({"stop": ["a", ""]}, "a stop text is empty"),
        ({"temperature": -1}, "temperature -1: expected a number from 0 on"),
        ({"top_p": 0}, "top p 0: expected a number above 0"),
        ({"lenght": 3}, "Unknown option of predict 'lenght'. Did you mean 'length'?"),
        ({"keep": "all"}, "--keep is not for language models"),
        ({"threshold": 0.5}, "--threshold is not for language models"),
        ({"steps": 3}, "--steps is not for language models"),
        ({"header": True}, "--header is not for language models"),
    ],
)
def test_settings_that_mean_nothing_are_said(run: pellucid.Run, options: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as error:
        run.predict(texts=["ANNA"], **options)
    assert str(error.value).startswith(text)
    if not options.keys() & {"keep", "threshold", "steps", "header"}:
        with pytest.raises(UsageError) as error:
            run.write("ANNA", **options)
        assert str(error.value).startswith(text)


def test_files_are_scored_and_not_gone_on_with(run: pellucid.Run, place: Path) -> None:
    with pytest.raises(PellucidError, match=r"^a language model writes on from texts, and was given files"):
        run.predict(str(place / "other.txt"))


@pytest.mark.parametrize("name", ["transformer", *LEVELS])
@pytest.mark.parametrize(
    "prompt",
    ["שלום עולם", "e\u0301\u0323 a\u0308", "\u202eabc", "🙂👩‍👩‍👧", "\0\x07", "\ud800", "e" * 300, " \r\n\t", "漢字"],
)
def test_any_prompt_is_gone_on_with(name: str, prompt: str, runs: dict[str, pellucid.Run]) -> None:
    run = runs[name]
    found = run.predict(texts=[prompt], length=5)
    assert isinstance(found[0]["written"], str)
    said = " ".join(map(str, found.notes))
    assert ("not in training" in said) == (name == "transformer" and prompt != "e" * 300)
    assert ("of which the network reads the last" in said) == (prompt == "e" * 300)
    assert run.inspect(texts=[prompt])["next"].badge.level == "exact"


# -- the command line


def test_everything_that_is_sent_is_described(run: pellucid.Run, place: Path) -> None:
    play, other, out = str(place / "play.txt"), str(place / "other.txt"), str(place / "runs")
    few = ["--context", str(SPAN), "--steps", "2", "--size", "0", "--out", out, "--name", "sent"]
    sent = {
        "pellucid read": [["read", play]],
        "pellucid train, resume and compare": [["train", play, *few], ["resume", f"{out}/sent", "--more", "1 steps"]],
        "pellucid train --plan-only": [["train", play, "--plan-only"]],
        "pellucid evaluate": [["evaluate", str(run.path), other]],
        "pellucid predict": [["predict", str(run.path), "--text", "ANNA", "--text", "", "--length", "4"]],
        "pellucid runs": [["runs", out]],
    }
    lines = {section: [line for args in each for line in json_lines(args)] for section, each in sent.items()}
    unknown = {
        (section, path)
        for section, found in lines.items()
        for line in found
        for path in flatten(line)
        if not is_described(path, described(section))
    }
    assert unknown == set()
    assert [line["row"] for line in lines["pellucid predict"]] == [0, 1]
    assert [line["input"] for line in lines["pellucid predict"]] == ["ANNA", ""]
    assert all(len(line["written"]) == 4 for line in lines["pellucid predict"])
    assert lines["pellucid evaluate"][-1]["metric"] == "token loss"
    assert any(line["name"] == "play" and line["network"] == "transformer" for line in lines["pellucid runs"])


def test_reports_are_found_and_drawn_again(run: pellucid.Run, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["report", str(run.path), "--no-open", "--redraw"], started=0.0) == 0
    assert capsys.readouterr().out.strip() == str(run.path / "report.html")
    page = (run.path / "report.html").read_text()
    assert "What it writes" in page
    assert "bits per byte" in page
    assert exit_code(["runs", str(place / "runs")], started=0.0) == 0
    assert "play" in capsys.readouterr().out


def test_a_training_that_has_not_finished_is_looked_into(place: Path, tmp_path: Path) -> None:
    job = {"data": str(place / "play.txt"), "context": SPAN, "size": 0, "steps": 9, "seed": 5}
    assert sitting(tmp_path / "cut", job, ("before a checkpoint", 4)) == -signal.SIGKILL
    found = json_lines(["inspect", str(tmp_path / "cut"), "--text", "ANNA:"])
    assert [one["view"] for one in found if one["view"] in ("verdict", "next")] == ["verdict", "next"]
    with pytest.raises(PellucidError, match="this training has not finished"):
        pellucid.load(tmp_path / "cut")


def test_what_is_written_goes_to_a_file(run: pellucid.Run, tmp_path: Path) -> None:
    path = tmp_path / "written.csv"
    args = ["predict", str(run.path), "--text", "ANNA:\n", "--text", "=1", "--length", "12", "--out", str(path)]
    assert exit_code(args, started=0.0) == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    written = [one["written"] for one in run.predict(texts=["ANNA:\n", "=1"], length=12)]
    assert [row["written"].removeprefix("'") for row in rows] == written
    assert list(rows[0]) == ["row", "input", "written"]
    assert rows[1]["input"] == "'=1", "no formula for a spreadsheet"


def test_a_text_is_shown_as_it_is_written_behind_its_prompt(
    run: pellucid.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["ANNA:\nThe", "אב", "x" * 30]
    args = [part for text in texts for part in ("--text", text)]
    assert exit_code(["predict", str(run.path), *args, "--length", "20", "--stop", "\\n\\n"], started=0.0) == 0
    shown = capsys.readouterr()
    found = run.predict(texts=texts, length=20, stop=["\n\n"])
    assert shown.out == "\n\n".join(f"{text}{one['written']}\n" for text, one in zip(texts, found, strict=True))
    said = " ".join(shown.err.split())
    assert "! text 2: holds 2 characters that were not in training, 2 times in all: 'א' and 'ב'" in said
    assert "! text 3: it has 30 tokens, of which the network reads the last 24, as in training" in said


SHORT = b"to be or not to be, that is it"


@pytest.mark.parametrize(
    ("content", "args", "message"),
    [
        (SHORT, [], "30 characters are too few to learn from\n  give 200 or more"),
        (b"", [], "the file is empty"),
        (b"  \n \n" * 99, [], "empty"),
        (bytes(range(256)) * 20, [], "binary data"),
        (
            SHORT * 9,
            ["--context", "10000"],
            "there is 1 passage, and 3 sets need one each\n  give longer",
        ),
        (SHORT * 9, ["--level", "words"], "level 'words': expected characters, bytes or bpe"),
        (SHORT * 9, ["--context", "0"], "context '0': expected a whole number of at least 1"),
        (
            SHORT * 9,
            ["--metric", "bleu"],
            "a passage has no metric 'bleu'\n  choose one of: loss",
        ),
    ],
)
def test_texts_that_are_none_are_said_in_a_line(
    content: bytes, args: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    command = ["train", str(tmp_path / "text.txt"), "--steps", "2", "--out", str(tmp_path), *args]
    assert exit_code(command, started=0.0) in (1, 2)
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]


@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 20, b" \n"])
def test_new_texts_that_are_none_are_said_in_a_line(
    run: pellucid.Run, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.txt").write_bytes(content)
    for verb in ("evaluate", "inspect"):
        assert exit_code([verb, str(run.path), str(tmp_path / "new.txt")], started=0.0) == 1
        shown = capsys.readouterr().err
        assert shown.startswith("✗ ")
        assert len(shown.splitlines()) <= 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--stop", ""], "✗ a stop text is empty\n"),
        (["--length", "0"], "✗ length '0': expected a whole number of at least 1\n"),
        (["--keep", "all"], "✗ --keep is not for language models\n"),
        (["--decimal", ","], "✗ --decimal is not for language models\n"),
    ],
)
def test_what_can_not_be_asked_of_a_writer(
    run: pellucid.Run, args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["predict", str(run.path), "--text", "ANNA", *args], started=0.0) in (1, 2)
    assert capsys.readouterr().err.startswith(message)


def test_a_pipe_that_is_closed_while_it_is_written_to_is_quiet(run: pellucid.Run) -> None:
    command = f"{sys.executable} -m pellucid predict {run.path} --text ANNA: --length 100000 | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert done.stdout.startswith(b"ANNA:")
    assert len(done.stdout) == 10
    assert done.stderr == b""


# -- runs that were made to harm


def changed_record(change: Any) -> Any:
    def harm(state: dict[str, bytes]) -> None:
        record = json.loads(state["record"])
        change(record)
        state["record"] = json.dumps(record).encode()

    return harm


def changed_tables(name: str, change: Any) -> Any:
    def harm(state: dict[str, bytes]) -> None:
        tensors, about = unpack_tensors(state["solved"], Path("solved"))
        tensors[name] = change(np.array(tensors[name]))
        state["solved"] = pack_tensors(tensors, about)

    return harm


def set_state(**values: Any) -> Any:
    return changed_record(lambda record: record["fields"][0]["state"].update(values))


def set_solved(**values: Any) -> Any:
    return changed_record(lambda record: record["network"]["solved"]["settings"].update(values))


def set_naive(*raw: float) -> Any:
    return changed_record(lambda record: record["naive"].update(raw=list(raw)))


def change_counts(factor: float) -> Any:
    return changed_record(lambda record: record["naive"].update(raw=[factor * n for n in record["naive"]["raw"]]))


HARM = {
    "naive counts of one token": set_naive(1.0),
    "naive counts of none": set_naive(),
    "naive counts below zero": change_counts(-50),
    "naive counts of nothing": change_counts(0),
    "a vocabulary out of order": set_state(vocabulary="zyx"),
    "a vocabulary of another size": set_state(size=1 << 19),
    "a vocabulary with a letter twice": set_state(vocabulary="aab"),
    "a window of any length": set_state(context=1 << 40),
    "another level": set_state(level="bpe"),
    "an order without end": set_solved(most=1 << 30),
    "more nodes than there are": set_solved(nodes=[1 << 30], less=[0]),
    "folds without end": set_solved(folds=1 << 30),
    "rows below zero": set_solved(rows=-1),
    "keys out of order": changed_tables("levels.0.keys", lambda keys: keys[::-1].copy()),
    "keys of another trie": changed_tables("levels.0.keys", lambda keys: keys + (1 << 40)),
    "children elsewhere": changed_tables("levels.0.starts", lambda starts: starts * 0 + (1 << 30)),
    "counts below zero": changed_tables("levels.0.counts", lambda counts: -counts),
    "discounts that are none": changed_tables("levels.0.discounts", lambda x: x * np.nan),
    "chances above one": changed_tables("first", lambda chances: chances * 7),
    "folds that are none": changed_tables("fold", lambda fold: fold + 100),
    "tables of another shape": changed_tables("fold", lambda fold: fold[None]),
}


@pytest.mark.parametrize("name", HARM)
def test_a_run_that_was_made_to_harm_is_refused(name: str, run: pellucid.Run) -> None:
    state = run.__getstate__()
    HARM[name](state)
    with pytest.raises(PellucidError) as error:
        pellucid.Run.__new__(pellucid.Run).__setstate__(state)
    assert "damaged" in str(error.value) or "not this network's" in str(error.value), str(error.value)
    assert error.value.fix


@pytest.mark.parametrize("trunk", ["transformer", "gru", "bpe"])
def test_the_counts_alone_are_answered_beside_the_network(place, runs, trunk):
    run = runs[trunk]
    data = pellucid.read(str(place / "play.txt"), context=SPAN, level="bpe" if trunk == "bpe" else None)
    loader = Loader.of(data, run.network.fields, CPU)
    rows = data.split(run.plan.split_seed).test
    network = stirred(run.network)
    both, true = predict_raw(network, loader, rows, final=True, beside=True)
    own, target = predict_raw(network, loader, rows, final=True)
    alone, _ = solved_answers(network.solved, network.output, loader, rows)
    torch.testing.assert_close(both[:, : own.shape[1]], own)
    torch.testing.assert_close(both[:, own.shape[1] :], alone)
    torch.testing.assert_close(true, target)
    assert not torch.allclose(own, alone)


def test_choices_are_made_on_fewer_passages_where_there_are_many(place, monkeypatch):
    def most(context: int, size: int) -> int:
        return Tokens([Field("text", "passage", "target", state={"context": context, "size": size})]).most_watched

    assert [most(256, 259), most(256, 4096), most(4096, 1 << 20)] == [1024, 256, 100]
    monkeypatch.setattr("pellucid.outputs.tokens.FEWEST_WATCHED", 7)
    monkeypatch.setattr("pellucid.outputs.tokens.MOST_WATCHED_TOKENS", 7 * SPAN)
    said: list[str] = []

    class Ear(Listener):
        def said(self, text: str) -> None:
            said.append(text)

    run = in_memory(place, listeners=[Ear()])
    assert [text for text in said if text.startswith("choices are made on 7 of ")]
    assert run.record["score"]["n"] > 7


def test_a_prompt_may_end_inside_a_piece_of_a_word(runs: dict[str, pellucid.Run]) -> None:
    network = runs["bpe"].network
    field = network.output.fields[0]
    pieces = [piece_bytes(one) for one in token_pieces((field.state or {})["tokenizer"])]
    # A space is the beginning of the word that follows, and no piece by itself.
    assert b" king" in pieces
    tokens, owed = open_end(field, encode_prompt(field, "the "))
    assert owed == b" "
    assert tokens.tolist() == encode_prompt(field, "the").tolist()
    # The likeliest of the pieces that agree, by hand.
    with torch.no_grad():
        logits = TokenReader(network.eval()).read(torch.from_numpy(tokens)[None])[0].numpy()
    agree = [RESERVED + i for i, one in enumerate(pieces) if one.startswith(b" ") or b" ".startswith(one)]
    likeliest = pieces[max(agree, key=lambda token: logits[token]) - RESERVED]
    written = "".join(Writer(network, temperature=0).write("the ", 1))
    assert (b" " + written.encode()).startswith(likeliest)
    assert written == likeliest[1:].decode()


def test_what_a_prompt_has_of_a_piece_is_not_written_again(runs: dict[str, pellucid.Run]) -> None:
    network = runs["bpe"].network
    field = network.output.fields[0]
    for prompt in ("the k", "the king sai", "ki", " ", "Zoé"):
        allowed = agreeing_tokens(field, open_end(field, encode_prompt(field, prompt))[1])
        assert allowed.any()
        for seed in range(3):
            text = prompt + "".join(Writer(network, seed=seed).write(prompt, 12))
            assert text.startswith(prompt)
            assert "\ufffd" not in text[: len(prompt)]
    # Of a word of several pieces all are written anew, and what only does that is no token more.
    tokens, owed = open_end(field, encode_prompt(field, "the xylo"))
    assert owed == b" xylo"
    assert tokens.tolist() == encode_prompt(field, "the").tolist()
    assert all("".join(Writer(network, seed=seed).write("the xylo", 1)) for seed in range(5))
    # A document that begins with nothing owes nothing.
    assert open_end(field, encode_prompt(field, ""))[1] == b""
    assert open_end(runs["bytes"].network.output.fields[0], np.array([1, 5, 6]))[1] == b""


def test_an_empty_piece_of_a_strangers_tokenizer_does_not_go_on_for_ever(
    runs: dict[str, pellucid.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would give nothing of the prompt's end anew, however often it is written."""
    network = runs["bpe"].network
    field = network.output.fields[0]
    pieces = list(token_pieces((field.state or {})["tokenizer"]))
    monkeypatch.setattr(writing, "token_pieces", lambda tokenizer: ["", *pieces[1:]])
    assert not agreeing_tokens(field, b" k")[RESERVED]
    monkeypatch.setattr(writing, "token_pieces", lambda tokenizer: ["" for _ in pieces])
    monkeypatch.setattr(writing, "open_end", lambda field, tokens: (tokens, b""))
    assert not "".join(Writer(network, seed=1).write("the king", 5))
