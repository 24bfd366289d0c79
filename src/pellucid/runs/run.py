"""A finished run: what it is, how good it is, and using it on new data."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ..data import read_new
from ..data.sample_weights import check_parts
from ..data.splits.grouping import moments_of
from ..data.splits.spec import parse_split
from ..data.splits.unusable import check_known
from ..data.timeline.forecast import Forecast
from ..errors import PellucidError, UsageError, enough_memory
from ..fields import Field, Note, kind_named
from ..metrics.score import Score
from ..network import Network
from ..options import check_options
from ..planning.device import best_device
from ..planning.plan import Plan
from ..reports.evaluation_report import Evaluated
from ..reports.text_content import context_losses
from ..storage import WEIGHTS, Files, Folder, InMemory, to_json
from ..storage.names import HEALTH_LINES, HISTORY_LINES, HISTORY_TABLE, LETTERS, RECORD, SOLVED
from ..tasks.future import FutureTask
from ..training.evaluate import predict_raw
from ..training.loader import Loader
from ..training.schedule import with_rates
from ..trunks import Custom
from ..views.training.verdict import Verdict
from ..wording import count_noun, score_text
from .forecast_pieces import ForecastPieces
from .forecasts import check_scored, forecast_pieces, kept_recent, note_new_series, with_clock
from .health import read_health
from .kept_examples import Kept, open_kept
from .learning import say_learning, worse_than_baseline
from .load import damage_sentences, load_network
from .moments import Moment, run_moments
from .prediction_pieces import PredictionPieces
from .predictions import Predictions
from .record import damage_as_error, read_record
from .results import Evaluation, said_of, said_of_targets
from .scoring import naive_on_new, new_targets
from .solved_part import say_added
from .sources import library_of, same_place
from .suspects import read_suspects
from .text_options import take_writing
from .writing import write_text
from .writing_pieces import WritingPieces, check_prompts

if TYPE_CHECKING:
    from ..data import Examples
    from ..data.splits.time_spans import Moments
    from ..reports.report_file import Report
    from .inspection import Inspection


class Run:
    """A trained network with everything needed to use it, from its folder.

    Attributes:
        path: the folder. network: the trained network, in evaluation mode. plan: what was decided before training.
        score, baseline: on the test set, with intervals; the naive answer's beside it.
        scored_on: ``"test"``; or ``"validation"``, where there was no test set: the weights were chosen on it, so
            it flatters.
        reference: that of a classical model which learned on the same split; None where there is none.
        validation: the main metric on validation, which everything was chosen on.
        damage: what ``load`` found wrong with files that using the run does not need, each in a sentence.
    """

    __module__ = "pellucid"

    damage: Sequence[str] = ()

    def __init__(self, folder: Files, record: Mapping[str, Any], network: Network):
        self.folder, self.record, self.network = folder, record, network
        self.path = folder.path
        with damage_as_error(folder.path / RECORD):
            self.plan = Plan.from_json(record["plan"])
            self.score, self.baseline = (Score(**_restore_nan(record[name])) for name in ("score", "baseline"))
            beside = record.get("reference")
            self.reference = Score(**_restore_nan(beside["score"])) if beside else None
            network.output.task.restore_calibration(record.get("calibration"))
        self.scored_on = str(record.get("scored on", "test"))
        self.validation = _restore_nan(record)["validation"]

    def __repr__(self) -> str:
        naive = f"{self.baseline.name}: {score_text(self.baseline.value)}"
        where = "" if self.scored_on == "test" else f" on {self.scored_on}"
        return f"Run({str(self.path)!r}, {self.plan.network}, {self.score}{where}; {naive})"

    def _repr_html_(self) -> str:
        from ..reports.notebook import run_html

        return run_html(self)

    @property
    def history(self) -> list[dict[str, Any]]:
        """One row an evaluation: step, epoch, seconds, losses, metric, learning rates; none after a pickle.

        ``lr`` is AdamW's rate, ``matrix_lr`` Muon's for hidden matrices, ``lr_factor`` the schedule's share of both.
        ``validation_loss`` and the metric are of validation; without such a part ``training_loss`` and ``training …``.
        """
        import polars as pl

        if not (self.folder.lasting or self.folder.exists(HISTORY_TABLE)):
            return []
        with damage_as_error(self.path / HISTORY_TABLE):
            return with_rates(pl.read_parquet(self.folder.read(HISTORY_TABLE)).to_dicts(), self.plan.recipe)

    @property
    def suspects(self) -> list[dict[str, Any]]:
        """Examples whose label the network doubts, the surest first, validation before train; see ``LabelIssue``."""
        return read_suspects(self.folder)

    @cached_property
    def kept(self) -> Kept | None:
        """Examples of training and validation that the run keeps; None where it keeps none, and after a pickle.

        ``run.kept.examples("validation")`` is read as any data is, wherever the run's own data may be.
        """
        return open_kept(self.folder, self.record, self.network.fields)

    @property
    def watched(self) -> list[dict[str, Any]]:
        """What some steps of the training looked like from inside, a row a look; none after a pickle.

        ``step`` (made before the one looked at: it is that of its batch), ``loss`` of the batch, ``gradient`` (its
        whole length, before it was clipped), ``lr_factor`` (the schedule's share of the learning rates), ``clipped``
        (share of the steps since the row before whose gradient was clipped), ``skipped`` (steps since then that were
        not finite and not made, this one among them), and ``tensors``: by name ``gradient`` and ``weight`` (lengths),
        ``update`` (how far the step moved it, as a share of ``weight``: what the optimizer really did) and
        ``nonfinite`` (share of its gradient). None stands for what is not finite, and for the share of weights that are
        all 0. Networks of more than 128 tensors
        are looked at by modules.
        """
        return read_health(self.folder)

    @property
    def moments(self) -> list[Moment]:
        """The network after 0, 1, 3, 10, 30, 100, … steps of its training, and at the end; none after a pickle.

        Each has a ``step``, and ``load()``, which gives the weights by name. They are those of the training itself:
        the run's own are chosen among these at some step and their average.
        """
        return run_moments(self.folder, self.network)

    @property
    def importance(self) -> list[dict[str, Any]]:
        """What each input is worth on validation, the most first; empty where that was not measured.

        ``input``, ``value`` (by how much the metric gets worse when its values are shuffled), ``spread`` (over
        shuffles), ``columns`` (how many were shuffled together).
        """
        return [dict(one) for one in (self.record.get("importance") or {"inputs": []})["inputs"]]

    @property
    def parameters(self) -> int:
        return self.network.parameter_count

    @property
    def forecasts(self) -> bool:
        """Whether it says what comes next, and so can predict from what it has seen."""
        return "forecast" in self.record["data"]

    @property
    def writes(self) -> bool:
        """Whether it is a language model, which writes on from a text."""
        return self.network.output.fields[0].traits.written

    def result(self) -> dict[str, Any]:
        """What ``train --json`` ends with: score, baseline and reference, seconds, steps and parameters."""
        s, r = self.score, self.record
        return {
            "run": str(self.path), "metric": s.metric, "value": s.value, "low": s.low, "high": s.high,
            "baseline": self.baseline.value, "seconds": r["seconds"], "steps": r["steps"],
            "parameters": self.parameters, "reference": self.reference and {
                "name": r["reference"]["name"], "value": self.reference.value, "low": self.reference.low,
                "high": self.reference.high, "seconds": r["reference"]["seconds"],
            },
            **({"importance": self.importance} if self.importance else {}), **said_of(s),
            **said_of_targets(self.targets),
            **({"warning": warning} if (warning := self.say_warning()) else {}), "verdict": r.get("verdict"),
        }  # fmt: skip

    @property
    def verdict(self) -> Verdict | None:
        """Whether the training went well, with ``what``, ``why`` and ``advice``; None where it can't be told."""
        found = self.record.get("verdict")
        return Verdict(**found) if found else None

    @property
    def targets(self) -> list[dict[str, Any]]:
        """Of several number targets each: ``name``, ``scores`` by metric, ``coverage`` of its ranges; else none.

        A score has ``value``, ``low``, ``high`` and ``baseline``: what always answering ``constant`` gets.
        """
        return [dict(one) for one in self.record.get("targets", ())]

    def save(self, path: str | os.PathLike[str]) -> Run:
        """Write the run as a folder that ``load`` opens, and return it as opened from there.

        Raises:
            PellucidError: when there is something at ``path`` already, or it can't be written.
        """
        folder = Folder.create(path)
        if folder.names():
            raise PellucidError("there is a run here already", where=str(path), fix="choose another folder")
        with folder.lock():
            # The record, which says "done", comes last: a crash before it leaves no run that looks whole.
            for name in [*(n for n in self.folder.names() if n != RECORD), RECORD]:
                folder.write(name, self.folder.read(name))
            for name in (HISTORY_LINES, HEALTH_LINES):
                folder.append(name, self.folder.lines(name), sync=True)
        return Run(folder, self.record, self.network)

    def report(self, data: Any = None, *, redraw: bool = False) -> Report:
        """The report, which a notebook shows and ``.open()`` opens; drawn anew where it is missing or damaged.

        Args:
            data: what the run was trained on, where it has to be drawn and the data is not where it was.
            redraw: draw it anew in any case.

        Raises:
            PellucidError: when it has to be drawn, and the data has changed or is not to be had.
        """
        from .redraw import find_report

        return find_report(self, data, redraw)

    def __getstate__(self) -> dict[str, bytes]:
        """What a pickle holds: the record as JSON and the weights as safetensors, no code and no module.

        Raises:
            PellucidError: for a run with a trunk of its user's own, which is code.
        """
        if self.network.trunk.name == Custom.name:
            raise PellucidError(
                "a run with a custom trunk can't be pickled, because the trunk is code",
                fix="save it: run.save(path), and load it with pellucid.load(path, trunk=module)",
            )
        # The curves stay behind, so their number of lines does too: a load would look for them.
        record = {name: value for name, value in self.record.items() if name not in ("lines", "looked at")}
        files = {"weights": WEIGHTS}
        files |= {"solved": SOLVED} if self.network.solved is not None else {}
        files |= {"letters": LETTERS} if getattr(self.network.output, "letters", None) else {}
        return {"record": to_json(record).encode(), **{name: self.folder.read(file) for name, file in files.items()}}

    def __setstate__(self, state: Mapping[str, bytes]) -> None:
        """Make the run from a pickle, with the checks of ``load``; on a GPU only if it was trained on one."""
        names = {"record": RECORD, "weights": WEIGHTS, "solved": SOLVED, "letters": LETTERS}
        folder = InMemory({names[name]: bytes(content) for name, content in state.items()})
        record = read_record(folder)
        here = best_device()
        planned = str(record["plan"]["device"])
        device = planned if planned.partition(":")[0] == "cpu" else here
        Run.__init__(self, folder, record, load_network(folder, record, device=device))

    def say_warning(self) -> str:
        """That the network is no better than the baseline, and what to do about it; empty where it is better."""
        return say_learning(
            self.network.output.task,
            self.record.get("learning"),
            self.score,
            self.baseline,
            steps=self.record["steps"],
            seconds=self.record["seconds"],
            asked=self.plan.budget,
        )

    def say(self) -> str:
        """The score in one plain sentence."""
        sentence = self.network.output.task.say_score(self.score, self.baseline)
        return (
            sentence if self.scored_on == "test" else f"{sentence} Scored on {self.scored_on}: there was no test set."
        )

    def say_reference(self) -> str:
        """Whether the network is worth more than its reference, in one plain sentence; empty without one."""
        if not self.reference:
            return ""
        ahead, name = _restore_nan(self.record["reference"]["ahead"]), self.reference.label
        # In amounts, the smaller first, since "better by -0.2 to -0.1" would be read twice.
        near, far = sorted((abs(ahead["low"]), abs(ahead["high"])))
        apart = f"{score_text(abs(ahead['value']))} ({score_text(near)} to {score_text(far)})"
        if ahead["low"] > 0:
            return f"The network is better than {name} by {apart}."
        if ahead["high"] < 0:
            return f"{name[:1].upper()}{name[1:]} is better than the network by {apart}: use that, or train longer."
        small, large = (score_text(ahead[key]) for key in ("low", "high"))
        return (
            f"No significant difference between the network and {name}: {score_text(ahead['value'])} "
            f"(95% interval {small} to {large})."
        )

    def say_added(self) -> str:
        """What the trunk added to the network's solved part, in one plain sentence; empty without such a part."""
        return say_added(self.record.get("solved"), self.network.output.task)

    def evaluate(self, source: Any, *, weights: str | None = None, threshold: Any = None, **options: Any) -> Evaluation:
        """Score the run on other data that has the target.

        ``.report()`` of what it returns writes a page with everything that can be seen of it.

        Args:
            weights: a column of it that says how much each example counts. threshold: as for ``predict``.
            options: how a table is written, as for ``read``: ``header``, ``decimal``, ``delimiter``, ``sheet``,
                ``encoding``; and ``cache``.

        Raises:
            PellucidError: when columns are missing or no row can be used.
            UsageError: for a threshold where there are not two classes.
        """
        task = self.task_for(threshold)
        started = time.perf_counter()
        by_time, times = self._time_column()
        data = self._read_new(source, need_target=True, weights=weights, times=times, **options)
        if weights is None and (own := self.record["data"]["options"].get("weights")):
            data.notes.append(Note("info", f"the run's own score is weighted by '{own}', this one is not"))
        about = self.record["data"]
        if self.score.groups:
            text = (
                f"the interval resamples single rows, that of the run's own score whole values of '{self.score.groups}'"
            )
            data.notes.append(Note("info", text))
        rows = data.usable_rows()
        moments = moments_of(data, rows)
        if by_time:
            self._say_times(data, times, moments)
        if same_place(source, about["source"]) or data.content_digest() == about.get("examples"):
            text = "the run was trained on most of this data, so the score is too optimistic"
            data.notes.append(Note("warning", text))
        if self.forecasts:
            check_scored(data, rows)
        check_known(data, rows)
        loader = self._loader(data, with_target=True)
        raw, target = self._answer_rows(data, rows, with_target=True, loader=loader)
        plain, weight = self.network.output.task, data.row_weights()
        how: dict[str, Any] = {}
        drawn: dict[str, Any] = {"weights": weights or "", "moments": moments}
        if weights is not None and weight is not None:
            check_parts(weight, {"evaluated": rows}, weights)
            how = {"weight": weight[rows]}
        # The naive answer of training: one made of these targets would have looked at what is scored.
        naive, name = naive_on_new(self, loader, rows, raw)
        score = task.score(raw, target, **how, **drawn)
        # By no threshold: "always the commonest class" stays what it says.
        beside = plain.score(naive, target, name, **how, **drawn)
        targets = new_targets(plain, self.record, (raw, target), naive[0], how.get("weight"), moments)
        warning = "" if task.is_better(score.value, beside.value) else worse_than_baseline(task, score, beside)
        metrics, context = task.report_content(raw, target, **how)["metrics"], None
        if self.writes:
            context = context_losses(self.network, loader, rows, (raw, target))
            metrics |= {"loss with context": context["before"]}
        about_it = {**how, **drawn}, targets, warning, naive, loader, context
        page = Evaluated(self, task, data, rows, (raw, target), score, beside, *about_it)
        return Evaluation(
            str(self.path),
            score,
            beside,
            metrics,
            tuple(data.notes),
            time.perf_counter() - started,
            self.record["steps"],
            self.parameters,
            targets=targets,
            threshold=None if threshold is None else (task.sought, task.threshold),
            page=page,
            sentence=task.say_score(score, beside),
            warning=warning,
        )

    def task_for(self, threshold: Any = None) -> Any:
        """What an answer is, by a threshold where one is asked for. Raises UsageError where none can be set."""
        task = self.network.output.task
        if threshold is None:
            return task
        return task.with_threshold(check_options("predict", {"threshold": threshold})["threshold"])

    def _time_column(self) -> tuple[bool, str | None]:
        """Whether the run was split by time, and the column of times; None where that is not written down."""
        if self.score.times:
            return True, self.score.times
        # Runs from before intervals drew blocks of time have it in their options alone.
        with damage_as_error(self.path / RECORD):
            asked = parse_split(self.record["data"]["options"].get("split"))
        return asked.by == "time", asked.column if asked.by == "time" else None

    def _say_times(self, data: Examples, times: str | None, moments: Moments | None) -> None:
        """Note on ``data`` where the interval can't draw blocks of time, or not of all rows."""
        # Errors near in time are alike: of 95% intervals over single rows as few as 28% held the true value, of those
        # over blocks of time 83% and more (bench/RESULTS.md, "Coverage of intervals in time").
        if moments is None:
            why = f"'{times}' is missing or holds no times" if times else "the run did not keep what says the time"
            text = (
                f"the interval resamples single rows, because {why}; it is too narrow if errors near in time are alike"
            )
            data.notes.append(Note("warning", text))
        elif lost := int(np.isnan(moments.value).sum()):
            text = f"{count_noun(lost, 'row')} without '{times}', treated as independent by the interval"
            data.notes.append(Note("info", text))

    def predict(
        self,
        inputs: Any = (),
        *,
        texts: Sequence[str] = (),
        keep: str | Sequence[str] = (),
        threshold: Any = None,
        steps: int | None = None,
        **options: Any,
    ) -> Predictions:
        """Predict from paths, tables, arrays or texts: one an example, in order, and ``notes`` on what was odd.

        Args:
            inputs: files, tables, data frames, a dict or dicts of columns, rows in the order of the run's columns,
                images. texts: for a run that reads one.
            keep: columns of the data that go along with the predictions as they were read, or ``"all"``. Ids always do.
            steps: of a forecast, which goes on from its own answers beyond its horizon. Without ``inputs`` it follows
                the last row that the run has seen; it has a row for each step, with ``value, low, high``.
            threshold: of two classes, from which probability of the positive one on that is the answer: ``0.3``, or
                ``"yes=0.3"`` for the class ``yes``; the likelier class when left out.
            options: of what is written (docs/predict.md); how a table is.

        Each prediction has ``row`` (the position in the data, from 0), ``input`` (its name) and what is predicted:
        ``label, probability, probabilities``, for several labels ``labels, probabilities``, for numbers ``value, low,
        high``; an input that can't be read has ``error`` instead, and the others are predicted anyway.

        Raises:
            PellucidError: when a column the network reads is missing. UsageError: for files and texts at once, or a
                column to keep that is not there, or a threshold where there are not two classes.
        """
        pieces = self.predict_pieces(inputs, texts=texts, keep=keep, threshold=threshold, steps=steps, **options)
        return Predictions.joined(list(pieces), pieces.notes)

    def write(self, prompt: str = "", length: int = 400, **how: Any) -> Iterator[str]:
        """What a language model writes after a prompt, piece by piece; the prompt itself is not among it.

        Args:
            length: tokens, at the most. how: ``temperature``, ``top_p``, ``stop`` and ``seed``, see ``writing.Writer``.

        Raises:
            UsageError: for a run that is no language model, or settings that mean nothing.

        Example:
            >>> for piece in run.write("ROMEO:", length=400): print(piece, end="")      # doctest: +SKIP
        """
        return write_text(self.network, prompt, length=length, **how)

    def inspect(
        self, source: Any = None, *, texts: Sequence[str] = (), answer: str | None = None, **options: Any
    ) -> Inspection:
        """Look into the network, or into how it comes by one answer; each result draws itself in a notebook.

        Args:
            source: one example, as ``predict`` takes it; of several the first. Without one the network alone.
            texts: one text, for a run that reads one. answer: the class, label or target that is explained; of a
                forecast with a step, ``"OT,24"``.
            options: ``true="cat"``, what is right of it. ``unit="layer2.17"``, ``weight="output.layer.weight[0,3]"``,
                ``curves=True``, ``health=True``, ``without=["layer3"]``, ``move="4,0"``, ``mask=["not"]``,
                ``set=["area=90"]``: these views alone.

        Raises:
            PellucidError: when a view can't be made, with what it needs. UsageError: for a unit, weight or answer that
                is not there.

        Example:
            >>> run.inspect("cat.jpg")["shares"].save("shares.png")                     # doctest: +SKIP
        """
        from .inspection import inspect_run

        return inspect_run(self, source, texts=texts, answer=answer, **options)

    def predict_pieces(
        self,
        inputs: Any = (),
        *,
        texts: Sequence[str] = (),
        keep: str | Sequence[str] = (),
        threshold: Any = None,
        steps: int | None = None,
        **options: Any,
    ) -> PredictionPieces | ForecastPieces | WritingPieces:
        """``predict``, a piece at a time: for tables whose predictions are more than memory holds."""
        texts = [texts] if isinstance(texts, str) else texts
        if self.network.output.fields[0].traits.written:
            check_prompts(inputs)
            return WritingPieces(self, texts, keep=keep, threshold=threshold, steps=steps, **options)
        how, task = take_writing(self, threshold, options)
        if isinstance(task, FutureTask):
            if len(texts):
                raise UsageError("--text is for runs that read texts; this run forecasts", fix="leave --text out")
            return forecast_pieces(self, inputs, steps, library_of(inputs), **options)
        if steps is not None:
            raise UsageError("--steps is for forecasts", fix="leave --steps out")
        if len(texts) and (len(inputs) if hasattr(inputs, "__len__") else True):
            raise UsageError("there are both files and texts to predict from", fix="give one or the other")
        data = self._read_new(list(texts) or inputs, need_target=False, texts=bool(len(texts)), keep=keep, **options)
        good = data.usable_rows()
        loader = self._loader(data, with_target=False) if len(good) else None
        width = task.width or len(self.record["naive"]["raw"])
        return PredictionPieces(self.network, task, data, loader, good, width, library_of(inputs), how)

    def answers(self, source: Any, *, least: int = 1, **options: Any) -> tuple[Examples, np.ndarray, torch.Tensor]:
        """What ``predict`` makes words of: the data, its rows that could be read (n,), their raw answers (n, R).

        Args:
            least: rows that every batch is filled up to, with repeats.
        """
        # A float32 matrix product of up to 8 rows rounds differently from one of many, one of 16 to 513 never did (six
        # shapes, docs/LOG.md, 2026-11-22): so with 16 a row's answer is the same whatever stands beside it.
        data = self._read_new(source, need_target=False, **options)
        good = data.usable_rows()
        if not len(good):
            return data, good, torch.empty(0)
        return data, good, self._answer_rows(data, good, with_target=False, least=least)[0]

    def _read_new(self, source: Any, *, own_rows: bool = False, **options: Any) -> Examples:
        """New data as this run's fields read it, with notes on values that training has not seen.

        Args:
            own_rows: the data are the last rows that the run keeps.
        """
        recent = kept_recent(self) if self.forecasts else None
        about = self.record["data"]
        options = {"columns": about.get("columns"), "ids": about.get("ids")} | options
        fields = self.network.fields
        if "forecast" in about:
            # What says when and whose a row is, no layer reads.
            fields = [Field.from_json(one) for one in self.record["fields"]]
            options["forecast"] = with_clock(Forecast.from_json(about["forecast"]), recent)
            options["recent"] = None if own_rows else recent
        data = read_new(source, fields, **options)
        if recent is not None and not own_rows:
            note_new_series(data, recent)
        for field in self.fields:
            if text := kind_named(field.kind).describe_new_values(data.stored_values(field.name), field.state or {}):
                data.notes.append(Note("warning", text, f"column '{field.name}'"))
        return data

    def _answer_rows(
        self, data: Examples, rows: np.ndarray, *, with_target: bool, least: int = 1, loader: Loader | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:  # -> (n, R), (n, ...)
        """Raw answers to ``rows`` (n,), averaged with mirror images, and their targets. Raises OutOfMemory."""
        with enough_memory(f"{len(rows):,} examples at once", "give fewer of them at a time"):
            loader = loader or self._loader(data, with_target)
            size = max(loader.at_once, least)
            over = len(rows) % size
            filled = np.resize(rows, len(rows) + (least - over if 0 < over < least else 0))
            raw, true = predict_raw(self.network, loader, filled, size=size, final=True)
            return raw[: len(rows)], true[: len(rows)]

    def _loader(self, data: Examples, with_target: bool) -> Loader:
        """The data encoded for the network. Raises OutOfMemory."""
        with enough_memory(f"{len(data):,} examples at once", "give fewer of them at a time"):
            return Loader.of(data, self.network.fields if with_target else self.fields, self.network.device)

    @property
    def fields(self) -> list[Field]:
        """The input fields with their fitted states."""
        return [f for f in self.network.fields if f.is_input]


def _restore_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with None, which strict JSON has for NaN, as NaN again."""
    return {name: math.nan if value is None else value for name, value in values.items()}


def load(path: str | Path, *, trunk: nn.Module | None = None, device: str | None = None) -> Run:
    """Open a finished run. Every file is checked against the manifest; nothing in it is ever executed.

    Args:
        path: the run folder. trunk: the module, if the run was trained with one of your own.

    Raises:
        PellucidError: when the folder is no run, is damaged, or its training has not finished.
    """
    folder = Folder.open(path)
    record = read_record(folder)
    run = Run(folder, record, load_network(folder, record, trunk, device))
    run.damage = damage_sentences(folder, record)
    return run
