"""Recordings to classes: how they lie in folders, what the network hears, and the life of a run on them."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sittings import sitting
from test_resume import assert_same

import pellucid
from pellucid.cli import exit_code
from pellucid.data.batches.batch import Padded
from pellucid.errors import PellucidError, UsageError
from pellucid.fields import Field, Ragged
from pellucid.fields.mel import log_mel, mel_form, relative_level
from pellucid.fields.recordings import to_wav
from pellucid.inputs.sound import Sound, grid_patch, summarise
from pellucid.trunks import Need

pytest.importorskip("soundfile")
RATE = 8000
FSDD = Path(__file__).parents[1].parent / "shared" / "data" / "fsdd.tar.xz"


def tone(low: float, high: float, seconds: float, loud: float = 0.3) -> np.ndarray:  # (S,) int16
    """A pitch that moves from ``low`` to ``high``."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * (low * time + (high - low) * time**2 / (2 * seconds))
    return (32767 * loud * np.sin(phase)).astype(np.int16)


def write_tones(root: Path, classes: tuple[str, ...] = ("pure", "rich"), each: int = 40, seed: int = 0) -> Path:
    """Folders of single tones, of tones with overtones, and of noise, a tenth to a quarter of a second long."""
    rng = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(each):
            low, seconds = rng.uniform(250, 500), rng.uniform(0.1, 0.25)
            parts = [tone(k * low, k * low * 1.2, seconds, 0.1) for k in range(1, 2 if name == "pure" else 6)]
            noise = rng.normal(0, 2000 if name == "noise" else 30, len(parts[0]))
            samples = (noise if name == "noise" else np.sum(parts, 0) + noise).astype(np.int16)
            (root / name / f"{i:02}.wav").write_bytes(to_wav(samples, RATE))
    return root


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tones(tmp_path_factory.mktemp("tones") / "tones")


