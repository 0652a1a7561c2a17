"""What each context of a problem shows of its response: moments of its cells, their noise, and what is beyond it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Self

import numpy as np

from ._adaptive import shrunk
from ._maps.base import TransportMap
from ._maps.context import ContextMap
from ._moments import GroupMoments, shares_of
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


class Parts(NamedTuple):
    """The groups of cells that no level of contexts divides further, of which all moments are made.

    Parameters
    ----------
    paths
        Codes of each on all levels, -1 where there is none: shape ``(k, n_levels)``.
    source, target
        Moments of the cells of each on both sides.
    """

    paths: np.ndarray
    source: GroupMoments
    target: GroupMoments

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Return the groups of a problem with contexts, in one pass over its cells."""
        sides = (problem.source_contexts, problem.target_contexts)
        codes = np.concatenate([np.atleast_2d(of.T).T for of in sides if of is not None])
        paths, groups = np.empty((1, 0), dtype=np.int64), np.zeros(len(codes), dtype=np.int64)
        for column in codes.T:
            base = int(column.max()) + 2
            groups = groups * base + column + 1
            seen = np.zeros(len(paths) * base, dtype=bool)
            seen[groups] = True
            before, last = np.divmod(np.flatnonzero(seen), base)
            paths = np.column_stack([paths[before], last - 1])
            groups = (np.cumsum(seen) - 1)[groups]
        ours, theirs = np.split(groups, [len(problem.source)])
        return cls(
            paths,
            GroupMoments.of(problem.source, ours, len(paths), problem.source_weights),
            GroupMoments.of(problem.target, theirs, len(paths), problem.target_weights),
        )


def levels(parts: Parts) -> Iterator[Level]:
    """Yield the contexts that have cells on both sides, the outermost first."""
    before: dict[tuple[int, ...], int] = {(): 0}
    n_levels = parts.paths.shape[1]
    for depth in range(1, n_levels + 1):
        rows: dict[tuple[int, ...], list[int]] = {}
        for row, path in enumerate(map(tuple, parts.paths[:, :depth].tolist())):
            if min(path) >= 0:
                rows.setdefault(path, []).append(row)
        clouds = (parts.source, parts.target)
        paths = sorted(path for path, of in rows.items() if all(cloud.masses[of].any() for cloud in clouds))
        if not paths:
            return
        units = parts.paths[:, depth] if depth < n_levels else None
        source, target = (_side(cloud, [np.array(rows[path]) for path in paths], units) for cloud in clouds)
        yield Level(paths, np.array([before[path[:-1]] for path in paths]), source, target)
        before = {path: i for i, path in enumerate(paths)}


def _side(cloud: GroupMoments, members: Sequence[np.ndarray], units: np.ndarray | None) -> SideMoments:
    """Return the moments of contexts, each of some groups, of which the unit is given."""
    of = GroupMoments.stacked(cloud.at(rows).mixed() for rows in members)
    sizes, squares = of.sizes, (of.covariances**2).sum(axis=(1, 2))
    fourth = sizes @ (of.fourths - squares)
    gaussian = sizes @ (np.trace(of.covariances, axis1=1, axis2=2) ** 2 + squares)
    few = np.where(sizes > 1, 1 - 1 / sizes, 1)
    pulls: list[dict[int, np.ndarray]] = []
    for rows, mean in zip(members, of.means, strict=True):
        pull = shares_of(cloud.masses[rows])[:, None] * (cloud.means[rows] - mean)
        theirs = np.zeros(0) if units is None else np.where(cloud.masses[rows] > 0, units[rows], -2)
        pulls.append({int(u): pull[theirs == u].sum(axis=0) for u in np.unique(theirs) if u > -2})
    # tails lighter than Gaussian ones are those of few cells
    tails = max(fourth / gaussian, 1.0) if gaussian > 0 else 1.0
    return SideMoments(sizes, of.means, of.covariances / few[:, None, None], tails, pulls)


def responses(parts: Parts, n_levels: int | None = None) -> list[tuple[Level, Response]]:
    """Return what every context does, partially pooled, level by level: of all levels, or of the first.

    Shifts, and the entries of the changes of the covariances, are those of the level before (none, in the first) and
    what is measured beyond them, shrunk by :func:`shrunk` in units of the standard deviations within contexts.
    """
    found: list[tuple[Level, Response]] = []
    for level in itertools.islice(levels(parts), n_levels):
        if not found:
            source, target = _pooled(level.source, level.weights), _pooled(level.target, level.weights)
            before = Response(np.zeros((1, len(source))), source[None], target[None])
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
    out = source + bends
    for i, (before, after) in enumerate(zip(source, out, strict=True)):
        # most need no decomposition: a matrix without a root is not definite
        with suppress(np.linalg.LinAlgError):
            np.linalg.cholesky(after - least * before)
            continue
        half = np.linalg.cholesky(before)
        whitened = np.linalg.solve(half, np.linalg.solve(half, after).T)
        values, vectors = np.linalg.eigh((whitened + whitened.T) / 2)
        root = half @ (vectors * np.sqrt(np.maximum(values, least)))
        out[i] = root @ root.T
    return out


