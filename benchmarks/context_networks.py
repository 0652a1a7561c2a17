"""The default solver with contexts beside the affine maps it starts from, fitted to the same cells: E/type, identity.

Shifted sets have odd types of treated and even types of control train cells thinned to a quarter. In the large set, of
five types, cells on one side of a plane within their type respond and others hardly do: no affine map is right there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.stats import mode
from sklearn.neighbors import NearestNeighbors

import cellot_sc as cs
from cellot_sc import ot

from . import _context_models, _output
from ._context_models import VALID_SHARE, problem_of
from ._context_problems import ContextTask, Side, chi11, kang, shifted, simulated

SETS = ("simulated", "large", "chi11", "kang")
LARGE = (4_000, 15_000, 40_000)
"""Train cells of the large set, of both sides together."""
NEIGHBOURS = 15


def run(argv: Sequence[str]) -> int:
    """Fit and judge, and write the tables."""
    parser = _output.parser("context-networks", __doc__)
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--pooled", action="store_true", help="also fit the default without contexts")
    given = parser.parse_args(argv)
    cs.settings.verbosity = "warning"
    rows = pd.DataFrame(
        row
        for name in given.data
        for seed in range(given.splits)
        for label, task in tasks(name, seed)
        for row in judged(label, seed, task, pooled=given.pooled)
    )
    kinds = rows["set"].str.replace("chi11 [AGLT]", "chi11", regex=True)
    by_split = rows.assign(set=kinds).groupby(["set", "split", "model"], sort=False).mean(numeric_only=True)
    found = {
        title: by_split[value].groupby(["set", "model"], sort=False).mean().unstack("model").reset_index()
        for title, value in (("E/type", "E"), ("Share of cells that keep their type", "kept"), ("CPU seconds", "cpu"))
    }
    wide = by_split["E"].unstack("model")
    apart = (wide["default"] - wide["group_gaussian"]).groupby("set", sort=False)
    found["E/type of the default less that of group_gaussian"] = pd.DataFrame(
        {"mean": apart.mean(), "standard error": apart.sem(), "least": apart.min(), "most": apart.max()}
    ).reset_index()
    _output.write("context-networks", given.out, found)
    return 0


def tasks(name: str, seed: int) -> Iterator[tuple[str, ContextTask]]:
    """Yield the problems of a set."""
    if name == "chi11":
        for stimulus, kind, task in chi11(seed):
            yield f"chi11 {stimulus} {kind}", task
    elif name == "kang":
        yield "kang", kang(seed)
    elif name == "simulated":
        yield "simulated shifted", shifted(simulated(seed), np.random.default_rng(seed))
    else:
        for n_cells in LARGE:
            yield f"large {n_cells:,}", large(seed, n_cells)


def large(seed: int, n_cells: int, n_dims: int = 30, n_types: int = 5) -> ContextTask:
    """Types of which a part of the cells responds."""
    rng = np.random.default_rng(seed)
    scales = 2 * np.arange(1, n_dims + 1) ** -0.5
    means, shifts = rng.normal(size=(2, n_types, n_dims)) * [[[2.0]], [[2.4]]] * scales
    sides = rng.normal(size=(n_types, n_dims))
    sides /= np.linalg.norm(sides * scales, axis=1, keepdims=True)
    limits = rng.uniform(-0.7, 0.7, n_types)

    def draw(n: int, *, treated: bool) -> Side:
        types = rng.integers(n_types, size=n)
        apart = rng.normal(size=(n, n_dims)) * scales
        responds = 1 / (1 + np.exp(-6 * ((apart * sides[types]).sum(1) - limits[types])))
        cells = means[types] + apart + treated * responds[:, None] * shifts[types]
        return Side(cells.astype(np.float32), types, np.zeros(n, dtype=int))

    train = (draw(n_cells // 2, treated=treated) for treated in (False, True))
    test = (draw(3000, treated=treated) for treated in (False, True))
    return ContextTask("large", [str(k) for k in range(n_types)], *train, *test)


def judged(label: str, seed: int, task: ContextTask, *, pooled: bool) -> Iterator[dict[str, object]]:
    """Yield how well each model does in each context with enough test cells, and how many cells keep their type."""
    problem, test = problem_of(task, valid_share=VALID_SHARE), task.source_test
    fits = {"group_gaussian": ("group_gaussian", problem), "default": ("icnn", problem)}
    if pooled:
        fits["pooled default"] = ("icnn", problem.pooled)
    predicted, cpu = {"observed": task.target_test}, {}
    for model, (solver, given) in fits.items():
        start = time.process_time()
        fitted = ot.fit([given], solver)[0].map
        cpu[model] = time.process_time() - start
        predicted[model] = test.moved(fitted.transport(test.cells, np.array(task.contexts)[test.contexts]))
    kept = {model: _kept(task, side) for model, side in predicted.items()}
    for row in _context_models.judged(task, predicted):
        name, model = str(row["context"]), str(row["model"])
        if model == "observed":
            row["E"] = np.nan
        yield {"set": label, "split": seed, "kept": kept[model][name], "cpu": cpu.get(model, np.nan)} | row


def _kept(task: ContextTask, side: Side) -> dict[str, float]:
    """Return the share of cells of each type whose neighbours among treated train cells are mostly of that type."""
    near = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(task.target.cells)
    votes = mode(task.target.contexts[near.kneighbors(side.cells, return_distance=False)], axis=1).mode
    found = [(name, side.contexts == k) for k, name in enumerate(task.contexts)]
    return {name: float((votes[of] == side.contexts[of]).mean()) for name, of in found if of.any()}
