"""Texts that are written: what may be seen, what is written, how it is scored, and whole trainings of them."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid
from pellucid.cli.verbs import check_writing
from pellucid.data.batches.batch import Padded, cut_batch, encode_target
from pellucid.data.checks.pairs import LOW
from pellucid.data.parallel.nearest import NO_OTHER, TextIndex
from pellucid.data.parallel.pairs import Pairs
from pellucid.decoding.hypothesis import NOTHING, Hypothesis
from pellucid.errors import PellucidError, UsageError
from pellucid.fields.text import END, RESERVED
from pellucid.fields.writing import MOST_WRITTEN
from pellucid.network import Network
from pellucid.outputs.written import Writing
from pellucid.planning.plan import Recipe
from pellucid.runs.writing_time import note_long_texts
from pellucid.tasks.written import EXACT, READ, SUMS, WrittenTask
from pellucid.training.arrays import RaggedRows
from pellucid.training.evaluate import mean_loss, predict_raw
from pellucid.training.loader import Loader
from pellucid.training.optimizer import Optimizer
from pellucid.trunks import Convolutional, Recurrent, Transformer

WORDS = ["red", "blue", "big", "small", "cat", "dog", "bird", "runs", "sits", "sings", "here", "there"]

# That learning a few pairs by heart takes.
HEART_STEPS = 200

TRUNKS = {
    "transformer": lambda: Transformer(32, 2, dropout=0.0),
    "recurrent": lambda: Recurrent(32, 2, dropout=0.0),
    "lstm": lambda: Recurrent(32, 2, cell="lstm", dropout=0.0),
    "convolutional": lambda: Convolutional(8, 2),
}


def sentences(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(2, 6))) for _ in range(count)]


def turned(text: str) -> str:
    """Every word of a text turned round."""
    return " ".join(word[::-1] for word in text.split())


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 short texts, and the same with every word turned round."""
    place = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    with place.open("w", newline="") as file:
        csv.writer(file).writerows([("plain", "turned"), *((text, turned(text)) for text in sentences(240))])
    return place


@pytest.fixture(scope="module")
def data(pairs: Path) -> pellucid.Dataset:
    return pellucid.read(pairs, target="turned", kinds={"turned": "writing"}, check=False, cache=False)


def network_of(data: pellucid.Dataset, trunk: str, **settings: object) -> Network:
    fields = data.fitted(0)
    target = fields.pop("turned")
    return Network(list(fields.values()), TRUNKS[trunk](), target, seed=0)


def loader_of(data: pellucid.Dataset) -> Loader:
    return Loader.of(data, list(data.fitted(0).values()), torch.device("cpu"))


def batch_of(data: pellucid.Dataset, rows: list[int]) -> object:
    return loader_of(data).batch(torch.tensor(rows))


