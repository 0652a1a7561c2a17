"""How much of its cloud every cell stands for, where some cells have more descendants than others."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from . import _sinkhorn
from ._moments import mean_of

logger = logging.getLogger("cellot_sc")

MAX_CELLS = 4000
"""Cells of either cloud that are coupled, at most: a random sample of larger ones."""
EPSILON = 0.01
"""Strength of the entropic regularisation, in units of the mean cost."""
ROWS = 512
"""Cells whose mass is worked out at a time."""
THRESHOLD = 1e-3
"""Error at which the iterations end."""
MAX_ITERATIONS = 5000
ROUNDS = 3
"""How often cells are coupled, each time without the shift that weighted means have in common."""


@dataclass(frozen=True)
class Side:
    """One marginal of an unbalanced coupling, as a function of where a cell is.

    The mass of a cell at x is in proportion to a(x)^tau s(x)^(1 - tau), with its prior a(x) and
    s(x) = sum_j exp((g_j - 1/2 |x - y_j|^2) / epsilon): a cell whose surroundings are rich in cells of the other cloud
    sends, or receives, more. So it is for cells that were not coupled, too.

    Parameters
    ----------
    other
        Coupled cells of the other cloud, y, where they would be in this one, shape ``(n_other, n_dims)``.
    potential
        Their dual potential g, shape ``(n_other,)``.
    epsilon
        Strength of the entropic regularisation.
    tau
        How firmly this marginal is held to the prior.
    """

    other: np.ndarray
    potential: np.ndarray
    epsilon: float
    tau: float

    def log_mass(self, x: np.ndarray, prior: np.ndarray | None = None) -> np.ndarray:
        """Return the logarithm of the mass of cells of this cloud, up to a constant, shape ``(n_cells,)``."""
        mass = np.zeros(len(x))
        if prior is not None:
            with np.errstate(divide="ignore"):
                mass += self.tau * np.log(prior)
        if self.tau < 1:
            mass += (1 - self.tau) * self._log_sums(x)
        return mass

    def _log_sums(self, x: np.ndarray) -> np.ndarray:
        """Return log s of every cell."""
        centre = self.other.mean(axis=0, dtype=np.float64)
        other = self.other - centre
        height = self.potential - 0.5 * (other**2).sum(axis=1)
        out = np.empty(len(x))
        for start in range(0, len(x), ROWS):
            part = x[start : start + ROWS] - centre
            exponent = (height + part @ other.T - 0.5 * (part**2).sum(axis=1)[:, None]) / self.epsilon
            out[start : start + ROWS] = logsumexp(exponent, axis=1)
        return out


def unbalanced_marginals(
    source: np.ndarray, target: np.ndarray, *, prior: np.ndarray | None = None, tau: tuple[float, float], seed: int
) -> tuple[Side, Side]:
    """Couple two clouds, of which the marginals need only be near their prior, and return what they are instead.

    The marginals are held by a Kullback-Leibler penalty of weight rho = epsilon tau / (1 - tau), per side (Chizat et
    al. 2018, doi 10.1090/mcom/3303; Sejourne et al. 2019, arXiv 1910.12958). What moves all cells alike is taken out
    first: it costs the cells in its way less than others, which would be taken for growth.

    Parameters
    ----------
    source, target
        Cells, shapes ``(n_source, n_dims)`` and ``(n_target, n_dims)``.
    prior
        How much source cells count before the target is looked at, shape ``(n_source,)``, or ``None`` if they count
        alike. Target cells count alike.
    tau
        How firmly the marginal of either side is held, in (0, 1]: 1 for exactly.
    seed
        Seed of the sample of large clouds.

    Returns
    -------
    The marginals of the source and of the target.
    """
    rng = np.random.default_rng(seed)
    x, x_weights = _sinkhorn.sample(source, prior, MAX_CELLS, rng)
    y, _ = _sinkhorn.sample(target, None, MAX_CELLS, rng)
    shift = mean_of(y, None) - mean_of(x, x_weights)
    sides = _coupled(x, y, x_weights, shift, tau)
    for _ in range(ROUNDS - 1 if min(tau) < 1 else 0):
        masses = sides[0].log_mass(x, x_weights), sides[1].log_mass(y)
        sent, received = (np.exp(mass - mass.max()) for mass in masses)
        sides = _coupled(x, y, x_weights, mean_of(y, received) - mean_of(x, sent), tau)
    return sides


def _coupled(
    x: np.ndarray, y: np.ndarray, x_weights: np.ndarray | None, shift: np.ndarray, tau: tuple[float, float]
) -> tuple[Side, Side]:
    """Couple two clouds, the first of which is shifted."""
    near_x, near_y = y - shift, x + shift
    clouds = _sinkhorn.paired(near_y, y, x_weights)
    epsilon = EPSILON * clouds.mean_cost
    f, g = jnp.zeros(len(clouds.x)), jnp.zeros(len(clouds.y))
    f, g, converged = _sinkhorn.solve(clouds, np.float32(epsilon), f, g, THRESHOLD, MAX_ITERATIONS, tau)
    if not converged:
        logger.info("the iterations of the unbalanced coupling had not converged")
    sent = Side(near_x, np.asarray(g)[: len(y)], epsilon, tau[0])
    return sent, Side(near_y, np.asarray(f)[: len(x)], epsilon, tau[1])
