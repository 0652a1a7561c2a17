"""Weights without labels: how much cells count so that kinds of cells are equally abundant in two clouds."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.cluster.vq import kmeans2, vq
from scipy.stats import chi2

from .._arrays import dense
from .._chunks import chunks
from ._composition import CAP, LEVEL
from ._moments import CellCloud, rows_of, shares_of
from ._problem import Problem
from ._solvers.gaussian import cautious_gaussian_map

MIN_CELLS = 100
"""Train cells of either side below which nothing is weighed."""
MAX_CELLS = 1500
"""Cells of either side that are coupled, at most: a random sample of larger clouds."""
N_CLUSTERS = (8, 15, 25)
"""Clusters of either side, in three clusterings."""
N_STARTS = 3
"""Starts of a clustering, of which the tightest is kept."""
MAX_MOVES = 10
"""How often the centres of clusters are moved."""
EPSILON = 0.02
"""Strength of the entropic regularisation, in units of the mean squared distance between source cells."""
PENALTY = 0.2
"""Penalty of marginals that differ from their prior, in the same units."""
ROUNDS = 4
"""How often clouds are coupled, each time with the weights found so far."""
SETTLED = 0.005
"""Root mean square of what a round adds to the logarithms of weights, below which it is the last."""
LEAST = 0.1
"""Root mean square of the logarithms of weights below which abundance is taken to be equal."""
SHIFTS = 3
"""How often clouds are coupled to find the shift that cells have in common."""
LEAST_SHARE = 1e-3
"""What a cluster keeps of its mass at least."""
MAX_ITERATIONS = 200
TOLERANCE = 1e-3
TINY = 1e-300


@dataclass(frozen=True)
class _Side:
    """Coupled cells of one cloud, the share of each, and the centres of their clusters, of every clustering."""

    cells: np.ndarray
    prior: np.ndarray
    centres: list[np.ndarray]

    @cached_property
    def members(self) -> list[np.ndarray]:
        """Which cells are in which cluster, of every clustering, shape ``(n_cells, n_clusters)``."""
        return [np.eye(len(each))[vq(self.cells, each)[0]] for each in self.centres]

    def logs(self, tables: list[np.ndarray]) -> np.ndarray:
        """Return the logarithms of the weights of cells: the mean over the clusters that each is in."""
        return np.mean([of @ table for of, table in zip(self.members, tables, strict=True)], axis=0)

    def shares(self, tables: list[np.ndarray]) -> np.ndarray:
        """Return the share of every cell."""
        return shares_of(self.prior * np.exp(self.logs(tables)))

    def spread(self, tables: list[np.ndarray]) -> float:
        """Return the variance of the logarithms of weights."""
        logs = self.logs(tables)
        return float(self.prior @ (logs - self.prior @ logs) ** 2)

    def weights(self, tables: list[np.ndarray], cells: CellCloud) -> np.ndarray:
        """Return the weights of any cells of this cloud."""
        if not len(cells):
            return np.empty(0)
        if not isinstance(cells, np.ndarray):
            return np.concatenate([self.weights(tables, dense(few)) for _, few in chunks(cells)])
        cells = cells.astype(np.float64)
        found = [table[vq(cells, each)[0]] for each, table in zip(self.centres, tables, strict=True)]
        return np.exp(np.clip(np.mean(found, axis=0), -np.log(CAP), np.log(CAP)))


def matched(problem: Problem, *, seed: int = 0) -> Problem:
    """Return a problem with kinds of cells equally abundant on both sides, as far as is seen without labels.

    Clouds are coupled with marginals that need only be near what they are (Chizat et al. 2018, doi
    10.1090/mcom/3303), and the mass that clusters of either side lose or gain there is averaged over three clusterings.
    What counts as a change of abundance is what both sides say: where a kind of cells has become rare, its source
    cells have too much mass, and the treated cells that they are coupled to too little. Cells that have changed their
    state have no counterpart: both sides have too much, and nothing is weighed. This is repeated with the weights
    found, and then anew with source cells that a Gaussian map with these weights has moved, instead of a shift. Nothing
    is weighed unless the second weights differ by more than :data:`LEAST`, beyond chance; the larger of both counts
    where they agree in sign.

    Parameters
    ----------
    problem
        Two clouds, without contexts.
    seed
        Seed of clusterings and of samples of large clouds.

    Returns
    -------
    The problem with weights, times those that it had; or the problem itself.
    """
    pairs = (problem.source, problem.source_weights), (problem.target, problem.target_weights)
    positive = [len(cells) if weights is None else int((weights > 0).sum()) for cells, weights in pairs]
    if min(positive) < MIN_CELLS:
        return problem
    sides = [_side(*pair, seed) for pair in pairs]
    tables = _tables(*sides)
    if tables is None:
        return problem
    given: dict[str, Any] = {}
    for side, found, name in zip(sides, tables, ("source", "target"), strict=True):
        for cloud in (name, f"{name}_valid"):
            weights, prior = side.weights(found, getattr(problem, cloud)), getattr(problem, f"{cloud}_weights")
            given[f"{cloud}_weights"] = weights if prior is None else weights * prior
    return replace(problem, **given)


def _side(cells: CellCloud, weights: np.ndarray | None, seed: int) -> _Side:
    """Return the cells of a cloud that are coupled, and their clusterings."""
    rng = np.random.default_rng(seed)
    rows = np.arange(len(cells)) if weights is None else np.flatnonzero(weights > 0)
    if len(rows) > MAX_CELLS:
        rows = np.sort(rng.choice(rows, MAX_CELLS, replace=False))
    chosen = rows_of(cells, rows).astype(np.float64)
    prior = shares_of(np.ones(len(rows)) if weights is None else weights[rows])
    return _Side(chosen, prior, [_centres(chosen, k, rng) for k in N_CLUSTERS])


def _centres(cells: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Return the centres of at most so many clusters, by k-means++ (Arthur and Vassilvitskii 2007)."""
    found = [_started(cells, k, rng) for _ in range(N_STARTS)]
    return min(found, key=lambda centres: float((vq(cells, centres)[1] ** 2).sum()))


