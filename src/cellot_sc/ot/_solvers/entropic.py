"""Discrete optimal transport between the train cells, carried over to other cells by its entropic map."""

from __future__ import annotations

import dataclasses
import logging
import time
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ..._states import Numbers, Positive
from .. import _checks, _sinkhorn
from .._loop import criteria
from .._loop.batches import bucket
from .._maps.base import State, TransportMap
from .._maps.invert import padded
from .._maps.networks import as_arrays
from .._problem import History, Problem, Solution
from .solver import Meter, Solver, one_by_one

logger = logging.getLogger("cellot_sc")

POTENTIALS = ("source_potential", "target_potential", "source_self", "target_self")
ROWS = 512
"""Cells that are compared with all train cells at a time."""


class EntropicMap(TransportMap):
    """The barycentre of the target cells, each weighed by how much of its mass an untreated cell would receive.

    ``T(x) = sum_j y_j w_j(x)`` with ``w_j(x)`` proportional to ``exp((g_j - 1/2 |x - y_j|^2) / epsilon)``, where g is
    the dual potential of the target cells (Pooladian and Niles-Weed 2021, arXiv 2109.12004, equation 9).

    :meth:`inverse` is the same estimator in the other direction, with the potential of the source cells. It is not the
    exact inverse of :meth:`transport`, which averages cells and has none: a round trip ends near the cell, as near as
    epsilon is small.

    Parameters
    ----------
    source, target
        Train cells, shapes ``(n_source, n_dims)`` and ``(n_target, n_dims)``.
    source_potential, target_potential
        Dual potentials f and g, shapes ``(n_source,)`` and ``(n_target,)``, with the cost ``1/2 |x - y|^2``.
    epsilon
        Strength of the entropic regularisation, in units of the cost.
    source_self, target_self
        Potentials of either cloud to itself, of the same shapes. With them, a cell moves by how far the barycentre of
        target cells lies from that of source cells, each weighed by what of its mass they would receive: the gradient
        of Sinkhorn's divergence (Feydy et al. 2019, arXiv 1810.08278), which cancels how far both are from the cell.
    """

    kind = "entropic"
    fields: ClassVar = {
        "source": Numbers("nd"),
        "target": Numbers("md"),
        "source_potential": Numbers("n"),
        "target_potential": Numbers("m"),
        "epsilon": Positive(),
        "source_self": Numbers("n"),
        "target_self": Numbers("m"),
    }
    optional = ("source_self", "target_self")

    def __init__(
        self,
        source: np.ndarray,
        target: np.ndarray,
        source_potential: np.ndarray,
        target_potential: np.ndarray,
        epsilon: float,
        source_self: np.ndarray | None = None,
        target_self: np.ndarray | None = None,
    ) -> None:
        self.source, self.target = as_arrays((source, target))
        self.source_potential, self.target_potential = as_arrays((source_potential, target_potential))
        self.source_self, self.target_self = (
            None if of is None else np.asarray(of, dtype=np.float32) for of in (source_self, target_self)
        )
        self.epsilon = float(epsilon)
        self.n_dims = self.source.shape[1]

    def _forward(self, x: np.ndarray) -> np.ndarray:
        there = _apply(x, self.target, self.target_potential, self.epsilon)
        if self.source_self is None:
            return there
        return x + there - _apply(x, self.source, self.source_self, self.epsilon)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        there = _apply(y, self.source, self.source_potential, self.epsilon)
        if self.target_self is None:
            return there
        return y + there - _apply(y, self.target, self.target_self, self.epsilon)

    def state(self) -> State:
        """Return its arrays, and those of a cloud to itself if there are any."""
        return {name: value for name, value in super().state().items() if value is not None}


def _apply(x: np.ndarray, anchors: np.ndarray, potential: np.ndarray, epsilon: float) -> np.ndarray:
    centre, n_more = anchors.mean(0), bucket(len(anchors)) - len(anchors)
    points = np.pad(anchors - centre, ((0, n_more), (0, 0)))
    potentials = np.pad(potential, (0, n_more), constant_values=-np.inf)
    return padded(partial(_barycentres, points, potentials, np.float32(epsilon)), x - centre) + centre


@jax.jit
def _barycentres(anchors: jax.Array, potential: jax.Array, epsilon: jax.Array, x: jax.Array) -> jax.Array:
    # 1/2 |x|^2 is the same for every anchor, so that the weights do without it
    height = potential - 0.5 * (anchors * anchors).sum(1)

    def rows(cells: jax.Array) -> jax.Array:
        return jax.nn.softmax((cells @ anchors.T + height) / epsilon, axis=1) @ anchors

    n_rows = min(ROWS, len(x))
    return jax.lax.map(rows, x.reshape(-1, n_rows, x.shape[1])).reshape(x.shape)


