"""Which pixels, words or steps spoke for the answer: expected gradients, and each part left out in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..activity import Progress
from ..network import Network
from ..wording import end_sentence, join_words, percent_text
from .attribution.badges import FEW_NUMBERS, Map, MapsOf, checked_badge
from .attribution.gradients import FEWEST_NODES, MOST_NODES, TOLERANCE, Attribution, each_gradients, expected_gradients
from .attribution.hiding import hidden_by_places, left_out, references
from .attribution.place_blocks import draw_named, draw_places, draw_words, is_photo, photo_pixels, strongest
from .attribution.places import Places, layers_with_places, places_of
from .attribution.variants import Sample, input_numbers, own_sample
from .base import Subject, register
from .blocks import Block, Picture
from .reading import readings
from .result import Badge, Result

# Kept training examples that stand in the example's stead, and of them those of the test.
REFERENCES, TEST_REFERENCES = 16, 8

# Nodes that maps of shuffled networks begin with: fewer hardly ever add up, and are in vain where they don't.
SHUFFLED_NODES = 8

# The same for the test of large examples, and nodes: as many slopes as of 8 references at 2 nodes, which are too few.
DEAR_REFERENCES, DEAR_NODES = 4, 4

# What is said of parts that are left out, and how sure that is where nothing else is shown.
LOST = ("is missed most", "is better left out")
LOST_BADGE = Badge("exact", "Forward passes without each part.")

WORST_FIRST = ("failed", "suggestive", "checked", "exact")

# The map that each of some networks has of an example by place, (*places); None of one where it can't be told.
PlacesOf = Callable[[Sequence[Network], Sample], list[np.ndarray | None]]


def suits(subject: Subject) -> str | None:
    if not layers_with_places(subject.network):
        return "it needs photos, texts, series or recordings: see 'fields' for columns of a table"
    if subject.example is not None and not shown_layers(subject):
        return "there is no word to explain, as the text is empty"
    return None


def shown_layers(subject: Subject) -> list[int]:
    """The numbers of the inputs whose places there are: an empty text has none."""
    sample = own_sample(subject)
    return [i for i in layers_with_places(subject.network) if len(places_of(subject.network, i, sample))]


def has_no_slope(subject: Subject) -> bool:
    """Whether a solved part that goes by counts answers alone: its slope is 0, and a map of it would be all zeros."""
    solved = subject.network.solved
    return bool(subject.alone) and solved is not None and not solved.smooth


@register(
    "pixels",
    "Which pixels, words or steps spoke for it",
    place=50,
    needs=("example", "answer", "training"),
    suits=suits,
)
def pixels(subject: Subject) -> Result:
    """What each pixel, word or step has added to the answer, and what the answer loses when a part is left out.

    Both are in the units of the answer: of a class's logit, or of the number.
    """
    sample, explained, network = own_sample(subject), subject.explained, subject.network
    layers = shown_layers(subject)
    flat = has_no_slope(subject)
    blocks: list[Block] = []
    arrays: dict[str, np.ndarray] = {}
    said, gaps, untold = [], [], []
    for i in layers:
        names = join_words([f"'{field.name}'" for field in network.layers[i].fields], 3)
        about = f"in {names} " if len(layers) > 1 else ""
        places = places_of(network, i, sample)
        left = left_out(subject, sample, places) * explained.scale
        told = bool(np.isfinite(left).all())
        left = np.nan_to_num(left, posinf=0.0, neginf=0.0)
        arrays[f"left_out.{i}"] = left
        if flat:
            said.append(strongest(places.names, left, about, LOST))
        else:
            found = evidence_of(subject, sample, i)
            told, added = told and found.told, map_of_parts(network, i, found) * explained.scale
            arrays[f"added.{i}"] = added
            caption = f"What each part {about}has added: orange for, blue against"
            blocks += draw_places(network, i, sample, added, caption)
            gaps.append(found.gap)
            said.append(strongest(places.names, places.sums(added), about))
        untold.append(not told)
        blocks += draw_left_out(network, sample, places, left, f"What is lost when a part {about}is left out")
    alone = f"{end_sentence(subject.nothing_added)} " if subject.nothing_added else ""
    return Result(
        "pixels",
        "Which pixels, words or steps spoke for it",
        f"{alone}For {explained.noun}, {'; '.join(said)}.",
        LOST_BADGE if flat else evidence_badge(subject, max(gaps), told=not any(untold)),
        blocks,
        {**arrays, "gap": np.array(gaps)},
        method="Expected gradients: the answer's mean slope on the way from kept training examples to this one, times "
        "how far each place moves on it; beside it forward passes without each part.",
        paper="Erion et al., 2021",
        caption=_caption(subject, flat),
    )


def _caption(subject: Subject, flat: bool) -> str:
    solved, said = subject.network.solved, []
    if flat and solved is not None:
        said.append(
            f"The {solved.name} are counts: what each part adds can't be measured, only what is lost without it."
        )
    else:
        said.append(f"Compared with {min(REFERENCES, len(subject.training or ()))} kept training examples.")
        if solved is not None and not solved.smooth:
            said.append(f"What the {solved.name} say is not in what is added.")
    cut = [one for one in readings(subject) if not one.missing and not one.odd]
    said += [f"Of '{one.name}' the network reads {one.reads}." for one in cut]
    return " ".join(said)


def evidence_badge(subject: Subject, gap: float, told: bool = True) -> Badge:
    """Tested on this network; the gap of this very example beside it.

    Args:
        told: whether the network has an answer and a slope at this example, and an answer without each part.
    """
    if not told:
        reason = (
            "Could not be tested: the answer or its slope is not a finite number here, as where nearly all values of "
            "an example are missing. What is not known is drawn as 0."
        )
        return Badge("suggestive", reason, {"gap": gap})
    said = f"The parts add up to the answer within {percent_text(gap)}."
    found = tested_badge(subject)
    figures = {**found.figures, "gap": gap}
    if gap > TOLERANCE and found.level == "checked":
        reason = (
            f"{said} That is more than {percent_text(TOLERANCE)}, so sizes are rough for this example. On others this "
            f"kind of map is sound: {found.reason[:1].lower()}{found.reason[1:]}"
        )
        return Badge("suggestive", reason, figures)
    return Badge(found.level, f"{said} {found.reason}", figures)


def tested_badge(subject: Subject) -> Badge:
    """Of several inputs the worst of their badges, with its name."""
    layers = layers_with_places(subject.network)
    found = []
    with Progress(len(layers)) as progress:
        for i in layers:
            maps, hidden = tested_maps(subject, i), hidden_by_places(subject, i)
            found.append(checked_badge(subject, f"pixels {i}", maps, hidden, f"places {i}"))
            progress.advance()
    worst = min(range(len(layers)), key=lambda k: WORST_FIRST.index(found[k].level))
    names = join_words([f"'{field.name}'" for field in subject.network.layers[layers[worst]].fields], 3)
    said = f"Of {names}: " if len(layers) > 1 else ""
    return replace(found[worst], reason=said + found[worst].reason)


# ---------------------------------------------------------------- the maps


def evidence_of(subject: Subject, sample: Sample, i: int) -> Attribution:
    assert subject.training is not None
    # Of small examples nodes cost next to nothing, and of others they are doubled only where they must.
    most = (8 if input_numbers(sample.batch) < FEW_NUMBERS else 2) * MOST_NODES
    others = references(subject, subject.training, i, REFERENCES)
    return expected_gradients(subject.network, sample, i, others, most=most)


def map_of_parts(network: Network, i: int, found: Attribution) -> np.ndarray:  # -> (*places)
    return network.layers[i].sum_places(found.parts.unsqueeze(0))[0].numpy().astype(np.float64)


def tested_maps(subject: Subject, i: int) -> MapsOf:
    """The maps of one input, in its units, as ``badges`` tests it."""
    make_places = tested_places(subject, i)

    def make_maps(networks: Sequence[Network], sample: Sample) -> list[Map | None]:
        return [None if values is None else as_map(values, sample) for values in make_places(networks, sample)]

    def as_map(values: np.ndarray, sample: Sample) -> Map:
        network = subject.network
        units = places_of(network, i, sample).sums(values)
        traits = network.layers[i].fields[0].traits
        # Steps of a forecast that are read as one vector are columns: each has weights of its own.
        columns = traits.moments and network.vector
        return Map(units, units if traits.prose else values.ravel(), signed=columns)

    return make_maps


def tested_places(subject: Subject, i: int) -> PlacesOf:
    """The maps of one input by place, from fewer references than what is shown."""

    def make_places(networks: Sequence[Network], sample: Sample) -> list[np.ndarray | None]:
        assert subject.training is not None
        # Too few nodes make another map than the one that is shown: where one part alone decides, the answer leaps on
        # the way, and two nodes may stand on the same side of it.
        small = input_numbers(sample.batch) < FEW_NUMBERS
        others = references(subject, subject.training, i, TEST_REFERENCES if small else DEAR_REFERENCES)
        first = FEWEST_NODES if networks[0] is subject.network else SHUFFLED_NODES
        nodes, most = (first, MOST_NODES) if small else (DEAR_NODES, DEAR_NODES)
        every = each_gradients(networks, sample, i, others, nodes=nodes, most=most)
        return [map_of_parts(subject.network, i, found) if found.told else None for found in every]

    return make_places


# ---------------------------------------------------------------- the drawing


def draw_left_out(network: Network, sample: Sample, places: Places, left: np.ndarray, caption: str) -> list[Block]:
    layer = network.layers[places.layer]
    if is_photo(layer):
        # Squares are numbered row by row.
        grid = left.reshape(-1, int(places.unit[0].max()) + 1)
        return [Picture(caption, photo_pixels(network, places.layer, sample), fit_squares(grid, places.unit))]
    if layer.fields[0].traits.prose:
        return draw_words(places, left, caption)
    return [draw_named(places.names, left, caption, "lost")]


def fit_squares(grid: np.ndarray, unit: np.ndarray) -> np.ndarray:  # (r, c), (H, W) -> (r, c) or (H, W)
    """A value a square, as a map that covers the photo: by pixel where squares are not all of one size."""
    even = all(n % k == 0 for n, k in zip(unit.shape, grid.shape, strict=True))
    return grid if even else grid.ravel()[unit]
