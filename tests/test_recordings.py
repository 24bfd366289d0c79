"""From sound files to samples and spectra: rates, forms, and every file that is not what it should be."""

import io
import wave

import numpy as np
import polars as pl
import pytest

from pellucid.fields import KINDS, Column, recognise
from pellucid.fields.files import Unreadable
from pellucid.fields.mel import log_mel, mel_form
from pellucid.fields.recordings import (
    CANCELLED,
    CUT_OFF,
    SCALED,
    SoundForm,
    decode_sound,
    read_header,
    sound_format,
    to_wav,
)
from pellucid.fields.resampling import resample
from pellucid.fields.sound import choose_rate

soundfile = pytest.importorskip("soundfile")
SOUND = KINDS["sound"]
FORM = SoundForm(8000, 30.0)


def sine(rate, seconds=0.5, frequency=440.0, height=0.5):
    return height * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def column_of(folder, names):
    return Column("clip", pl.Series("clip", names, pl.String), base=folder)


def wav(path, samples, rate=8000, **form):
    soundfile.write(path, samples, rate, **form)
    return path


# -- another rate


@pytest.mark.parametrize(
    ("rate", "wanted"), [(44100, 16000), (48000, 16000), (8000, 16000), (11025, 8000), (44099, 8000)]
)
@pytest.mark.parametrize("share", [0.03, 0.4, 0.85])
def test_a_tone_is_the_same_tone_at_another_rate(rate, wanted, share):
    frequency = share * min(rate, wanted) / 2
    found = resample(sine(rate, 0.4, frequency), rate, wanted)
    assert found.dtype == np.float32
    assert len(found) == -(-round(rate * 0.4) * wanted // rate)
    inside = slice(wanted // 20, -wanted // 20)
    assert np.abs(found - sine(wanted, len(found) / wanted, frequency)[: len(found)])[inside].max() < 5e-5


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (48000, 8000), (22050, 16000)])
@pytest.mark.parametrize("share", [1.06, 1.3])
def test_a_tone_that_the_lower_rate_cannot_hold_is_gone(rate, wanted, share):
    found = resample(sine(rate, 0.4, share * wanted / 2), rate, wanted)
    assert np.abs(found)[wanted // 20 : -wanted // 20].max() < 0.5 * 10 ** (-80 / 20)


def test_resampling_keeps_levels_and_takes_any_length():
    assert resample(np.full(4000, 0.25), 16000, 8000)[200:-200] == pytest.approx(0.25, abs=1e-6)
    for count in (0, 1, 2, 7):
        assert len(resample(np.ones(count), 44100, 8000)) == -(-count * 80 // 441)
    same = np.arange(5, dtype=np.float32)
    assert resample(same, 8000, 8000) is same


# -- files


@pytest.mark.parametrize(
    ("suffix", "form", "least"),
    [
        ("wav", {"subtype": "PCM_16"}, 4e-5),
        ("wav", {"subtype": "PCM_24"}, 4e-5),
        ("wav", {"subtype": "PCM_32"}, 4e-5),
        ("wav", {"subtype": "PCM_U8"}, 1e-2),
        ("wav", {"subtype": "FLOAT"}, 4e-5),
        ("wav", {"subtype": "DOUBLE"}, 4e-5),
        ("wav", {"format": "RF64"}, 4e-5),
        ("wav", {"format": "WAVEX"}, 4e-5),
        ("flac", {}, 4e-5),
        ("ogg", {}, 0.05),
        ("oga", {"format": "OGG"}, 0.05),
        ("mp3", {}, 0.1),
    ],
)
def test_forms(tmp_path, suffix, form, least):
    path = wav(tmp_path / f"a.{suffix}", sine(8000), **form)
    header = read_header(str(path))
    assert (header.rate, header.channels) == (8000, 1)
    samples, about = decode_sound(str(path), FORM)
    assert samples.dtype == np.int16
    assert about[:2] == [8000, 1]
    got = samples[: len(sine(8000))] / 32768
    assert len(got) >= 3900
    assert np.abs(got[400:3600] - sine(8000)[400:3600]).max() < least
    # The same bytes in an archive or in memory.
    other, same = decode_sound("a", FORM, lambda _: path.read_bytes())
    assert np.array_equal(other, samples)
    assert same == about


def test_whole_numbers_of_sixteen_bits_come_through_as_they_are(tmp_path):
    values = np.random.default_rng(0).integers(-32768, 32768, 900).astype(np.int16)
    (tmp_path / "a.wav").write_bytes(to_wav(values, 8000))
    assert np.array_equal(decode_sound(str(tmp_path / "a.wav"), FORM)[0], values)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        assert file.readframes(900) == values.tobytes()


@pytest.mark.parametrize("channels", [2, 3, 8])
def test_channels_become_their_mean(tmp_path, channels):
    values = np.stack([sine(8000, frequency=300 + 100 * i) for i in range(channels)], 1)
    samples, about = decode_sound(str(wav(tmp_path / "a.wav", values)), FORM)
    assert about[1] == channels
    assert samples / 32768 == pytest.approx(values.mean(1), abs=5e-5)


def test_channels_that_cancel_leave_the_first(tmp_path):
    values = np.stack([sine(8000), -sine(8000)], 1)
    samples, about = decode_sound(str(wav(tmp_path / "a.wav", values)), FORM)
    assert about[5] == CANCELLED
    assert samples / 32768 == pytest.approx(sine(8000), abs=5e-5)


def test_numbers_without_a_level_are_made_smaller(tmp_path):
    samples, about = decode_sound(str(wav(tmp_path / "a.wav", 2e4 * sine(8000), subtype="FLOAT")), FORM)
    assert about[5] == SCALED
    assert abs(samples).max() >= 32700
    # A little beyond one is only cut: the others' levels stay what they are.
    samples, about = decode_sound(str(wav(tmp_path / "b.wav", 2.4 * sine(8000), subtype="FLOAT")), FORM)
    assert about[5] == 0
    assert np.median(abs(samples)) > 17_000


def test_long_recordings_are_read_up_to_a_length(tmp_path):
    # Three hours, of which the file itself holds nothing but zeros on no disk.
    path, size = tmp_path / "long.wav", 3 * 3600 * 8000 * 2
    head = bytearray(to_wav(np.zeros(0, np.int16), 8000))
    head[4:8], head[40:44] = (size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")
    path.write_bytes(head)
    with path.open("r+b") as file:
        file.truncate(size + 44)
    samples, about = decode_sound(str(path), SoundForm(8000, 2.0))
    assert len(samples) == 16_000
    assert about[2] == 3 * 3600 * 1000
    assert about[5] == 0


def test_a_file_cut_off_says_so(tmp_path):
    for suffix in ("wav", "flac"):
        path = wav(tmp_path / f"a.{suffix}", np.random.default_rng(0).uniform(-0.5, 0.5, 40_000))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        # What is left of a FLAC file ends within a frame.
        if suffix == "flac":
            with pytest.raises(Unreadable, match=r"is damaged \(it begins like FLAC: "):
                decode_sound(str(path), FORM)
            continue
        samples, about = decode_sound(str(path), FORM)
        assert about[5] == CUT_OFF
        assert 15_000 < len(samples) < 25_000


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty (0 bytes)"),
        (b"hello\nthere\n", "is not a recording that can be read (it is text)"),
        (b"hello, this is a text", "is not a recording that can be read (it is text)"),
        (b"<html><body>404</body>", "is not a recording that can be read (it is text)"),
        (
            b"\x89PNG\r\n\x1a\n" + bytes(40),
            "is not a recording that can be read (it starts with b'\\x89PNG\\r\\n\\x1a\\n')",
        ),
        (
            b"\0\0\0\x20ftypM4A " + bytes(40),
            "is not a recording that can be read (it is AAC (M4A) or video; save it as WAV, FLAC or MP3)",
        ),
        (b"FORM\0\0\0\x20AIFF" + bytes(40), "is not a recording that can be read (it is AIFF; save it as WAV or FLAC)"),
        (b"RIFF\x10\0\0\0WAVE" + bytes(8), "is damaged (it begins like WAV: "),
        (b"fLaC" + bytes(60), "is damaged (it begins like FLAC: "),
        (b"OggS" + bytes(60), "is damaged (it begins like OGG: "),
        (to_wav(np.zeros(0, np.int16), 8000), "holds no samples"),
        (to_wav(np.ones(9, np.int16), 5), "claims 5 samples a second; 1,000 to 384,000 are read"),
    ],
)
def test_what_is_no_recording_is_named_as_what_it_is(tmp_path, content, why):
    (tmp_path / "a.wav").write_bytes(content)
    for fetch in (None, lambda path: content):
        with pytest.raises(Unreadable) as caught:
            decode_sound(str(tmp_path / "a.wav"), FORM, fetch)
        assert str(caught.value).startswith(why)


def test_files_that_are_none(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    for name, why in {"no.wav": "does not exist", "folder.wav": "is not a file", "": "there is no path"}.items():
        with pytest.raises(Unreadable) as caught:
            decode_sound(str(tmp_path / name) if name else "", FORM)
        assert str(caught.value).startswith((why, "can't be opened"))


def test_values_that_are_no_numbers(tmp_path):
    values = sine(8000)
    values[100] = np.nan
    with pytest.raises(Unreadable, match="has values that are not finite numbers"):
        decode_sound(str(wav(tmp_path / "a.wav", values, subtype="FLOAT")), FORM)


def test_more_channels_than_are_believed(tmp_path):
    path = wav(tmp_path / "a.wav", np.zeros((4, 100)))
    with pytest.raises(Unreadable, match="claims 100 channels, more than the 64 that are read"):
        decode_sound(str(path), FORM)


def test_the_first_bytes_tell_the_form():
    known = {b"RIFF\0\0\0\0WAVE": "WAV", b"RIFX\0\0\0\0WAVE": "WAV", b"fLaC": "FLAC", b"OggS": "OGG", b"ID3\4": "MP3"}
    known |= {b"\xff\xfb\x90\x00": "MP3", b"\xff\xff\xff\xff": "", b"RIFF\0\0\0\0WEBP": "", b"\xff\xd8\xff\xe0": ""}
    assert {head: sound_format(head) for head in known} == known


# -- clipped and silent


def test_clipped_samples_are_counted(tmp_path):
    def clipped(values, **form):
        return decode_sound(str(wav(tmp_path / "a.wav", values, **form)), FORM)[1][4] / 1e6

    loud = np.clip(3 * sine(8000, 1.0, 100.0), -0.9, 0.9)
    assert clipped(loud) == pytest.approx(np.mean(abs(loud) >= 0.9), abs=0.05)
    assert clipped(sine(8000, 1.0, 100.0, 0.99)) == 0
    # Soft tones with corners are how a synthesizer makes them.
    assert clipped(0.2 * np.sign(sine(8000))) == 0
    assert decode_sound(str(wav(tmp_path / "a.wav", np.zeros(800))), FORM)[1][3] == 0


# -- the kind


def test_recognised_by_names_and_by_contents(tmp_path):
    names = []
    for i in range(6):
        names.append(f"{i}.{'wav' if i % 2 else 'flac'}")
        wav(tmp_path / names[-1], sine(44100 if i == 5 else 8000, 0.1 * (i + 1)), 44100 if i == 5 else 8000)
    kind, guess = recognise(column_of(tmp_path, names))
    assert kind is SOUND
    assert (guess.settings["rate"], guess.settings["seconds"]) == (8000, 30.0)
    assert guess.reason == "6 recordings of 0.35 s on average, 8,000 to 44,100 Hz, brought to 8,000 Hz"
    held = pl.Series("clip", [(tmp_path / name).read_bytes() for name in names], pl.Binary)
    assert recognise(Column("clip", held))[0] is SOUND
    photo = pl.Series("clip", [b"RIFF\0\0\0\0WEBPVP8 "] * 6, pl.Binary)
    assert recognise(Column("clip", photo))[0] is not SOUND


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        ({8000: 5}, 8000),
        ({44100: 5}, 16000),
        ({44100: 5, 8000: 6}, 8000),
        ({48000: 9, 8000: 6}, 16000),
        ({11025: 1}, 11025),
    ],
)
def test_one_rate_for_all(rates, chosen):
    assert choose_rate(rates)[0] == chosen


