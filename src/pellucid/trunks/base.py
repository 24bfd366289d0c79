"""What every trunk (the hidden layers of a network) keeps to, and what travels between the parts of a network.

B batch, D width; *positions is nothing for a vector, T for a sequence, H W for a grid.

Every trunk reads and returns ``(B, *positions, D)``, so that each runs on every kind of data. What a part needs is
told to the part before it, backwards from the output, before anything is built.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor, nn

from ..errors import PellucidError, UsageError, unknown_name
from .buffers import take_examples
from .features import Features, Need

# What a stage's open path shows: attention weights, gates, cell states, pre-activations.
Inside = dict[str, Tensor]

# What a causal stage carries from one position to the next: a nest of tuples of tensors (B, ...) and buffers. Who goes
# on from a state leaves it as it was.
State = Any

# What holds for every trunk that writes what is said: batches of few recordings and fewer passes, as each says many
# letters, and a rate that falls most of the time, as validation gains while it does (docs/LOG.md, 2026-11-28).
SPOKEN: dict[str, Any] = {"batch_size": 16, "cool": 0.8, "epochs": 5.0, "seen": 15_000}


class Stage(nn.Module):
    """One named step of a trunk: ``forward`` is fast, ``open`` gives the same result and shows the inside.

    Attributes:
        activation: the function that makes ``activation`` of ``pre_activation``, by name; what a dead unit is follows
            from it. unit_map: the name of the linear map whose rows are the stage's hidden units; none of either where
            it is "". head_map: that of the map which reads what attention heads have gathered, side by side.
    """

    activation: str = ""
    unit_map: str = ""
    head_map: str = ""

    # torch's fused layers hide what this package exists to show, hence two ways through each stage. The open one is
    # slower and runs on inspected samples alone; where one way can do both, ``forward`` calls ``open``.
    def forward(self, f: Features) -> Features:  # (B, *positions, D) -> (B, *positions', D')
        """What the stage makes of its features, by the fast path."""
        raise NotImplementedError

    def open(self, f: Features) -> tuple[Features, Inside]:  # (B, *positions, D) -> (B, *positions', D')
        """``forward``'s result (equal to rounding, proven in a test) and what went on inside, by name."""
        raise NotImplementedError

    def cells(self) -> dict[str, Any]:
        """Its recurrent cells (``recurrent.Direction``) by the way that stands before the names of what they show."""
        return {}

    def start(self, batch: int, like: Tensor) -> State:
        """The state before the first step, for ``batch`` sequences; dtype and device as ``like``'s."""
        raise NotImplementedError

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, T, D) -> (B, T, D'), the next state
        """T more positions of a causal stage at once; equal to T steps, and from the start on to ``forward``."""
        raise NotImplementedError

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, D) -> (B, D'), the next state
        """One position more of a causal stage; a loop over positions equals ``forward`` (proven in a test)."""
        y, state = self.read(x.unsqueeze(1), state)
        return y[:, 0], state

    def take(self, state: State, index: Tensor) -> State:  # (N,) int64
        """A state of the examples ``index``, in that order, each as often as it is named, as beams need it; a copy."""
        return take_examples(state, index)


class Trunk(nn.Module):
    """Hidden layers: a list of named stages.

    A trunk is made with its sizes (the constructor only keeps them) and gets its layers from ``build``, once it is
    known how many position axes it will read. ``width`` is what it reads, ``out_width`` what it returns.

    Class attributes:
        name: the word the user types; ``aliases``: other words for the same.
        reads: the numbers of position axes it can read, best first.
        causal: whether it can be built causal (then every stage has ``start``, ``read`` and ``step``).
        pointwise: whether each position is computed from itself alone.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[int, ...]] = (1,)
    causal: ClassVar[bool] = False
    pointwise: ClassVar[bool] = False

    width: int
    out_width: int
    # Positions of a sequence that each must see, at least: set before ``build`` by whoever knows (``Need.least``).
    least: int = 0
    # Whether it was built so that it can go on position by position (``layers.check_build``).
    goes_on: bool = False
    # An nn.ModuleDict, name -> Stage, in the order of the data's way; Any, because torch types its values too loosely.
    stages: Any

    def need(self, want: Need) -> Need:
        """What this trunk asks of the input layers, given what the output wants of it.

        Raises:
            PellucidError: when the output's wish can't be met; names the trunks that can.
        """
        if want.causal and not self.causal:
            raise PellucidError(
                f"the {self.name} trunk cannot be causal, as this output needs", fix=f"choose one of: {_able(want)}"
            )
        # A vector has no positions to answer at.
        positions = tuple(n for n in self.axes() if n or not want.every)
        if not positions:
            raise PellucidError(
                f"the {self.name} trunk gives one vector, and this output answers at every position",
                fix=f"choose one of: {_able(want)}",
            )
        return replace(want, positions=positions, width=self.width, longest=self.longest())

    def axes(self) -> tuple[int, ...]:
        """The numbers of position axes it can read, best first."""
        return self.reads

    def longest(self) -> int | None:
        """The largest number of positions this trunk is meant for; None for any number."""
        return None

    @abstractmethod
    def build(self, positions: int, causal: bool = False) -> Trunk:
        """Make the layers for inputs with ``positions`` axes; returns itself."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON: ``type(self)(**config())`` is the same trunk."""

    @classmethod
    @abstractmethod
    def of_size(cls, size: int) -> Trunk:
        """The trunk at one setting of the one dial: size 0 tiny, each step about twice the multiplications."""

    @classmethod
    def recipe(cls, family: str) -> dict[str, Any]:
        """Hints for training this trunk on a kind of data, from what was measured; ``plan`` composes them.

        Args:
            family: of what makes most of the input: ``"image"``, ``"text"``, ``"table"``, or one that it doesn't know.

        Returns:
            Any of the fields of ``planning.Recipe``, and ``size`` (the usual one), ``sizes`` (smallest and largest to
            choose from), ``seen`` (examples, repeats counted, that a training should see), ``dropout``, ``smoothing``,
            ``token_drop``, ``cover``, ``heads``.
        """
        return {}

    def forward(self, f: Features) -> Features:  # (B, *positions, width) -> (B, *positions', out_width)
        """The features after the last stage; those after each stand in ``stages``."""
        seen: dict[str, Features] = {}
        for name, stage in self.stages.items():
            f = stage(f)
            seen[name] = f
        return f.with_(stages=seen, turn=None)

    def open(
        self, f: Features
    ) -> tuple[Features, dict[str, Inside]]:  # (B, *positions, width) -> (B, *positions', out)
        """``forward``'s result and the inside of every stage, by the stage's name."""
        seen: dict[str, Features] = {}
        inside: dict[str, Inside] = {}
        for name, stage in self.stages.items():
            f, inside[name] = stage.open(f)
            seen[name] = f
        return f.with_(stages=seen, turn=None), inside

    def start(self, batch: int, like: Tensor) -> State:
        """The state of every stage before the first position, for ``batch`` sequences; dtype and device as ``like``'s.

        Raises:
            PellucidError: when the trunk was built to hear what comes after a position.

        Example:
            >>> state = trunk.start(1, prompt)                                          # doctest: +SKIP
            >>> y, state = trunk.read(prompt, state)  # (1, T, out_width)               # doctest: +SKIP
            >>> y, state = trunk.step(token, state)   # (1, out_width)                  # doctest: +SKIP
        """
        self.check_goes_on()
        return [stage.start(batch, like) for stage in self.stages.values()]

    def check_goes_on(self) -> None:
        """Raises PellucidError for a trunk that was not built to go on position by position."""
        if not self.goes_on:
            raise PellucidError(
                f"this {self.name} trunk hears what comes after a position, so it can't go on position by position",
                fix="build it with causal=True",
            )

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, T, width) -> (B, T, out_width)
        """T more positions of a causal trunk at once, as of a prompt, and the state after them; equal to T steps."""
        if not x.shape[1]:
            return x.new_empty(len(x), 0, self.out_width), state
        return self._pass_on("read", x, state)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, width) -> (B, out_width)
        """One position more of a causal trunk, and the state after it."""
        return self._pass_on("step", x, state)

    def _pass_on(self, way: str, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, ..., D) -> (B, ..., out_width)
        after = []
        for stage, own in zip(self.stages.values(), state, strict=True):
            x, own = getattr(stage, way)(x, own)
            after.append(own)
        return x, after

    def take(self, state: State, index: Tensor) -> State:  # (N,) int64
        """A state of the examples ``index``, in that order, each as often as it is named, as beams need it; a copy."""
        return [stage.take(own, index) for stage, own in zip(self.stages.values(), state, strict=True)]

    def pool(self, f: Features) -> Tensor:  # (B, *positions, D) -> (B, D)
        """One vector an example: the mean over real positions. Trunks with a better way override it."""
        return mean_positions(f)


