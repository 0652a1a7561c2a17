"""What the mean responses of contexts come to in genes beyond the space of the maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from anndata import AnnData

from ... import _arrays, _keys
from ..._chunks import Stored
from ...ot import ContextMap, Problem, TransportMap
from ...ot._contexts import PRIOR_CELLS, beyond_noise, blended
from ...ot._moments import shares_of
from ...pp import Space
from ...pp._rows import by_row
from .fit import Fit

MOST_CELLS = 10_000
"""Cells of a condition that are decoded at most, drawn with a fixed seed."""
CHUNK = 512
"""Cells that are dense at once."""

type _Moments = dict[tuple[int, ...], tuple[float, np.ndarray, np.ndarray]]


class _ResidualSide(NamedTuple):
    """Moments of residuals of each context on one side: effective sizes ``(k, 1)``, means and variances ``(k, g)``."""

    sizes: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    @property
    def pooled(self) -> np.ndarray:
        """Variance within contexts, shape ``(g,)``."""
        degrees = self.sizes - 1
        return (degrees * self.variances).sum(axis=0) / degrees.sum()

    @property
    def noise(self) -> np.ndarray:
        """Sampling variance of the means, shape ``(k, g)``, that of few cells with a few of all contexts."""
        degrees = self.sizes - 1
        expected = (degrees * self.variances + PRIOR_CELLS * self.pooled) / (degrees + PRIOR_CELLS)
        return expected / self.sizes

    @classmethod
    def of(cls, moments: _Moments, paths: Sequence[tuple[int, ...]]) -> Self:
        sizes, means, variances = zip(*(moments[path] for path in paths), strict=True)
        return cls(np.array(sizes)[:, None], np.array(means), np.array(variances))


def residuals(
    fit: Fit, adata: AnnData, maps: Mapping[str, TransportMap], problems: Sequence[Problem]
) -> dict[str, np.ndarray]:
    """Return, by target, how far mean responses of contexts go beyond the space in each gene, as a standard deviation.

    The residual of a cell is its expression less what its place in the space decodes to. Its mean square contrast
    between treated and control cells is over the innermost contexts, of all outer ones together, net of the noise
    between cells; a part that all genes share, as much as one context tells, is that of :func:`.deviations`.

    Parameters
    ----------
    fit
        What was fitted.
    adata
        The cells, with their representation and the expression that it was made of.
    maps
        The map of every target.
    problems
        The problem of every target.

    Returns
    -------
    float32, shape ``(n_genes,)``, in the order of the decoder. Of targets whose maps know how far contexts differ,
    where cells decode to genes and their expression is there.
    """
    known = [isinstance(fitted, ContextMap) and fitted.spread is not None for fitted in maps.values()]
    space = Space(adata, fit.use_rep)
    if not any(known) or not space.decodes:
        return {}
    labels, train = fit.labels(adata), fit.parts(adata) == _keys.TRAIN
    controls: dict[str, _Moments] = {}
    found = {}
    for (before, after), problem, wanted in zip(fit.pairs, problems, known, strict=True):
        if not wanted:
            continue
        ours, theirs = (np.flatnonzero((labels == name) & train) for name in (before, after))
        if before not in controls:
            controls[before] = _moments(space, ours, problem.source_contexts, problem.source_weights)
        treated = _moments(space, theirs, problem.target_contexts, problem.target_weights)
        if paths := sorted(controls[before].keys() & treated.keys()):
            sides = (_ResidualSide.of(side, paths) for side in (controls[before], treated))
            found[after] = _deviation(*sides, n=len({path[-1] for path in paths}))
    return found


def _deviation(source: _ResidualSide, target: _ResidualSide, *, n: int) -> np.ndarray:
    unit = np.sqrt(source.pooled)
    # no map predicts any of it, of contexts that were seen or not, nor what they share: around 0, not around their mean
    square = beyond_noise(target.means - source.means, source.noise + target.noise, np.maximum(unit, 1e-9))
    return np.sqrt(blended(square, unit, n + 1)).astype(np.float32)


def _moments(space: Space, rows: np.ndarray, contexts: np.ndarray | None, weights: np.ndarray | None) -> _Moments:
    """Return effective number, mean and variance of the residuals of each innermost context with two cells or more."""
    assert contexts is not None
    codes = contexts.reshape(len(rows), -1)
    weights = np.ones(len(rows)) if weights is None else weights
    drawn = np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST_CELLS])
    drawn = drawn[(codes[drawn] >= 0).all(axis=1) & (weights[drawn] > 0)]
    x = space.measured(rows[drawn])
    if x is None:
        return {}
    x = by_row(x.to_memory() if isinstance(x, Stored) else x)
    points, known = space.read(rows[drawn]), np.ones(len(drawn), dtype=bool)
    known[_arrays.rows_not_finite(x)] = False
    paths, inverse = np.unique(codes[drawn], axis=0, return_inverse=True)
    found: _Moments = {}
    for i, path in enumerate(map(tuple, paths.tolist())):
        cells = np.flatnonzero((inverse.ravel() == i) & known)
        if len(cells) < 2:
            continue
        shares = shares_of(weights[drawn[cells]])
        size = 1 / float(shares @ shares)
        if size < 2:
            continue
        mean, square = np.zeros((2, x.shape[1]))
        for start in range(0, len(cells), CHUNK):
            part, share = cells[start : start + CHUNK], shares[start : start + CHUNK].astype(np.float32)
            beyond = _arrays.dense(x[part]) - space.view(points[part])
            mean += share @ beyond
            square += share @ np.square(beyond, out=beyond)
        found[path] = size, mean, np.maximum(square - mean**2, 0) / (1 - 1 / size)
    return found
