"""How a run writes texts for whoever asks: how many are followed, how many are given, and what each word comes from."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..fields import Field
from ..options import check_options
from ..outputs.transcript import Transcript
from ..outputs.written import Writing, Written
from ..wording import is_or_are, join_words

if TYPE_CHECKING:
    from .run import Run

ASKED = ("beam", "best", "align")


def take_writing(run: Run, threshold: Any, options: MutableMapping[str, Any]) -> tuple[Writing | None, Any]:
    """How texts are to be written, and the task that reads such answers; None where nothing was said of it.

    Args:
        threshold: as of ``Run.predict``. options: of it; ``ASKED`` are taken out.

    Raises:
        UsageError: for a run that writes no texts, or an alignment with more than a text.
    """
    asked = {name: options.pop(name, None) for name in ASKED}
    given = [f"--{name}" for name, value in asked.items() if value is not None and value is not False]
    output = run.network.output
    if not given:
        return None, run.task_for(threshold)
    if isinstance(output, Transcript):
        # The likeliest text alone is given, and no word comes from another.
        if others := [name for name in given if name != "--beam"]:
            said = join_words(others)
            does = "does" if len(others) == 1 else "do"
            raise UsageError(f"{said} {does} not work for transcripts", fix=f"leave {said} out")
        return Writing(beams=int(check_options("predict", {"beam": asked["beam"]})["beam"])), output.task
    if not isinstance(output, Written):
        what = f"{join_words(given)} {is_or_are(len(given))} for translations and other written texts"
        raise UsageError(f"{what}; this run predicts {output.task.goal}", fix=f"leave {join_words(given)} out")
    checked = check_options("predict", {"beam": asked["beam"], "best": asked["best"]})
    source = only_text(run.fields) if asked["align"] else None
    if asked["align"] and source is None:
        read = join_words(f"{f.name} ({f.kind})" for f in run.fields)
        raise UsageError(
            f"--align needs one text that is read and nothing else; this run reads {read}", fix="leave it out"
        )
    several = int(checked["best"] or 1)
    how = Writing(
        beams=max(int(checked["beam"] or output.usual.beams), several),
        best=several,
        read=int((source.state or {})["longest"]) if source is not None else 0,
    )
    return how, output.task_of(how, source)


def only_text(fields: Sequence[Field]) -> Field | None:
    """The one input, where it is a text."""
    return fields[0] if len(fields) == 1 and fields[0].traits.prose else None
