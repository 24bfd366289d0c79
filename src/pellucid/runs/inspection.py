"""A run looked into: which views can be made of it, and of one example, and making them."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..data.batches.batch import Batch, Padded
from ..data.documents.windows import encode_passages
from ..errors import PellucidError, UsageError, unknown_name
from ..fields import Field, input_groups
from ..fields.text import START
from ..fields.typed_value import encode_typed
from ..options import INSPECT, check_options
from ..reports.report_file import Report
from ..training.loader import Loader
from ..training.state import TrainState
from ..views import VIEWS
from ..views.base import LeftOut, Part, Subject, View, left_out
from ..views.result import Result
from .inside_file import example_name, source_words, write_inside
from .kept_examples import why_no_examples
from .kept_tests import KeptFacts, KeptTests, weights_digest
from .waiting_line import WaitingLine
from .writing import encode_prompt, plain_prompt
from .writing_pieces import name_prompt

if TYPE_CHECKING:
    from ..data import Examples
    from .run import Run


def subject_of(
    run: Run,
    source: Any = None,
    *,
    texts: Sequence[str] = (),
    answer: str | None = None,
    true: str | None = None,
    **form: Any,
) -> Subject:
    """What is looked into: the run's network, and the first example of ``source`` that can be read, or its last moment.

    Args:
        source: whatever ``predict`` takes; None to look into the network alone. form: how a table is
            written, as for ``read``. answer: see ``Task.explain``. true: what is right of the example, as a cell of the
            target's column is written; None for what its data says.

    Raises:
        PellucidError: when nothing in ``source`` can be read.
    """
    # On the CPU, so that what is shown is the same everywhere; the caller's own network stays as it is.
    network = run.network
    if network.device.type != "cpu" or network.training:
        network = copy.deepcopy(network).cpu().eval()
    example = data = None
    title, facts = "", dict(_facts(run))
    if run.writes and len(texts):
        # As it is gone on with: any text, an empty one too.
        example = window_batch(run.fields[0], encode_prompt(run.fields[0], texts[0]))
        title = name_prompt(plain_prompt(texts[0])) or "nothing"
    elif source is not None or len(texts):
        data, loader, row = _first_example(run, list(texts) if len(texts) else source, texts=bool(len(texts)), **form)
        if run.writes:
            example, title = last_window(data, run.fields[0], row), data.place(row).rpartition(", ")[0]
        else:
            example, title = loader.batch(torch.tensor([row])), data.short_title(row)
        if true is not None:
            facts["target"] = cache(partial(typed_target, run, true))
            facts["target"]()
        elif not len(texts) and not run.writes:
            facts["target"] = cache(lambda: _known_target(run, source, row, **form))
    training, validation = (_kept_part(run, part) for part in ("train", "validation"))
    return Subject(network, example, data, title, answer, training, validation, facts)


def _first_example(run: Run, source: Any, **options: Any) -> tuple[Examples, Loader, int]:
    data = run._read_new(source, need_target=False, **options)
    good = data.usable_rows()
    if not len(good):
        problems = list(data.input_problems().values())
        raise PellucidError(
            problems[0] if problems else "there is no example that can be read", where=str(source)[:200]
        )
    # Of a table of moments the newest, which the most is known before; of documents the end of the first one.
    row = good[0] if data.timeline is None else good[-1]
    if data.documents is not None:
        row = good[data.documents[good] == data.documents[row]][-1]
    return data, Loader.of(data, run.fields, torch.device("cpu")), int(row)


def typed_target(run: Run, true: str) -> torch.Tensor:  # -> (1, ...)
    """What is right of an example, as a person typed it. Raises UsageError for what can't be."""
    targets = run.network.output.fields
    if len(targets) > 1 or targets[0].traits.moments:
        several = "a forecast has several steps" if targets[0].traits.moments else f"there are {len(targets)} targets"
        raise UsageError(f"--true gives one true value, but {several}", fix="give a table that has them")
    encoded, _ = encode_typed(targets[0], true)
    target = torch.from_numpy(np.asarray(encoded))
    if not bool(target.isfinite().all()) or true.strip() == "":
        raise UsageError(f"--true: '{true[:40]}' is not a value of '{targets[0].name}'", fix="leave it out")
    return target


