"""The stages of a network on a page: a row of boxes in the order of the data, each of which opens its stage."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from ..draw.charts import histogram
from ..draw.markup import Markup, tag
from ..errors import shell_quote
from ..network import Network
from ..trunks.glossary import shown_as
from ..trunks.opened import Opened, OpenedStage
from ..views.anatomy import stage_address, stage_parameters, stages_with_weights
from ..wording import count_noun, number_text, percent_text
from .sections.base import behind_table, html_table, share_bar, table_cell

# Stages, weights of a stage and things inside it that are shown; values that a picture of them is drawn from.
MOST_STAGES, MOST_WEIGHTS, MOST_INSIDE, MOST_VALUES = 150, 40, 40, 200_000

# What each number of a table of values is, at its column's head.
_FIGURES = ("lowest", "mean", "highest", "spread", "zeros")


@dataclass(frozen=True)
class SpineStage:
    """One box. ``opened`` is None where no example was there to pass it; ``weights`` by their whole names."""

    address: str
    label: str
    parameters: int
    weights: Sequence[tuple[str, nn.Parameter]]
    opened: OpenedStage | None

    @property
    def has_units(self) -> bool:
        """Whether it has hidden units, each with a weighted sum of its own."""
        return self.opened is not None and bool(getattr(self.opened.module, "unit_map", None))


def spine_stages(network: Network, opened: Opened | None) -> list[SpineStage]:
    """The stages in the order of the data; their parameters add up to the network's."""
    stages = dict(opened.stages) if opened else {}
    counts = stage_parameters(network, list(stages) or stages_with_weights(network))
    weights: dict[str, list[tuple[str, nn.Parameter]]] = {name: [] for name in counts}
    for name, parameter in network.named_parameters():
        address = stage_address(name)
        own = next((stage for stage in counts if address == stage or address.startswith(f"{stage}.")), None)
        weights[own or address.partition(".")[0]].append((address, parameter))
    return [
        SpineStage(
            name,
            stages[name].label if name in stages else name.removeprefix("trunk."),
            count,
            weights[name],
            stages.get(name),
        )
        for name, count in counts.items()
    ]


def spine(stages: Sequence[SpineStage], inspect: str, seen: str, asked: Collection[str]) -> list[Markup]:
    """The row of boxes, and behind it what each opens.

    Args:
        inspect: the command that opens the same with an option behind it. seen: whose values are shown, for people.
        asked: the options that can be asked for.
    """
    shown = stages[:MOST_STAGES]
    total = max(1, sum(stage.parameters for stage in stages))
    boxes = [tag("li", _stage_box(i, stage, total)) for i, stage in enumerate(shown)]
    more = len(stages) - len(shown)
    rest = tag("p", f"{count_noun(more, 'more stage')} in the table.", class_="caption") if more else Markup()
    rows = [
        [
            table_cell(stage.address, "key"),
            table_cell(stage.label),
            table_cell(_shape_text(stage.opened.features.x) if stage.opened else "–", "value"),
            table_cell(f"{stage.parameters:,}", "n"),
        ]
        for stage in stages
    ]
    table = html_table(["address", "stage", "gives", "parameters"], rows, numbers=1)
    return [
        tag("p", "Data goes from left to right. Choose a stage to open it.", class_="caption"),
        tag("ol", boxes, class_="spine", id="stages"),
        rest,
        *(
            _stage_inside(i, stage, len(shown), _commands_part(stage, inspect, asked), seen)
            for i, stage in enumerate(shown)
        ),
        tag("details", tag("summary", "as a table"), tag("div", table, class_="scroll"), class_="numbers"),
    ]


def _stage_box(i: int, stage: SpineStage, total: int) -> Markup:
    gives = tag("span", _shape_text(stage.opened.features.x)) if stage.opened else None
    held = count_noun(stage.parameters, "parameter") if stage.parameters else "no parameters"
    bar = share_bar(stage.parameters / total) if stage.parameters else None
    return tag("a", tag("b", stage.label), gives, tag("span", held), bar, href=f"#stage-{i}")


def _stage_inside(i: int, stage: SpineStage, count: int, commands: list[Markup], seen: str) -> Markup:
    near = [("previous", i - 1), ("next", i + 1)]
    links: list[Markup | str] = []
    for word, other in near:
        if 0 <= other < count:
            links += [tag("a", f"{word} stage", href=f"#stage-{other}"), " · "]
    heading = f"stage-{i}-title"
    return tag(
        "article",
        tag("h3", stage.label, " ", tag("code", stage.address), id=heading),
        tag("p", _stage_sentence(stage)),
        _values_part(stage.opened, seen) if stage.opened else None,
        _inside_part(stage.opened, seen) if stage.opened else None,
        _weights_part(stage),
        commands,
        tag("p", links, tag("a", "close", href="#stages"), class_="quiet"),
        id=f"stage-{i}",
        class_="opened card",
        aria_labelledby=heading,
    )


