"""What opened stages show, declared once: every name with its axes, its bounds and what it means.

Views go by these, never by a trunk's name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """What one name stands for.

    Attributes:
        axes: of the array, in order; ``"*"`` stands for the positions. meaning: in a sentence.
        low, high: bounds of its values; None where there are none. units: whether the last axis counts hidden units.
    """

    axes: tuple[str, ...]
    meaning: str
    low: float | None = None
    high: float | None = None
    units: bool = False


UNITS = ("batch", "*", "unit")
HEADS = ("batch", "head", "position", "feature")

GLOSSARY = {
    # -- layers
    "pre_activation": Shown(UNITS, "each hidden unit's weighted sum, before its activation", units=True),
    "activation": Shown(UNITS, "each hidden unit's value, after its activation", units=True),
    "added": Shown(UNITS, "what the stage adds to what came in"),
    "output": Shown(UNITS, "what the stage returns"),
    # -- convolutions over a grid
    "pooled": Shown(UNITS, "the largest value of each 2 x 2 square of what came in"),
    "first": Shown(UNITS, "each filter's value after the first of two convolutions", low=0.0, units=True),
    # -- attention
    "attention": Shown(
        ("batch", "head", "position", "position looked at"),
        "what share of its look each position gives to each",
        0.0,
        1.0,
    ),
    "query": Shown(HEADS, "what each position looks for"),
    "key": Shown(HEADS, "what each position is found by"),
    "value": Shown(HEADS, "what each position hands to those that look at it"),
    "mixed": Shown(HEADS, "what each position has gathered, by head"),
    "memory_attention": Shown(
        ("batch", "head", "position", "memory position"),
        "what share of its look each position gives to each position of what was read",
        0.0,
        1.0,
    ),
    "memory_key": Shown(HEADS, "what each position of what was read is found by"),
    "memory_value": Shown(HEADS, "what each position of what was read hands to those that look at it"),
    "between": Shown(("batch", "position", "unit"), "the features after attention, before the multilayer perceptron"),
    # -- recurrent cells
    "reset_gate": Shown(UNITS, "how much of the old state the candidate hears", 0.0, 1.0, units=True),
    "update_gate": Shown(UNITS, "how much of the old state is kept", 0.0, 1.0, units=True),
    "input_gate": Shown(UNITS, "how much of the candidate enters the cell", 0.0, 1.0, units=True),
    "forget_gate": Shown(UNITS, "how much of the cell is kept", 0.0, 1.0, units=True),
    "output_gate": Shown(UNITS, "how much of the cell is shown", 0.0, 1.0, units=True),
    "candidate": Shown(UNITS, "the new value that is offered to the state", -1.0, 1.0, units=True),
    "cell": Shown(UNITS, "the memory of an LSTM", units=True),
    "hidden": Shown(UNITS, "the state after each position", -1.0, 1.0, units=True),
    # -- output layers
    "head_answers": Shown(("batch", "head", "answer"), "the raw answer of each head"),
    # -- a module of the user's own
    "module": Shown((), "what a layer inside a custom network returned"),
}

# What may stand before a name, joined by a dot, where a stage has the same thing several times.
WAYS = {
    "ahead": "from the first position to the last",
    "back": "from the last position to the first",
    "rows": "along each row",
    "columns": "along each column",
}


def shown_as(name: str) -> tuple[Shown, list[str]]:
    """What a name of an opened stage stands for, and the ways before it: ``"rows.back.hidden"``.

    Raises:
        KeyError: for a name that is not declared.
    """
    if name.startswith("module."):
        return GLOSSARY["module"], []
    *ways, last = name.split(".")
    return GLOSSARY[last], [WAYS[way] for way in ways]
