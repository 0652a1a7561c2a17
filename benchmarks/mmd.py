"""MMD and energy distance: seconds and agreement beside sklearn and scipy, and the memory that many cells take."""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import chi, ncx2
from sklearn.metrics.pairwise import rbf_kernel

from cellot_sc import metrics

from . import _output

GIB = 2**30
LIMIT = 4.0
"""GiB that the largest clouds may take, all in all."""
QUICKER = 5.0
"""How many times as quick as sklearn's kernels a gamma has to be."""
CLOSE = 1e-5
"""Relative difference that is allowed."""


def run(argv: Sequence[str]) -> int:
    """Measure, write the tables, and return 1 if a limit is missed."""
    parser = _output.parser("mmd", __doc__)
    parser.add_argument("--cells", type=int, default=100_000, help="in each of the largest clouds")
    parser.add_argument("--peer-cells", type=int, default=5000, help="in each cloud where others are compared with")
    parser.add_argument("--dims", type=int, default=50)
    parser.add_argument("--gammas", type=int, default=50, help="kernels where others are compared with")
    parser.add_argument("--repetitions", type=int, default=3, help="of which the quickest counts")
    given = parser.parse_args(argv)
    beside = _beside_peers(given)
    large = _large_clouds(given)
    notes = [
        f"Normal clouds in {given.dims} dimensions, one shifted. Times are the quickest of {given.repetitions}, "
        "compilation not included; of the largest clouds of one call, all included. Allowed: a relative difference of "
        f"{CLOSE:g}, no less than {QUICKER:g} times as quick per gamma, {LIMIT:g} GiB. Expected values are those of "
        "the distributions, in closed form."
    ]
    tables = {"Beside sklearn and scipy": beside, "Many cells": large}
    _output.write("mmd", given.out, tables, notes)
    missed = (beside["largest relative difference"] > CLOSE).any() or (large["peak, GiB"] > LIMIT).any()
    return int(missed or beside["quicker by"].iloc[0] < QUICKER)


def clouds(n_cells: int, n_dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two normal clouds of unit variance, the second shifted by one in all."""
    x, y = np.random.default_rng(0).normal(size=(2, n_cells, n_dims))
    return x, y + n_dims**-0.5


def _beside_peers(given: argparse.Namespace) -> pd.DataFrame:
    x, y = clouds(given.peer_cells, given.dims)
    gammas = np.logspace(1, -3, given.gammas)

    def ours() -> float:
        return metrics.mmd(x, y, gamma=gammas, unbiased=False)

    def theirs() -> np.ndarray:
        return np.array(
            [rbf_kernel(x, x, g).mean() + rbf_kernel(y, y, g).mean() - 2 * rbf_kernel(x, y, g).mean() for g in gammas]
        )

    n = len(x)

    def energy_by_scipy() -> float:
        within = (cdist(x, x).sum() + cdist(y, y).sum()) / (n * (n - 1))
        return 2 * cdist(x, y).mean() - within

    (seconds, value), (seconds_of_energy, energy) = (
        _best(function, given.repetitions) for function in (ours, lambda: metrics.energy_distance(x, y))
    )
    # the others are slow: once will do
    (of_sklearn, by_gamma), (of_scipy, energy_expected) = _best(theirs, 1), _best(energy_by_scipy, 1)
    per_gamma = np.array([metrics.mmd(x, y, gamma=g, unbiased=False) for g in gammas])
    apart = float(np.abs(np.append(per_gamma / by_gamma, value / by_gamma.mean()) - 1).max())
    rows = [
        _row(f"MMD, {len(gammas)} gammas", n, seconds, of_sklearn, len(gammas), apart),
        _row("energy distance", n, seconds_of_energy, of_scipy, 1, abs(energy / energy_expected - 1)),
    ]
    return pd.DataFrame(rows)


def _row(what: str, n: int, ours: float, theirs: float, n_gammas: int, apart: float) -> dict[str, object]:
    return {
        "what": what,
        "cells": f"{n:,} x {n:,}",
        "ms per gamma": 1e3 * ours / n_gammas,
        "others, ms per gamma": 1e3 * theirs / n_gammas,
        "quicker by": theirs / ours,
        "largest relative difference": apart,
    }


def _best[T](function: Callable[[], T], repetitions: int) -> tuple[float, T]:
    """Return the seconds of the quickest of several calls, the first of which compiles, and the value."""
    value = function() if repetitions > 1 else None
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        value = function()
        seconds.append(time.perf_counter() - start)
    assert value is not None
    return min(seconds), value


def _large_clouds(given: argparse.Namespace) -> pd.DataFrame:
    rows = []
    for what in ("MMD, 5 median gammas", "energy distance"):
        # a process of its own for each, as the peak is that of the whole life of one
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            kernels = what != "energy distance"
            seconds, peak, value, expected = pool.submit(_large, given.cells, given.dims, kernels).result()
        row = {"what": what, "cells": f"{given.cells:,} x {given.cells:,}", "seconds": seconds, "peak, GiB": peak / GIB}
        rows.append(row | {"value": value, "expected": expected})
        print(f"{what}: {seconds:.0f} s, {peak / GIB:.2f} GiB", flush=True)
    return pd.DataFrame(rows)


def _large(n_cells: int, n_dims: int, kernels: bool) -> tuple[float, int, float, float]:
    """Return seconds, peak memory of this process in bytes, the value, and the one that is expected."""
    x, y = clouds(n_cells, n_dims)
    start = time.perf_counter()
    value = metrics.mmd(x, y) if kernels else metrics.energy_distance(x, y)
    seconds = time.perf_counter() - start
    expected = _expected_mmd(metrics.median_gammas(x, y), n_dims) if kernels else _expected_energy(n_dims)
    # kilobytes, but on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, value, expected


def _expected_mmd(gammas: np.ndarray, n_dims: int) -> float:
    """Return the squared MMD of the distributions: differences of cells are normal with a variance of two."""
    within = (1 + 4 * gammas) ** (-n_dims / 2)
    return float(np.mean(2 * within * (1 - np.exp(-gammas / (1 + 4 * gammas)))))


def _expected_energy(n_dims: int) -> float:
    """Return the energy distance of the distributions, by the mean length of a normal vector and of a shifted one."""
    root_two = np.sqrt(2.0)
    within = root_two * chi.mean(n_dims)
    between = root_two * ncx2.expect(np.sqrt, args=(n_dims, 0.5))
    return float(2 * (between - within))