def folder_class(run: Run, source: Any) -> str | None:
    """The class that a file's folder is called after, as in ``photos/cat/1.jpg``; None where it is called otherwise."""
    targets = run.network.output.fields
    if not isinstance(source, str | os.PathLike) or len(targets) > 1 or not targets[0].traits.one_class:
        return None
    name = Path(source).resolve().parent.name
    return name if Path(source).is_file() and name in (targets[0].state or {})["values"] else None


def last_window(data: Examples, field: Field, row: int) -> Batch:
    """The end of a text whose last passage is ``row``: as many tokens as a network reads, its very last among them."""
    passages = encode_passages(data, field)
    end, low = int(passages.ends[row]), int(passages.low[row])
    return window_batch(field, np.concatenate([[START], passages.values[low:end]]), row)


def window_batch(field: Field, tokens: np.ndarray, row: int = 0) -> Batch:  # (T,)
    """The last tokens of a text, as many as a network reads, as a batch of one example."""
    own = torch.from_numpy(tokens[-int((field.state or {})["context"]) :].astype(np.int64))
    (group,) = input_groups([field.with_(role="input")])
    return Batch({group.key: Padded(own[None], torch.tensor([len(own)]))}, None, np.array([row]))


def _known_target(run: Run, source: Any, row: int, **options: Any) -> torch.Tensor | None:
    """What is right of an example, (1, ...), where its table, or a file's folder, says so; else None."""
    if (name := folder_class(run, source)) is not None and any(f.traits.suffixes for f in run.network.fields):
        return typed_target(run, name)
    try:
        data = run._read_new(source, need_target=True, **options)
        if row >= len(data) or not data.usable_mask()[row]:
            return None
        target = Loader.of(data, run.network.fields, torch.device("cpu")).batch(torch.tensor([row])).target
    except PellucidError:
        return None
    return target if isinstance(target, torch.Tensor) and bool(target.isfinite().any()) else None


def _kept_part(run: Run, part: str) -> Part | None:
    """Examples that the run keeps; None where it keeps none, as runs from before they were kept."""
    try:
        kept = run.kept
        if kept is None:
            return None
        data = kept.examples(part)
    # ``run.damage`` says so: what needs no kept examples can be seen all the same.
    except PellucidError:
        return None
    rows = data.usable_rows()
    return Part(data, Loader.of(data, run.network.fields, torch.device("cpu")), rows) if len(rows) else None


def _facts(run: Run) -> Mapping[str, Any]:
    """What is known of the run beside its network."""
    digest = weights_digest(run.network)
    return {
        "plan": run.plan,
        "record": run.record,
        "history": lambda: run.history,
        "watched": lambda: getattr(run, "watched", []),
        "moments": lambda: getattr(run, "moments", []),
        "state": lambda: _last_state(run),
        "tests": KeptTests(run, digest),
        "kept": KeptFacts(run, digest),
        "no examples": why_no_examples(run.record, run.plan.examples),
    }


def _last_state(run: Run) -> TrainState | None:
    """Where the training stood at its last checkpoint, on a network of its own; None where the run keeps none."""
    try:
        _, tensors, meta, _ = run.folder.load_checkpoint()
        state = TrainState(copy.deepcopy(run.network).cpu().float(), run.plan.recipe)
        state.restore(tensors, meta, run.folder.path)
    except PellucidError:
        return None
    return state


def view_named(word: str) -> View:
    """The view that a word stands for. Raises UsageError for an unknown one."""
    if word not in VIEWS:
        raise UsageError(unknown_name("view", word, VIEWS))
    return VIEWS[word]


def fitting_views(subject: Subject) -> list[View]:
    """The views that are made unasked: of the example, where there is one, else of the network."""
    every = sorted(VIEWS.values(), key=lambda view: view.place)
    return [view for view in every if not view.asked and view.about(subject) and view.missing(subject) is None]


