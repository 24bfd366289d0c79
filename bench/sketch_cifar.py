# ruff: noqa: E402 (the clock starts before anything is imported)
"""What a practised engineer would write for CIFAR-10 as a folder of JPEGs on a CPU: the bar for pellucid.

One file, PyTorch and Pillow alone: ``python bench/sketch_cifar.py FOLDER --seconds 60``. The seconds include
everything from the start of the process to the printed score: imports, decoding, training, testing.

A small residual network (widths w, 2w, 4w; max-pooling before the normalisation, where it is cheapest), Muon for the
kernels with their norm held fixed, AdamW for the rest, hold then linear cool-down to zero by the clock, flips and
shifts, label smoothing, flip averaging at test. The last line is JSON.

B batch, C channels, H W pixels, N photos.
"""

import time

START = time.perf_counter()

import argparse
import json
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

PAD, SMOOTH, COOL, LR, MOMENTUM, AUX_LR = 4, 0.1, 0.6, 0.08, 0.6, 0.02


def spent() -> float:
    return time.perf_counter() - START


def load(folder: Path) -> tuple[Tensor, Tensor, list[str]]:
    """CLASS/*.jpg → pixels (N, H, W, 3) uint8, labels (N,), names of the classes."""
    names = sorted(entry.name for entry in folder.iterdir())
    files = [(path, label) for label, name in enumerate(names) for path in sorted((folder / name).iterdir())]
    pixels = np.empty((len(files), 32, 32, 3), np.uint8)

    def decode(start: int) -> None:
        for i in range(start, min(start + 500, len(files))):
            pixels[i] = Image.open(files[i][0]).convert("RGB")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode, range(0, len(files), 500)))
    return torch.from_numpy(pixels), torch.tensor([label for _, label in files]), names


class Convolution(nn.Module):
    """3×3 convolution, max-pooling if asked, batch norm, ReLU. Pooling first spares three quarters of the rest."""

    def __init__(self, ins: int, outs: int, pool: bool = False):
        super().__init__()
        self.kernel, self.norm, self.pool = nn.Conv2d(ins, outs, 3, padding=1, bias=False), nn.BatchNorm2d(outs), pool

    def forward(self, x: Tensor) -> Tensor:  # (B, ins, H, W) -> (B, outs, H or H/2, W or W/2)
        x = self.kernel(x)
        return F.relu(self.norm(F.max_pool2d(x, 2) if self.pool else x))


class Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.inner = nn.Sequential(Convolution(width, width), Convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> the same
        return x + self.inner(x)


class Network(nn.Module):
    def __init__(self, width: int, classes: int):
        super().__init__()
        w = width
        self.body = nn.Sequential(
            Convolution(3, w, pool=True),  # (B, w, 16, 16)
            Convolution(w, 2 * w, pool=True),  # (B, 2w, 8, 8)
            Residual(2 * w),
            Convolution(2 * w, 4 * w, pool=True),  # (B, 4w, 4, 4)
            Residual(4 * w),
        )
        self.head = nn.Linear(4 * w, classes)

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, 32, 32) -> (B, classes)
        return self.head(self.body(x).amax((2, 3)))


def orthogonal(g: Tensor, steps: int = 3) -> Tensor:  # (K, rows, columns) -> the same, singular values near 1
    """Newton-Schulz iterations of Muon (Jordan 2024), K matrices of one shape at once."""
    tall = g.size(-2) > g.size(-1)
    x = g.mT if tall else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (2.0315 * a @ a - 4.7750 * a) @ x
    return x.mT if tall else x


