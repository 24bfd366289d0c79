"""The training loop: it obeys the plan and its decisions.

B batch, R numbers in a raw answer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch, Padded
from ..errors import Interrupted, OutOfMemory, PellucidError, no_memory
from ..trunks.layers import GROUP, GroupedBatchNorm
from .decisions import Decisions
from .evaluate import autocast, mean_loss, predict_raw
from .listeners import Listener, Progress
from .pacer import Pacer
from .sampler import Sampler
from .schedule import Points, end_of, schedule_factor, schedule_phase
from .state import TrainState
from .step_graph import StepGraph
from .threads import use_threads

MOST_SKIPPED_STEPS = 20  # steps in a row without a finite gradient after which a training gives up

REPORT_SECONDS = 0.2  # seconds between two words to the listeners

CHECKPOINT_SECONDS = 20.0  # seconds between two checkpoints, at the least

CHECKPOINT_SHARE = 0.02  # of the time that checkpoints may take


@dataclass
class Loop:
    """One training, from where its state stands to the end of its schedule.

    Attributes:
        state: what is trained. sampler: the batches. validation: rows to choose on.
        decisions: what was decided; pace: decides more as the clock and validation call for it.
        save: writes a checkpoint. record: writes a line of the history. listener: is told.
        look_first: also before the first step, because the weights know something already.
        stop: asked before every step; True saves and raises Interrupted.
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

    def __post_init__(self) -> None:
        self.graph = StepGraph(self.state.network, self._run_backward)

    def run(self) -> None:
        """Train. Raises Interrupted when stopped from outside, PellucidError when the loss never becomes finite."""
        state, decisions = self.state, self.decisions
        state.network.train()
        self._counted_at = self._saved_at = self._reported_at = time.perf_counter()
        self._reported_step, self._rate, self._checkpoint_seconds, self._loss = state.step, 0.0, 0.0, math.nan
        use_threads(decisions.at(state.step, "threads"))
        if self.look_first:
            self.evaluate(0.0)
        while state.step < end_of(points := decisions.at(state.step, "schedule")):
            use_threads(decisions.at(state.step, "threads"))
            if self.stop():
                self.save(state)
                raise Interrupted(f"stopped after step {state.step:,}; everything up to there is saved")
            self.train_step(self.sampler.batch(state.step), schedule_factor(points, state.step))
            if state.step % self.pace.every == 0 or state.step == end_of(points):
                self.evaluate(schedule_factor(points, state.step))
            self.report_and_save(points)
        self.save(state)

    def train_step(self, batch: Batch, factor: float) -> Tensor:  # -> () mean loss
        """Gradients, the guard, one step of the optimizer with ``factor`` times the full learning rates."""
        state = self.state
        state.optimizer.clear()
        seed_step(state.network.device, self.sampler.seed, state.step)
        loss = self.compute_gradients(batch)
        if self.keep_if_finite(loss):
            state.optimizer.step(factor)
        state.step += 1
        state.update_ema()
        return loss

    def compute_gradients(self, batch: Batch) -> Tensor:  # -> () mean loss
        """Forward and backward, in as many micro-batches as memory calls for; out of memory halves them."""
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
            self.state.optimizer.clear()
            self.state.put_back_buffers()
            self._halve_micro_batch(micro, size)

    def _halve_micro_batch(self, micro: int, size: int) -> None:
        now = min(micro, size)
        grouped = any(isinstance(m, GroupedBatchNorm) for m in self.state.network.modules())
        group = GROUP if grouped else 1  # examples that are normalised together are not parted
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
        with autocast(self.state.network.device):
            loss = self.state.network.losses(batch).sum() / count
        loss.backward()
        return loss.detach()

    def keep_if_finite(self, loss: Tensor) -> bool:
        """Whether this step may move the weights; clips the gradient where the recipe says so."""
        state, clip = self.state, self.state.recipe.clip
        norm = state.optimizer.norm()
        if not math.isfinite(float(loss + norm)):  # on a GPU the one wait of a step; small next to a step there
            state.put_back_buffers()
            state.skipped += 1
            if state.skipped >= MOST_SKIPPED_STEPS:
                raise PellucidError(
                    f"the loss or its gradient was not finite for {MOST_SKIPPED_STEPS} steps in a row, up to step {state.step:,}",
                    fix="train with a smaller --lr, and look for extreme numbers in the data",
                )
            return False
        state.skipped = 0
        state.loss_sum += loss
        state.loss_count += 1
        if clip and norm > clip:
            torch._foreach_mul_([p.grad for p in state.optimizer.parameters if p.grad is not None], clip / norm)
        return True

    def evaluate(self, share: float) -> None:
        """A line of the history: training loss since the last one, loss and metric on validation, learning rates.

        Args:
            share: of the full learning rates, as scheduled for the next step.
        """
        began = time.perf_counter()
        state, output = self.state, self.state.network.output
        task = output.task
        raw, target = predict_raw(state.network, self.sampler.loader, self.validation)
        weight = self.sampler.loader.score_weights(self.validation)
        row = {
            "step": state.step,
            "epoch": state.step / self.sampler.steps,
            "loss": self._mean_loss(),
            "validation_loss": mean_loss(output, raw, target, weight),
            task.metric: task.measure(raw, target, weight),
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
        took = time.perf_counter() - began
        state.evaluating = 0.5 * (state.evaluating or took) + 0.5 * took
        self.pace.after_evaluation(state, self.decisions, took)

    def _keep_if_best(self, row: dict[str, Any]) -> None:
        """Keep the weights that validation likes best: by the metric, and by the loss where that ties."""
        state, task, loss = self.state, self.state.network.output.task, row["validation_loss"]
        metric = task.metric
        if not (math.isfinite(loss) and math.isfinite(row[metric])):
            state.stale += 1
            return
        if state.lowest == math.inf or loss < state.lowest - 1e-4 * abs(state.lowest):
            state.lowest, state.stale = loss, 0
        else:
            state.stale += 1
        old = state.best_row
        tied = bool(old) and row[metric] == old[metric] and loss < old["validation_loss"]
        if not old or tied or task.is_better(row[metric], old[metric]):
            state.keep_best(row)

    def _count_seconds(self) -> None:
        now = time.perf_counter()
        self.state.seconds += now - self._counted_at
        self._counted_at = now

    def report_and_save(self, points: Points) -> None:
        """Now and then look at the clock: decide, tell, save."""
        now, state = time.perf_counter(), self.state
        if now - self._reported_at < REPORT_SECONDS and state.step < end_of(points):
            return
        self._count_seconds()
        self.pace.after_look(state, self.decisions)
        self.listener.stepped(self._make_progress(now))
        self._reported_at = now
        if now - self._saved_at > max(CHECKPOINT_SECONDS, self._checkpoint_seconds / CHECKPOINT_SHARE):
            self.save(state)
            self._saved_at = time.perf_counter()
            self._checkpoint_seconds = self._saved_at - now

    def _mean_loss(self) -> float:
        """Of the steps since the last evaluation."""
        if self.state.loss_count:
            self._loss = float(self.state.loss_sum) / self.state.loss_count
        return self._loss if self.state.loss_count else math.nan

    def _make_progress(self, now: float) -> Progress:
        state, points = self.state, self.decisions.at(self.state.step, "schedule")
        self._mean_loss()
        steps, self._reported_step = state.step - self._reported_step, state.step
        rate = steps / max(now - self._reported_at, 1e-9)
        self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate
        return Progress(
            step=state.step,
            steps=end_of(points),
            epoch=state.step / self.sampler.steps,
            seconds=state.seconds,
            left=(end_of(points) - state.step) / max(self._rate, 1e-9),
            rate=self._rate * self.sampler.batch_size,
            loss=self._loss,
            phase=schedule_phase(points, state.step),
        )


def seed_step(device: torch.device, seed: int, step: int) -> None:
    """Start torch's generators for this step, for modules of a user's own that draw from them; 4 µs on a CPU."""
    number = (seed * 0x9E3779B97F4A7C15 + step) & 0x7FFFFFFFFFFFFFFF
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(number)


def micro_batches(batch: Batch, size: int) -> Iterator[Batch]:
    """A batch cut into micro-batches."""
    whole = len(batch.rows)
    if size >= whole:
        yield batch
        return
    for start in range(0, whole, size):
        cut = slice(start, start + size)
        yield replace(
            batch,
            inputs={name: cut_rows(value, cut) for name, value in batch.inputs.items()},
            target=cut_rows(batch.target, cut),
            rows=batch.rows[cut],
            key=cut_rows(batch.key, cut),
            weight=cut_rows(batch.weight, cut),
        )


def cut_rows(value: Any, cut: slice) -> Any:
    """Some examples of one value of a batch."""
    if isinstance(value, Padded):
        return Padded(value.values[cut], value.lengths[cut])
    return None if value is None else value[cut]
