"""Distances between clouds that are themselves optimal transport problems."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from .. import _numbers
from .._arrays import MOST_COMPARED
from . import _check
from ._metric import Metric, register
from ._resampling import NoResampling
from ._stats import squared_distances

PADDING = 256
"""Clouds are padded with weightless cells to a multiple of this, so that one compilation serves many sizes."""


def sinkhorn_divergence(x: ArrayLike, y: ArrayLike, *, epsilon: float = 0.05) -> float:
    """Sinkhorn divergence: entropic transport cost between the clouds, less the mean of that within each.

    The cost is the squared Euclidean distance. As epsilon falls it tends to the squared Wasserstein-2 distance; as it
    grows, to a squared distance of means. Memory grows with m times n.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.
    epsilon
        Entropic regularisation, in units of the mean cost between the clouds.

    Returns
    -------
    Divergence, in squared units of the features.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, the clouds differ in the number of features, or epsilon
        is not positive.

    References
    ----------
    Feydy et al., AISTATS 2019, equation 3; computed by :func:`ott.tools.sinkhorn_divergence.sinkdiv`.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import sinkhorn_divergence
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> round(sinkhorn_divergence(x, x + 1), 2)
    2.0
    """
    # ott takes seconds to import
    from ._sinkhorn import divergence

    return float(divergence(*_problem(x, y, epsilon)))


def entropic_wasserstein2(x: ArrayLike, y: ArrayLike, *, epsilon: float = 0.01) -> float:
    """Root of the mean squared distance that cells move under the entropic transport plan.

    An upper bound on the Wasserstein-2 distance for samples of any sizes. Entropy blurs the plan, so that the value is
    not zero for a cloud and itself. Memory grows with m times n.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.
    epsilon
        Entropic regularisation, in units of the mean cost between the clouds.

    Returns
    -------
    Distance, in the unit of the features.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, the clouds differ in the number of features, or epsilon
        is not positive.

    References
    ----------
    Cuturi, NeurIPS 2013; computed by :func:`ott.solvers.linear.solve`.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import entropic_wasserstein2
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> round(entropic_wasserstein2(x, x + 3), 1)
    4.3
    """
    from ._sinkhorn import plan_cost

    return float(np.sqrt(plan_cost(*_problem(x, y, epsilon))))


def wasserstein2(x: ArrayLike, y: ArrayLike) -> float:
    """Exact Wasserstein-2 distance between two clouds of the same number of cells, by optimal assignment.

    The time grows with the cube of the number of cells (0.1 s for 1000, some seconds for 5000). In many dimensions it
    is dominated by how sparse the samples are: compare it only at equal numbers of cells.

    Parameters
    ----------
    x
        Predicted cells, shape ``(n, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.

    Returns
    -------
    Distance, in the unit of the features.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in shape.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import wasserstein2
    >>> wasserstein2(np.array([[0.0], [1.0]]), np.array([[4.0], [3.0]]))
    3.0
    """
    x, y = _check.clouds(x=x, y=y)
    if len(x) != len(y):
        raise ValueError(
            f"x has {len(x)} cells and y {len(y)}: sample the same number of both, or use entropic_wasserstein2 or "
            "sinkhorn_divergence, which take clouds of any size."
        )
    cost = squared_distances(x, y)
    return float(np.sqrt(cost[linear_sum_assignment(cost)].mean()))


def _problem(
    x: ArrayLike, y: ArrayLike, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Return both clouds, each centred and padded and with the weights of its cells, and epsilon as a cost."""
    x, y = _check.clouds(x=x, y=y)
    epsilon = _numbers.positive(epsilon, what="epsilon", least=1 / MOST_COMPARED, most=MOST_COMPARED)
    shift = x.mean(axis=0) - y.mean(axis=0)
    mean_cost = float(x.var(axis=0).sum() + y.var(axis=0).sum() + shift @ shift)
    center = (x.mean(axis=0) + y.mean(axis=0)) / 2
    return *_padded(x - center), *_padded(y - center), epsilon * mean_cost if mean_cost > 0 else epsilon


def _padded(cloud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells, and others without weight after them, and the weight of each."""
    n = -(-len(cloud) // PADDING) * PADDING
    cells, weights = np.zeros((n, cloud.shape[1]), np.float32), np.zeros(n, np.float32)
    cells[: len(cloud)], weights[: len(cloud)] = cloud, 1 / len(cloud)
    return cells, weights


register(
    Metric(
        "sinkhorn_divergence",
        sinkhorn_divergence,
        "Sinkhorn divergence",
        meaning="Squared distance that cells move under a blurred optimal transport plan, less what blur alone costs.",
        cites=("cuturi2022",),
        resampling=NoResampling(),
    )
)
register(
    Metric(
        "entropic_wasserstein2",
        entropic_wasserstein2,
        "entropic Wasserstein-2 distance",
        meaning="Typical distance that cells move under a blurred optimal transport plan.",
        cites=("cuturi2022",),
        resampling=NoResampling(),
    )
)