def mean_positions(f: Features) -> Tensor:  # (B, *positions, D) -> (B, D)
    """The mean over real positions; 0 for an example that has none."""
    axes = tuple(range(1, f.x.ndim - 1))
    if not axes:
        return f.x
    if f.mask is None:
        return f.x.mean(axes)
    real = f.mask.unsqueeze(-1).to(f.x.dtype)  # (B, *positions, 1)
    return (f.x * real).sum(axes) / real.sum(axes).clamp_min(1)


TRUNKS: dict[str, type[Trunk]] = {}


def _able(want: Need) -> str:
    """The names of the trunks that can give what an output wants, for an error."""
    return ", ".join(
        name
        for name, trunk in TRUNKS.items()
        if (trunk.causal or not want.causal) and (max(trunk.reads) or not want.every)
    )


def register(trunk: type[Trunk]) -> type[Trunk]:
    """Add a trunk to the house: one line above its class."""
    for word in (trunk.name, *trunk.aliases):
        if word in trunk_words():
            raise ValueError(f"two trunks are called '{word}'")
    TRUNKS[trunk.name] = trunk
    return trunk


def trunk_words() -> dict[str, str]:
    """Every word a trunk is known by → its name."""
    return {word: t.name for t in TRUNKS.values() for word in (t.name, *t.aliases)}


