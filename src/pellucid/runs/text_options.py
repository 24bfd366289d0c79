"""How a run writes texts for whoever asks: how many are followed, how many are given, and what each word comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..fields import Field, kind_named
from ..options import check_options
from ..outputs.written import Writing, Written
from ..wording import join_words

if TYPE_CHECKING:
    from .run import Run


def writing_asked(run: Run, beam: Any, best: Any, align: bool) -> tuple[Writing, Any]:
    """How texts are to be written, and the task that reads such answers.

    Args:
        beam, best: as of ``Run.predict``. align: say which word of the input each word comes from.

    Raises:
        UsageError: for a run that writes no texts, or an alignment with more than a text.
    """
    output = run.network.output
    asked = {"--beam": beam is not None, "--best": best is not None, "--align": bool(align)}
    said = join_words(name for name, given in asked.items() if given)
    if not isinstance(output, Written):
        noun = kind_named(output.fields[0].kind).noun
        are = "is" if sum(asked.values()) == 1 else "are"
        raise UsageError(
            f"{said} {are} for runs that write texts, and this one predicts {noun}", fix=f"leave {said} out"
        )
    checked = check_options("predict", {"beam": beam, "best": best})
    source = only_text(run.fields) if align else None
    if align and source is None:
        read = join_words(f"{f.name} ({f.kind})" for f in run.fields)
        raise UsageError(
            f"--align needs a run that reads one text alone, and this one reads {read}", fix="leave it out"
        )
    several = int(checked["best"] or 1)
    how = Writing(
        beams=max(int(checked["beam"] or output.usual.beams), several),
        best=several,
        read=int((source.state or {})["longest"]) if source is not None else 0,
    )
    return how, output.task_of(how, source)


def only_text(fields: list[Field]) -> Field | None:
    """The one input, where it is a text."""
    return fields[0] if len(fields) == 1 and fields[0].traits.prose else None
