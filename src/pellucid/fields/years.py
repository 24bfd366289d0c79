"""Numbers that are years, which people write without marks between thousands."""

from __future__ import annotations

import re

# Words in the name of a column whose numbers may be years.
YEAR_WORDS = {
    "year", "years", "yr", "jahr", "jahre", "baujahr", "jahrgang", "année", "annee", "año", "anno", "jaar", "rok",
    "vintage", "born", "season",
}  # fmt: skip

FIRST_YEAR, LAST_YEAR = 1500, 2100


def is_year(name: str, value: float) -> bool:
    """Whether a number of the column ``name`` is a year.

    >>> is_year("Year Built", 2010.0), is_year("yearBuilt", 1999), is_year("price", 2010.0), is_year("year", 12)
    (True, True, False, False)
    """
    return value == round(value) and FIRST_YEAR <= value <= LAST_YEAR and called_year(name)


def called_year(name: str) -> bool:
    """Whether a column is called like years.

    >>> called_year("model_year"), called_year("Baujahr"), called_year("yearly income")
    (True, True, False)
    """
    words = re.findall(r"[^\W\d_]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])", name)
    return bool({word.lower() for word in words} & YEAR_WORDS)
