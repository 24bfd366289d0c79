"""What views found on a run's network and takes long to find, kept beside the run: tests of explanations, and facts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import PellucidError
from ..network import Network
from ..storage import forms, to_json
from ..storage.atomic import read_bytes, replace_file
from ..storage.forms import Form, FormError
from ..views.attribution.badges import RULES, Tested
from ..views.result import LEVELS
from ..views.training.vitals import SIGNS_RULES
from ..views.worth import WORTH_RULES

if TYPE_CHECKING:
    from .run import Run

# Beside the run's other files, and not among those that its checksums cover: they can be made again at any time.
BADGES, FACTS = "badges.json", "facts.json"

TEST = forms.record(
    {"level": forms.one_of(*LEVELS), "reason": forms.text(4_000), "figures": forms.map_of(forms.number(), most=100)}
)
TESTS = forms.map_of(TEST, most=1_000)

MEASURED = forms.maybe(forms.number())
PART = forms.record(
    {
        "name": forms.text(10_000),
        "how": forms.text(100),
        "alike": forms.flag,
        **dict.fromkeys(("score", "lost", "low", "high"), MEASURED),
    }
)
WORTH = forms.record({"score": MEASURED, "parts": forms.list_of(PART, most=10_000)})
FACT_FORMS = forms.record({"worth": WORTH, "signs": forms.map_of(MEASURED, most=100)}, optional=("worth", "signs"))


class KeptBeside(dict[str, Any]):
    """Values by name; what is added is written beside the run, where that can be written.

    Args:
        run: in whose folder. file: its name there. made: of what they are: those of anything else are not read. form:
            of all of them, as JSON.
    """

    def __init__(self, run: Run, file: str, made: str, form: Form):
        super().__init__()
        self._path = run.path / file if run.folder.lasting else None
        self._made = made
        if self._path is None:
            return
        with contextlib.suppress(PellucidError, OSError, ValueError, FormError):
            found = json.loads(read_bytes(self._path))
            forms.record({"made": forms.text(400), "values": form})(found, file)
            if found["made"] == made:
                self.update({name: self.from_json(value) for name, value in found["values"].items()})

    def from_json(self, value: Any) -> Any:
        return value

    def as_json(self, value: Any) -> Any:
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if self._path is None:
            return
        values = {key: self.as_json(one) for key, one in self.items()}
        # A run that can't be written to is looked into all the same.
        with contextlib.suppress(PellucidError, OSError):
            replace_file(self._path, to_json({"made": self._made, "values": values}).encode())


class KeptTests(KeptBeside):
    """Tests of explanations by name, of these weights and by these rules."""

    def __init__(self, run: Run, digest: str):
        super().__init__(run, BADGES, f"{__version__} {RULES} {digest}", TESTS)

    def from_json(self, value: Any) -> Tested:
        return value["level"], value["reason"], value["figures"]

    def as_json(self, value: Tested) -> Any:
        level, reason, figures = value
        return {"level": level, "reason": reason, "figures": figures}


class KeptFacts(KeptBeside):
    """Facts by name: ``worth``, as ``views.worth`` has it, and ``signs``, the vital signs.

    Of these weights, these rules, and so many steps: a longer training may leave weights as they are.
    """

    def __init__(self, run: Run, digest: str):
        rules = f"{WORTH_RULES} {SIGNS_RULES}"
        super().__init__(run, FACTS, f"{__version__} {rules} {digest} {run.record.get('steps')}", FACT_FORMS)

    def from_json(self, value: Any) -> Any:
        """Numbers that JSON has not are null there."""
        if isinstance(value, dict):
            return {name: self.from_json(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.from_json(one) for one in value]
        return math.nan if value is None else value

    def __setitem__(self, name: str, value: Any) -> None:
        # An infinite one would come back as one that is not known.
        if not any(math.isinf(number) for number in numbers_in(value)):
            super().__setitem__(name, value)


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        every = value.values() if isinstance(value, dict) else value
        return [number for one in every for number in numbers_in(one)]
    return [value] if isinstance(value, float) else []


def weights_digest(network: Network) -> str:
    """The SHA-256 of a network's weights, of whatever file or checkpoint they are from."""
    digest = hashlib.sha256()
    for name, value in sorted(network.weights().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