def stir(network: Network) -> Network:
    """Weights that are nowhere zero, so that everything that could be seen is."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
    return network.eval()


# -- what may be seen


@pytest.mark.parametrize("trunk", list(TRUNKS))
def test_a_token_of_the_target_changes_no_answer_up_to_its_own(data: pellucid.Dataset, trunk: str) -> None:
    network, batch = stir(network_of(data, trunk)), batch_of(data, [0, 1, 2, 3])
    with torch.no_grad():
        before = network(batch)
        for place in (1, 4, batch.target.values.shape[1] - 2):
            values = batch.target.values.clone()
            values[:, place] = torch.where(values[:, place] == RESERVED, RESERVED + 1, RESERVED)
            after = network(replace(batch, target=Padded(values, batch.target.lengths)))
            # The answer at a place is about its own token, which is read at the next one.
            assert torch.equal(after[:, : place + 1], before[:, : place + 1])
            assert (after[:, place + 1 :] - before[:, place + 1 :]).abs().max() > 1e-4


@pytest.mark.parametrize("trunk", list(TRUNKS))
def test_every_token_that_is_read_can_change_the_first_answer(data: pellucid.Dataset, trunk: str) -> None:
    network, batch = stir(network_of(data, trunk)), batch_of(data, [0])
    key = network.input_keys()[0]
    read = batch.inputs[key]
    with torch.no_grad():
        first = network(batch)[:, 0]
        for place in range(read.values.shape[1]):
            values = read.values.clone()
            values[0, place] = RESERVED + (int(values[0, place]) - RESERVED + 1) % 20
            other = network(replace(batch, inputs={key: Padded(values, read.lengths)}))[:, 0]
            assert (other - first).abs().max() > 1e-6


@pytest.mark.parametrize("trunk", list(TRUNKS))
def test_micro_batches_and_padding_change_rounding_alone(data: pellucid.Dataset, trunk: str) -> None:
    network, batch = stir(network_of(data, trunk)).train(), batch_of(data, [3, 7, 11, 20, 21])
    count = network.output.count(batch)
    whole = network.losses(batch).detach()
    parts = torch.cat([network.losses(cut_batch(batch, slice(i, i + 2))) for i in (0, 2, 4)])
    alone = torch.cat([network.losses(batch_of(data, [row])) for row in (3, 7, 11, 20, 21)])
    assert torch.allclose(parts, whole, rtol=1e-5)
    assert torch.allclose(alone, whole, rtol=1e-4)
    assert count == sum(network.output.count(cut_batch(batch, slice(i, i + 2))) for i in (0, 2, 4))
    assert float(whole.sum()) / count == pytest.approx(network.loss(batch).item(), rel=1e-6)


def test_the_loss_is_smoothed_in_training_alone(data: pellucid.Dataset) -> None:
    network, batch = stir(network_of(data, "transformer")), batch_of(data, [0, 5, 9])
    with torch.no_grad():
        raw = network(batch).log_softmax(2)
        true = batch.target.values.long()
        real = true > 0
        plain = -(raw.gather(2, true.unsqueeze(2))[:, :, 0] * real).sum(1)
        even = -(raw.mean(2) * real).sum(1)
        assert torch.allclose(network.losses(batch), plain, rtol=1e-5)
        assert torch.allclose(network.train().losses(batch), 0.9 * plain + 0.1 * even, rtol=1e-5)


def test_the_vectors_of_tokens_are_the_rows_of_the_map_where_both_are_as_wide(data: pellucid.Dataset) -> None:
    tied, apart = network_of(data, "transformer"), network_of(data, "convolutional")
    assert tied.output.table is None
    assert apart.output.table is not None
    assert apart.output.table.shape == (apart.output.vocabulary, apart.decoder.width)
    names = {name.partition(".")[0] for name, _ in apart.named_parameters()}
    assert names == {"inputs", "trunk", "decoder", "output"}


def test_the_decoder_is_muons_and_travels_through_the_config(data: pellucid.Dataset) -> None:
    network = network_of(data, "transformer")
    moved = {id(p) for group in Optimizer(network, Recipe()).muon.groups.values() for p in group}
    matrices = [p for name, p in network.decoder.named_parameters() if p.ndim == 2 and min(p.shape) >= 8]
    assert matrices
    assert all(id(p) in moved for p in matrices)
    again = Network.from_config(json.loads(json.dumps(network.config())), network.fields)
    assert [tuple(v.shape) for v in again.state_dict().values()] == [
        tuple(v.shape) for v in network.state_dict().values()
    ]


# -- several inputs


def mixed_data(tmp_path: Path) -> pellucid.Dataset:
    rows = [(a, b, i % 7, turned(a)) for i, (a, b) in enumerate(zip(sentences(60, 1), sentences(60, 2), strict=True))]
    place = tmp_path / "mixed.csv"
    with place.open("w", newline="") as file:
        csv.writer(file).writerows([("one", "two", "many", "turned"), *rows])
    kinds = {"one": "text", "two": "text", "many": "number", "turned": "writing"}
    return pellucid.read(place, target="turned", kinds=kinds, check=False, cache=False)


@pytest.mark.parametrize("trunk", ["transformer", "recurrent", "convolutional"])
def test_several_inputs_are_looked_at_one_after_the_other(tmp_path: Path, trunk: str) -> None:
    data = mixed_data(tmp_path)
    network, batch = stir(network_of(data, trunk)), batch_of(data, [4, 9])
    memory = network.memory(batch)
    places = [value.values.shape[1] for value in batch.inputs.values() if isinstance(value, Padded)]
    # Each text's positions, and a token for each text and each column.
    assert memory.x.shape == (2, sum(places) + 3, network.trunk.out_width)
    assert memory.mask is not None
    assert memory.mask[:, -3:].all()
    with torch.no_grad():
        before = network(batch)
        for key in batch.inputs:
            other = batch_of(data, [10, 11]).inputs[key]
            after = network(replace(batch, inputs={**batch.inputs, key: other}))
            assert (after - before).abs().max() > 1e-5, key
        opened = network.open(batch)
    assert torch.allclose(opened.answer, before, atol=1e-4)
    assert {name.partition(".")[0] for name in opened.stages} == {
        "inputs",
        "parts",
        "links",
        "trunk",
        "decoder",
        "output",
    }


# -- what is written


@pytest.mark.parametrize("trunk", list(TRUNKS))
def test_a_beam_of_one_is_greedy_and_no_text_depends_on_the_others(data: pellucid.Dataset, trunk: str) -> None:
    network, rows = stir(network_of(data, trunk)), [2, 5, 8, 13, 21]
    output, batch = network.output, batch_of(data, rows)
    greedy = output.search(network, batch, Writing(longest=12))
    with torch.inference_mode():
        beam = output._search_part(network.decoder, network.memory(batch), Writing(longest=12), always=True)
    assert [one[0].tokens for one in greedy] == [one[0].tokens for one in beam]
    assert [one[0].ended for one in greedy] == [one[0].ended for one in beam]
    chances = [(a[0].log_probability, b[0].log_probability) for a, b in zip(greedy, beam, strict=True)]
    assert np.allclose(*zip(*chances, strict=True), atol=1e-3)
    for row, own in zip(rows, greedy, strict=True):
        (alone,) = output.search(network, batch_of(data, [row]), Writing(longest=12))
        assert alone[0].tokens == own[0].tokens


def test_the_chance_of_a_text_is_what_the_network_says_read_along(data: pellucid.Dataset) -> None:
    network, batch = stir(network_of(data, "recurrent")), batch_of(data, [2, 5])
    for own in network.output.search(network, batch, Writing(beams=3, best=3, longest=6)):
        assert len(own) == 3
        assert [one.score for one in own] == sorted((one.score for one in own), reverse=True)
    (best, *_), *_ = network.output.search(network, batch, Writing(beams=3, longest=6))
    tokens = torch.tensor([[*best.tokens, *([END] if best.ended else [])]])
    alone = replace(batch_of(data, [2]), target=Padded(tokens, torch.tensor([tokens.shape[1]])))
    with torch.no_grad():
        logits = network(alone)[0].clone()
        logits[:, network.output.never] = -torch.inf
        said = logits.log_softmax(1).gather(1, tokens[0].unsqueeze(1)).sum()
    assert float(said) == pytest.approx(best.log_probability, abs=1e-3)


def test_what_can_not_be_written_never_is(data: pellucid.Dataset) -> None:
    network = stir(network_of(data, "transformer"))
    with torch.no_grad():
        network.output.layer.bias[[0, 1, network.output.vocabulary - 1]] += 50.0
    for own in network.output.search(network, batch_of(data, [0, 1]), Writing(longest=8)):
        assert not {0, 1, network.output.vocabulary - 1} & set(own[0].tokens)


@pytest.mark.parametrize("trunk", list(TRUNKS))
def test_a_few_pairs_are_learned_by_heart_and_written_without_an_error(data: pellucid.Dataset, trunk: str) -> None:
    network, rows = network_of(data, trunk), list(range(8))
    batch = batch_of(data, rows)
    optimizer = Optimizer(network, Recipe(lr=6e-3))
    network.train()
    for step in range(HEART_STEPS):
        optimizer.clear()
        network.loss(batch).backward()
        optimizer.step(min(1.0, (HEART_STEPS - step) / 100))
    network.eval()
    true = [str(data.fields["turned"].traits.show(data.stored_values("turned"), row)) for row in rows]
    assert network.output.write_texts(network, batch) == true
    assert network.output.write_texts(network, batch, beams=4) == true


def test_a_text_is_cut_off_or_ends_and_its_tokens_are_counted_so(data: pellucid.Dataset) -> None:
    network = stir(network_of(data, "recurrent"))
    task = network.output.task
    raw = np.zeros((3, task.layout.width))
    for row, one in zip(
        raw,
        (Hypothesis((4, 5), np.log(0.25), 0.0, False), Hypothesis((4, 5), np.log(0.125), 0.0), NOTHING),
        strict=True,
    ):
        task.layout.put_text(row, 0, one)
    found = task.decode(raw)
    assert [one["confidence"] for one in found] == pytest.approx([0.5, 0.5, 0.0])
    assert [one["cut_off"] for one in found] == [2, 0, 0]
    assert task.tabulate(raw)["cut_off"] == [2, 0, 0]
    assert [len(one) for one in task.written_texts(raw)] == [2, 2, 0]
    # A network that never ends.
    with torch.no_grad():
        network.output.layer.bias[END] = -1e4
    batch = batch_of(data, [0, 1])
    for beams in (1, 3):
        with network.output.writing(Writing(beams=beams, best=beams)):
            answers = network.output.final_answers(network, batch)
        own = network.output.task_of(Writing(best=beams)).decode(answers)
        for one in own:
            for said in (one, *one.get("others", ())):
                assert said["cut_off"] == network.output.longest


@pytest.mark.parametrize("beams", [1, 3])
def test_of_a_diverged_network_nothing_is_written(data: pellucid.Dataset, beams: int) -> None:
    network, loader = stir(network_of(data, "recurrent")), loader_of(data)
    network.output.chosen["beams"] = beams
    with torch.no_grad():
        network.output.layer.weight.mul_(torch.nan)
    rows = np.arange(6)
    raw, target = predict_raw(network, loader, rows, final=True)
    task = network.output.task
    assert [(one["value"], one["confidence"], one["cut_off"]) for one in task.decode(raw)] == [("", 0.0, 0)] * 6
    assert task.score(raw, target).value == 0.0
    assert not np.isfinite(mean_loss(network.output, raw, target))
    batch = replace(batch_of(data, [0, 1]), target=None)
    for ask in (network.output.final_answers, network.output.write_texts):
        with pytest.raises(PellucidError) as error:
            ask(network, batch)
        assert str(error.value).startswith("no next token has a probability: the network's numbers are not finite")


def test_fewer_texts_than_were_asked_for_are_not_sure(data: pellucid.Dataset) -> None:
    network = stir(network_of(data, "recurrent"))
    output = network.output
    output.never = [token for token in range(output.vocabulary) if token != END]
    how = Writing(beams=3, best=3)
    with output.writing(how):
        raw = output.final_answers(network, replace(batch_of(data, [0]), target=None))
    (found,) = output.task_of(how).decode(raw)
    assert (found["value"], found["confidence"]) == ("", pytest.approx(1.0))
    assert [(one["value"], one["confidence"]) for one in found["others"]] == [("", 0.0)] * 2


def test_one_long_text_does_not_widen_every_answer(tmp_path: Path) -> None:
    texts = ["ab " * (1 + i % 4) + "c" for i in range(1_200)]
    texts[7] = "a" * 20_000
    place = tmp_path / "long.csv"
    place.write_text("\n".join(["one,two", *(f"{i},{text}" for i, text in enumerate(texts))]) + "\n")
    data = pellucid.read(place, target="two", kinds={"two": "writing"}, check=False, cache=False)
    field = data.fields["two"]
    stored = data.stored_values("two")
    state = field.traits.fit(stored, np.arange(1_200), field.settings, "target")
    assert state["longest"] == int(1.5 * len(texts[3] + "$")) + 8
    fitted = field.with_(state=state)
    rows = np.arange(1_200)
    pairs = encode_target(data, [fitted])
    note_long_texts(data, fitted, pairs, rows)
    assert [note.text for note in data.notes][-1] == (
        f"1 training text has more than {state['longest']} tokens, at which what is written is cut off"
    )
    before = len(data.notes)
    note_long_texts(data, fitted, pairs, rows[8:])
    assert len(data.notes) == before
    # All of them long: there is an end to it.
    assert field.traits.fit(stored, np.array([7]), field.settings, "target")["longest"] == MOST_WRITTEN
    # Few texts: the longest counts.
    assert field.traits.fit(stored, rows[8:28], field.settings, "target")["longest"] == state["longest"]


def test_a_look_keeps_sums_alone(data: pellucid.Dataset) -> None:
    network, loader = stir(network_of(data, "recurrent")), loader_of(data)
    raw, target = predict_raw(network, loader, np.arange(5))
    assert raw.shape == (5, SUMS)
    assert np.isfinite(network.output.task.measure_watched(raw, target))


# -- how it is scored


def test_scores_are_those_of_the_written_texts(data: pellucid.Dataset) -> None:
    from sacrebleu.metrics import BLEU, CHRF

    fields = data.fitted(0)
    target = fields["turned"]
    task = WrittenTask([target], "bleu")
    texts = [str(target.traits.show(data.stored_values("turned"), row)) for row in range(60)]
    rng = np.random.default_rng(0)
    said = [" ".join(rng.permutation(text.split())[: 1 + i % 4]) if i % 3 else text for i, text in enumerate(texts)]
    raw = np.full((60, task.layout.width), np.nan)
    raw[:, READ:SUMS], raw[:, :READ] = task.sums_of_texts(said, texts), 1.0
    size = np.ones((60, 1))
    found = task.report_content(raw, size)["metrics"]
    assert found["BLEU"] == pytest.approx(BLEU().corpus_score(said, [texts]).score, abs=1e-9)
    assert found["lower-case BLEU"] == pytest.approx(BLEU(lowercase=True).corpus_score(said, [texts]).score, abs=1e-9)
    assert found["chrF2"] == pytest.approx(CHRF().corpus_score(said, [texts]).score, abs=1e-9)
    assert found["exact match"] == np.mean([one == two for one, two in zip(said, texts, strict=True)])
    assert task.score(raw, size).value == found["BLEU"]


def test_final_answers_hold_the_texts_and_their_sums(data: pellucid.Dataset) -> None:
    network, loader = stir(network_of(data, "recurrent")), loader_of(data)
    rows = np.array([5, 1, 30, 17])
    raw, size = predict_raw(network, loader, rows, final=True)
    kept, _ = predict_raw(network, loader, rows)
    task = network.output.task
    assert raw.shape == (4, task.width)
    assert torch.allclose(raw[:, :READ], kept[:, :READ], rtol=1e-4)
    assert kept[:, READ:SUMS].isnan().all()
    texts = network.output.write_texts(network, loader.batch(torch.from_numpy(rows)))
    assert task.written_texts(raw) == texts == [one["value"] for one in task.decode(raw)]
    true = [str(data.fields["turned"].traits.show(data.stored_values("turned"), int(row))) for row in rows]
    assert np.allclose(task.sums_of_texts(texts, true), raw[:, READ:SUMS])
    assert size[:, 0].tolist() == [len(text) + 1 for text in true]


def test_the_naive_text_is_that_of_the_most_similar_other_example(data: pellucid.Dataset) -> None:
    loader, task = loader_of(data), network_of(data, "recurrent").output.task
    learned = np.arange(100)
    raw, name = task.naive_answers(loader.target, learned, np.array([3, 150]))
    assert name == "the text of the most similar training example"
    said = task.written_texts(raw)
    shown = {row: str(data.fields["plain"].traits.show(data.stored_values("plain"), row)) for row in range(240)}
    index = TextIndex([shown[row] for row in range(100)], letters=True)
    nearest = index.nearest([shown[3], shown[150]], np.array([3, -1])).tolist()
    assert nearest[0] != 3
    assert said == [turned(shown[row]) for row in nearest]
    again, _ = task.naive_answers(loader.target, learned, np.array([3, 150]))
    assert np.array_equal(raw, again)


def test_the_nearest_text_is_found_by_rare_words_and_ties_go_to_the_first() -> None:
    index = TextIndex(["a red dog", "a red cat", "a blue dog", "a red dog"])
    assert index.nearest(["the red dog", "blue", "nothing known"]).tolist() == [0, 2, 0]
    assert index.nearest(["a red dog", "a red dog"], np.array([0, 3])).tolist() == [3, 0]


def test_an_only_text_has_no_other_that_is_the_most_similar(data: pellucid.Dataset) -> None:
    assert TextIndex(["a red dog"]).nearest(["a red dog"], np.array([0])).tolist() == [NO_OTHER]
    loader, task = loader_of(data), network_of(data, "recurrent").output.task
    raw, name = task.naive_answers(loader.target, np.array([7]), np.array([7]))
    assert name == "no text, as there is no other example"
    assert task.written_texts(raw) == [""]
    assert raw[:, EXACT].tolist() == [[0.0]]
    _, name = task.naive_answers(loader.target, np.arange(5), np.arange(5))
    assert name == "the text of the most similar of the other examples"


def test_where_inputs_have_no_words_the_naive_text_is_the_commonest(data: pellucid.Dataset) -> None:
    task = network_of(data, "recurrent").output.task
    own = loader_of(data).target
    values = np.concatenate([own[row] for row in (0, 1, 2, 1, 3)])
    ends = np.cumsum([len(own[row]) for row in (0, 1, 2, 1, 3)])
    pairs = Pairs(values, ends, own.vocabulary)
    assert pairs.is_wordless(np.arange(5))
    assert not own.is_wordless(np.arange(5))
    raw, name = task.naive_answers(pairs, np.arange(4), np.array([3, 4]))
    assert name == "the commonest text of training"
    assert task.written_texts(raw) == task.texts_of([own[1], own[1]])
    assert raw[:, EXACT].tolist() == [[1.0], [0.0]]
    # By weight another one is.
    raw, _ = task.naive_answers(pairs, np.arange(4), np.array([4]), np.array([1.0, 1.0, 5.0, 1.0]))
    assert task.written_texts(raw) == task.texts_of([own[2]])
    _, name = task.naive_answers(pairs, np.arange(5), np.arange(5), kept=Pairs(values, ends, own.vocabulary))
    assert name == "the commonest text of 5 kept examples"


# -- how texts are read


def test_a_number_is_read_as_it_is_written_where_a_text_is_to_be_written(tmp_path: Path) -> None:
    place = tmp_path / "numbers.csv"
    rows = [(n, " ".join(WORDS[int(digit)] for digit in str(n))) for n in range(1, 900)]
    with place.open("w", newline="") as file:
        csv.writer(file).writerows([("number", "words"), *rows])
    kinds = {"words": "writing"}
    data = pellucid.read(place, target="words", kinds=kinds, check=False, cache=False)
    number, words = data.fields["number"], data.fields["words"]
    assert (number.kind, number.role, words.kind) == ("text", "input", "writing")
    assert number.reason == "899 values, read as they are written, as 'words' is a text"
    assert words.settings["exact"]
    fitted = data.fitted(0)
    read = data.encoded_values("number", fitted["number"])
    start, one, two, end = read[11].tolist()
    assert (start, end) == (1, 2)
    assert fitted["number"].traits.decode(np.array([[one], [two]]), fitted["number"].state) == ["1", "2"]
    assert Network([fitted["number"]], "cnn", fitted["words"]).output.task.metric == "exact match"
    asked = pellucid.read(place, target="words", kinds=kinds | {"number": "number"}, check=False, cache=False)
    assert asked.fields["number"].kind == "number"


def test_shuffled_lines_are_hinted_at(tmp_path: Path) -> None:
    texts = sentences(300)
    other = [turned(texts[i]) for i in np.random.default_rng(3).permutation(300)]
    for name, lines in (("x.en", texts), ("x.de", [turned(text) for text in texts]), ("y.en", texts), ("y.de", other)):
        (tmp_path / name).write_text("\n".join(lines) + "\n")

    def said(stem: str) -> list[str]:
        data = pellucid.read([tmp_path / f"{stem}.en", tmp_path / f"{stem}.de"], cache=False)
        data.check()
        return [note.text for note in data.notes if "hardly go together" in note.text]

    assert said("x") == []
    (text,) = said("y")
    assert text.startswith("the lengths of 'en' and 'de' hardly go together (correlation ")
    assert float(text.partition("correlation ")[2].partition(")")[0].replace("−", "-")) < LOW


# -- whole trainings


@pytest.fixture(scope="module")
def run(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    place = tmp_path_factory.mktemp("runs")
    return pellucid.train(pairs, target="turned", network="rnn", size=0, budget="60steps", out=place, name="turned")


def test_a_run_reports_predicts_and_is_evaluated(run: pellucid.Run, pairs: Path) -> None:
    assert run.score.metric == "exact match"
    assert run.baseline.name == "the text of the most similar training example"
    page = (run.path / "report.html").read_text()
    assert "What it writes" in page
    assert "Least similar" in page
    assert "beside the true ones and the text of the most similar training example" in page
    loaded = pellucid.load(run.path)
    (one,) = loaded.predict(texts=["big dog"])
    assert set(one) == {"row", "input", "value", "confidence", "cut_off"}
    assert 0 < one["confidence"] <= 1
    (best,) = loaded.predict(texts=["big dog"], beam=4, best=3, align=True)
    assert len(best["others"]) == 2
    assert [word for word, _ in best["alignment"]] == best["value"].split()
    assert {word for _, word in best["alignment"]} <= {"big", "dog", ""}
    frame = loaded.predict(texts=["big dog", "red cat"], best=2).to_frame()
    own = ["value", "confidence", "cut_off"]
    assert frame.columns == ["row", "input", *own, *(f"{name}_2" for name in own)]
    scored = loaded.evaluate(pairs)
    assert set(scored.metrics) >= {"exact match", "BLEU", "chrF2", "token loss", "perplexity"}
    assert scored.baseline.name == "the text of the most similar of 192 kept examples"
    assert "What it writes" in scored.report(run.path.parent / "evaluated.html").read_text()
    views = {result.view for result in loaded.inspect(texts=["big dog"])}
    assert views == {"verdict", "alignment"}


def test_a_blank_text_is_looked_into(run: pellucid.Run) -> None:
    found = pellucid.load(run.path).inspect(texts=[" "])
    assert {result.view for result in found} >= {"verdict", "alignment"}
    assert found["alignment"].blocks == []
    assert found["alignment"].sentence.startswith("It writes “")


def test_captions_of_photos_have_no_nearest_text(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = sentences(40)
    texts[:30] = ["red cat runs"] * 30
    for i in range(40):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    with (tmp_path / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("photo", "caption"), *((f"{i}.png", text) for i, text in enumerate(texts))])
    table = tmp_path / "captions.csv"
    kinds = {"caption": "writing"}
    run = pellucid.train(table, target="caption", kinds=kinds, network="cnn", size=0, budget="2steps", out=tmp_path)
    assert run.baseline.name == "the commonest text of training"
    scored = run.evaluate(table)
    assert scored.baseline.name.startswith("the commonest text of ")
    for page in (run.path / "report.html", scored.report(tmp_path / "evaluated.html")):
        text = page.read_text()
        assert "What it writes" in text
        assert "nearest" not in text.partition("What it writes")[2].partition("<h2")[0]
        assert "most similar" not in text


@pytest.mark.parametrize("beams", [0, 65, 65_536])
def test_a_run_that_follows_too_many_texts_is_refused(run: pellucid.Run, beams: int) -> None:
    state = run.__getstate__()
    record = json.loads(state["record"])
    record["network"]["output"]["settings"]["beams"] = beams
    with pytest.raises(PellucidError, match=r"damaged .*beams"):
        pellucid.Run.__new__(pellucid.Run).__setstate__({**state, "record": json.dumps(record).encode()})


def test_how_texts_are_searched_for_is_written_down_with_a_trunk_of_ones_own(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pellucid.fields.writing.PIECES_FROM", 0)
    monkeypatch.setattr("pellucid.fields.writing.FEW_WORDS", 0)
    data = pellucid.read(pairs, target="turned", kinds={"turned": "writing"}, check=False, cache=False)
    run = pellucid.train(data, network=Recurrent(16, 1), metric="chrf2", budget="2steps", save=False)
    (decided,) = [one["value"] for one in run.record["decisions"] if one["name"] == "beams"]
    assert decided == 4
    assert run.record["network"]["output"]["settings"]["beams"] == 4
    assert run.network.output.chosen["beams"] == 4


def test_what_is_for_language_models_or_single_answers_alone_is_refused(run: pellucid.Run) -> None:
    with pytest.raises(UsageError, match=r"^--length is for language models; this run predicts a text"):
        check_writing({"length": 5}, run)
    with pytest.raises(UsageError, match=r"^this run is not a language model: it predicts a text"):
        next(run.write("big dog"))
    for given, does in (("answer", "explains"), ("true", "is about")):
        with pytest.raises(UsageError, match=f"^--{given} {does} a single answer; this network writes a text"):
            run.inspect(texts=["big dog"], **{given: "a"})


def test_options_of_writing_are_refused_where_they_say_nothing(run: pellucid.Run, table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="beam 0: expected a whole number of at least 1"):
        run.predict(texts=["big dog"], beam=0)
    other = pellucid.train(table, target="label", budget="3steps", save=False)
    message = "--beam and --align are for translations and other written texts; this run predicts one of 2 classes"
    with pytest.raises(UsageError, match=message):
        other.predict(table, beam=3, align=True)
    mixed = pellucid.train(mixed_data(tmp_path), network="cnn", size=0, budget="3steps", save=False)
    message = r"--align needs one text that is read and nothing else; this run reads many \(number\), one \(text\)"
    with pytest.raises(UsageError, match=message):
        mixed.predict([{"one": "big dog", "two": "red", "many": 3}], align=True)


def test_a_run_goes_on_from_another(run: pellucid.Run, pairs: Path, tmp_path: Path) -> None:
    again = pellucid.train(pairs, target="turned", start=run.path, budget="1steps", out=tmp_path)
    before, after = run.network.output.fields[0].state, again.network.output.fields[0].state
    assert before == after
    # Nothing is fresh: one small step leaves the loss where it was, far below that of a fresh network.
    first = again.history[0]["validation_loss"]
    assert first == pytest.approx(run.history[-1]["validation_loss"], rel=0.3)
    assert first < 0.9 * np.log(run.network.output.vocabulary)


def test_a_replay_gives_the_same_bytes(run: pellucid.Run) -> None:
    again = pellucid.train(like=run.path)
    for name in ("weights.safetensors", "predictions.parquet"):
        assert (again.path / name).read_bytes() == (run.path / name).read_bytes()


KILLED = """
import os, signal, sys, pellucid
from pellucid.training.loop import Loop
from pellucid.training import loop
loop.FIRST_CHECKPOINT_SECONDS = 0.0
loop.CHECKPOINT_SECONDS = 0.0
step = Loop.train_step
def train_step(self, batch, factor):
    if self.state.step == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, factor)
Loop.train_step = train_step
pellucid.train(sys.argv[1], target="turned", network="rnn", size=0, budget="60steps", out=sys.argv[2], name="turned")
"""


def test_a_killed_training_goes_on_to_the_same_bytes(run: pellucid.Run, pairs: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(pairs), str(tmp_path)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    again = pellucid.resume(tmp_path / "turned")
    for name in ("weights.safetensors", "predictions.parquet"):
        assert (again.path / name).read_bytes() == (run.path / name).read_bytes()
    assert again.score == run.score


def test_writing_has_its_time_in_a_budget(pairs: Path) -> None:
    done = pellucid.train(pairs, target="turned", network="cnn", size=0, budget="4s", save=False)
    assert done.record["seconds"] < 8
    assert [one["name"] for one in done.record["decisions"]].count("beams") == 1


def test_targets_kept_are_lengths() -> None:
    from pellucid.fields import Ragged

    rows = RaggedRows(Ragged(np.arange(5, dtype=np.int32), np.array([2, 5])), torch.device("cpu"))
    assert rows.kept(torch.tensor([1, 0])).tolist() == [[3.0], [2.0]]


def test_sums_stand_where_metrics_look() -> None:
    assert EXACT.stop == SUMS
