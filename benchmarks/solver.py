"""All solvers in turn on the same cells: distance of transported to observed test cells, and the seconds it took."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

import cellot_sc as cs
from cellot_sc import ot
from cellot_sc.metrics import energy_distance, median_gammas, mmd

from ._machine import describe
from ._problems import SETS, Task

SOLVERS = ("identity", "mean_shift", "gaussian", "entropic", "icnn")
MIN_CELLS = 10
N_BOOTSTRAP = 200


def run(arguments: list[str]) -> None:
    """Print a table per data set, and write it as JSON and Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks solver", description=__doc__)
    parser.add_argument("--data", nargs="*", choices=list(SETS), default=list(SETS), help="data sets")
    parser.add_argument("--solvers", nargs="*", default=list(SOLVERS), help="names in cellot_sc.ot.SOLVERS")
    parser.add_argument("--seeds", type=int, default=3, help="splits and fits per data set")
    parser.add_argument("--out", type=Path, help="folder for solver.json and solver.md")
    given = parser.parse_args(arguments)
    cs.settings.verbosity = "warning"
    rows = [row for name in given.data for seed in range(given.seeds) for row in _scored(name, seed, given.solvers)]
    table = pd.DataFrame(rows)
    text = f"{describe()}\n\n" + "\n\n".join(_markdown(name, part) for name, part in table.groupby("data", sort=False))
    print(text)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "solver.json").write_text(json.dumps(rows, indent=1))
        (given.out / "solver.md").write_text(text + "\n")


def _scored(data: str, seed: int, solvers: list[str]) -> list[dict[str, object]]:
    tasks = list(SETS[data](seed))
    rows: list[dict[str, object]] = []
    for solver in solvers:
        # problems of one call share a space: cell lines, or pairs of times, are represented apart
        start = time.perf_counter()
        fits = [ot.fit([task.problem], solver, seed=seed)[0] for task in tasks]
        seconds = (time.perf_counter() - start) / len(tasks)
        for task, fit in zip(tasks, fits, strict=True):
            moved = fit.map.transport(task.source)
            scores = _scores(task, moved, task.source_types)
            rows.append({"data": data, "task": task.name, "seed": seed, "solver": solver, "seconds": seconds, **scores})
    for task in tasks:
        # the ceiling: as many treated train cells as there are control test cells
        rng = np.random.default_rng(seed)
        sample = rng.permutation(len(task.problem.target))[: len(task.source)]
        scores = _scores(task, task.problem.target[sample], None)
        rows.append({"data": data, "task": task.name, "seed": seed, "solver": "observed", "seconds": 0.0, **scores})
    return rows


def _scores(task: Task, moved: np.ndarray, types: np.ndarray | None) -> dict[str, float]:
    gammas = median_gammas(task.target, task.target)
    scores = {"E": energy_distance(moved, task.target), "MMD": mmd(moved, task.target, gamma=gammas)}
    if types is None:
        return scores | {"E/type": float("nan")}
    common = [
        kind
        for kind in np.unique(task.target_types)
        if min((types == kind).sum(), (task.target_types == kind).sum()) >= MIN_CELLS
    ]
    within = [energy_distance(moved[types == kind], task.target[task.target_types == kind]) for kind in common]
    return scores | {"E/type": float(np.mean(within))}


def _markdown(data: str, table: pd.DataFrame) -> str:
    """Return means over tasks and seeds with bootstrap intervals over both, and paired differences to the default."""
    metrics = ["E", "MMD", "E/type"]
    wide = table.set_index(["task", "seed", "solver"])[metrics].unstack("solver")
    rng = np.random.default_rng(0)
    draws = rng.integers(len(wide), size=(N_BOOTSTRAP, len(wide)))
    lines = [
        f"### {data}: {table['task'].nunique()} tasks x {table['seed'].nunique()} seeds",
        "",
        "| map | seconds a fit | " + " | ".join(f"{m} | {m}: icnn less this" for m in metrics) + " |",
        "|---|---|" + "---|---|" * len(metrics),
    ]
    for solver in table["solver"].unique():
        cells = [f"{table.loc[table['solver'] == solver, 'seconds'].mean():.1f}"]
        for metric in metrics:
            values = wide[metric][solver].to_numpy()
            cells.append(f"{values.mean():.4f}")
            if "icnn" not in wide[metric] or solver in ("icnn", "observed"):
                cells.append("")
                continue
            difference = wide[metric]["icnn"].to_numpy() - values
            low, high = np.percentile(difference[draws].mean(axis=1), [2.5, 97.5])
            cells.append(f"{difference.mean():+.4f} ({low:+.4f} to {high:+.4f})")
        lines.append(f"| {solver} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
