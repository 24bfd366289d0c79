"""Labels: how many there are of each, and which are likely meant to be one. n rows, C classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...fields import Note
from ...fields.spelling import drop_letters, explain_difference, fold_spelling, is_slip, strip_accents
from ...wording import count_noun, join_words
from ..splits.spec import PARTS
from .base import ColumnView, column_check

# The largest class is so many times the smallest: worth saying.
UNEVEN_TIMES = 20

# A misspelt label is at most so often there as the right one; of two frequent spellings neither is a slip.
MISSPELT_SHARE = 0.05

# Different values of an input up to which they are compared.
MOST_COMPARED_VALUES = 200

JOINED = "spell them all the same way"

APART = "counted as different"


@column_check("with values that differ only in spelling")
def spelling_variants(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    """Values that differ by capitals, spaces, accents, or punctuation at the end alone."""
    if not _comparable_text(look):
        return
    level = "warning" if look.role == "target" else "info"
    alike: dict[str, list[str]] = {}
    for value in look.value_counts:
        alike.setdefault(strip_accents(fold_spelling(value)), []).append(value)
    for first, *others in alike.values():
        how = {value: said for value in others if (said := explain_difference(value, first))}
        if how:
            shown = join_words(f"'{value}' ({look.value_counts[value]:,})" for value in (first, *how))
            by = join_words(dict.fromkeys(how.values()))
            yield Note(level, f"{shown} differ by {by} alone and count as different", look.where, APART, JOINED)


def _comparable_text(look: ColumnView) -> bool:
    if not look.traits.classed or look.role == "id" or look.field.settings.get("flag"):
        return False
    several = look.traits.several_classes
    different = len(look.value_counts) if several else look.series.n_unique()
    return look.role == "target" or different <= MOST_COMPARED_VALUES


@column_check("with values that look misspelt")
def misspelt_labels(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    """A rare value that is one letter away from a common one."""
    if not _comparable_text(look):
        return
    level = "warning" if look.role == "target" else "info"
    near: dict[str, list[str]] = {}
    for value in look.value_counts:
        # Only values that meet when a letter is left out are compared, so the work grows with their number and not its
        # square.
        for form in drop_letters(value):
            near.setdefault(form, []).append(value)
    pairs = {
        (a, b)
        for some in near.values()
        for a in some
        for b in some
        if look.value_counts[b] <= MISSPELT_SHARE * look.value_counts[a]
    }
    for right, wrong in sorted(pairs):
        if fold_spelling(right) != fold_spelling(wrong) and is_slip(right.casefold(), wrong.casefold()):
            row = look.first_row([wrong])
            text = f"'{wrong}' ({look.value_counts[wrong]:,}) may be '{right}' ({look.value_counts[right]:,}) misspelt"
            yield Note(level, text, look.cell_place(row), APART, f"if it is, write '{right}'")


@column_check("with rare or imbalanced classes")
def rare_classes(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    """Rare classes, and uneven ones."""
    if look.role != "target" or not look.traits.classed:
        return
    counts, one = look.value_counts, "label" if look.traits.several_classes else "class"
    for few, what in ((1, "a single example"), (2, "two examples")):
        found = [value for value, count in counts.items() if count == few]
        if found:
            row = look.first_row(found)
            several = "labels" if one == "label" else "classes"
            text = f"{count_noun(len(found), f'{one} has', f'{several} have')} {what} ({join_words(found)}), here first"
            action = "put into the training set, and never scored"
            fix = f"add at least {len(PARTS)} of each {one}, or remove their rows"
            yield Note("warning", f"{text}: it can be learned but not scored", look.cell_place(row), action, fix)
    if len(counts) > 1 and one == "class":
        (most, many), (least, few) = max(counts.items(), key=lambda c: c[1]), min(counts.items(), key=lambda c: c[1])
        if many >= UNEVEN_TIMES * few and few > 1:
            text = f"classes are imbalanced: '{most}' has {many:,} examples, '{least}' {few:,}"
            fix = "see precision and recall of each class, not accuracy alone"
            yield Note("warning", text, look.where, "every example counts the same", fix)
