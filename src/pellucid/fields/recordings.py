"""From the bytes of a sound file to samples. S samples of one recording, n recordings."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from .encoded import Into
from .files import Fetch, Unreadable, core_count, explain_damage, looks_like, opened_file
from .resampling import resample

if TYPE_CHECKING:
    from soundfile import SoundFile

SUFFIXES = ("wav", "flac", "ogg", "oga", "mp3")

# Rates that are believed, samples a second.
LOWEST_RATE, HIGHEST_RATE = 1_000, 384_000

# Channels that are read: a file may claim a thousand.
MOST_CHANNELS = 64

# Numbers of all channels that are decoded at a time.
VALUES_AT_ONCE = 1 << 22

# Recordings whose samples are waited for together, before they are written down in their order.
FILES_AT_ONCE = 256

# What a WAV file claims where its writer did not know how long it would become.
UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFF000)

# How loud the loudest value must be where a recording is clipped.
CLIPPED_LEVEL = 0.5

# Times the loudest there can be: numbers of floating point that are larger were never meant as shares of it.
OVERFULL = 2.0

# What is kept of a file beside its samples, so that checks need no file: samples a second, channels, milliseconds of
# all of it, peak (of 32,767), clipped samples among a million, and what was odd, as bits.
ABOUT = ("rate", "channels", "milliseconds", "peak", "clipped", "odd")

CUT_OFF, SCALED, CANCELLED = 1, 2, 4

# What stands in texts beside letters and marks, as a space.
BLANKS = dict.fromkeys(map(ord, "\t\n\r"), " ")


@dataclass(frozen=True)
class SoundForm:
    """What every recording of a field becomes.

    Attributes:
        rate: samples a second. seconds: what comes later in a recording is not read.
    """

    rate: int
    seconds: float

    @property
    def most_samples(self) -> int:
        return round(self.seconds * self.rate)


@dataclass(frozen=True)
class Header:
    """What a sound file says of itself: samples a second, channels, samples of each."""

    rate: int
    channels: int
    frames: int

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def sound_format(data: bytes) -> str:
    """What a file is, by its first bytes; empty for what is no recording that is read."""
    if data[:4] in (b"RIFF", b"RIFX", b"RF64") and data[8:12] == b"WAVE":
        return "WAV"
    if data[:4] in (b"fLaC", b"OggS"):
        return "FLAC" if data[:1] == b"f" else "OGG"
    # A tag, or the eleven bits that each frame begins with and a layer, rate and frequency that there are.
    frame = len(data) > 3 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x18 != 0x08
    real = frame and data[1] & 0x06 and data[2] & 0xF0 != 0xF0 and data[2] & 0x0C != 0x0C
    return "MP3" if data[:3] == b"ID3" or real else ""


@contextmanager
def opened_sound(path: str, fetch: Fetch | None) -> Iterator[SoundFile]:
    """A sound file with its header read and its samples not. Raises Unreadable."""
    if fetch is not None:
        data = fetch(path)
        with _opened(BytesIO(data), data[:16], len(data)) as file:
            yield file
        return
    with opened_file(path) as handle:
        head, size = os.read(handle, 16), os.fstat(handle).st_size
        os.lseek(handle, 0, os.SEEK_SET)
        # The handle itself and no copy of the file in memory: an hour of music has hundreds of megabytes.
        with _opened(handle, head, size) as file:
            yield file


@contextmanager
def _opened(source: Any, head: bytes, size: int) -> Iterator[SoundFile]:
    import soundfile

    if not size:
        raise Unreadable("is empty (0 bytes)")
    # Only these go to the library: it knows two dozen formats, some of them without any header.
    name = sound_format(head)
    if not name:
        raise Unreadable(f"is not a recording that can be read ({_looks_like(head)})")
    try:
        with soundfile.SoundFile(source, closefd=False) as file:
            if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
                low, high = f"{LOWEST_RATE:,}", f"{HIGHEST_RATE:,}"
                raise Unreadable(f"claims {file.samplerate:,} samples a second; {low} to {high} are read")
            if file.channels > MOST_CHANNELS:
                raise Unreadable(f"claims {file.channels:,} channels, more than the {MOST_CHANNELS} that are read")
            yield file
    except (soundfile.SoundFileError, RuntimeError, OSError, ValueError) as error:
        raise Unreadable(f"is damaged ({_explain(error, name)})") from None


def _looks_like(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return "it is AAC (M4A) or video; save it as WAV, FLAC or MP3"
    if head[:4] == b"FORM":
        return "it is AIFF; save it as WAV or FLAC"
    return "it is text" if head.isascii() and head.decode().translate(BLANKS).isprintable() else looks_like(head)


def _explain(error: Exception, name: str) -> str:
    """What the library says, without the object's address in memory."""
    said = explain_damage(error).rpartition(": ")[2]
    return f"it begins like {name}: {said.strip().rstrip('.')}"


