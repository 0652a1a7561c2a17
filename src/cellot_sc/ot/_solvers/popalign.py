"""Gaussian mixtures of source and target cells, whose components are aligned as a whole: the PopAlign baseline."""

from __future__ import annotations

import dataclasses
import time
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from scipy.optimize import linprog
from scipy.special import softmax

from ..._states import DEFINITE, NOT_NEGATIVE, SHARES, Group, Numbers
from .. import _checks
from .._maps.base import State, TransportMap
from .._maps.networks import as_arrays
from .._problem import History, Problem, Solution
from .._sinkhorn import sample
from .gaussian import bures_matrix, gaussian_map
from .solver import Meter, Solver, one_by_one

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

STARTS = 5
"""Starts of the mixture of source cells, of which the likeliest is kept."""
MAX_ITERATIONS = 200
RIDGE = 1e-3
"""What is added to the variances of a mixture, in units of the mean variance of its cells."""
MIN_CELLS = 20
"""Cells that a component has at least: one with fewer is dropped. A mean of fewer would say where single cells lie."""


class Mixture(NamedTuple):
    """Gaussians in the proportions in which they make up a cloud of cells."""

    weights: np.ndarray
    """Shape ``(n_components,)``."""
    means: np.ndarray
    """Shape ``(n_components, n_dims)``."""
    covariances: np.ndarray
    """Shape ``(n_components, n_dims, n_dims)``."""
    shared: np.ndarray
    """Covariance by which cells are assigned to components, shape ``(n_dims, n_dims)``."""


def _mixture_field(axis: str) -> Group:
    arrays = {
        "weights": Numbers(axis, SHARES),
        "means": Numbers(f"{axis}d"),
        "covariances": Numbers(f"{axis}dd", DEFINITE),
        "shared": Numbers("dd", DEFINITE),
    }
    return Group(Mixture, arrays)


class MixtureMap(TransportMap):
    """The map that moves each cell as the components do that it belongs to.

    T(x) = sum_j r_j(x) T_j(x), where r_j is the probability that x is of component j of the source mixture, and T_j the
    optimal map between that Gaussian and the one of the target mixture to which most of its mass is coupled. Delon and
    Desolneux (2020, doi 10.1137/19M1301047) weigh all to which any is; but shares of a component differ between
    samples, and what one has too much of would draw all of its cells towards another.

    :meth:`inverse` is the same with the mixtures exchanged and the coupling the other way round. It is not the exact
    inverse of :meth:`transport`, which has none where components overlap.

    Parameters
    ----------
    source, target
        The mixtures.
    coupling
        Mass that goes from each component to each, shape ``(n_source_components, n_target_components)``.
    """

    kind = "popalign"
    fields: ClassVar = {
        "source": _mixture_field("j"),
        "target": _mixture_field("k"),
        "coupling": Numbers("jk", NOT_NEGATIVE),
    }

    def __init__(self, source: Mixture, target: Mixture, coupling: np.ndarray) -> None:
        self.source, self.target, self.coupling = as_arrays((source, target, coupling))
        self.n_dims = self.source.means.shape[1]
        self._forth = _Aligned.of(self.source, self.target, self.coupling)
        self._back = _Aligned.of(self.target, self.source, self.coupling.T)

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self._forth.move(x)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self._back.move(y)

    def state(self) -> State:
        """Return the mixtures and the coupling."""
        return super().state() | {"source": self.source._asdict(), "target": self.target._asdict()}


