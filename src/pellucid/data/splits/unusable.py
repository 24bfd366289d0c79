"""Parts that the data gives and whose rows can't all be used: counted and named; an error where nothing is left.

A part that is given is what its user wants to be scored on: rows of train never stand in for it. n rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import PellucidError, shell_quote
from ...fields import Field, Note, kind_named
from ...fields.notes import LEFT_OUT
from ...fields.spelling import compare_words
from ...wording import count_noun, join_words
from ..schema import SPLIT_NAMES
from ..source import Contents
from .spec import PARTS, SplitSpec

if TYPE_CHECKING:
    from ..examples import Examples

# Why an example is left out, in a note.
STRANGE = "of classes that are not in train"


def find_strange(code: np.ndarray, part: np.ndarray) -> np.ndarray:  # (n,), (n,) -> (n,) bool
    """Which rows of validation and test are of a class that no row of train is of.

    Args:
        code: class numbers. part: index in ``PARTS``, -1 for none.
    """
    return (part > 0) & ~np.isin(code, code[part == 0])


def say_parts(how: str, given: Mapping[str, int], left: Mapping[str, int]) -> str:
    """Given parts in a sentence; parts without a usable row, and those taken from train, are named as such.

    Args:
        how: the parts came about. given: rows of each part. left: of them that can be used; no part with none.
    """
    shown = join_words(f"{name} {count:,}" for name, count in left.items()) or "nothing that can be used"
    carved = [name for name in PARTS[1:] if name not in given]
    lost = [name for name in given if name not in left]
    sentence = f"{how}: {shown}" + (f"; {join_words(carved)} taken from train" if carved else "")
    return sentence + (f"; no row of {join_words(lost)} can be used" if lost else "")


def count_parts(part: np.ndarray) -> dict[str, int]:  # (n,) index of PARTS, -1 for none
    """The rows of each part that has any, by its name."""
    return {name: int((part == i).sum()) for i, name in enumerate(PARTS) if (part == i).any()}


def find_lost(found: Contents, fields: Sequence[Field], part: np.ndarray) -> np.ndarray:  # (n,) -> (n,) bool
    """Which rows can't be used, as far as is known before inputs are decoded.

    Those without target or weight, and those of validation and test whose class is not in train.
    """
    lost = np.zeros(len(part), bool)
    for field in (f for f in fields if f.role in ("target", "weight")):
        # No passage is missing, and all texts need not be stored to know it.
        if field.traits.written:
            continue
        stored = kind_named(field.kind).store(found.columns[field.name], field.settings, lambda note: None)
        lost |= field.traits.missing(stored)
        if field.role == "target" and field.traits.one_class:
            lost |= find_strange(stored.arrays["code"], np.where(lost, -1, part))
    return lost


def check_given(data: Examples, asked: np.ndarray, own: np.ndarray) -> None:
    """Note on ``data`` which examples of given parts are left out, and why.

    Args:
        asked: (n,) index of the part that each row is given to, -1 for none. own: (n,) the one it is in.

    Raises:
        PellucidError: when nothing is left of a part that is given; it is noted, too.
    """
    data.given_left = count_parts(own)
    why = {**data.unusable_rows(), STRANGE: np.flatnonzero((asked > 0) & (own < 0) & data.usable_mask())}
    for i, name in enumerate(PARTS):
        rows, kept = np.flatnonzero(asked == i), int((own == i).sum())
        # Of train nothing is said as long as there is some: what can't be used was noted when it was read.
        if kept == len(rows) or (i == 0 and kept):
            continue
        gone = {what: some[asked[some] == i] for what, some in why.items()}
        counts = {what: len(some) for what, some in gone.items() if len(some)}
        values = _values_said(data, gone[STRANGE], own)
        if kept:
            are = "is" if len(rows) - kept == 1 else "are"
            text = (
                f"{len(rows) - kept:,} of {count_noun(len(rows), 'example')} of {name} {are} left out, this one first: "
            )
            text += join_words(f"{count:,} {what}" for what, count in counts.items()) + values
            first = min(int(some[0]) for some in gone.values() if len(some))
            data.add_note(Note("warning", text, data.place(first), LEFT_OUT, _suggest_mending(counts, data)))
            continue
        each = "its one example is" if len(rows) == 1 else f"all its {len(rows):,} examples are"
        reasons = join_words(f"{count:,} {what}" for what, count in counts.items())
        error = PellucidError(
            f"{name} is given, and {each} left out: {reasons}{values}",
            where=data.name,
            fix=_suggest_mending(counts, data),
        )
        data.add_note(Note("error", error.what, "", "no training: rows of train are not used instead", str(error.fix)))
        raise error


def check_labels(data: Examples, own: np.ndarray) -> None:
    """Note on ``data`` which labels of given validation and test sets are not in train.

    Args:
        own: (n,) index of the part that each row is in, -1 for none.

    Raises:
        PellucidError: when train has none of a part's labels; it is noted, too.
    """
    for target in (f for f in data.targets if f.traits.several_classes and not f.settings.get("flag")):
        stored = data.stored_values(target.name)
        values, code = stored.meta["values"], np.asarray(stored.arrays["code"])
        part = np.repeat(own, np.maximum(stored.arrays["count"], 0))  # (L,)
        known = np.unique(code[part == 0])
        for i, name in enumerate(PARTS[1:], 1):
            there = np.unique(code[part == i])
            new = [values[c] for c in np.setdiff1d(there, known)]
            if not new:
                continue
            text = f"{count_noun(len(new), 'label')} of {name} {'is' if len(new) == 1 else 'are'} not in train"
            text += f" and ignored: {compare_words(new, [values[c] for c in known])}"
            if len(new) < len(there):
                data.add_note(
                    Note("warning", text, f"column '{target.name}'", "the others count", "spell them the same way")
                )
                continue
            error = PellucidError(
                f"no label of {name} is in train: {compare_words(new, [values[c] for c in known])}",
                where=f"{data.name}, column '{target.name}'",
                fix=f"write labels the same way in both sets, or split again: {_suggest_drawing(data)}",
            )
            data.add_note(Note("error", error.what, f"column '{target.name}'", "no training", str(error.fix)))
            raise error


def check_known(data: Examples, rows: np.ndarray) -> None:
    """Raises PellucidError when a run has nothing to be scored on: no usable ``rows``, or none of its labels."""
    if not len(rows):
        gone = {what: len(some) for what, some in data.unusable_rows().items() if len(some)}
        why = [f"{count:,} {what}" for what, count in gone.items()] or ["there are no rows"]
        new_classes = [text for target in data.targets if (text := _new_said(data, target))]
        fix = "write them as in the training" if new_classes else "fix these examples, or use others"
        raise PellucidError(
            "; ".join([f"there is no example to score: {join_words(why)}", *new_classes]), where=data.name, fix=fix
        )
    for target in (f for f in data.targets if f.traits.several_classes and f.state is not None):
        values, known = data.stored_values(target.name).meta["values"], target.state["values"]  # type: ignore[index]
        if values and not set(values) & set(known):
            text = f"the run has learned none of the labels of '{target.name}': {compare_words(values, known)}"
            raise PellucidError(text, where=data.name, fix="write them as in the training")


def _new_said(data: Examples, target: Field) -> str:
    """The classes in new data that a run's target has not seen, beside those it has, in words; empty for none."""
    if target.state is None or not target.traits.one_class:
        return ""
    return kind_named(target.kind).describe_new_values(data.stored_values(target.name), target.state)