class Muon:
    """Momentum, made orthogonal; every kernel keeps the norm √outs (as airbench does), since batch norm ignores it."""

    def __init__(self, kernels: list[Tensor]):
        self.groups = defaultdict(list)
        for kernel in kernels:
            self.groups[kernel.shape].append((kernel, torch.zeros_like(kernel)))

    @torch.no_grad()
    def step(self, lr: float) -> None:
        for shape, pairs in self.groups.items():
            for kernel, mean in pairs:
                mean.mul_(MOMENTUM).add_(kernel.grad)
            flat = torch.stack([(k.grad + MOMENTUM * mean).flatten(1) for k, mean in pairs])
            scale = max(1, shape[0] / flat.size(-1)) ** 0.5
            for (kernel, _), update in zip(pairs, orthogonal(flat), strict=True):
                kernel.mul_(shape[0] ** 0.5 / kernel.norm()).sub_(update.view(shape), alpha=lr * scale)


def augmented(padded: Tensor, index: Tensor, side: int = 32) -> Tensor:  # (N, H, W, 3), (B,) -> (B, 3, side, side)
    """Random shifts by up to ``PAD`` pixels and random flips, by one gather."""
    along = torch.arange(side)
    shift = torch.randint(0, 2 * PAD + 1, (2, len(index), 1))
    flip = torch.rand(len(index), 1) < 0.5
    rows, columns = along + shift[0], torch.where(flip, side - 1 - along, along) + shift[1]  # (B, side)
    return padded[index[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@torch.no_grad()
def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Right answers of the mean over each photo and its mirror image."""
    net.eval()
    right = 0
    for photos, labels in zip(x.split(500), y.split(500), strict=True):
        photos = photos.permute(0, 3, 1, 2)
        right += int(((net(photos) + net(photos.flip(3))).argmax(1) == labels).sum())
    return right / len(y)


def train(net: nn.Module, x: Tensor, y: Tensor, seconds: float, batch: int) -> int:
    """Train until ``seconds`` after the start of the process; the number of steps. x (N, H, W, 3), normalised."""
    kernels = [p for p in net.parameters() if p.ndim == 4]
    muon, rest = Muon(kernels), torch.optim.AdamW([p for p in net.parameters() if p.ndim < 4], betas=(0.9, 0.95),
                                                  weight_decay=0, fused=True)  # fmt: skip
    padded = F.pad(x, (0, 0, PAD, PAD, PAD, PAD))
    begin, steps = spent(), 0
    net.train()
    while True:
        for index in torch.randperm(len(x)).split(batch)[: len(x) // batch]:
            done = (spent() - begin) / max(seconds - begin, 1e-9)  # at once where no time is left
            if done >= 1:
                return steps
            rate = min(1, done / 0.03, (1 - done) / COOL)
            loss = F.cross_entropy(net(augmented(padded, index)), y[index], label_smoothing=SMOOTH)
            net.zero_grad(set_to_none=True)
            loss.backward()
            rest.param_groups[0]["lr"] = AUX_LR * rate
            rest.step()
            muon.step(LR * rate)
            steps += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)

    (x, y, names), (x_test, y_test, _) = load(given.folder / "train"), load(given.folder / "test")
    middle, scale = x.float().mean((0, 1, 2)), x.float().std((0, 1, 2))
    x, x_test = (x - middle) / scale, (x_test - middle) / scale  # (N, 32, 32, 3) float
    net = Network(given.width, len(names)).to(memory_format=torch.channels_last)
    decoded = spent()
    accuracy(net, x_test[:500], y_test[:500])  # the first call is slow; the second tells how long the test will take
    before = spent()
    accuracy(net, x_test[:1000], y_test[:1000])
    testing = 1.1 * (spent() - before) * len(x_test) / 1000 + 0.3
    steps = train(net, x, y, given.seconds - testing, given.batch)
    trained = spent()
    result = {
        "metric": "accuracy",
        "value": accuracy(net, x_test, y_test),
        "seconds": round(spent(), 2),
        "steps": steps,
    }
    epochs = round(steps * given.batch / len(x), 1)
    parameters = sum(p.numel() for p in net.parameters())
    print(json.dumps({**result, "epochs": epochs, "decoded": round(decoded, 2), "trained": round(trained - decoded, 2),
                      "parameters": parameters}))  # fmt: skip


if __name__ == "__main__":
    main()