def _stage_sentence(stage: SpineStage) -> str:
    held = f"It has {count_noun(stage.parameters, 'parameter')}, the numbers that training adjusts."
    if stage.opened is None:
        return held
    activation = getattr(stage.opened.module, "activation", "")
    after = f" Its activation, the bend after each weighted sum, is {activation}." if activation else ""
    return f"For one example it gives {_shape_text(stage.opened.features.x)}. {held}{after}"


def _shape_text(x: Tensor) -> str:  # (B, *positions, D)
    """What a stage gives for one example, in words.

    >>> import torch
    >>> _shape_text(torch.zeros(1, 8, 8, 64)), _shape_text(torch.zeros(1, 3))
    ('8 × 8 positions × 64 numbers', '3 numbers')
    """
    *positions, width = x.shape[1:] or (1,)
    if not positions:
        return count_noun(width, "number")
    many = "positions" if int(np.prod(positions)) != 1 else "position"
    return f"{' × '.join(f'{n:,}' for n in positions)} {many} × {count_noun(width, 'number')}"


def _values_part(stage: OpenedStage, seen: str) -> list[Markup]:
    values = _numbers_of(stage.features.x[:1])
    if not values.size:
        return []
    return [
        tag("h4", f"Its values for {seen}"),
        *_spread_chart(values, "value (no unit: numbers inside the network)"),
    ]


def _inside_part(stage: OpenedStage, seen: str) -> list[Markup]:
    rows = []
    for name, tensor in list(stage.inside.items())[:MOST_INSIDE]:
        about, ways = shown_as(name)
        meaning = ", ".join([about.meaning, *ways])
        shape = " × ".join(f"{n:,}" for n in tensor.shape[1:])
        rows.append(
            [
                table_cell(name, "key"),
                table_cell(meaning, "why"),
                table_cell(shape, "n"),
                *_figure_cells(_numbers_of(tensor[:1])),
            ]
        )
    if not rows:
        return []
    head = ["what", "meaning", "shape", *_FIGURES]
    table = tag("div", html_table(head, rows, numbers=6), class_="scroll")
    return [tag("h4", f"What goes on inside, for {seen}"), table]


def _weights_part(stage: SpineStage) -> list[Markup]:
    if not stage.weights:
        return []
    rows = [
        [
            table_cell(name, "key"),
            table_cell(" × ".join(f"{n:,}" for n in one.shape) or "1", "n"),
            *_figure_cells(_numbers_of(one)),
        ]
        for name, one in stage.weights[:MOST_WEIGHTS]
    ]
    more = len(stage.weights) - len(rows)
    every = np.concatenate([_numbers_of(one) for _, one in stage.weights])
    return [
        tag("h4", "Its weights"),
        *_spread_chart(every, "weight (no unit)"),
        tag("div", html_table(["weights", "shape", *_FIGURES], rows, numbers=6), class_="scroll"),
        tag("p", f"and {count_noun(more, 'more tensor')}", class_="caption") if more else Markup(),
    ]


def _commands_part(stage: SpineStage, inspect: str, asked: Collection[str]) -> list[Markup]:
    lines = []
    if "unit" in asked and stage.has_units:
        lines.append(f"{inspect} --unit {shell_quote(f'{stage.address}.0')}")
    weight = next(((name, one) for name, one in stage.weights if one.ndim > 1 and one.numel()), None)
    if "weight" in asked and weight:
        place = ",".join("0" * weight[1].ndim)
        lines.append(f"{inspect} --weight {shell_quote(f'{weight[0]}[{place}]')}")
    return [tag("h4", "One of its units, one of its weights"), tag("pre", "\n".join(lines))] if lines else []


# -- numbers ---------------------------------------------------------------------------------------------------------


def _numbers_of(tensor: Tensor) -> np.ndarray:
    """All numbers of a tensor, or so many of them spread evenly that a picture is the same."""
    flat = tensor.detach().float().flatten()
    step = max(1, flat.numel() // MOST_VALUES)
    return flat[::step].cpu().numpy().astype(float)  # type: ignore[no-any-return]


def _figures(values: np.ndarray) -> Iterator[str]:
    real = values[np.isfinite(values)]
    if not real.size:
        yield from ["–"] * len(_FIGURES)
        return
    for value in (real.min(), real.mean(), real.max(), real.std()):
        yield number_text(float(value), 3)
    yield percent_text(float((real == 0).mean()))


def _figure_cells(values: np.ndarray) -> list[Markup]:
    return [table_cell(text, "n") for text in _figures(values)]


def _spread_chart(values: np.ndarray, label: str) -> list[Markup]:
    """How often values fall where, and the figures behind it."""
    rows = [[name, text] for name, text in zip(_FIGURES, _figures(values), strict=True)]
    rows.append(["counted", f"{values.size:,}"])
    return behind_table(
        histogram(values, x_label=label, y_label="how many", zero=True, height=190), ["figure", "value"], rows
    )
