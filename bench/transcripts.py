"""Spoken digits (FSDD), three to seven of one speaker joined to a clip: sound to text, official parts and new speakers.

Clips of the test set are joined of recordings 0 to 4 of each digit, the official test; those of validation of 5 to 9,
and those of training of the others. With a speaker left out the test set is that speaker alone. Digits follow each
other without a pause, as the recordings are trimmed.
"""

from __future__ import annotations

import csv
import random
import statistics
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common import CACHE, arguments, made_once, pellucid, report, spread
from sound import SPEAKERS, recordings

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

RATE = 8_000

# Digits of a clip, the fewest and the most.
DIGITS = 3, 7

# Clips of each part.
TRAIN, VALIDATION, TEST = 3_000, 200, 500

# Of a speaker and the number of a recording, the part whose clips it may be in.
Part = Callable[[str, int], str]


def samples_of(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return file.readframes(file.getnframes())


def write_clip(path: Path, parts: Sequence[bytes]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"".join(parts))


def clips(name: str, part: Part) -> Path:
    """A folder with clips and a table that says what is said in each, and which part it is in."""

    def write(folder: Path) -> None:
        found = sorted((recordings() / "recordings").glob("*.wav"))
        sounds = {tuple(path.stem.split("_")): samples_of(path) for path in found}
        rng, rows = random.Random(0), []
        (folder / "clips").mkdir()
        for which, count in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
            own = [key for key in sounds if part(key[1], int(key[2])) == which]
            speakers = sorted({speaker for _, speaker, _ in own})
            for i in range(count):
                speaker = rng.choice(speakers)
                known = {digit: [k for k in own if k[:2] == (str(digit), speaker)] for digit in range(10)}
                digits = [rng.randrange(10) for _ in range(rng.randint(*DIGITS))]
                path = f"clips/{which}-{i:04}.wav"
                write_clip(folder / path, [sounds[rng.choice(known[digit])] for digit in digits])
                rows.append((path, " ".join(WORDS[digit] for digit in digits), which))
        with (folder / "metadata.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["clip", "transcript", "split"])
            table.writerows(rows)

    return made_once(f"digits-{name}", write)


def official(speaker: str, index: int) -> str:
    return "test" if index < 5 else "validation" if index < 10 else "train"


def without(left: str) -> Part:
    return lambda speaker, index: "test" if speaker == left else "validation" if index < 5 else "train"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--networks", nargs="+", default=["planned"])
    parser.add_argument("--seconds", type=int, nargs=2, default=[180, 180], help="official parts, a speaker left out")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--speakers", nargs="*", default=SPEAKERS, help="left out in turn")
    given = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    rows = []
    for network in given.networks:
        folder = clips("official", official)
        runs = [train(folder, network, given.seconds[0], seed) for seed in range(given.seeds)]
        rows.append(row(network, "official parts", given.seconds[0], runs, "≤ .015"))
        means = []
        for speaker in given.speakers:
            folder = clips(f"without-{speaker}", without(speaker))
            runs = [train(folder, network, given.seconds[1], seed) for seed in range(given.seeds)]
            rows.append(row(network, f"without {speaker}", given.seconds[1], runs, ""))
            means.append(statistics.mean(run["value"] for run in runs))
        if means:
            rows.append([network, f"mean of the {len(means)}", "", f"{statistics.mean(means):.4f}", "", ""])
    header = ("network", "test", "budget, s", "word error rate", "seconds", "wanted")
    note = (
        f"{TRAIN:,} clips to learn from, {VALIDATION} to choose on, {TEST} to test on, of {DIGITS[0]} to {DIGITS[1]} "
        f"digits; searched with a letter model where validation chose that; {given.seeds} seed(s)."
    )
    report("Transcripts: joined digits", header, rows, note, given.write)


def train(folder: Path, network: str, seconds: int, seed: int) -> dict[str, Any]:
    own = () if network == "planned" else ("--network", network)
    return pellucid(folder, "--target", "transcript", *own, "--budget", f"{seconds}s", "--seed", seed)


def row(network: str, name: str, budget: int, runs: list[dict[str, Any]], wanted: str) -> list[str]:
    values, seconds = [run["value"] for run in runs], [run["seconds"] for run in runs]
    return [network, name, str(budget), spread(values, 4), spread(seconds, 1), wanted]


if __name__ == "__main__":
    main()
