"""Forecasts beside what was published: ETTh1, electricity prices, M4. Test is looked at once a training.

ETTh1: 7 channels, ``--split 360d,120d,120d`` (the papers' months of 30 days), every window of test, standardised.
Prices (Lago et al., 2021): 24 hours from midnight, the last 728 days test, the 364 before validation, trained once.
M4 (Makridakis et al., 2020): official test; MASE and sMAPE by the whole series before it, intervals at 95%.
windows: a synthetic series of a million hours; what its windows cost in memory, an epoch's order and batches, answers.
"""

from __future__ import annotations

import csv
import lzma
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from common import arguments, data_file, made_once, report, spread

import pellucid
from pellucid.data.batches.order import shuffled_batches
from pellucid.runs.solved_part import solved_answers
from pellucid.training.evaluate import predict_raw
from pellucid.training.loader import Loader

HORIZONS = (96, 192, 336, 720)
PRICES = {"NP": "Grid load forecast,Wind power forecast", "DE": "Ampirion Load Forecast,PV+Wind Forecast"}
M4 = {"Hourly": (48, 24), "Weekly": (13, 1)}


def unpacked(name: str) -> Path:
    """A packed file of the benchmark data as CSV."""

    def write(folder: Path) -> None:
        (folder / "table.csv").write_bytes(lzma.decompress(data_file(name).read_bytes()))

    return made_once(name.replace("/", "-").removesuffix(".xz"), write) / "table.csv"