def read_header(path: str, fetch: Fetch | None = None) -> Header:
    """What a file says of itself. Raises Unreadable."""
    with opened_sound(path, fetch) as file:
        return Header(file.samplerate, file.channels, max(0, file.frames))


def decode_sound(path: str, form: SoundForm, fetch: Fetch | None = None) -> tuple[np.ndarray, list[int]]:
    """Samples (S,) int16 of a file, at the form's rate, the mean of its channels, and what ``ABOUT`` names.

    Raises Unreadable.
    """
    with opened_sound(path, fetch) as file:
        wanted = min(round(form.seconds * file.samplerate) + 1, max(0, file.frames))
        mono, first = _read_mixed(file, wanted)
        if not np.isfinite(mono).all():
            raise Unreadable("has values that are not finite numbers")
        if not len(mono):
            raise Unreadable("holds no samples")
        rate, channels, claimed = file.samplerate, file.channels, _claimed_frames(path, fetch, file)
        fine = "8" not in file.subtype
        floating = file.subtype in ("FLOAT", "DOUBLE")
    odd = CUT_OFF if len(mono) < min(wanted, claimed) or claimed > file.frames else 0
    # Two channels of which one is the other upside down would come to nothing.
    if channels > 1 and np.abs(mono).max() < 0.01 * np.abs(first).max():
        mono, odd = first, odd | CANCELLED
    peak = float(np.abs(mono).max())
    if floating and peak > OVERFULL:
        mono, odd = mono / peak, odd | SCALED
    clipped = _clipped_share(mono) if fine else 0.0
    samples = resample(mono, rate, form.rate)[: form.most_samples]
    whole = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
    seconds = max(claimed, len(mono)) / rate
    loud = min(32767, round(min(peak, 1.0) * 32767))
    return whole, [rate, channels, min(round(1000 * seconds), 2**31 - 1), loud, round(1e6 * clipped), odd]