def test_one_bad_file_of_a_sort_each_and_the_rest_is_read(tmp_path):
    good = [wav(tmp_path / f"{i}.wav", sine(8000, 0.2 + 0.01 * i)).name for i in range(4)]
    wav(tmp_path / "stereo.wav", np.stack([sine(16000)] * 2, 1), 16000)
    wav(tmp_path / "long.wav", sine(8000, 3.0))
    (tmp_path / "text.wav").write_text("no sound at all")
    (tmp_path / "none.wav").write_bytes(to_wav(np.zeros(0, np.int16), 8000))
    whole = wav(tmp_path / "half.wav", sine(8000, 1.0)).read_bytes()
    (tmp_path / "half.wav").write_bytes(whole[:8044])
    names = [*good, "stereo.wav", "long.wav", "text.wav", "none.wav", "half.wav", "gone.wav"]
    notes = []
    stored = SOUND.store(column_of(tmp_path, names), {"rate": 8000, "seconds": 2.0}, notes.append)
    said = [str(note) for note in notes]
    assert stored.bad.tolist() == [6, 7, 9]
    assert f"{tmp_path}/text.wav: is not a recording that can be read (it is text); left out" in said
    assert f"{tmp_path}/none.wav: holds no samples; left out" in said
    assert f"{tmp_path}/gone.wav: does not exist; left out" in said
    assert f"{tmp_path}/long.wav: 1 recording is longer than 2 s; what comes later is not read" in said
    assert f"{tmp_path}/half.wav: 1 recording is cut off: there is less than the header promises" in said
    assert "column 'clip': 1 of 7 recordings resampled to 8,000 Hz (1 of 16,000 Hz)" in said
    assert "column 'clip': 1 of 7 recordings of several channels made one of their mean" in said
    lengths = np.diff(stored.arrays["ends"], prepend=0).tolist()
    assert lengths == [1600, 1680, 1760, 1840, 4000, 16000, 0, 0, 4000, 0]
    sounds = SOUND.encode(stored, {"rate": 8000})
    assert sounds[1] / 32768 == pytest.approx(sine(8000, 0.21), abs=4e-5)
    assert sounds[4][40:-40] / 32768 == pytest.approx(sine(8000, 0.5)[40:-40], abs=1e-2)


