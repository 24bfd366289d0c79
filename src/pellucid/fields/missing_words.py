"""Words that stand for no value, among words that are values: NA, null, ?. Which of them do is told by the others."""

from __future__ import annotations

import re
from collections.abc import Collection

# As files write them. "None" is none of them: a house may have no garage, and says so.
SAID = ("NA", "na", "N/A", "n/a", "N.A.", "n.a.", "NULL", "Null", "null", "NaN", "NAN", "nan", "<NA>", "#N/A", "#NA")

# No words where the other values are signs too: + and -, or the ends of sentences.
SIGNS = ("?", "-", "--")

MARKERS = (*SAID, *SIGNS)

# North America stands among these.
REGIONS = {"EMEA", "APAC", "LATAM", "EU", "ASIA", "ANZ", "ROW"}

# Codes of two letters beside which "NA" is one too: Namibia, North America.
FEWEST_CODES, CODES_SHARE = 3, 0.75

# With more different values they are no such codes.
MOST_CODES = 2000


def find_markers(values: Collection[str]) -> list[str]:
    """Which of a column's different values say that there is none, in order.

    >>> find_markers(["yes", "no", "NA", "?"]), find_markers(["DE", "FR", "US", "NA"]), find_markers(["+", "-", "?"])
    (['?', 'NA'], [], [])
    """
    there = [marker for marker in MARKERS if marker in values]
    if not there:
        return []
    rest = set(values) - set(MARKERS)
    codes = [marker for marker in ("NA", "na") if marker in there and _among_codes(marker, rest)]
    signs = SIGNS if any(not any(c.isalnum() for c in value) for value in rest) else ()
    return sorted(marker for marker in there if marker not in codes and marker not in signs)


def are_numbers(values: Collection[str]) -> bool:
    """Whether what is beside the markers is numbers, among which no word is a value."""
    rest = set(values) - set(MARKERS)
    return bool(rest) and all(re.fullmatch(r"[+-]?[\d.,]+(e[+-]?\d+)?", v, re.ASCII | re.IGNORECASE) for v in rest)


def _among_codes(marker: str, rest: Collection[str]) -> bool:
    if marker == "NA" and REGIONS & set(rest):
        return True
    if not FEWEST_CODES <= len(rest) <= MOST_CODES:
        return False
    letters = "[A-Z]{2}" if marker == "NA" else "[a-z]{2}"
    return sum(bool(re.fullmatch(letters, value)) for value in rest) >= CODES_SHARE * len(rest)
