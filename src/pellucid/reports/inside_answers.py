"""What a newcomer asks of a network that was looked into, each with its answer in a few sentences."""

from __future__ import annotations

from collections.abc import Sequence

from ..draw.markup import Markup, tag
from ..views.base import LeftOut
from ..views.result import Result, badge_mark
from ..wording import count_noun, end_sentence, join_words

# The questions: of the network alone, of an example, and the views that answer them, the first that there is.
QUESTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("What does it look at?", "What did it look at?", ("gaze", "fields", "pixels", "where", "shares")),
    ("Did training go well?", "Did training go well?", ("verdict",)),
    ("Why are its worst answers wrong?", "Why this answer, and is it right?", ("mistake", "why", "next", "losses")),
    ("What does one unit respond to?", "What does one unit respond to?", ("stands",)),
)

# What a badge is called among several, in the order in which they are told.
_COUNTED = {"exact": "exact", "checked": "tested on this network and passed", "suggestive": "not tested on it",
            "failed": "failed their test"}  # fmt: skip

# Badges by which a picture may be believed.
BELIEVED = ("checked", "exact")


def answers_part(results: Sequence[Result], missing: Sequence[LeftOut], of_example: bool) -> Markup | None:
    """The section of the questions; None where single views were asked for, which answer none of them."""
    every = {word for *_, words in QUESTIONS[1:] for word in words}
    if not any(result.view in every for result in results):
        return None
    parts: list[Markup] = []
    for network, example, words in QUESTIONS:
        place = best_answer(results, words)
        said = _shown(results, place) if place is not None else _lacking(missing, words)
        parts += [tag("dt", example if of_example else network), tag("dd", said)]
        # After what was seen: whether to believe it.
        if words[0] == "gaze":
            trust = tag("dd", trust_sentence(results), " ", tag("a", "what the badges mean", href="#badges"))
            parts += [tag("dt", "Can I trust these pictures?"), trust]
    return tag("section", tag("h2", "In short"), tag("dl", parts, class_="answers"), id="short")


def best_answer(results: Sequence[Result], words: Sequence[str]) -> int | None:
    """The place of the result that answers best: in the words' order the first to be believed, else the first."""
    found = [i for word in words for i, result in enumerate(results) if result.view == word]
    sound = [i for i in found if results[i].badge.level in BELIEVED]
    return next(iter(sound or found), None)


def _shown(results: Sequence[Result], place: int) -> list[Markup | str]:
    result = results[place]
    failed = (
        "Its picture failed its test on this network, so don't rely on this: " if result.badge.level == "failed" else ""
    )
    return [f"{failed}{result.sentence} ", badge_mark(result.badge), " ", tag("a", "more", href=f"#view-{place}")]


def _lacking(missing: Sequence[LeftOut], words: Sequence[str]) -> str:
    """Why a question has no answer here, and what to do about it."""
    found = next((one for one in missing if one.word in words), None)
    if found is None:
        return "This can't be answered for this network."
    return " ".join(end_sentence(text) for text in (found.reason, found.remedy) if text)


def trust_sentence(results: Sequence[Result]) -> str:
    """How many of the results are of each level, and which are not to be relied on.

    >>> from pellucid.views import Badge
    >>> trust_sentence([Result("a", "A", "", Badge("exact", "")), Result("b", "B", "", Badge("failed", ""))])
    "Of the 2 views below, 1 is exact and 1 failed its test. Don't rely on 'B'."
    """
    levels = [result.badge.level for result in results]
    counts = []
    for level, words in _COUNTED.items():
        if count := levels.count(level):  # type: ignore[arg-type]
            one = words.replace("failed their", "failed its")
            are = "" if level == "failed" else "is " if count == 1 else "are "
            counts.append(f"{count} {are}{one if count == 1 else words}")
    failed = [f"'{result.title}'" for result in results if result.badge.level == "failed"]
    warning = f" Don't rely on {join_words(failed, 4)}." if failed else ""
    return f"Of the {count_noun(len(results), 'view')} below, {join_words(counts, 4)}.{warning}"


def missing_part(missing: Sequence[LeftOut]) -> Markup | None:
    """The section of what is not on the page, by reason, with what to do to have it; None where nothing is missing."""
    if not missing:
        return None
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in missing:
        reasons.setdefault((one.reason, one.remedy), []).append(one.title)
    rows = []
    for (reason, remedy), titles in reasons.items():
        about = " ".join(end_sentence(text) for text in (reason, remedy) if text)
        rows.append(tag("div", tag("dt", ", ".join(titles)), tag("dd", about)))
    return tag("section", tag("h2", "Not on this page"), tag("dl", rows, class_="commands"), id="missing")
