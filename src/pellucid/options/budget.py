"""``Budget``: what a training may spend, in time, epochs or steps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UsageError, unknown_name

_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("seconds", 1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), ("seconds", 60)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), ("seconds", 3600)),
    **dict.fromkeys(("epoch", "epochs"), ("epochs", 1)),
    **dict.fromkeys(("step", "steps"), ("steps", 1)),
}

_PIECE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([a-z]*)")

# Of each kind, that a training may be given: a second more than 31 years says nothing that they do not.
MOST = {"seconds": 1_000_000_000, "epochs": 1_000_000_000, "steps": 1_000_000_000_000}

_BUDGET_FIX = "write it like 30s, 5m, 1h30m, 10epochs or 500steps"


@dataclass(frozen=True)
class Budget:
    """What a training may spend.

    >>> Budget.parse("1h30m")
    Budget(kind='seconds', amount=5400.0)
    >>> str(Budget.parse("10epochs"))
    '10 epochs'

    Attributes:
        kind: ``"seconds"`` of wall clock, ``"epochs"`` (passes over the training examples) or ``"steps"``.
        amount: how many of them, more than 0; steps are whole.

    Raises:
        UsageError: when ``kind`` is none of these or ``amount`` is no such number, or larger than any that is of use.
    """

    kind: str
    amount: float

    def __post_init__(self) -> None:
        if self.kind not in ("seconds", "epochs", "steps"):
            raise UsageError(unknown_name("kind of budget", self.kind, ("seconds", "epochs", "steps")))
        if self.amount > MOST[self.kind]:
            what = f"a budget of {self.amount:,.12g} {self.kind} is more than can be spent"
            raise UsageError(what, fix=f"give it at most {MOST[self.kind]:,} {self.kind}")
        if not self.amount > 0:
            raise UsageError(f"a budget of {self.amount:g} {self.kind} is too small", fix="give it more than 0")
        if self.kind == "steps" and self.amount != int(self.amount):
            raise UsageError(f"a budget of {self.amount:g} steps is not a whole number of steps")

    @classmethod
    def parse(cls, text: str | Budget) -> Budget:
        """Read ``"30s"``, ``"5m"``, ``"1h30m"``, ``"10epochs"`` or ``"500 steps"``; a Budget is returned as it is."""
        if isinstance(text, Budget):
            return text
        # A comma between groups of three digits parts thousands; any other may be meant as a decimal one.
        plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", str(text))
        packed = re.sub(r"[\s_]+", "", plain).lower()
        pieces = _PIECE.findall(packed)
        if not pieces or "".join(number + unit for number, unit in pieces) != packed:
            raise UsageError(f"budget '{text}' is not an amount", fix=_BUDGET_FIX)
        for _, unit in pieces:
            if unit not in _UNITS:
                what = (
                    unknown_name("unit", unit, ("s", "m", "h", "epochs", "steps"))
                    if unit
                    else "a number needs its unit"
                )
                raise UsageError(f"budget '{text}': {what}", fix=_BUDGET_FIX)
        kinds = {_UNITS[unit][0] for _, unit in pieces}
        if len(kinds) > 1:
            raise UsageError(f"budget '{text}' mixes {' and '.join(sorted(kinds))}", fix=_BUDGET_FIX)
        return cls(kinds.pop(), sum(float(number) * _UNITS[unit][1] for number, unit in pieces))

    @classmethod
    def of(cls, budget: str | Budget | None, epochs: float | None, steps: int | None) -> Budget | None:
        """The one budget among the three ways to state it; None when none is given."""
        given = [
            cls.parse(budget) if budget is not None else None,
            cls("epochs", float(epochs)) if epochs is not None else None,
            cls("steps", float(steps)) if steps is not None else None,
        ]
        found = [one for one in given if one]
        if len(found) > 1:
            said = " and ".join(str(one) for one in found)
            raise UsageError(f"only one budget can be given, not both {said}", fix="give budget, epochs or steps")
        return found[0] if found else None

    def __str__(self) -> str:
        if self.kind != "seconds":
            return f"{self.amount:.12g} {self.kind[:-1] if self.amount == 1 else self.kind}"
        minutes, seconds = divmod(round(self.amount, 3), 60)
        hours, minutes = divmod(int(minutes), 60)
        clock = ((hours, "h"), (minutes, "m"), (round(seconds, 3), "s"))
        return "".join(f"{n:g}{unit}" for n, unit in clock if n) or "0.001s"
