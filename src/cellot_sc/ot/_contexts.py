"""What each context of a problem shows of its response: moments of its cells, their noise, and what is beyond it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from ._adaptive import shrunk
from ._maps.base import TransportMap
from ._maps.context import ContextMap
from ._moments import effective_size, shares_of
from ._problem import Problem

PRIOR_CELLS = 5
"""Cells of the parent that are added to those of a context where noise is estimated."""


@dataclasses.dataclass(frozen=True)
class SideMoments:
    """Moments of the cells of each context on one side.

    Parameters
    ----------
    sizes
        Effective number of cells, shape ``(k,)``.
    means, covariances
        Shapes ``(k, d)`` and ``(k, d, d)``; a context of one cell has a covariance of 0.
    tails
        How much noisier covariances are than those of as many Gaussian cells.
    units
        For each context and unit in it, how far its cells pull the mean, shape ``(d,)``; empty without units.
    """

    sizes: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    tails: float
    units: list[dict[int, np.ndarray]]

    def expected(self, prior: np.ndarray) -> np.ndarray:
        """Return covariances with a few cells of a prior one, which are never all zero."""
        n = np.maximum(self.sizes - 1, 0)[:, None, None]
        return (n * self.covariances + PRIOR_CELLS * prior) / (n + PRIOR_CELLS)

    def noise(self, prior: np.ndarray) -> np.ndarray:
        """Return the sampling variance of every entry of the covariances, shape ``(k, d, d)``."""
        found = self.expected(prior)
        variances = np.diagonal(found, axis1=1, axis2=2)
        gaussian = variances[:, :, None] * variances[:, None, :] + found**2
        return self.tails * gaussian / np.maximum(self.sizes - 1, 0.5)[:, None, None]


@dataclasses.dataclass(frozen=True)
class Level:
    """Contexts with cells on both sides, by the first columns of the codes.

    Parameters
    ----------
    paths
        Codes of each context and of those that it lies in, the outermost first.
    parents
        Position of what each lies in, in the level before; all 0 in the first.
    source, target
        Moments of both sides.
    """

    paths: list[tuple[int, ...]]
    parents: np.ndarray
    source: SideMoments
    target: SideMoments

    @property
    def shifts(self) -> np.ndarray:
        """Differences of the means, shape ``(k, d)``."""
        return self.target.means - self.source.means

    @property
    def weights(self) -> np.ndarray:
        """Share of each context in what is pooled, by how precise its contrast is: the same on both sides."""
        return shares_of(1 / (1 / self.source.sizes + 1 / self.target.sizes))

    def shift_noise(self, source_prior: np.ndarray, target_prior: np.ndarray) -> np.ndarray:
        """Return the sampling variance of the shifts, shape ``(k, d)``: between units where there are some.

        Between units it is that of means over clusters of cells (a sandwich), in which what a unit has on both sides
        cancels out. Few units tell little of it, so that all contexts and dimensions share one design effect: the
        median over contexts of its ratio to the variance between cells, at least 1.
        """
        cells = sum(
            np.diagonal(side.expected(prior), axis1=1, axis2=2) / side.sizes[:, None]
            for side, prior in ((self.source, source_prior), (self.target, target_prior))
        )
        ratios = []
        for ours, theirs, between_cells in zip(self.source.units, self.target.units, cells, strict=True):
            names, zero = {*ours, *theirs}, np.zeros(cells.shape[1])
            if len(names) > 1:
                pulls = np.array([theirs.get(name, zero) - ours.get(name, zero) for name in names])
                ratios.append((pulls**2).sum() * len(names) / (len(names) - 1) / between_cells.sum())
        return cells * max(np.median(ratios), 1.0) if ratios else cells


@dataclasses.dataclass(frozen=True)
class Response:
    """Shifts, and source and target covariances, of contexts: shapes ``(k, d)``, ``(k, d, d)`` and ``(k, d, d)``."""

    shifts: np.ndarray
    source: np.ndarray
    target: np.ndarray


def levels(problem: Problem) -> Iterator[Level]:
    """Yield the contexts of a problem that have cells on both sides, the outermost first."""
    assert problem.source_contexts is not None and problem.target_contexts is not None
    clouds = (problem.source, problem.target)
    codes = [of.reshape(len(of), -1) for of in (problem.source_contexts, problem.target_contexts)]
    weights = [problem.source_weights, problem.target_weights]
    # position of each cell's context in the level before, -1 without one
    own = [
        np.zeros(len(of), dtype=np.int64) if w is None else np.where(w > 0, 0, -1)
        for of, w in zip(codes, weights, strict=True)
    ]
    paths: list[tuple[int, ...]] = [()]
    n_columns = codes[0].shape[1]
    for column in range(n_columns):
        base = 1 + max(int(of[:, column].max()) for of in codes)
        numbers = [
            np.where((before >= 0) & (of[:, column] >= 0), before * base + of[:, column], -1)
            for before, of in zip(own, codes, strict=True)
        ]
        ours, theirs = (number[number >= 0] for number in numbers)
        shared = np.intersect1d(ours, theirs)
        if not shared.size:
            return
        parents, last = np.divmod(shared, base)
        paths = [(*paths[parent], int(code)) for parent, code in zip(parents, last, strict=True)]
        position = np.full(shared.max() + 2, -1)
        position[shared] = np.arange(len(shared))
        # what is beyond the last of the shared, and -1, has none
        own = [position[np.minimum(number, len(position) - 1)] for number in numbers]
        units = [of[:, column + 1] if column + 1 < n_columns else None for of in codes]
        source, target = (_side(*of, len(paths)) for of in zip(clouds, own, weights, units, strict=True))
        yield Level(paths, parents, source, target)


def _side(
    x: np.ndarray, codes: np.ndarray, weights: np.ndarray | None, units: np.ndarray | None, k: int
) -> SideMoments:
    d = x.shape[1]
    sizes, means, covariances = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    pulls: list[dict[int, np.ndarray]] = []
    fourth = gaussian = 0.0
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(k + 1))
    for i in range(k):
        rows = order[ends[i] : ends[i + 1]]
        z = x[rows].astype(np.float64)
        share = None if weights is None else shares_of(weights[rows])
        n = sizes[i] = effective_size(len(rows), share)
        means[i] = z.mean(axis=0) if share is None else share @ z
        z -= means[i]
        weighed = z / n if share is None else z * share[:, None]
        empirical = z.T @ weighed
        covariances[i] = empirical / (1 - 1 / n) if n > 1 else empirical
        squares = np.einsum("nd,nd->n", z, z) ** 2
        fourth += n * ((squares.mean() if share is None else share @ squares) - (empirical**2).sum())
        gaussian += n * (np.trace(empirical) ** 2 + (empirical**2).sum())
        inner = {} if units is None else {u: weighed[units[rows] == u].sum(axis=0) for u in np.unique(units[rows])}
        pulls.append(inner)
    # tails lighter than Gaussian ones are those of few cells
    return SideMoments(sizes, means, covariances, max(fourth / gaussian, 1.0) if gaussian > 0 else 1.0, pulls)


def responses(problem: Problem) -> list[tuple[Level, Response]]:
    """Return what every context does, partially pooled, level by level.

    Shifts, and the entries of the changes of the covariances, are those of the level before (none, in the first) and
    what is measured beyond them, shrunk by :func:`shrunk` in units of the standard deviations within contexts.
    """
    found: list[tuple[Level, Response]] = []
    for level in levels(problem):
        if not found:
            source, target = _pooled(level.source, level.weights), _pooled(level.target, level.weights)
            before = Response(np.zeros((1, problem.n_dims)), source[None], target[None])
            unit = np.sqrt(np.diag(source))
            bend = np.zeros_like(before.source)
        else:
            before = found[-1][1]
            bend = before.target - before.source
        prior = Response(*(of[level.parents] for of in (before.shifts, before.source, before.target)))
        noise = level.shift_noise(prior.source, prior.target)
        shifts = prior.shifts + unit * shrunk((level.shifts - prior.shifts) / unit, noise / unit**2)
        source = _towards(level.source, prior.source)
        bends = bend[level.parents] + _bends(level, prior, bend[level.parents], unit)
        found.append((level, Response(shifts, source, _definite(source, bends))))
    return found


def _pooled(side: SideMoments, weights: np.ndarray) -> np.ndarray:
    """Return the covariance within contexts, shrunk like any other (see ``moments``)."""
    empirical = np.einsum("k,kij->ij", weights, side.covariances)
    d = len(empirical)
    scale = np.trace(empirical) / d
    gaussian = side.tails * (np.trace(empirical) ** 2 + (empirical**2).sum())
    noise = gaussian * (weights**2 / np.maximum(side.sizes - 1, 0.5)).sum()
    spread = (empirical**2).sum() - d * scale**2
    kept = max(1 - noise / spread, 0.0) if spread > 0 else 0.0
    ridge = 1e-5 * scale if scale > 0 else 1.0
    return kept * empirical + ((1 - kept) * scale + ridge) * np.eye(d)


def _towards(side: SideMoments, prior: np.ndarray) -> np.ndarray:
    """Return covariances shrunk towards prior ones, as far as contexts are no further from these than noise makes them.

    How far they really are is the mean over contexts of the squared distance less its noise, each with the precision
    that it has then.
    """
    noise = side.noise(prior).sum(axis=(1, 2))
    squares = ((side.covariances - prior) ** 2).sum(axis=(1, 2))
    real = max(float((squares - noise).mean()), 0.0)
    for _ in range(100):
        precision = 1 / (real + noise) ** 2
        last, real = real, max(float(precision @ (squares - noise) / precision.sum()), 0.0)
        if abs(real - last) <= 1e-6 * last:
            break
    kept = (real / (real + noise))[:, None, None]
    return prior + kept * (side.covariances - prior)


def _bends(level: Level, prior: Response, bend: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return what changes of the covariances there are beyond the prior ones, each entry shrunk."""
    d = len(unit)
    scale, entries = np.outer(unit, unit), np.triu_indices(d)
    noise = level.source.noise(prior.source) + level.target.noise(prior.target)
    measured = level.target.covariances - level.source.covariances - bend
    upper = (slice(None), *entries)
    estimates = np.zeros_like(measured)
    estimates[upper] = shrunk((measured / scale)[upper], (noise / scale**2)[upper])
    estimates = estimates + np.triu(estimates, 1).swapaxes(1, 2)
    return estimates * scale


