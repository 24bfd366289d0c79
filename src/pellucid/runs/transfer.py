"""Transfer learning: begins with what an earlier run has learned, its fitted fields, hidden layers and weights.

Yosinski et al., "How transferable are features in deep neural networks?", 2014. A part whose shape differs (new
classes, other columns) keeps its fresh weights; rows of the output layer go by the names of the classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data import Split
from ..dataset import Dataset, read_again
from ..errors import PellucidError, UsageError, shell_quote
from ..fields import KINDS, Field, Note
from ..inputs import INPUTS
from ..network import Network, trunk_from
from ..storage import WEIGHTS, Folder
from ..training.loader import Loader
from ..trunks import Trunk
from ..tuning.linear_probe import fit_linear_probe
from ..wording import join_words
from .record import read_record


@dataclass(frozen=True)
class StartingRun:
    """A finished run to begin with.

    Attributes:
        path: its folder. record: its ``run.json``. tensors: its weights by name. checksum: SHA-256 of their file.
    """

    path: Path
    record: Mapping[str, Any] = field(repr=False)
    tensors: Mapping[str, np.ndarray] = field(repr=False)
    checksum: str

    @classmethod
    def of(cls, path: str | Path, checksum: str | None = None) -> StartingRun:
        """The run at ``path``. Raises PellucidError when it has not finished, or its weights have another checksum."""
        folder = Folder.open(path)
        record = read_record(folder)
        if record["status"] != "done":
            raise PellucidError(
                "this training has not finished, so there is nothing to start from",
                where=str(path),
                fix=f"first: pellucid resume {shell_quote(path)}",
            )
        found = hashlib.sha256(folder.read(WEIGHTS)).hexdigest()
        if checksum not in (None, found):
            raise PellucidError("the run that this training started from has changed", where=str(path))
        return cls(Path(path).absolute(), record, folder.load_tensors(WEIGHTS)[0], found)

    @property
    def fields(self) -> list[Field]:
        """The run's fields with their fitted states."""
        return [Field.from_json(one) for one in self.record["fields"]]

    @property
    def trunk_config(self) -> Mapping[str, Any]:
        """The trunk's name and the arguments it was made with."""
        return self.record["network"]["trunk"]

    @property
    def heads(self) -> int:
        """How many heads its network has."""
        return int(self.record["network"]["output"]["settings"].get("heads", 1))

    @property
    def input_settings(self) -> dict[str, dict[str, Any]]:
        """The settings of its input layers, by kind, that the shapes of their weights hang on."""
        found = {}
        for one in self.record["network"]["inputs"]:
            settings = {**INPUTS[one["kind"]].settings, **one["settings"]}
            found[one["kind"]] = {name: settings[name] for name in INPUTS[one["kind"]].shaping}
        return found

    def fresh_trunk(self, own: nn.Module | None = None) -> Trunk:
        """Fresh hidden layers of the same shape. ``own``: the module, when the run has a trunk of its user's own."""
        return trunk_from(self.trunk_config, own)

    def adopt_fields(self, data: Dataset) -> Dataset:
        """The data with the run's scales and vocabularies in place of its own, so that the weights fit them.

        Raises:
            PellucidError: when no input of the data matches one of the run's.
        """
        pairs = match_fields([f for f in self.fields if f.is_input], data.inputs)
        if not pairs:
            have, want = (", ".join(f"{f.name} ({f.kind})" for f in some) for some in (data.inputs, self.fields))
            raise PellucidError(
                f"the run expects {want}, and the data has {have}: no learned weights fit",
                where=str(self.path),
                fix="start from a run on data of the same kind, or leave --start out",
            )
        # Texts that are written are made of the tokens that the run has vectors for.
        goals = match_fields(
            *([f for f in some if f.role == "target" and f.traits.prose] for some in (self.fields, data.targets))
        )
        adopted = data.with_fitted(pairs | goals)
        for name, known in pairs.items():
            if text := known.traits.describe_new_values(adopted.stored_values(name), known.state or {}):
                adopted.add_note(Note("warning", text, f"column '{name}'"))
        return adopted

    def read_alike(self, data: Dataset) -> Dataset:
        """The data, texts that are gone on with cut into passages as the run's: so its network reads them whole.

        Raises:
            UsageError: where another level or length of passages was asked for.
        """
        known = next((f.settings for f in self.fields if f.role == "target" and f.traits.written), None)
        own = data.target
        if known is None or own is None or not own.traits.written or not data.reading.document:
            return data
        asked = {name: data.options[name] for name in ("level", "context") if data.options.get(name) is not None}
        if other := [name for name, value in asked.items() if value != known[name]]:
            what = f"the level and the length of passages come from {self.path}: {known['level']}, {known['context']:,}"
            raise UsageError(what, fix=f"leave --{other[0]} out")
        if all(own.settings[name] == known[name] for name in ("level", "context")):
            return data
        return read_again(data, level=known["level"], context=known["context"])

    def transfer_to(self, network: Network, loader: Loader, split: Split) -> str:
        """Copy the weights that fit, then train the output layer on the frozen trunk's features.

        Returns:
            What came along and what did not, in words.
        """
        count, fresh = self.copy_weights(network)
        # Forecasts are added to what the past says: there is no map from features alone that could be fitted.
        if network.output.task_type.constant:
            fit_linear_probe(network, loader, split.train, split.validation)
        but = f"; newly initialised: {join_words(fresh)}" if fresh else ""
        return f"{count:,} of {network.parameter_count:,} weights come from {self.path}{but}"

    def copy_weights(self, network: Network) -> tuple[int, list[str]]:
        """Copy tensors of the same name and shape. Returns how many weights that were, and the names left fresh.

        The output layer is copied by class.
        """
        parameters, fresh, count = dict(network.named_parameters()), [], 0
        known_tokens = network.output.decodes and self._has_target_of(network)
        with torch.no_grad():
            for name, value in network.weights().items():
                room, _, rest = name.partition(".")
                output = network.output
                own = output.task_type.constant or rest.partition(".")[0] not in output.carried or output.decodes
                if room == "output" and own and not known_tokens:
                    continue
                known = self.tensors.get(name)
                if known is None or known.shape != tuple(value.shape):
                    fresh.append(name)
                    continue
                value.copy_(torch.from_numpy(np.array(known)))
                # Buffers are no weights.
                count += value.numel() if name in parameters else 0
        count += self._fill_output(network)
        return count, fresh

    def _has_target_of(self, network: Network) -> bool:
        """Whether what the network predicts is made of the same as what the run predicts."""
        before, now = [f for f in self.fields if f.role == "target"], network.output.fields
        return [(f.kind, f.state) for f in before] == [(f.kind, f.state) for f in now]

    def _fill_output(self, network: Network) -> int:
        """Copy the output layer's rows of the classes that both know, by name. Returns how many weights that were."""
        kind, values = network.output.task_type, getattr(network.output.task, "values", None)
        before = [f for f in self.fields if f.role == "target"]
        if values is None or not before or any(f.kind != kind.kind for f in before):
            return 0
        # By the names that the task gives them: labels of several columns stand side by side.
        places = {value: i for i, value in enumerate(kind(before).values)}  # type: ignore[attr-defined]
        rows = [(i, places[value]) for i, value in enumerate(values) if value in places]
        count, heads = 0, int(network.output.chosen.get("heads", 1))
        for name, value in network.output.layer.state_dict().items():  # type: ignore[union-attr]
            known = self.tensors.get(f"output.layer.{name}")
            if known is None or not rows or known.shape[1:] != tuple(value.shape[1:]) or heads != self.heads:
                continue
            # Head after head, (H, R, ...).
            own, other = value.view(heads, -1, *value.shape[1:]), known.reshape(heads, -1, *known.shape[1:])
            for new, old in rows:
                own[:, new] = torch.from_numpy(np.array(other[:, old]))
                count += own[:, new].numel()
        return count


def match_fields(run: Sequence[Field], data: Sequence[Field]) -> dict[str, Field]:
    """The run's field for each of the data's inputs that has one, by the name in the data.

    Fields match by name and kind; an image or a text also where it is the only one on both sides.
    """
    # Photos and texts of a folder are no column whose name would have to match.
    named = {(f.name, f.kind): f for f in run}
    pairs = {f.name: named[f.name, f.kind] for f in data if (f.name, f.kind) in named}
    for kind in (name for name, traits in KINDS.items() if not traits.tabular):
        ours, theirs = ([f for f in some if f.kind == kind] for some in (data, run))
        if len(ours) == len(theirs) == 1:
            pairs[ours[0].name] = theirs[0]
    return pairs
