"""An affine map per context, of which what is common to contexts is learnt from all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy import linalg

from .. import _checks
from .._composition import composition
from .._contexts import Parts, context_map, deviations, levels, responses
from .._maps.affine import AffineMap
from .._maps.base import TransportMap
from .._problem import History, Problem, Progress, Solution
from .._unseen import unseen_maps
from .gaussian import cautious_gaussian_map, cautious_map
from .solver import Solver


@dataclasses.dataclass(frozen=True)
class GroupGaussianConfig:
    """Options of the solver ``"group_gaussian"``.

    Parameters
    ----------
    unseen
        Whether to choose, by leaving contexts out, what contexts do that were not seen. If not, they follow the map of
        what they lie in.
    """

    unseen: bool = True

    def __post_init__(self) -> None:
        """Check every value."""
        _checks.options(self)


def group_gaussian_map(problem: Problem, *, unseen: bool = True, n_levels: int | None = None) -> TransportMap:
    """Return the map between Gaussians within each context, their moments partially pooled.

    The map of a context is optimal between its control cells, taken as Gaussian, and these after its own response: a
    shift and a change of covariance that :func:`cellot_sc.ot._contexts.responses` tells from noise. The parent is the
    cautious Gaussian map of all cells, weighed so that contexts have equal shares on both sides; without contexts
    there is nothing else. Unless it is told not to, it also chooses what is done with contexts that are not seen. With
    ``n_levels``, only contexts of so many levels have maps.
    """
    if problem.source_contexts is None:
        return cautious_gaussian_map(problem.source, problem.target, problem.source_weights, problem.target_weights)
    found, parts = composition(problem), Parts.of(problem)
    level = next(levels(parts))
    of_part = found.factors[:, np.searchsorted(found.strata, parts.paths[:, 0])]
    # with equal shares on both sides, only what varies within contexts is noise
    masses = of_part[0] * parts.source.masses
    shares = np.array([masses[parts.paths[:, 0] == k].sum() for (k,) in level.paths]) / masses.sum()
    within = sum(np.trace(side.covariances, axis1=1, axis2=2) / side.sizes for side in (level.source, level.target))
    before, after = (side.moments(of) for side, of in zip((parts.source, parts.target), of_part, strict=True))
    parent = cautious_map(before, after, float(shares**2 @ within))
    if n_levels == 0:
        return parent
    measured = responses(parts, n_levels)
    maps = [
        (level, [*map(_map, response.source, response.target, level.source.means, response.shifts)])
        for level, response in measured
    ]
    strangers = partial(unseen_maps, problem, stand_in=_stand_in) if unseen else None
    return context_map(problem, parent, maps, strangers, deviations(measured))


def _stand_in(problem: Problem, n_levels: int) -> TransportMap:
    return group_gaussian_map(problem, unseen=False, n_levels=n_levels)


def _map(before: np.ndarray, after: np.ndarray, mean: np.ndarray, shift: np.ndarray) -> AffineMap:
    """Return the optimal map between Gaussians, through a triangular root: half the work of a symmetric one."""
    root = np.linalg.cholesky(before)
    inverse = np.linalg.inv(root)
    # this driver, unlike that of numpy, does not make threads wait for each other
    values, vectors = linalg.eigh(root.T @ after @ root, driver="evr")
    middle = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    matrix = inverse.T @ middle @ inverse
    return AffineMap((matrix + matrix.T) / 2, mean, mean + shift)


def fit_group_gaussian(
    problems: Sequence[Problem], config: GroupGaussianConfig, seed: int, progress: Progress | None
) -> list[Solution]:
    """Fit the map of every problem."""
    return [Solution(group_gaussian_map(problem, unseen=config.unseen), History()) for problem in problems]


SOLVER = Solver(
    "group_gaussian",
    "optimal affine map within each context, partially pooled",
    GroupGaussianConfig,
    fit_group_gaussian,
    label="Gaussian map per context",
    cites=("urbut2019",),
    weighs=True,
    contexts=True,
    affine="affine",
)
