"""Whether a map of what a network looked at is true of this network: tested on kept examples.

Three tests. *Hiding:* once what a map puts first is hidden, the answer falls faster than when as much is hidden at
random; under two fills, neither of which the map was made with. *Shuffling:* a network whose trained weights are
shuffled within each tensor has another map (Adebayo et al., "Sanity Checks for Saliency Maps", 2018). *Knowing:* on
kept validation examples the network is better than the baseline; else it has learned nothing to look at.

U units of an example, S variants of it, n examples.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...activity import Progress, activity
from ...network import Network
from ...wording import number_text
from ..base import Part, Subject
from ..result import Badge, Level
from .variants import Sample, input_numbers, kept_samples, predict_all, spread

# Of what is tested and how: what other rules found is not read.
RULES = 2

# Kept validation examples that a map is tested on, and whether the network knows anything is.
TESTED, KNOWN = 12, 128

# Of the units: hidden at a time.
SHARES = (0.1, 0.3, 0.6)

# Random orders of each example, that the map's is compared with.
RANDOM_ORDERS = 2

# Rank correlations with the map of a shuffled network, at most: of the last layer, of all.
MOST_LAST, MOST_ALL = 0.7, 0.5

# Standard errors by which hiding must beat chance, under each fill. Units of an example, and examples, at least.
SURE, FEWEST_UNITS, FEWEST_TESTED = 2.0, 4, 3

# Shuffled networks that maps of fewer parts than this are compared with, of examples of fewer numbers; else one.
SHUFFLES, FEW_PARTS, FEW_NUMBERS = 6, 64, 1000

# Of several shuffled networks so many settle it where they agree; standard errors by which fewer examples must.
SETTLING, CERTAIN = SHUFFLES // 2 + 1, 5.0

# Examples whose maps of many parts are compared with those of shuffled networks: each map has parts enough by itself.
SHUFFLED = 6

FILLS = ("mean", "swap")

# How long hiding, and shuffling the last layer or all, take beside making the maps.
HIDING, SHUFFLING = 0.5, 2.0

# The level of a badge, why, and the figures of its test by name.
Tested = tuple[Level, str, dict[str, float]]


@dataclass(frozen=True)
class Map:
    """What a method says of one example: of each unit (U,), and as fine as it is shown (m,).

    ``signed``: whether sizes without their sign are no claim, as of columns: what is far from usual counts more, for or
    against, in any network that adds up columns.
    """

    units: np.ndarray
    fine: np.ndarray
    signed: bool = False


# Of an example, of networks like the subject's that differ in what comes after their hidden layers, of each a map; None
# where it has too few units.
MapsOf = Callable[[Sequence[Network], Sample], Sequence[Map | None]]

# (S,) answers to an example with the units of (S, U) hidden, filled by one of ``FILLS``.
HiddenAnswers = Callable[[Sample, np.ndarray, str], np.ndarray]


@dataclass(frozen=True)
class Curves:
    """Mean answers while units are hidden, or shown again, in one order; lower and higher are better."""

    deletion: float
    insertion: float


def checked_badge(
    subject: Subject, name: str, maps_of: MapsOf, hidden_answers: HiddenAnswers, units: str, said: str = ""
) -> Badge:
    """The badge of a kind of map on this network; worked out once a run.

    Args:
        name: of the kind. units: a name for what is hidden and how; maps over the same are compared with the same
            random orders. said: stands before what was tested.
    """
    tests = subject.facts.get("tests", subject.found)
    key = f"check {name}" if subject.which is None else f"check {name} for {subject.which}"
    if key not in tests:
        tests[key] = test_map(subject, maps_of, hidden_answers, units)
    level, reason, figures = tests[key]
    return Badge(level, f"{said} {reason}".strip(), figures)


@activity("testing explanations on this network")
def test_map(subject: Subject, maps_of: MapsOf, hidden_answers: HiddenAnswers, units: str) -> Tested:
    """The level, why, and the figures."""
    if subject.validation is None or subject.training is None:
        return "suggestive", "Not tested: the run keeps no examples to test it on.", {}
    with Progress(1 + HIDING + 2 * SHUFFLING, within=True) as progress:
        return _test_map(subject, maps_of, hidden_answers, units, progress)


def _test_map(
    subject: Subject, maps_of: MapsOf, hidden_answers: HiddenAnswers, units: str, progress: Progress
) -> Tested:
    assert subject.validation is not None
    samples = tested_samples(subject, subject.validation)
    maps = []
    for sample in samples:
        maps.append(maps_of([subject.network], sample)[0])
        progress.advance(1 / len(samples))
    tested = [(s, m) for s, m in zip(samples, maps, strict=True) if m is not None and len(m.units) >= FEWEST_UNITS]
    if len(tested) < FEWEST_TESTED:
        return "suggestive", "Not tested: the examples have too few parts to put in an order.", {}
    figures: dict[str, float] = {"examples": len(tested)}
    chance = chance_curves(subject, tested, hidden_answers, units)
    if not np.isfinite([(c.deletion, c.insertion) for found in chance.values() for c in found]).all():
        reason = "Could not be tested: with parts hidden, the answer is not a finite number."
        return "suggestive", reason, {}
    if hiding_tests(tested) < FEWEST_TESTED:
        reason = "Could not be tested: on almost all examples the map ranks no part above the others."
        return "suggestive", reason, {}
    faults = hiding_faults(tested, hidden_answers, chance, figures)
    progress.advance(HIDING)
    faults += shuffling_faults(subject, tested, maps_of, figures, progress)
    low = better_than_naive(subject)
    figures["better than the baseline by at least"] = low
    if low <= 0:
        faults.append("on kept validation examples the network is no better than the baseline")
    about = tested_text(figures)
    if faults:
        return "failed", f"Failed its test: {'; '.join(faults)} ({about}).", figures
    return "checked", f"Passed its test: {about}.", figures


def tested_samples(subject: Subject, part: Part) -> list[Sample]:
    if "tested" not in subject.found:
        subject.found["tested"] = kept_samples(subject, part, TESTED)
    return subject.found["tested"]  # type: ignore[no-any-return]


def tested_text(figures: dict[str, float]) -> str:
    gains = [number_text(figures[f"hiding, {fill} fill: gain"], 2) for fill in FILLS]
    return (
        f"on {figures['examples']:.0f} kept examples, hiding what it puts first lowers the answer more than hiding as "
        f"much at random, by {gains[0]} (filled with the mean) and {gains[1]} (with another example) of the answer's "
        f"spread; its rank correlation with the map of a network with its last layer shuffled is "
        f"{figures['rank correlation, its last layer shuffled']:.2f}, with all layers shuffled "
        f"{figures['rank correlation, all layers shuffled']:.2f}"
    )


# ---------------------------------------------------------------- hiding


def chance_curves(
    subject: Subject, tested: Sequence[tuple[Sample, Map]], hidden_answers: HiddenAnswers, units: str
) -> dict[tuple[int, str], list[Curves]]:
    """What random orders do to each tested example under each fill; worked out once for all maps over the same."""
    found: dict[tuple[int, str], list[Curves]] = subject.found.setdefault(f"chance {units}", {})
    for sample, own in tested:
        rng = np.random.default_rng(sample.row)
        orders = [rng.permutation(len(own.units)) for _ in range(RANDOM_ORDERS)]
        for fill in FILLS:
            if (sample.row, fill) not in found:
                found[sample.row, fill] = hiding_curves(sample, orders, fill, hidden_answers)
    return found


def claimed_gain(units: np.ndarray) -> float:  # (U,) -> ()
    """What a map says that hiding in its order takes from the answer beyond hiding at random, on average.

    Next to nothing where no part has more than others, as where an example holds no evidence: its order is chance.
    """
    falling = np.cumsum(np.sort(units)[::-1])
    counts = np.array(hidden_counts(len(units)))
    return float((falling[counts - 1] - counts / len(units) * units.sum()).mean())


def claim_weights(tested: Sequence[tuple[Sample, Map]]) -> np.ndarray:  # -> (n,), with a sum of 1
    """How much each example counts: by what its map claims. Of maps that claim nothing, all alike."""
    claims = np.array([claimed_gain(made.units) for _, made in tested])
    return claims / claims.sum() if claims.sum() > 0 else np.full(len(claims), 1 / len(claims))


def hiding_tests(tested: Sequence[tuple[Sample, Map]]) -> float:
    """How many examples the test by hiding rests on: all where they count alike (Kish's effective number)."""
    return float(1 / (claim_weights(tested) ** 2).sum())


def hiding_faults(
    tested: Sequence[tuple[Sample, Map]],
    hidden_answers: HiddenAnswers,
    chance: Mapping[tuple[int, str], Sequence[Curves]],
    figures: dict[str, float],
) -> list[str]:
    """Why a map fails by hiding, under each fill; none where it passes.

    Examples count by what their maps claim, which is settled before anything is hidden: a map that is chance gains
    nothing however they count.
    """
    faults, weights = [], claim_weights(tested)
    effective = float(1 / (weights**2).sum())
    for fill in FILLS:
        gains, found = [], []
        for sample, made in tested:
            own = hiding_curves(sample, [np.argsort(-made.units, kind="stable")], fill, hidden_answers)[0]
            others = chance[sample.row, fill]
            random = Curves(*np.mean([(c.deletion, c.insertion) for c in others], 0).tolist())
            gains.append(random.deletion - own.deletion)
            found.append((own.deletion, random.deletion, own.insertion, random.insertion))
        # In units of what it does to hide the half or to show it.
        size = max(float(np.std(np.array(found)[:, [1, 3]])), 1e-9)
        mean = float(weights @ gains)
        off = weights**2 @ (np.array(gains) - mean) ** 2 * effective / (effective - 1)
        gain, error = mean / size, float(off) ** 0.5 / size
        names = ("deletion", "deletion at random", "insertion", "insertion at random")
        figures |= {f"{what}, {fill} fill": float(v) for what, v in zip(names, np.mean(found, 0), strict=True)}
        figures |= {f"hiding, {fill} fill: gain": gain, f"hiding, {fill} fill: error": error}
        if not gain > SURE * error:
            how = "the mean" if fill == "mean" else "another example"
            faults.append(f"filled with {how}, hiding what it puts first does no more than hiding at random")
    return faults


def hidden_counts(units: int) -> list[int]:
    """How many units are hidden at a time, a few first."""
    return sorted({min(max(1, round(share * units)), units - 1) for share in SHARES})


def hiding_curves(
    sample: Sample, orders: Sequence[np.ndarray], fill: str, hidden_answers: HiddenAnswers
) -> list[Curves]:
    """What the answer is on average while units are hidden in each of some orders, and while they are shown again."""
    units = len(orders[0])
    counts = hidden_counts(units)
    ranks = np.stack([np.argsort(order) for order in orders])  # (O, U), the place of each unit in an order
    hidden = ranks[:, None] < np.array(counts)[:, None]  # (O, K, U)
    both = np.stack([hidden, ~hidden])  # (2, O, K, U)
    said = hidden_answers(sample, both.reshape(-1, units), fill).reshape(both.shape[:3]).mean(2)
    return [Curves(float(a), float(b)) for a, b in said.T]


# ---------------------------------------------------------------- shuffling


def shuffling_faults(
    subject: Subject,
    tested: Sequence[tuple[Sample, Map]],
    maps_of: MapsOf,
    figures: dict[str, float],
    progress: Progress,
) -> list[str]:
    """Why a map fails by shuffling the network's weights; none where it passes."""
    faults = []
    # Of maps with few parts a single other network may be alike by chance: the middle of several is what counts.
    few = max(len(m.fine) for _, m in tested) < FEW_PARTS and input_numbers(tested[0][0].batch) < FEW_NUMBERS
    for which, what, most in (("last", "its last layer shuffled", MOST_LAST), ("all", "all layers shuffled", MOST_ALL)):
        start = progress.done
        found = ShuffledMaps(subject, which, tested, maps_of, progress)
        each = found.several(most) if few else found.likeness([0], found.some)
        # What was not needed is done, too.
        progress.advance(max(0.0, start + SHUFFLING - progress.done))
        likeness = float(np.median(each)) if each else 1.0
        figures[f"rank correlation, {what}"] = likeness
        if not likeness < most:
            faults.append(f"it is much the same for a network with {what}")
    return faults


class ShuffledMaps:
    """Maps that networks with shuffled weights have of the tested examples, each made once.

    Args:
        which: layers are shuffled: ``"last"`` or ``"all"``. progress: is told of what is made, ``SHUFFLING`` at most.
    """

    def __init__(
        self,
        subject: Subject,
        which: str,
        tested: Sequence[tuple[Sample, Map]],
        maps_of: MapsOf,
        progress: Progress,
    ):
        self.subject, self.which, self.tested, self.maps_of, self.progress = subject, which, tested, maps_of, progress
        # Layers before the last have found what matters, and their finding stays: for or against what is another thing.
        self.signed = which == "last" or tested[0][1].signed
        self.some = spread(len(tested), SHUFFLED).tolist()
        self._made: dict[tuple[int, int], Map | None] = {}

    def several(self, most: float) -> list[float]:
        """How alike several shuffled networks' maps are, as many as it takes to know where their middle lies."""
        each, every = self.likeness(range(SETTLING), self.some), range(len(self.tested))
        if is_certain(each, most):
            return each
        each = self.likeness(range(SETTLING), every)
        for seed in range(SETTLING, SHUFFLES):
            if is_settled(each, most, SHUFFLES):
                break
            each += self.likeness([seed], every)
        return each

    def likeness(self, seeds: Sequence[int], chosen: Sequence[int]) -> list[float]:
        """How alike the maps of the network and of each shuffled one are; nothing of one that has too few."""
        found = []
        for k in chosen:
            self._make(k, seeds)
        for seed in seeds:
            # A shuffled network need not have a slope everywhere.
            pairs = [(self.tested[k][1].fine, moved.fine) for k in chosen if (moved := self._made[seed, k]) is not None]
            if len(pairs) >= FEWEST_TESTED:
                found.append(mean_correlation([own for own, _ in pairs], [moved for _, moved in pairs], self.signed))
        return found

    def _make(self, k: int, seeds: Sequence[int]) -> None:
        new = [seed for seed in seeds if (seed, k) not in self._made]
        # Networks that differ in their last layers alone go through all others together.
        for together in [new] if self.which == "last" and new else [[seed] for seed in new]:
            others = [shuffled_network(self.subject, self.which, seed) for seed in together]
            made = self.maps_of(others, self.tested[k][0])
            self._made |= {(seed, k): one for seed, one in zip(together, made, strict=True)}
            self.progress.advance(SHUFFLING / SHUFFLES / len(self.tested) * len(together))


def is_settled(each: Sequence[float], most: float, count: int) -> bool:
    """Whether the middle of so many numbers is below ``most`` or not, whatever those are that are not known yet.

    >>> is_settled([0.1, 0.2, 0.9], 0.7, 6), is_settled([0.1, 0.2, 0.9, 0.3, 0.4], 0.7, 6)
    (False, True)
    """
    below = sum(value < most for value in each)
    return max(below, len(each) - below) > count / 2


def is_certain(each: Sequence[float], most: float) -> bool:
    """Whether numbers of fewer examples settle it all the same: all on one side, and their middle far from the limit.

    Far is ``CERTAIN`` standard errors of a median.

    >>> is_certain([0.1, 0.15, 0.05, 0.1], 0.5), is_certain([0.4, 0.45, 0.3, 0.35], 0.5)
    (True, False)
    """
    if not is_settled(each, most, SHUFFLES) or len({value < most for value in each}) > 1:
        return False
    error = 1.25 * float(np.std(each, ddof=1)) / len(each) ** 0.5
    return abs(float(np.median(each)) - most) > CERTAIN * error


def mean_correlation(own: Sequence[np.ndarray], moved: Sequence[np.ndarray], signed: bool = False) -> float:
    """How alike the maps of two networks are, of the same examples: of signed or of plain sizes, whichever is more."""
    sizes = [unusual_sizes(maps) for maps in (own, moved)]
    found = [(rank_correlation(one, two), correlation(a, b)) for one, two, a, b in zip(own, moved, *sizes, strict=True)]
    each = np.mean(found, 0)
    return float(each[0] if signed else each.max())


def unusual_sizes(maps: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The rank of each place by its size, less what it usually is in other examples of as many places.

    By sizes, because an edge detector finds the same edges and any sign. Less what is usual, because where nothing ever
    differs between examples, as in a black border, no network has anything to say.
    """
    ranks = [ranks_of(abs(values)) for values in maps]
    found = []
    for k, own in enumerate(ranks):
        others = [r for j, r in enumerate(ranks) if j != k and len(r) == len(own)]
        found.append(own - np.mean(others, 0) if others else own)
    return found


def shuffled_network(subject: Subject, which: str, seed: int = 0) -> Network:
    """A copy whose trained weights are shuffled within each tensor: of the output alone, or of all layers.

    The untrained network would not do: branches that start as nothing add nothing to it.
    """
    key = f"shuffled {which} {seed}"
    if key not in subject.found:
        other = copy.deepcopy(subject.network).eval()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            # What a solved part says is added behind the last layer, by maps that nothing trained.
            solved = (
                []
                if other.solved is None
                else [b for b in other.solved.buffers() if b.ndim > 1 and b.is_floating_point()]
            )
            for p in [*(other.output if which == "last" else other).parameters(), *solved]:
                p.copy_(p.flatten()[torch.randperm(p.numel(), generator=generator)].view(p.shape))
        subject.found[key] = other
    return subject.found[key]  # type: ignore[no-any-return]


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, with equal values on their mean rank; 0 where one of them never varies."""
    return correlation(ranks_of(a), ranks_of(b))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    size = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / size) if size > 0 else 0.0


def ranks_of(values: np.ndarray) -> np.ndarray:  # (U,) -> (U,)
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]


# ---------------------------------------------------------------- knowing


def better_than_naive(subject: Subject) -> float:
    """By how much the network is better than the naive answer on kept validation examples, at least (95%).

    In its main metric; 0 where that is not known.
    """
    if "knows" not in subject.found:
        subject.found["knows"] = _measure_knowing(subject)
    return float(subject.found["knows"])


def _measure_knowing(subject: Subject) -> float:
    part, training, task = subject.validation, subject.training, subject.task
    if part is None or training is None or part.loader.target is None or training.loader.target is None:
        return 0.0
    chosen = spread(len(part), KNOWN)
    rows = part.rows[chosen]
    raw, target = predict_all(subject.network, part, chosen).numpy(), part.loader.targets(rows).numpy()
    if task.constant:
        same, _ = task.naive_answer(training.loader.targets(training.rows).numpy())
        naive = np.broadcast_to(same, raw.shape)
    else:
        naive, _ = task.naive_answers(part.loader.target, part.rows[:0], rows)
    low = task.paired_difference(raw, naive, target)[1]
    return float(low) if np.isfinite(low) else 0.0
