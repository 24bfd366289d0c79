"""What the tests of explanations found on a run's network, kept beside it: they take longer than what they test."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import PellucidError
from ..network import Network
from ..storage import forms, to_json
from ..storage.atomic import read_bytes, replace_file
from ..storage.forms import FormError
from ..views.attribution.badges import Tested
from ..views.result import LEVELS

if TYPE_CHECKING:
    from .run import Run

# Beside the run's other files, and not among those that its checksums cover: it can be made again at any time.
BADGES = "badges.json"

TEST = forms.record(
    {"level": forms.one_of(*LEVELS), "reason": forms.text(4_000), "figures": forms.map_of(forms.number(), most=100)}
)
FORM = forms.record({"made": forms.text(200), "tests": forms.map_of(TEST, most=1_000)})


class KeptTests(dict[str, Tested]):
    """Tests by name; what is added is written beside the run, where that can be written.

    Args:
        run: whose weights they are of: those of others, or of another version of Pellucid, are not read.
    """

    def __init__(self, run: Run):
        super().__init__()
        self._path = run.path / BADGES if run.folder.lasting else None
        self._made = f"{__version__} {weights_digest(run.network)}"
        if self._path is None:
            return
        with contextlib.suppress(PellucidError, OSError, ValueError, FormError):
            found = json.loads(read_bytes(self._path))
            FORM(found, BADGES)
            if found["made"] == self._made:
                self.update({k: (v["level"], v["reason"], v["figures"]) for k, v in found["tests"].items()})

    def __setitem__(self, name: str, tested: Tested) -> None:
        super().__setitem__(name, tested)
        if self._path is None:
            return
        tests = {k: {"level": level, "reason": why, "figures": figures} for k, (level, why, figures) in self.items()}
        # A run that can't be written to is looked into all the same.
        with contextlib.suppress(PellucidError, OSError):
            replace_file(self._path, to_json({"made": self._made, "tests": tests}).encode())


def weights_digest(network: Network) -> str:
    """The SHA-256 of a network's weights, of whatever file or checkpoint they are from."""
    digest = hashlib.sha256()
    for name, value in sorted(network.weights().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
