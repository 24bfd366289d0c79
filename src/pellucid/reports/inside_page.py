"""The page of a network looked into: its stages, what was found with its badges, and how to open any other part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..draw.markup import Markup, tag
from ..draw.page import html_document
from ..draw.style import SPINE, VIEWS
from ..errors import shell_quote
from ..views.anatomy import sample_opened
from ..views.base import LeftOut, Subject
from ..views.reading import say_readings
from ..views.result import LEVELS, Badge, Result, badge_mark
from ..wording import capitalise_text, end_sentence, number_text
from .data_content import in_words, shown_inputs
from .inside_answers import answers_part, missing_part
from .inside_stages import SpineStage, spine, spine_stages
from .page import page_foot
from .run_report import answer_text
from .sections.base import example_figure

# What a page says in its head that it is.
INSIDE = "Pellucid inside"

# Bytes of a page, most of them; what is too large for it is said and left to the command line.
MOST_BYTES = 4_800_000


@dataclass(frozen=True)
class InsideContent:
    """What the page is made from.

    Attributes:
        subject: what was looked into. results: what was found, in order. run: its folder or name, as commands take it.
        source: the example, as commands take it; "" for the network alone. name: what people
            call it. row: where it is in what was read. options: of ``inspect``, that can be asked for, with what each
            shows. versions: of what made the run. missing: views that are not among the results for want of something.
    """

    subject: Subject
    results: Sequence[Result]
    run: str
    source: str
    name: str
    row: int | None
    options: Mapping[str, str]
    versions: Mapping[str, str]
    missing: Sequence[LeftOut] = ()

    @property
    def command(self) -> str:
        return " ".join(filter(None, ["pellucid inspect", shell_quote(self.run), self.source]))


def inside_page(content: InsideContent) -> str:
    """A whole HTML page without scripts, of at most ``MOST_BYTES`` and a little."""
    subject = content.subject
    opened = subject.opened[0] if subject.example is not None else sample_opened(subject)
    stages = spine_stages(subject.network, opened)
    network = tag("section", tag("h2", "Stage by stage"), *_network_part(content, stages), id="network")
    answers = answers_part(content.results, content.missing, subject.example is not None)
    rest = [one for one in (missing_part(content.missing), _badges_part(), _commands_part(content, stages)) if one]
    taken = sum(len(part.encode()) for part in (network, *rest, *filter(None, [answers]))) + 60_000
    found: list[Markup] = []
    for i, result in enumerate(content.results):
        part = result.html()
        size = len(part.encode())
        if taken + size > MOST_BYTES:
            part = _only_said(result, content.command)
            size = len(part.encode())
        taken += size
        found.append(tag("section", part, id=f"view-{i}"))
    body = tag(
        "body",
        tag("header", _page_top(content), _links(content, answers is not None)),
        tag("main", answers, network, found, rest),
        page_foot("Every number is of this run's own network. The page loads nothing and runs no scripts.",
                  content.versions),
        class_="inside",
    )  # fmt: skip
    return html_document(_title(content), body, INSIDE, VIEWS + SPINE)


def _title(content: InsideContent) -> str:
    name = content.run.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or content.run
    return f"{content.name}, as {name} answers" if content.name else f"Inside {name}"


def _page_top(content: InsideContent) -> list[Markup]:
    subject = content.subject
    lead = (
        "What is in this network, whether training went well, and whether what is shown is true: see each badge."
        f" {end_sentence(subject.nothing_added or '')}".rstrip()
        if subject.example is None
        else _answer_sentence(content)
    )
    parts = [
        tag("p", "Pellucid: a network opened" if subject.example is None else "Pellucid: an answer opened",
            class_="eyebrow"),
        tag("h1", _title(content)),
        tag("p", lead, class_="lead"),
    ]  # fmt: skip
    if subject.example is not None and (odd := say_readings(subject)):
        parts.append(tag("p", odd))
    # What stands in the row of a moment is the first value to be forecast, and not what is read.
    if subject.data is not None and content.row is not None and subject.data.timeline is None:
        parts.append(tag("figure", example_figure(shown_inputs(subject.data, content.row)), class_="example"))
    return parts


def _answer_sentence(content: InsideContent) -> str:
    subject = content.subject
    if not subject.task.explains:
        output: Any = subject.network.output
        if output.writes:
            return f"The network writes: “{output.write_texts(subject.network, subject.example)[0]}”."
        return next((result.sentence for result in content.results), "")
    explained = subject.explained
    decoded = subject.task.decode(subject.raw[None].numpy())[0]
    answer = in_words(answer_text(decoded))
    sure = decoded.get("probability") if isinstance(decoded, dict) else None
    value = number_text(float(explained.to_units(float(subject.raw[explained.index]))))
    said = "" if isinstance(answer, dict | list) else f"The network says {_value_text(answer)}"
    said += f", with a probability of {100 * sure:.1f}%" if said and isinstance(sure, float) else ""
    about = f"What is explained is {explained.noun}: {value}."
    logit = explained.scale == 1.0 and explained.offset == 0.0 and sure is not None
    more = " A logit is the number before it becomes a probability: the higher, the surer." if logit else ""
    alone = end_sentence(subject.nothing_added or "")
    return " ".join(filter(None, [said and f"{said}.", about + more, alone]))


def _value_text(value: object) -> str:
    return number_text(value) if isinstance(value, float) else f"'{value}'"


def _links(content: InsideContent, answered: bool) -> Markup:
    every = [("In short", "short")] if answered else []
    every += [("Stage by stage", "network")]
    every += [(result.title, f"view-{i}") for i, result in enumerate(content.results)]
    every += [*([("Not on this page", "missing")] if content.missing else [])]
    every += [("What the badges mean", "badges"), ("Open any other", "more")]
    return tag("nav", [tag("a", title, href=f"#{place}") for title, place in every])


def _network_part(content: InsideContent, stages: Sequence[SpineStage]) -> list[Markup]:
    subject = content.subject
    if subject.example is not None:
        return spine(stages, content.command, content.name or "this example", content.options)
    if any(stage.opened for stage in stages):
        return spine(stages, content.command, "one kept example", content.options)
    note = "The run keeps no examples, so nothing passes the stages here: their shapes and values show with an example."
    return [tag("p", note, class_="quiet"), *spine(stages, content.command, "", content.options)]


def _only_said(result: Result, command: str) -> Markup:
    note = f"Its drawings are too large for this page. In the terminal: {command} --json"
    return tag(
        "article",
        tag("h3", result.title, badge_mark(result.badge)),
        tag("p", result.sentence),
        tag("p", note, class_="quiet"),
        class_="view",
    )


def _badges_part() -> Markup:
    rows = []
    for level, sentence in LEVELS.items():
        meaning = sentence.partition(": ")[2]
        rows.append(tag("div", tag("dt", badge_mark(Badge(level, ""))), tag("dd", capitalise_text(meaning) + ".")))  # type: ignore[arg-type]
    return tag(
        "section",
        tag("h2", "What the badges mean"),
        tag("p", "Explanations can look right and be wrong. Each one here was tested on this very network, where a "
            "test is known, and says how it did.", class_="quiet"),
        tag("dl", rows, class_="levels"),
        id="badges",
    )  # fmt: skip


def _commands_part(content: InsideContent, stages: Sequence[SpineStage]) -> Markup:
    lines = [(content.command, "all of this again")]
    if not content.source:
        lines.append((f"pellucid inspect {shell_quote(content.run)} DATA", "how it answers one example: a file, a row"))
    unit = next((s for s in stages if s.has_units), None)
    weight = next(((n, w) for s in reversed(stages) for n, w in s.weights if w.ndim > 1 and w.numel()), None)
    known = {
        "unit": shell_quote(f"{unit.address}.0") if unit else "NAME",
        "weight": shell_quote(f"{weight[0]}[{','.join('0' * weight[1].ndim)}]") if weight else "NAME",
        "answer": "NAME",
        "without": shell_quote(unit.address) if unit else "STAGE",
        "move": "4,0",
        "mask": "WORD",
        "set": "COLUMN=VALUE",
    }
    # The place of a unit goes with the unit.
    for option, about in content.options.items():
        if option == "at":
            continue
        lines.append((" ".join(filter(None, [f"{content.command} --{option}", known.get(option)])), about))
    rows = [tag("div", tag("dt", capitalise_text(about)), tag("dd", tag("pre", line))) for line, about in lines]
    note = "In a terminal, where Pellucid is installed; other numbers and names in the place of these open other parts."
    return tag(
        "section",
        tag("h2", "Open any other"),
        tag("p", note, class_="quiet"),
        tag("dl", rows, class_="commands"),
        id="more",
    )
