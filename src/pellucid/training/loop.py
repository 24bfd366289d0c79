"""The training loop: it obeys the plan and its decisions.

B batch, R numbers in a raw answer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch, cut_batch
from ..errors import Interrupted, OutOfMemory, PellucidError, no_memory
from ..planning.decisions import Decisions
from ..trunks.layers import GROUP, GroupedBatchNorm
from .evaluate import autocast, mean_loss, predict_raw
from .listeners import Listener, Progress
from .pacer import Pacer
from .sampler import Sampler
from .schedule import Points, end_of, schedule_factor, schedule_phase
from .state import TrainState
from .step_graph import StepGraph
from .threads import use_threads
from .watch import Watch

# In a row, without a finite gradient, after which a training gives up: a single one may come from one extreme row, so
# many are a learning rate that is too large, and no later step would mend the weights.
MOST_SKIPPED_STEPS = 20

# Between two looks at the clock: short for whoever watches, long beside the 0.4 ms of a small network's step.
REPORT_SECONDS = 0.2

# Before the first checkpoint of a sitting, so that a training that is killed every few seconds gets on; each pause is
# twice the one before, up to the second number. The third is the share of the time that writing them may take, so that
# a large network on a slow disk saves less often.
FIRST_CHECKPOINT_SECONDS, CHECKPOINT_SECONDS, CHECKPOINT_SHARE = 2.0, 20.0, 0.02

# Of the lowest validation loss, by which another must be lower to count as progress: else rounding would outwait
# patience.
PROGRESS_SHARE = 1e-4


@dataclass
class Loop:
    """One training, from where its state stands to the end of its schedule.

    Attributes:
        state: what is trained. sampler: the batches. validation: rows to choose on.
        decisions: what was decided; pace: decides more as the clock and validation call for it.
        save: writes a checkpoint. record: writes a line of the history. listener: is told.
        look_first: evaluate before the first step too, because something is known there: learned weights (``--start``),
            or a solved part.
        watch: looks at some of the steps.
        stop: asked before every step; True saves and raises Interrupted. before_step: called before every step.
    """

    state: TrainState
    sampler: Sampler
    validation: np.ndarray
    decisions: Decisions
    pace: Pacer
    save: Callable[[TrainState], None]
    record: Callable[[dict[str, Any]], None]
    listener: Listener = field(default_factory=Listener)
    look_first: bool = False
    stop: Callable[[], bool] = lambda: False
    watch: Watch | None = None
    before_step: Callable[[TrainState], None] = lambda state: None

    def __post_init__(self) -> None:
        self.graph = StepGraph(self.state.network, self._run_backward)

    def run(self) -> None:
        """Train from where the state stands to the end of the schedule, and save.

        Raises:
            Interrupted: when stopped from outside, after saving.
            PellucidError: when the loss stays infinite or NaN for ``MOST_SKIPPED_STEPS`` steps.
            OutOfMemory: when memory does not hold the smallest micro-batch.
        """
        state, decisions = self.state, self.decisions
        state.network.train()
        self._counted_at = self._saved_at = self._reported_at = time.perf_counter()
        self._reported_step, self._rate, self._loss = state.step, 0.0, math.nan
        self._pause = min(FIRST_CHECKPOINT_SECONDS, CHECKPOINT_SECONDS)
        use_threads(decisions.at(state.step, "threads"))
        if self.look_first:
            self.evaluate(0.0)
        while state.step < end_of(points := decisions.at(state.step, "schedule")):
            # In every step, since rounding depends on it: a replay must change the number at the very step it changed.
            use_threads(decisions.at(state.step, "threads"))
            if self.stop():
                self.save(state)
                raise Interrupted(f"stopped after step {state.step:,}; everything up to there is saved")
            self.before_step(state)
            self.train_step(self.sampler.batch(state.step), schedule_factor(points, state.step))
            if state.step % self.pace.every == 0 or state.step == end_of(points):
                self.evaluate(schedule_factor(points, state.step))
            self.report_and_save(points)
        self.save(state)

    def train_step(self, batch: Batch, factor: float) -> Tensor:  # -> () mean loss
        """One step: gradients, the guard against non-finite ones, the optimizer, the averaged weights.

        Args:
            factor: of the full learning rates, from the schedule.
        """
        state = self.state
        state.optimizer.clear()
        seed_step(state.network.device, self.sampler.seed, state.step)
        loss = self.compute_gradients(batch)
        norm = state.optimizer.norm()
        finite = self.keep_if_finite(loss, norm)
        looked_at = self.watch if self.watch is not None and self.watch.is_due(finite=finite) else None
        if looked_at:
            looked_at.before(loss, norm, factor, finite=finite)
        if finite:
            self.clip_gradient(norm)
            state.optimizer.step(factor)
        if looked_at:
            looked_at.after()
        state.since_look += 1
        # A skipped step counts too: batches and schedule are functions of the step, and the same batch would come
        # again.
        state.step += 1
        state.update_ema()
        return loss

    def compute_gradients(self, batch: Batch) -> Tensor:  # -> () mean loss
        """Forward and backward of a batch, in micro-batches, which are halved as long as memory does not hold one.

        Raises:
            OutOfMemory: when they can't be made smaller.
        """
        # Losses are divided by the count of the whole batch, so that cutting it changes nothing but rounding.
        size, count = len(batch.rows), self.state.network.output.count(batch)
        self.state.keep_buffers()
        while True:
            micro = self.decisions.at(self.state.step, "micro batch", size)
            try:
                if micro >= size:
                    return self.graph(batch, count)
                return sum(self._run_backward(part, count) for part in micro_batches(batch, micro))  # type: ignore[return-value]
            except (RuntimeError, MemoryError) as error:
                if not no_memory(error):
                    raise
            # Outside of the handler: the error's frames hold the activations that there was no room for. What the parts
            # before it have added to gradients and running statistics goes, since they come again.
            self.state.optimizer.clear()
            self.state.put_back_buffers()
            self._halve_micro_batch(micro, size)

    def _halve_micro_batch(self, micro: int, size: int) -> None:
        """Decide on micro-batches half as large. Raises OutOfMemory when they can't be."""
        now = min(micro, size)
        # Examples that are normalised together stay together: else the result would depend on the memory there is.
        grouped = any(isinstance(m, GroupedBatchNorm) for m in self.state.network.modules())
        group = GROUP if grouped else 1
        smaller = max(now // (2 * group), 1) * group
        if smaller >= now:
            raise OutOfMemory(
                f"not enough memory for {now} examples at once", fix="choose a smaller --size or --image-size"
            )
        if self.state.network.device.type == "cuda":
            torch.cuda.empty_cache()
        self.decisions.decide(
            self.state.step, "micro batch", smaller, f"the memory did not hold {now} examples at once"
        )

    def _run_backward(self, batch: Batch, count: float) -> Tensor:  # -> ()
        """Add a micro-batch's gradients; its share of the mean loss, for a batch with this ``count`` of examples."""
        with autocast(self.state.network.device):
            loss = self.state.network.losses(batch).sum() / count
        loss.backward()
        return loss.detach()

    def keep_if_finite(self, loss: Tensor, norm: Tensor) -> bool:
        """Whether loss and the ``norm`` of the gradient are finite, so that the step may move the weights.

        Raises:
            PellucidError: after ``MOST_SKIPPED_STEPS`` in a row that were not.
        """
        state = self.state
        # One number for both, because on a GPU this is the one wait of a step; small next to a step there.
        if not math.isfinite(float(loss + norm)):
            state.put_back_buffers()
            state.skipped += 1
            state.passed_over += 1
            if state.skipped >= MOST_SKIPPED_STEPS:
                raise PellucidError(
                    f"the loss or its gradient was not finite for {MOST_SKIPPED_STEPS} steps in a row,"
                    f" up to step {state.step:,}",
                    fix="train with a smaller --lr, and look for extreme numbers in the data",
                )
            return False
        state.skipped = 0
        state.loss_sum += loss
        state.loss_count += 1
        return True

    def clip_gradient(self, norm: Tensor) -> None:
        """Shorten the gradient, which is as long as ``norm``, to the recipe's length, if it has one."""
        state, clip = self.state, self.state.recipe.clip
        if clip and norm > clip:
            torch._foreach_mul_([p.grad for p in state.optimizer.parameters if p.grad is not None], clip / norm)
            state.clipped += 1

    def evaluate(self, share: float) -> None:
        """A line of the history: training loss since the last one, loss and metric on validation, learning rates.

        Args:
            share: of the full learning rates, as scheduled for the next step.
        """
        started_at = time.perf_counter()
        state, output = self.state, self.state.network.output
        task = output.task
        raw, target = predict_raw(state.network, self.sampler.loader, self.validation)
        weight = self.sampler.loader.score_weights(self.validation)
        row = {
            "step": state.step,
            "epoch": state.step / self.sampler.steps,
            "loss": self._mean_loss(),
            "validation_loss": mean_loss(output, raw, target, weight),
            task.watched.name: task.measure_watched(raw, target, weight),
            **state.optimizer.rates(share),
            "lr_factor": share,
        }
        state.loss_sum.zero_()
        state.loss_count = 0
        self._keep_if_best(row)
        self._count_seconds()
        row["seconds"] = state.seconds
        self.record(row)
        self.listener.evaluated(row)
        took = time.perf_counter() - started_at
        # Half of it is the past, so that one stall does not reserve too much for the closing evaluations.
        state.evaluating = 0.5 * (state.evaluating or took) + 0.5 * took
        self.pace.after_evaluation(state, self.decisions, took)

    def _keep_if_best(self, row: dict[str, Any]) -> None:
        """Keep the weights with the best validation metric so far, the lower loss where it ties; count stale looks.

        Patience watches the loss, not the metric, which is too coarse on small validation sets (docs/LOG.md).
        """
        state, task, loss = self.state, self.state.network.output.task, row["validation_loss"]
        watched = task.watched
        metric = watched.name
        if not (math.isfinite(loss) and math.isfinite(row[metric])):
            state.stale += 1
            return
        if state.lowest == math.inf or loss < state.lowest - PROGRESS_SHARE * abs(state.lowest):
            state.lowest, state.stale = loss, 0
        else:
            state.stale += 1
        old = state.best_row
        tied = bool(old) and row[metric] == old[metric] and loss < old["validation_loss"]
        better = bool(old) and (row[metric] > old[metric] if watched.higher else row[metric] < old[metric])
        if not old or tied or better:
            state.keep_best(row)

    def _count_seconds(self) -> None:
        """Add what has passed since the last call to the training's seconds, which go on over all sittings."""
        now = time.perf_counter()
        self.state.seconds += now - self._counted_at
        self._counted_at = now

    def report_and_save(self, points: Points) -> None:
        """Every ``REPORT_SECONDS``: let the pacer decide, tell the listener, and save where a checkpoint is due."""
        now, state = time.perf_counter(), self.state
        if now - self._reported_at < REPORT_SECONDS and state.step < end_of(points):
            return
        self._count_seconds()
        self.pace.after_look(state, self.decisions)
        self.listener.stepped(self._make_progress(now))
        self._reported_at = now
        if now - self._saved_at > self._pause:
            self.save(state)
            self._saved_at = time.perf_counter()
            self._pause = next_pause(self._pause, self._saved_at - now)

    def _mean_loss(self) -> float:
        """The mean training loss since the last evaluation; NaN when no step has counted since."""
        if self.state.loss_count:
            self._loss = float(self.state.loss_sum) / self.state.loss_count
        return self._loss if self.state.loss_count else math.nan

    def _make_progress(self, now: float) -> Progress:
        """What listeners are told of the steps since they last were."""
        state, points = self.state, self.decisions.at(self.state.step, "schedule")
        self._mean_loss()
        steps, self._reported_step = state.step - self._reported_step, state.step
        rate = steps / max(now - self._reported_at, 1e-9)
        # Smoothed, for people: the time left would jump with every evaluation.
        self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate
        return Progress(
            step=state.step,
            steps=end_of(points),
            epoch=state.step / self.sampler.steps,
            seconds=state.seconds,
            left=min((end_of(points) - state.step) / max(self._rate, 1e-9), self.pace.seconds_left()),
            rate=self._rate * self.sampler.batch_size,
            loss=self._loss,
            phase=schedule_phase(points, state.step),
        )


def next_pause(pause: float, cost: float) -> float:
    """Seconds until the next checkpoint, after a pause of so many and a checkpoint that cost so many.

    >>> next_pause(2.0, 0.01), next_pause(16.0, 0.01), next_pause(2.0, 1.0)
    (4.0, 20.0, 50.0)
    """
    return max(min(2 * pause, CHECKPOINT_SECONDS), cost / CHECKPOINT_SHARE)


def seed_step(device: torch.device, seed: int, step: int) -> None:
    """Seed torch's generators for one step, for modules of a user's own that draw from them; 4 µs on a CPU."""
    # So that a resumed training draws what the uninterrupted one would have, without a generator's state to save.
    number = (seed * 0x9E3779B97F4A7C15 + step) & 0x7FFFFFFFFFFFFFFF
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(number)


def micro_batches(batch: Batch, size: int) -> Iterator[Batch]:
    """A batch cut into micro-batches of ``size`` examples; the last may be smaller."""
    whole = len(batch.rows)
    if size >= whole:
        yield batch
        return
    for start in range(0, whole, size):
        yield cut_batch(batch, slice(start, start + size))
