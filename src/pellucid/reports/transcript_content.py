"""What was written of recordings, as a page shows it: the worst beside the true texts, and the words that are confused.

n examples, m of them that are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics.edits import align_edits, count_error_pairs
from ..outputs.letter_model import say_letters
from ..tasks.transcript import LETTER_EDITS, LETTERS, WORD_EDITS, WORDS, TranscriptTask
from ..training.evaluate import Answers
from .data_content import shown_inputs, shown_targets

if TYPE_CHECKING:
    from ..data import Examples
    from ..runs.run import Run

# Recordings and errors of words that are shown, and texts whose errors are counted.
SHOWN, MOST_PAIRS, MOST_COUNTED = 12, 24, 20_000

# Groups that recordings are put in by how many words are said.
GROUPS = 5


def transcript_content(run: Run, data: Examples, rows: np.ndarray, answers: Answers) -> dict[str, Any]:
    """The recordings with the most wrong words, which words are taken for which, and errors by length.

    Args:
        rows: (n,) of the examples. answers: raw answers (n, R), written, and targets (n, 1) of these rows.
    """
    task: TranscriptTask = run.network.output.task
    raw = np.asarray(answers[0], np.float64)
    # Of equally many wrong words, those with more wrong letters.
    worst = np.lexsort((-raw[:, LETTER_EDITS], -raw[:, WORD_EDITS]))[:SHOWN]
    worst = worst[raw[worst, WORD_EDITS] > 0]
    said, true = task.written_texts(raw[worst]), shown_targets(task, data, rows[worst])
    counted = np.linspace(0, len(rows) - 1, min(len(rows), MOST_COUNTED)).astype(np.int64)
    pairs = count_error_pairs(
        zip(shown_targets(task, data, rows[counted]), task.written_texts(raw[counted]), strict=True)
    )
    return {
        "worst": [
            {
                "shown": shown_inputs(data, int(rows[i])),
                "words": word_steps(right, written),
                "wrong": round(raw[i, WORD_EDITS]),
                "letters": float(raw[i, LETTER_EDITS] / max(raw[i, LETTERS], 1)),
                "where": data.short_title(int(rows[i])),
            }
            for i, right, written in zip(worst.tolist(), true, said, strict=True)
        ],
        "pairs": [(*pair, count) for pair, count in ranked_pairs(pairs)[:MOST_PAIRS]],
        "errors": sum(pairs.values()),
        "by_length": length_groups(raw[:, WORD_EDITS], raw[:, WORDS]),
        "letters": say_letters(run.record.get("letters")),
    }


def word_steps(true: str, said: str) -> list[tuple[str, str]]:
    """The words of both texts side by side, those that belong together in a pair; "" where one has none."""
    steps = align_edits(true.split(), said.split())
    return [(str(step.true or ""), str(step.said or "")) for step in steps]


def ranked_pairs(pairs: Mapping[tuple[str, str], int] | Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    """Errors of words, the commonest first, then by the words."""
    return sorted(pairs.items(), key=lambda one: (-one[1], one[0]))


def length_groups(edits: np.ndarray, words: np.ndarray) -> list[dict[str, Any]]:  # (n,), (n,)
    """Wrong words by how many are said: ``words`` from and to, ``count`` of recordings, ``wrong`` as a share."""
    edges = np.unique(np.quantile(words, np.linspace(0, 1, GROUPS + 1)).astype(int))
    group = np.searchsorted(edges[1:-1], words, "right")
    return [
        {
            "words": (int(words[own].min()), int(words[own].max())),
            "count": int(own.sum()),
            "wrong": float(edits[own].sum() / max(words[own].sum(), 1)),
        }
        for own in (group == i for i in range(len(edges)))
        if own.any()
    ]
