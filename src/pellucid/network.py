"""A network: input layers → trunk → output layer, joined by what each part needs. An ordinary torch.nn.Module.

B batch, F fields without positions, D width, J answers of a solved part; *positions is nothing for a vector, T for a
sequence, H W for a grid.

How inputs meet the trunk:
  a trunk that reads vectors         every input as a vector, side by side, one linear map to the trunk's width
  one input with positions           straight into the trunk
  fields without positions only      one token a field, a sequence of F tokens into the trunk
  several inputs with positions,     each through its own copy of the trunk and pooled to one token; these tokens and
  or both sorts                      the fields' own form the sequence that the last trunk reads
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .data.batches.batch import Batch, Padded
from .errors import PellucidError, UsageError, unknown_name
from .fields import Field, input_groups, kind_named
from .inputs import INPUTS, Input
from .inputs.base import example_count, repeat_value
from .network_memory import join_positions, memory_links, read_memory
from .outputs import OUTPUTS, Output, output_for
from .solved.base import SolvedPart, input_fields, part_named
from .storage import forms
from .trunks import Custom, Decoder, Features, Inside, Opened, OpenedStage, Trunk, trunk_named
from .trunks.layers import HeadSigns, Linear, assign_salts
from .wording import join_words

SIDE_BY_SIDE = "inputs side by side"

# Fields in the name of a stage: an input layer of numbers may stand for 500 columns.
MOST_NAMED_FIELDS = 4

# What the names of a solved part's tensors begin with.
SOLVED_PREFIX = "solved."

# Stages of all copies of a trunk: building more takes minutes, and the number may come from a stranger's file.
MOST_STAGES = 5000


@dataclass(frozen=True)
class TracedStage:
    """One stage on the way of the data.

    Attributes:
        name: for people. gives: the shape of what it returns of one example; ``"length"`` stands for a sequence's own.
        parameters: in it; of what several stages share, the first has them.
    """

    name: str
    gives: tuple[int | str, ...]
    parameters: int


class Network(nn.Module):
    """Input layers, hidden layers, an output layer.

    Args:
        inputs: input layers, or the fitted fields to make them for.
        trunk: a trunk, any ``nn.Module`` wrapped in ``Custom``, or a trunk's name for its default size.
        output: an output, or the fitted target field (or fields) to make one for.
        seed: of the first weights; the same parts and seed give the same bytes.
        solved: a model that has been solved, or will be: what the network answers is what that says and what the trunk
            adds, whose output layer begins at zero.

    Raises:
        PellucidError: when one part can't give what another needs; it names the trunks that can.

    Example:
        >>> net = Network(inputs=data.inputs, trunk="mlp", output=data.target)          # doctest: +SKIP
        >>> net.loss(batch).backward()                                                  # doctest: +SKIP
    """

    __module__ = "pellucid"

    def __init__(
        self,
        inputs: Sequence[Input | Field] | Input | Field,
        trunk: Trunk | str,
        output: Output | Field | Sequence[Field],
        *,
        seed: int = 0,
        solved: SolvedPart | None = None,
    ):
        super().__init__()
        layers = input_layers(inputs)
        self.inputs = nn.ModuleList(layers)
        self.output = (
            output if isinstance(output, Output) else output_layer(output, [f for i in layers for f in i.fields])
        )
        trunk = trunk_named(trunk).of_size(3) if isinstance(trunk, str) else trunk
        # Before it is built: what is added to may be weighed.
        self.output.adds = 0 if solved is None else solved.answer_count
        # The user's own generator goes on where it was, and the first weights depend on the seed alone.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self._join(trunk)
        assign_salts(self)
        self.solved = solved
        if solved is not None:
            with torch.no_grad():
                for p in self.output.parameters():
                    p.zero_()

    def _join(self, trunk: Trunk) -> None:
        """Tell each part what the next one needs, backwards, and build them. The trunk passed in stays as it is."""
        # Building fills a trunk with layers: one that is passed to several networks must not share them.
        trunk = copy.deepcopy(trunk)
        need = trunk.need(self.output.need())
        positions_of = [layer.choose_positions(need) for layer in self.layers]
        with_positions = [
            i for i, layer in enumerate(self.layers) if max(layer.offers) > 0 and not has_no_positions(layer)
        ]
        self.vector = all(p == 0 for p in positions_of)
        single = len(with_positions) == 1 == len(self.layers)
        self.parted: list[int] = [] if self.vector or single else with_positions
        # Several inputs with positions, or both sorts: each gets a copy of the trunk that makes one token of it.
        reaches = [
            max(need.least, layer.reach(positions, need))
            for layer, positions in zip(self.layers, positions_of, strict=True)
        ]
        parts = {i: _seeing(trunk, reaches[i]).build(positions_of[i], need.causal) for i in self.parted}
        # The names of these attributes are the names of tensors in ``weights.safetensors``: renamed, no run could be
        # loaded.
        self.parts = nn.ModuleDict({str(i): part for i, part in parts.items()})
        self.links = nn.ModuleDict({str(i): nn.Linear(p.out_width, trunk.width) for i, p in parts.items()})
        for layer, positions in zip(self.layers, positions_of, strict=True):
            layer.build(positions, need)
        total = sum(layer.out_width for layer in self.layers)
        self.entry: nn.Module = Linear(total, trunk.width) if self.vector else nn.Identity()
        if need.heads > 1 and not self.vector:
            raise PellucidError(
                f"{need.heads} heads need hidden layers that read one vector", fix="use --network mlp, or --heads 1"
            )
        self.heads: nn.Module = HeadSigns(trunk.width, need.heads) if need.heads > 1 else nn.Identity()
        # Each goes through the hidden layers for itself: along an axis of positions where none of these sees another,
        # else as an example of its own.
        vector_axes = 1 if need.heads > 1 and trunk.pointwise else 0
        trunk.least = reaches[0] if single else need.least
        self.trunk = trunk.build(vector_axes if self.vector else positions_of[0] if single else 1, need.causal)
        self.decoder: Decoder | None = None
        if self.output.decodes:
            self._join_decoder(trunk, [(name, part) for name, part in self.parts.items()])  # type: ignore[misc]
        self.output.build((self.decoder or trunk).out_width)
        if self.decoder is not None:
            self.output.build_entry(self.decoder.width)

    def _join_decoder(self, trunk: Trunk, parts: list[tuple[str, Trunk]]) -> None:
        """Build the trunk that writes, of the same kind and size as the one that reads, and what it looks at."""
        self.memory_links = memory_links(parts, trunk.out_width)
        dropout = float(trunk.config().get("dropout", 0.0))
        self.decoder = Decoder(trunk, dropout=dropout, least=self.output.decoded_positions).build(trunk.out_width)

    # -- the way of the data

    def features(self, batch: Batch) -> Features:  # -> (B, *positions, out_width)
        """What the trunk returns, with every stage's output beside it; with H heads (B, H, out_width)."""
        f = self.trunk_input(batch)
        if not isinstance(self.heads, HeadSigns) or self.trunk.pointwise:
            return self.trunk(f)
        out = self.trunk(self.heads.as_examples(f))
        return out.with_(x=out.x.unflatten(0, (len(f.x), -1)), key=f.key)

    def trunk_input(self, batch: Batch) -> Features:  # -> (B, *positions, width)
        """What the trunk reads: the input layers' features, joined; with H heads (B, H, width)."""
        read = [layer(batch.inputs[key], batch.key) for layer, key in zip(self.layers, self.input_keys(), strict=True)]
        # An input may be of one example that stands in all of them: it is read once.
        if self.vector:
            # A layer may make several examples of one, each with a key of its own.
            key = read[0].key if len(read) == 1 else batch.key
            return Features(self.heads(self.entry(torch.cat(as_many([f.x for f in read]), -1))), key=key)
        if len(read) == 1:
            return read[0]
        tokens = as_many([self.input_token(i, f) for i, f in enumerate(read)])
        return Features(torch.cat(tokens, 1), key=batch.key)  # (B, F, D)

    def input_token(self, i: int, f: Features) -> Tensor:  # (B, *positions, D) -> (B, 1 or F, D)
        """One input as tokens: fields as they are, anything with positions through its own trunk and pooled."""
        if i not in self.parted:
            return f.x
        return self.part_token(i, self.parts[str(i)](f))  # type: ignore[operator]

    def part_token(self, i: int, f: Features) -> Tensor:  # (B, *positions, W) -> (B, 1, D)
        """What a copy of the trunk returned of one input, pooled to a token."""
        return self.links[str(i)](self.parts[str(i)].pool(f)).unsqueeze(1)  # type: ignore[operator]

    def memory_part(self, i: int, f: Features) -> Features:  # (B, *positions, W) -> the same
        """What a copy of the trunk returned of one input, as the decoder looks at it."""
        if self.decoder is None or str(i) not in self.memory_links:
            return f
        return f.with_(x=self.memory_links[str(i)](f.x))

    def memory(self, batch: Batch) -> Features:  # -> (B, M, W)
        """What the decoder looks at: every position of every input, one after the other."""
        return read_memory(self, batch)

    def forward(self, batch: Batch) -> Tensor:  # -> (B, R) or (B, H, R)
        """Raw answers: logits, or standardised numbers; in training of several heads each head's, (B, H, R)."""
        return self.answer(batch, self.output_input(batch))

    def output_input(self, batch: Batch) -> Features:  # -> (B, *positions, out_width)
        """What the output layer reads: the trunk's features, pooled to one vector unless it needs every position.

        Of several heads one vector each, (B, H, out_width).
        """
        if self.decoder is not None:
            return self.decoder(self.output.shifted(self.output.complete(self, batch)), self.memory(batch))
        f, need = self.features(batch), self.output.need()
        return f if need.every or need.heads > 1 else f.with_(x=self.trunk.pool(f), mask=None)

    def answer(self, batch: Batch, f: Features) -> Tensor:  # (N, *positions, D) -> (B, R) or (B, H, R)
        """Raw answers from what the output layer reads, and from what the solved part says.

        N is B, or more where a layer makes several examples of one (``inputs.channel``).
        """
        raw = self._added_answer(batch, f)
        if self.solved is None:
            return raw
        return self.output.add_solved(raw.float(), self.solved_answer(batch), f)

    def solved_answer(self, batch: Batch) -> Tensor:  # -> (B, R) or (B, T, J, R)
        """What the solved part says, where there is one; what it has said of these examples is not asked again."""
        assert self.solved is not None
        return self.solved.several(whole_batch(batch)) if batch.solved is None else batch.solved

    def _added_answer(self, batch: Batch, f: Features) -> Tensor:
        # Answers with the precision of 8 bits would tie, or be rounded. What the trunk returns does not tell: after a
        # normalisation, or of heads, it is float32, and the next linear map would make 8 bits of it all the same.
        half = f.x.dtype in (torch.bfloat16, torch.float16)
        if half or torch.is_autocast_enabled(f.x.device.type):
            with torch.autocast(f.x.device.type, enabled=False):
                return self.output(f.with_(x=f.x.float()), batch)
        return self.output(f, batch)

    def losses(self, batch: Batch) -> Tensor:  # -> (B,)
        """Each example's loss times its weight; a step divides their sum by ``output.count`` of the whole batch."""
        f = self.output_input(batch)
        losses = self.output.losses(self.answer(batch, f), batch, f)
        return losses if batch.weight is None else losses * batch.weight

    def loss(self, batch: Batch) -> Tensor:  # -> ()
        """The mean loss of a batch; NumPy batches are taken to the network's device first."""
        batch = self.to_tensors(batch)
        return self.losses(batch).sum() / self.output.count(batch)

    def predict(self, batch: Batch) -> Tensor:  # -> (B, R) or (B, T, R)
        """Raw answers for prediction; averaged with the mirror image's where a mirror image means the same."""
        raw, other = self(batch), self.mirror_batch(batch)
        return raw if other is None else (raw + self(other)) / 2

    def mirror_batch(self, batch: Batch) -> Batch | None:
        """The examples mirrored, where a mirror image means the same for some input layer; else None."""
        mirrored = {
            k: layer.mirror_value(batch.inputs[k]) for layer, k in zip(self.layers, self.input_keys(), strict=True)
        }
        if all(v is None for v in mirrored.values()):
            return None
        return replace(batch, inputs={k: batch.inputs[k] if v is None else v for k, v in mirrored.items()})

    # -- the way of the data, opened

    def open(self, batch: Batch) -> Opened:
        """Every stage that the examples pass, what it returned and what went on inside.

        The answer is ``forward``'s in evaluation mode (equal to rounding, proven in a test), and gradients flow through
        all that is shown. The network's mode, training or not, stays as it is.
        """
        stages: dict[str, OpenedStage] = {}
        training = self.training
        try:
            # cuDNN's recurrent layers have no gradient outside of training.
            with torch.backends.cudnn.flags(enabled=False):
                return self.eval()._open_stages(self.to_tensors(batch), stages)
        finally:
            self.train(training)

    def _open_stages(self, batch: Batch, stages: dict[str, OpenedStage]) -> Opened:
        labels = {id(module): name for name, module, _ in self._stages()}

        def show(name: str, module: nn.Module | None, f: Features, inside: Inside | None = None) -> Features:
            label = labels.get(id(module), name) if module is not None else name
            stages[name] = OpenedStage(name, label, module, f, inside or {})
            return f

        def show_trunk(address: str, trunk: Trunk, f: Features) -> Features:
            f, inside = trunk.open(f)
            for name, stage in trunk.stages.items():
                show(f"{address}.{name}", stage, f.stages[name], inside[name])
            return f

        read, seen = [], []
        for i, (layer, key) in enumerate(zip(self.layers, self.input_keys(), strict=True)):
            f = show(f"inputs.{i}", layer, *layer.open(batch.inputs[key]))
            if i in self.parted:
                f = show_trunk(f"parts.{i}", self.parts[str(i)], f)  # type: ignore[arg-type]
                seen.append(self.memory_part(i, f))
                f = show(f"links.{i}", self.links[str(i)], Features(self.part_token(i, f)))
            read.append(f)
        f = self._open_trunk(self._open_entry(read, show), show_trunk)
        if self.decoder is not None:
            batch = self.output.complete(self, batch)
            f, opened = self.decoder.open(self.output.shifted(batch), join_positions([*seen, f]))
            for name, stage in self.decoder.stages.items():
                show(f"decoder.{name}", stage, f.stages[name], opened[name])
        elif not self.output.need().every and self.output.need().heads == 1:
            f = show("pooled", None, f.with_(x=self.trunk.pool(f), mask=None))
        raw, inside = self.output.open(f, batch)
        show("output", self.output, Features(raw), inside)
        if self.solved is None:
            return Opened(stages, raw)
        solved = self.solved_answer(batch)
        return Opened(stages, self.output.add_solved(raw, solved, f), self.solved.last(solved))

    def _open_entry(self, read: list[Features], show: Callable[..., Features]) -> Features:
        """What the trunk reads, of what the input layers gave: see ``trunk_input``."""
        if not self.vector:
            return read[0] if len(read) == 1 else Features(torch.cat([f.x for f in read], 1))
        f = show("entry", self.entry, Features(self.entry(torch.cat([f.x for f in read], -1))))
        return show("heads", self.heads, Features(self.heads(f.x))) if isinstance(self.heads, HeadSigns) else f

    def _open_trunk(self, f: Features, show_trunk: Callable[..., Features]) -> Features:
        """What the trunk returns, its stages shown; with H heads (B, H, out_width): see ``features``."""
        if not isinstance(self.heads, HeadSigns) or self.trunk.pointwise:
            return show_trunk("trunk", self.trunk, f)
        count = len(f.x)
        out = show_trunk("trunk", self.trunk, self.heads.as_examples(f))
        return out.with_(x=out.x.unflatten(0, (count, -1)))

    @torch.inference_mode()
    def trace(self, batch: Batch) -> list[TracedStage]:
        """The stages that the examples of ``batch`` pass, in order, from input layers to output.

        Their parameters add up to ``parameter_count``. The network's mode, training or not, stays as it is.
        """
        order, given, returned = self._stages(), {}, {}

        def note_stage(module: nn.Module, arguments: Any, result: Any) -> None:
            given[module], returned[module] = arguments[0], result

        # Hooks on the one forward pass, rather than a second way to walk it: what is shown is what runs.
        hooks = [module.register_forward_hook(note_stage) for _, module, _ in order]
        training = self.training
        try:
            self.eval()(self.to_tensors(batch))
        finally:
            self.train(training)
            for hook in hooks:
                hook.remove()
        found: list[TracedStage] = []
        counted: set[int] = set()
        for name, module, before in order:
            entered = shape_of(given[module]) if before else ()
            if before and (not found or entered != found[-1].gives or before == SIDE_BY_SIDE):
                found.append(TracedStage(before, entered, 0))
            # What stages share, as tied weights, is counted with the first of them.
            new_parameters = {id(p): p.numel() for p in module.parameters() if id(p) not in counted}
            counted |= new_parameters.keys()
            found.append(TracedStage(name, shape_of(returned[module]), sum(new_parameters.values())))
        if self.solved is not None:
            found.append(TracedStage(f"added: {self.solved.name}, solved", (self.solved.answers,), 0))
        rest = self.parameter_count - sum(one.parameters for one in found)
        return [*found, *([TracedStage("outside of stages", (), rest)] if rest else [])]

    def _stages(self) -> list[tuple[str, nn.Module, str]]:
        """Every stage in the order of the data's way: its name, the module, what happens before it without a module."""
        found: list[tuple[str, nn.Module, str]] = []
        for i, layer in enumerate(self.layers):
            name = join_words([f.name for f in layer.fields], MOST_NAMED_FIELDS)
            found.append((f"input: {name} ({layer.kind})", layer, ""))
            if i in self.parted:
                copy_stages = self.parts[str(i)].stages.items()  # type: ignore[union-attr,operator]
                found += [(f"{name}: {stage}", module, "") for stage, module in copy_stages]
                found.append((f"{name}: as a token", self.links[str(i)], f"{name}: pooled"))
        joined = SIDE_BY_SIDE if len(self.layers) > 1 else ""
        found += [("linear map to the trunk", self.entry, joined)] if self.vector else []
        if isinstance(self.heads, HeadSigns):
            found.append((f"{len(self.heads.signs)} heads", self.heads, ""))
        for i, (stage, module) in enumerate(self.trunk.stages.items()):
            found.append((stage, module, joined if not (i or self.vector) else ""))
        if self.decoder is not None:
            found += [(f"writing: {stage}", module, "") for stage, module in self.decoder.stages.items()]
        targets = join_words([f.name for f in self.output.fields], MOST_NAMED_FIELDS)
        every = self.output.need().every
        pooled = "" if every or isinstance(self.heads, HeadSigns) else "pooled"
        return [*found, (f"output: {targets} ({self.output.name})", self.output, pooled)]

    # -- what it is

    def input_keys(self) -> list[str]:
        """The name of each input layer's array in a batch."""
        return [group.key for layer in self.layers for group in input_groups(layer.fields)]

    @property
    def layers(self) -> list[Input]:
        """The input layers."""
        return list(self.inputs)  # type: ignore[arg-type]

    @property
    def fields(self) -> list[Field]:
        """All fields with their fitted states, inputs first."""
        every = [*(f for layer in self.layers for f in layer.fields), *self.output.fields]
        # A target whose past is read is there once.
        return list({f.name: f for f in every}.values())

    @property
    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def to_tensors(self, batch: Batch) -> Batch:
        """The batch as tensors on the network's device."""
        return to_device(batch, self.device)

    def weights(self) -> dict[str, Tensor]:
        """Every tensor by its name, but for those of the solved part, which no training moves."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith(SOLVED_PREFIX)}

    def config(self) -> dict[str, Any]:
        """Everything but the weights and the fields, as JSON; ``from_config`` makes the same network."""
        # Left out where there is none: runs from before there was a choice have none.
        solved = {} if self.solved is None else {"solved": self.solved.config()}
        return {
            "inputs": [layer.config() for layer in self.layers],
            "trunk": {"name": self.trunk.name, **self.trunk.config()},
            "output": self.output.config(),
            **solved,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], fields: Sequence[Field], *, trunk: nn.Module | None = None, seed: int = 0
    ) -> Network:
        """The network that ``config`` describes, for these fitted fields.

        Raises:
            PellucidError: when the run was made with a trunk of one's own and ``trunk`` is not given, or a part is
                not known or has a setting that none can have.
        """
        named = {f.name: f for f in fields}
        layers = [layer_from_config(INPUTS, one["kind"], one, named) for one in config["inputs"]]
        output = layer_from_config(OUTPUTS, config["output"]["name"], config["output"], named)
        solved = solved_from_config(config["solved"], fields, type(output)) if "solved" in config else None
        return cls(layers, trunk_from(config["trunk"], trunk, len(layers)), output, seed=seed, solved=solved)


def layer_from_config(
    parts: Mapping[str, Any], name: str, config: Mapping[str, Any], fields: Mapping[str, Field]
) -> Any:
    """An input layer or an output from its ``config()``. Raises PellucidError for what no such part says of itself."""
    if name not in parts:
        raise UsageError(unknown_name("part of a network", name, parts))
    known = {**parts[name].settings, **({"metric": parts[name].task_type.metric} if parts is OUTPUTS else {})}
    bounds = parts[name].bounds if parts is OUTPUTS else {}
    check_settings(config["settings"], known, f"{name}.settings", bounds)
    return parts[name]([fields[field] for field in config["fields"]], **config["settings"])


def solved_from_config(config: Mapping[str, Any], fields: Sequence[Field], output: type[Output]) -> SolvedPart:
    """A solved part from its ``config()``, for a network of these fitted fields; its tensors are still to come.

    Raises:
        PellucidError: for a part or a setting that none has, or that suits no such network.
    """
    part = part_named(config["name"])
    check_settings(config["settings"], part.settings, f"{part.name}.settings")
    inputs, targets = input_fields(fields), [field for field in fields if field.role == "target"]
    if not part.suits(inputs, targets, output):
        raise forms.FormError(f"{part.name} can't be part of such a network")
    return part(inputs, targets, **config["settings"])


def check_settings(
    given: Mapping[str, Any], defaults: Mapping[str, Any], where: str, bounds: Mapping[str, forms.Form] | None = None
) -> None:
    """Raises forms.FormError for a setting that is not known, or not of its form: that of its default or in bounds."""
    known = {name: forms.like(default) for name, default in defaults.items()}
    forms.record({**known, **(bounds or {})}, optional=defaults)(given, where)


def _seeing(trunk: Trunk, least: int) -> Trunk:
    """A copy of a trunk that is to see so many positions of a sequence."""
    found = copy.deepcopy(trunk)
    found.least = least
    return found


def trunk_from(config: Mapping[str, Any], module: nn.Module | None, copies: int = 1) -> Trunk:
    """A trunk from its ``config()``, of which a network may need ``copies``."""
    sizes = {k: v for k, v in config.items() if k != "name"}
    if config["name"] != Custom.name:
        kind = trunk_named(config["name"])
        known = inspect.signature(kind).parameters
        check_settings(sizes, {name: known[name].default for name in known}, kind.name)
        # Before anything is built: the file may come from a stranger.
        if sizes.get("depth", 1) * copies > MOST_STAGES:
            raise forms.FormError(f"{kind.name}.depth is {sizes['depth']:,}, more than {MOST_STAGES // copies:,}")
        return kind(**sizes)
    if module is None:
        raise PellucidError(
            "this run was trained with a custom trunk, and a run folder never holds code",
            fix="load it with pellucid.load(run, trunk=module)",
        )
    return module if isinstance(module, Custom) else Custom(module, **sizes)


def as_many(parts: Sequence[Tensor]) -> list[Tensor]:  # each (B or 1, ...) -> each (B, ...)
    """What is of one example as many times as the others are."""
    count = max(len(x) for x in parts)
    return [x if len(x) == count else x.expand(count, *x.shape[1:]) for x in parts]


def whole_batch(batch: Batch) -> Batch:
    """The batch with what is of one example and stands in all of them once for each."""
    inputs = {k: v if example_count(v) == len(batch) else repeat_value(v, len(batch)) for k, v in batch.inputs.items()}
    return replace(batch, inputs=inputs)


def shape_of(value: Features | Tensor) -> tuple[int | str, ...]:
    """The shape of one example's values; a sequence with padding has no length of its own."""
    x = value.x if isinstance(value, Features) else value
    ragged = isinstance(value, Features) and value.mask is not None and x.ndim == 3
    return ("length", *x.shape[2:]) if ragged else tuple(x.shape[1:])


