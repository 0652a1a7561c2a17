"""What of the distances by optimal transport is computed by ott, compiled for clouds with weightless cells as padding.

Parameters are cells of shapes ``(m, n_features)`` and ``(n, n_features)``, each followed by its weights, and the
strength of the entropic regularisation, in units of the squared Euclidean distance.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from ott.geometry import pointcloud
from ott.solvers import linear
from ott.tools import sinkhorn_divergence

from .._compiled import keeps


@keeps
@jax.jit
def divergence(x: jax.Array, a: jax.Array, y: jax.Array, b: jax.Array, epsilon: float) -> jax.Array:
    """Return the Sinkhorn divergence."""
    return sinkhorn_divergence.sinkdiv(x, y, a=a, b=b, epsilon=epsilon)[0]


@keeps
@jax.jit
def plan_cost(x: jax.Array, a: jax.Array, y: jax.Array, b: jax.Array, epsilon: float) -> jax.Array:
    """Return the cost of the entropic transport plan."""
    return jnp.asarray(linear.solve(pointcloud.PointCloud(x, y, epsilon=epsilon), a, b).primal_cost)
