"""Numbers, durations, lists and plurals as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any


def join_words(words: Iterable[Any], most: int = 5) -> str:
    """Words as a person lists them.

    >>> join_words([3, 9, 40]), join_words(range(1, 100), most=3)
    ('3, 9 and 40', '1, 2, 3 and 96 more')
    """
    words = [f"{word:,}" if isinstance(word, int) else str(word) for word in words]
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most:,} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def count_noun(n: int, one: str, many: str | None = None) -> str:
    """A number and its noun, in the plural where it is not one; ``many`` where that is not ``one`` with an s.

    >>> count_noun(1, "row"), count_noun(2000, "class", "classes")
    ('1 row', '2,000 classes')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def is_or_are(n: int) -> str:
    """The verb after so many of something.

    >>> is_or_are(1), is_or_are(2)
    ('is', 'are')
    """
    return "is" if n == 1 else "are"


def count_parts(counts: Mapping[str, int]) -> str:
    """So many examples of each part of the data, in words.

    >>> count_parts({"train": 256, "validation": 512}), count_parts({"train": 90, "validation": 0})
    ('256 training and 512 validation examples', '90 training examples')
    """
    said = [f"{count:,} {'training' if part == 'train' else part}" for part, count in counts.items() if count]
    return f"{join_words(said)} examples"


def abbreviate_text(text: str, most: int) -> str:
    """A text of at most so many characters, its end left out where it is longer."""
    return text if len(text) <= most else text[: most - 1] + "…"


def number_text(value: float, digits: int = 4) -> str:
    """About ``digits`` significant digits, thousands grouped, tiny and huge ones with an exponent.

    >>> number_text(53940), number_text(0.98123), number_text(0.0000123), number_text(2.0)
    ('53,940', '0.9812', '1.23e-05', '2')
    >>> number_text(-0.0)
    '0'
    """
    if not math.isfinite(value):
        return "–"
    # A zero that was worked out may have a sign, which nobody means.
    value += 0
    # From 1e15 on, neighbouring floats lie more than a tenth apart: digits would be made up.
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits - 2}e}"
    after = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{after}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def score_text(value: float) -> str:
    """A score: four digits after the point, fewer where it is large.

    >>> score_text(0.98123), score_text(17.1666), score_text(1234.567)
    ('0.9812', '17.17', '1,235')
    >>> score_text(-0.0)
    '0.0000'
    """
    value += 0
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 4
    return f"{value:,.{digits}f}"


def rounded_number(value: float, digits: int, mark: str = ",") -> str:
    """A number in so many digits, or all that stand before its point; with an exponent only beyond 15 of them.

    >>> rounded_number(1649921.98, 6), rounded_number(0.123456, 4), rounded_number(998004.5, 4, mark="")
    ('1,649,922', '0.1235', '998004')
    """
    if 10 ** (digits - 1) <= abs(value) < 1e15:
        return f"{value:{mark}.0f}"
    return f"{value:{mark}.{digits}g}"


# Metrics whose stored name is not the one that the field uses.
_METRICS = {
    "every label right": "exact match",
    "labels wrong": "Hamming loss",
    "token loss": "loss",
    "Token loss": "Loss",
    "token accuracy": "accuracy",
    "Token accuracy": "Accuracy",
}


def metric_text(name: str) -> str:
    """A metric's name as people write it; files and JSON keep to the name that old runs have.

    >>> metric_text("R2"), metric_text("validation R2"), metric_text("F1 of 'R2'"), metric_text("labels wrong")
    ('R²', 'validation R²', "F1 of 'R2'", 'Hamming loss')
    """
    for stored, known in _METRICS.items():
        name = f"{name.removesuffix(stored)}{known}" if name.endswith(stored) else name
    return f"{name[:-1]}²" if name.split()[-1:] == ["R2"] else name


def decision_name(name: str) -> str:
    """What a decision of a training is about, as people know it; files keep the name that old runs have."""
    known = {
        "rehearsal": "steps by cross-validation",
        "evaluate every": "steps between evaluations",
        "watch every": "steps between looks inside",
    }
    return known.get(name, name)


def percent_text(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}%" if math.isfinite(share) else "–"