def _started(cells: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Return centres from one random start."""
    centres = cells[[rng.integers(len(cells))]]
    nearest = ((cells - centres) ** 2).sum(axis=1)
    while len(centres) < k and nearest.any():
        new = cells[rng.choice(len(cells), p=nearest / nearest.sum())]
        centres = np.vstack([centres, new])
        nearest = np.minimum(nearest, ((cells - new) ** 2).sum(axis=1))
    with warnings.catch_warnings():
        # a cluster that has lost its cells keeps its centre
        warnings.simplefilter("ignore", UserWarning)
        return kmeans2(cells, centres, iter=MAX_MOVES, minit="matrix")[0]


def _tables(source: _Side, target: _Side) -> list[list[np.ndarray]] | None:
    """Return the logarithms of the weights of clusters of both sides, or ``None`` where abundance does not differ."""
    unit = 2 * source.cells.var(axis=0).sum()
    if unit <= 0:
        return None
    first = _estimated(source, target, _shifted(source, target, unit), unit)
    if not _differs(source, target, first):
        return None
    weights = [side.shares(tables) for side, tables in zip((source, target), first, strict=True)]
    transport = cautious_gaussian_map(source.cells, target.cells, *weights)
    moved = (source.cells - transport.source_mean) @ transport.matrix + transport.target_mean
    second = _estimated(source, target, moved, unit)
    if not _differs(source, target, second):
        return None
    return [[_larger(*pair) for pair in zip(*tables, strict=True)] for tables in zip(first, second, strict=True)]


def _differs(source: _Side, target: _Side, tables: list[list[np.ndarray]]) -> bool:
    """Return whether weights differ from 1 by more than the least, and by more than shares of samples differ."""
    noise = (1 / len(source.cells) + 1 / len(target.cells)) / 4
    chance = chi2.isf(LEVEL, N_CLUSTERS[0] - 1) * noise
    return max(source.spread(tables[0]), target.spread(tables[1])) > max(LEAST**2, chance)


def _larger(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the larger of two numbers of the same sign, 0 for others."""
    return np.where(a * b > 0, np.where(np.abs(a) > np.abs(b), a, b), 0.0)


def _smaller(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the smaller of two numbers of the same sign, 0 for others."""
    return np.where(a * b > 0, np.where(np.abs(a) < np.abs(b), a, b), 0.0)


def _shifted(source: _Side, target: _Side, unit: float) -> np.ndarray:
    """Return source cells, shifted by what cells that have a counterpart have in common."""
    a, b = source.prior, target.prior
    moved, heights = source.cells, None
    for _ in range(SHIFTS):
        moved = source.cells + (b @ target.cells - a @ source.cells)
        plan, heights = _coupling(_kernel(moved, target.cells, unit), source.prior, target.prior, heights)
        a, b = plan.sum(axis=1), plan.sum(axis=0)
    return moved


def _estimated(source: _Side, target: _Side, moved: np.ndarray, unit: float) -> list[list[np.ndarray]]:
    """Return the logarithms of the weights of clusters, given where source cells are among target cells."""
    sides, kernel, heights = (source, target), _kernel(moved, target.cells, unit), None
    tables = [[np.zeros(len(each)) for each in side.centres] for side in sides]
    for _ in range(ROUNDS):
        a, b = (side.shares(of) for side, of in zip(sides, tables, strict=True))
        plan, heights = _coupling(kernel, a, b, heights)
        changes: list[list[np.ndarray]] = [[], []]
        for ours, theirs in zip(source.members, target.members, strict=True):
            for found, change in zip(changes, _reciprocal(ours.T @ plan @ theirs, a @ ours, b @ theirs), strict=True):
                found.append(change)
        tables = [[t + c for t, c in zip(*pair, strict=True)] for pair in zip(tables, changes, strict=True)]
        if max(side.spread(change) for side, change in zip(sides, changes, strict=True)) < SETTLED**2:
            break
    return tables


def _reciprocal(plan: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what clusters gain in mass, as logarithms, as far as those that they are coupled to lose as much."""
    sent, received = plan.sum(axis=1), plan.sum(axis=0)
    ours = np.log(np.maximum(sent / np.maximum(a, TINY), LEAST_SHARE))
    theirs = np.log(np.maximum(received / np.maximum(b, TINY), LEAST_SHARE))
    partners = (plan / np.maximum(sent, TINY)[:, None]) @ theirs, (plan / np.maximum(received, TINY)).T @ ours
    return _smaller(ours, -partners[0]), _smaller(theirs, -partners[1])


def _kernel(x: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
    """Return exp(-|x - y|^2 / epsilon) of all pairs."""
    x, y = x - y.mean(axis=0), y - y.mean(axis=0)
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    return np.exp(-np.maximum(squares, 0) / (EPSILON * unit))


def _coupling(
    kernel: np.ndarray, a: np.ndarray, b: np.ndarray, heights: tuple[np.ndarray, np.ndarray] | None
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the unbalanced coupling of two clouds, of mass 1, and the scalings from which the next one may start.

    NaN where no cell is near any of the other cloud: that says nothing of abundance.
    """
    power = PENALTY / (PENALTY + EPSILON)
    u, v = (np.ones(len(a)), np.ones(len(b))) if heights is None else heights
    for _ in range(MAX_ITERATIONS):
        before = u
        # products with a vector are bound by memory: BLAS would keep every core busy without being faster
        u = (a / np.maximum(np.einsum("ij,j->i", kernel, v), TINY)) ** power
        v = (b / np.maximum(np.einsum("ij,i->j", kernel, u), TINY)) ** power
        # a ratio beyond what floats hold is no small change
        with np.errstate(divide="ignore", over="ignore"):
            settled = np.abs(np.log(u / before)).max() < TOLERANCE
        if settled:
            break
    plan = u[:, None] * kernel * v
    with np.errstate(invalid="ignore"):
        return plan / plan.sum(), (u, v)
