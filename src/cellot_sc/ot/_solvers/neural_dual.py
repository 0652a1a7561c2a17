"""ott's own neural solver of the dual, in ott's own loop and with ott's defaults: what a user of ott would get."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..._states import MAX_LAYERS, Tree, Whole
from .. import _checks
from .._maps.base import TransportMap
from .._maps.invert import in_chunks
from .._maps.networks import as_arrays, shapes
from .._moments import shares_of
from .._ott import DEFAULT_CONJUGATE_SOLVER, W2NeuralDual
from .._ott import ICNN as OttICNN
from .._problem import History, Problem, Solution
from .solver import Meter, Solver, one_by_one

logger = logging.getLogger("cellot_sc")


@dataclasses.dataclass(frozen=True)
class NeuralDualConfig:
    """Options of the solver ``"neural_dual"``: networks, steps and rate are ott's defaults, as all that is not here.

    Their limits are those of :class:`.LoopConfig`.

    Parameters
    ----------
    width, depth
        Units per layer and layers of each network.
    learning_rate
        Step size of Adam.
    batch_size
        Cells per cloud and step, of which ott leaves the choice to its user.
    n_steps
        Steps.
    """

    width: int = 64
    depth: int = 4
    learning_rate: float = 1e-4
    batch_size: int = 256
    n_steps: int = 20_000

    def __post_init__(self) -> None:
        """Check every value."""
        _checks.options(self)


def _shapes(size: Mapping[str, int]) -> dict[str, Any]:
    return shapes(_network(size["width"], size["depth"], size["n_dims"]), size["n_dims"])


class NeuralDualMap(TransportMap):
    """The map x -> grad f(x) with ott's convex network f.

    :meth:`inverse` is the gradient of the conjugate of f, at which ott's solver of the conjugate arrives from grad g.

    Parameters
    ----------
    f, g
        Parameters of the potential and of what was trained to be its conjugate.
    width, depth
        Units per layer and layers of each network.
    n_dims
        Number of dimensions.
    """

    kind = "neural_dual"
    fields: ClassVar = {
        "width": Whole(),
        "depth": Whole(MAX_LAYERS),
        "n_dims": Whole(axis="d"),
        "f": Tree(lambda read: _shapes(read.values)),
        "g": Tree(lambda read: _shapes(read.values)),
    }

    def __init__(self, f: Mapping[str, Any], g: Mapping[str, Any], width: int, depth: int, n_dims: int) -> None:
        self.f, self.g = as_arrays((dict(f), dict(g)))
        self.width, self.depth, self.n_dims = int(width), int(depth), int(n_dims)
        self._network = _network(self.width, self.depth, self.n_dims)

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return in_chunks(partial(_gradient, self._network, self.f), x)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return in_chunks(partial(_conjugate, self._network, self.f, self.g), y)


def _network(width: int, depth: int, n_dims: int) -> OttICNN:
    return OttICNN(dim_data=n_dims, dim_hidden=(width,) * depth, pos_weights=True)


@partial(jax.jit, static_argnames="network")
def _gradient(network: OttICNN, f: Any, x: jax.Array) -> jax.Array:
    # ``DualPotentials.transport`` of ott 0.6.0 moves cells half the way: ``to_dual_potentials`` pairs potentials of the
    # cost 1/2 |x - y|^2 with the cost |x - y|^2
    return network.potential_gradient_fn(f)(x)


@partial(jax.jit, static_argnames="network")
def _conjugate(network: OttICNN, f: Any, g: Any, y: jax.Array) -> jax.Array:
    value, starts = network.potential_value_fn(f), network.potential_gradient_fn(g)(y)
    return jax.vmap(lambda cell, start: DEFAULT_CONJUGATE_SOLVER.solve(value, cell, x_init=start).grad)(y, starts)


def fit_neural_dual(problem: Problem, config: NeuralDualConfig, seed: int, report: Meter) -> Solution:
    """Fit ott's ``W2NeuralDual`` with its ``ICNN`` (Amos 2023, arXiv 2210.12153).

    A step takes more than a second with ott's solver of the conjugate. Validation cells are not used: the last step is
    taken, as by ott. An interrupt (Ctrl-C) ends the fit of one problem with its map so far.
    """
    size = (config.width, config.depth, problem.n_dims)
    # ott multiplies every cell with all units of a layer under the gradient
    n_numbers = config.depth * config.width * (config.batch_size * problem.n_dims + config.width)
    _checks.room(n_numbers, lower="batch_size, width, depth")
    network = _network(*size)
    adam = optax.adam(config.learning_rate, b1=0.5, b2=0.9)
    dual = W2NeuralDual(
        problem.n_dims, network, network, adam, adam, config.n_steps,
        valid_freq=config.n_steps + 1, rng=jax.random.key(seed),
    )  # fmt: skip
    start, made = time.perf_counter(), [0]

    def after(step: int, potentials: object) -> None:
        made[0] = step + 1
        report(made[0], {})

    source = _batches(problem.source, problem.source_weights, config.batch_size, np.random.default_rng([seed, 0]))
    target = _batches(problem.target, problem.target_weights, config.batch_size, np.random.default_rng([seed, 1]))
    # ott draws a progress bar of its own, and never asks for validation cells
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            dual(source, target, source, target, callback=after)
        except KeyboardInterrupt:
            logger.warning("interrupted after step %d: the map so far is kept", made[0])
    interrupted = made[0] < config.n_steps
    history = History(made, [time.perf_counter() - start], selected=made[0], interrupted=interrupted)
    return Solution(NeuralDualMap(dual.state_f.params, dual.state_g.params, *size), history)


def _batches(cells: np.ndarray, weights: np.ndarray | None, size: int, rng: np.random.Generator) -> Iterator[jax.Array]:
    shares = None if weights is None else shares_of(weights)
    while True:
        yield jnp.asarray(cells[rng.choice(len(cells), size, p=shares)])


SOLVER = Solver(
    "neural_dual",
    "ott's W2NeuralDual",
    NeuralDualConfig,
    one_by_one(fit_neural_dual, lambda config: config.n_steps),
    cites=("makkuva2020", "amos2023", "cuturi2022"),
    weighs=True,
)
