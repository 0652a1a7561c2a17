"""The map that is the gradient of one or several convex networks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from .._ott import BasePotential
from . import networks
from .base import State, TransportMap
from .networks import Params

NETWORKS: dict[str, Callable[..., BasePotential]] = {"ICNN": networks.ICNN, "PaperICNN": networks.PaperICNN}

INVERSE_TOLERANCE = 1e-5
"""The inverse stops where |T(x) - y| is at most this share of 1 + |y|."""
INVERSE_STEPS = 50
INVERSE_CHUNK = 512
"""Cells inverted at a time: every one needs a Hessian of n_dims x n_dims."""


class PotentialMap(TransportMap):
    """The map x -> mean_k grad f_k(x - m) + n, with convex potentials f_k: itself the gradient of a convex function.

    Parameters
    ----------
    network
        Name of the architecture: ``"ICNN"`` or ``"PaperICNN"``.
    options
        Its width and depth.
    params
        Parameters by name, each with a leading axis of networks.
    source_mean
        m, shape ``(n_dims,)``.
    target_mean
        n, shape ``(n_dims,)``.
    """

    kind = "potential"

    def __init__(
        self,
        network: str,
        options: Mapping[str, int],
        params: Mapping[str, np.ndarray],
        source_mean: np.ndarray,
        target_mean: np.ndarray,
    ) -> None:
        self.network = network
        self.options = dict(options)
        self.params = {name: np.asarray(value, dtype=np.float32) for name, value in sorted(params.items())}
        self.source_mean = np.asarray(source_mean, dtype=np.float32)
        self.target_mean = np.asarray(target_mean, dtype=np.float32)
        self._module = NETWORKS[network](**self.options)
        self._device_params = jax.tree.map(jnp.asarray, self.params)

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.source_mean.shape[0]

    @property
    def n_networks(self) -> int:
        """Number of networks whose gradients are averaged."""
        return len(next(iter(self.params.values())))

    def potential(self, x: np.ndarray) -> np.ndarray:
        """Return the convex potential of every cell, shape ``(n_cells,)``, up to a constant."""
        x = self._checked(x)
        values = _mean_value(self._module, self._device_params, jnp.asarray(x - self.source_mean))
        return np.asarray(values) + x @ self.target_mean

    def _forward(self, x: np.ndarray) -> np.ndarray:
        # a chunk is padded to a few sizes, so that the number of cells does not compile anew
        size = max(64, 1 << (len(x) - 1).bit_length())
        padded = np.zeros((size, self.n_dims), dtype=np.float32)
        padded[: len(x)] = x - self.source_mean
        return np.asarray(_mean_gradient(self._module, self._device_params, padded))[: len(x)] + self.target_mean

    def _backward(self, y: np.ndarray) -> np.ndarray:
        out = np.empty_like(y)
        for start in range(0, len(y), INVERSE_CHUNK):
            part = y[start : start + INVERSE_CHUNK] - self.target_mean
            padded = np.zeros((INVERSE_CHUNK, self.n_dims), dtype=np.float32)
            padded[: len(part)] = part
            solved = np.asarray(_conjugate(self._module, self._device_params, padded))
            out[start : start + INVERSE_CHUNK] = solved[: len(part)] + self.source_mean
        return out

    def state(self) -> State:
        """Return the parameters, the means, and the architecture as JSON."""
        return {
            "kind": self.kind,
            "config": json.dumps({"network": self.network, "options": self.options}),
            "params": dict(self.params),
            "source_mean": self.source_mean,
            "target_mean": self.target_mean,
        }

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        config = json.loads(state["config"])
        return cls(config["network"], config["options"], state["params"], state["source_mean"], state["target_mean"])


@partial(jax.jit, static_argnames="network")
def _mean_value(network: BasePotential, params: Params, x: jax.Array) -> jax.Array:
    return jax.vmap(lambda p: networks.value(network, p, x))(params).mean(0)


@partial(jax.jit, static_argnames="network")
def _mean_gradient(network: BasePotential, params: Params, x: jax.Array) -> jax.Array:
    return jax.vmap(lambda p: networks.gradient(network, p, x))(params).mean(0)


@partial(jax.jit, static_argnames="network")
def _conjugate(network: BasePotential, params: Params, y: jax.Array) -> jax.Array:
    """Return the x at which the gradient is y: the maximiser of <x, y> - f(x), by damped Newton steps.

    f is strongly convex, so that the Newton direction is one of descent of f(x) - <x, y>, and halving the step until
    that function falls makes the iteration converge from anywhere (Boyd and Vandenberghe 2004, section 9.5).
    """

    def potential(x: jax.Array) -> jax.Array:
        return jax.vmap(lambda p: networks.value(network, p, x))(params).mean(0)

    def solve(y: jax.Array) -> jax.Array:
        def residual(x: jax.Array) -> jax.Array:
            return jax.grad(potential)(x) - y

        def unfinished(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
            x, step = carry
            far = jnp.abs(residual(x)).max() > INVERSE_TOLERANCE * (1 + jnp.abs(y).max())
            return far & (step < INVERSE_STEPS)

        def newton(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            x, step = carry
            hessian = jax.hessian(potential)(x) + 1e-6 * jnp.eye(len(x))
            slope = residual(x)
            direction = -jnp.linalg.solve(hessian, slope)
            sizes = 0.5 ** jnp.arange(12)
            norms = jax.vmap(lambda size: jnp.linalg.norm(residual(x + size * direction)))(sizes)
            # the norm of the residual falls along the Newton direction too, and does not cancel in float32
            return x + sizes[jnp.argmin(norms)] * direction, step + 1

        return jax.lax.while_loop(unfinished, newton, (y, jnp.int32(0)))[0]

    return jax.vmap(solve)(y)