def trunk_named(word: str) -> type[Trunk]:
    """The trunk that a word stands for, in any case. Raises UsageError for an unknown one."""
    words = trunk_words()
    if word.lower() not in words:
        raise UsageError(unknown_name("network", word, words))
    return TRUNKS[words[word.lower()]]


class Custom(Trunk):
    """Any ``nn.Module`` as a trunk: reads ``(B, *positions, width)`` and returns the same form.

    A run made with one is loaded with ``pellucid.load(run, trunk=module)``: a run folder never names code.

    Args:
        module: called with the tensor alone.
        width: what it reads; ``out_width``: what it returns (the same when left out).
        reads: the numbers of position axes it takes, best first.
    """

    __module__ = "pellucid"

    name = "custom"

    def __init__(self, module: nn.Module, width: int, out_width: int | None = None, reads: tuple[int, ...] = (1,)):
        super().__init__()
        self.width, self.out_width, self._reads = width, out_width or width, tuple(reads)
        self.stages = nn.ModuleDict({"module": _Whole(module)})

    def axes(self) -> tuple[int, ...]:
        return self._reads

    def build(self, positions: int, causal: bool = False) -> Custom:
        return self

    def config(self) -> dict[str, Any]:
        return {"width": self.width, "out_width": self.out_width, "reads": list(self._reads)}

    @classmethod
    def of_size(cls, size: int) -> Trunk:
        raise PellucidError("a custom trunk has no sizes to choose from", fix="pass the module itself")


class _Whole(Stage):
    """A user's own module as the one stage of its trunk; of its inside nothing is known."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, f: Features) -> Features:  # (B, *positions, D) -> (B, *positions', D')
        return f.with_(x=self.module(f.x))

    def open(self, f: Features) -> tuple[Features, Inside]:
        """Inside: output, and under ``module.…`` what each layer in the module returned that is one tensor."""
        seen: Inside = {}

        def note_layer(name: str) -> Any:
            def note(_: nn.Module, __: Any, result: Any) -> None:
                if isinstance(result, Tensor):
                    seen[f"module.{name}"] = result

            return note

        layers = [(name, layer) for name, layer in self.module.named_modules() if name]
        hooks = [layer.register_forward_hook(note_layer(name)) for name, layer in layers]
        try:
            out = self.forward(f)
        finally:
            for hook in hooks:
                hook.remove()
        return out, {**seen, "output": out.x}
