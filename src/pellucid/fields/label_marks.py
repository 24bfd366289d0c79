"""The marks that stand between labels in a cell: "cat; dog", "#sun #sea", "clear primary road"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

SEPARATORS = (";", "|", ",")

# Read where labels stand now first, now second: elsewhere these have other meanings.
MARKS = ("#", "/", "+", "&", "•", "·")

BLANK = " "

# What is in no text that a person writes: cells of one label each.
NOTHING = "\x1f"

ALL_MARKS = f"{' '.join(SEPARATORS + MARKS)} and spaces"

ANY_MARK = rf"[{re.escape(''.join((*SEPARATORS, *MARKS, BLANK)))}]|^\s*[\[(]"

# So many different labels are few when they repeat.
FEW_LABELS = 50

# Different cells without which words between blanks may be phrases, such as "very good"; under the name of tags fewer.
MIN_TAG_CELLS, MIN_NAMED_CELLS = 20, 5

# Tags a cell, on average; more words are sentences.
MOST_TAGS = 8

TAG_NAMES = {"tag", "tags", "label", "labels", "genre", "genres", "keyword", "keywords", "topic", "topics", "hashtags"}

# Words of sentences.
STOP_WORDS = (
    "the", "a", "an", "of", "and", "or", "in", "on", "to", "is", "are", "was", "with", "for", "not", "very", "und",
    "der", "die", "das", "nicht", "sehr", "et", "le", "la", "les", "de", "du", "y", "el", "los", "e", "i", "it", "this",
)  # fmt: skip


def find_separator(text: pl.Series, name: str) -> dict[str, Any] | None:
    """How labels are parted in a column of this name, as settings; None where cells are not several labels.

    Args:
        text: (m,) some of its cells, without missing ones.
    """
    # Most words have no mark in them, and are looked at no further.
    if not text.str.contains(ANY_MARK).any():
        return None
    for settings in possible_separators(text):
        if are_labels(split_parts(text, settings), len(text), settings):
            return settings
    for settings in more_separators(text):
        table = split_parts(text, settings)
        few = table["part"].n_unique() <= FEW_LABELS
        if few and are_labels(table, len(text), settings) and _are_tags(text, table, settings, name):
            return settings
    return None


def more_separators(text: pl.Series) -> list[dict[str, Any]]:
    """Marks that may part labels beside ``SEPARATORS``, and blanks, each in at least one of 20 cells."""
    least = max(1, 0.05 * len(text))
    hash_first = bool(len(text)) and float(text.str.starts_with("#").mean()) > 0.9  # type: ignore[arg-type]
    marks = [mark for mark in MARKS if mark != "#" or hash_first]
    return [{"separator": s} for s in (*marks, BLANK) if text.str.contains(s, literal=True).sum() >= least]


def say_separator(settings: Mapping[str, Any]) -> str:
    """How labels are parted, in words.

    >>> say_separator({"separator": " "}), say_separator({"separator": ";"})
    ('separated by spaces', "separated by ';'")
    """
    if settings.get("brackets"):
        return "in brackets"
    special = {BLANK: "separated by spaces", NOTHING: "one a cell", "#": "each behind '#'"}
    return special.get(settings["separator"], f"separated by '{settings['separator']}'")


def empty_cell(settings: Mapping[str, Any]) -> str:
    """A cell that holds no label and is not missing; empty where none is known.

    >>> empty_cell({"separator": "|"}), empty_cell({"separator": ",", "brackets": True}), empty_cell({"separator": " "})
    ('|', '[]', '')
    """
    mark = settings.get("separator", "")
    return "[]" if settings.get("brackets") else mark if mark in (*SEPARATORS, *MARKS) else ""


def _are_tags(text: pl.Series, table: pl.DataFrame, settings: Mapping[str, Any], name: str) -> bool:
    """Whether few words, put together in many ways, are tags rather than phrases or sentences."""
    if settings["separator"] == "#":
        return True
    called = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)} & TAG_NAMES
    if not called and not _change_places(table):
        return False
    if settings["separator"] != BLANK:
        return True
    cells = text.str.split(BLANK)
    words = cells.list.len()
    repeated = (cells.list.n_unique() < words).mean()
    common = table["part"].str.to_lowercase().is_in(STOP_WORDS).any()
    if common or repeated > 0.01 or words.mean() > MOST_TAGS or words.n_unique() < 2:  # type: ignore[operator]
        return False
    return text.n_unique() >= (MIN_NAMED_CELLS if called else max(MIN_TAG_CELLS, table["part"].n_unique()))


def cut_text(text: pl.Series, settings: Mapping[str, Any]) -> pl.Series:
    if settings.get("brackets"):
        text = text.str.strip_chars(" []()")
    return text.str.split(settings["separator"])


def split_parts(text: pl.Series, settings: Mapping[str, Any]) -> pl.DataFrame:
    return explode_lists(cut_text(text, settings))


def explode_lists(lists: pl.Series) -> pl.DataFrame:
    table = pl.DataFrame({"row": pl.int_range(len(lists), eager=True), "part": lists.cast(pl.List(pl.String))})
    part = pl.col("part").str.strip_chars(" \t\r\n\"'")
    return table.explode("part").with_columns(part).filter(part != "").unique(maintain_order=True)


def possible_separators(text: pl.Series) -> list[dict[str, Any]]:
    """The ways in which cells may hold several labels, each in at least one of 20 of them; the likeliest first."""
    least = max(1, 0.05 * len(text))
    if len(text) and text.str.contains(r"^\s*[\[(].*[\])]\s*$").all():
        return [{"separator": ",", "brackets": True}]
    return [{"separator": s} for s in SEPARATORS if text.str.contains(s, literal=True).sum() >= least]


def are_labels(table: pl.DataFrame, n: int, settings: Mapping[str, Any]) -> bool:
    """Whether the parts are short words that repeat and are put together anew, rather than phrases with commas."""
    part = table["part"]
    if not len(part):
        return False
    counts = part.value_counts(name="count")
    total, distinct = len(part), len(counts)
    if distinct < 2 or not ((distinct <= FEW_LABELS and total >= 2 * distinct) or distinct <= 0.2 * total):
        return False
    known = counts.filter(pl.col("count") >= (3 if n >= 30 else 2))["count"].sum()
    if known < 0.8 * total or part.str.count_matches(r"\S+").mean() > 3:  # type: ignore[operator]
        return False
    cells = table.group_by("row", maintain_order=True).agg("part")["part"].unique()
    if cells.list.len().sum() < 1.5 * distinct or cells.list.len().max() < 2:  # type: ignore[operator]
        return False
    # Sentences have commas too.
    return settings["separator"] != "," or bool(settings.get("brackets")) or _change_places(table)


def _change_places(table: pl.DataFrame) -> bool:
    """Whether words stand now first, now second; in "Paris, France" or "1,5" each part has its place or no letters."""
    if table["part"].str.contains(r"\p{L}").mean() < 0.9:  # type: ignore[operator]
        return False
    placed = table.with_columns(place=pl.int_range(pl.len()).over("row")).group_by("part", "place").len()
    usual = placed.group_by("part").agg(pl.col("len").max())["len"].sum()
    return usual < 0.9 * len(table)
