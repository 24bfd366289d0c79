"""Makes a run: plan, train, resume, replay.

The way to a step: ``train`` or ``resume`` → ``Making.complete`` → ``Loop.run`` → ``Optimizer.step``.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from .data import Split
from .data.batch import encode_groups, encode_target
from .errors import Interrupted, PellucidError, quoted
from .fields import Field
from .folder import WEIGHTS, Files, Folder, InMemory, damaged
from .network import Network, as_target
from .opening import (
    begun,
    check_in_memory,
    check_metric,
    check_replay,
    free,
    needed_trunk,
    new_folder,
    opened,
    parted,
    reopened,
    run_path,
    taken_trunk,
    weighed,
)
from .options import Budget, check_options
from .planning import Plan, check_device, make_plan, planned_network, planned_output, planned_trunk
from .record import FORMAT, check_whole, read_history, read_record, understood
from .references import Reference, allowance, refer
from .reporting import scores, write_history, write_report
from .run import LINES as HISTORY
from .run import Run, network_of
from .starting import Start
from .suspects import looked_at
from .training.budget import finishing_seconds, max_steps, planned_steps, seconds_allowed
from .training.choosing import choose, looked_on
from .training.feed import Feed, Order
from .training.listeners import Listener, Several
from .training.loop import Loop, answers
from .training.memory import give_back, keep_freed
from .training.pace import EVALUATIONS, WATCHING, Pace, between_evaluations, steady
from .training.rehearsal import ANSWERS, MARKS, Rehearsal, rehearsed, unseen
from .training.schedule import Decisions, end_of
from .training.signals import stopped_by_signals
from .training.sizing import Timing, decide_threads, held, largest, timed
from .training.state import State
from .training.threads import ThreadTuner, restore_threads, thread_counts, use_threads
from .training.versions import most_threads, say_versions, versions
from .trunks import Trunk
from .workbench import Dataset

REHEARSING = 0.4  # of the time left, that cross-validation may take
PATIENCE = 10  # evaluations


def plan(data: Any, **options: Any) -> Plan:
    """What ``train`` would do with the same arguments, without training."""
    found, rest = opened(data, options)
    found, trunk, start = begun(found, rest)
    return make_plan(found, parted(found, rest), trunk, start, **rest)


def train(
    data: Any = None,
    *,
    listeners: Sequence[Listener] = (),
    started: float | None = None,
    like: str | Path | None = None,
    save: bool = True,
    **options: Any,
) -> Run:
    """Train a network on data and leave a run folder.

    Args:
        data: whatever ``read`` takes, or what it returned.
        network: ``"mlp"``, ``"cnn"``, ``"rnn"``, ``"gru"``, ``"lstm"``, ``"transformer"``, or a trunk of your own.
        budget: ``"30s"``, ``"5m"``, ``"10epochs"``, ``"500steps"``; also ``epochs`` or ``steps`` as numbers. A budget
            of time is wall clock from ``started`` (``time.time()``; now when left out) to the written score.
        listeners: are told how it goes. like: a run to replay instead: same plan, same decisions, same bytes.
        save: False keeps the run in memory and draws no report; ``run.save`` writes the finished run. Such a training
            has no checkpoints: stopped, it is lost. Without a test part (a share of 0) its score is validation's.
            Whether data from files is cached is for ``read`` to say.
        options: every option of ``pellucid train``, under the same name.

    Raises:
        PellucidError: for anything the user can mend. Interrupted: when stopped by a signal, after saving.
    """
    started, tell = steady(started), Several(listeners)
    if not save:
        check_in_memory(options, like)
    if like is not None:
        return replayed(Folder.open(like), data, options, tell, started)
    found, rest = opened(data, options)
    found, trunk, start = begun(found, rest)
    split = parted(found, rest, tested=save)
    for note in found.check(split):
        if note.level != "info":
            tell.said(str(note))
    made = make_plan(found, split, trunk, start, **rest)
    tell.planned(made)
    folder = new_folder(run_path(found.name, made, rest)) if save else InMemory()
    with folder.lock(), restore_threads():
        making = Making(folder, found, split, made, tell, trunk=trunk)
        return making.complete(making.begin(started))


def resume(
    path: str | Path,
    *,
    more: Any = None,
    data: Any = None,
    trunk: Trunk | None = None,
    listeners: Sequence[Listener] = (),
) -> Run:
    """Go on with a training that was stopped, or train a finished run for longer.

    The continued training is the one that would have been: on a CPU the weights are the same to the last bit.

    Args:
        path: the run folder. more: a further budget, such as ``"5m"`` or ``"10epochs"``.
        data: only needed when the run was trained on data in memory. trunk: only when it has a trunk of your own.

    Raises:
        PellucidError: when there is nothing to go on with, or the data has changed.
    """
    started, folder = time.monotonic(), Folder.open(path)
    record = read_record(folder)
    more = check_options("resume", {"more": more})["more"]
    if record["status"] == "done" and more is None:
        raise PellucidError(
            "this training is finished",
            where=str(path),
            fix=f"train it for longer with: pellucid resume {quoted(path)} --more 5m",
        )
    if record["status"] == "done" and not folder.has_checkpoint():
        raise PellucidError(
            "this run holds no checkpoint to go on from, because it was trained in memory",
            where=str(path),
            fix="train again, for longer",
        )
    tell = Several(listeners)
    with folder.lock(), restore_threads():
        for problem in folder.verify():
            tell.said(problem)
        making = Making.again(folder, record, reopened(record, folder.path, data), tell, needed_trunk(record, trunk))
        return making.complete(making.go_on(more, started))


def replayed(source: Folder, data: Any, options: dict[str, Any], tell: Listener, started: float) -> Run:
    """Do a run again, with its plan and its decisions, in a new folder."""
    record = read_record(source)
    if record["status"] != "done":
        raise PellucidError(
            "this training has not finished",
            where=str(source.path),
            fix=f"first: pellucid resume {quoted(source.path)}",
        )
    check_replay(options)
    found = reopened(record, source.path, data)
    out = Path(options.get("out") or source.path.parent)
    folder = new_folder(out / str(options["name"]) if options.get("name") else free(out, f"{source.path.name}-again"))
    kept = ("format", "data", "fields", "plan", "network", "decisions")
    fresh = {k: record[k] for k in kept} | {"versions": versions(), "like": str(source.path), "live": False}
    fresh["status"] = "training"
    with folder.lock(), restore_threads():
        folder.write_json("run.json", fresh)
        making = Making.again(folder, fresh, found, tell, needed_trunk(record, taken_trunk(options)))
        return making.complete(making.go_on(None, started))


FIRST = 0.1  # seconds a step may take, before any was made; corrected as soon as it trains


class Making:
    """One run on its way from a plan to a folder that can be used.

    Args:
        folder: where. data, split, plan: what and how. tell: the listener.
        fields: with their fitted states, where those are known already. trunk: the user's own, if there is one.
    """

    def __init__(
        self,
        folder: Files,
        data: Dataset,
        split: Split,
        plan: Plan,
        tell: Listener,
        *,
        fields: Mapping[str, Field] | None = None,
        trunk: Trunk | None = None,
    ):
        self.folder, self.data, self.split, self.plan, self.tell, self.own = folder, data, split, plan, tell, trunk
        check_device(plan.device)
        self.device = torch.device(plan.device)
        self.thread_counts = thread_counts(self.device)
        keep_freed()
        self.fields = dict(fields) if fields is not None else data.fitted(plan.split_seed)
        self.inputs = [f for f in self.fields.values() if f.role == "input"]
        self.targets = [f for f in self.fields.values() if f.role == "target"]
        target, labels = as_target(encode_target(data, self.targets)), (self.targets[0].state or {}).get("values", ())
        weights = weighed(data, split, plan, target, labels)
        self.feed = Feed(encode_groups(data, self.inputs), target, self.device, **weights)
        self.looked = looked_on(split)
        self.watched = self.looked.validation if len(split.validation) else split.train
        self.rehearsal: Rehearsal | None = None
        self.order = Order(self.feed, split.train, plan.recipe.batch_size, plan.seed)
        self.record: dict[str, Any] = {}
        self.reference: Reference | None = None
        self.decisions = Decisions((), self.write_decision)

    @classmethod
    def again(
        cls, folder: Folder, record: Mapping[str, Any], data: Dataset, tell: Listener, trunk: Trunk | None
    ) -> Making:
        """A run that was begun before, from its record."""
        with understood(folder.path / "run.json"):
            plan = Plan.from_json(record["plan"])
        fields = {one["name"]: Field.from_json(one) for one in record["fields"]}
        making = cls(folder, data, data.split(plan.split_seed), plan, tell, fields=fields, trunk=trunk)
        data.check(making.split)  # its report says again what the first one said
        making.record = dict(record)
        making.decisions = Decisions(decided(folder, record), making.write_decision, record["live"])
        say_versions(record.get("versions", {}), most_threads(making.decisions), tell)
        return making

    # -- the two ways to a loop

    def begin(self, started: float) -> Loop:
        """Choose what had to wait for a first timing, write the run down."""
        self.started = started
        check_metric(planned_output(self.plan, self.targets), self.feed, self.split)
        self.record = described(self.data, self.split, self.plan, self.fields)
        self.write_record()
        say_watched(len(self.watched), len(self.split.validation), self.tell)
        self.reference = self.refer()
        trunk, timing = self.sized()
        with self.held():
            state = self.fresh(trunk, timing)
        state.evaluating = timing.answer * len(self.watched) if timing else 0.0
        deadline = self.deadline(0)
        left = None if deadline is None else deadline - time.monotonic() - self.closing() * state.evaluating
        steps, reason = planned_steps(self.plan.budget, self.order.steps, left, self.rehearsal, timing)
        every = between_evaluations(steps, self.order.steps, timing.step if timing else 0.0, state.evaluating)
        why = f"about {EVALUATIONS} times in all, at most {WATCHING:.0%} of the time"
        self.decisions.decide(0, "evaluate every", every, why)
        pace = self.pace(state)
        pace.begin(0, steps, self.decisions, reason)
        return self.loop(state, pace)

    def fresh(self, trunk: Trunk, timing: Timing | None) -> State:
        network = self.network(trunk).to(self.device)
        self.transfer(network)
        self.rehearsal = self.rehearse(trunk, timing)
        self.record["network"] = network.config()
        self.write_record()
        return State(network, self.plan.recipe)

    def go_on(self, more: Budget | None, started: float) -> Loop:
        """Take up the last checkpoint, or the start when there is none yet."""
        if not self.decisions.at(0, "schedule"):  # stopped before its first step
            if self.folder.has_checkpoint():
                raise damaged("it has been cut: nothing that was decided is there", self.folder.path / HISTORY)
            if more is not None:
                where = self.folder.path
                raise PellucidError(
                    "this training has not begun, so there is nothing to add to",
                    where=str(where),
                    fix=f"first: pellucid resume {quoted(where)}",
                )
            self.folder.truncate_lines(HISTORY, lambda row: False)
            self.decisions = Decisions((), self.write_decision)
            return self.begin(started)
        use_threads(self.decisions.at(0, "threads"))
        network = network_of(self.record, self.folder.path, self.own).to(self.device)
        resumed = self.folder.has_checkpoint()
        if not resumed:
            self.transfer(network)
        state = State(network, self.plan.recipe)
        if resumed:
            restored(state, self.folder, self.tell)
        kept = state.step if resumed else -1
        self.folder.truncate_lines(HISTORY, lambda row: row["event"] == "decided" or row["step"] <= kept)
        self.started = started - state.seconds
        if self.plan.folds and more is None and not prolonged(self.decisions):
            own, size = self.own, self.decisions.at(0, "size")
            self.rehearsal = self.rehearse(planned_trunk(self.plan, size) if own is None else own)
        self.reference = self.refer()
        self.record["status"] = "training"
        if more is not None:
            self.record["live"] = self.decisions.live = True
            self.extend(state, more)
        self.write_record()
        return self.loop(state, self.pace(state))

    def extend(self, state: State, more: Budget) -> None:
        """Warm up, hold and cool down once more: for as long as was left, and ``more``.

        What an earlier sitting decided for steps that were then lost is forgotten: that future will not come.
        """
        self.folder.remove(ANSWERS)  # what was found is not for a longer training
        rest = end_of(self.decisions.at(state.step, "schedule")) - state.step
        known = seconds_allowed(self.plan.budget, self.decisions, state.step)
        self.decisions.forget_after(state.step)
        self.folder.truncate_lines(HISTORY, lambda row: row["step"] <= state.step)
        unspent = max((known or 0.0) - state.seconds, 0.0) if rest > 0 else 0.0
        seconds = state.seconds + unspent + more.amount if more.kind == "seconds" else None
        if seconds != seconds_allowed(self.plan.budget, self.decisions, state.step):
            self.decisions.decide(state.step, "seconds", seconds, f"{more} more, as asked for")
        pace, state.stale = self.pace(state), 0
        if pace.deadline is None:
            steps = rest + round(more.amount * (self.order.steps if more.kind == "epochs" else 1))
        else:
            each = state.seconds / state.step if state.step else FIRST  # corrected as soon as it trains
            steps = int((pace.deadline - time.monotonic() - pace.closing * state.evaluating) / max(each, 1e-6))
        pace.begin(state.step, max(steps, 1), self.decisions, f"{more} more, as asked for")
        self.save(state)

    def loop(self, state: State, pace: Pace) -> Loop:
        state.seconds = time.monotonic() - self.started
        look = self.plan.start is not None and not state.best_row
        return Loop(state, self.order, self.watched, self.decisions, pace, self.save, self.write_row, self.tell, look)

    def complete(self, loop: Loop) -> Run:
        """Train to the end of the schedule, then choose, score and write down."""
        own = [self.device] if self.device.type == "cuda" else []
        with self.held(loop), stopped_by_signals() as loop.stop, torch.random.fork_rng(devices=own):
            try:
                loop.run()
            except Interrupted as stop:
                if not self.folder.lasting:
                    raise Interrupted("stopped; this training was in memory and is lost") from None
                where = self.folder.path
                raise Interrupted(
                    stop.what, where=str(where), fix=f"go on with: pellucid resume {quoted(where)}"
                ) from None
        with self.held(loop):
            return self.finish(loop.state)

    def refer(self) -> Reference | None:
        """What a classical model answers; before the first step, so that the schedule knows what it took."""
        wanted = self.plan.reference and self.folder.lasting
        allowed = allowance(self.plan.budget)
        return refer(self.data, self.fields, self.split, allowed, self.tell.said) if wanted else None

    # -- what the loop needs

    def network(self, trunk: Trunk) -> Network:
        return planned_network(self.plan, self.inputs, self.targets, trunk)

    def sized_to(self, size: int) -> Network:
        return self.network(planned_trunk(self.plan, size)).to(self.device)

    def held(self, loop: Loop | None = None) -> contextlib.AbstractContextManager[None]:
        """Where memory does not hold the training, say of which size it does."""
        return held(self.decisions.at(0, "size"), self.sized_to, self.order, self.plan.recipe, loop)

    def transfer(self, network: Network) -> None:
        """Bring the weights that the training starts from, if it does."""
        if self.plan.start is not None:
            start = Start.of(self.plan.start["run"], self.plan.start["sha256"])
            self.tell.said(start.given_to(network, self.feed, self.split))

    def rehearse(self, trunk: Trunk, timing: Timing | None = None) -> Rehearsal | None:
        """How long to train, where cross-validation says it; what was found before is only gone through again."""
        if not self.plan.folds:
            return None
        mark, deadline, budget = self.decisions.at(0, "rehearsal"), self.deadline(0), self.plan.budget
        known = Rehearsal.of(self.folder) if mark is not None else None
        seconds = REHEARSING * (deadline - time.monotonic()) if deadline is not None and mark is None else None
        if seconds is not None and timing is not None:  # half the time, with the answers at each mark
            most = int(seconds / (self.plan.folds * timing.step))
        else:
            most = max_steps(budget, self.order.steps) if budget.kind != "seconds" else MARKS[-1]
        feed, rows, targets = self.feed, self.split.train, self.targets
        found = known or rehearsed(
            self.plan, self.data, trunk, feed, rows, targets=targets, most=most, only=mark, seconds=seconds
        )
        if mark is None:
            why = f"after so many steps {self.plan.folds} networks answered best what each had left out"
            self.decisions.decide(0, "rehearsal", found.mark, why)
        if self.folder.lasting:
            found.kept(self.folder)
        return found

    def sized(self) -> tuple[Trunk, Timing | None]:
        """The trunk at the size the budget allows, and its timing where the clock matters."""
        deadline, sizes, recipe = self.deadline(0), self.plan.sizes, self.plan.recipe
        if self.own is not None:
            reason = f"as in {self.plan.start['run']}" if self.plan.start else "your own trunk"
            self.decisions.decide(0, "size", "own", reason)
            if deadline is None:
                return self.own, None
            thrown_away = self.network(copy.deepcopy(self.own)).to(self.device)
            return self.own, decide_threads(
                timed(thrown_away, self.order, recipe, counts=self.thread_counts), self.decisions
            )
        if deadline is None:
            self.decisions.decide(0, "size", sizes[0], next(c.reason for c in self.plan.choices if c.name == "size"))
            return planned_trunk(self.plan, sizes[0]), None
        left = deadline - time.monotonic()
        size, timing, reason = largest(
            sizes, self.plan.usual, self.sized_to, self.order, recipe, left, self.thread_counts
        )
        self.decisions.decide(0, "size", size, reason)
        return planned_trunk(self.plan, size), decide_threads(timing, self.decisions)

    def deadline(self, step: int) -> float | None:
        """When what follows the closing evaluations must begin; None without a clock."""
        seconds = seconds_allowed(self.plan.budget, self.decisions, step)
        if seconds is None or not self.decisions.live:
            return None
        return self.started + seconds - self.reserve

    @property
    def reserve(self) -> float:
        return finishing_seconds(len(self.split.test), self.reference is not None)

    def closing(self) -> float:
        """What follows the last step, in evaluations: the last, three candidates, test, and labels looked at."""
        twice = 2 if self.plan.inputs.get("image", {}).get("mirror") else 1
        others = twice * len(self.split.test) + len(looked_at(self.looked))
        return 1 + twice * 3 + others / len(self.watched)

    def pace(self, state: State) -> Pace:
        deadline, grow = self.deadline(state.step), not self.rehearsal
        timed = seconds_allowed(self.plan.budget, self.decisions, state.step) is not None
        return Pace(
            self.plan.recipe,
            deadline,
            every=self.decisions.at(0, "evaluate every", 1),
            closing=self.closing(),
            patience=PATIENCE if grow and timed else 0,
            finish=self.reserve,
            grow=grow,
            tuner=None if deadline is None else ThreadTuner(self.thread_counts),
        )

    # -- what is written

    def write_decision(self, decision: dict[str, Any]) -> None:
        self.folder.append(HISTORY, [{"event": "decided"} | decision], sync=True)
        self.tell.decided(decision)

    def write_row(self, row: dict[str, Any]) -> None:
        self.folder.append(HISTORY, [{"event": "evaluated"} | row])

    def write_record(self) -> None:
        self.folder.write_json("run.json", self.record)

    def save(self, state: State) -> None:
        state.check_finite()
        if not self.folder.lasting:
            return
        self.folder.append(HISTORY, [], sync=True)  # the rows up to here are durable before the checkpoint is
        lines = len(self.folder.lines(HISTORY))
        self.folder.save_checkpoint(state.step, state.tensors(), state.meta() | {"lines": lines})

    def finish(self, state: State) -> Run:
        """Choose the weights on validation, calibrate there, look at test once, write everything down.

        Without a test part the score is validation's, and the run says so. ``run.json`` comes last: until it says
        done, a killed training can be resumed and finished again.
        """
        give_back()
        network, output = state.network, state.network.output
        among = {"the average"} if self.rehearsal else None
        chosen, *watched = choose(state, self.feed, self.watched, among=among)
        raw, true, rows = unseen(self.rehearsal, self.feed, self.looked.validation, *watched)
        tested = len(self.split.test) > 0
        self.record["looks"] = int(self.record.get("looks", 0)) + tested  # counted before it is looked at
        self.write_record()
        output.calibrate(raw, true)
        seen = answers(network, self.feed, self.split.test, mirrored=True) if tested else (raw, true)
        scored = self.split.test if tested else rows
        weights = {k: v.cpu().contiguous().numpy() for k, v in network.state_dict().items()}
        self.folder.save_tensors(WEIGHTS, weights, {})
        self.record |= {
            "status": "done",
            "decisions": self.decisions.all,
            "chosen": chosen,
            "validation": output.measure(raw, true, self.feed.counts(rows)),
            "scored on": "test" if tested else "cross-validation" if self.rehearsal else "validation",
            **scores(output, seen, scored, self.split.train, self.feed, self.data, self.reference),
            "steps": state.step,
            "seconds": time.monotonic() - self.started,
            "lines": len(self.folder.lines(HISTORY)),
        }
        run = Run(self.folder, self.record, network.eval())
        if self.folder.lasting:
            write_report(run, self.data, self.split, self.feed, (watched[0], watched[1]), seen, HISTORY)
        else:
            write_history(run, HISTORY)
        give_back()
        self.record["seconds"] = time.monotonic() - self.started
        self.write_record()
        self.tell.finished(run)
        return run


def restored(state: State, folder: Files, tell: Listener) -> None:
    """Take up the newest good checkpoint; damaged ones after it go, or they would come before those made from here."""
    step, tensors, meta, note = folder.load_checkpoint()
    if note:
        tell.said(note)
        folder.drop_checkpoints(after=step)
    check_whole(folder, HISTORY, meta.get("lines", 0))
    state.restore(tensors, meta, folder.path / "checkpoints")


def described(data: Dataset, split: Split, plan: Plan, fields: Mapping[str, Field]) -> dict[str, Any]:
    """``run.json`` as it is before training: all that is needed to do it again."""
    parts = {name: len(rows) for name, rows in split.parts().items()}
    about = {"fingerprint": data.fingerprint(), "examples": data.examples(), "split": {"how": split.how, **parts}}
    about["columns"] = data.reading.columns
    return {
        "format": FORMAT,
        "status": "training",
        "live": True,
        "data": data.recipe() | about,
        "fields": [f.to_json() for f in fields.values()],
        "plan": plan.to_json(),
        "network": None,
        "decisions": [],
        "versions": versions(),
    }


def decided(folder: Files, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was decided for a run so far: by its record, and by its history since that was written."""
    written = [without(row, "event") for row in read_history(folder, HISTORY) if row["event"] == "decided"]
    return [*record["decisions"], *(one for one in written if one not in record["decisions"])]


def prolonged(decisions: Decisions) -> bool:
    """Whether a rehearsed training was given more than was found for it: the clock only ever moves its end nearer."""
    first, *others = [one["value"] for one in decisions.all if one["name"] == "schedule"]
    return any(points[0][0] > first[0][0] or end_of(points) > end_of(first) for points in others)


def without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k != name}


def say_watched(some: int, every: int, tell: Listener) -> None:
    """Say that choices are made on some of the validation examples, where they are."""
    if some < every:
        tell.said(f"choices are made on {some:,} of {every:,} validation examples, spread evenly")
