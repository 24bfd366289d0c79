"""The weighted sums of a network as it computes them: every product with weights, and what is made of its result.

B batch, K terms of one sum, N sums side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .products import Product, product_of

# What changes every value by itself, and the word for it. A batch normalisation does so once it has learned.
ELEMENTWISE: dict[Any, str] = {
    nnf.relu: "relu", torch.relu: "relu", Tensor.relu: "relu", nnf.gelu: "gelu", nnf.silu: "silu", nnf.elu: "elu",
    nnf.leaky_relu: "leaky relu", nnf.softplus: "softplus", nnf.hardtanh: "hard tanh", nnf.relu6: "relu up to 6",
    nnf.hardswish: "hard swish", nnf.mish: "mish", nnf.selu: "selu", nnf.celu: "celu", nnf.logsigmoid: "log sigmoid",
    torch.sigmoid: "sigmoid", Tensor.sigmoid: "sigmoid", nnf.sigmoid: "sigmoid", torch.tanh: "tanh",
    Tensor.tanh: "tanh", nnf.tanh: "tanh", torch.square: "square", Tensor.square: "square", torch.exp: "exp",
    Tensor.exp: "exp", nnf.batch_norm: "normalisation",
}  # fmt: skip

# What leaves every value as it is and moves it.
MOVES = {
    Tensor.permute, torch.permute, Tensor.transpose, torch.transpose, Tensor.view, Tensor.view_as, Tensor.reshape,
    torch.reshape, Tensor.flatten, torch.flatten, Tensor.unflatten, torch.unflatten, Tensor.squeeze, torch.squeeze,
    Tensor.unsqueeze, torch.unsqueeze, Tensor.contiguous, Tensor.mT.__get__, Tensor.T.__get__, Tensor.t,  # type: ignore[attr-defined]
    Tensor.__getitem__, Tensor.chunk, torch.chunk, Tensor.split, torch.split, Tensor.unbind, torch.unbind,
    Tensor.movedim, torch.movedim, Tensor.swapaxes, Tensor.expand, Tensor.clone,
}  # fmt: skip
SIDE_BY_SIDE = {torch.stack, torch.cat}
TURNS = {Tensor.permute, torch.permute, Tensor.transpose, torch.transpose, Tensor.mT.__get__}  # type: ignore[attr-defined]

# What makes a tensor of the same features of another, by the name of torch's function, and the word for it. Padding
# that is hidden is none of it.
SCALES = {"layer_norm": "normalised", "max_pool2d": "pooled", "boolean_dispatch": "pooled", "masked_fill": "",
          "pad": "", "_pad": "", "max_pool2d_with_indices": "pooled", "_max_pool2d": "pooled"}  # fmt: skip


@dataclass(eq=False)
class Made:
    """How a tensor came about.

    Attributes:
        function, args, kwargs: what made it. parents: the tensors it was made from, in order. item: its place, where
            several were made at once. word: of what changes values one by one; "" for what moves them; None for all
            else. product: the weighted sums that it is, where it is some.
    """

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    parents: list[Tensor]
    item: int | None = None
    word: str | None = None
    product: Product | None = None


class Recording(TorchFunctionMode):
    """Everything that torch computes inside the context, by what it made.

    Args:
        network: whose parameters are told by name.

    Attributes:
        products: all weighted sums, in order. count: tensors made so far; numbers: of each, by its id, its number.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.products: list[Product] = []
        self.count = 0
        self.numbers: dict[int, int] = {}
        self.names = {id(p): name for name, p in network.named_parameters()}
        self._made: dict[int, Made] = {}
        self._children: dict[int, list[Tensor]] = {}
        # Kept, so that no other tensor gets the id of one that is gone.
        self._kept: list[Any] = list(network.parameters())

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            return self._note(func, args, kwargs, result, None)
        if isinstance(result, tuple | list) and func in MOVES:
            return type(result)([self._note(func, args, kwargs, one, i) for i, one in enumerate(result)])
        return result

    def changed(self, made: Made, result: Tensor) -> Tensor:
        """What goes on in place of a result: here the result itself."""
        return result

    def _note(self, func: Any, args: Any, kwargs: Any, result: Tensor, item: int | None) -> Tensor:
        parents = list(_tensors((args, kwargs)))
        # What is handed through, as dropout in evaluation, or written into.
        if not parents or any(result is parent for parent in parents):
            return result
        word = ELEMENTWISE.get(func)
        if word == "normalisation" and kwargs.get("training", args[5] if len(args) > 5 else False):
            word = None
        word = "" if func in MOVES or func in SIDE_BY_SIDE else word
        product = product_of(func, args, kwargs, result, self.parameter_of)
        if product is not None:
            product.where = self.places_in_parameter
        made = Made(func, args, kwargs, parents, item, word, product)
        changed = self.changed(made, result)
        if changed is not result and product is not None:
            product.output = changed
        self.numbers[id(changed)] = self.count
        self.count += 1
        self._made[id(changed)] = made
        self._kept += [changed, made]
        for parent in parents:
            self._children.setdefault(id(parent), []).append(changed)
        if product is not None:
            self.products.append(product)
        return changed

    def made(self, tensor: Tensor) -> Made | None:
        return self._made.get(id(tensor))

    def parameter_of(self, tensor: Tensor) -> str | None:
        """The name of the parameter that a tensor is, seen in whatever way; None for what is none."""
        while (name := self.names.get(id(tensor))) is None:
            made = self.made(tensor)
            if made is None or made.word != "" or made.function in SIDE_BY_SIDE:
                return None
            tensor = made.parents[0]
        return name

    def places_in_parameter(self, used: Tensor) -> Tensor:
        """Of each entry of a parameter, seen in whatever way, its flat place in the parameter."""
        return self.origin(used)[1]

    def origin(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """What a tensor was before it was only moved, and of each of its entries the flat place in that."""
        way: list[Made] = []
        while id(tensor) not in self.names and (made := self.made(tensor)) is not None:
            if made.word != "" or made.function in SIDE_BY_SIDE or made.product is not None:
                break
            way.append(made)
            tensor = made.parents[0]
        index = torch.arange(tensor.numel()).view(tensor.shape)
        for made in reversed(way):
            index = made.function(index, *made.args[1:], **made.kwargs)
            index = index if made.item is None else index[made.item]
        return tensor, index

    # -- back from a value to the sum that it was made of

    def back(self, tensor: Tensor, place: int) -> tuple[Tensor, int] | None:
        """The value that one value was made of, where it was made of one; None where of several."""
        made = self.made(tensor)
        if made is None or made.word is None or made.product is not None:
            return None
        if made.word:
            return made.parents[0], place
        parents = made.parents if made.function in SIDE_BY_SIDE else made.parents[:1]
        starts, indices = 0, []
        for parent in parents:
            indices.append(torch.arange(starts, starts + parent.numel()).view(parent.shape))
            starts += parent.numel()
        moved = made.function(indices if made.function in SIDE_BY_SIDE else indices[0], *made.args[1:], **made.kwargs)
        moved = moved if made.item is None else moved[made.item]
        found = int(moved.flatten()[place])
        for parent in parents:
            if found < parent.numel():
                return parent, found
            found -= parent.numel()
        raise AssertionError("a value was moved from nowhere")

    def sum_behind(self, tensor: Tensor, place: int) -> Opened | None:
        """The weighted sum that one value was made of, and what was made of it on the way; None where of several."""
        after: list[tuple[str, float]] = []
        while True:
            made = self.made(tensor)
            if made is not None and made.product is not None:
                return Opened(made.product, place, after[::-1])
            if made is not None and made.word:
                after.append((made.word, float(tensor.detach().flatten()[place])))
            if (found := self.back(tensor, place)) is None:
                return None
            tensor, place = found

    def result_of(self, product: Product) -> tuple[Tensor, Tensor]:
        """What is made of all sums of a product one by one, and of which of them each value, (flat) both."""
        tensor = product.output
        index = torch.arange(tensor.numel()).view(tensor.shape)
        end, at = tensor, index
        seen_change = False
        while True:
            following = [c for c in self._children.get(id(tensor), []) if self._goes_on(c, tensor)]
            if not following:
                return end, at
            tensor = following[0]
            made = self.made(tensor)
            assert made is not None
            if made.word == "":
                index = made.function(index, *made.args[1:], **made.kwargs)
                index = index if made.item is None else index[made.item]
            # A normalisation that nothing follows belongs to what comes next.
            else:
                end, at, seen_change = tensor, index, True
            if index.numel() != product.output.numel():
                return end, at
        return (end, at) if seen_change else (product.output, at)

    def _goes_on(self, child: Tensor, parent: Tensor) -> bool:
        made = self.made(child)
        return (
            made is not None
            and made.word is not None
            and made.function not in SIDE_BY_SIDE
            and made.product is None
            and made.parents[0] is parent
        )

    def source(self, tensor: Tensor, known: Mapping[int, str]) -> tuple[str, list[str]]:
        """Where a tensor comes from: the first of ``known`` (names by id) on its way back, and what was done since.

        The name of the layer where it is what a layer has summed; "" where it is made of several tensors.
        """
        done: list[str] = []
        while id(tensor) not in known:
            made = self.made(tensor)
            if made is None or not made.parents:
                return "", done[::-1]
            if made.product is not None:
                return made.product.parameter, done[::-1]
            name = getattr(made.function, "__name__", "")
            if (made.word is None and name not in SCALES) or (made.function in SIDE_BY_SIDE and len(made.parents) > 1):
                return "", done[::-1]
            if made.word or name in SCALES:
                done += [made.word or SCALES[name]] if made.word or SCALES[name] else []
            tensor = made.parents[0]
        return known[id(tensor)], done[::-1]

    def before_turns(self, tensor: Tensor) -> Tensor:
        """What a tensor was before its axes were put into another order."""
        while (made := self.made(tensor)) is not None and made.function in TURNS:
            tensor = made.parents[0]
        return tensor


@dataclass
class Opened:
    """One weighted sum, and what was made of it: (word, value), in order."""

    product: Product
    place: int
    after: list[tuple[str, float]] = field(default_factory=list)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _tensors(one)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def recorded(network: nn.Module, run: Callable[[], Any]) -> tuple[Recording, Any]:
    """What ``run`` computes with a network, recorded; and what it returned."""
    recording = Recording(network)
    with recording:
        result = run()
    return recording, result
