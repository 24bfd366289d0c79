"""What a language model writes after several prompts, as predictions are. n prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..errors import PellucidError
from ..fields import Note
from .predictions import INPUT, ROW, Predictions
from .writing import USUAL_LENGTH, Writer, check_writing, plain_prompt, prompt_length, unknown_signs

if TYPE_CHECKING:
    from .run import Run

# Of a prompt, that is its name.
NAMED_CHARACTERS = 60


class WrittenTexts:
    """Makes texts of their numbers, which stand in for raw answers.

    Args:
        texts: n of them.
    """

    def __init__(self, texts: Sequence[str]):
        self.texts = list(texts)

    def decode(self, raw: np.ndarray) -> list[dict[str, Any]]:  # (m, 1) -> m answers
        return [{"written": self.texts[int(i)]} for i in np.asarray(raw)[:, 0]]

    def tabulate(self, raw: np.ndarray) -> dict[str, list[str]]:  # (m, 1) -> a column
        return {"written": [self.texts[int(i)] for i in np.asarray(raw)[:, 0]]}


class WritingPieces:
    """What comes after each prompt, as ``PredictionPieces`` are; each prompt has its own number, so that they differ.

    Args:
        prompts: n of them; none stands for an empty one. how: see ``writing.check_writing``.

    Attributes:
        advance: hears of so many more texts that were written.

    Raises:
        UsageError: for settings that mean nothing.
    """

    def __init__(self, run: Run, prompts: Sequence[str], **how: Any):
        self.prompts = [plain_prompt(prompt) for prompt in prompts] or [""]
        asked = check_writing(how)
        self.length = int(asked.pop("length", USUAL_LENGTH))
        self.writer = Writer(run.network, **asked)
        self.errors, self.notes = dict[int, str](), _notes_on(self.writer, self.prompts)
        self.advance: Callable[[int], None] = lambda texts: None

    def __len__(self) -> int:
        return len(self.prompts)

    def stream(self, place: int) -> Iterator[str]:
        """What is written after one prompt, piece by piece."""
        return self.writer.write(self.prompts[place], self.length, place)

    def __iter__(self) -> Iterator[Predictions]:
        texts = []
        for place in range(len(self.prompts)):
            texts.append("".join(self.stream(place)))
            self.advance(1)
        about = pl.DataFrame(
            {ROW: np.arange(len(texts)), INPUT: [name_prompt(prompt) for prompt in self.prompts]},
            schema_overrides={INPUT: pl.String},
        )
        raw = np.arange(len(texts), dtype=np.float64)[:, None]
        yield Predictions(WrittenTexts(texts), raw, about, {}, self.notes)  # type: ignore[arg-type]


def name_prompt(prompt: str) -> str:
    """A prompt as its own name, its end where it is long: that is what is gone on from."""
    return prompt if len(prompt) <= NAMED_CHARACTERS else "…" + prompt[1 - NAMED_CHARACTERS :]


def _notes_on(writer: Writer, prompts: Sequence[str]) -> list[Note]:
    """What of the prompts is not read as it stands."""
    span, found = writer.span, []
    for i, prompt in enumerate(prompts):
        where = f"text {i + 1}" if len(prompts) > 1 else "the text"
        if unknown := unknown_signs(writer.field, prompt):
            found.append(Note("warning", unknown, where))
        if (size := prompt_length(writer.field, prompt)) > span:
            text = f"it has {size:,} tokens, of which the network reads the last {span:,}, as in training"
            found.append(Note("warning", text, where))
    return found


def check_prompts(inputs: Any) -> None:
    """Raises PellucidError for files given to a language model."""
    if not hasattr(inputs, "__len__") or len(inputs):
        fix = 'give a text to go on from: --text "…"; to score a file: pellucid evaluate'
        raise PellucidError("a language model writes on from texts, and was given files", fix=fix)