class Deviations(NamedTuple):
    """Standard deviations of what contexts do beyond what is predicted, by their codes.

    Parameters
    ----------
    seen
        Of each context: the error of its estimate, shape ``(d,)``.
    unseen
        Of one more within each outer context: how far contexts differ, net of noise, and the error of their mean.
    """

    seen: dict[tuple[int, ...], np.ndarray]
    unseen: dict[tuple[int, ...], np.ndarray]


def deviations(measured: Sequence[tuple[Level, Response]]) -> Deviations:
    """Return how far the mean shifts of contexts, seen and not, lie from what is predicted of them.

    The variance between contexts, net of noise, is that around the shift of what they lie in, of all contexts of a
    level together, dimension by dimension; a part of it that all dimensions share, as much as one context tells, stands
    for what the space does not show of contexts that it was not made from.
    """
    found = Deviations({}, {})
    before: Response | None = None
    for level, response in measured:
        unit = np.sqrt(np.einsum("k,kii->i", level.weights, level.source.covariances))
        parents = level.parents
        if before is None:
            centre = (level.weights @ level.shifts)[None]
            noise = level.shift_noise(
                _pooled(level.source, level.weights)[None], _pooled(level.target, level.weights)[None]
            )
        else:
            centre = before.shifts
            noise = level.shift_noise(before.source[parents], before.target[parents])
        between = _between(level.shifts - centre[parents], noise, parents, unit)
        n_codes = len({path[-1] for path in level.paths})
        between = blended(between, unit, n_codes)
        precision = 1 / noise
        for k in np.unique(parents):
            rows = np.flatnonzero(parents == k)
            mean = between / len(rows) + 1 / precision[rows].sum(axis=0)
            found.unseen[level.paths[rows[0]][:-1]] = np.sqrt(between + mean)
            for row in rows:
                kept = between / (between + noise[row])
                found.seen[level.paths[row]] = np.sqrt(kept * noise[row] + (1 - kept) ** 2 * mean)
        before = response
    return found


def _between(apart: np.ndarray, noise: np.ndarray, parents: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the variance between contexts that lie in the same, of each dimension; 0 where there is one each."""
    n = np.bincount(parents)[parents][:, None]
    return beyond_noise(apart, noise, unit, (n - 1) / n)


def beyond_noise(apart: np.ndarray, noise: np.ndarray, unit: np.ndarray, free: np.ndarray | float = 1.0) -> np.ndarray:
    """Return the mean square of differences net of their noise, shape ``(d,)``; those that are precise count more.

    Parameters
    ----------
    apart, noise
        Differences and their sampling variance, shape ``(k, d)``.
    unit
        Standard deviation of cells, shape ``(d,)``.
    free
        Share of the variance that is left in each difference, if it is one from the mean of some: shape ``(k, 1)``.
    """
    precision = (np.asarray(free) > 0) / (noise + 0.05 * unit**2) ** 2
    degrees = (precision * free).sum(axis=0)
    excess = (precision * (apart**2 - free * noise)).sum(axis=0)
    return np.maximum(np.divide(excess, degrees, out=np.zeros_like(excess), where=degrees > 0), 0)


def blended(between: np.ndarray, unit: np.ndarray, n: int) -> np.ndarray:
    """Return variances of which one part in ``n`` is what all dimensions share, in units of that of their cells."""
    scale = np.maximum(unit, 1e-9 * unit.max(initial=1.0)) ** 2
    return (between * (n - 1) + scale * (between / scale).mean()) / n


def context_map(
    problem: Problem,
    parent: TransportMap,
    found: Sequence[tuple[Level, Sequence[TransportMap]]],
    unseen: Callable[[int, dict[tuple[int, ...], TransportMap]], Mapping[tuple[int, ...], TransportMap]] | None = None,
    apart: Deviations | None = None,
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
    unseen
        Returns the maps of unseen contexts, where there are some, given the level and the map of each outer context.
    apart
        Standard deviations of contexts around their maps, if these are known.
    """
    names = problem.context_names
    assert names is not None
    tree: dict[tuple[int, ...], TransportMap] = {(): parent}
    for level, maps in found:
        tree |= dict(zip(level.paths, maps, strict=True))
    plain = dict(tree)
    # the innermost first, since maps are held by those that they lie in
    for depth, (level, _) in reversed([*enumerate(found)]):
        outer = list(dict.fromkeys(path[:-1] for path in level.paths))
        strange = {} if unseen is None else unseen(depth, {path: plain[path] for path in outer})
        for path in outer:
            inner = [other for other in level.paths if other[:-1] == path]
            tree[path] = ContextMap(
                tree[path],
                [tree[p] for p in inner],
                [names[len(path)][p[-1]] for p in inner],
                strange.get(path),
                None if apart is None else np.array([apart.seen[p] for p in inner]),
                None if apart is None else apart.unseen[path],
            )
    return tree[()]