@pytest.fixture(scope="module")
def trained(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    out = tmp_path_factory.mktemp("runs")
    return pellucid.train(tones, steps=60, size=0, split="60,20,20", out=str(out), name="tones")


def notes_of(data: pellucid.Dataset) -> str:
    data.check()
    return "\n".join(map(str, data.notes))


# -- how they lie


def test_a_folder_for_each_class(tones: Path) -> None:
    data = pellucid.read(tones)
    assert data.layout == "80 recordings in a folder for each class"
    assert (data.fields["sound"].kind, data.need_target().name) == ("sound", "label")
    assert data.reading.classes == {"pure": 40, "rich": 40}
    assert data.fields["sound"].settings["rate"] == RATE


def test_archives_hold_the_same(tones: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for path in sorted(tones.rglob("*.wav")):
            file.write(path, path.relative_to(tones))
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as packed:
        packed.add(tones, "tones")
    digest = pellucid.read(tones).content_digest()
    for name in ("a.zip", "a.tar.gz"):
        data = pellucid.read(tmp_path / name)
        assert data.content_digest() == digest
        assert data.layout == "80 recordings in a folder for each class"


def test_a_table_beside_them_and_parts_as_folders(tones: Path, tmp_path: Path) -> None:
    root = tmp_path / "clips"
    root.mkdir()
    lines = ["clip,age,label"]
    for i, path in enumerate(sorted(tones.rglob("*.wav"))):
        (root / f"{i}.wav").write_bytes(path.read_bytes())
        lines.append(f"{i}.wav,{20 + i % 30},{path.parent.name}")
    (root / "metadata.csv").write_text("\n".join([*lines, "gone.wav,3,up"]))
    data = pellucid.read(root)
    assert data.layout == "80 recordings, named in metadata.csv, column 'clip', with 2 further columns"
    assert {f.name: f.kind for f in data.inputs} == {"clip": "sound", "age": "number"}
    assert "1 row names a recording that is not there ('gone.wav') and is left out" in notes_of(data)
    for part in ("train", "test"):
        write_tones(tmp_path / "parts" / part, each=12, seed=len(part))
    data = pellucid.read(tmp_path / "parts")
    assert data.layout == "48 recordings in folders train and test, and in them a folder for each class"
    assert len(data.split().test) == 24


def test_photos_and_recordings_beside_each_other(tones: Path, tmp_path: Path) -> None:
    from PIL import Image

    write_tones(tmp_path / "d", each=6)
    Image.new("RGB", (8, 8)).save(tmp_path / "d" / "pure" / "cover.png")
    data = pellucid.read(tmp_path / "d")
    assert data.layout == "12 recordings in a folder for each class"
    assert "1 other file is left out (1 .png)" in notes_of(data)


def test_names_tell_the_class(tmp_path: Path) -> None:
    root = tmp_path / "words"
    root.mkdir()
    for i in range(48):
        word, speaker = ("yes", "no")[i % 2], ("ann", "bob", "cleo", "dan")[i // 2 % 4]
        low, high = (300, 900) if word == "yes" else (900, 300)
        (root / f"{word}_{speaker}_{i}.wav").write_bytes(to_wav(tone(low + i, high + i, 0.1), RATE))
    with pytest.raises(PellucidError) as caught:
        pellucid.read(root)
    assert str(caught.value) == (
        "words/: 48 recordings, but no folders that give their classes\n  if names such as no_ann_1.wav tell them: "
        "--label-from '{label}_{part2}_{index}', with the braces around what is the class"
    )
    pattern = "{label}_{speaker}_{index}"
    data = pellucid.read(root, label_from=pattern, split="group:speaker,50,25,25")
    assert data.layout == "48 recordings, with 3 columns from their names"
    assert data.reading.classes == {"no": 24, "yes": 24}
    assert {f.name: f.role for f in data.fields.values()} == {
        "sound": "input",
        "label": "target",
        "speaker": "group",
        "index": "ignore",
    }
    speakers = np.array([path.split("_")[1] for path in data.column("sound").values.to_list()])
    split = data.split()
    assert not set(speakers[split.train]) & set(speakers[split.test])
    asked = pellucid.read(root, label_from=pattern, kinds={"speaker": "category"})
    assert [f.name for f in asked.inputs] == ["sound", "speaker"]
    run = pellucid.train(root, label_from=pattern, steps=3, size=0, out=str(tmp_path), name="run")
    # New recordings named alike are scored, others are answered.
    (tmp_path / "new").mkdir()
    for i in range(12):
        word = ("yes", "no")[i % 2]
        (tmp_path / "new" / f"{word}_eve_{i}.wav").write_bytes((root / f"{word}_ann_{i % 2}.wav").read_bytes())
    assert run.evaluate(tmp_path / "new").score.n == 12
    (tmp_path / "odd").mkdir()
    for i in range(3):
        (tmp_path / "odd" / f"{i}.wav").write_bytes((root / "yes_ann_0.wav").read_bytes())
    with pytest.raises(PellucidError) as caught:
        run.evaluate(tmp_path / "odd")
    assert caught.value.what == "3 recordings, none of which is named like '{label}_{speaker}_{index}'"
    (tmp_path / "new" / "odd.wav").write_bytes((root / "yes_ann_0.wav").read_bytes())
    assert [one["input"].rsplit("/")[-1] for one in run.predict(tmp_path / "new")][-2:] == ["yes_eve_8.wav", "odd.wav"][
        ::-1
    ] or (len(run.predict(tmp_path / "new")) == 13)


def test_names_of_photos_and_texts_tell_it_too(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "photos").mkdir()
    (tmp_path / "texts").mkdir()
    for i in range(24):
        word = ("cat", "dog")[i % 2]
        Image.new("RGB", (8, 8), (i, 90, 9)).save(tmp_path / "photos" / f"{word}.{i}.png")
        (tmp_path / "texts" / f"{word}-{i}.txt").write_text(f"a {word} that is number {i} of all")
    with pytest.raises(PellucidError, match=r"--label-from '\{label\}\.\{index\}'"):
        pellucid.read(tmp_path / "photos")
    with zipfile.ZipFile(tmp_path / "texts.zip", "w") as file:
        for path in (tmp_path / "texts").iterdir():
            file.write(path, path.name)
    assert pellucid.read(tmp_path / "texts.zip", label_from="{label}-{i}").reading.classes == {"cat": 12, "dog": 12}
    (tmp_path / "t.csv").write_text("x,label\n" + "1,a\n2,b\n" * 9)
    with pytest.raises(UsageError, match="is no folder or archive of files whose names could tell a class"):
        pellucid.read(tmp_path / "t.csv", label_from="{label}-{i}")
    for name, pattern, kind in (("photos", "{label}.{number}", "image"), ("texts", "{label}-{number}", "text")):
        data = pellucid.read(tmp_path / name, label_from=pattern)
        assert data.reading.classes == {"cat": 12, "dog": 12}
        assert [f.kind for f in data.inputs] == [kind]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("label", "the pattern 'label' has no names in braces"),
        ("{label", "the pattern '{label' has no names in braces"),
        ("{}_{a}", "the pattern '{}_{a}' has no names in braces"),
        ("{label}{speaker}", "the pattern '{label}{speaker}' has two names with nothing between them"),
        ("{label}_{label}", "the pattern '{label}_{label}' has a name twice"),
        ("{word}_{speaker}", "the pattern '{word}_{speaker}' does not say which part is the class"),
    ],
)
def test_patterns_that_are_none(tones: Path, pattern: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        pellucid.read(tones, label_from=pattern)
    assert caught.value.what == why


def test_names_that_do_not_fit(tones: Path, tmp_path: Path) -> None:
    with pytest.raises(PellucidError) as caught:
        pellucid.read(tones, label_from="{label}_{speaker}")
    assert caught.value.what == "none of its 80 recordings is named like '{label}_{speaker}', such as pure/00.wav"
    for i in range(12):
        (tmp_path / f"{'ab'[i % 2]}_{i}.wav").write_bytes(to_wav(tone(300, 400, 0.1), RATE))
    (tmp_path / "more_of_it_here.wav").write_bytes(to_wav(tone(300, 400, 0.1), RATE))
    said = notes_of(pellucid.read(tmp_path, label_from="{label}_{index}"))
    assert "1 recording is not named like '{label}_{index}' and left out (more_of_it_here.wav)" in said
    # Folders may stand in a pattern.
    data = pellucid.read(tones, label_from="{label}/{index}")
    assert data.reading.classes == {"pure": 40, "rich": 40}


# -- what looks wrong is said before training


def test_what_looks_wrong_is_said(tmp_path: Path) -> None:
    root = write_tones(tmp_path / "d", each=20)
    (root / "pure" / "silent.wav").write_bytes(to_wav(np.zeros(900, np.int16), RATE))
    loud = np.clip(4 * tone(300, 310, 0.2).astype(int), -9830 * 3, 9830 * 3).astype(np.int16)
    (root / "pure" / "loud.wav").write_bytes(to_wav(loud, RATE))
    (root / "rich" / "copy.wav").write_bytes((root / "pure" / "03.wav").read_bytes())
    (root / "rich" / "long.wav").write_bytes(to_wav(tone(300, 400, 6.0), RATE))
    (root / "rich" / "bad.wav").write_text("<html>")
    (root / "rich" / "empty.wav").write_bytes(b"")
    said = notes_of(pellucid.read(root))
    for text in (
        "silent.wav: 1 recording is silent: 60 decibels and more below the loudest there can be",
        "loud.wav: 1 recording is clipped: recorded too loud, more than 0.1% of their samples are cut off",
        "1 recording is a copy of another one, such as pure/03.wav",
        "long.wav: 1 recording is much longer than the others, which last about",
        "bad.wav: is not a recording that can be read (it is text); left out",
        "rich/empty.wav: an empty file, left out",
    ):
        assert text in said, text


# -- what the network hears


def sound_layer(positions: int = 2, frames: int = 30, **settings: Any) -> Sound:
    form = mel_form(RATE)
    state = {"rate": RATE, "frames": frames, "mean": [-20.0] * form.bands, "std": [12.0] * form.bands, "role": "input"}
    layer = Sound([Field("sound", "sound", state=state)], **settings)
    torch.manual_seed(0)
    layer.build(positions, Need(positions=(positions,), width=8, longest=2304))
    return layer.eval()


def padded(*sounds: np.ndarray) -> Padded[torch.Tensor]:
    lengths = torch.tensor([len(one) for one in sounds])
    values = [torch.from_numpy(one.copy()) for one in sounds]
    return Padded(torch.nn.utils.rnn.pad_sequence(values, batch_first=True), lengths)


SOUNDS = [tone(300, 900, 0.2), tone(800, 400, 0.31), tone(500, 500, 0.12), tone(700, 720, 0.01)]
KEYS = torch.tensor([11, 12, 13, 14]) * 7919


def test_frames_are_the_scaled_spectrum() -> None:
    x, lengths = sound_layer().frames(padded(*SOUNDS))
    assert x.shape == (4, int(lengths.max()), 40)
    for row, samples in enumerate(SOUNDS):
        want = (relative_level(log_mel(samples, mel_form(RATE))) + 20) / 12
        assert int(lengths[row]) == len(want)
        assert x[row, : len(want)].numpy() == pytest.approx(want, abs=2e-3)
        assert x[row, len(want) :].abs().sum() == 0


def test_a_level_changes_nothing() -> None:
    quiet = [(one // 4) for one in SOUNDS[:1]]
    one, two = (sound_layer().frames(padded(*some))[0] for some in (SOUNDS[:1], quiet))
    # What was near the steps of 16 bits is not all there any more.
    loud = log_mel(SOUNDS[0], mel_form(RATE)) > -60
    assert np.abs((one - two)[0].numpy()[loud]).max() < 0.1


ALL = {"shift": 0.1, "speed": 0.15, "pitch": 0.15, "colour": 0.5, "noise": 0.03, "mask": 0.2}


@pytest.mark.parametrize("settings", [{name: value} for name, value in ALL.items()] + [ALL])
def test_changes_are_a_function_of_the_key(settings: dict[str, float]) -> None:
    layer = sound_layer(**settings)
    x, lengths = layer.frames(padded(*SOUNDS), KEYS)
    plain, _ = layer.frames(padded(*SOUNDS))
    assert x.shape != plain.shape or (x - plain).abs().max() > 0.05
    order = [2, 0, 3, 1]
    again, sizes = layer.frames(padded(*(SOUNDS[i] for i in order)), KEYS[order])
    assert torch.equal(lengths[order], sizes)
    assert torch.allclose(again, x[order], atol=1e-5)
    for row, samples in enumerate(SOUNDS):
        alone, size = layer.frames(padded(samples), KEYS[row : row + 1])
        assert torch.allclose(alone[0], x[row, : int(size)], atol=1e-5)
    other, _ = layer.frames(padded(*SOUNDS), KEYS + 1)
    assert other.shape != x.shape or (other - x).abs().max() > 0.05
    assert x.isfinite().all()


def test_what_each_change_does() -> None:
    many = padded(*[tone(1000, 1000, 0.5)] * 64)
    keys = torch.arange(64) * 7919
    plain = sound_layer().decibels(many)[0][0]

    def changed(**settings: float) -> tuple[torch.Tensor, torch.Tensor]:
        layer = sound_layer(**settings)
        return layer.moved(*layer.decibels(many), keys)

    level, _ = changed(pitch=0.15)
    peaks = torch.tensor(mel_form(RATE).centres)[level.mean(1).argmax(1)]
    assert peaks.min() < 950 < 1050 < peaks.max()
    assert peaks.min() > 1000 / 1.25
    assert peaks.max() < 1000 * 1.25
    _, lengths = changed(speed=0.2)
    whole = len(plain)
    assert whole / 1.25 < int(lengths.min()) < 0.95 * whole < 1.05 * whole < int(lengths.max()) < 1.25 * whole
    _, lengths = changed(shift=0.1)
    assert 0.8 * whole - 1 <= int(lengths.min()) < whole < int(lengths.max()) <= 1.5 * whole + 1
    level, _ = changed(colour=0.5)
    apart = (level - plain)[:, 0]
    assert 5 < apart.abs().max() <= 20 * np.log10(2) + 1e-3
    # The same in every frame, and much alike in neighbouring bands.
    assert torch.allclose(level - plain, (level - plain)[:, :1].expand_as(level), atol=1e-3)
    assert apart.diff(dim=1).abs().max() < 2
    level, _ = changed(noise=0.01)
    # Where the tone is not, there is noise now, at least so far below.
    assert level[:, :, 30:].mean() > plain[:, 30:].mean() + 15
    assert level.mean(1).amax(1) == pytest.approx(float(plain.mean(0).max()), abs=1.0)
    layer = sound_layer(mask=0.2)
    hidden = (layer.frames(many, keys)[0] == 0).float().mean((1, 2))
    assert 0.05 < hidden.mean() < 0.6


@pytest.mark.parametrize("positions", [0, 1, 2])
def test_padding_changes_nothing(positions: int) -> None:
    layer = sound_layer(positions)
    together = layer(padded(*SOUNDS))
    for row, samples in enumerate(SOUNDS):
        alone = layer(padded(samples))
        if positions == 0:
            assert torch.allclose(together.x[row], alone.x[0], atol=1e-4)
            continue
        assert together.mask is not None
        real = alone.x.shape[1]
        assert together.mask[row].any(-1).sum() == real if positions == 2 else together.mask[row].sum() == real
        assert torch.allclose(together.x[row, :real], alone.x[0], atol=1e-4)
        assert together.x[row, real:].abs().sum() == 0


@pytest.mark.parametrize("name", ["mlp", "cnn", "rnn", "transformer"])
def test_every_network_hears_a_recording_alone_as_among_others(trained: pellucid.Run, tones: Path, name: str) -> None:
    data = pellucid.read(tones)
    net = data.network(trunk=name).eval()
    batch = next(iter(data.batches("train", net, seed=0, epoch=0, batch_size=8)))
    with torch.no_grad():
        whole = net(net.to_tensors(batch))
        key = net.input_keys()[0]
        for row in range(3):
            size = int(batch.inputs[key].lengths[row])
            one = Padded(batch.inputs[key].values[row : row + 1, :size], batch.inputs[key].lengths[row : row + 1])
            alone = type(batch)({key: one}, batch.target[row : row + 1], batch.rows[row : row + 1])
            assert torch.allclose(net(net.to_tensors(alone))[0], whole[row], atol=1e-4)


def test_patches_leave_as_many_positions_as_are_meant() -> None:
    for frames, bands, longest in ((40, 40, 2304), (3000, 64, 2304), (3000, 64, 64), (7, 40, 64), (1, 40, 8)):
        tall, wide = grid_patch(frames, bands, longest)
        assert -(-frames // tall) * -(-bands // wide) <= longest
    layer = sound_layer(1, frames=1000)
    layer.build(1, Need(positions=(1,), width=8, longest=64))
    assert layer.patch[0] == 16


def test_a_vector_says_how_a_band_goes() -> None:
    x = torch.zeros(1, 10, 2)
    x[0, :, 0] = torch.arange(10.0)
    mean, spread, change, *parts = summarise(x, torch.tensor([10]))[0].view(8, 2)[:, 0].tolist()
    assert (mean, change) == (4.5, 1.0)
    assert spread == pytest.approx(np.arange(10).std(), abs=1e-4)
    assert parts == sorted(parts)
    assert parts[2] == pytest.approx(4.5)


def test_sequences_in_a_file_are_gathered_as_those_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.training import arrays

    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 9000, 12)
    values = rng.integers(-9, 9, lengths.sum() + 100).astype(np.int16)
    np.save(tmp_path / "a.npy", values)
    held = Ragged(values, lengths.cumsum())
    mapped = Ragged(np.load(tmp_path / "a.npy", mmap_mode="r"), lengths.cumsum())
    rows = torch.tensor([3, 0, 11, 3])
    monkeypatch.setattr(arrays, "MAPPED_BYTES", 1000)
    one, two = (arrays.rows_of(some, torch.device("cpu")) for some in (held, mapped))
    assert (type(one).__name__, type(two).__name__) == ("RaggedRows", "RaggedFileRows")
    assert one.example_values == two.example_values == lengths.max()
    monkeypatch.setattr(arrays, "LONG_SEQUENCE", 1 << 40)
    short = arrays.rows_of(held, torch.device("cpu"))
    assert short.example_values == 0
    for some in (two, short):
        assert torch.equal(one.gather(rows).values, some.gather(rows).values)
        assert torch.equal(one.gather(rows).lengths, some.gather(rows).lengths)


# -- a run


def test_it_learns_and_says_so(trained: pellucid.Run, tones: Path) -> None:
    assert trained.plan.network == "convolutional"
    line = next(line for line in trained.plan.lines() if line[0] == "augmentation")
    assert line[1:] == ("shift, speed, pitch, colour, noise, mask", "assuming that neither speed nor pitch decides")
    assert trained.score.value >= 0.8
    assert trained.evaluate(tones).score.value >= 0.9


@pytest.mark.parametrize("name", ["mlp", "rnn", "transformer"])
def test_every_network_learns(name: str, tones: Path, tmp_path: Path) -> None:
    run = pellucid.train(tones, network=name, steps=80, size=1, augment="none", out=str(tmp_path), split="60,20,20")
    assert run.score.value >= 0.75


def test_files_are_predicted_and_a_bad_one_is_named(trained: pellucid.Run, tones: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("nothing")
    clip = tones / "pure" / "03.wav"
    found = trained.predict([str(clip), str(bad), str(tmp_path / "gone.flac")])
    assert found[0]["label"] in ("pure", "rich")
    assert [one.get("error") for one in found] == [
        None,
        "is not a recording that can be read (it is text)",
        "does not exist",
    ]
    # The same whatever rate and channels it comes in.
    import soundfile

    values = np.stack([np.repeat(tone(400, 900, 0.2), 2)] * 2, 1)
    soundfile.write(tmp_path / "stereo.flac", values, 2 * RATE)
    (tmp_path / "mono.wav").write_bytes(to_wav(tone(400, 900, 0.2), RATE))
    one, two = trained.predict([str(tmp_path / "mono.wav"), str(tmp_path / "stereo.flac")])
    assert one["label"] == two["label"]
    assert len(trained.predict(tones)) == 80


def test_the_command_line(trained: pellucid.Run, tones: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["predict", str(trained.path), str(tones / "pure" / "03.wav"), "--json"], 0.0) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])
    assert exit_code(["read", str(tones)], 0.0) == 0
    assert "80 recordings of 0.17" in capsys.readouterr().out
    assert exit_code(["train", str(tones / "pure" / "03.wav")], 0.0) == 1
    assert "one recording is not enough to learn from" in capsys.readouterr().err


def test_the_report_can_be_looked_at_and_listened_to(trained: pellucid.Run) -> None:
    page = (trained.path / "report.html").read_text()
    assert "media-src data:" in page
    assert page.count('<audio src="data:audio/wav;base64,UklGR') >= 6
    assert page.count('class="heard"') == page.count("<audio")
    assert "pellucid predict" in page
    assert "clip.wav" in page


def test_killed_and_resumed_it_is_the_same(tones: Path, tmp_path: Path) -> None:
    job = {"data": str(tones), "steps": 8, "size": 0, "batch_size": 16, "network": "cnn"}
    assert sitting(tmp_path / "whole", job) == 0
    assert sitting(tmp_path / "killed", job, ("before a checkpoint", 4)) == -9
    assert sitting(tmp_path / "killed", job) == 0
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_repeated_it_is_the_same(trained: pellucid.Run, tmp_path: Path) -> None:
    again = pellucid.train(like=trained.path, out=str(tmp_path))
    assert again.path != trained.path
    for name in ("weights.safetensors",):
        assert (again.path / name).read_bytes() == (trained.path / name).read_bytes()


def test_other_classes_start_from_it(trained: pellucid.Run, tmp_path: Path) -> None:
    root = write_tones(tmp_path / "more", ("pure", "noise"), 30, seed=4)
    run = pellucid.train(root, start=trained.path, steps=10, out=str(tmp_path / "runs"))
    assert run.network.output.task.values == ["noise", "pure"]
    assert run.history[0]["step"] == 0
    assert run.score.value >= 0.5


def test_seconds_cut_what_is_longer(tones: Path, tmp_path: Path) -> None:
    data = pellucid.read(tones, seconds=0.15)
    sounds = data.stored_values("sound")
    assert int(np.diff(sounds.arrays["ends"], prepend=0).max()) == 1200
    assert "recordings are longer than 0.15 s; what comes later is not read" in notes_of(data)
    with pytest.raises(UsageError, match="seconds 0: expected a number above 0"):
        pellucid.read(tones, seconds=0)


def test_the_spoken_digits(tmp_path: Path) -> None:
    if not FSDD.exists():
        pytest.skip(f"{FSDD} is missing")
    data = pellucid.read(FSDD, label_from="{label}_{speaker}_{index}", split="group:speaker", cache=tmp_path)
    assert len(data) == 3000
    assert data.reading.classes == {str(i): 300 for i in range(10)}
    assert data.fields["sound"].settings["rate"] == 8000
    data.check()
    assert len(data.usable_rows()) == 3000