def has_no_positions(layer: Input) -> bool:
    """Whether the values of a layer's fields lie on no axis of their own, so that each field is one token."""
    return kind_named(layer.kind).axes == 0


def input_layers(inputs: Sequence[Input | Field] | Input | Field) -> list[Input]:
    """The layers as given, then one for each group of loose fields. Raises PellucidError where there are none."""
    many = [inputs] if isinstance(inputs, Input | Field) else list(inputs)
    layers = [one for one in many if isinstance(one, Input)]
    loose = {one.name: one.with_(role="input") for one in many if isinstance(one, Field)}
    layers += [INPUTS[g.kind]([loose[name] for name in g.fields]) for g in input_groups(loose.values())]
    if not layers:
        raise PellucidError("a network needs at least one input field", fix="check the fields' roles")
    return layers


def output_layer(target: Field | Sequence[Field], inputs: Sequence[Field]) -> Output:
    """The output that the kind of the first target calls for, unbuilt, for all ``target`` fields."""
    targets = [target] if isinstance(target, Field) else list(target)
    kind, _ = output_for(targets[0], inputs)
    return kind(targets)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """A batch of NumPy arrays or tensors, as tensors on a device."""
    # The usual case in training, where the loader has put everything there.
    if all(isinstance(v, Tensor) and v.device == device for v in (batch.target, *batch.inputs.values())):
        return batch

    def move_value(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Padded):
            return Padded(move_value(value.values), move_value(value.lengths))
        # torch takes no negative strides, as a mirrored view has.
        value = torch.from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value
        return value.to(device, non_blocking=True)

    return replace(
        batch,
        inputs={k: move_value(v) for k, v in batch.inputs.items()},
        target=move_value(batch.target),
        rows=move_value(batch.rows),
        key=move_value(batch.key),
        weight=move_value(batch.weight),
        solved=move_value(batch.solved),
    )
