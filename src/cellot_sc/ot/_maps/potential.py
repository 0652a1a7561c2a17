"""The map that is the gradient of one or several convex networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

import jax
import numpy as np

from ..._states import MAX_LAYERS, Group, Numbers, OneOf, Tree, Whole
from . import networks
from .base import TransportMap
from .invert import in_chunks, newton
from .networks import BasePotential, Params, as_arrays

NETWORKS: dict[str, Callable[..., BasePotential]] = {"ICNN": networks.ICNN, "PaperICNN": networks.PaperICNN}

CHUNK = 1024
"""Cells that are transported at a time: as many as there are validation cells at most."""


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
    fields: ClassVar = {
        "network": OneOf(tuple(NETWORKS)),
        "options": Group(dict, {"width": Whole(), "depth": Whole(MAX_LAYERS)}),
        "source_mean": Numbers("d"),
        "target_mean": Numbers("d"),
        "params": Tree(
            lambda read: networks.shapes(NETWORKS[read.values["network"]](**read.values["options"]), read.sizes["d"]),
            axes="k",
        ),
    }

    def __init__(
        self,
        network: str,
        options: Mapping[str, int],
        params: Mapping[str, np.ndarray],
        source_mean: np.ndarray,
        target_mean: np.ndarray,
    ) -> None:
        self.network = str(network)
        self.options = {name: int(value) for name, value in options.items()}
        self.params, self.source_mean, self.target_mean = as_arrays((dict(params), source_mean, target_mean))
        self.n_dims = len(self.source_mean)
        self.n_networks = len(next(iter(self.params.values())))
        self._module = NETWORKS[self.network](**self.options)

    def potential(self, x: np.ndarray) -> np.ndarray:
        """Return the convex potential of every cell, shape ``(n_cells,)``, up to a constant."""
        x = self._checked(x)
        values = _mean_value(self._module, self.params, x - self.source_mean)
        return self._finite(np.asarray(values) + x @ self.target_mean, x)

    def _forward(self, x: np.ndarray) -> np.ndarray:
        # one network and some cells at a time: the same compiled code for any number of either
        x, total = x - self.source_mean, np.zeros_like(x)
        for k in range(self.n_networks):
            params = {name: leaf[k] for name, leaf in self.params.items()}
            total += in_chunks(partial(_gradient, self._module, params), x, CHUNK)
        return total / np.float32(self.n_networks) + self.target_mean

    def _backward(self, y: np.ndarray) -> np.ndarray:
        solve = partial(_conjugate, self._module, self.params)
        return in_chunks(solve, y - self.target_mean) + self.source_mean


@partial(jax.jit, static_argnames="network")
def _mean_value(network: BasePotential, params: Params, x: jax.Array) -> jax.Array:
    return jax.vmap(lambda p: networks.value(network, p, x))(params).mean(0)


@partial(jax.jit, static_argnames="network")
def _gradient(network: BasePotential, params: Params, x: jax.Array) -> jax.Array:
    return networks.gradient(network, params, x)


@partial(jax.jit, static_argnames="network")
def _conjugate(network: BasePotential, params: Params, y: jax.Array) -> jax.Array:
    """Return the x at which the gradient is y: the maximiser of <x, y> - f(x)."""
    slope = jax.grad(partial(_mean_value, network, params))
    return jax.vmap(lambda y: newton(slope, y, symmetric=True))(y)
