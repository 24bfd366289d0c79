"""Networks compared fairly: one split, one budget each, ranked on validation, shown on test.

n validation examples, R numbers in a raw answer.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from ..data import Split
from ..data.batches.batch import encode_groups, encode_target
from ..data.splits.grouping import group_of, moments_of
from ..data.splits.time_spans import Moments
from ..dataset import Dataset
from ..errors import Interrupted, PellucidError, no_memory
from ..metrics.base import Judge, normalised_weights
from ..options import Budget, check_options, default_options
from ..options.signature import with_options
from ..planning.device import best_device, check_device
from ..references.base import reference_seconds
from ..references.fit import fit_reference
from ..reports.comparison_report import write_comparison
from ..runs.paths import check_free, run_here_error
from ..runs.prepare import checked_split, read_if_needed
from ..runs.record import damage_as_error, read_record
from ..runs.run import Run, load
from ..runs.train import resume, train
from ..storage import Folder
from ..training.evaluate import predict_raw
from ..training.listeners import Listener, Remark, Several
from ..training.loader import Loader
from ..training.memory import Peak, give_back
from ..training.status_line import with_progress
from ..tuning.cross_validation import CrossValidation, out_of_fold_answers
from ..tuning.selection import limit_validation
from ..wording import metric_text
from .alone import has_line_alone, trial_alone
from .comparison import FORMAT, HELD, RECORD, Comparison
from .ranking import Judgement, behind_first, mean_over_seeds, rank_networks, tied_networks
from .verdict import explain_comparison

BUDGET = Budget("seconds", 60.0)

# Seconds for each measure of how fast a network answers, and examples at once.
ANSWER_SECONDS, EXAMPLES_AT_ONCE = 0.3, 512


@with_options("compare")
def compare(
    data: Any, *, listeners: Sequence[Listener] = (), progress: bool | None = None, **options: Any
) -> Comparison:
    """Train several networks on the same split with the same budget each, and rank them.

    Data are read and decoded before the first clock starts. Each budget counts all that its network needs: planning,
    encoding, timing, training, scoring. Called again with the same ``name``, it goes on with what is missing.

    Args:
        data: whatever ``read`` takes, or what it returned.
        networks: names, such as ``("mlp", "cnn")``. budget: of each training, such as ``"1m"``.
        seeds: how many trainings of each network; their seeds follow ``seed``. All share one split.
        listeners: are told how it goes. progress: whether a line says how it goes; left out, in a notebook alone.
        options: the others of ``pellucid compare``, below.

    Raises:
        UsageError: for names that are no networks, before anything is read.
        PellucidError: when no network can be trained. Interrupted: when stopped; what is finished is kept.
    """
    given = default_options("compare") | check_options("compare", {k: v for k, v in options.items() if v is not None})
    networks, seeds = given.pop("networks"), given.pop("seeds")
    usual = default_options("train")
    check_free(given, "-compare")
    found, rest = read_if_needed(data, {k: v for k, v in given.items() if v != usual.get(k)})
    out, name = Path(rest.pop("out", usual["out"])), rest.pop("name", None)
    seed = int(rest.pop("seed", 0))
    rest = {"budget": BUDGET} | rest if not rest.keys() & {"budget", "epochs", "steps"} else rest
    # One split for all, whatever the seed of a training.
    rest = {"split_seed": seed} | rest
    split, device = checked_split(found, rest), str(rest.get("device") or best_device())
    check_device(device)
    name = str(name or free_name(out, found.name))
    folder = Folder.create(out / f"{name}-compare")
    if folder.exists("run.json"):
        raise run_here_error(folder.path, resume=False)
    with folder.lock():
        contest = ComparisonRunner(
            folder, name, found, split, torch.device(device), rest, _Once(with_progress(listeners, progress))
        )
        return contest.run(networks, range(seed, seed + seeds))


def free_name(out: Path, stem: str) -> str:
    """``stem``, or the first of ``stem-2``, ``stem-3``, … of which there is no comparison yet."""
    i = 1
    while os.path.lexists(out / f"{(found := stem if i == 1 else f'{stem}-{i}')}-compare"):
        i += 1
    return found


class ComparisonRunner:
    """A comparison on its way.

    Args:
        folder: where, and ``name`` what it is called. data, split, device: what all learn from, and where.
        options: of every training; ``split_seed`` is one of them. tell: the listener.
    """

    def __init__(
        self,
        folder: Folder,
        name: str,
        data: Dataset,
        split: Split,
        device: torch.device,
        options: dict[str, Any],
        tell: Listener,
    ):
        self.folder, self.name, self.data, self.split, self.device = folder, name, data, split, device
        self.options, self.tell = options, tell
        self.record = self.known_trials()

    def known_trials(self) -> dict[str, Any]:
        """What is known already. Raises PellucidError when it is about something else."""
        terms = {"fingerprint": self.data.fingerprint(), "split": self.split.how}
        terms |= {k: str(v) for k, v in sorted(self.options.items())}
        # Trainings under other terms are no fair comparison, so a comparison is never continued under them.
        fresh = {"format": FORMAT, "terms": terms, "trials": {}}
        if not self.folder.exists(RECORD):
            return fresh
        known = self.folder.read_json(RECORD)
        with damage_as_error(self.folder.path / RECORD):
            HELD(known, "comparison")
        before = known["terms"]
        if before == terms:
            return fresh | {"trials": known["trials"]}
        changed = sorted(k for k in terms.keys() | before.keys() if terms.get(k) != before.get(k))
        raise PellucidError(
            f"this comparison was started with another {' and '.join(changed)}",
            where=str(self.folder.path),
            fix="choose another --name",
        )

    def run(self, networks: Sequence[str], seeds: Sequence[int]) -> Comparison:
        """All trainings that are missing, then the ranking and the report."""
        # Seed by seed: stopped half way, every network has been trained about as often.
        wanted = [(f"{network}-{seed}", network, seed) for seed in seeds for network in networks]
        try:
            self.warm_up(len(wanted))
            for place, (key, network, seed) in enumerate(wanted, 1):
                # What failed is tried again: there may be more memory now.
                if "error" in self.record["trials"].get(key, {"error": ""}):
                    self.tell.began(network, seed, place, len(wanted))
                    self.tell.ended(self.run_trial(key, network, seed))
        except (Interrupted, KeyboardInterrupt):
            done = sum("value" in self.record["trials"].get(key, {}) for key, _, _ in wanted)
            raise Interrupted(
                f"stopped; {done} of {len(wanted)} trainings are finished and kept",
                where=str(self.folder.path),
                fix=f"continue with the same command and --name {self.name}",
            ) from None
        return self.rank(networks, seeds)

    def warm_up(self, trainings: int) -> None:
        """Do what no network's clock is to pay for: decode, tokenise, fit the reference, start torch's threads."""
        for note in self.data.check():
            if note.level != "info":
                self.tell.said(Remark(str(note), note.level))
        fields = self.data.fitted(self.options["split_seed"])
        encode_groups(self.data, fields.values())
        encode_target(self.data, [f for f in fields.values() if f.role == "target"])
        budget = Budget.of(*(self.options.get(name) for name in ("budget", "epochs", "steps")))
        assert budget is not None
        if self.options.get("reference") is not False:
            seconds = reference_seconds(budget) * (trainings if budget.kind == "seconds" else 1)
            found = fit_reference(self.data, fields, self.split, seconds, self.tell.said)
            # The trainings find it in the cache, or do without.
            self.options["reference"] = found is not None
        weights = torch.ones(256, 256, requires_grad=True)
        # Starts the threads, which the first network would else pay for.
        (weights @ weights).sum().backward()

    def run_trial(self, key: str, network: str, seed: int) -> dict[str, Any]:
        """One training, measured; or why there is none. Written down before it is returned."""
        # Memory that the last network left would count as this one's.
        give_back()
        # In this process: children by fork hang, because OpenMP and Polars have threads (docs/LOG.md, 2026-11-22);
        # Linux lets the peak be set back.
        peak = Peak(self.device)
        outcome: dict[str, Any] = {"network": network, "seed": seed}
        try:
            run = self.train_or_resume(key, network, seed)
            measured = {"validation": run.validation, "memory": peak.bytes(), "ahead": None}
            if run.reference:
                measured["ahead"] = run.record["reference"]["ahead"]
            if not math.isfinite(run.validation):
                raise PellucidError(f"its {metric_text(run.score.metric)} on validation is not a number")
            outcome |= run.result() | measured | self.measure_run(key, run)
        except Interrupted:
            raise
        except PellucidError as error:
            outcome["error"] = str(error).replace("\n ", ";")
        except (RuntimeError, MemoryError) as error:
            if not no_memory(error):
                raise
            outcome["error"] = "not enough memory"
        self.record["trials"][key] = outcome
        self.folder.write_json(RECORD, self.record)
        return outcome

    def train_or_resume(self, key: str, network: str, seed: int) -> Run:
        """The run of one training: made now, or gone on with where it was stopped."""
        place, ears = self.folder.path / key, (self.tell,)
        if (place / "run.json").exists():
            done = read_record(Folder.open(place))["status"] == "done"
            return load(place) if done else resume(place, data=self.data, listeners=ears, progress=False)
        own: dict[str, Any] = {"network": network, "seed": seed, "name": key, "out": str(self.folder.path)}
        return train(self.data, **self.options, **own, listeners=ears, started=time.time(), progress=False)

    def measure_run(self, key: str, run: Run) -> dict[str, float]:
        """Seconds for one answer (``latency``) and answers a second (``throughput``).

        Raw answers to the examples that networks are ranked on, their targets and rows go to ``KEY.safetensors``.
        """
        rows = limit_validation(self.split, run.network.output).validation
        feed = Loader.of(self.data, run.network.fields, run.network.device)
        on_validation = predict_raw(run.network, feed, rows, final=True)
        raw, true, judged = out_of_fold_answers(CrossValidation.of(run.folder), feed, rows, *on_validation)
        kept = {"raw": raw.cpu().numpy(), "true": true.cpu().numpy(), "rows": judged}
        self.folder.save_tensors(f"{key}.safetensors", kept, {})

        def answer_seconds(some: np.ndarray) -> float:
            return median_seconds(
                lambda: predict_raw(run.network, feed, some, size=EXAMPLES_AT_ONCE, final=True)[0].cpu()
            )

        many = rows[:EXAMPLES_AT_ONCE]
        return {"latency": answer_seconds(rows[:1]), "throughput": len(many) / answer_seconds(many)}

    def rank(self, networks: Sequence[str], seeds: Sequence[int]) -> Comparison:
        """Rank on validation, write down what it means, draw the report."""
        trials = {n: [self.record["trials"][f"{n}-{s}"] for s in seeds] for n in networks}
        good = [t for own in trials.values() for t in own if "value" in t]
        if not good:
            causes = "; ".join(dict.fromkeys(t["error"] for own in trials.values() for t in own))
            raise PellucidError(f"no network could be trained: {causes}", where=str(self.folder.path))
        any_run = load(self.folder.path / f"{good[0]['network']}-{good[0]['seed']}")
        task = any_run.network.output.task
        alone = self.solved_alone(good, any_run)
        trials |= {name: [trial for trial, _ in own] for name, own in alone.items()}
        found = {name: mean_over_seeds(own, task.is_better) for name, own in trials.items()}
        ranking = rank_networks(found, task.higher)
        judges = {
            n: [judge for _, judge in alone[n]]
            if n in alone
            else [self.trial_metric(n, t["seed"]) for t in trials[n] if "value" in t]
            for n in ranking
        }
        judged = Judgement(judges, task.higher, *self.score_weights(good[0]))
        behind = behind_first(ranking, judged)
        outcome = self.record | {
            "ranking": ranking,
            "networks": {name: one | {"behind": behind.get(name)} for name, one in found.items()},
            "ties": tied_networks(ranking[0], behind),
            "tested": judged.say_how(),
            "ranked on": "validation and cross-validation" if any_run.plan.folds else "validation",
            "baseline": any_run.baseline.to_json(),
            "reference": any_run.reference.to_json() if any_run.reference else None,
            "split": self.split.how,
            "parts": {part: len(rows) for part, rows in self.split.parts().items()},
            "budget": str(next(self.options[k] for k in ("budget", "epochs", "steps") if k in self.options)),
            "seeds": list(seeds),
            "versions": any_run.record["versions"],
            "higher": task.higher,
            "percent": task.percent,
        }
        outcome["meaning"] = explain_comparison(outcome)
        self.folder.write_json(RECORD, outcome)
        write_comparison(self.folder, self.data.name, outcome)
        return Comparison(self.folder.path, outcome)

    def solved_alone(
        self, good: Sequence[Mapping[str, Any]], any_run: Run
    ) -> dict[str, list[tuple[dict[str, Any], Judge]]]:
        """By the name of the solved part that networks begin with, what it gives alone, seed by seed; or nothing."""
        if not has_line_alone(any_run):
            return {}
        rows = limit_validation(self.split, any_run.network.output).validation
        found: dict[int, tuple[dict[str, Any], Judge]] = {}
        for trial in good:
            if trial["seed"] not in found:
                run = load(self.folder.path / f"{trial['network']}-{trial['seed']}")
                seed = trial["seed"]
                found[seed] = trial_alone(run, self.data, rows, seed, median_seconds, EXAMPLES_AT_ONCE)
        assert any_run.network.solved is not None
        return {any_run.network.solved.name: list(found.values())}

    def score_weights(
        self, trial: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray | None, Moments | None]:  # (n,), (n,)
        """Of the n examples that networks are ranked on: weights, groups (or None), and moments (or None)."""
        kept, _ = self.folder.load_tensors(f"{trial['network']}-{trial['seed']}.safetensors")
        weights, rows = self.data.row_weights(), kept["rows"]
        even = normalised_weights(None if weights is None else weights[rows], len(rows))
        return even, group_of(self.data, rows), moments_of(self.data, rows)

    def trial_metric(self, network: str, seed: int) -> Judge:
        """The metric of what a network answered where it is ranked, as a function of the examples' weights."""
        key = f"{network}-{seed}"
        kept, _ = self.folder.load_tensors(f"{key}.safetensors")  # raw (n, R), true (n, ...)
        raw, true = (torch.from_numpy(kept[name]) for name in ("raw", "true"))
        return load(self.folder.path / key, device="cpu").network.output.task.metric_of_weights(raw, true)


class _Once(Several):
    """Says each thing once: what is true of the data is true of it for every network."""

    def __init__(self, listeners: Sequence[Listener]):
        super().__init__(listeners)
        self.heard: set[str] = set()

    def said(self, text: str) -> None:
        if text not in self.heard:
            self.heard.add(text)
            super().said(text)


def median_seconds(act: Callable[[], Any]) -> float:
    """Seconds that an act takes, as a rule."""
    return median(time_acts(act))


def time_acts(act: Callable[[], Any]) -> list[float]:
    """Seconds of each of several acts; the first one, which warms up, is left out."""
    act()
    found: list[float] = []
    while len(found) < 3 or (sum(found) < ANSWER_SECONDS and len(found) < 50):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return found
