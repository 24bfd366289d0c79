"""From columns to fields: the kind and the role of each, and which one is to be predicted."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from ..errors import PellucidError, UsageError, unknown_name
from ..fields import Column, Field, Note, kind_named, recognise
from ..fields.category import (
    MOST_CLASSES,
    are_classes,
    column_words,
    could_be_classes,
    count_whole_numbers,
    explain_classes,
    missing_settings,
)
from ..fields.labels import counts_of, is_flag
from ..fields.notes import LEFT_OUT, MOST_NAMED
from ..fields.number import format_number
from ..wording import count_noun, join_words
from .sample_weights import weight_field
from .source import Contents, ReadOptions
from .splits.spec import SPLIT_WORDS, SplitSpec
from .transcripts import settle_transcript

TARGET_NAMES = ("target", "label", "labels", "class", "outcome", "answer")

SPLIT_NAMES = ("split", "fold", "subset", "set", "partition")

# The kind that columns are listed under that nothing is made of.
PLACEHOLDER = "category"

# The setting of texts that are a file each, so that a run on them takes a file for one text and not for many.
A_FILE = "a_file"

# The same of texts that are a line each of files that hold nothing else.
A_LINE = "a_line"

# The setting of a target that files' names tell: by which pattern, so that a run is scored on others named alike.
NAMED_BY = "label_from"

# Columns that are left out, up to which each has a note of its own.
FEW_LEFT_OUT = 3

Say = Callable[[Note], None]


def fields_of(found: Contents, options: ReadOptions, say: Say) -> tuple[list[Field], str]:
    """The fields of all columns and why the target is the target (empty when there is none).

    Raises:
        UsageError: when an option names a column or a kind that is not there.
    """
    check_names(found.columns, options, found.kinds)
    fields = {name: _make_field(column, found, options) for name, column in found.columns.items()}
    targets, why = _choose_targets(fields, found, options)
    flags = len(targets) > 1 and all(is_flag(found.columns[t]) and t not in options.kinds for t in targets)
    for target in targets:
        field = _as_flag(fields[target], found.columns[target]) if flags else fields[target]
        fields[target] = _as_target(field, found.columns[target], options, say, alone=len(targets) == 1)
    _check_together([fields[target] for target in targets])
    fields = settle_transcript(fields, say)
    read_to_write(fields, found, options)
    left = [field for field in fields.values() if field.role == "ignore" and field.name not in options.ignore]
    _say_left_out(left, "left out", say)
    _say_left_out([field for field in fields.values() if field.role == "id"], "left out as an id", say)
    for field in fields.values():
        size = field.traits.note_size(found.columns[field.name], field.settings) if field.role == "input" else None
        if size is not None:
            say(size)
    return list(fields.values()), why


def read_to_write(fields: dict[str, Field], found: Contents, options: ReadOptions) -> None:
    """Where a text is written: texts are read whole, and the one column beside it as a text whatever it holds.

    A number is not an amount where it is to be spelt, nor a date a place in the year.
    """
    goal = next((f for f in fields.values() if f.role == "target"), None)
    if goal is None or not goal.traits.prose:
        return
    able = ("input", "id")
    others = [f for f in fields.values() if f.role in able and f.name not in options.kinds and f.traits.tabular]
    if len(others) == 1 and sum(f.role in able for f in fields.values()) == 1:
        (only,) = others
        text = found.columns[only.name]
        reason = f"{len(text):,} values, read as they are written, as '{goal.name}' is a text"
        fields[only.name] = Field(only.name, goal.traits.reads, "input", reason)
    for field in fields.values():
        if field.role == "input" and field.traits.prose:
            settings = {**field.settings, **goal.traits.reading_settings(goal.settings)}
            fields[field.name] = field.with_(settings=settings)


def _say_left_out(fields: Sequence[Field], what: str, say: Say) -> None:
    """A note on each column that is left out; of many, one note on all of them."""
    if len(fields) <= FEW_LEFT_OUT:
        for field in fields:
            say(Note("info", f"{what}: {field.reason}", f"column '{field.name}'", LEFT_OUT, _how_to_use(field)))
        return
    many = what.replace("an id", "ids")
    text = f"{len(fields):,} columns are {many}: {join_words((f.name for f in fields), MOST_NAMED)}"
    say(Note("info", text, "", LEFT_OUT, f"to use one: {_kind_option(fields[0].name, fields[0].kind)}"))


def _how_to_use(field: Field) -> str:
    """How to have a column read that was left out."""
    return f"to use it: {_kind_option(field.name, field.kind)}"


def check_names(columns: Iterable[str], options: ReadOptions, kinds: Mapping[str, str] | None = None) -> None:
    """Every column that an option names must be there.

    Args:
        kinds: that the layout tells. Of a column that became several channels, ``x_1`` and so on, the kind was asked
            for under its own name.
    """
    targets = asked_targets(options.target, columns)
    if len(set(targets)) < len(targets):
        raise UsageError(f"a target is named twice in '{','.join(targets)}'")
    named = [*targets, options.split.column, options.weights, *options.ignore]
    named += [name for name, kind in options.kinds.items() if (kinds or {}).get(f"{name}_1") != kind]
    for name in named:
        if name is not None and name not in columns:
            raise UsageError(unknown_name("column", name, columns))
    for name in targets:
        if name in options.ignore:
            raise UsageError(f"column '{name}' can't be both target and ignored")
        if name == options.split.column and options.split.by != "time":
            raise UsageError(f"column '{name}' can't be both target and what the rows are split by")
        if name == options.weights:
            raise UsageError(f"column '{name}' can't be both target and weights")
    for kind in options.kinds.values():
        if kind_named(kind).moments:
            raise UsageError(f"a column is not made a {kind} by itself", fix="give --horizon: it is said of all rows")
        if kind_named(kind).written:
            what = f"a column is not made a {kind} by itself"
            raise UsageError(what, fix="give the texts as files: a .txt, or a folder of them")


def named_columns(options: ReadOptions) -> tuple[str, ...]:
    """The columns that options name: a line that holds one of them is the header."""
    targets = (options.target,) if isinstance(options.target, str) else options.target or ()
    several = (*targets, *options.ignore, *options.forecast.series, *options.forecast.known)
    several = (*several, *(part.strip() for one in several for part in one.split(",")))
    named = (*several, *options.kinds, options.weights, options.split.column, options.forecast.time)
    return tuple(dict.fromkeys(name for name in named if name))


def asked_targets(target: str | Sequence[str] | None, columns: Iterable[str]) -> tuple[str, ...]:
    """The targets that were named: one column, several, or several in one text with commas between."""
    if target is None:
        return ()
    if not isinstance(target, str):
        return tuple(target)
    return (target,) if target in columns or "," not in target else tuple(t.strip() for t in target.split(","))


def _make_field(column: Column, found: Contents, options: ReadOptions) -> Field:
    name = column.name
    if name in options.ignore:
        return Field(name, PLACEHOLDER, "ignore", "as asked")
    if name == options.weights:
        return weight_field(column)
    # Read from the disk once, and not by every kind that looks at it.
    column = column.load_values()
    forced = options.kinds.get(name) or found.kinds.get(name)
    # Before a kind is guessed: a column that says the parts is no input, whatever its values look like.
    settled = _split_by(column, options.split)
    if name == found.document:
        return Field(name, "category", "group", found.reasons[name])
    if settled is not None and (name not in options.kinds or name == options.split.column):
        return settled
    if name in found.beside and name not in options.kinds and name != found.target:
        return Field(name, PLACEHOLDER, "ignore", "from the names of the files, to split or group by")
    if forced:
        guess = kind_named(forced).as_asked(column)
        why = "as asked" if name in options.kinds else ""
        reason = "; ".join(part for part in (why, guess.reason, found.reasons.get(name, "")) if part)
        told = {**guess.settings, **found.settings.get(name, {})}
        settings = kind_named(forced).resize(told, options.image_size, options.seconds)
        if options.label_from is not None and name == found.target:
            settings = {**settings, NAMED_BY: options.label_from}
        if (found.files or found.lines) and kind_named(forced).prose:
            settings = {**settings, A_FILE if found.files else A_LINE: True}
        return Field(name, forced, "input", reason, settings)
    series = column.series()
    if series is not None and series.null_count() == len(series):
        return Field(name, PLACEHOLDER, "ignore", "no values at all")
    try:
        kind, guess = recognise(column)
    except PellucidError as error:
        return Field(name, PLACEHOLDER, "ignore", error.what)
    return Field(
        name, kind.name, guess.role, guess.reason, kind.resize(guess.settings, options.image_size, options.seconds)
    )


def _split_by(column: Column, asked: SplitSpec) -> Field | None:
    """The field of a column that says the parts or groups of the rows; None for any other."""
    name = column.name
    if name == asked.column and asked.by == "group":
        distinct = column_words(column).drop_nulls().n_unique()
        reason = f"{count_noun(distinct, 'value')}; rows of one stay in one set, and it is not an input"
        return Field(name, "category", "group", reason)
    if name == asked.column and asked.by == "column":
        return Field(name, "category", "split", "says which set each row belongs to")
    if asked.by == "column" or not _holds_splits(column):
        return None
    if asked.by == "chance":
        return Field(name, "category", "split", "says which set each row belongs to")
    return Field(name, PLACEHOLDER, "ignore", f"names sets, but rows are split by {asked.by}")


def _holds_splits(column: Column) -> bool:
    """Whether a column is called like a split and holds at least two of its words and nothing else."""
    if column.name.lower() not in SPLIT_NAMES:
        return False
    series = column.series()
    if series is None or series.dtype != pl.String:
        return False
    present = {word.lower() for word in column_words(column).drop_nulls().unique()}
    return len(present) > 1 and present <= SPLIT_WORDS.keys()


def _choose_targets(fields: Mapping[str, Field], found: Contents, options: ReadOptions) -> tuple[tuple[str, ...], str]:
    """The target, or targets: named, told by the layout, called like one, or the one column beside texts."""
    if options.target is not None:
        return asked_targets(options.target, fields), "as you asked"
    parting = ("split", "group", "weight")
    told = tuple(name for name in asked_targets(found.target, fields) if name not in options.ignore)
    # Without names the target is a guess, so that a last column of texts is not insisted on.
    can = found.named or all(fields[name].traits.predictable for name in told)
    if told and can and all(fields[name].role not in parting for name in told):
        return told, found.why
    usable = [f for f in fields.values() if f.role not in ("ignore", *parting)]
    possible = [f for f in usable if f.traits.predictable]
    called = [f.name for f in possible if f.name.lower() in TARGET_NAMES]
    last = [f.name for f in usable[-1:] if f in possible]
    # Elsewhere y may be a measure beside x and z, as in diamonds.
    if not called and last and last[0].lower() == "y":
        called = last
    if len(called) == 1 and len(usable) > 1:
        return (called[0],), "it is called so"
    inputs = [f for f in usable if f.role == "input"]
    others = [f.name for f in inputs if f.traits.predictable]
    if len(others) == 1 and len(inputs) > 1:
        return (
            others[0],
        ), f"it is the only column beside {_plural_kinds({f.kind for f in inputs if f.name != others[0]})}"
    return (), ""


def _plural_kinds(kinds: set[str]) -> str:
    return " and ".join(kind if kind.endswith("s") else f"{kind}s" for kind in sorted(kinds))


def _as_flag(field: Field, column: Column) -> Field:
    """One of several columns of yes and no: together they are labels, each of them one that a row has or has not."""
    settings = {"flag": field.name}
    return field.with_(
        kind="labels", reason=f"yes for {counts_of(column, settings)[field.name]:,} rows", settings=settings
    )


def _check_together(targets: Sequence[Field]) -> None:
    """Several targets are numbers, or labels; nothing else is predicted together."""
    kinds = {field.kind for field in targets}
    if len(targets) > 1 and (len(kinds) > 1 or not targets[0].traits.together):
        odd = next(field for field in targets if not field.traits.amount)
        noun = odd.traits.noun
        raise PellucidError(
            f"several targets must all be numbers, or all be 0 or 1 (yes or no); '{odd.name}' is {noun}",
            fix=f"name one target, or use --kind {odd.name}=number",
        )


def _as_target(field: Field, column: Column, options: ReadOptions, say: Say, *, alone: bool) -> Field:
    """A column as target: an id or a left-out one comes back, numbers that are labels become categories.

    A number that is always the same can't be all that is asked for, though it may be one of several.
    """
    if field.traits.amount and field.name not in options.kinds:
        field = _classes_or_amount(field, column, say, alone=alone)
    elif alone and field.traits.amount and (only := _only_number(column)):
        field = field.with_(role="ignore", reason=f"always {only}, which says nothing")
    elif field.traits.one_class and field.name not in options.kinds and _numbers_by_type(column):
        counts = count_whole_numbers(column)
        field = _said_classes(field, counts, say) if len(counts) > 1 else field
    if field.traits.as_target and field.role != "ignore":
        kind = kind_named(field.traits.as_target)
        guess = kind.as_asked(column)
        field = field.with_(kind=kind.name, reason=guess.reason, settings={**guess.settings, **field.settings})
    traits = field.traits
    if not traits.predictable and (traits.instead or field.role != "ignore"):
        another = "name another with --target, or set its kind: --kind {name}=category"
        raise PellucidError(
            f"the target '{field.name}' is {traits.noun}, and {field.kind}s are not predicted",
            fix=(traits.instead or another).format(name=field.name),
        )
    if field.role == "ignore":
        raise PellucidError(
            f"the target '{field.name}' can't be predicted: {field.reason}", fix="name another with --target"
        )
    return field.with_(role="target")


def _classes_or_amount(field: Field, column: Column, say: Say, *, alone: bool) -> Field:
    """Whole numbers as classes or as an amount, with a note on how to have the other; other numbers as they are.

    Of several targets only those of two values are classes: more of them can't be predicted together, amounts can.
    """
    counts = count_whole_numbers(column)
    if are_classes(counts) and (alone or len(counts) == 2):
        settings = {**field.settings, **missing_settings(column_words(column).drop_nulls())}
        return _said_classes(field.with_(kind="category", settings=settings), counts, say)
    if not alone or field.role == "ignore" or not could_be_classes(counts):
        return field
    instead = f"{_kind_option(field.name, 'category')} predicts classes instead"
    text = f"its {_show_numbers(counts)} are read as an amount; {instead}"
    say(Note("info", text, f"column '{field.name}'", "predicts an amount", "choose the other if that is wrong"))
    return field.with_(reason=f"{field.reason}; {instead}")


def _said_classes(field: Field, counts: Mapping[int, int], say: Say) -> Field:
    """Whole numbers that are classes, with a note on how to have an amount."""
    instead = f"{_kind_option(field.name, 'number')} predicts an amount instead"
    text = f"its {_show_numbers(counts)} are read as classes; {instead}"
    say(Note("info", text, f"column '{field.name}'", "predicts classes", "choose the other if that is wrong"))
    return field.with_(reason=explain_classes(field.name, counts))


def _show_numbers(counts: Mapping[int, int]) -> str:
    """Whole numbers, for a sentence."""
    values = [str(value) for value in counts]
    few = len(values) <= MOST_CLASSES
    return (
        f"{len(values)} whole numbers ({join_words(values, MOST_CLASSES) if few else f'{values[0]} to {values[-1]}'})"
    )


def _numbers_by_type(column: Column) -> bool:
    """Whether the values are numbers by their type, and not words such as the names of folders."""
    series = next(column.chunks()).series()
    return series is not None and series.dtype.is_numeric()


def _kind_option(name: str, kind: str) -> str:
    return shlex.join(["--kind", f"{name}={kind}"])


def _only_number(column: Column) -> str:
    """The number that all known values of a column equal, as text; empty where they differ or none is known."""
    value = kind_named("number").store(column, {}, lambda note: None).arrays["value"]
    known = value[np.isfinite(value)]
    return format_number(float(known[0]), column.name) if len(known) and known.min() == known.max() else ""


def columns_listed(fields: Iterable[Field]) -> str:
    """One line a column, for an error that asks which one to predict."""
    shown = [f for f in fields if f.role not in ("ignore", "split", "group", "weight")]
    width = max((len(f.name) for f in shown), default=0)
    lines = [f"    {f.name:<{width}}  {f.kind:<8}  {f.reason}" for f in shown[:60]]
    return "\n".join(lines + ([f"    and {count_noun(len(shown) - 60, 'more column')}"] if len(shown) > 60 else []))
