"""The recurrent trunk: GRU, LSTM and minGRU cells along a sequence, or along the rows and then the columns of a grid.

B batch, T time, H W grid, D width, K width of one direction's state, S sequences swept side by side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import PellucidError, UsageError, unknown_name
from .base import SPOKEN, Inside, Stage, State, Trunk, register
from .cells import (
    FORMULAS,
    GATES,
    goes_back_by_rule,
    goes_step_by_step,
    gru_gates,
    lstm_gates,
    mingru_gates,
    open_scan,
    open_steps,
    step_before,
)
from .features import Features
from .layers import Dropout, LastNorm, check_build, layer_norm, pick_size
from .parallel_scan import MinGruLayer

CELLS: dict[str, Any] = {"gru": nn.GRU, "lstm": nn.LSTM, "mingru": MinGruLayer}

# So many at most go back by the rule of their gates where that is asked for.
FEW_SEQUENCES = 96

# The ladder of ``of_size``: width and depth, each step about twice the multiplications of the one before.
SIZES = ((32, 1), (48, 1), (64, 1), (64, 2), (96, 2), (128, 2), (192, 2), (256, 2), (384, 2), (512, 2))

# Of minGRU, a layer of which hears what came before it through its state alone: more layers rather than wider ones.
# Characters of a play after 20 CPU seconds, 128 wide, loss by depth: 2 1.777, 3 1.756, 4 1.758; two layers of GRU 1.835
# (docs/LOG.md, 2026-11-28).
MINGRU_SIZES = ((32, 2), (48, 2), (64, 2), (64, 3), (96, 3), (128, 3), (192, 3), (256, 3), (384, 3), (512, 3))


class Direction(nn.Module):
    """One cell run along a sequence one way, fast (by a layer) or open (the same weights, gate by gate).

    Args:
        cell: ``"gru"`` (Cho 2014, as torch has it), ``"lstm"`` (Hochreiter 1997, with a forget gate) or ``"mingru"``
            (Feng 2024, see ``parallel_scan``).
        width: D.
        hidden: K.
        backward: from the end to the start. along: the axis of positions that it runs along.
    """

    def __init__(self, cell: str, width: int, hidden: int, backward: bool = False, along: int = 0):
        super().__init__()
        self.cell, self.hidden, self.backward_, self.along = cell, hidden, backward, along
        self.layer: Any = CELLS[cell](width, hidden, batch_first=True)
        init_cell(self.layer)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:  # (S, T, D), (S,) -> (S, T, K)
        """The state after every position, by the layer. ``lengths``: real positions; None for all."""
        # Of many sequences side by side autograd's own way is no slower (162 against 190 ms of 256, 512 steps long).
        if goes_back_by_rule() and torch.is_grad_enabled() and len(x) <= FEW_SEQUENCES and self.cell != "mingru":
            return self._open_together(x, lengths)["hidden"]
        return self._reverse_lines(self._run_layer(self._reverse_lines(x, lengths))[0], lengths)

    def open(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Inside]:  # (S, T, D) -> (S, T, K), inside
        """Every gate and state at every position, each (S, T, K); gradients are those of going step by step.

        The states are the layer's, and gates follow from them at all steps together: hundreds of steps one after the
        other take much longer. ``step_by_step`` asks for these all the same.
        """
        inside = self._open_by_hand(x, lengths) if goes_step_by_step() else self._open_together(x, lengths)
        return inside["hidden"], inside

    def _open_together(self, x: Tensor, lengths: Tensor | None) -> Inside:  # (S, T, D) -> (S, T, K) each
        own = self.layer
        from_x = F.linear(x, own.weight_ih_l0, own.bias_ih_l0)  # (S, T, 2 to 4 K)
        if self.cell == "mingru":
            found = open_scan(self._reverse_lines(from_x, lengths))
            return {name: self._reverse_lines(value, lengths) for name, value in found.items()}
        with torch.no_grad():
            hidden = self._reverse_lines(self.forward(x, lengths), lengths)
            before = step_before(hidden)
        from_h = F.linear(self._reverse_lines(before, lengths), own.weight_hh_l0, own.bias_hh_l0)
        in_turn = self._reverse_lines(from_x, lengths), self._reverse_lines(from_h, lengths)
        found = open_steps(self.cell, *in_turn, hidden, before, own.weight_hh_l0)
        return {name: self._reverse_lines(value, lengths) for name, value in found.items()}

    def _open_by_hand(self, x: Tensor, lengths: Tensor | None) -> Inside:  # (S, T, D) -> (S, T, K) each
        x = self._reverse_lines(x, lengths)
        state, steps = self.start(len(x), x), []
        for t in range(x.shape[1]):
            state, gates = self._by_hand(x[:, t], state)
            steps.append(gates)
        return {k: self._reverse_lines(torch.stack([s[k] for s in steps], 1), lengths) for k in steps[0]}

    def start(self, batch: int, like: Tensor) -> State:
        """The hidden state, and an LSTM's cell, before the first step: zeros (S, K)."""
        zero = like.new_zeros(batch, self.hidden)
        return (zero, zero) if self.cell == "lstm" else (zero,)

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (S, T, D) -> (S, T, K)
        """The hidden state after each of T more positions, by the layer."""
        # torch's layers want an axis more: they may be several, one after the other.
        y, after = self._run_layer(x, tuple(one.unsqueeze(0) for one in state))
        return y, tuple(one.squeeze(0) for one in after)

    def _run_layer(self, x: Tensor, before: State | None = None) -> tuple[Tensor, State]:
        # (S, T, D) -> (S, T, K), and the last state, (1, S, K) each
        single = self.cell != "lstm"
        # Under autocast torch's layer computes in float16, whatever was asked for, and nothing scales its gradients.
        with torch.autocast(x.device.type, enabled=False):
            x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
            y, after = self.layer(x, before[0] if before and single else before)
        return y, (after,) if single else after

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (S, D) -> (S, K)
        """The hidden state after one more position."""
        state, _ = self._by_hand(x, state)
        return state[0], state

    def _by_hand(self, x: Tensor, state: State) -> tuple[State, Inside]:  # (S, D) -> every gate (S, K)
        """The state after one more position, and its gates, from the layer's own weights."""
        own = self.layer
        from_x = F.linear(x, own.weight_ih_l0, own.bias_ih_l0)  # (S, 2 to 4 K)
        if self.cell == "mingru":
            return mingru_gates(from_x, state)
        from_h = F.linear(state[0], own.weight_hh_l0, own.bias_hh_l0)
        return (lstm_gates if self.cell == "lstm" else gru_gates)(from_x, from_h, state)

    def gate_rows(self, unit: int) -> dict[str, int]:
        """Which row of the cell's weights makes each gate of a unit, by the gate's name."""
        return {gate: i * self.hidden + unit for i, gate in enumerate(GATES[self.cell])}

    def activation_of(self, gate: str) -> str:
        """The function, by name, that makes a gate of its sum."""
        return GATES[self.cell][gate]

    def maps(self) -> dict[str, Tensor]:
        """The weights of the sums that its gates are made of, (gates * K, D or K), by what each reads: input, state."""
        own = {"input": self.layer.weight_ih_l0}
        return own if self.cell == "mingru" else {**own, "state": self.layer.weight_hh_l0}

    def state_factor(self, gate: str) -> str:
        """The gate that what the state says to ``gate`` is multiplied by; "" where it is heard as it is."""
        return "reset_gate" if self.cell == "gru" and gate == "candidate" else ""

    @property
    def formula(self) -> str:
        """How the gates make the next state, in words."""
        return FORMULAS[self.cell]

    def state_names(self) -> tuple[str, ...]:
        """What it carries from one step to the next, by the names of the glossary."""
        return ("cell", "hidden") if self.cell == "lstm" else ("hidden",)

    def next_state(self, gates: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
        """One unit's next state in plain numbers. ``gates``: by their names with spaces; ``before``: the old state."""
        if self.cell != "lstm":
            update = gates["update gate"]
            return {"hidden": (1 - update) * gates["candidate"] + update * before["hidden"]}
        cell = gates["forget gate"] * before["cell"] + gates["input gate"] * gates["candidate"]
        return {"cell": cell, "hidden": gates["output gate"] * math.tanh(cell)}

    def silence_unit(self, unit: int) -> None:
        """Set a unit's candidate to 0 for good, and with it its state: it starts at 0, and nothing enters it."""
        row = self.gate_rows(unit)["candidate"]
        with torch.no_grad():
            for weight in self.layer.parameters():
                weight[row] = 0.0

    def _reverse_lines(self, x: Tensor, lengths: Tensor | None) -> Tensor:  # (S, T, D) -> (S, T, D)
        """Backward, each sequence reversed inside its own length, padding left in place; forward, as it is.

        Its own inverse.
        """
        if not self.backward_:
            return x
        if lengths is None:
            return x.flip(1)
        t = torch.arange(x.shape[1], device=x.device)  # (T,)
        at = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)  # (S, T)
        return x.gather(1, at.unsqueeze(-1).expand_as(x))