class _Aligned(NamedTuple):
    """One direction of a map between mixtures."""

    start: Mixture
    matrices: np.ndarray
    """That of the optimal map of each component, shape ``(n_components, n_dims, n_dims)``."""
    ends: np.ndarray
    """Where the mean of each component goes, shape ``(n_components, n_dims)``."""

    @classmethod
    def of(cls, start: Mixture, end: Mixture, coupling: np.ndarray) -> Self:
        """Align every component with the one that it is coupled with most."""
        partners = coupling.argmax(axis=1)
        pairs = zip(start.covariances.astype(np.float64), end.covariances[partners].astype(np.float64), strict=True)
        return cls(start, np.stack([bures_matrix(*pair) for pair in pairs]), end.means[partners])

    def move(self, x: np.ndarray) -> np.ndarray:
        """Return where cells go, float64."""
        out = np.zeros(x.shape)
        parts = zip(responsibilities(x, self.start).T, self.start.means, self.matrices, self.ends, strict=True)
        for probability, mean, matrix, end in parts:
            out += probability[:, None] * ((x - mean) @ matrix + end)
        return out


def responsibilities(x: np.ndarray, mixture: Mixture) -> np.ndarray:
    """Return how probably each cell is of each component, shape ``(n_cells, n_components)``.

    With one covariance for all components, this is the softmax of functions that are linear in x.
    """
    means = mixture.means.astype(np.float64)
    slopes = np.linalg.solve(mixture.shared.astype(np.float64), means.T)
    offsets = np.log(mixture.weights) - 0.5 * (means.T * slopes).sum(axis=0)
    return softmax(x @ slopes + offsets, axis=1)


@dataclasses.dataclass(frozen=True)
class PopAlignConfig:
    """Options of the solver ``"popalign"``.

    Parameters
    ----------
    n_components
        Numbers of components to try, at most 100 numbers of at most 16,384; the Bayesian information criterion of both
        mixtures together chooses.
    max_cells
        Cells of either cloud at most. Of larger clouds a random sample is taken.
    """

    n_components: tuple[int, ...] = (1, 2, 4, 8, 16)
    max_cells: int = 20_000

    def __post_init__(self) -> None:
        """Check every value."""
        _checks.options(self)
        object.__setattr__(self, "n_components", tuple(sorted(set(self.n_components))))


