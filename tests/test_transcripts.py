"""What is said in recordings, as text: how texts lie beside clips, the loss over all paths, the life of a run."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F
from sittings import sitting
from spoken import RATE, draw_text, speak, write_clips
from test_resume import assert_same

import pellucid
from pellucid.cli import exit_code
from pellucid.data.batches.batch import Batch, Padded
from pellucid.data.transcripts import count_places
from pellucid.errors import PellucidError, UsageError
from pellucid.fields import KINDS, Column, Field, Ragged
from pellucid.fields.mel import FRAMES_A_POSITION, mel_form
from pellucid.fields.recordings import to_wav
from pellucid.metrics.written import OF_TRANSCRIPTS
from pellucid.outputs.transcript import BLANK, Transcript, count_positions
from pellucid.reports.sections.transcripts import transcripts_section
from pellucid.reports.transcript_content import transcript_content, word_steps
from pellucid.tasks.transcript import LOSS, NOTHING, SUMS, WORD_EDITS, TranscriptTask, written_sums
from pellucid.trunks import Features

pytest.importorskip("soundfile")
NETWORKS = ("cnn", "rnn", "transformer")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("spoken") / "clips", 100)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("spoken") / "others", 20, seed=9)


@pytest.fixture(scope="module")
def trained(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    out = tmp_path_factory.mktemp("runs")
    return pellucid.train(clips, network="cnn", steps=150, size=1, augment="none", out=str(out), name="spoken")


def notes_of(data: pellucid.Dataset) -> str:
    data.check()
    return "\n".join(map(str, data.notes))


def written_field(vocabulary: str = " abcd") -> Field:
    state = {"role": "target", "level": "characters", "vocabulary": vocabulary, "longest": 40}
    return Field("transcript", "writing", "target", state={**state, "size": 4 + len(vocabulary)})


def as_tokens(field: Field, texts: list[str]) -> Padded[torch.Tensor]:
    kind = KINDS["writing"]
    column = Column("transcript", pl.Series("transcript", texts, pl.String))
    encoded = kind.encode(kind.store(column, {}, lambda note: None), field.state or {})
    assert isinstance(encoded, Ragged)
    rows = [torch.from_numpy(np.array(encoded[i])) for i in range(len(encoded))]
    return Padded(torch.nn.utils.rnn.pad_sequence(rows, True), torch.tensor([len(one) for one in rows]))


# -- how they lie


def test_a_text_beside_each_clip(clips: Path) -> None:
    data = pellucid.read(clips)
    assert data.layout == "100 recordings, each with the text of what is said beside it"
    target = data.need_target()
    assert (target.name, target.kind, target.settings["level"]) == ("transcript", "writing", "characters")
    assert [f.kind for f in data.inputs] == ["sound"]
    assert data.reading.why == "texts lie beside the recordings"
    stored = data.stored_values("transcript")
    assert KINDS["writing"].show(stored, 7) == (clips / "007.txt").read_text().strip()
    assert "left out" not in notes_of(data)


def test_an_archive_of_them_is_the_same(clips: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "clips.zip", "w") as file:
        for path in sorted(clips.iterdir()):
            file.write(path, path.name)
    assert pellucid.read(tmp_path / "clips.zip").content_digest() == pellucid.read(clips).content_digest()


@pytest.mark.parametrize("name", ["transcript", "sentence", "words"])
def test_a_table_beside_them(clips: Path, tmp_path: Path, name: str) -> None:
    lines = [f"file_name,{name},age"]
    for i, path in enumerate(sorted(clips.glob("*.wav"))):
        shutil.copy(path, tmp_path)
        lines.append(f"{path.name},{path.with_suffix('.txt').read_text().strip()},{20 + i % 9}")
    (tmp_path / "metadata.csv").write_text("\n".join([*lines, "gone.wav,ab a,3"]))
    # What is called otherwise is a text where it looks like one, or where that is said.
    data = pellucid.read(tmp_path, target=name, kinds={"words": "text"} if name == "words" else None)
    assert data.need_target().kind == "writing"
    assert [f.name for f in data.inputs] == ["file_name"]
    said = notes_of(data)
    assert f"column age left out: '{name}' is written from the recording alone" in said
    assert "1 row names a recording that is not there ('gone.wav') and is left out" in said


def test_a_table_of_two_columns_says_what_is_learned(clips: Path, tmp_path: Path) -> None:
    lines = ["file_name,transcript"]
    for path in sorted(clips.glob("*.wav"))[:20]:
        shutil.copy(path, tmp_path)
        lines.append(f"{path.name},{path.with_suffix('.txt').read_text().strip()}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    assert pellucid.read(tmp_path).need_target().name == "transcript"


def test_folders_and_names_are_there_to_split_by(tmp_path: Path) -> None:
    for i, speaker in enumerate(("ann", "bob", "cleo", "dan", "eve", "fay")):
        write_clips(tmp_path / speaker, 6, seed=i)
    by_class = pellucid.read(tmp_path)
    assert by_class.need_target().name == "label"
    assert "36 recordings have a text beside them, which is not read" in notes_of(by_class)
    data = pellucid.read(tmp_path, target="transcript", split="group:label,50,25,25")
    assert {f.name: f.role for f in data.fields.values()} == {
        "sound": "input", "label": "group", "transcript": "target"
    }  # fmt: skip
    folders = np.array([path.split("/")[0] for path in data.column("sound").values.to_list()])
    split = data.split()
    assert not set(folders[split.train]) & set(folders[split.test])


# -- what is wrong with them is said


def test_what_cannot_be_learned_from_is_said_and_left_out(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "clips", 40)
    rng = np.random.default_rng(1)
    (root / "001.txt").unlink()
    (root / "002.txt").write_text(" \n")
    (root / "003.txt").write_bytes(b"\x00\x01\x02" * 50)
    (root / "004.wav").unlink()
    (root / "005.wav").write_bytes(to_wav(speak("ab", rng), RATE))
    (root / "005.txt").write_text("much more than anybody says in a quarter of a second, however fast")
    (root / "006.wav").write_bytes(to_wav(np.zeros(RATE, np.int16), RATE))
    (root / "007.wav").write_bytes(b"")
    (root / "008.wav").write_text("<html>")
    (root / "009.txt").write_bytes("abé".encode("latin-1"))
    (root / "readme.txt").write_text("of this collection")
    data = pellucid.read(root)
    said = notes_of(data)
    data.usable_rows()
    said = "\n".join(map(str, data.notes))
    for text in (
        "1 recording has no text of the same name beside it and is left out: 001.wav",
        "1 text without a word, left out with its recording: 002.txt",
        "1 text that holds not text but binary data (it is full of zero bytes), left out with its recording: 003.txt",
        "1 text has no recording of the same name and is left out: 004.txt",
        "005.wav: 1 example whose text has more letters than can be heard in its time (50 a second), and is "
        "probably that of another recording, is left out, this one first",
        "006.wav: 1 recording is silent",
        "007.wav: an empty file, left out",
        "008.wav: is not a recording that can be read (it is text); left out",
        "1 text is not UTF-8 and read as Western European (cp1252): 009.txt",
    ):
        assert text in said, text
    run = pellucid.train(root, steps=2, size=0, out=str(tmp_path), name="run")
    assert np.isfinite(run.score.value)


def test_a_folder_without_a_readable_text(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "clips", 3)
    for path in root.glob("*.txt"):
        path.write_text("")
    with pytest.raises(PellucidError) as caught:
        pellucid.read(root, target="transcript")
    assert str(caught.value) == (
        "clips: none of its 3 recordings has a text that can be read (they are without a word)\n"
        "  put what is said into clip.txt beside clip.wav"
    )
    for path in root.glob("*.txt"):
        path.unlink()
    with pytest.raises(UsageError, match="'transcript'"):
        pellucid.read(root, target="transcript")


@pytest.mark.parametrize(("text", "places"), [("see", 4), ("a", 1), ("", 0), ("aaa", 5), ("so so", 5), ("שלום", 4)])
def test_places_that_a_text_takes(text: str, places: int) -> None:
    kind = KINDS["writing"]
    stored = kind.store(Column("t", pl.Series("t", ["x", text], pl.String)), {}, lambda note: None)
    assert count_places(stored).tolist() == [1, places]


def test_what_fits_has_a_path_and_what_does_not_has_none() -> None:
    field = written_field()
    output = Transcript([field]).build(8)
    for text, positions in (("aa", 3), ("aa", 2), ("abab", 4), ("abab", 3)):
        raw = torch.randn(1, positions, 9)
        loss = output.losses(raw, Batch({}, as_tokens(field, [text]), np.arange(1)))
        stored = KINDS["writing"].store(Column("t", pl.Series("t", [text], pl.String)), {}, lambda note: None)
        assert (float(loss[0]) > 0) == (count_places(stored)[0] <= positions), (text, positions)


def test_right_to_left_texts_are_written_as_they_are_said(tmp_path: Path) -> None:
    root, letters = write_clips(tmp_path / "clips", 40), str.maketrans("abcd", "אבגד")
    for path in root.glob("*.txt"):
        path.write_text(path.read_text().translate(letters))
    run = pellucid.train(root, network="cnn", steps=100, size=1, augment="none", out=str(tmp_path), name="run")
    said = run.predict([str(root / "000.wav")])[0]["value"]
    assert set(said) <= set("אבגד ")
    assert said == (root / "000.txt").read_text().strip()
    assert 'dir="auto"' in (run.path / "report.html").read_text() or run.score.value == 0


# -- the loss


def brute_force(chances: np.ndarray, text: tuple[int, ...]) -> float:  # (T, V) -> -log p
    """The sum over all paths, one by one."""
    total = 0.0
    for path in itertools.product(range(chances.shape[1]), repeat=len(chances)):
        if tuple(token for token, _ in itertools.groupby(path) if token != BLANK) == text:
            total += np.exp(sum(chances[i, token] for i, token in enumerate(path)))
    return -float(np.log(total))


def test_the_loss_is_that_of_all_paths_together() -> None:
    field = written_field("ab")
    output = Transcript([field]).build(8)
    raw = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(0))
    texts = ["ab", "aa", "b"]
    found = output.losses(raw, Batch({}, as_tokens(field, texts), np.arange(3)))
    chances = raw.log_softmax(2).numpy()
    want = [
        brute_force(own, tuple(3 + "ab".index(one) for one in text)) for own, text in zip(chances, texts, strict=True)
    ]
    assert found.tolist() == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_losses_and_gradients_are_those_of_torch_whole_or_in_parts(clips: Path, name: str) -> None:
    data = pellucid.read(clips)
    net = data.network(trunk=name, seed=1).eval()
    assert isinstance(net.output, Transcript)
    batch = net.to_tensors(next(iter(data.batches("train", net, seed=0, epoch=0, batch_size=12))))
    plain = Batch(batch.inputs, batch.target, batch.rows)
    f = net.output_input(plain)
    raw = net.answer(plain, f)
    target: Any = plain.target
    assert f.mask is not None
    # The reference: torch's own, with the lengths of the mask.
    want = F.ctc_loss(
        net.output.layer(f.x).log_softmax(2).transpose(0, 1), target.values.long(), f.mask.sum(1),
        target.lengths - 1, reduction="sum",
    )  # fmt: skip
    assert net.output.count(plain) == float((target.lengths - 1).sum())
    assert float(net.losses(plain).sum().detach()) == pytest.approx(float(want.detach()), rel=1e-5)
    assert count_positions(raw).tolist() == f.mask.sum(1).tolist()
    whole = torch.autograd.grad(net.loss(plain), list(net.parameters()), allow_unused=True)
    parts: list[Any] = [0.0 for _ in whole]
    for some in torch.arange(12).split(5):
        inputs = {key: Padded(one.values[some], one.lengths[some]) for key, one in plain.inputs.items()}  # type: ignore[union-attr]
        own: Batch[Any] = Batch(inputs, Padded(target.values[some], target.lengths[some]), plain.rows[some])
        loss = net.losses(own).sum() / net.output.count(plain)
        grads = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
        parts = [one if grad is None else one + grad for one, grad in zip(parts, grads, strict=True)]
    for one, two in zip(whole, parts, strict=True):
        if one is not None:
            assert torch.allclose(one, two, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_clip_is_heard_alone_as_among_others(clips: Path, name: str) -> None:
    data = pellucid.read(clips)
    net = data.network(trunk=name, seed=1).eval()
    with torch.no_grad():
        torch.nn.init.normal_(net.output.layer.weight)
    batch = net.to_tensors(next(iter(data.batches("train", net, seed=0, epoch=0, batch_size=8))))
    key = net.input_keys()[0]
    value: Any = batch.inputs[key]
    with torch.no_grad():
        together = net(batch)
        for row in range(3):
            size = int(value.lengths[row])
            own = Padded(value.values[row : row + 1, :size], value.lengths[row : row + 1])
            alone = net(Batch({key: own}, None, batch.rows[row : row + 1]))
            places = int(mel_form(RATE).positions_of(size))
            assert alone.shape[1] == places
            assert torch.allclose(together[row, :places], alone[0], atol=1e-3)
            assert together[row, places:].argmax(1).eq(BLANK).all()


def test_positions_are_50_a_second_however_long_a_clip_is(clips: Path) -> None:
    data = pellucid.read(clips)
    for name in NETWORKS:
        net = data.network(trunk=name)
        assert net.layers[0].patch[0] == FRAMES_A_POSITION
        for seconds in (0.5, 30.0):
            samples = torch.zeros(1, round(seconds * RATE), dtype=torch.int16)
            with torch.no_grad():
                value = Padded(samples, torch.tensor([samples.shape[1]]))
                f = net.trunk_input(Batch({net.input_keys()[0]: value}, None, np.arange(1)))
            assert f.x.shape[1] == pytest.approx(50 * seconds, abs=2.5)


def test_a_diverged_network_has_no_loss_that_looks_good() -> None:
    field = written_field()
    output = Transcript([field]).build(8)
    raw = torch.full((1, 6, 9), torch.nan)
    assert not torch.isfinite(output.losses(raw, Batch({}, as_tokens(field, ["ab"]), np.arange(1)))).any()


# -- what is written


def test_decoding_leaves_out_repeats_blanks_and_what_stands_for_no_letter() -> None:
    field = written_field()
    output = Transcript([field]).build(8)
    path = [3 + " abcd".index("a")] * 2 + [BLANK] + [4, 4] + [1, 2] + [5, BLANK]
    raw = torch.full((1, 12, 9), -9.0)
    raw[0, torch.arange(9), torch.tensor(path)] = 9.0
    mask = torch.arange(12).unsqueeze(0) < 9
    f = Features(torch.zeros(1, 12, 8), mask)
    with torch.no_grad():
        raw = torch.where(mask.unsqueeze(2), raw, output(f, Batch({}, None, np.arange(1))))
    said = output.write_tokens(raw)
    assert output.task.texts(said) == ["aab"]


def test_a_beam_finds_the_text_with_the_most_paths() -> None:
    field = written_field("ab")
    chances = torch.tensor([[0.4, 1e-9, 1e-9, 0.35, 0.25, 1e-9]] * 2).log().unsqueeze(0)
    for beam, want in ((1, ""), (4, "a")):
        output = Transcript([field], beams=beam).build(8)
        assert output.task.texts(output.write_tokens(chances)) == [want]


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_of_a_diverged_network_nothing_is_written(beams: int, broken: float) -> None:
    field = written_field()
    output = Transcript([field], beams=beams).build(8)
    raw = torch.randn(2, 12, 9, generator=torch.Generator().manual_seed(0))
    fine = output.write_tokens(raw)
    raw[1, 5, 6] = broken
    with pytest.raises(PellucidError, match="the network's numbers are not finite"):
        output.write_tokens(raw)
    assert output.write_tokens(raw, strict=False) == [fine[0], ()]

    class Says:
        def predict(self, batch: Any) -> torch.Tensor:
            return raw

    target = as_tokens(field, ["a b", "c d a"])
    found = output.final_answers(Says(), Batch({}, target, np.arange(2)))
    score = output.task.score(found[1:], target.lengths[1:, None].double())
    assert score.value == 1.0
    with pytest.raises(PellucidError, match="the network's numbers are not finite"):
        output.final_answers(Says(), Batch({}, None, np.arange(2)))


def test_metrics_of_sums_are_those_of_texts() -> None:
    rng = np.random.default_rng(0)
    true = [draw_text(rng) for _ in range(60)]
    said = [one if rng.random() < 0.4 else draw_text(rng) for one in true]
    raw = np.concatenate([rng.random((60, 1)), written_sums(said, true)], 1)
    weight = rng.random((3, 60))
    task = TranscriptTask([written_field()])
    for name, metric in OF_TRANSCRIPTS.items():
        judge = task.metrics[name].judge(raw, np.ones((60, 1)))
        assert judge(weight) == pytest.approx(metric.judge(said, true)(weight))
    assert (task.metric, task.higher, task.percent) == ("word error rate", False, True)
    assert task.watched.judge(raw, np.full((60, 1), 3.0))(np.ones((1, 60)))[0] == pytest.approx(raw[:, 0].sum() / 120)


def test_the_baseline_is_the_commonest_text_or_nothing() -> None:
    field = written_field()
    task = TranscriptTask([field])

    def naive(
        texts: list[str], rows: list[int], learned: list[int], weight: np.ndarray | None = None
    ) -> tuple[np.ndarray, str]:
        padded = as_tokens(field, texts)
        target = Ragged(
            np.concatenate([padded.values[i, :n].numpy() for i, n in enumerate(padded.lengths.tolist())]),
            np.cumsum(padded.lengths.numpy()),
        )
        found, name = task.naive_answers(target, np.array(learned), np.array(rows), weight)
        kept = task.keep_naive(found, target, np.array(learned))
        again, _ = task.naive_answers(target, np.array(rows), np.array(rows), kept=kept)
        assert np.array_equal(found, again, equal_nan=True)
        return found, name

    found, name = naive(["a b", "c", "a b", "a d", "d"], [3, 4], [0, 1, 2])
    assert name == "always 'a b'"
    assert task.written_texts(found) == ["a b", "a b"]
    assert found[:, WORD_EDITS].tolist() == [1, 2]
    assert np.isnan(found[:, LOSS]).all()
    # On other data it is the same one, that of weighted training.
    found, name = naive(["a b", "a b", "a d", "a d", "d"], [4], [0, 1, 2], np.array([1.0, 1.0, 5.0]))
    assert name == "always 'a d'"
    # Where each of its words is a wrong one, whoever says nothing is not worse.
    found, name = naive(["a b c d", "b", "c", "d"], [1, 2], [0, 1, 2, 3])
    assert name == "always nothing"
    assert found[:, SUMS:].tolist() == [NOTHING, NOTHING]


# -- a run


def test_it_learns_to_write_without_an_error(trained: pellucid.Run, clips: Path, others: Path) -> None:
    assert (trained.score.metric, trained.score.value) == ("word error rate", 0.0)
    assert trained.baseline.value > 0.9
    found = trained.predict(others)
    assert [one["value"] for one in found] == [path.read_text().strip() for path in sorted(others.glob("*.txt"))]
    assert trained.evaluate(others).score.value == 0.0
    assert trained.evaluate(others).baseline.name == trained.baseline.name
    assert trained.record["chosen"]["weights"] in ("the last weights", "the average", "the best seen")
    rows = trained.history
    assert rows[-1]["transcript loss"] == pytest.approx(rows[-1]["validation_loss"])


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns_it(name: str, clips: Path) -> None:
    run = pellucid.train(clips, network=name, steps=200, size=1, augment="none", save=False)
    assert run.score.value == 0.0


def test_all_that_a_run_leaves_shows_texts(trained: pellucid.Run, others: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(trained.path / "predictions.parquet")
    assert frame.columns == ["row", "input", "true", "value"]
    assert frame["true"].to_list() == frame["value"].to_list()
    clip = str(sorted(others.glob("*.wav"))[3])
    want = Path(clip).with_suffix(".txt").read_text().strip()
    found = trained.predict([clip, "gone.wav"])
    assert found[0]["value"] == want
    assert "error" in found[1]
    assert found.to_frame()["value"].to_list() == [want, None]
    found.to_csv(tmp_path / "out.csv")
    assert want in (tmp_path / "out.csv").read_text()


def test_the_command_line(trained: pellucid.Run, others: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = sorted(others.glob("*.wav"))[2]
    want = clip.with_suffix(".txt").read_text().strip()
    assert exit_code(["predict", str(trained.path), str(clip)], 0.0) == 0
    assert capsys.readouterr().out == f"{clip}\t{want}\n"
    assert exit_code(["predict", str(trained.path), str(clip), "--json"], 0.0) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["value"] == want
    assert exit_code(["evaluate", str(trained.path), str(others), "--json"], 0.0) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["metric"], told["value"], told["examples"]) == ("word error rate", 0.0, 20)
    assert exit_code(["inspect", str(trained.path)], 0.0) == 0
    assert "output: transcript" in capsys.readouterr().out
    assert exit_code(["inspect", str(trained.path), str(clip)], 0.0) == 0
    assert "✗" not in capsys.readouterr().err


def test_the_report_lets_the_worst_be_heard(clips: Path, others: Path, tmp_path: Path) -> None:
    run = pellucid.train(clips, network="cnn", steps=6, size=1, augment="none", out=str(tmp_path), name="run")
    assert 0 < run.score.value < 1.2
    page = (run.path / "report.html").read_text()
    assert "What it hears" in page
    assert "Words that are confused" in page
    assert "<audio" in page.split("Most words wrong")[1]
    evaluated = run.evaluate(others).report(tmp_path / "page.html").read_text()
    assert "Most words wrong" in evaluated
    assert "among the evaluated examples" in evaluated
    data = pellucid.read(others)
    rows, (raw, target) = np.arange(20), run._answer_rows(run._read_new(others, need_target=True), np.arange(20),
                                                           with_target=True)  # fmt: skip
    content = transcript_content(run, data, rows, (raw, target))
    wrong = [one["wrong"] for one in content["worst"]]
    assert wrong == sorted(wrong, reverse=True)
    assert content["errors"] == int(raw[:, WORD_EDITS].sum())
    assert sum(group["count"] for group in content["by_length"]) == 20


def test_words_side_by_side() -> None:
    assert word_steps("a b c", "a d c d") == [("a", "a"), ("b", "d"), ("c", "c"), ("", "d")]


def test_the_same_again_and_other_lengths(trained: pellucid.Run, tmp_path: Path) -> None:
    again = pellucid.train(like=trained.path, out=str(tmp_path), name="again")
    assert (again.path / "weights.safetensors").read_bytes() == (trained.path / "weights.safetensors").read_bytes()
    # A text longer than any of training is written to its end.
    rng = np.random.default_rng(4)
    text = " ".join(draw_text(rng) for _ in range(8))
    (tmp_path / "long.wav").write_bytes(to_wav(speak(text, rng), RATE))
    assert len(trained.predict([str(tmp_path / "long.wav")])[0]["value"]) > 0.9 * len(text)


def test_killed_and_resumed_it_is_the_same(clips: Path, tmp_path: Path) -> None:
    job = {"data": str(clips), "network": "rnn", "size": 0, "steps": 20, "seed": 5, "batch_size": 16}
    assert sitting(tmp_path / "whole", job) == 0
    assert sitting(tmp_path / "killed", job, ("before a checkpoint", 2)) < 0
    assert sitting(tmp_path / "killed", job) == 0
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_the_plan_leaves_what_is_said_and_has_a_recipe_for_it(clips: Path) -> None:
    plan = pellucid.plan(clips, steps=1)
    line = next(line for line in plan.lines() if line[0] == "augmentation")
    assert line[1] == "speed, pitch, colour"
    assert plan.inputs["sound"]["shift"] == 0
    assert plan.output["name"] == "transcript"
    for name in NETWORKS:
        recipe = pellucid.plan(clips, network=name, steps=1).recipe
        assert (recipe.batch_size, recipe.cool) == (16, 0.8)


@pytest.mark.parametrize(
    ("place", "to"),
    [
        (("naive", "raw"), [1e6]),
        (("naive", "raw"), [-1.0]),
        (("naive", "raw"), [3.5]),
        (("naive", "raw"), [3.0] * (1 << 17)),
        (("network", "output", "settings", "beams"), 65_536),
        (("network", "output", "settings", "beams"), 0),
        (("network", "output", "settings", "beams"), 65),
    ],
)
def test_a_run_that_was_made_to_harm_is_refused(place: tuple[str, ...], to: Any, trained: pellucid.Run) -> None:
    state = trained.__getstate__()
    record = json.loads(state["record"])
    held = record
    for key in place[:-1]:
        held = held[key]
    held[place[-1]] = to
    with pytest.raises(PellucidError, match=f"damaged .*{place[-1]}"):
        pellucid.Run.__new__(pellucid.Run).__setstate__({**state, "record": json.dumps(record).encode()})


def test_a_beam_is_for_the_answers_that_it_is_asked_for(
    trained: pellucid.Run, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = str(sorted(others.glob("*.wav"))[1])
    want = trained.predict([clip])[0]["value"]
    assert trained.predict([clip], beam=8)[0]["value"] == want
    assert exit_code(["predict", str(trained.path), clip, "--beam", "4"], 0.0) == 0
    assert capsys.readouterr().out == f"{clip}\t{want}\n"
    with trained.network.output.writing(None):
        assert trained.network.output.beams == 0
    for options, what in (({"best": 2}, "--best"), ({"align": True, "beam": 4}, "--align")):
        with pytest.raises(UsageError) as caught:
            trained.predict([clip], **options)
        assert caught.value.what == f"{what} does not work for transcripts"


def test_the_recording_that_it_says_to_predict_is_none_that_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    clips = write_clips(tmp_path / "clips", 40)
    (clips / "000.wav").write_bytes(b"RIFF, and then nothing")
    assert exit_code(["train", "clips", "--steps", "1", "--size", "0"], started=time.time()) == 0
    asked = capsys.readouterr().out.split("pellucid predict ")[1].splitlines()[0].split()
    assert asked[1] == os.path.join("clips", "001.wav")
    assert exit_code(["predict", *asked], started=time.time()) == 0
    capsys.readouterr()
    # A text is none, and it has no columns either.
    assert exit_code(["predict", asked[0], "--text", "hi"], started=time.time()) != 0
    assert capsys.readouterr().err.splitlines()[-1].strip() == "give a recording"


def test_where_no_word_is_wrong_the_report_says_so() -> None:
    found = {"by_length": [], "pairs": [], "errors": 0, "worst": [], "letters": ""}
    assert "No wrong word on the validation set" in str(transcripts_section({"transcripts": found}))
    found |= {"pairs": [("one", "won", 1)], "errors": 1}
    assert "Wrong words on the validation set" in str(transcripts_section({"transcripts": found}))
