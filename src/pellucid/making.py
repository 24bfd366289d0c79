"""Makes a run: plan, train, resume, replay, finish."""

from __future__ import annotations

import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from . import __version__
from .data import Split
from .data.batch import encode_groups, encode_target
from .errors import PellucidError
from .fields import Field, groups
from .folder import Folder
from .inputs import INPUTS
from .network import Network
from .options import READ, Budget, check_options
from .outputs import OUTPUTS
from .planning import Plan, check_device, make_plan
from .reporting import write_report
from .run import FORMAT, Run, as_target, read_record
from .training.feed import Feed, Order
from .training.listeners import Listener, Several
from .training.loop import Loop, answers
from .training.pace import Pace
from .training.schedule import Decisions
from .training.sizing import Timing, largest
from .training.state import State, copy_into
from .trunks import Trunk, trunk_named
from .workbench import Dataset, read

HISTORY = "history.jsonl"
EVALUATIONS = 40  # of a training, about
WATCHING = 0.04  # of the time that evaluations may take
FINISH = 1.2  # seconds kept for saving and scoring besides answering


def plan(data: Any, **options: Any) -> Plan:
    """What ``train`` would do with the same arguments, without training."""
    found, rest = opened(data, options)
    return make_plan(found, found.split(rest.get("seed") or 0), custom(rest), **rest)


def train(
    data: Any = None,
    *,
    listeners: Sequence[Listener] = (),
    started: float | None = None,
    like: str | Path | None = None,
    **options: Any,
) -> Run:
    """Train a network on data and leave a run folder.

    Args:
        data: whatever ``read`` takes, or what it returned.
        network: ``"mlp"``, ``"cnn"``, ``"rnn"``, ``"gru"``, ``"lstm"``, ``"transformer"``, or a trunk of your own.
        budget: ``"30s"``, ``"5m"``, ``"10epochs"``, ``"500steps"``; also ``epochs`` or ``steps`` as numbers. A budget of
            time is wall clock from ``started`` (``time.time()``; now when left out) to the written score.
        listeners: are told how it goes. like: a run to replay instead: same plan, same decisions, same bytes.
        options: every option of ``pellucid train``, under the same name.

    Raises:
        PellucidError: for anything the user can mend. Interrupted: when stopped by a signal, after saving.
    """
    started = started or time.time()
    tell = Several(listeners)
    if like is not None:
        return replayed(Folder.open(like), data, options, tell)
    found, rest = opened(data, options)
    own = custom(rest)
    split = found.split(rest.get("seed") or 0)
    made = make_plan(found, split, own, **rest)
    check_device(made.device)
    tell.planned(made)
    folder = Folder.create(run_path(found, made, rest))
    with folder.lock():
        if folder.exists("run.json"):
            raise PellucidError("there is a run here already", where=str(folder.path), fix="choose another --name")
        making = Making(folder, found, split, made, tell, custom=own)
        making.begin(started)
        return making.finish()


def resume(path: str | Path, *, more: Any = None, data: Any = None, listeners: Sequence[Listener] = ()) -> Run:
    """Go on with a training that was stopped, or train a finished run for longer.

    The continued training is the one that would have been: on a CPU the weights are the same to the last bit.

    Args:
        path: the run folder. more: a further budget, such as ``"5m"`` or ``"10epochs"``.
        data: only needed when the run was trained on data in memory.
    """
    folder = Folder.open(path)
    record = read_record(folder)
    more = check_options("resume", {"more": more})["more"]
    if record["status"] == "done" and more is None:
        raise PellucidError(
            "this training is finished",
            where=str(path),
            fix=f"train it for longer with: pellucid resume {path} --more 5m",
        )
    found = reopened(record, data)
    with folder.lock():
        making = Making.again(folder, record, found, Several(listeners))
        making.go_on(more)
        return making.finish()


