"""A training's verdict: well, or what is wrong, why one thinks so, and what to try.

Each illness has marks: vital signs beyond a limit. The limits were set on one data set and tested on another by
``bench/zoo.py``, whose figures are in ``bench/RESULTS.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...planning.plan import Recipe
from ...wording import count_noun, number_text, percent_text
from .vitals import Signs


@dataclass(frozen=True)
class Sign:
    """What one vital sign stands for.

    Attributes:
        title: for people. low, high: the least and the most that healthy trainings show, as people are shown it.
            meaning: in a sentence. power: whether the sign is a logarithm to the base 10, of which people are shown
            the number itself.
    """

    title: str
    low: float
    high: float
    meaning: str
    power: bool = False

    def number(self, value: float) -> float:
        """The number that people are shown."""
        return 10**value if self.power else value

    def shown(self, value: float) -> str:
        return number_text(self.number(value), 3)

    @property
    def usual(self) -> str:
        """What healthy trainings show, for people."""
        return range_text(self.low, self.high) if self.low < self.high else number_text(self.low, 3)

    def is_usual(self, value: float) -> bool:
        return self.low <= self.number(value) <= self.high


def range_text(low: float, high: float) -> str:
    return f"{number_text(low, 2)} to {number_text(high, 2)}"


# In the order of the page. What is healthy is what the 288 healthy trainings of ``bench/zoo.py`` showed.
SIGNS = {
    "train_loss": Sign("training loss", 0, 0.73, "at the end, as a share of the baseline's"),
    "best_loss": Sign("validation loss", 0, 0.75, "the lowest one, as a share of the baseline's"),
    "broken": Sign("unusable steps", 0, 0, "1 where a loss or a gradient was not a finite number"),
    "gradient": Sign("length of the gradient", 0.0036, 4.1, "of all weights, in the middle of training", True),
    "update_adam": Sign("step of AdamW", 0.0008, 0.013, "how far a step moves a matrix, beside its length", True),
    "update_muon": Sign("step of Muon", 0.0013, 0.023, "how far a step moves a matrix, beside its length", True),
    "update_fixed": Sign("step of Muon on kernels", 0.019, 0.12, "of kernels of fixed length, which only turn", True),
    "update_peak": Sign("largest step", 0.0027, 0.081, "of all watched, beside the length of what moved", True),
    "standing_stages": Sign("stages that stand still", 0, 0, "none of whose weights ever moved"),
    "batch": Sign("examples in a batch", 15.9, 128, "one step learns from so many", True),
    "noise": Sign("noise of a batch", 0.0029, 230, "in a step's gradient, beside what examples agree on", True),
    "input_size": Sign("size of the input", 0.24, 1.3, "root mean square of what the input layers return", True),
    "largest_stage": Sign("size of the largest stage", 1, 79, "root mean square of what it returns", True),
    "backward_gain": Sign("gradient at the first stage", 0.14, 41, "its length beside that at the last stage", True),
    "dead_units": Sign("dead units", 0, 0, "largest share of a stage's units that no example activates"),
    "saturated_units": Sign(
        "saturated units", 0, 0, "largest share of a stage's units nearly always at an end of their range"
    ),
    "one_field": Sign("the part that matters most", 0, 1.3, "what is lost without it, beside all that was learned"),
}


@dataclass(frozen=True)
class Mark:
    """A vital sign beyond a limit. A sign that can't be told (NaN) is not beyond any.

    Attributes:
        sign: its name. limit: beyond which it counts. above: whether beyond is above, else below.
    """

    sign: str
    limit: float
    above: bool = True

    def is_met(self, signs: Signs) -> bool:
        value = signs.get(self.sign, math.nan)
        return value > self.limit if self.above else value < self.limit


@dataclass(frozen=True)
class Illness:
    """One way for a training to be ill.

    Attributes:
        word: its name. marks: alternatives, of each of which all must be met. what: is wrong. why: one thinks so, of
            the signs. advice: what to try, of the recipe.
    """

    word: str
    marks: Sequence[Sequence[Mark]]
    what: str
    why: Callable[[Signs], str]
    advice: Callable[[Recipe], str]

    def is_met(self, signs: Signs) -> bool:
        return any(all(mark.is_met(signs) for mark in every) for every in self.marks)


@dataclass(frozen=True)
class Verdict:
    """Whether a training went well.

    Attributes:
        word: ``"healthy"``, or the illness. what, why, advice: sentences; advice is "" for a healthy one.
    """

    word: str
    what: str
    why: str
    advice: str = ""

    @property
    def sentence(self) -> str:
        return " ".join(filter(None, [self.what, self.why, self.advice]))


def above(sign: str, limit: float) -> Mark:
    return Mark(sign, limit)


def below(sign: str, limit: float) -> Mark:
    return Mark(sign, limit, above=False)


def beside(signs: Signs, name: str) -> str:
    """A sign as people read it, beside what healthy trainings show."""
    return f"{shown(signs, name)} (healthy: {SIGNS[name].usual})"


def _why_too_high(signs: Signs) -> str:
    if signs.get("broken", 0.0) > 0.5:
        return "In some steps the loss or its gradient was not a finite number."
    return f"A step moved the weights by up to {beside(signs, 'update_peak')} of their own length."


def _why_too_low(signs: Signs) -> str:
    # Of two optimizers the one whose steps are the smaller.
    name = min(STEPS, key=lambda step: value if math.isfinite(value := signs.get(step, math.nan)) else math.inf)
    loss = shown(signs, "train_loss")
    return (
        f"A step moves the weights by only {shown(signs, name)} of their own length, and the training loss is still "
        f"{loss} of the baseline's."
    )


# Signs of how far a step moves weights of any length.
STEPS = ("update_adam", "update_muon")

# In this order: what comes first is often the cause of what comes later. Limits by ``bench/zoo.py fit``.
ILLNESSES = (
    Illness(
        "wrong_loss_scale",
        [[below("gradient", -5.5)]],
        "The loss is scaled so small that its gradient drowns in rounding.",
        lambda s: f"The gradient is {beside(s, 'gradient')} long.",
        lambda recipe: "Remove the factor from the loss, or check the weights of classes and examples.",
    ),
    Illness(
        "frozen_stage",
        [[above("standing_stages", 0.5)]],
        "A part of the network does not learn.",
        lambda s: f"The weights of {count_noun(round(s['standing_stages']), 'stage')} never moved while others did.",
        lambda recipe: "Unless this is intended (--start), let them train.",
    ),
    Illness(
        "rate_too_high",
        [[above("update_peak", -1.0), above("input_size", 0.5)], [above("broken", 0.5)]],
        "The learning rate is too high.",
        _why_too_high,
        lambda recipe: f"Try a tenth of it: --lr {number_text(recipe.lr / 10, 3)}.",
    ),
    Illness(
        "unscaled_input",
        [[above("input_size", 1.4)]],
        "What enters the network is not scaled.",
        lambda s: f"The input layers return values of about {beside(s, 'input_size')}.",
        lambda recipe: "Scale the input to a mean of 0 and a spread of 1, from training examples.",
    ),
    Illness(
        "exploding_recurrence",
        [[above("largest_stage", 2.9)]],
        "Values grow from stage to stage, or from step to step, until they drown what is learned.",
        lambda s: f"The largest stage returns values of about {beside(s, 'largest_stage')}.",
        lambda recipe: "Use cells with gates or a norm between stages, or begin with smaller weights.",
    ),
    Illness(
        "vanishing_depth",
        [[below("backward_gain", -4.7)]],
        "The error fades on its way back through the layers, so the first ones learn next to nothing.",
        lambda s: f"The gradient at the first stage is {shown(s, 'backward_gain')} of that at the last.",
        lambda recipe: "Use fewer layers, residual connections, or activations that don't flatten.",
    ),
    Illness(
        "dead_units",
        [[above("dead_units", 0.34)]],
        "Many hidden units are dead: no example activates them, so they can't learn any more.",
        lambda s: f"In one stage {percent_text(s['dead_units'])} of the units are.",
        lambda recipe: f"Try a lower learning rate (--lr {number_text(recipe.lr / 3, 3)}), and begin biases at 0.",
    ),
    Illness(
        "saturated_units",
        [[above("saturated_units", 0.31)]],
        "Many hidden units are saturated: nearly always at an end of their range, where gradients vanish.",
        lambda s: f"In one stage {percent_text(s['saturated_units'])} of the units are.",
        lambda recipe: "Begin with smaller weights, or put a norm before the activation.",
    ),
    Illness(
        "tiny_batches",
        [[below("batch", 0.75), above("noise", 0.8)]],
        "Batches are too small: steps are mostly noise.",
        lambda s: f"In a batch of {shown(s, 'batch')}, noise is {shown(s, 'noise')} times what all examples agree on.",
        lambda recipe: "Try --batch-size 64.",
    ),
    Illness(
        "rate_too_low",
        [[below(step, -3.5), above("train_loss", 0.85)] for step in STEPS],
        "The learning rate is too low.",
        _why_too_low,
        lambda recipe: f"Try ten times it: --lr {number_text(recipe.lr * 10, 3)}.",
    ),
    Illness(
        "shuffled_labels",
        [[above("best_loss", 0.86)]],
        "Nothing that holds for new examples was learned: the inputs don't seem to say what the answer is.",
        lambda s: f"The validation loss never fell below {shown(s, 'best_loss')} of the baseline's.",
        lambda recipe: "Check that inputs and answers are paired correctly, and whether inputs can predict answers.",
    ),
    Illness(
        "leak",
        [[above("one_field", 1.5), below("best_loss", 0.2)]],
        "The answer may be given away by one part of the input.",
        lambda s: "The answers are nearly perfect.",
        lambda recipe: "Check that it is known before the answer is; if not, leave it out.",
    ),
)  # fmt: skip


def judge(signs: Signs, recipe: Recipe) -> Verdict:
    """The verdict that the signs of a training lead to: the first illness whose marks are met, or none."""
    for illness in ILLNESSES:
        if illness.is_met(signs):
            return Verdict(illness.word, illness.what, illness.why(signs), illness.advice(recipe))
    return Verdict("healthy", "Training went well.", _healthy_facts(signs))


def _healthy_facts(signs: Signs) -> str:
    """What speaks for it, with its numbers."""
    steps = shown(signs, "update_muon") or shown(signs, "update_adam")
    said = [
        f"the lowest validation loss is {shown(signs, 'best_loss')} of the baseline's",
        f"a step moves the weights by {steps} of their length" if steps else "",
        "no units are dead or saturated" if max(signs["dead_units"], signs["saturated_units"]) < 0.01 else "",
    ]
    found = [one for one in said if one]
    return f"{'; '.join(found)}.".capitalize() if found else ""


def shown(signs: Signs, name: str) -> str:
    """A sign as people read it; empty where it can't be told."""
    value = signs.get(name, math.nan)
    return SIGNS[name].shown(value) if math.isfinite(value) else ""
