"""An affine map per context, of which what is common to contexts is learnt from all of them."""

from __future__ import annotations

import numpy as np

from .._composition import composition, outermost
from .._contexts import context_map, responses
from .._maps.affine import AffineMap
from .._maps.base import TransportMap
from .._problem import Problem
from .gaussian import bures_matrix, cautious_gaussian_map
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
    found = composition(problem)
    measured = responses(problem)
    level = measured[0][0]
    # with equal shares on both sides, only what varies within contexts is noise
    shares = np.array([found.source_weights[outermost(problem.source_contexts) == k].sum() for (k,) in level.paths])
    shares /= found.source_weights.sum()
    within = sum(np.trace(side.covariances, axis1=1, axis2=2) / side.sizes for side in (level.source, level.target))
    parent = cautious_gaussian_map(
        problem.source,
        problem.target,
        found.source_weights,
        found.target_weights,
        mean_noise=float(shares**2 @ within),
    )
    maps = [
        (level, [*map(_map, response.source, response.target, level.source.means, response.shifts)])
        for level, response in measured
    ]
    return context_map(problem, parent, maps)


def _map(before: np.ndarray, after: np.ndarray, mean: np.ndarray, shift: np.ndarray) -> AffineMap:
    return AffineMap(bures_matrix(before, after), mean, mean + shift)


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
