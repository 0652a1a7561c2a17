"""Sinkhorn's iterations between two clouds of cells, in compiled code that clouds of about the same size share."""

from __future__ import annotations

import logging
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ott.geometry import pointcloud
from ott.problems.linear import linear_problem
from ott.solvers.linear import sinkhorn

from ._loop.batches import bucket
from ._moments import shares_of

logger = logging.getLogger("cellot_sc")

MIN_COST = 1e-20
"""Below this mean cost all cells are on one spot, and any strength of the regularisation will do."""


class CloudPair(NamedTuple):
    """Two clouds with padding, and the share of every cell, 0 for padding."""

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    b: np.ndarray

    @property
    def mean_cost(self) -> float:
        """The mean of 1/2 |x - y|^2 over all pairs; 1 where all cells are on one spot."""
        squares = 0.5 * ((self.a @ self.x**2).sum() + (self.b @ self.y**2).sum())
        mean_cost = float(squares - (self.a @ self.x) @ (self.b @ self.y))
        return mean_cost if mean_cost >= MIN_COST else 1.0


def sample(
    cells: np.ndarray, weights: np.ndarray | None, max_cells: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return cells that have a weight, at most so many, and their weights."""
    if weights is not None:
        # the potential of a cell without weight would be infinite
        cells, weights = cells[weights > 0], weights[weights > 0]
    if len(cells) <= max_cells:
        return cells, weights
    logger.info("a random sample of %d of %d cells is used: raise max_cells to use more", max_cells, len(cells))
    chosen = np.sort(rng.choice(len(cells), max_cells, replace=False))
    return cells[chosen], None if weights is None else weights[chosen]


def paired(
    source: np.ndarray,
    target: np.ndarray,
    source_weights: np.ndarray | None = None,
    target_weights: np.ndarray | None = None,
) -> CloudPair:
    """Return two clouds, of shapes ``(n, n_dims)`` and ``(m, n_dims)``, about the mean of the second."""
    centre = target.mean(0, dtype=np.float64)
    (x, a), (y, b) = _padded(source - centre, source_weights), _padded(target - centre, target_weights)
    return CloudPair(x, y, a, b)


def _padded(cells: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    n_more = bucket(len(cells)) - len(cells)
    shares = np.full(len(cells), 1 / len(cells)) if weights is None else shares_of(weights)
    padded, shares = np.pad(cells, ((0, n_more), (0, 0))), np.pad(shares, (0, n_more))
    return padded.astype(np.float32), shares.astype(np.float32)


@partial(jax.jit, static_argnames=("max_iterations", "tau"))
def solve(
    clouds: CloudPair,
    epsilon: np.float32,
    f: jax.Array,
    g: jax.Array,
    threshold: float,
    max_iterations: int,
    tau: tuple[float, float] = (1.0, 1.0),
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the dual potentials, with the cost 1/2 |x - y|^2, and whether the iterations converged.

    Parameters
    ----------
    clouds
        The clouds.
    epsilon
        Strength of the entropic regularisation, in units of the cost.
    f, g
        Potentials to start from.
    threshold
        Error of the marginals, in the 1-norm, at which to stop.
    max_iterations
        Iterations at most.
    tau
        How firmly the marginal of either side is held, in (0, 1]; 1 is exactly.
    """
    # ott's squared distance is twice the cost
    x, y, a, b = map(jnp.asarray, clouds)
    geometry = pointcloud.PointCloud(x * jnp.sqrt(0.5), y * jnp.sqrt(0.5), epsilon=epsilon)
    problem = linear_problem.LinearProblem(geometry, a=a, b=b, tau_a=tau[0], tau_b=tau[1])
    out = sinkhorn.Sinkhorn(threshold=threshold, max_iterations=max_iterations)(problem, init=(f, g))
    return out.f, out.g, jnp.asarray(out.converged)