def fit_popalign(problem: Problem, config: PopAlignConfig, seed: int, report: Meter) -> Solution:
    """Fit a map as PopAlign aligns populations (Chen et al. 2020, doi 10.1073/pnas.2005990117).

    Mixtures are fitted to source and target cells, their components coupled by optimal transport between the mixtures
    (with the squared Bures-Wasserstein distance as the cost), and each cell is moved by the map of its components.
    PopAlign itself pairs each component with the nearest by a symmetric divergence, and says how pairs differ.

    Validation cells are not used, nor are groups: components are coupled, and not cells.
    """
    begin = time.perf_counter()
    rng = np.random.default_rng(seed)
    x, y = (
        sample(cells, None, config.max_cells, rng)[0].astype(np.float64) for cells in (problem.source, problem.target)
    )
    # cells of the target where the affine map says they came from: there, the components of the source know them
    origins = gaussian_map(x, y).inverse(y).astype(np.float64)
    most = max(1, min(len(x), len(y)) // (2 * MIN_CELLS))
    n_components = min(max(config.n_components), most)
    # a covariance and its map, in double precision, of every component of either mixture
    _checks.room(8 * n_components * problem.n_dims**2, lower="n_components")
    history = History()
    candidates = []
    for step, n_components in enumerate(sorted({min(n, most) for n in config.n_components}), start=1):
        source_model = _mixture(x, n_init=STARTS, n_components=n_components, seed=seed)
        # that of the target starts from the components that its cells are of where they came from
        start = _moments(y, source_model.predict_proba(origins), shared=None)
        target_model = _mixture(
            y,
            seed=seed,
            n_components=len(start.weights),
            weights_init=start.weights,
            means_init=start.means,
            precisions_init=np.linalg.inv(start.shared),
        )
        candidates.append((source_model, target_model))
        bic = float(source_model.bic(x) + target_model.bic(y))
        history.add(step, time.perf_counter() - begin, n_components=n_components, bic=bic)
    report(len(config.n_components), {})
    chosen = int(np.argmin(history.metrics["bic"]))
    source, target = (
        _moments(cells, model.predict_proba(cells), shared=model.covariances_)
        for cells, model in zip((x, y), candidates[chosen], strict=True)
    )
    transport = MixtureMap(source, target, _coupling(source, target))
    return Solution(transport, dataclasses.replace(history, selected=history.step[chosen]))


def _mixture(cells: np.ndarray, *, seed: int, **options: Any) -> GaussianMixture:
    """Fit a mixture whose components share a covariance: one each has more parameters than cells give."""
    # takes most of a second to import
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    ridge = RIDGE * (cells.var(axis=0).mean() or 1.0)
    model = GaussianMixture(
        covariance_type="tied", reg_covar=ridge, max_iter=MAX_ITERATIONS, random_state=seed, **options
    )
    with warnings.catch_warnings():
        # one that would still improve, or copies of cells that make for fewer components, do no harm
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(cells)


def _moments(cells: np.ndarray, membership: np.ndarray, *, shared: np.ndarray | None) -> Mixture:
    """Return weighted means, and covariances shrunk towards their mean.

    The covariance of a component is drawn to that of all by the closed form of Ledoit and Wolf (2004, doi
    10.1016/S0047-259X(03)00096-4), with the mean in place of a multiple of the identity: directions that all components
    share are kept.
    """
    sizes = membership.sum(axis=0)
    kept = sizes >= min(MIN_CELLS, sizes.max())
    membership, sizes = membership[:, kept], sizes[kept]
    weights = sizes / sizes.sum()
    means = membership.T @ cells / sizes[:, None]
    covariances = np.empty((len(sizes), cells.shape[1], cells.shape[1]))
    noise = np.empty(len(sizes))
    for k, probability in enumerate(membership.T):
        z = cells - means[k]
        covariances[k] = (z * probability[:, None]).T @ z / sizes[k]
        fourth = probability @ (z**2).sum(axis=1) ** 2 / sizes[k]
        noise[k] = (fourth - (covariances[k] ** 2).sum()) * (probability**2).sum() / sizes[k] ** 2
    mean = np.einsum("k,kij->ij", weights, covariances)
    spread = ((covariances - mean) ** 2).sum(axis=(1, 2))
    shrinkage = np.clip(np.divide(noise, spread, out=np.ones_like(noise), where=spread > 0), 0, 1)[:, None, None]
    ridge = RIDGE * (np.trace(mean) / len(mean) or 1.0) * np.eye(len(mean))
    covariances = (1 - shrinkage) * covariances + shrinkage * mean + ridge
    return Mixture(weights, means, covariances, mean + ridge if shared is None else shared)


def _coupling(source: Mixture, target: Mixture) -> np.ndarray:
    """Return the optimal coupling of two mixtures, with the squared distance of Bures and Wasserstein as the cost."""
    cost = ((source.means[:, None] - target.means) ** 2).sum(axis=2)
    cost += np.trace(source.covariances, axis1=1, axis2=2)[:, None] + np.trace(target.covariances, axis1=1, axis2=2)
    for j, covariance in enumerate(source.covariances):
        values, vectors = np.linalg.eigh(covariance)
        root = (vectors * np.sqrt(values)) @ vectors.T
        crossed = np.linalg.eigvalsh(root @ target.covariances @ root)
        cost[j] -= 2 * np.sqrt(np.maximum(crossed, 0)).sum(axis=1)
    n, m = cost.shape
    marginals = np.concatenate([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    masses = np.concatenate([source.weights, target.weights])
    # costs of about one suit the solver's tolerances; a vertex couples no more than n + m - 1 pairs
    solution = linprog(cost.ravel() / max(cost.max(), 1e-300), A_eq=marginals, b_eq=masses, method="highs-ds")
    return solution.x.reshape(n, m)


SOLVER = Solver(
    "popalign",
    "aligned components of Gaussian mixtures",
    PopAlignConfig,
    one_by_one(fit_popalign, lambda config: len(config.n_components)),
    cites=("chen2020",),
)
