"""An affine map per context, of which what is common to contexts is learnt from all of them."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from .._composition import composition
from .._contexts import Parts, context_map, responses
from .._maps.affine import AffineMap
from .._maps.base import TransportMap
from .._problem import Problem
from .gaussian import cautious_gaussian_map, cautious_map
from .solver import NoOptions, Solver, closed_form


def group_gaussian_map(problem: Problem) -> TransportMap:
    """Return the map between Gaussians within each context, their moments partially pooled.

    The map of a context is optimal between its control cells, taken as Gaussian, and these after its own response: a
    shift and a change of covariance that :func:`cellot_sc.ot._contexts.responses` tells from noise. The parent is the
    cautious Gaussian map of all cells, weighed so that contexts have equal shares on both sides; without contexts
    there is nothing else.
    """
    if problem.source_contexts is None:
        return cautious_gaussian_map(problem.source, problem.target, problem.source_weights, problem.target_weights)
    found, parts = composition(problem), Parts.of(problem)
    measured = responses(parts)
    level = measured[0][0]
    of_part = found.factors[:, np.searchsorted(found.strata, parts.paths[:, 0])]
    # with equal shares on both sides, only what varies within contexts is noise
    masses = of_part[0] * parts.source.masses
    shares = np.array([masses[parts.paths[:, 0] == k].sum() for (k,) in level.paths]) / masses.sum()
    within = sum(np.trace(side.covariances, axis1=1, axis2=2) / side.sizes for side in (level.source, level.target))
    before, after = (side.moments(of) for side, of in zip((parts.source, parts.target), of_part, strict=True))
    parent = cautious_map(before, after, float(shares**2 @ within))
    maps = [
        (level, [*map(_map, response.source, response.target, level.source.means, response.shifts)])
        for level, response in measured
    ]
    return context_map(problem, parent, maps)


def _map(before: np.ndarray, after: np.ndarray, mean: np.ndarray, shift: np.ndarray) -> AffineMap:
    """Return the optimal map between Gaussians, through a triangular root: half the work of a symmetric one."""
    root = np.linalg.cholesky(before)
    inverse = np.linalg.inv(root)
    # this driver, unlike that of numpy, does not make threads wait for each other
    values, vectors = linalg.eigh(root.T @ after @ root, driver="evr")
    middle = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    matrix = inverse.T @ middle @ inverse
    return AffineMap((matrix + matrix.T) / 2, mean, mean + shift)


SOLVER = Solver(
    "group_gaussian",
    "optimal affine map within each context, partially pooled",
    NoOptions,
    closed_form(group_gaussian_map),
    label="Gaussian map per context",
    cites=("Urbut et al. 2019, doi 10.1038/s41588-018-0268-8",),
    weighs=True,
    contexts=True,
    affine="affine",
)