def replayed(source: Folder, data: Any, options: Mapping[str, Any], tell: Listener) -> Run:
    """Do a run again: its plan and its decisions, into a new folder."""
    record = read_record(source)
    extra = set(options) - {"name", "out"} - {k for k, v in options.items() if v in (None, (), {})}
    if extra - {"seed"}:
        raise PellucidError(
            f"a replay takes its options from the run, and {', '.join(sorted(extra))} is another", fix="leave it out"
        )
    found = reopened(record, data)
    rest = {"name": options.get("name") or f"{source.path.name}-again", "out": options.get("out") or source.path.parent}
    folder = Folder.create(run_path(found, Plan.from_json(record["plan"]), rest))
    known = [row for row in record["decisions"]]
    fresh = {
        k: v for k, v in record.items() if k not in ("score", "baseline", "steps", "seconds", "validation", "naive")
    }
    with folder.lock():
        if folder.exists("run.json"):
            raise PellucidError("there is a run here already", where=str(folder.path), fix="choose another --name")
        folder.write_json("run.json", fresh | {"status": "training", "like": source.path.name})
        folder.append(HISTORY, [{"event": "decided"} | d for d in known])
        making = Making.again(folder, fresh, found, tell, live=False)
        making.go_on(None)
        return making.finish()


class Making:
    """One run on its way from a plan to a folder that can be used."""

    def __init__(
        self,
        folder: Folder,
        data: Dataset,
        split: Split,
        plan: Plan,
        tell: Listener,
        *,
        fields: Mapping[str, Field] | None = None,
        custom: Trunk | None = None,
    ):
        self.folder, self.data, self.split, self.plan, self.tell, self.custom = folder, data, split, plan, tell, custom
        self.device = torch.device(plan.device)
        self.fields = dict(fields) if fields is not None else data.fitted(plan.seed)
        self.record: dict[str, Any] = {}
        self.decisions = Decisions()
        self.target_name = data.need_target().name
        inputs = [f for f in self.fields.values() if f.name != self.target_name]
        self.feed = Feed(
            encode_groups(data, inputs), as_target(encode_target(data, self.fields[self.target_name])), self.device
        )
        self.order = Order(self.feed, split.train, plan.recipe.batch_size, plan.seed)

    @classmethod
    def again(cls, folder: Folder, record: dict[str, Any], data: Dataset, tell: Listener, live: bool = True) -> Making:
        """A run that was begun before, from its record."""
        plan = Plan.from_json(record["plan"])
        fields = {one["name"]: Field.from_json(one) for one in record["fields"]}
        making = cls(folder, data, data.split(plan.seed), plan, tell, fields=fields)
        making.record = dict(record)
        known = [
            {k: row[k] for k in ("step", "name", "value", "reason")}
            for row in folder.lines(HISTORY)
            if row["event"] == "decided"
        ]
        making.decisions = Decisions(known or record.get("decisions", []), making.write_decision, live)
        return making

    # -- the three ways to the loop

    def begin(self, started: float) -> None:
        """Choose what had to wait for a first timing, write the run down, train."""
        self.started = started
        self.decisions = Decisions((), self.write_decision)
        deadline = started + self.plan.budget.amount if self.plan.budget.kind == "seconds" else None
        trunk, timing, chosen = self.sized(deadline)
        network = self.network(trunk)
        self.record = self.described(network)
        self.folder.write_json("run.json", self.record)
        self.decide(0, "size", chosen[0], chosen[1])
        steps, reason = self.steps(deadline, timing)
        self.decide(
            0,
            "evaluate every",
            self.every(steps, timing),
            f"about {EVALUATIONS} times in all, at most {WATCHING:.0%} of the time",
        )
        state = State(network.to(self.device), self.plan.recipe)
        pace = self.pace(deadline, timing)
        pace.begin(0, steps, self.decisions, reason)
        self.tell.decided(self.decisions.all[-1])
        self.loop(state, pace)

    def go_on(self, more: Budget | None) -> None:
        """Take up the last checkpoint, or the start when there is none yet, and train on."""
        from .run import network_of

        network = network_of(self.record).to(self.device)
        state = State(network, self.plan.recipe)
        if any(self.folder.path.glob("checkpoints/*.safetensors")):
            step, tensors, meta, note = self.folder.load_checkpoint()
            if note:
                self.tell.said(note)
            state.restore(tensors, meta)
            assert state.step == step
        self.folder.truncate_lines(HISTORY, lambda row: row["event"] == "decided" or row["step"] <= state.step)
        left = None
        self.started = time.time() - state.seconds
        if self.plan.budget.kind == "seconds" and self.decisions.live:
            left = time.time() + max(self.plan.budget.amount - self.record.get("overhead", 0.0) - state.seconds, 0.0)
        self.record["status"] = "training"
        pace = self.pace(left, None)
        if not self.decisions.at(state.step, "schedule"):
            raise PellucidError(
                "this training was stopped before its first step",
                where=str(self.folder.path),
                fix="delete the folder and train again",
            )
        if more is not None:
            self.extend(state, pace, more)
        self.folder.write_json("run.json", self.record)
        self.loop(state, pace)

    def extend(self, state: State, pace: Pace, more: Budget) -> None:
        """Add a further warm-up, hold and cool-down behind the present end."""
        if more.kind == "seconds":
            each = state.seconds / max(state.step, 1)
            pace.deadline = time.time() + more.amount - FINISH
            steps = max(int((more.amount - FINISH) / max(each, 1e-6)), 1)
        else:
            steps = round(more.amount * (self.order.steps if more.kind == "epochs" else 1))
        pace.begin(state.step, max(steps, 1), self.decisions, f"{more} more, as asked for")
        self.tell.decided(self.decisions.all[-1])

    def loop(self, state: State, pace: Pace) -> None:
        self.state = state
        self.record["overhead"] = max(time.time() - self.started - state.seconds, 0.0)
        with stopped_by_signals() as stop:
            Loop(
                state,
                self.order,
                self.split.validation,
                self.decisions,
                pace,
                self.save,
                self.write_row,
                self.tell,
                stop,
            ).run()
        self.save(state)

    # -- what the loop needs

    def network(self, trunk: Trunk) -> Network:
        """The planned network with this trunk; the same weights for the same seed."""
        inputs = [f for f in self.fields.values() if f.name != self.target_name]
        named = {f.name: f for f in inputs}
        layers = [
            INPUTS[g.kind](
                [named[n] for n in g.fields], **settings(INPUTS[g.kind].settings, self.plan.inputs.get(g.kind, {}))
            )
            for g in groups(inputs)
        ]
        chosen = {k: v for k, v in self.plan.output.items() if k != "name"}
        output = OUTPUTS[self.plan.output["name"]]([self.fields[self.target_name]], **chosen)
        return Network(layers, trunk, output, seed=self.plan.seed)

    def trunk(self, size: int) -> Trunk:
        trunk = trunk_named(self.plan.network).sized(size)
        dropout = self.plan.dropout
        if dropout is not None and "dropout" in trunk.config():
            return type(trunk)(**trunk.config() | {"dropout": dropout})
        return trunk

    def sized(self, deadline: float | None) -> tuple[Trunk, Timing | None, tuple[Any, str]]:
        """The trunk at the size the budget allows, with its timing and why."""
        if self.custom is not None:
            return self.custom, self.timing(self.custom) if deadline else None, ("own", "your own trunk")
        sizes = self.plan.sizes
        if deadline is None:
            return self.trunk(sizes[0]), None, (sizes[0], "asked for, or the usual one")
        usual = sizes[len(sizes) // 2]
        size, timing, reason = largest(
            sizes, usual, lambda s: self.network(self.trunk(s)).to(self.device), self.order, self.plan.recipe,
            (deadline - time.time() - FINISH) * 0.97,
        )  # fmt: skip
        return self.trunk(size), timing, (size, reason)

    def timing(self, trunk: Trunk) -> Timing:
        import copy

        from .training.sizing import timed

        return timed(self.network(copy.deepcopy(trunk)).to(self.device), self.order, self.plan.recipe)

    def steps(self, deadline: float | None, timing: Timing | None) -> tuple[int, str]:
        budget = self.plan.budget
        if deadline is None or timing is None:
            steps = budget.amount * (self.order.steps if budget.kind == "epochs" else 1)
            return max(round(steps), 1), f"{budget} as asked for"
        left = deadline - time.time() - self.ending(timing)
        return max(
            int(left * (1 - WATCHING) / timing.step), 1
        ), f"{timing.step * 1e3:.3g} ms a step in the {left:.1f} s left"

    def ending(self, timing: Timing) -> float:
        """Seconds to keep for the last validation, the test and the saving."""
        twice = 2 if self.plan.inputs.get("image", {}).get("mirror") else 1
        answers = len(self.split.validation) * (2 + twice) + len(self.split.test) * twice
        return FINISH + 1.1 * answers * timing.answer

    def every(self, steps: int, timing: Timing | None) -> int:
        """Steps between evaluations."""
        least = 1.0
        if timing is not None:
            least = len(self.split.validation) * timing.answer / (WATCHING * timing.step)
        return max(
            1, round(max(min(steps / EVALUATIONS, self.order.steps * 4), least, min(self.order.steps, steps / 10)))
        )

    def pace(self, deadline: float | None, timing: Timing | None) -> Pace:
        if deadline is not None:
            deadline -= self.ending(timing) if timing is not None else FINISH
        every = self.decisions.at(0, "evaluate every", 1)
        patience = 10 if self.plan.budget.kind == "seconds" else 0
        return Pace(self.plan.budget, self.plan.recipe, deadline, every, patience)

    def decide(self, step: int, name: str, value: Any, reason: str) -> None:
        self.decisions.decide(step, name, value, reason)
        self.tell.decided(self.decisions.all[-1])

    # -- what is written

    def write_decision(self, decision: dict[str, Any]) -> None:
        self.folder.append(HISTORY, [{"event": "decided"} | decision], sync=True)

    def write_row(self, row: dict[str, Any]) -> None:
        self.folder.append(HISTORY, [{"event": "evaluated"} | row])

    def save(self, state: State) -> None:
        self.folder.save_checkpoint(state.step, state.tensors(), state.meta())

    def described(self, network: Network) -> dict[str, Any]:
        """``run.json`` as it is before training: all that is needed to do it again."""
        return {
            "format": FORMAT,
            "status": "training",
            "data": self.data.recipe() | {
                "fingerprint": self.data.fingerprint(),
                "split": {"how": self.split.how, **{k: len(v) for k, v in self.split.parts().items()}},
            },
            "fields": [f.to_json() for f in self.fields.values()],
            "plan": self.plan.to_json(),
            "network": network.config(),
            "decisions": [],
            "versions": {
                "pellucid": __version__, "torch": torch.__version__, "numpy": np.__version__,
                "python": platform.python_version(), "threads": torch.get_num_threads(), "machine": platform.machine(),
            },
        }  # fmt: skip

    # -- the end

    def finish(self) -> Run:
        """Choose the weights on validation, calibrate there, look at test once, write everything down."""
        network, output = self.state.network, self.state.network.output
        row = self.choose_weights()
        raw, target = answers(network, self.feed, self.split.validation, mirrored=True)
        output.calibrate(raw, target)
        looks = int(self.record.get("looks", 0)) + 1
        test_raw, test_target = answers(network, self.feed, self.split.test, mirrored=True)
        score = output.score(test_raw, test_target)
        naive, name = output.naive(self.feed.target[torch.from_numpy(self.split.train)].cpu().numpy())
        baseline = output.score(naive.to(test_raw.device).expand(len(test_raw), -1), test_target, name)
        self.folder.save_tensors(
            "weights.safetensors", {k: v.cpu().contiguous().numpy() for k, v in network.state_dict().items()}, {}
        )
        self.record |= {
            "status": "done",
            "decisions": self.decisions.all,
            "chosen": row,
            "validation": output.measure(raw, target),
            "score": score.to_json(),
            "baseline": baseline.to_json(),
            "naive": {"raw": naive.tolist(), "name": name},
            "steps": self.state.step,
            "looks": looks,
            "seconds": time.time() - self.started,
        }
        self.folder.write_json("run.json", self.record)
        run = Run(self.folder, self.record, network.eval())
        write_report(run, self.data, self.split, self.feed, (raw, target), (test_raw, test_target), HISTORY)
        self.tell.finished(run)
        return run

    def choose_weights(self) -> dict[str, Any]:
        """The last, the best seen and the averaged weights, judged on validation; the network takes the best."""
        state, output = self.state, self.state.network.output
        found = {}
        last = {k: v.clone() for k, v in state.weights.items()}
        for name, weights in (
            ("the last weights", last),
            ("the best seen", state.best),
            ("the average", state.average),
        ):
            copy_into(state.weights, weights)
            raw, target = answers(state.network, self.feed, self.split.validation, mirrored=True)
            found[name] = output.measure(raw, target), -float(output.losses(raw, target).mean())
        sign = 1 if output.higher else -1
        best = max(found, key=lambda name: (sign * found[name][0], found[name][1]))
        copy_into(
            state.weights, {"the last weights": last, "the best seen": state.best, "the average": state.average}[best]
        )
        return {"weights": best, **{name: value[0] for name, value in found.items()}}


# -- opening


def opened(data: Any, options: Mapping[str, Any]) -> tuple[Dataset, dict[str, Any]]:
    """The data (read unless it was already) and the other options, checked."""
    checked = check_options("train", {k: v for k, v in options.items() if v is not None})
    reading = {o.name for o in READ}
    rest = {k: v for k, v in checked.items() if k not in reading}
    if isinstance(data, Dataset):
        return data, rest
    if data is None:
        raise PellucidError("there is no data to train on", fix="name a folder or a table")
    return read(data, **{k: v for k, v in checked.items() if k in reading}), rest


def custom(options: dict[str, Any]) -> Trunk | None:
    """A trunk of the user's own, taken out of the options."""
    network = options.get("network")
    if isinstance(network, Trunk):
        options.pop("network")
        return network
    if isinstance(network, nn.Module):
        raise PellucidError(
            f"a {type(network).__name__} says nothing about its width", fix="wrap it: pellucid.Custom(module, width=…)"
        )
    return None


def reopened(record: Mapping[str, Any], data: Any) -> Dataset:
    """A run's data, and the assurance that it is still the same."""
    about = record["data"]
    if data is None and not about.get("source"):
        raise PellucidError("this run was trained on data in memory", fix="pass the same data again: data=…")
    found = (
        data if isinstance(data, Dataset) else read(data if data is not None else about["source"], **about["options"])
    )
    if found.fingerprint() != about["fingerprint"]:
        raise PellucidError(
            "the data has changed since this training began", where=str(about.get("source") or "the data passed in"),
            fix="restore it, or train anew",
        )  # fmt: skip
    return found


def run_path(data: Dataset, plan: Plan, options: Mapping[str, Any]) -> Path:
    """``out/name``; without a name, the first free one made of data and network."""
    out = Path(options.get("out") or "runs")
    if options.get("name"):
        return out / str(options["name"])
    stem, i = f"{data.name}-{plan.network}", 1
    while (out / (name := stem if i == 1 else f"{stem}-{i}")).exists():
        i += 1
    return out / name


def settings(known: Mapping[str, Any], planned: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in planned.items() if k in known}


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM ask the loop to save and stop; a second one goes its usual way."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, _: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
