"""How two words differ, in plain words: for values that were likely meant to be one."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

# Of words that may be misspelt: 'cat' and 'car' are two words.
MIN_SLIP_LETTERS = 4

# Longer ones are sentences.
MAX_SLIP_LETTERS = 40

# New words that are compared, each with all known ones.
MAX_NEW_WORDS = 20

# Of each side that are named.
SHOWN_WORDS = 5

SHOWN_PAIRS = 3

SIGN_NAMES = {
    ".": "a full stop", ",": "a comma", ";": "a semicolon", ":": "a colon", "-": "a hyphen", "_": "an underscore",
    " ": "a space", "'": "an apostrophe", "’": "an apostrophe", '"': "a quotation mark", "!": "an exclamation mark",
    "?": "a question mark", "(": "a bracket", ")": "a bracket", "/": "a slash", "–": "a dash", "—": "a dash",
    "“": "a quotation mark", "”": "a quotation mark", "„": "a quotation mark", "«": "a quotation mark",
    "»": "a quotation mark", "‘": "an apostrophe", "`": "an apostrophe", "´": "an apostrophe",
}  # fmt: skip

# Without width, or seen only where a line is broken: they come along when text is copied.
INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"

# At an end of a word these say something: A- is a grade, -3 a number. Between letters they join words.
JOINING = "-_–—"


def explain_difference(one: str, other: str) -> str:
    """How two words differ, in plain words; empty when they are equal, or two words rather than two spellings of one.

    Numbers are two words unless they are equal, and so are words that differ by a digit, or by a letter where they
    are short.

    >>> explain_difference("yes.", "yes"), explain_difference("color", "colour"), explain_difference("cat", "car")
    ('a full stop', 'one letter', '')
    """
    # "1.0" and "1" are one number in two spellings; 1 and 2 are never a slip.
    numbers = [_number_in(word) for word in (one, other)]
    if one == other or None not in numbers:
        return "how the number is written" if one != other and numbers[0] == numbers[1] else ""
    # An accent is one sign or two, by the system that a file comes from (NFC, NFD), and looks the same.
    one, other = (unicodedata.normalize("NFC", word) for word in (one, other))
    if one == other:
        return "how an accent is written"
    seen = [word.translate(dict.fromkeys(map(ord, INVISIBLE))) for word in (one, other)]
    if seen != [one, other]:
        rest = explain_difference(*seen)
        return (
            ""
            if seen[0] != seen[1] and not rest
            else " and ".join([*([rest] if rest else []), "an invisible character"])
        )
    if unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other):
        return "the kind of space" if one.split() == other.split() else "how a letter is written"
    a, b = _letters_of(one), _letters_of(other)
    if not a or strip_accents(a.casefold()) != strip_accents(b.casefold()):
        return _slip_said(one, other)
    said = [*(["capitals"] if strip_accents(a) != strip_accents(b) else [])]
    said += ["an accent"] if a.casefold() != b.casefold() else []
    if (signs := _signs_said(one, other)) is None:
        return ""
    said += [signs] if signs else []
    said = said or ["where the punctuation is"]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def find_nearest(word: str, known: Iterable[str]) -> tuple[str, str] | None:
    """The known word that ``word`` is another spelling of, and how they differ; None where there is none.

    Spellings of the same letters come before slips of one letter.
    """
    slip: tuple[str, str] | None = None
    for other in known:
        if how := explain_difference(word, other):
            if how not in SLIPS:
                return other, how
            slip = slip or (other, how)
    return slip


def compare_words(new: Sequence[str], known: Sequence[str]) -> str:
    """Both sides' values, the nearest first, and how those differ that are spelt nearly alike.

    >>> compare_words(["yes."], ["no", "yes"])
    "'yes.' is new; known are 'yes' and 'no': 'yes.' and 'yes' differ by a full stop"
    """
    near = _near_words(new, known)
    new, known = [*near, *(word for word in new if word not in near)], _nearest_first(near, known)
    text = f"{_join_words(new)} {'is' if len(new) == 1 else 'are'} new; {_index_known(known)}"
    if len(new) == len(known) == len(near) == 1:
        return f"{text}: they differ by {near[new[0]][1]}"
    return text + _pairs_said(near, ": ")


def say_differences(new: Sequence[str], known: Collection[str]) -> str:
    """How new words differ from known ones that are spelt nearly alike, to end a sentence with; empty for none.

    >>> say_differences(["yes.", "maybe"], ["no", "yes"])
    "; 'yes.' and 'yes' differ by a full stop"
    """
    return _pairs_said(_near_words(new, known), "; ")


def say_known(new: Sequence[str], known: Sequence[str]) -> str:
    """The known words, those first that new ones are nearly, and how these differ.

    >>> say_known(["yes.", "maybe"], ["no", "yes"])
    "known are 'yes' and 'no': 'yes.' and 'yes' differ by a full stop"
    """
    near = _near_words(new, known)
    return _index_known(_nearest_first(near, known)) + _pairs_said(near, ": ")


def fold_spelling(value: str) -> str:
    """A value without regard to capitals, blanks, hyphens between letters, and punctuation at its end; never empty."""
    # Between letters alone: 'A-' is not 'A', and 1-2 not 1 2.
    joined = re.sub(rf"(?<=\w)[{JOINING}](?=[^\W\d])|(?<=[^\W\d])[{JOINING}](?=\w)", " ", value.casefold())
    plain = " ".join(joined.translate(dict.fromkeys(map(ord, INVISIBLE))).split())
    return plain.rstrip(".,;:!?").rstrip() or value


def strip_accents(value: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", value) if not unicodedata.combining(c))


def drop_letters(value: str) -> set[str]:
    """The word and all it becomes when a letter is left out: those of two near words meet (Garbe, SymSpell, 2012)."""
    word = value.casefold()
    if not MIN_SLIP_LETTERS <= len(word) <= MAX_SLIP_LETTERS:
        return set()
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def is_slip(one: str, other: str) -> bool:
    """Whether two words are one typing slip apart: a letter too few, another one, or two changed about."""
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    # 'class 1' and 'class 2' are no slip.
    if not (a + b).isalpha() and not ((a or b)[:1].isalpha() and (b or a)[:1].isalpha()):
        return False
    if any(letter.isdigit() for letter in a[:1] + b[:1]):
        return False
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or _changed_about(a, b)


SLIPS = ("one letter", "two letters that changed places")


def _changed_about(a: str, b: str) -> bool:
    return len(a) > 1 and a[:2] == b[:2][::-1] and a[2:] == b[2:]


def _slip_said(one: str, other: str) -> str:
    one, other = one.casefold(), other.casefold()
    lengths = sorted((len(one), len(other)))
    if lengths[0] < MIN_SLIP_LETTERS or lengths[1] > MAX_SLIP_LETTERS or lengths[1] - lengths[0] > 1:
        return ""
    if not is_slip(one, other):
        return ""
    return SLIPS[len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 2]


def _number_in(word: str) -> float | None:
    return float(word) if re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", word, re.ASCII | re.I) else None


def _letters_of(word: str) -> str:
    """Letters and digits alone."""
    return "".join(c for c in word if c.isalnum())


def _signs_of(word: str) -> Counter[str]:
    return Counter(" " if c.isspace() else c for c in word if not c.isalnum())


def _signs_said(one: str, other: str) -> str | None:
    """The signs that one word has and the other has not; empty where there are none, None for signs that mean much."""
    own, theirs = _signs_of(one), _signs_of(other)
    odd = list((own - theirs) + (theirs - own))
    if not odd:
        return ""
    # 'C' and 'C++' are two words, and so are 'A' and 'A-', 1.5 and 15.
    if not all(sign in SIGN_NAMES for sign in odd) or _marks_of(one) != _marks_of(other):
        return None
    if odd == [" "] and one.strip() == other.strip():
        return "a space at the end" if one.lstrip() != other.lstrip() else "a space at the beginning"
    names = list(dict.fromkeys(SIGN_NAMES[sign] for sign in odd))
    return " and ".join(names) if len(names) < 3 else "punctuation"


def _marks_of(word: str) -> tuple[str, ...]:
    """The signs that say something by where they stand: between digits, and those of ``JOINING`` at either end."""
    word = word.strip()
    first, last = re.match(f"[{JOINING}]*", word), re.search(f"[{JOINING}]*$", word)
    between = re.findall(r"(?<=\d)[^\w\s]+(?=\d)", word)
    return (first[0] if first else "", *between, last[0] if last else "")


def _near_words(new: Sequence[str], known: Collection[str]) -> dict[str, tuple[str, str]]:
    return {word: found for word in new[:MAX_NEW_WORDS] if (found := find_nearest(word, known)) is not None}


def _nearest_first(near: Mapping[str, tuple[str, str]], known: Sequence[str]) -> list[str]:
    first = dict.fromkeys(word for word, _ in near.values())
    return [*first, *(word for word in known if word not in first)]


def _pairs_said(near: Mapping[str, tuple[str, str]], start: str) -> str:
    by_how: dict[str, list[str]] = {}
    for word, (other, how) in list(near.items())[:SHOWN_PAIRS]:
        by_how.setdefault(how, []).append(f"{_quote_word(word)} and {_quote_word(other)}")
    said = "; ".join(f"{', '.join(pairs)} differ by {how}" for how, pairs in by_how.items())
    return start + said if said else ""


def _index_known(known: Sequence[str]) -> str:
    if not known:
        return "none is known"
    return f"known {'is' if len(known) == 1 else 'are'} {_join_words(known)}"


def _quote_word(word: str) -> str:
    return f"'{word if len(word) <= 40 else word[:39] + '…'}'"


def _join_words(words: Sequence[str]) -> str:
    shown = [_quote_word(word) for word in words[:SHOWN_WORDS]]
    if len(words) > SHOWN_WORDS:
        return f"{', '.join(shown)} and {len(words) - SHOWN_WORDS:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
