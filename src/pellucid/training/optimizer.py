"""Muon for the hidden matrices, AdamW for everything else.

M N the two sides of a flattened matrix, K matrices of one shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ..planning.plan import Recipe

# Coefficients of the quintic (Jordan et al., "Muon", 2024): steepest at zero, so that small singular values grow fast;
# all of them come near 1 after a few rounds, which is enough: they need not converge.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)

# Of a hidden matrix that Muon moves: with fewer rows or columns there is little to orthogonalise.
LEAST_SIDE = 8


class Muon:
    """Momentum, then the update's singular values all moved towards 1, for matrices and flattened convolutions.

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. Ours works on all matrices of one
    shape at once, in float32 on a CPU (bfloat16 is slower there) and bfloat16 on a GPU. Updates are scaled by
    sqrt(max(1, M / N)), so that one learning rate serves every shape; weight decay is decoupled.

    Args:
        parameters: of two or more axes; axes after the first are flattened.
        decay: decoupled weight decay.
        fixed_length: those whose length means nothing, because a normalisation follows. They are kept at length
            sqrt(M), so that the learning rate is the angle they turn by (airbench, Jordan 2024), and do not decay.
        momentum: of the running gradient, Nesterov's form. rounds: Newton–Schulz iterations.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        decay: float,
        fixed_length: Iterable[nn.Parameter] = (),
        momentum: float = 0.95,
        rounds: int = 3,
    ):
        self.decay, self.momentum, self.rounds = decay, momentum, rounds
        self.fixed_length = {id(p) for p in fixed_length}
        self.groups: dict[tuple[int, int], list[nn.Parameter]] = {}
        for p in parameters:
            self.groups.setdefault((p.shape[0], p[0].numel()), []).append(p)
        self.memory = {shape: torch.zeros(len(ps), *shape, device=ps[0].device) for shape, ps in self.groups.items()}

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Move every matrix by its gradient, ``lr`` times an update whose singular values are near 1."""
        # All matrices of one shape at once: a network has many small ones, and a call costs more than its product.
        for (rows, cols), params in self.groups.items():
            # (K, M, N)
            gradient = torch.stack([p.grad.reshape(rows, cols) for p in params])  # type: ignore[union-attr]
            memory = self.memory[rows, cols]
            memory.lerp_(gradient, 1 - self.momentum)
            update = orthogonalise(gradient.lerp_(memory, self.momentum), self.rounds)
            scale = -lr * max(1.0, rows / cols) ** 0.5
            for p, u in zip(params, update, strict=True):
                if id(p) in self.fixed_length:
                    p.mul_(rows**0.5 / p.norm())
                elif self.decay:
                    p.mul_(1 - lr * self.decay)
                p.add_(u.view(p.shape), alpha=scale)

    def tensors(self) -> dict[str, Tensor]:
        """The running gradients by name, (K, M, N) each; the tensors themselves."""
        return {f"muon.{rows}x{cols}": memory for (rows, cols), memory in self.memory.items()}


def orthogonalise(matrices: Tensor, rounds: int) -> Tensor:  # (K, M, N) -> (K, M, N)
    """Each matrix with its singular values moved towards 1 by a quintic Newton–Schulz iteration."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    tall = x.shape[1] > x.shape[2]
    # Turned on its side where it is tall, so that the products below are squares of the shorter side.
    x = x.mT if tall else x
    # The iteration converges for singular values up to 1 or so; the length of a matrix bounds the largest.
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