def make_views(subject: Subject, asked: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[Result]:
    """The results of the views that are asked for, by word with their options; of all that fit where None is asked.

    Raises:
        PellucidError: when one that is asked for can't be made, with what it needs.
    """
    if not asked:
        for view in fitting_views(subject):
            yield view(subject)
        return
    for word, options in asked.items():
        view = view_named(word)
        if reason := view.missing(subject):
            raise PellucidError(f"'{view.title}' can't be shown: {reason}")
        yield view(subject, **options)


# Options that ask for views by themselves: the view's word, and what it calls the option.
ASKED = {
    "unit": ("unit", "name"),
    "at": ("unit", "at"),
    "weight": ("weight", "name"),
    "curves": ("curves", None),
    "health": ("health", None),
    "without": ("what-if", "without"),
    "move": ("what-if", "move"),
    "mask": ("what-if", "mask"),
    "set": ("what-if", "values"),
}


def inspect_run(
    run: Run,
    source: Any = None,
    *,
    texts: Sequence[str] = (),
    answer: str | None = None,
    true: str | None = None,
    **options: Any,
) -> Inspection:
    """See ``Run.inspect``."""
    form = {name: value for name, value in options.items() if name not in ASKED}
    asked = asked_views(check_options("inspect", {name: v for name, v in options.items() if name in ASKED}))
    if answer is not None and source is None and not len(texts):
        raise UsageError("--answer needs an example", fix="give one: a file, a row of a table, or --text")
    if true is not None and source is None and not len(texts):
        raise UsageError("--true needs an example", fix="give one: a file, a row of a table, or --text")
    if not run.network.output.task.explains and (answer is not None or true is not None):
        flag, what = ("answer", "explains") if true is None else ("true", "is about")
        many = "this network writes a text, token by token"
        raise UsageError(f"--{flag} {what} a single answer; {many}", fix=f"leave --{flag} out")
    subject = subject_of(run, source, texts=texts, answer=answer, true=true, **form)
    write = partial(
        write_inside,
        run,
        subject,
        source=source_words(source, texts),
        name=example_name(subject, source),
        options=options_left(subject),
        missing=() if asked else left_out(subject),
    )
    with WaitingLine():
        return Inspection(make_views(subject, asked), write, () if asked else left_out(subject))


def options_left(subject: Subject) -> dict[str, str]:
    """What more can be asked of a subject: each option of ``inspect`` whose view can be made, and what it shows."""
    found = {}
    for option in INSPECT:
        view = VIEWS.get(ASKED[option.name][0]) if option.name in ASKED else None
        if (view and view.missing(subject) is None) or (option.name not in ASKED and subject.example is not None):
            found[option.name] = option.help.partition(":")[0].rstrip(".")
    return found


def asked_views(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The views that options ask for, by word with their own options; none where none is asked for."""
    found: dict[str, dict[str, Any]] = {}
    for name, (word, own) in ASKED.items():
        if value := options.get(name):
            found.setdefault(word, {}).update({own: value} if own else {})
    return found


class Inspection(list[Result]):
    """The results of looking into a run, which a notebook shows one after the other.

    Attributes:
        left_out: views that are missing for want of something, such as kept examples: title, reason, remedy.

    Example:
        >>> found = run.inspect("cat.jpg")                                           # doctest: +SKIP
        >>> found["shares"].save("shares.png")                                       # doctest: +SKIP
    """

    __module__ = "pellucid"

    def __init__(
        self,
        results: Iterable[Result] = (),
        write: Callable[..., Path] | None = None,
        missing: Sequence[LeftOut] = (),
    ) -> None:
        super().__init__(results)
        self._write = write
        self.left_out = list(missing)

    def report(self, path: str | os.PathLike[str] | None = None, *, force: bool = False) -> Report:
        """Write the page: the stages of the network, these results with their badges, and how to open any other.

        Args:
            path: of the file; beside the run's own when left out, ``inside.html`` or ``inside-NAME.html`` of an
                example. force: replace a file that is no such page.

        Raises:
            PellucidError: when there is such a file, or none can be written.
        """
        if self._write is None:
            raise UsageError("these results were not made by run.inspect(), and have no page")
        return Report(self._write(results=self, path=path, force=force))

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        for result in self:
            if result.view == key:
                return result
        raise UsageError(unknown_name("view", key, [result.view for result in self]))

    def to_json(self) -> list[dict[str, Any]]:
        return [result.to_json() for result in self]

    def _repr_html_(self) -> str:
        from ..draw.notebook import notebook_view

        return notebook_view([result.html() for result in self])