def _definite(source: np.ndarray, bends: np.ndarray, least: float = 0.02) -> np.ndarray:
    """Return source plus bend, with no variance below a share of what it was: entries alone do not see to that."""
    out = np.empty_like(source)
    for i, (before, bend) in enumerate(zip(source, bends, strict=True)):
        half = np.linalg.cholesky(before)
        whitened = np.linalg.solve(half, np.linalg.solve(half, before + bend).T)
        values, vectors = np.linalg.eigh((whitened + whitened.T) / 2)
        root = half @ (vectors * np.sqrt(np.maximum(values, least)))
        out[i] = root @ root.T
    return out


def context_map(
    problem: Problem, parent: TransportMap, found: Sequence[tuple[Level, Sequence[TransportMap]]]
) -> TransportMap:
    """Return the map of all contexts, those within others in the maps of these.

    Parameters
    ----------
    problem
        Problem with contexts.
    parent
        Map of cells without a context.
    found
        For every level, the map of each context.
    """
    names = problem.context_names
    assert names is not None
    tree: dict[tuple[int, ...], TransportMap] = {(): parent}
    for level, maps in found:
        tree |= dict(zip(level.paths, maps, strict=True))
    # the innermost first, since maps are held by those that they lie in
    for level, _ in reversed(found):
        for path in dict.fromkeys(path[:-1] for path in level.paths):
            inner = [other for other in level.paths if other[:-1] == path]
            tree[path] = ContextMap(tree[path], [tree[p] for p in inner], [names[len(path)][p[-1]] for p in inner])
    return tree[()]
