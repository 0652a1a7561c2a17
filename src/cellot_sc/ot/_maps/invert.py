"""The inverse of a map that has no closed one: damped Newton steps towards a solution of T(x) = y."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

TOLERANCE = 1e-5
"""A cell is solved for where |T(x) - y| is at most this share of 1 + |y|."""
MAX_STEPS = 50
CHUNK = 512
"""Cells inverted at a time: every one needs a Jacobian of n_dims x n_dims."""
RIDGE = 1e-6


def newton(function: Callable[[jax.Array], jax.Array], y: jax.Array, *, symmetric: bool) -> jax.Array:
    """Return the x at which a function is y, or nearest to it of all points on the way there from x = y.

    Each step is along the Newton direction, and of the lengths 1, 1/2, 1/4 and so on that which brings T(x) nearest to
    y. Where T is the gradient of a strongly convex function this converges from anywhere (Boyd and Vandenberghe 2004,
    section 9.5), and passes flat places of one that is only convex. Elsewhere it is a search for the least squares by
    Gauss-Newton steps, which ends where none helps.

    Parameters
    ----------
    function
        T, from shape ``(n_dims,)`` to the same.
    y
        Shape ``(n_dims,)``.
    symmetric
        Whether the Jacobian of T is symmetric and positive definite, as that of the gradient of a convex function is.
    """
    lengths = jnp.asarray(0.5 ** np.arange(12), dtype=jnp.float32)
    if not symmetric:
        lengths = jnp.append(lengths, 0.0)

    def residual(x: jax.Array) -> jax.Array:
        return function(x) - y

    def unfinished(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
        x, step = carry
        far = jnp.abs(residual(x)).max() > TOLERANCE * (1 + jnp.abs(y).max())
        return far & (step < MAX_STEPS)

    def advance(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        x, step = carry
        slope, jacobian = residual(x), jax.jacfwd(residual)(x)
        if not symmetric:
            slope, jacobian = jacobian.T @ slope, jacobian.T @ jacobian
        direction = -jnp.linalg.solve(jacobian + RIDGE * jnp.eye(len(x)), slope)
        candidates = x + lengths[:, None] * direction
        # the norm of the residual falls along the Newton direction, and does not cancel in float32 as a potential does
        norms = jax.vmap(lambda point: jnp.linalg.norm(residual(point)))(candidates)
        best = jnp.argmin(norms)
        # where no step helps, this is as near as it gets
        return candidates[best], jnp.where(lengths[best] == 0, MAX_STEPS, step + 1)

    return jax.lax.while_loop(unfinished, advance, (y, jnp.int32(0)))[0]


def padded(function: Callable[[np.ndarray], jax.Array], x: np.ndarray, size: int | None = None) -> np.ndarray:
    """Apply a compiled function to cells, padded to a few numbers of them, so that others do not compile anew."""
    size = size or max(64, 1 << (len(x) - 1).bit_length())
    return np.asarray(function(np.pad(x, ((0, size - len(x)), (0, 0)))))[: len(x)]


def in_chunks(function: Callable[[np.ndarray], jax.Array], y: np.ndarray, size: int = CHUNK) -> np.ndarray:
    """Apply a compiled function, such as an inverse, to so many cells at a time, whatever their number."""
    out = np.empty_like(y)
    for start in range(0, len(y), size):
        part = slice(start, start + size)
        out[part] = padded(function, y[part], size)
    return out
