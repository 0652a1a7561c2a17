"""ott's own neural solver of the dual, in ott's own loop and with ott's defaults: what a user of ott would get."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .. import _checks
from .._maps.base import State, TransportMap
from .._moments import shares_of
from .._ott import DEFAULT_CONJUGATE_SOLVER, W2NeuralDual
from .._ott import ICNN as OttICNN
from .._problem import History, Problem, Progress, Solution
from .solver import Solver

logger = logging.getLogger("cellot_sc")

CHUNK = 256
"""Cells that are moved at a time."""


@dataclasses.dataclass(frozen=True)
class NeuralDualConfig:
    """Options of the solver ``"neural_dual"``: networks, steps and rate are ott's defaults, as all that is not here.

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
        _checks.counts(self, "width", "depth", "batch_size", "n_steps")
        _checks.positive(self, "learning_rate")


class NeuralDualMap(TransportMap):
    """The map x -> grad f(x) with ott's convex network f.

    :meth:`inverse` is the gradient of the conjugate of f, at which ott's solver of the conjugate arrives from grad g.

    Parameters
    ----------
    f, g
        Parameters of the potential and of what was trained to be its conjugate.
    layers
        Units of every layer of the networks.
    n_dims
        Number of dimensions.
    """

    kind = "neural_dual"

    def __init__(self, f: Mapping[str, Any], g: Mapping[str, Any], layers: Sequence[int], n_dims: int) -> None:
        self.f, self.g = (jax.tree.map(lambda leaf: np.asarray(leaf, dtype=np.float32), dict(p)) for p in (f, g))
        self.layers, self._n_dims = tuple(layers), int(n_dims)

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self._n_dims

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self._padded(_gradient, x)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self._padded(_conjugate, y)

    def _padded(self, function: Any, cells: np.ndarray) -> np.ndarray:
        # always as many at a time: nothing compiles anew, and where a search ends does not depend on the others
        n_chunks = -(-len(cells) // CHUNK)
        padded = np.zeros((n_chunks, CHUNK, self.n_dims), dtype=np.float32)
        padded.reshape(-1, self.n_dims)[: len(cells)] = cells
        moved = [function(self.layers, self.f, self.g, chunk) for chunk in padded]
        return np.concatenate(moved)[: len(cells)]

    def state(self) -> State:
        """Return the parameters of both networks and their layers."""
        config = json.dumps({"layers": self.layers, "n_dims": self.n_dims})
        return {"kind": self.kind, "config": config, "f": self.f, "g": self.g}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["f"], state["g"], **json.loads(state["config"]))


def _network(layers: tuple[int, ...], n_dims: int) -> OttICNN:
    return OttICNN(dim_data=n_dims, dim_hidden=layers, pos_weights=True)


@functools.partial(jax.jit, static_argnames="layers")
def _gradient(layers: tuple[int, ...], f: Any, g: Any, x: jax.Array) -> jax.Array:
    # ``DualPotentials.transport`` of ott 0.6.0 moves cells half the way: ``to_dual_potentials`` pairs potentials of the
    # cost 1/2 |x - y|^2 with the cost |x - y|^2
    return _network(layers, x.shape[1]).potential_gradient_fn(f)(x)


@functools.partial(jax.jit, static_argnames="layers")
def _conjugate(layers: tuple[int, ...], f: Any, g: Any, y: jax.Array) -> jax.Array:
    network = _network(layers, y.shape[1])
    value, starts = network.potential_value_fn(f), network.potential_gradient_fn(g)(y)
    return jax.vmap(lambda cell, start: DEFAULT_CONJUGATE_SOLVER.solve(value, cell, x_init=start).grad)(y, starts)


def fit_neural_dual(
    problems: Sequence[Problem], config: NeuralDualConfig, seed: int, progress: Progress | None
) -> list[Solution]:
    """Fit ott's ``W2NeuralDual`` with its ``ICNN``, problem by problem (Amos 2023, arXiv 2210.12153).

    A step takes more than a second with ott's solver of the conjugate. Validation cells are not used: the last step is
    taken, as by ott. An interrupt (Ctrl-C) ends the fit of one problem with its map so far.
    """
    fits: list[Solution] = []
    for problem in problems:

        def report(done: int, before: int = len(fits) * config.n_steps) -> None:
            if progress is not None:
                progress(before + done, len(problems) * config.n_steps, {})

        fits.append(_fit_one(problem, config, seed, report))
    return fits


def _fit_one(problem: Problem, config: NeuralDualConfig, seed: int, report: Any) -> Solution:
    layers = (config.width,) * config.depth
    network = _network(layers, problem.n_dims)
    adam = optax.adam(config.learning_rate, b1=0.5, b2=0.9)
    dual = W2NeuralDual(
        problem.n_dims, network, network, adam, adam, config.n_steps,
        valid_freq=config.n_steps + 1, rng=jax.random.key(seed),
    )  # fmt: skip
    start, made = time.perf_counter(), [0]

    def after(step: int, potentials: object) -> None:
        made[0] = step + 1
        report(made[0])

    source = _batches(problem.source, problem.source_weights, config.batch_size, np.random.default_rng([seed, 0]))
    target = _batches(problem.target, problem.target_weights, config.batch_size, np.random.default_rng([seed, 1]))
    # ott draws a progress bar of its own, and never asks for validation cells
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            dual(source, target, source, target, callback=after)
        except KeyboardInterrupt:
            logger.warning("interrupted after step %d: the map so far is kept", made[0])
    history = History(made, [time.perf_counter() - start], selected=made[0])
    return Solution(NeuralDualMap(dual.state_f.params, dual.state_g.params, layers, problem.n_dims), history)


def _batches(cells: np.ndarray, weights: np.ndarray | None, size: int, rng: np.random.Generator) -> Iterator[jax.Array]:
    shares = None if weights is None else shares_of(weights)
    while True:
        yield jnp.asarray(cells[rng.choice(len(cells), size, p=shares)])


SOLVER = Solver(
    "neural_dual",
    "ott's W2NeuralDual",
    NeuralDualConfig,
    fit_neural_dual,
    cites=("makkuva2020", "amos2023", "cuturi2022"),
    weighs=True,
)
