"""The page of an evaluation: the sections of a run's report, on other data."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.parallel.pairs import Pairs
from ..errors import PellucidError, UsageError
from ..metrics.score import Score
from ..storage.atomic import replace_file
from ..tasks.transcript import TranscriptTask
from ..training.evaluate import Answers
from .data_content import class_content, data_content
from .page import EVALUATION, report_page
from .run_report import chosen_thresholds, output_content, worst_answers
from .text_content import text_content
from .transcript_content import transcript_content
from .written_content import written_content

if TYPE_CHECKING:
    from ..data import Examples
    from ..runs.run import Run
    from ..training.loader import Loader
    from .content import Content

# Bytes at the beginning of a file in which a page of ours says that it is one.
HEAD = 2000

# Characters of a file's name that are taken from the data's, most of them.
MOST_NAME = 80


@dataclass(frozen=True)
class Evaluated:
    """What the page of an evaluation is made from.

    Attributes:
        run: that was evaluated. task: what its answers are, by the threshold that was asked for.
        data, rows: the examples (n,) that were used. answers: raw answers (n, R) and targets (n, ...).
        score, baseline: of them. how: arguments of ``Task.score``. targets: each of several by itself.
        warning: that it is no better than the baseline; empty where it is. naive: the baseline's answers, (n, R).
        loader: of the data. context: of a language model, see ``text_content.context_losses``.
    """

    run: Run
    task: Any
    data: Examples
    rows: np.ndarray
    answers: Answers
    score: Score
    baseline: Score
    how: Mapping[str, Any]
    targets: Sequence[Mapping[str, Any]] = ()
    warning: str = ""
    naive: Any = None
    loader: Loader | None = None
    context: Mapping[str, float] | None = None

    def content(self) -> Content:
        """What the page says."""
        run, task, data = self.run, self.task, self.data
        about = data_content(data)
        about["class_parts"] = class_content(task, data, {"evaluated": self.rows})
        return {
            "title": data.name,
            "eyebrow": "Pellucid evaluation",
            "subtitle": " ".join(filter(None, (self.warning, task.say_score(self.score, self.baseline)))),
            "scored": f"evaluated {task.examples}",
            "score": self.score.to_json(),
            "baseline": self.baseline.to_json(),
            "facts": self._facts(),
            "data": about,
            "metric": {"name": task.metric, "higher_is_better": task.higher, "percent": task.percent},
            "importance": None,
            **output_content(task, self.answers, chosen_thresholds(run.record), self.targets, **self.how),
            **self._examples(),
            "protocol": self._protocol(),
            "versions": run.record["versions"],
        }  # type: ignore[typeddict-item]

    def _examples(self) -> Content:
        """Examples that the network errs on; of texts also those it writes best, and where it was surprised."""
        task, naive = self.task, self.naive
        about = self.run, self.data, self.rows, self.answers
        if task.fields[0].traits.written:
            assert self.loader is not None
            found: Content = {}  # type: ignore[typeddict-item]
            found["language"] = text_content(*about, self.loader, context=self.context)
            return found
        if isinstance(task, TranscriptTask):
            return {"transcripts": transcript_content(*about)}  # type: ignore[typeddict-item]
        if not self.run.network.output.writes:
            return {"worst": worst_answers(*about, task=task)}  # type: ignore[typeddict-item]
        known = self.loader.target if self.loader is not None else None
        assert isinstance(known, Pairs)
        if known.is_wordless(self.rows):
            return {"written": written_content(*about)}  # type: ignore[typeddict-item]
        nearest = written_content(*about, lambda chosen: task.written_texts(naive[chosen]), self.baseline.name)
        return {"written": nearest}  # type: ignore[typeddict-item]

    def _facts(self) -> list[tuple[str, Any]]:
        facts: list[tuple[str, Any]] = [
            ("run", self.run.path.name),
            ("network", self.run.plan.network),
            (self.task.examples, f"{len(self.rows):,} of {len(self.data):,}"),
        ]
        level = getattr(self.task, "threshold", None)
        return facts if level is None else [*facts, ("threshold", f"{self.task.sought} from {level:g} on")]

    def _protocol(self) -> str:
        lines = [
            "Nothing was learned or chosen on these examples, unless the run was trained on them. Calibration and "
            "suggested thresholds come from the run's validation set."
        ]
        if self.score.weights:
            lines.append(f"Sample weights in scores: '{self.score.weights}'; counts are not weighted.")
        return " ".join(filter(None, [*lines, self.score.say_blocks()]))

    def write(self, path: str | os.PathLike[str] | None = None, *, force: bool = False) -> Path:
        """Write the page; see ``Evaluation.report``."""
        place = self.default_path() if path is None else Path(os.path.expanduser(path))
        if os.path.lexists(place) and not force and not is_evaluation(place):
            raise PellucidError(
                "there is a file of this name already, which is not an evaluation page",
                where=str(place),
                fix="choose another name",
            )
        html = report_page(self.content(), EVALUATION)
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, html.encode())
        return place

    def default_path(self) -> Path:
        """Beside the run's folder, called after run and data."""
        folder = self.run.path
        if not self.run.folder.lasting:
            raise UsageError("this run is in memory and has no folder for the page", fix="give a path: report(path)")
        name = re.sub(r"[^\w.+-]+", "-", self.data.name).strip("-.")[:MOST_NAME] or "data"
        return folder.parent / f"{folder.name}-on-{name}.html"


def is_evaluation(path: Path) -> bool:
    """Whether a file is a page that an evaluation wrote; it may be replaced."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return f'content="{EVALUATION}"'.encode() in file.read(HEAD)