# -- spectra


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 1000])
def test_the_spectrum_is_what_its_formula_says(rate):
    form = mel_form(rate)
    samples = np.random.default_rng(rate).integers(-20000, 20000, form.frame + 3 * form.hop + 1).astype(np.int16)
    got = log_mel(samples, form)
    assert got.shape == (4, form.bands)
    n, size = np.arange(form.frame), form.spectrum
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / form.frame)
    low, high = min(20.0, rate / 8), rate / 2
    mel = np.linspace(2595 * np.log10(1 + low / 700), 2595 * np.log10(1 + high / 700), form.bands + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    for t in (0, 3):
        x = samples[t * form.hop : t * form.hop + form.frame] / 32768 * 2 * hann / hann.sum()
        power = [abs(np.sum(x * np.exp(-2j * np.pi * k * n / size))) ** 2 for k in range(size // 2 + 1)]
        for c in (0, form.bands // 2, form.bands - 1):
            a, b, e = edges[c : c + 3]
            weights = [
                max(0, min((f - a) / (b - a), (e - f) / (e - b))) for f in np.arange(size // 2 + 1) * rate / size
            ]
            assert sum(weights) > 0
            assert got[t, c] == pytest.approx(10 * np.log10(max(np.dot(power, weights), 1e-10)), abs=1e-3)


def test_a_tone_lies_in_its_band_and_the_loudest_is_near_zero():
    form = mel_form(8000)
    for frequency in (200.0, 1000.0, 3000.0):
        got = log_mel((32767 * sine(8000, 0.3, frequency, 1.0)).astype(np.int16), form).mean(0)
        assert abs(form.centres[got.argmax()] - frequency) < 0.12 * frequency
        assert -3 < got.max() < 3
    assert log_mel(np.zeros(800, np.int16), form).max() == pytest.approx(-100, rel=1e-6)
    # Shorter than a frame is one frame.
    assert log_mel(np.zeros(10, np.int16), form).shape == (1, 40)
    assert form.frames_of(np.array([0, 199, 200, 279, 280])).tolist() == [1, 1, 1, 1, 2]


def test_pictures_and_sounds_of_a_page(tmp_path):
    from PIL import Image

    names = [wav(tmp_path / f"{i}.wav", sine(8000, seconds, 900.0)).name for i, seconds in enumerate((0.01, 0.4, 20.0))]
    stored = SOUND.store(column_of(tmp_path, names), {"rate": 8000}, lambda note: None)
    for row, most in enumerate((80, 3200, 48_000)):
        picture = np.asarray(Image.open(io.BytesIO(SOUND.show(stored, row))))
        assert picture.shape == (128, 256, 3)
        bright = picture.sum(-1).mean(1)
        # 900 Hz lies below the middle, and low pitch is below.
        assert 128 * 0.45 < bright.argmax() < 128 * 0.75
        with wave.open(io.BytesIO(SOUND.hear(stored, row))) as file:
            assert file.getnframes() == most
    assert KINDS["number"].hear(stored, 0) == b""
