"""Draws the report of a finished run anew, from its weights and its data; nothing is trained or chosen again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.batches.batch import encode_groups, encode_target
from ..data.parallel.pairs import Pairs
from ..errors import PellucidError, shell_quote
from ..reports.files import write_report
from ..reports.report_file import REPORT, Report
from ..storage import Folder
from ..storage.folder import holds_whole
from ..storage.names import HISTORY_LINES
from ..training.evaluate import predict_raw
from ..training.loader import Loader
from ..tuning.selection import limit_validation
from .prepare import example_weights
from .reopen import reopen_data
from .solved_part import answer_test, restore_answers
from .writing_time import note_long_texts

if TYPE_CHECKING:
    from .run import Run


def find_report(run: Run, data: Any = None, redraw: bool = False) -> Report:
    """The report of a run; drawn anew where it is missing or damaged, or where that is asked for.

    Args:
        data: what the run was trained on, where that is not where it was. redraw: draw it in any case.

    Raises:
        PellucidError: when it has to be drawn, and the data has changed or is not to be had.
    """
    if not isinstance(run.folder, Folder):
        raise PellucidError("this run is in memory and has no report", fix="write it to a folder: run.save(path)")
    if not redraw and holds_whole(run.folder, REPORT):
        return Report(run.path / REPORT)
    draw_report(run, data)
    return Report(run.path / REPORT, redrawn=True)


def draw_report(run: Run, data: Any = None) -> None:
    """Write report, predictions and history of a finished run again. Raises PellucidError as ``find_report``."""
    found = reopen_data(run.record, run.path, data, f"pellucid report {shell_quote(run.path)} NEWPATH")
    split = found.split(run.plan.split_seed)
    # So that the report says again what the first one said.
    found.check(split)
    fields = run.network.fields
    targets = [f for f in fields if f.role == "target"]
    inputs, target = encode_groups(found, run.fields), encode_target(found, targets)
    labels = (targets[0].state or {}).get("values", ())
    weights = example_weights(found, split, run.plan, target, labels)
    if run.network.output.writes and isinstance(target, Pairs):
        note_long_texts(found, targets[0], target, split.train)
    loader = Loader(inputs, target, run.network.device, **weights)
    if run.network.solved is not None:
        restore_answers(loader, run.folder)

    def answer(rows: np.ndarray) -> Any:
        return predict_raw(run.network, loader, rows, final=True)

    watched = limit_validation(split, run.network.output).validation if len(split.validation) else split.train
    # Test is shown, not looked at once more: nothing is chosen by it, and the score stays what was written down.
    on_validation = answer(watched)
    seen, alone = answer_test(run.network, loader, split.test) if len(split.test) else (on_validation, None)
    assert isinstance(run.folder, Folder)
    with run.folder.lock():
        write_report(run, found, split, loader, on_validation, seen, HISTORY_LINES, alone)