class Adam:
    """AdamW (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019) on torch's fused kernel.

    The kernel is called directly, because ``torch.optim`` imports torch's compiler, 2 s and more, when an optimizer is
    made. The same numbers as ``torch.optim.AdamW(fused=True)``, to the last bit (in a test).

    Args:
        groups: parameters with their weight decay. betas: memory of gradients and of their squares.
    """

    def __init__(self, groups: Iterable[tuple[list[nn.Parameter], float]], *, betas: tuple[float, float]):
        self.groups, self.betas = [(params, decay) for params, decay in groups if params], betas
        self.means = [[torch.zeros_like(p) for p in params] for params, _ in self.groups]
        self.squares = [[torch.zeros_like(p) for p in params] for params, _ in self.groups]
        # One count of steps for all parameters, on their device, because the kernel wants it as a tensor there.
        self.count = torch.zeros((), device=self.groups[0][0][0].device) if self.groups else torch.zeros(())
        self.counts = [[self.count] * len(params) for params, _ in self.groups]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One update of every parameter with the learning rate ``lr``; all must have gradients."""
        self.count += 1
        own = zip(self.groups, self.means, self.squares, self.counts, strict=True)
        for (params, decay), means, squares, counts in own:
            gradients: Any = [p.grad for p in params]
            torch._fused_adamw_(
                params, gradients, means, squares, [], counts,  # type: ignore[arg-type]
                lr=lr, beta1=self.betas[0], beta2=self.betas[1], weight_decay=decay, eps=1e-8,
                amsgrad=False, maximize=False,
            )  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        """The count of steps, the means and the mean squares by name; the tensors themselves."""
        named = {"adam.count": self.count}
        for name, groups in (("mean", self.means), ("square", self.squares)):
            named |= {f"adam.{name}.{i}": value for i, value in enumerate(v for group in groups for v in group)}
        return named


class Optimizer:
    """Every parameter's optimizer behind one ``step``.

    Args:
        network: whose hidden matrices (trunk, its copies and links) go to Muon when the recipe says so.
        recipe: learning rates, decay and memory; ``matrix_lr`` 0 leaves all to AdamW, as for small tables, where it is
            as good and a step takes half as long (docs/LOG.md, 2026-11-22).
    """

    def __init__(self, network: nn.Module, recipe: Recipe):
        matrices, rest = split_parameters(network) if recipe.matrix_lr else ([], list(network.parameters()))
        # Biases and the scales of norms don't decay: they are few, and 0 is no better for them than another number.
        decayed = [p for p in rest if p.ndim >= 2]
        plain = [p for p in rest if p.ndim < 2]
        self.recipe = recipe
        fixed_length: list[Any] = [m.weight for m in network.modules() if getattr(m, "normalised_after", False)]
        self.muon = Muon(matrices, decay=recipe.matrix_decay, fixed_length=fixed_length, momentum=recipe.momentum)
        self.adam = Adam([(decayed, recipe.decay), (plain, 0.0)], betas=(0.9, recipe.beta2))
        self.parameters = [*matrices, *decayed, *plain]

    def clear(self) -> None:
        """Let go of all gradients: the next backward pass then writes its own, rather than adding to zeros."""
        for p in self.parameters:
            p.grad = None

    def norm(self) -> Tensor:
        """The length of the whole gradient, () float32; not finite when any entry is not."""
        # Takes a third of the time of torch's own clipping for small networks.
        lengths = torch._foreach_norm([p.grad for p in self.parameters if p.grad is not None])
        return torch.linalg.vector_norm(torch.stack(lengths))

    def step(self, factor: float) -> None:
        """One update with both learning rates times ``factor``."""
        # What took no part in this batch has no gradient; both kernels want one.
        for p in self.parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        self.adam.step(self.recipe.lr * factor)
        self.muon.step(self.recipe.matrix_lr * factor)

    def rates(self, factor: float) -> dict[str, float]:
        """The learning rates of a step with this ``factor``: ``lr`` of AdamW; ``matrix_lr`` of Muon, if it has work."""
        muon = {"matrix_lr": self.recipe.matrix_lr * factor} if self.muon.groups else {}
        return {"lr": self.recipe.lr * factor, **muon}

    def tensors(self) -> dict[str, Tensor]:
        """All of the optimizer's state by name; the tensors themselves, not copies."""
        return self.muon.tensors() | self.adam.tensors()


def split_parameters(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters for Muon, hidden matrices of at least 8 × 8 and flattened kernels of grids, and all others."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, p in network.named_parameters():
        # Kernels along a sequence have three axes and stay with AdamW.
        hidden = name.startswith(("trunk.", "parts.", "links.", "decoder.")) and p.ndim >= 2
        own = matrices if hidden and min(p.shape[0], p[0].numel()) >= LEAST_SIDE and p.ndim != 3 else rest
        own.append(p)
    return matrices, rest