@dataclasses.dataclass(frozen=True)
class EntropicConfig:
    """Options of the solver ``"entropic"``.

    Parameters
    ----------
    epsilons
        Strengths of the regularisation, in units of the mean cost. Each is tried, the strongest first, and validation
        cells choose; without them, the one in the middle is taken.
    max_cells
        Cells of either cloud at most. Of larger clouds a random sample is taken.
    threshold
        Error of the marginals, in the 1-norm, at which Sinkhorn's iterations end.
    max_iterations
        Iterations at most, for each strength; no more than ten million.
    debiased
        Whether a cell moves by the difference of two barycentres, as by the gradient of Sinkhorn's divergence. Where
        few points stand for many cells, as in a :class:`cellot_sc.Model`, that keeps what lies between them.
    """

    epsilons: tuple[float, ...] = (0.05, 0.02, 0.01, 0.005, 0.002)
    max_cells: int = 5000
    threshold: float = 1e-3
    max_iterations: int = 2000
    debiased: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        _checks.options(self)
        object.__setattr__(self, "epsilons", tuple(sorted(self.epsilons, reverse=True)))


def fit_entropic(problem: Problem, config: EntropicConfig, seed: int, report: Meter) -> Solution:
    """Solve the regularised discrete problem of a pair of clouds (Cuturi 2013).

    Cells are not paired within groups, because the cells that a map is applied to later have none.
    """
    start = time.perf_counter()
    rng = np.random.default_rng(seed)
    source, source_weights = _sinkhorn.sample(problem.source, problem.source_weights, config.max_cells, rng)
    target, target_weights = _sinkhorn.sample(problem.target, problem.target_weights, config.max_cells, rng)
    _checks.room(2 * len(source) * len(target), lower="max_cells")
    clouds = _sinkhorn.paired(source, target, source_weights, target_weights)
    mean_cost = clouds.mean_cost
    judged = min(len(problem.source_valid), len(problem.target_valid)) >= 2
    history = History()
    candidates: list[EntropicMap] = []
    # what a strength begins with are the potentials of the one before; of a cloud to itself, both are the same
    ends = [clouds]
    if config.debiased:
        ends += [
            _sinkhorn.paired(*[cells] * 2, *[of] * 2)
            for cells, of in ((source, source_weights), (target, target_weights))
        ]
    potentials = [(jnp.zeros(len(pair.x)), jnp.zeros(len(pair.y))) for pair in ends]
    for done, share in enumerate(config.epsilons, start=1):
        epsilon = share * mean_cost
        solved = [
            _sinkhorn.solve(pair, np.float32(epsilon), *start, config.threshold, config.max_iterations)
            for pair, start in zip(ends, potentials, strict=True)
        ]
        potentials = [(f, g) for f, g, _ in solved]
        if not all(converged for *_, converged in solved):
            logger.info("Sinkhorn's iterations had not converged at epsilon = %g x mean cost", share)
        (f, g), *own = potentials
        found = [np.asarray(f)[: len(source)], np.asarray(g)[: len(target)]]
        found += [np.asarray(one)[: len(cells)] for (one, _), cells in zip(own, (source, target), strict=False)]
        if not all(np.isfinite(one).all() for one in found):
            logger.warning("Sinkhorn's iterations diverged at epsilon = %g x mean cost: left out", share)
            break
        named = dict(zip(POTENTIALS, found, strict=False))
        candidates.append(EntropicMap(source, target, epsilon=epsilon, **named))
        validation = float("nan")
        if judged:
            moved = candidates[-1].transport(problem.source_valid)
            weights = problem.source_valid_weights, problem.target_valid_weights
            validation = criteria.energy_score(moved, problem.target_valid, weights).value
        history.add(done, time.perf_counter() - start, epsilon=share, validation=validation)
        report(done, {"validation": validation})
    if not candidates:
        raise ValueError(
            f"Sinkhorn's iterations diverged at epsilon = {config.epsilons[0]:g} x mean cost: choose larger epsilons."
        )
    chosen = int(np.argmin(history.metrics["validation"])) if judged else (len(candidates) - 1) // 2
    return Solution(candidates[chosen], dataclasses.replace(history, selected=history.step[chosen]))


SOLVER = Solver(
    "entropic",
    "discrete optimal transport, extended to other cells",
    EntropicConfig,
    one_by_one(fit_entropic, lambda config: len(config.epsilons)),
    cites=("pooladian2021", "cuturi2022"),
    weighs=True,
    keeps_cells=True,
    of_means={"debiased": True},
)
