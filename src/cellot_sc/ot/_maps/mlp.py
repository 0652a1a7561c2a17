"""The maps of ott's own neural solvers: multilayer perceptrons, which are not the gradients of convex functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from .base import State, TransportMap

type Params = dict[str, dict[str, Any]]

INVERSE_STEPS = 50
INVERSE_TOLERANCE = 1e-5
"""The inverse of a :class:`MLPMap` stops where |T(x) - y| is at most this share of 1 + |y|."""
INVERSE_CHUNK = 512


class DualMLPMap(TransportMap):
    """The map x -> x - 1/2 grad f(x), of which the inverse is y -> y - 1/2 grad g(y).

    f and g are the dual potentials of the cost ``|x - y|^2`` (Buzun et al. 2024, arXiv 2403.03777). They were
    trained to undo each other, and :meth:`inverse` is as good as they do: it is no solution of T(x) = y.

    Parameters
    ----------
    f, g
        Parameters of the potentials: kernel and bias of every layer.
    """

    kind = "dual_mlp"

    def __init__(self, f: Mapping[str, Mapping[str, np.ndarray]], g: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        self.f, self.g = _as_arrays(f), _as_arrays(g)

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.f["Dense_0"]["kernel"].shape[0]

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return _padded(descend, self.f, x)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return _padded(descend, self.g, y)

    def state(self) -> State:
        """Return the parameters of both potentials."""
        return {"kind": self.kind, "f": self.f, "g": self.g}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["f"], state["g"])


class MLPMap(TransportMap):
    """The map x -> x + h(x) with a perceptron h (Uscidda and Cuturi 2023, arXiv 2302.04953).

    Nothing makes it invertible. :meth:`inverse` looks for a solution of T(x) = y by damped Newton steps from x = y, and
    returns the best point it finds: where T folds space there may be several solutions, or none.

    Parameters
    ----------
    params
        Parameters of the perceptron: kernel and bias of every layer.
    """

    kind = "mlp"

    def __init__(self, params: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        self.params = _as_arrays(params)

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.params["Dense_0"]["kernel"].shape[0]

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return _padded(displace, self.params, x)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        out = np.empty_like(y)
        for start in range(0, len(y), INVERSE_CHUNK):
            part = slice(start, start + INVERSE_CHUNK)
            out[part] = _padded(_solve, self.params, y[part])
        return out

    def state(self) -> State:
        """Return the parameters."""
        return {"kind": self.kind, "params": self.params}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["params"])


def perceptron(params: Params, x: jax.Array, activation: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """Return the last layer of a perceptron, shape ``(n_cells, n_units)``. Its layers are named as by flax."""
    *hidden, last = (params[f"Dense_{i}"] for i in range(len(params)))
    for layer in hidden:
        x = activation(x @ layer["kernel"] + layer["bias"])
    return x @ last["kernel"] + last["bias"]


@jax.jit
def descend(params: Params, x: jax.Array) -> jax.Array:
    """Return x - 1/2 grad f(x) for cells of shape ``(n_cells, n_dims)`` and a potential f with ELU units."""
    return x - 0.5 * jax.grad(lambda cells: perceptron(params, cells, jax.nn.elu).sum())(x)


@jax.jit
def displace(params: Params, x: jax.Array) -> jax.Array:
    """Return x + h(x) for cells of shape ``(n_cells, n_dims)`` and a perceptron h with GELU units."""
    return x + perceptron(params, x, jax.nn.gelu)


@jax.jit
def _solve(params: Params, y: jax.Array) -> jax.Array:
    """Return points that :func:`displace` moves to y, or near it: least squares by damped Gauss-Newton steps."""

    def solve(y: jax.Array) -> jax.Array:
        def residual(x: jax.Array) -> jax.Array:
            return displace(params, x[None])[0] - y

        def unfinished(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
            x, step = carry
            far = jnp.abs(residual(x)).max() > INVERSE_TOLERANCE * (1 + jnp.abs(y).max())
            return far & (step < INVERSE_STEPS)

        def newton(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            x, step = carry
            slope, jacobian = residual(x), jax.jacfwd(residual)(x)
            direction = -jnp.linalg.solve(jacobian.T @ jacobian + 1e-6 * jnp.eye(len(x)), jacobian.T @ slope)
            candidates = x + jnp.append(0.5 ** jnp.arange(12), 0.0)[:, None] * direction
            norms = jax.vmap(lambda point: jnp.linalg.norm(residual(point)))(candidates)
            best = jnp.argmin(norms)
            # where no step helps, this is as near as it gets
            return candidates[best], jnp.where(best == len(norms) - 1, INVERSE_STEPS, step + 1)

        return jax.lax.while_loop(unfinished, newton, (y, jnp.int32(0)))[0]

    return jax.vmap(solve)(y)


def _padded(function: Callable[[Params, Any], jax.Array], params: Params, x: np.ndarray) -> np.ndarray:
    """Apply a compiled function to cells, padded to a few sizes, so that their number does not compile anew."""
    size = max(64, 1 << (len(x) - 1).bit_length())
    padded = np.zeros((size, x.shape[1]), dtype=np.float32)
    padded[: len(x)] = x
    return np.asarray(function(params, padded))[: len(x)]


def _as_arrays(params: Mapping[str, Mapping[str, np.ndarray]]) -> Params:
    return {
        layer: {name: np.asarray(value, dtype=np.float32) for name, value in weights.items()}
        for layer, weights in params.items()
    }