def init_cell(layer: Any) -> None:
    """Set first weights: inputs Glorot, states orthogonal, gate by gate; biases 0, or 1 for what keeps a state."""
    k = layer.hidden_size
    for name, weight in layer.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(weight)
        else:
            for gate in weight.detach().split(k):
                (nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_)(gate)
    # The second gate: forget in an LSTM, update in the others. A cell that starts by remembering learns long lags
    # (Jozefowicz 2015).
    layer.bias_ih_l0.data[k : 2 * k] = 1.0


class Sweep(nn.Module):
    """x + dropout(cells along the sequence of norm(x)); two-way: half of the width runs forward, half backward."""

    def __init__(self, cell: str, width: int, causal: bool, dropout: float, along: int = 0):
        super().__init__()
        self.norm, self.dropout = layer_norm(width), Dropout(dropout)
        ways = {"ahead": False} if causal else {"ahead": False, "back": True}
        self.ways: Any = nn.ModuleDict(
            {way: Direction(cell, width, width // len(ways), backward, along) for way, backward in ways.items()}
        )

    def forward(self, x: Tensor, mask: Tensor | None, key: Tensor | None) -> Tensor:
        # (B, *lines, T, D), (B, *lines, T), (B,) -> (B, *lines, T, D)
        lines, lengths = self._as_lines(x, mask)
        y = torch.cat([way(lines, lengths) for way in self.ways.values()], -1)  # (S, T, D)
        return x + self.dropout(y.view(x.shape), key)

    def open(self, x: Tensor, mask: Tensor | None, key: Tensor | None) -> tuple[Tensor, Inside]:
        """Inside: ``ahead.update_gate`` and so on, each (B, *lines, T, K)."""
        lines, lengths = self._as_lines(x, mask)
        opened = {name: way.open(lines, lengths) for name, way in self.ways.items()}
        y = torch.cat([out for out, _ in opened.values()], -1)
        inside = {f"{name}.{k}": v.view(*x.shape[:-1], -1) for name, (_, own) in opened.items() for k, v in own.items()}
        return x + self.dropout(y.view(x.shape), key), inside

    def _as_lines(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:  # -> (S, T, D), (S,)
        """The normalised features as S sequences, and how many positions of each are real."""
        lengths = None if mask is None else mask.sum(-1).flatten()
        return self.norm(x).flatten(0, -3), lengths


class RecurrentSequenceStage(Stage):
    """One sweep along a sequence."""

    def __init__(self, cell: str, width: int, causal: bool, dropout: float):
        super().__init__()
        self.sweep = Sweep(cell, width, causal, dropout)

    def forward(self, f: Features) -> Features:  # (B, T, D) -> (B, T, D)
        return f.with_(x=self.sweep(f.x, f.mask, f.key))

    def open(self, f: Features) -> tuple[Features, Inside]:
        """Inside, each (B, T, K), for ``ahead`` and, two-way, ``back``: gates and states (see ``Direction``)."""
        y, inside = self.sweep.open(f.x, f.mask, f.key)
        return f.with_(x=y), inside

    def cells(self) -> dict[str, Any]:
        return dict(self.sweep.ways.items())

    def start(self, batch: int, like: Tensor) -> State:
        """The cell's state before the first step, (B, K)."""
        return self.sweep.ways["ahead"].start(batch, like)

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, T, D) -> (B, T, D)
        y, state = self.sweep.ways["ahead"].read(self.sweep.norm(x), state)
        return x + y, state

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, D) -> (B, D)
        y, state = self.sweep.ways["ahead"].step(self.sweep.norm(x), state)
        return x + y, state


class RecurrentGridStage(Stage):
    """A sweep along all rows at once, then along all columns, so that every position hears of every other.

    (ReNet, Visin 2015, which joins the pixels of a patch first: here the input layer makes the patches.)
    """

    def __init__(self, cell: str, width: int, dropout: float):
        super().__init__()
        self.rows, self.columns = (Sweep(cell, width, False, dropout, along) for along in (1, 0))

    def forward(self, f: Features) -> Features:  # (B, H, W, D) -> (B, H, W, D)
        x = self.rows(f.x, f.mask, f.key)
        return f.with_(x=self.columns(x.transpose(1, 2), self._sweep_grid(f), f.key).transpose(1, 2))

    def open(self, f: Features) -> tuple[Features, Inside]:
        """Inside, each (B, H, W, K): ``rows.ahead.update_gate`` and so on."""
        x, rows = self.rows.open(f.x, f.mask, f.key)
        x, columns = self.columns.open(x.transpose(1, 2), self._sweep_grid(f), f.key)
        inside = {f"rows.{k}": v for k, v in rows.items()}
        return f.with_(x=x.transpose(1, 2)), inside | {f"columns.{k}": v.transpose(1, 2) for k, v in columns.items()}

    def cells(self) -> dict[str, Any]:
        own = {"rows": self.rows, "columns": self.columns}
        return {f"{name}.{way}": cell for name, sweep in own.items() for way, cell in sweep.ways.items()}

    def _sweep_grid(self, f: Features) -> Tensor | None:  # (B, H, W, D) -> (B, W, H)
        """The mask with columns as lines; None without one."""
        return None if f.mask is None else f.mask.transpose(1, 2)


@register
class Recurrent(Trunk):
    """Recurrent network: GRU, LSTM or minGRU layers, residual, two-way unless causal.

    Padding must come at the end (of a sequence; of rows and columns): the backward direction starts at the last real
    position. One vector an example is the mean over real positions, so that every position's share can be shown.

    Args:
        width: D, of what it reads and returns; even.
        depth: number of stages.
        cell: ``"gru"``, ``"lstm"`` or ``"mingru"``, which computes all positions at once.
        dropout: share of what a sweep adds that is set to 0 while training.
        longest: at most how many positions it is meant for; time grows with their number (of a grid, with its sides).
    """

    name = "recurrent"
    aliases: ClassVar[tuple[str, ...]] = ("rnn", "gru")
    reads = (1, 2)
    causal = True
    # Width and depth at each of its sizes.
    ladder: ClassVar[tuple[tuple[int, ...], ...]] = SIZES

    def __init__(self, width: int = 64, depth: int = 2, *, cell: str = "gru", dropout: float = 0.1, longest: int = 256):
        super().__init__()
        if cell not in CELLS:
            raise UsageError(unknown_name("cell", cell, CELLS))
        # Two-way, each direction has half of the width.
        if width % 2:
            raise PellucidError(
                f"a recurrent trunk can't be {width} wide: each direction takes half", fix="make it even"
            )
        self.width = self.out_width = width
        self.depth, self.cell, self.dropout, self.most = depth, cell, dropout, longest
        self.stages = nn.ModuleDict()

    def longest(self) -> int:
        return self.most

    def build(self, positions: int, causal: bool = False) -> Recurrent:
        check_build(self, positions, causal)
        for i in range(1, self.depth + 1):
            self.stages[f"layer{i}"] = (
                RecurrentGridStage(self.cell, self.width, self.dropout)
                if positions == 2
                else RecurrentSequenceStage(self.cell, self.width, causal, self.dropout)
            )
        self.stages["norm"] = LastNorm(self.width)
        return self

    def config(self) -> dict[str, Any]:
        own = {"width": self.width, "depth": self.depth, "cell": self.cell}
        return {**own, "dropout": self.dropout, "longest": self.most}

    @classmethod
    def of_size(cls, size: int) -> Recurrent:
        """Size 0 is 32 wide with 1 stage, 3 is 64 with 2, 5 is 128 with 2, 9 is 512 with 2; patches get finer too."""
        width, depth = pick_size(cls.ladder, size)
        return cls(width, depth, longest=64 if size < 5 else 144 if size < 7 else 256)

    @classmethod
    def recipe(cls, family: str) -> dict[str, Any]:
        # What was measured, by family; for others there is a usual recipe.
        measured: dict[str, dict[str, Any]] = {
            "image": {"dropout": 0.0, "smoothing": 0.1, "batch_size": 128, "epochs": 5.0},
            "text": {"dropout": 0.2, "smoothing": 0.1, "token_drop": 0.3, "size": 2},
            "language": {"size": 3, "sizes": (0, 8)},
            # 250 steps on Multi30k end at a loss of 3.25 with .04 and .02, at 3.50 with .02 and .04 (docs/LOG.md,
            # 2026-11-28).
            "translation": {
                "lr": 0.03,
                "matrix_lr": 0.02,
                "token_drop": 0.0,
                "size": 4,
                "sizes": (2, 7),
                "epochs": 8.0,
            },
            "spelling": {"lr": 0.006, "matrix_lr": 0.04, "dropout": 0.0, "token_drop": 0.0, "size": 2, "sizes": (1, 4)},
            "transcript": {**SPOKEN, "lr": 6e-3, "matrix_lr": 0.02, "size": 4, "sizes": (1, 7)},
        }
        own = {"lr": 3e-3, "matrix_lr": 0.01, "clip": 1.0}
        return {**own, **measured.get(family, {})}


@register
class Lstm(Recurrent):
    """The recurrent trunk under the name that asks for LSTM cells; the same in all else."""

    name = "lstm"
    aliases = ()

    def __init__(
        self, width: int = 64, depth: int = 2, *, cell: str = "lstm", dropout: float = 0.1, longest: int = 256
    ):
        super().__init__(width, depth, cell=cell, dropout=dropout, longest=longest)


@register
class MinGru(Recurrent):
    """The recurrent trunk of minGRU cells: their gates hear the input alone, so all positions are computed at once.

    (Feng et al., "Were RNNs all we needed?", 2024; see ``parallel_scan``.) A step of training on long sequences takes a
    small part of the time that the other cells take.
    """

    name = "mingru"
    aliases = ()
    ladder = MINGRU_SIZES

    def __init__(
        self, width: int = 64, depth: int = 3, *, cell: str = "mingru", dropout: float = 0.1, longest: int = 256
    ):
        super().__init__(width, depth, cell=cell, dropout=dropout, longest=longest)

    @classmethod
    def of_size(cls, size: int) -> Recurrent:
        """Size 0 is 32 wide with 2 stages, 3 is 64 with 3, 5 is 128 with 3, 9 is 512 with 3; patches get finer too."""
        return super().of_size(size)
