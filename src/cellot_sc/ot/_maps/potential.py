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
from .invert import in_chunks, newton, padded
from .networks import Params

NETWORKS: dict[str, Callable[..., BasePotential]] = {"ICNN": networks.ICNN, "PaperICNN": networks.PaperICNN}


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

    def potential(self, x: np.ndarray) -> np.ndarray:
        """Return the convex potential of every cell, shape ``(n_cells,)``, up to a constant."""
        x = self._checked(x)
        values = _mean_value(self._module, self._device_params, jnp.asarray(x - self.source_mean))
        return np.asarray(values) + x @ self.target_mean

    def _forward(self, x: np.ndarray) -> np.ndarray:
        moved = padded(partial(_mean_gradient, self._module, self._device_params), x - self.source_mean)
        return moved + self.target_mean

    def _backward(self, y: np.ndarray) -> np.ndarray:
        solve = partial(_conjugate, self._module, self._device_params)
        return in_chunks(solve, y - self.target_mean) + self.source_mean

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
    """Return the x at which the gradient is y: the maximiser of <x, y> - f(x)."""

    def slope(x: jax.Array) -> jax.Array:
        return jax.grad(lambda x: jax.vmap(lambda p: networks.value(network, p, x))(params).mean(0))(x)

    return jax.vmap(lambda y: newton(slope, y, symmetric=True))(y)