def m4_table(which: str) -> Path:
    """Train and test of M4 one after the other, one row a step."""

    def write(folder: Path) -> None:
        rows: dict[str, list[str]] = {}
        for part in ("train", "test"):
            with unpacked(f"m4/{which}-{part}.csv.xz").open(newline="") as file:
                for name, *values in list(csv.reader(file))[1:]:
                    rows.setdefault(name, []).extend(v for v in values if v)
        with (folder / "table.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "step", "value"))
            writer.writerows((name, i, v) for name, own in rows.items() for i, v in enumerate(own))

    return made_once(f"m4-{which}", write) / "table.csv"


def trained(path: Path, read: dict[str, Any], **train: Any) -> dict[str, Any]:
    """What a training says of test: metrics of the network and of its solved part alone, and what it took."""
    with tempfile.TemporaryDirectory() as folder:
        data = pellucid.read(path, **read, cache=folder)
        began = time.perf_counter()
        run = pellucid.train(data, **train, out=folder, progress=False)
        seconds = time.perf_counter() - began
        rows, task = data.split(run.plan.split_seed).test, run.network.output.task
        loader = Loader.of(data, run.network.fields, torch.device("cpu"))
        raw, true = predict_raw(run.network, loader, rows)
        found = {"network": (raw.numpy(), true.numpy()), "seconds": seconds, "run": run, "data": data, "rows": rows}
        if run.network.solved is not None:
            found["ridge"] = (
                solved_answers(run.network.solved, run.network.output, loader, rows)[0].numpy(),
                true.numpy(),
            )
        found["naive"] = (task.naive_answers(loader.target, rows, rows)[0], true.numpy())
        said = {name: task.report_content(*found[name]) for name in ("network", "ridge", "naive") if name in found}
        steps = said["network"]["steps"]["coverage"]
        return found | {"metrics": {k: v["metrics"] for k, v in said.items()}, "held": (min(steps), max(steps))}


def held(found: list[dict[str, Any]]) -> str:
    """The share of test that the 90% intervals hold, and the least and most of a step."""
    cover = np.mean([one["metrics"]["network"]["coverage of the 90% intervals"] for one in found])
    low, high = (np.mean([one["held"][i] for one in found]) for i in (0, 1))
    return f"{cover:.1%} ({low:.0%} to {high:.0%})"


def longest(found: list[dict[str, Any]]) -> str:
    """Seconds of the longest training."""
    return f"{max(one['seconds'] for one in found):.0f}"


def etth1(given: Any) -> None:
    rows, names = [], [f"{m} of standardised values" for m in ("MSE", "MAE")]
    for network in given.networks.split(","):
        every = []
        for horizon in HORIZONS:
            read = {"horizon": horizon, "split": "360d,120d,120d"}
            how = {"network": network, "metric": "mse", "budget": given.budget}
            found = [trained(data_file("ETTh1.csv"), read, **how, seed=seed) for seed in range(given.seeds)]
            own = [[one["metrics"]["network"][name] for one in found] for name in names]
            ridge = [found[0]["metrics"]["ridge"][name] for name in names]
            every.append((*map(np.mean, own), *ridge))
            gain = spread([ridge[0] - value for value in own[0]], 4)
            alone = f"{ridge[0]:.4f} / {ridge[1]:.4f}"
            rows.append([network, str(horizon), *(spread(v, 4) for v in own), alone, gain, held(found), longest(found)])
            print(" | ".join(rows[-1]), flush=True)
        mean = np.mean(every, 0)
        alone = f"{mean[2]:.4f} / {mean[3]:.4f}"
        rows.append([network, "mean", f"{mean[0]:.4f}", f"{mean[1]:.4f}", alone, f"{mean[2] - mean[0]:+.4f}", "", ""])
    header = ("network", "horizon", "MSE", "MAE", "its ridge alone", "gain in MSE", "90% intervals hold", "seconds")
    note = f"`--split 360d,120d,120d --metric mse --budget {given.budget}`, {given.seeds} seed(s), all windows of test."
    report("Forecasts: ETTh1", header, rows, f"{note} Wanted: means of at most .404 and .423.", given.write)


def prices(given: Any) -> None:
    rows = []
    for name, known in PRICES.items():
        read = {"target": "Price", "horizon": 24, "stride": 24, "context": 336, "split": "rest,364d,728d"}
        read["known"] = known.split(",")
        path, how = unpacked(f"prices/{name}.csv.xz"), {"metric": "mae", "budget": given.budget}
        found = [trained(path, read, **how, seed=seed) for seed in range(given.seeds)]
        shown = [[one["metrics"][who]["mean absolute error"] for one in found] for who in ("network", "ridge", "naive")]
        rows.append([name, *(spread(values, 3) for values in shown), held(found), longest(found)])
        print(" | ".join(rows[-1]), flush=True)
    header = ("market", "MAE", "its ridge alone", "the value a season before", "90% intervals hold", "seconds")
    note = "24 hours from midnight, last 728 days test, trained once. Wanted: at most 1.95 (NP) and 4.07 (DE)."
    report("Forecasts: electricity prices", header, rows, note, given.write)


def m4(given: Any) -> None:
    rows = []
    for which, (horizon, season) in M4.items():
        read = {"horizon": horizon, "series": ["id"], "time": "step", "season": season,
                "split": f"rest,{horizon}steps,{horizon}steps"}  # fmt: skip
        found = [trained(m4_table(which), read, budget=given.budget, seed=seed) for seed in range(given.seeds)]
        for who in ("network", "ridge", "naive"):
            scores = np.array([official(one, who, season) for one in found]).T
            hold = held(found) if who == "network" else ""
            shown = [spread(own.tolist(), 3) for own in scores]
            # The baseline has no interval.
            shown[-1] = "" if who == "naive" else shown[-1]
            rows.append([which, who, *shown, hold, longest(found)])
            print(" | ".join(rows[-1]), flush=True)
    header = ("series", "who", "MASE", "sMAPE, %", "scaled interval score, 95%", "90% intervals hold", "seconds")
    note = (
        "Wanted: MASE of at most 1.15 and 2.63; seasonal naive 1.193 and 2.777, as published (winner .893 and 2.356)."
    )
    report("Forecasts: M4", header, rows, note, given.write)


def official(found: dict[str, Any], who: str, season: int) -> tuple[float, float, float]:
    """MASE, sMAPE in percent and mean scaled interval score at 95%, as M4 has them."""
    task, data, rows = found["run"].network.output.task, found["data"], found["rows"]
    raw, target = found[who]
    line = data.timeline
    values = line.arrange(np.asarray(data.stored_values("value").arrays["value"]))
    said = task.to_units(task.split_answer(raw)[0])[..., 0]
    true = task.to_units(task.split_target(target)[0])[..., 0]
    low, high = (task.to_units(one)[..., 0] for one in np.moveaxis(task.quantiles(raw, (0, 5)), -1, 0))
    scores = []
    for i, place in enumerate(line.place[rows].tolist()):
        past = values[line.first[line.series_of(np.array([place]))[0]] : place]
        scale = abs(past[season:] - past[:-season]).mean()
        beyond = np.maximum(low[i] - true[i], 0) + np.maximum(true[i] - high[i], 0)
        scores.append((abs(said[i] - true[i]).mean() / scale,
                       (200 * abs(said[i] - true[i]) / (abs(said[i]) + abs(true[i]))).mean(),
                       (high[i] - low[i] + 40 * beyond).mean() / scale))  # fmt: skip
    mean = np.mean(scores, 0)
    return float(mean[0]), float(mean[1]), float(mean[2])


def hours(count: int) -> pl.DataFrame:
    """A series with the rhythms of a day and a week, by the hour."""
    rng, hour = np.random.default_rng(0), np.arange(count)
    wave = np.sin(2 * np.pi * hour / 24) + np.sin(2 * np.pi * hour / 168) + 0.3 * rng.normal(size=count)
    return pl.DataFrame({"when": np.datetime64("1900-01-01", "us") + hour * np.timedelta64(3600, "s"), "x": wave})


def windows(given: Any) -> None:
    clock = time.perf_counter
    frame = hours(given.rows)
    began = clock()
    data = pellucid.read(frame, horizon=24, context=168, cache=False)
    split, network = data.split(0), data.network("mlp")
    rows = [["read and parted", f"{clock() - began:.2f} s", f"{sum(map(len, split.parts().values())):,} windows"]]
    before = start_peak()
    began = clock()
    loader = Loader.of(data, network.fields, torch.device("cpu"))
    seconds, more = clock() - began, (peak_memory() - before) / 1e6
    rows.append(
        ["the loader", f"{seconds:.2f} s", f"peak {more:.0f} MB more; the series {8 * given.rows / 1e6:.0f} MB"]
    )
    before = start_peak()
    began = clock()
    order = shuffled_batches(split.train, seed=0, epoch=0, batch_size=128)
    rows.append(["the order of an epoch", f"{clock() - began:.2f} s", f"{len(order):,} batches of 128"])
    began = clock()
    for part in order:
        loader.batch(torch.from_numpy(part))
    seconds, more = clock() - began, (peak_memory() - before) / 1e6
    each = f"{1e6 * seconds / len(split.train):.1f} µs a window, peak {more:.0f} MB more"
    rows.append(["the batches of an epoch", f"{seconds:.1f} s", each])
    # Answers of all windows would be a table of their own.
    some = split.test[: given.rows // 10]
    before = start_peak()
    began = clock()
    raw, _ = predict_raw(network, loader, some)
    seconds, more = clock() - began, (peak_memory() - before) / 1e6
    kept = raw.nbytes / 1e6
    text = f"{len(some) / seconds:,.0f} windows a second, peak {more:.0f} MB more; answers {kept:.0f} MB"
    rows.append([f"answers to {len(some):,} windows", f"{seconds:.1f} s", text])
    note = f"One channel of {given.rows:,} hours, 24 ahead from 168 before, an untrained dense network, one process."
    report("Forecasts: windows", ("what", "took", ""), rows, note, given.write)


def start_peak() -> int:
    """Resident memory of this process in bytes, from which its peak is counted anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_of("VmRSS")


def peak_memory() -> int:
    """The most resident memory since ``start_peak``, in bytes."""
    return memory_of("VmHWM")


def memory_of(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) * 1024


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("what", choices=("etth1", "prices", "m4", "windows"))
    parser.add_argument("--budget", default="2m")
    parser.add_argument("--networks", default="mlp")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the series of windows")
    given = parser.parse_args()
    {"etth1": etth1, "prices": prices, "m4": m4, "windows": windows}[given.what](given)


if __name__ == "__main__":
    main()