def value_and_spread(value: float, low: float | None, high: float | None, as_percent: bool = False) -> tuple[str, str]:
    r"""A value and its interval with as many digits as the interval deserves; no interval, no second text.

    >>> value_and_spread(0.98123, 0.98012, 0.98218), value_and_spread(0.764, 0.755, 0.772, as_percent=True)
    (('0.9812', '0.9801–0.9822'), ('76.4%', '75.5–77.2%'))
    >>> value_and_spread(-5.3, -5.69, -4.93)
    ('-5.30', '-5.69 to -4.93')
    """
    scale, unit = (100, "%") if as_percent else (1, "")
    if low is None or high is None or not math.isfinite(high - low):
        return (percent_text(value) if as_percent else number_text(value)), ""
    half = scale * (high - low) / 2
    # Two digits of half the interval: more would claim a precision that the score has not.
    digits = min(6, max(0, 1 - math.floor(math.log10(half)))) if half > 0 else 4
    digits = min(digits, 2) if as_percent else digits
    digits = 1 if as_percent and half > 0.1 else digits
    # A dash before a minus sign is not read as one.
    until = "–" if low >= 0 else " to "
    return (
        f"{scale * value:,.{digits}f}{unit}",
        f"{scale * low:,.{digits}f}{until}{scale * high:,.{digits}f}{unit}",
    )


def with_interval(value: float, low: float | None, high: float | None, as_percent: bool = False) -> str:
    """``74.2% (73.3–75.1%)``; the value alone where its interval is not known."""
    text, between = value_and_spread(value, low, high, as_percent)
    return f"{text} ({between})" if between else text


def p_value(value: float) -> str:
    """A p-value as papers print it, three digits without the zero before the point.

    >>> p_value(0.0312), p_value(0.0004), p_value(1.0)
    ('.031', '< .001', '1')
    """
    if value < 0.001:
        return "< .001"
    return f"{value:.3f}".lstrip("0") if value < 0.9995 else "1"


def duration_text(seconds: float) -> str:
    """Seconds in the largest two units that there are.

    >>> duration_text(0.42), duration_text(59), duration_text(125), duration_text(7322)
    ('0.4 s', '59 s', '2 min 5 s', '2 h 2 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    # Rounded before it is cut into units, so that 59.7 s is a minute and not 60 s.
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s".replace(" 0 s", "")
    return f"{whole // 3600} h {whole % 3600 // 60} min".replace(" 0 min", "")


def milliseconds_text(seconds: float) -> str:
    """Seconds, as milliseconds in two digits.

    >>> milliseconds_text(0.00312), milliseconds_text(0.0312)
    ('3.1 ms', '31 ms')
    """
    return f"{1e3 * seconds:.{1 if seconds < 0.01 else 0}f} ms"


def step_text(seconds: float) -> str:
    """What a training step takes, in three digits.

    >>> step_text(0.0000421), step_text(0.0421), step_text(1.0142), step_text(75.31)
    ('0.0421 ms', '42.1 ms', '1.01 s', '75.3 s')
    """
    return f"{1e3 * seconds:.3g} ms" if seconds < 0.9995 else f"{seconds:,.3g} s"


def memory_text(size: float) -> str:
    """Bytes, as memory is sold.

    >>> memory_text(512e6), memory_text(1.234e9), memory_text(23.4e9)
    ('512 MB', '1.2 GB', '23 GB')
    """
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.{1 if size < 1e10 else 0}f} GB"


def plain_text(value: Any) -> str:
    """Any value of a plan or a row as text."""
    if value is None:
        return "–"
    # Before numbers: in Python a truth value is an int.
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {plain_text(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain_text(v) for v in value)
    return str(value)


def capitalise_text(text: str) -> str:
    return text[:1].upper() + text[1:]


def end_sentence(text: str) -> str:
    """A text as a sentence: with a capital, and a full stop where it has no mark at its end yet.

    >>> end_sentence("another unit?"), end_sentence("it is empty"), end_sentence("")
    ('Another unit?', 'It is empty.', '')
    """
    return capitalise_text(text if not text or text[-1] in ".?!" else f"{text}.")
