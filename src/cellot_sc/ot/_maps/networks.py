"""Input convex neural networks: potentials whose gradients are optimal transport maps (Brenier's theorem).

They evaluate a whole batch as matrix products. ott's own ``ICNN`` builds an array of shape (batch, n_dims, width) under
every gradient: 70 ms for a joint step of two potentials of four layers of 64 units at batch 256 in 50 dimensions on two
busy cores, against 5 ms here (``python -m benchmarks step``).
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

type Params = dict[str, Any]
"""Parameters of a network by name, nested as by flax."""

SHARPNESS = 0.16
"""Squared width of the bend of :func:`squareplus`: that of a softplus of slope 5."""


def squareplus(x: jax.Array) -> jax.Array:
    """Return (x + sqrt(x^2 + b)) / 2: convex, increasing and smooth (Barron 2021, arXiv 2112.11687).

    Only square roots, which a processor does many at a time, where a softplus of equal bend needs exponentials.
    """
    return 0.5 * (x + jnp.sqrt(x * x + SHARPNESS))


def _inverse_softplus(value: float) -> float:
    return float(np.log(np.expm1(value)))


class BasePotential(nn.Module):
    """A network that is a potential. Not ott's class of that name, whose import takes longer than that of jax."""


class ICNN(BasePotential):
    """A convex potential: a positive definite quadratic form plus a network that is convex in its input.

    z_1 = a(x W_1 + c_1), z_k+1 = a(z_k U_k + x W_k+1 + c_k+1), and the potential is
    scale^2 z_depth u + 1/2 |x R|^2 + x b, where a is :func:`squareplus` and every entry of U and u is the softplus of a
    parameter. Nonnegative sums of convex functions, and convex increasing functions of them, are convex (Amos et al.
    2017, arXiv 1609.07152, proposition 1).

    Parameters
    ----------
    width
        Units per layer.
    depth
        Number of layers.
    """

    width: int = 64
    depth: int = 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the potential of every cell: from shape ``(..., n_dims)`` to ``(...)``."""
        n_dims = x.shape[-1]
        zeros = nn.initializers.zeros
        scale = self.param("scale", nn.initializers.ones, ())
        root = self.param("root", zeros, (n_dims, n_dims))
        linear = self.param("linear", zeros, (n_dims,))
        h = x / jax.lax.stop_gradient(scale)
        z = h
        for layer in range(self.depth):
            inner = h @ self.param(f"kernel_{layer}", zeros, (n_dims, self.width))
            inner = inner + self.param(f"bias_{layer}", zeros, (self.width,)) - 1.0
            if layer > 0:
                positive = self.param(f"positive_{layer}", zeros, (self.width, self.width))
                inner = inner + z @ jax.nn.softplus(positive)
            z = squareplus(inner)
        last = self.param("positive_last", zeros, (self.width,))
        quadratic = x @ root
        return (
            jax.lax.stop_gradient(scale) ** 2 * (z @ jax.nn.softplus(last))
            + 0.5 * (quadratic * quadratic).sum(-1)
            + x @ linear
        )

    def random(self, rng: np.random.Generator, n_dims: int) -> Params:
        """Return random parameters, float32: with numpy, as jax would compile for seconds what is computed once.

        The network begins as 1/2 |x|^2 and a hundredth of a mean of its units.
        """
        layers = range(self.depth)
        params = {"scale": 1.0, "root": np.eye(n_dims), "linear": np.zeros(n_dims)}
        params |= {f"kernel_{k}": n_dims**-0.5 * rng.standard_normal((n_dims, self.width)) for k in layers}
        # spread over the cloud, so that the bends of the units lie where cells are
        params |= {f"bias_{k}": rng.uniform(0.0, 2.0, self.width) for k in layers}
        even, square = _inverse_softplus(1.0 / self.width), (self.width, self.width)
        params |= {f"positive_{k}": even + 0.1 * rng.standard_normal(square) for k in layers[1:]}
        params["positive_last"] = np.full(self.width, _inverse_softplus(0.01))
        return as_arrays(params)


class PaperICNN(BasePotential):
    """The network of the CellOT publication (Bunne et al. 2023): leaky ReLU of slope .2, the first layer squared.

    Convex as long as the ``positive`` kernels are nonnegative, which the training has to see to.

    Parameters
    ----------
    width
        Units per layer.
    depth
        Number of layers.
    """

    width: int = 64
    depth: int = 4

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the potential of every cell: from shape ``(..., n_dims)`` to ``(...)``."""
        n_dims = x.shape[-1]
        kernel = nn.initializers.uniform(0.1)

        def affine(layer: str, width: int) -> jax.Array:
            return x @ self.param(f"kernel_{layer}", kernel, (n_dims, width)) + self.param(
                f"bias_{layer}", nn.initializers.zeros, (width,)
            )

        z = jax.nn.leaky_relu(affine("0", self.width), 0.2) ** 2
        for layer in range(1, self.depth):
            positive = self.param(f"positive_{layer}", kernel, (self.width, self.width))
            z = jax.nn.leaky_relu(z @ positive + affine(str(layer), self.width), 0.2)
        positive = self.param("positive_last", kernel, (self.width, 1))
        return (z @ positive + affine("last", 1))[..., 0]


@functools.cache
def shapes(network: nn.Module, n_dims: int) -> dict[str, Any]:
    """Return the shapes of the parameters of a network for cells of so many dimensions, by their names."""
    cell = jax.ShapeDtypeStruct((n_dims,), jnp.float32)
    params = jax.eval_shape(lambda cells: network.init(jax.random.key(0), cells), cell)["params"]
    return jax.tree.map(lambda leaf: leaf.shape, params)


def as_arrays(params: Any) -> Any:
    """Return parameters, in whatever dicts and tuples, as float32 arrays of numpy."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype=np.float32), params, is_leaf=lambda p: isinstance(p, list))


def value(network: BasePotential, params: Params, x: jax.Array) -> jax.Array:
    """Return the potential of a batch of cells, shape ``(n_cells,)``."""
    return jnp.asarray(network.apply({"params": params}, x))


def gradient(network: BasePotential, params: Params, x: jax.Array) -> jax.Array:
    """Return the gradient of the potential at a batch of cells: where they are transported, ``(n_cells, n_dims)``."""
    return value_and_gradient(network, params, x)[1]


def value_and_gradient(network: BasePotential, params: Params, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the potential of a batch of cells, shape ``(n_cells,)``, and its gradient, shape ``(n_cells, n_dims)``."""
    values, pull_back = jax.vjp(lambda cells: value(network, params, cells), x)
    return values, pull_back(jnp.ones_like(values))[0]


def positive_kernels(params: Params) -> list[jax.Array]:
    """Return the kernels of a :class:`PaperICNN` that must be nonnegative for it to be convex."""
    return [kernel for name, kernel in sorted(params.items()) if name.startswith("positive")]


def clamped(params: Params) -> Params:
    """Return the parameters of a :class:`PaperICNN` with those kernels cut off at zero."""
    return {name: jnp.maximum(p, 0) if name.startswith("positive") else p for name, p in params.items()}