def _values_said(data: Examples, rows: np.ndarray, own: np.ndarray) -> str:
    """The classes of ``rows`` beside those of train, in words, so that a spelling shows; empty without rows."""
    target = data.target
    if target is None or not len(rows):
        return ""
    stored = data.stored_values(target.name)
    code, values = np.asarray(stored.arrays["code"]), stored.meta["values"]
    known = np.unique(code[own == 0])
    return f"; {compare_words([values[c] for c in np.unique(code[rows])], [values[c] for c in known if c >= 0])}"


def _suggest_mending(counts: Mapping[str, int], data: Examples) -> str:
    """What a person can do about rows of a part that are left out, by the reasons counted."""
    first = "write classes the same way in both sets" if STRANGE in counts else "fix these rows"
    return f"{first}, or split again: {_suggest_drawing(data)}"


def _suggest_drawing(data: Examples) -> str:
    """The option that has parts drawn from all rows, instead of those that the data gives."""
    field = next((f for f in data.fields.values() if f.role == "split"), None)
    parting: SplitSpec = data.reading.parting
    if field is None or (parting.asked and field.name.lower() not in SPLIT_NAMES):
        return "--split 80,10,10"
    return f"--ignore {shell_quote(field.name)}" + (" instead of --split" if parting.by == "column" else "")
