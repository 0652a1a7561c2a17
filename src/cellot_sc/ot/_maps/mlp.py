"""The maps of ott's own neural solvers: multilayer perceptrons, which are not the gradients of convex functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

import jax
import numpy as np

from ..._states import Layers
from .base import TransportMap
from .invert import in_chunks, newton, padded
from .networks import Params, as_arrays


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
    fields: ClassVar = {"f": Layers("d", "1"), "g": Layers("d", "1")}

    def __init__(self, f: Mapping[str, Mapping[str, np.ndarray]], g: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        self.f, self.g = as_arrays((f, g))
        self.n_dims = len(self.f["Dense_0"]["kernel"])

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return padded(partial(descend, self.f), x)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return padded(partial(descend, self.g), y)


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
    fields: ClassVar = {"params": Layers("d", "d")}

    def __init__(self, params: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        self.params = as_arrays(params)
        self.n_dims = len(self.params["Dense_0"]["kernel"])

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return padded(partial(displace, self.params), x)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return in_chunks(partial(_solve, self.params), y)


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
    """Return points that :func:`displace` moves to y, or near it."""
    return jax.vmap(lambda y: newton(lambda x: displace(params, x[None])[0], y, symmetric=False))(y)
