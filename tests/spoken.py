"""Clips in which letters are tones, to learn to write: each letter has a pitch, and silence stands between words."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pellucid.fields.recordings import to_wav

RATE = 8000

PITCHES = {"a": 400.0, "b": 700.0, "c": 1200.0, "d": 2000.0}


def speak(text: str, rng: np.random.Generator) -> np.ndarray:  # -> (S,) int16
    """What a text sounds like: an eighth of a second for each letter, about, and a tenth of silence between words."""
    parts = []
    for letter in text:
        time = np.arange(round(rng.uniform(0.1, 0.15) * RATE)) / RATE
        loud = 0.3 * np.minimum(1, 40 * np.minimum(time, time[-1] - time))
        wave = np.sin(2 * np.pi * PITCHES[letter] * rng.uniform(0.97, 1.03) * time) if letter != " " else 0 * time
        parts.append(32767 * loud * wave + rng.normal(0, 20, len(time)))
    return np.concatenate(parts).astype(np.int16)


def draw_text(rng: np.random.Generator) -> str:
    """Two or three words of one to three letters, none of them twice in a row."""
    words = []
    for _ in range(rng.integers(2, 4)):
        word = ""
        for _ in range(rng.integers(1, 4)):
            word += rng.choice([one for one in PITCHES if one != word[-1:]])
        words.append(word)
    return " ".join(words)


def write_clips(root: Path, count: int = 60, seed: int = 0) -> Path:
    """A folder of clips, each with a .txt of what is said in it."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        text = draw_text(rng)
        (root / f"{i:03}.wav").write_bytes(to_wav(speak(text, rng), RATE))
        (root / f"{i:03}.txt").write_text(f"{text}\n")
    return root