def _read_mixed(file: SoundFile, wanted: int) -> tuple[np.ndarray, np.ndarray]:  # (S,), (S,) float32
    """The mean of all channels, and the first one; fewer than ``wanted`` where the file ends before."""
    step = max(1, VALUES_AT_ONCE // file.channels)
    mixed, first = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    while wanted > 0:
        block = file.read(min(step, wanted), dtype="float32", always_2d=True)  # (s, channels)
        if not len(block):
            break
        wanted -= len(block)
        mixed.append(block.mean(1) if file.channels > 1 else block[:, 0])
        first.append(block[:, 0])
    return np.concatenate(mixed), np.concatenate(first)


def _claimed_frames(path: str, fetch: Fetch | None, file: SoundFile) -> int:
    """Samples that a WAV file's header promises, which may be more than are there; else what the library says."""
    known = max(0, file.frames)
    if file.format not in ("WAV", "WAVEX") or not (size := _data_size(path, fetch)) or size in UNKNOWN_SIZES:
        return known
    bits = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32, "DOUBLE": 64}
    width = bits.get(file.subtype, 0) // 8 * file.channels
    return max(known, size // width) if width else known


def _data_size(path: str, fetch: Fetch | None) -> int:
    """What the chunk of samples of a WAV file says of its size; 0 where it is not found near the beginning."""
    if fetch is not None:
        head = fetch(path)[:4096]
    else:
        with opened_file(path) as handle:
            head = os.read(handle, 4096)
    order = "big" if head[:4] == b"RIFX" else "little"
    at = 12
    while at + 8 <= len(head):
        size = int.from_bytes(head[at + 4 : at + 8], order)  # type: ignore[arg-type]
        if head[at : at + 4] == b"data":
            return size
        at += 8 + size + size % 2
    return 0


def _clipped_share(samples: np.ndarray) -> float:
    """The share of samples in runs of three and more at the loudest value, as what was too loud leaves them."""
    size = np.abs(samples)
    peak = min(float(size.max(initial=0)), 1.0)
    if peak < CLIPPED_LEVEL:
        return 0.0
    top = size >= peak - 2**-15
    runs = top[2:] & top[1:-1] & top[:-2]
    return float(runs.mean()) if len(runs) else 0.0


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_headers(paths: Sequence[str], fetch: Fetch | None) -> list[Header | Unreadable]:
    """What each file says of itself, or why that can't be read, on all cores."""

    def read_one(path: str) -> Header | Unreadable:
        try:
            return read_header(path, fetch)
        except Unreadable as why:
            return why

    with _quiet(), ThreadPoolExecutor(max(2, core_count())) as pool:
        return list(pool.map(read_one, paths, chunksize=64))


def decode_files(
    paths: Sequence[str], form: SoundForm, into: Into, fetch: Fetch | None
) -> tuple[dict[str, np.ndarray], dict[int, str]]:
    """Every file decoded, on all cores: ``samples`` (total,) int16 one recording after the other, ``ends`` (n,) int64
    where each ends, ``about`` (n, 6) int32, see ``ABOUT``.

    Returns:
        The arrays, made by ``into``; by row, why a file can't be read, which then has no samples.
    """
    headers = read_headers(paths, fetch)
    bad = {row: str(one) for row, one in enumerate(headers) if isinstance(one, Unreadable)}
    # As many as the headers claim: a file that turns out shorter leaves room at the end, where no recording is.
    known = [one for one in headers if isinstance(one, Header)]
    total = sum(min(form.most_samples, -(-one.frames * form.rate // one.rate) + 1) for one in known)
    samples = into("samples", (total,), np.int16)
    ends, about = into("ends", (len(paths),), np.int64), into("about", (len(paths), len(ABOUT)), np.int32)

    def decode_one(row: int) -> tuple[np.ndarray, list[int]] | Unreadable | None:
        if row in bad:
            return None
        try:
            return decode_sound(paths[row], form, fetch)
        except Unreadable as why:
            return why

    used = 0
    with _quiet(), ThreadPoolExecutor(max(2, core_count())) as pool:
        for start in range(0, len(paths), FILES_AT_ONCE):
            rows = range(start, min(start + FILES_AT_ONCE, len(paths)))
            for row, one in zip(rows, pool.map(decode_one, rows), strict=True):
                if isinstance(one, Unreadable):
                    bad[row] = str(one)
                elif one is not None:
                    own = one[0][: total - used]
                    samples[used : used + len(own)], about[row] = own, one[1]
                    used += len(own)
                ends[row] = used
    return {"samples": samples, "ends": ends, "about": about}, bad


def to_wav(samples: np.ndarray, rate: int) -> bytes:  # (S,) int16
    """The bytes of a WAV file of 16 bits, one channel."""
    return _wav_bytes(np.ascontiguousarray(samples, "<i2"), 1, rate)


def pack_samples(samples: np.ndarray, rate: int) -> bytes:  # (S,), (S, C) or (C, S)
    """Samples in memory as the bytes of a WAV file: whole numbers of 8, 16 or 32 bits as such, others as they are.

    Whole numbers of 64 bits, as lists of them have, are taken for 16 bits where they fit.
    """
    # There are more samples than channels.
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        samples = samples.T
    kind = samples.dtype
    if kind.kind == "f":
        return _wav_bytes(np.ascontiguousarray(samples, "<f4"), 3, rate)
    if kind == np.uint8 or kind.itemsize == 4:
        return _wav_bytes(np.ascontiguousarray(samples, "u1" if kind == np.uint8 else "<i4"), 1, rate)
    fits = np.abs(samples.astype(np.float64)).max(initial=0) <= 1 << 15
    bits = 16 if fits else 32
    whole = samples.clip(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    return _wav_bytes(np.ascontiguousarray(whole, f"<i{bits // 8}"), 1, rate)


def _wav_bytes(samples: np.ndarray, form: int, rate: int) -> bytes:  # (S,) or (S, C)
    """A WAV file. ``form``: 1 for whole numbers, 3 for floating point."""
    data, width = samples.tobytes(), samples.itemsize
    channels = samples.shape[1] if samples.ndim == 2 else 1
    parts = (16, form, channels, rate, width * channels * rate, width * channels, 8 * width)
    sizes = (4, 2, 2, 4, 4, 2, 2)
    head = b"".join(part.to_bytes(size, "little") for part, size in zip(parts, sizes, strict=True))
    body = b"WAVEfmt " + head + b"data" + len(data).to_bytes(4, "little") + data
    return b"RIFF" + len(body).to_bytes(4, "little") + body
