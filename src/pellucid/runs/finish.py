"""After the last step: weights are chosen and calibrated on validation, test is looked at once, all is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..data.splits.grouping import score_grouping
from ..reports.files import write_history, write_report
from ..reports.importance import weigh_inputs
from ..storage import WEIGHTS
from ..storage.names import HEALTH_LINES, HISTORY_LINES
from ..training.evaluate import Answers, predict_raw
from ..training.memory import give_back
from ..training.state import TrainState
from ..tuning.cross_validation import out_of_fold_answers
from ..tuning.selection import name_alone, select_weights
from .forecasts import RECENT, recent_rows
from .health import write_health
from .learning import learning_facts
from .letters import learn_letters
from .run import Run
from .scoring import score_answers
from .solved_part import added_facts, answer_test, left_out_answers, says_all_alone
from .verdict import judge_run

if TYPE_CHECKING:
    from ..network import Network
    from .train import Trainer

# Training rows, at most, whose errors show how far a forecast may be off.
MOST_LEFT_OUT = 2_000


def finish_training(job: Trainer, state: TrainState) -> Run:
    """Choose the weights on validation, calibrate there, look at test once, write everything down.

    Without a test set the score is validation's, and the run says so.
    """
    give_back()
    # Before the weights are chosen: the end of the training is not the best of it.
    job.moments.end(state)
    network, output = state.network, state.network.output
    chosen, *watched = _choose_weights(job, state)
    if _keeps_old_weights(job, state, chosen["weights"]):
        job.listener.said("the weights from before this training were kept: on validation none found since is better")
    # Of the chosen weights; what they wrote before was by sound alone.
    if learn_letters(job, network):
        watched = [*predict_raw(network, job.loader, job.watched, final=True)]
    learning = _learning_facts(job, state, (watched[0], watched[1]))
    raw, true, rows = out_of_fold_answers(job.cross_validation, job.loader, job.looked.validation, *watched)
    tested = len(job.split.test) > 0
    # Counted before it is looked at: a crash in between must not hide a look.
    job.record["looks"] = int(job.record.get("looks", 0)) + tested
    job.write_record()
    output.calibrate(*_known_errors(job, network, chosen["weights"], raw, true))
    seen, alone = answer_test(network, job.loader, job.split.test) if tested else ((raw, true), None)
    scored = job.split.test if tested else rows
    chosen_levels = output.task.choose_thresholds(raw, true, job.loader.score_weights(rows))
    weights = {k: v.cpu().contiguous().numpy() for k, v in network.weights().items()}
    job.folder.save_tensors(WEIGHTS, weights, {})
    job.record |= {
        "status": "done",
        "decisions": job.decisions.all,
        "chosen": chosen,
        "calibration": output.task.calibration(),
        "learning": learning,
        "validation": output.task.measure(raw, true, job.loader.score_weights(rows)),
        "scored on": "test" if tested else "cross-validation" if job.cross_validation else "validation",
        **score_answers(output.task, seen, scored, job.split.train, job.loader, job.data, job.reference),
        "thresholds": [{"why": why, "value": value} for why, value in chosen_levels],
        "importance": weigh_inputs(network, job.loader, job.looked.validation, job.importance_seconds(), job.plan.seed),
        "steps": state.step,
        "seconds": job.clock.elapsed(),
        "lines": len(job.folder.lines(HISTORY_LINES)),
        "looked at": len(job.folder.lines(HEALTH_LINES)),
    }
    if job.data.reading.forecast is not None:
        job.folder.write(RECENT, recent_rows(job.data))
    if (added := added_facts(job, output.task, scored, seen, alone)) is not None:
        job.record["solved"] = added
    write_health(job.folder)
    # By a run of its own: what it reads of kept examples is not for the caller's to hold on to.
    job.record["verdict"] = judge_run(Run(job.folder, job.record, network.eval()), job.folder.lines(HISTORY_LINES))
    run = Run(job.folder, job.record, network.eval())
    if job.folder.lasting:
        write_report(run, job.data, job.split, job.loader, (watched[0], watched[1]), seen, HISTORY_LINES, alone)
    else:
        write_history(run, HISTORY_LINES)
    give_back()
    if over := job.clock.overrun():
        job.listener.said(over)
    # Last of all: until the record says done, a killed training can be resumed and finished again.
    job.record["seconds"] = job.clock.elapsed()
    job.write_record()
    job.listener.finished(run)
    return run


def _choose_weights(job: Trainer, state: TrainState) -> tuple[dict[str, Any], Tensor, Tensor]:
    """``select_weights`` among those that the plan allows."""
    # The marks were found with averaged weights; of 15 validation rows the best of three candidates is chance.
    among = {"the average"} if job.cross_validation else {name_alone(state.network)} if says_all_alone(job) else None
    alike = score_grouping(job.data, job.watched, None)
    return select_weights(state, job.loader, job.watched, among=among, group=alike["group"], moments=alike["moments"])


def _keeps_old_weights(job: Trainer, state: TrainState, chosen: str) -> bool:
    """Whether a training that went on for longer ends with the weights that it had before."""
    # As the record has them from when the run was finished last.
    ended, before = job.record.get("steps"), (job.record.get("chosen") or {}).get("weights")
    if not ended or state.step <= ended:
        return False
    # A solved part alone is the same whenever it is chosen.
    seen = chosen == before == "the best seen" and state.best_row.get("step", ended) <= ended
    return seen or chosen == before == name_alone(state.network)


def _known_errors(job: Trainer, network: Network, chosen: str, raw: Tensor, true: Tensor) -> Answers:
    """Answers and targets that how sure to be is learned from: validation's and, of forecasts, left-out training rows'.

    Validation is one stretch of time, and another may be rougher (cross-conformal prediction, Vovk, 2015). Of many
    series it is as many stretches, and what is said of a series that was left out is off by more than of others. Only
    of a solved part alone: a trunk has learned from the training rows, of which it leaves out none.

    Args:
        chosen: the name of the weights. raw, true: validation's answers and targets.
    """
    line = job.data.timeline
    if network.solved is None or chosen != name_alone(network):
        return raw, true
    if network.output.task.constant or line is None or len(line.names) > 1:
        return raw, true
    rows = network.solved.left_out(job.split.train)
    if not len(rows):
        return raw, true
    rows = rows[:: -(-len(rows) // MOST_LEFT_OUT)]
    other, known = left_out_answers(network, job.loader, rows)
    return torch.cat([raw, other]), torch.cat([true, known])


def _learning_facts(job: Trainer, state: TrainState, validation: Answers) -> dict[str, Any]:
    """What the record keeps to say whether the training learned anything."""
    (step, seconds), lines = job.loop_began, job.folder.lines(HISTORY_LINES)
    looks = sum(row["event"] == "evaluated" and row["step"] > step for row in lines) * state.evaluating
    return learning_facts(
        state.network.output,
        job.loader,
        job.split.train,
        job.watched,
        validation,
        lines,
        steps=state.step,
        epoch_steps=job.sampler.steps,
        step_seconds=max(job.clock.elapsed() - seconds - looks, 0.0) / max(state.step - step, 1),
        # Cross-validation ends a training where more steps would not help, as validation does that stops improving.
        ended=bool(job.cross_validation or job.decisions.at(state.step, "stopped improving", False))
        or says_all_alone(job),
    )
