"""Makes a run: plan, train, resume, replay.

The way to a step: ``train`` or ``resume`` → ``Trainer.run`` → ``Loop.run`` → ``Optimizer.step``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..data.batches.batch import encode_groups, encode_target
from ..data.parallel.pairs import Pairs
from ..dataset import Dataset
from ..errors import Interrupted, PellucidError, shell_quote
from ..fields import Field
from ..inputs import INPUTS
from ..network import Network
from ..options import Budget, check_options
from ..options.signature import with_options
from ..outputs import OUTPUTS
from ..planning.build import planned_network, planned_output, planned_trunk
from ..planning.decisions import Decisions
from ..planning.device import check_device
from ..planning.plan import Plan
from ..references.base import Reference, reference_seconds
from ..references.fit import fit_reference
from ..reports.importance import seconds_for
from ..reports.label_issues import looked_at
from ..reports.text_content import language_seconds
from ..solved import SolvedPart
from ..storage import Files, Folder, InMemory, damage_error
from ..storage.names import HISTORY_LINES, SOLVED
from ..training.listeners import Listener, Several
from ..training.loader import Loader
from ..training.loop import Loop
from ..training.memory import keep_freed
from ..training.pacer import EVALUATION_SHARE, EVALUATIONS, Pacer, between_evaluations, monotonic_start
from ..training.sampler import Sampler
from ..training.schedule import end_of
from ..training.state import TrainState
from ..training.status_line import with_progress
from ..training.threads import ThreadTuner, restore_threads, thread_counts, use_threads
from ..training.watch import Watch, decide_looks
from ..trunks import Trunk
from ..tuning.cross_validation import ANSWERS_FILE, MARKS, CrossValidation, cross_validate
from ..tuning.selection import limit_validation, say_watched
from ..tuning.sizing import Timing, explain_out_of_memory
from .clock import RunClock, finishing_seconds, was_extended
from .finish import finish_training
from .health import HealthLines
from .kept_examples import keep_examples
from .load import build_network, load_checkpoint_into
from .moments import MomentFiles
from .network_size import choose_size
from .paths import check_free, free_path, new_folder, run_path
from .prepare import (
    Job,
    check_in_memory,
    check_metric,
    example_weights,
    pop_custom_trunk,
    prepare,
    trunk_for_record,
)
from .record import damage_as_error, initial_record, read_record, recorded_decisions
from .reopen import recorded_plan, reopen_data, reopen_for_replay, with_place
from .run import Run
from .signals import stopped_by_signals
from .solved_part import NOT_LEFT_OUT, check_more, restore_part, says_all_alone, solve_part
from .transfer import StartingRun
from .versions import current_versions, most_threads, say_versions
from .writing_time import note_long_texts, reserve_writing

# Of the time left, that cross-validation may take: the training after it makes a third more steps than one fold's
# network, on all rows, and the report follows.
CROSS_VALIDATION_SHARE = 0.4

# Without a better validation loss, after which the cool-down starts.
PATIENCE_EVALUATIONS = 10


@with_options("plan")
def plan(data: Any = None, *, like: str | Path | None = None, **options: Any) -> Plan:
    """The plan that ``train`` would make with the same arguments; nothing is trained or written.

    Args:
        data, options: as for ``train``. like: a run, whose plan a replay would follow.

    Raises:
        PellucidError: for whatever ``train`` would refuse before it begins.
    """
    if like is None:
        return prepare(data, options).plan
    return recorded_plan(Folder.open(like), data, options)


@with_options("train")
def train(
    data: Any = None,
    *,
    listeners: Sequence[Listener] = (),
    started: float | None = None,
    like: str | Path | None = None,
    save: bool = True,
    progress: bool | None = None,
    **options: Any,
) -> Run:
    """Train a network on data and leave a run folder.

    Args:
        data: whatever ``read`` takes, or what it returned.
        network: ``"mlp"``, ``"cnn"``, ``"rnn"``, ``"gru"``, ``"lstm"``, ``"mingru"``, ``"transformer"``, or a trunk
            of your own.
        budget: ``"30s"``, ``"5m"``, ``"10epochs"``, ``"500steps"``; also ``epochs`` or ``steps`` as numbers. A budget
            of time is wall clock from ``started`` (``time.time()``; now when left out) to the written score.
        listeners: are told how it goes. progress: whether a line says so; left out, in a notebook alone.
        like: a run to replay instead: same plan, same decisions, same bytes; ``data`` then says where its data lies
            now, if it has moved.
        save: False keeps the run in memory and draws no report; ``run.save`` writes the finished run. Such a training
            has no checkpoints: stopped, it is lost. Without a test set (a share of 0) its score is validation's.
            Whether data from files is cached is for ``read`` to say.
        options: every option of ``pellucid train``, under the same name, below.

    Raises:
        PellucidError: for anything the user can mend. Interrupted: when stopped by a signal, after saving.
    """
    started, listener = monotonic_start(started), Several(with_progress(listeners, progress))
    if save:
        check_free(options)
    else:
        check_in_memory(options, like)
    if like is not None:
        return replay(Folder.open(like), data, options, listener, started)
    job = prepare(data, options, listener, tested=save)
    listener.planned(job.plan)
    folder = new_folder(run_path(job.data.name, job.plan, job.options)) if save else InMemory()
    with folder.lock(), restore_threads():
        trainer = Trainer(folder, job, listener)
        return trainer.run(trainer.start(started))


def resume(
    path: str | Path,
    *,
    more: Any = None,
    data: Any = None,
    trunk: Trunk | None = None,
    listeners: Sequence[Listener] = (),
    progress: bool | None = None,
) -> Run:
    """Go on with a training that was stopped, or train a finished run for longer.

    The continued training is the one that would have been: on a CPU the weights are the same to the last bit.

    Args:
        path: the run folder. more: a further budget, such as ``"5m"`` or ``"10epochs"``.
        data: the data once more, where it was in memory or its files have moved: ``data="new/place.csv"``. It must be
            the same. trunk: only when the run has a trunk of your own. listeners, progress: as of ``train``.

    Raises:
        PellucidError: when there is nothing to go on with, or the data has changed or is not where it was.
    """
    started, folder = time.monotonic(), Folder.open(path)
    record = read_record(folder)
    more = check_options("resume", {"more": more})["more"]
    if record["status"] == "done" and more is None:
        raise PellucidError(
            "this training is finished",
            where=str(path),
            fix=f"train it for longer with: pellucid resume {shell_quote(path)} --more 5m",
        )
    if record["status"] == "done" and not folder.has_checkpoint():
        what = "this run holds no checkpoint to continue from, because it was trained in memory"
        raise PellucidError(what, where=str(path), fix="train again, for longer")
    listener = Several(with_progress(listeners, progress))
    with folder.lock(), restore_threads():
        for problem in folder.verify():
            listener.said(problem)
        found = reopen_data(record, folder.path, data, f"pellucid resume {shell_quote(path)} NEWPATH")
        record = with_place(record, found) if data is not None else record
        trainer = Trainer.from_record(folder, record, found, listener, trunk_for_record(record, trunk))
        return trainer.run(trainer.resume(more, started))


def replay(source: Folder, data: Any, options: dict[str, Any], listener: Listener, started: float) -> Run:
    """Do a finished run again in a new folder, with its plan and its decisions, so that the bytes are the same.

    Raises:
        PellucidError: when it has not finished, or its data has changed.
    """
    record, found = reopen_for_replay(source, data, options)
    out = Path(options.get("out") or source.path.parent)
    folder = new_folder(
        out / str(options["name"]) if options.get("name") else free_path(out, f"{source.path.name}-again")
    )
    kept = ("format", "data", "fields", "plan", "network", "decisions")
    fresh = {k: record[k] for k in kept} | {"versions": current_versions(), "like": str(source.path), "live": False}
    fresh |= {"solved": record["solved"]} if "solved" in record else {}
    fresh["status"] = "training"
    with folder.lock(), restore_threads():
        folder.write_json("run.json", fresh)
        if "solved" in (record["network"] or {}):
            # Solved again it would be the same but for rounding, which other numbers of threads change.
            folder.write(SOLVED, source.read(SOLVED))
        trainer = Trainer.from_record(
            folder, fresh, found, listener, trunk_for_record(record, pop_custom_trunk(options))
        )
        return trainer.run(trainer.resume(None, started))


class Trainer:
    """One run on its way from a job to a folder that can be used: ``start`` or ``resume`` gives a loop for ``run``.

    Args:
        folder: to write into. job: what is trained on what, and how. listener: is told how it goes.
        fields: with their fitted states, where those are known already; else they are fitted on the training rows.
    """

    def __init__(self, folder: Files, job: Job, listener: Listener, *, fields: Mapping[str, Field] | None = None):
        data, split, plan = job.data, job.split, job.plan
        self.folder, self.data, self.split, self.plan, self.listener, self.own = (
            folder,
            data,
            split,
            plan,
            listener,
            job.trunk,
        )
        check_device(plan.device)
        self.device = torch.device(plan.device)
        self.thread_counts = thread_counts(self.device)
        keep_freed()
        self.fields = dict(fields) if fields is not None else data.fitted(plan.split_seed)
        self.inputs = [f for f in self.fields.values() if f.is_input]
        self.targets = [f for f in self.fields.values() if f.role == "target"]
        inputs, target = encode_groups(data, self.inputs), encode_target(data, self.targets)
        labels = (self.targets[0].state or {}).get("values", ())
        if OUTPUTS[plan.output["name"]].writes and isinstance(target, Pairs):
            note_long_texts(data, self.targets[0], target, split.train, listener.said)
        self.loader = Loader(inputs, target, self.device, **example_weights(data, split, plan, target, labels))
        self.looked = limit_validation(split, planned_output(plan, self.targets))
        self.watched = self.looked.validation if len(split.validation) else split.train
        self.cross_validation: CrossValidation | None = None
        self.sampler = Sampler(self.loader, split.train, plan.recipe.batch_size, plan.seed)
        self.record: dict[str, Any] = {}
        # The step and the second at which this sitting's loop began.
        self.loop_began = (0, 0.0)
        # What writing texts takes after the last step.
        self.writing_seconds = 0.0
        self.reference: Reference | None = None
        self.solved: SolvedPart | None = None
        self.decisions = Decisions((), self.write_decision)
        self.health = HealthLines(folder, listener.watched)

    @classmethod
    def from_record(
        cls, folder: Folder, record: Mapping[str, Any], data: Dataset, listener: Listener, trunk: Trunk | None
    ) -> Trainer:
        """A trainer for a run that was begun before, from its record and the decisions so far."""
        with damage_as_error(folder.path / "run.json"):
            plan = Plan.from_json(record["plan"])
        fields = {one["name"]: Field.from_json(one) for one in record["fields"]}
        trainer = cls(folder, Job(data, data.split(plan.split_seed), plan, trunk), listener, fields=fields)
        # So that its report says again what the first one said.
        data.check(trainer.split)
        trainer.record = dict(record)
        trainer.decisions = Decisions(recorded_decisions(folder, record), trainer.write_decision, record["live"])
        say_versions(record.get("versions", {}), most_threads(trainer.decisions), listener)
        return trainer

    # -- the two ways to a loop

    def start(self, started: float) -> Loop:
        """Write a new run down, choose its size and first schedule by timed steps, and give its loop.

        Args:
            started: when the run began, of ``time.monotonic``.
        """
        self.clock = self.make_clock(started)
        check_metric(planned_output(self.plan, self.targets).task, self.loader, self.split)
        self.record = initial_record(self.data, self.split, self.plan, self.fields)
        self.write_record()
        keep_examples(self)
        say_watched(len(self.watched), len(self.split.validation), self.listener)
        # Before the first step, so that the schedule knows what it took.
        self.fit_reference()
        self.solved = solve_part(self)
        if OUTPUTS[self.plan.output["name"]].writes and self.own is None:
            reserve_writing(self, self.network_of_size(self.plan.usual))
        trunk, timing = choose_size(self)
        with self.guard_memory():
            state = self.fresh_state(trunk, timing)
        reserve_writing(self, state.network)
        # With a trunk of one's own how texts are searched for is decided here alone.
        self.record["network"] = state.network.config()
        self.write_record()
        state.evaluating = timing.answer * len(self.watched) if timing else 0.0
        steps, reason = self.clock.first_steps(self.sampler.steps, state.evaluating, self.cross_validation, timing)
        steps, reason = (1, NOT_LEFT_OUT) if says_all_alone(self) else (steps, reason)
        every = between_evaluations(steps, self.sampler.steps, timing.step if timing else 0.0, state.evaluating)
        why = f"about {EVALUATIONS} times in all, at most {EVALUATION_SHARE:.0%} of the time"
        self.decisions.decide(0, "evaluate every", every, why)
        decide_looks(self.decisions, 0, steps, state, timing.step if timing else 0.0)
        pace = self.make_pacer(state)
        pace.begin_schedule(0, steps, self.decisions, reason)
        self.moments = MomentFiles(self.folder, state)
        if less := self.moments.say_room():
            self.listener.said(less)
        return self.make_loop(state, pace)

    def fresh_state(self, trunk: Trunk, timing: Timing | None) -> TrainState:
        """The state before the first step, after what is to be found out first: weights of another run, length."""
        network = self.make_network(trunk).to(self.device)
        self.transfer_weights(network)
        self.cross_validation = self.cross_validate(trunk, timing)
        self.record["network"] = network.config()
        self.write_record()
        return TrainState(network, self.plan.recipe)

    def resume(self, more: Budget | None, started: float) -> Loop:
        """A loop that goes on from the last checkpoint, or from the start when there is none yet.

        Args:
            more: a further budget. started: when this sitting began, of ``time.monotonic``.

        Raises:
            PellucidError: when the history was cut, or ``more`` is asked for a run without a schedule.
        """
        # Stopped before its first step: nothing depends on what was decided, so it is all decided again.
        if not self.decisions.at(0, "schedule"):
            if self.folder.has_checkpoint():
                raise damage_error("it has been cut: its decisions are missing", self.folder.path / HISTORY_LINES)
            if more is not None:
                where = self.folder.path
                raise PellucidError(
                    "this training has not started, so it can't be extended",
                    where=str(where),
                    fix=f"first: pellucid resume {shell_quote(where)}",
                )
            self.folder.truncate_lines(HISTORY_LINES, lambda row: False)
            self.health.drop_from(0, self.listener.said)
            self.decisions = Decisions((), self.write_decision)
            return self.start(started)
        # Before anything is computed: rounding depends on it.
        use_threads(self.decisions.at(0, "threads"))
        network = build_network(self.record, self.folder.path, self.own).to(self.device)
        restore_part(self, network)
        self.solved = network.solved
        resumed = self.folder.has_checkpoint()
        if not resumed:
            self.transfer_weights(network)
        state = TrainState(network, self.plan.recipe)
        if resumed:
            load_checkpoint_into(state, self.folder, self.listener)
        # Evaluations after the checkpoint come again, decisions stay: the steps until then must be the same.
        kept = state.step if resumed else -1
        self.folder.truncate_lines(HISTORY_LINES, lambda row: row["event"] == "decided" or row["step"] <= kept)
        self.health.drop_from(state.step if resumed else 0, self.listener.said)
        self.moments = MomentFiles(self.folder, state)
        self.moments.go_back(state)
        # As if the run had begun that much earlier and never stopped: the time between sittings does not count.
        self.clock = self.make_clock(started - state.seconds)
        # What cross-validation found is not for a longer training: one interrupted would choose among other weights.
        if self.plan.folds and more is None and not was_extended(self.decisions):
            own, size = self.own, self.decisions.at(0, "size")
            self.cross_validation = self.cross_validate(planned_trunk(self.plan, size) if own is None else own)
        reserve_writing(self, network)
        self.record["network"] = network.config()
        self.fit_reference()
        keep_examples(self)
        self.record["status"] = "training"
        if more is not None:
            self.record["live"] = self.decisions.live = True
            self.extend_schedule(state, more)
        self.write_record()
        return self.make_loop(state, self.make_pacer(state))

    def extend_schedule(self, state: TrainState, more: Budget) -> None:
        """Decide on a new schedule from the present step on, for what was left of the old one and ``more``."""
        check_more(self)
        # What was found is not for a longer training.
        self.folder.remove(ANSWERS_FILE)
        rest = end_of(self.decisions.at(state.step, "schedule")) - state.step
        known = self.clock.seconds_allowed(state.step)
        # What an earlier sitting decided for steps that were then lost is forgotten: that future will not come.
        self.decisions.forget_after(state.step)
        self.folder.truncate_lines(HISTORY_LINES, lambda row: row["step"] <= state.step)
        # Of a run that ended early, because validation stopped improving, nothing is left over.
        unspent = max((known or 0.0) - state.seconds, 0.0) if rest > 0 else 0.0
        seconds = state.seconds + unspent + more.amount if more.kind == "seconds" else None
        if seconds != self.clock.seconds_allowed(state.step):
            self.decisions.decide(state.step, "seconds", seconds, f"{more} more, as asked")
        pace, state.stale = self.make_pacer(state), 0
        steps = self.clock.more_steps(more, rest, self.sampler.steps, state.step, state.seconds, state.evaluating)
        decide_looks(self.decisions, state.step, max(steps, 1), state)
        pace.begin_schedule(state.step, max(steps, 1), self.decisions, f"{more} more, as asked")
        self.save_checkpoint(state)

    def make_loop(self, state: TrainState, pace: Pacer) -> Loop:
        """The loop over this run's batches; it evaluates first where something is known before the first step."""
        state.seconds = self.clock.elapsed()
        self.loop_began = (state.step, state.seconds)
        # What came from elsewhere may be better than anything that training makes of it.
        look = (self.plan.start is not None or self.solved is not None) and not state.best_row
        return Loop(
            state,
            self.sampler,
            self.watched,
            self.decisions,
            pace,
            self.save_checkpoint,
            self.write_row,
            self.listener,
            look,
            watch=Watch(state, self.decisions, self.health.add),
            before_step=self.moments.look,
        )

    def run(self, loop: Loop) -> Run:
        """Train to the end of the schedule, then choose weights, score them and write the run down.

        Raises:
            Interrupted: when stopped by a signal. OutOfMemory: when memory does not hold it; names a size that fits.
        """
        # The process's random numbers are left as they were: modules of a user's own draw from generators that are
        # seeded in every step.
        own = [self.device] if self.device.type == "cuda" else []
        with self.guard_memory(loop), stopped_by_signals() as loop.stop, torch.random.fork_rng(devices=own):
            try:
                loop.run()
            except Interrupted as stop:
                if not self.folder.lasting:
                    raise Interrupted("stopped; this training was in memory and is lost") from None
                where = self.folder.path
                fix = f"continue with: pellucid resume {shell_quote(where)}"
                raise Interrupted(stop.what, where=str(where), fix=fix) from None
            except PellucidError:
                # What a training that gave up looked like is what one wants to see of it.
                with contextlib.suppress(PellucidError):
                    self.health.write()
                raise
        with self.guard_memory(loop):
            return finish_training(self, loop.state)

    def fit_reference(self) -> None:
        """Train the classical model to compare with, where the plan has one and there is time."""
        if self.plan.reference and self.folder.lasting:
            allowed, why = reference_seconds(self.plan.budget), list[str]()
            self.reference = fit_reference(self.data, self.fields, self.split, allowed, why.append)
            self.record["no reference"] = why[-1] if why else ""
            for line in why:
                self.listener.said(line)
        self.clock.reserve = self.finishing_seconds()

    # -- what the loop needs

    def make_network(self, trunk: Trunk) -> Network:
        """A fresh network of this plan with ``trunk`` and as many heads as were decided."""
        heads, beams = self.decisions.at(0, "heads", 1), self.decisions.at(0, "beams")
        network = planned_network(self.plan, self.inputs, self.targets, trunk, heads, self.solved)
        if beams is not None:
            network.output.chosen["beams"] = beams
        return network

    def network_of_size(self, size: int) -> Network:
        """A fresh network of this plan at one size, on the device."""
        return self.make_network(planned_trunk(self.plan, size)).to(self.device)

    def guard_memory(self, loop: Loop | None = None) -> contextlib.AbstractContextManager[None]:
        """A context that turns a lack of memory into an error which names the largest size that fits."""
        size = self.decisions.at(0, "size")
        return explain_out_of_memory(size, self.network_of_size, self.sampler, self.plan.recipe, loop)

    def transfer_weights(self, network: Network) -> None:
        """Copy the weights of the run that this one starts from, if there is one."""
        if self.plan.start is not None:
            start = StartingRun.of(self.plan.start["run"], self.plan.start["sha256"])
            self.listener.said(start.transfer_to(network, self.loader, self.split))

    def cross_validate(self, trunk: Trunk, timing: Timing | None = None) -> CrossValidation | None:
        """How long to train, and answers to left-out rows, where the plan has folds; None where it has none.

        A number of steps that was found before stands, and its answers are read, or trained for again.
        """
        if not self.plan.folds:
            return None
        mark, deadline, budget = self.decisions.at(0, "rehearsal"), self.clock.deadline(0), self.plan.budget
        known = CrossValidation.of(self.folder) if mark is not None else None
        seconds = (
            CROSS_VALIDATION_SHARE * (deadline - time.monotonic()) if deadline is not None and mark is None else None
        )
        # Steps that all folds can make one after the other; answers at each mark take time too, and the clock
        # ends it.
        if seconds is not None and timing is not None:
            most = int(seconds / (self.plan.folds * timing.step))
        else:
            most = self.clock.max_steps(self.sampler.steps) if budget.kind != "seconds" else MARKS[-1]
        loader, rows, targets = self.loader, self.split.train, self.targets
        found = known or cross_validate(
            self.plan,
            self.data,
            trunk,
            loader,
            rows,
            targets=targets,
            heads=self.decisions.at(0, "heads", 1),
            most=most,
            only=mark,
            seconds=seconds,
        )
        if mark is None:
            why = f"the best number of steps in {self.plan.folds}-fold cross-validation"
            self.decisions.decide(0, "rehearsal", found.mark, why)
        if self.folder.lasting:
            found.save_to(self.folder)
        return found

    def make_clock(self, started: float) -> RunClock:
        """The clock of a run that began at ``started``, of ``time.monotonic``."""
        return RunClock(self.plan.budget, self.decisions, started, self.closing_evaluations(), self.finishing_seconds())

    def finishing_seconds(self) -> float:
        """Seconds reserved for what follows the closing evaluations."""
        two = len((self.targets[0].state or {}).get("values", ())) == 2
        numbers, tested = self.loader.forecast_size * (len(self.split.test) + len(self.watched)), len(self.split.test)
        own = finishing_seconds(tested, self.reference is not None, two, numbers)
        # What a language model writes for its page, and where a text surprised it.
        texts = self.targets[0].traits.written and self.folder.lasting
        pages = language_seconds(self.plan.budget) if texts else 0.0
        return own + self.importance_seconds() + self.writing_seconds + pages

    def importance_seconds(self) -> float:
        """Seconds that it may take to find what each input is worth; 0 where nobody asks."""
        known = self.inputs, len(self.looked.validation)
        return seconds_for(self.plan.budget, *known) if self.folder.lasting else 0.0

    def closing_evaluations(self) -> float:
        """The work after the last step, as so many evaluations of validation: time is reserved for it.

        The last evaluation, three candidates of weights and a solved part alone, the test set, and training rows looked
        at for wrong labels.
        """
        # Answers that are averaged with the mirror image's take twice as long.
        twice = 2 if any(INPUTS[kind].mirrors(settings) for kind, settings in self.plan.inputs.items()) else 1
        others = twice * len(self.split.test) + len(looked_at(self.looked))
        candidates = 3 + (self.plan.solved is not None)
        return 1 + twice * candidates + others / len(self.watched)

    def make_pacer(self, state: TrainState) -> Pacer:
        """The pacer of this run's budget; it stops early only under a budget of time without cross-validation."""
        deadline, grow = self.clock.deadline(state.step), not (self.cross_validation or says_all_alone(self))
        timed = self.clock.seconds_allowed(state.step) is not None
        return Pacer(
            self.plan.recipe,
            deadline,
            every=self.decisions.at(0, "evaluate every", 1),
            closing=self.clock.closing,
            patience=PATIENCE_EVALUATIONS if grow and timed else 0,
            finish=self.clock.reserve,
            grow=grow,
            tuner=None if deadline is None else ThreadTuner(self.thread_counts),
        )

    # -- what is written

    def write_decision(self, decision: dict[str, Any]) -> None:
        """Write a decision into the history, durably, and tell it."""
        # On the disk before it takes effect: a step after it must be replayed with it.
        self.folder.append(HISTORY_LINES, [{"event": "decided"} | decision], sync=True)
        self.listener.decided(decision)

    def write_row(self, row: dict[str, Any]) -> None:
        """Write an evaluation into the history; the next checkpoint makes it durable."""
        self.folder.append(HISTORY_LINES, [{"event": "evaluated"} | row])

    def write_record(self) -> None:
        """Write ``run.json`` as it is now."""
        self.folder.write_json("run.json", self.record)

    def save_checkpoint(self, state: TrainState) -> None:
        """Write a checkpoint, unless the run is in memory. Raises PellucidError when a weight is not finite."""
        state.check_finite()
        self.health.write()
        self.moments.write(state)
        if not self.folder.lasting:
            return
        # The rows up to here are durable before the checkpoint is, which says how many they are.
        self.folder.append(HISTORY_LINES, [], sync=True)
        lines = len(self.folder.lines(HISTORY_LINES))
        self.folder.save_checkpoint(state.step, state.tensors(), state.meta() | {"lines": lines})
