"""Distances between the one-dimensional distributions of each feature."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from . import _check
from ._metric import Metric, register


def wasserstein_marginals(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Wasserstein-1 distance between the distributions of every feature.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.

    Returns
    -------
    Distances, in the unit of the features, shape ``(n_features,)``.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import wasserstein_marginals
    >>> wasserstein_marginals(np.zeros((2, 2)), np.array([[1.0, 0.0], [3.0, 0.0]]))
    array([2., 0.])
    """
    values, gap = _cumulative(*_check.clouds(x=x, y=y))
    return (np.abs(gap[:-1]) * np.diff(values, axis=0)).sum(axis=0)


def ks_marginals(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Kolmogorov-Smirnov statistic of every feature: the largest gap between the cumulative distributions.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.

    Returns
    -------
    Statistics in [0, 1], shape ``(n_features,)``.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import ks_marginals
    >>> ks_marginals(np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]]))
    array([0.5])
    """
    values, gap = _cumulative(*_check.clouds(x=x, y=y))
    # within a run of equal values the cumulative distributions are only complete at its end
    last = np.vstack([np.diff(values, axis=0) > 0, np.ones((1, values.shape[1]), dtype=bool)])
    return np.abs(np.where(last, gap, 0)).max(axis=0)


def _cumulative(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pooled values of every feature in order, and the gap of the cumulative distributions after each."""
    pooled = np.concatenate([x, y])
    order = np.argsort(pooled, axis=0, kind="stable")
    step = np.concatenate([np.full(len(x), 1 / len(x)), np.full(len(y), -1 / len(y))])
    return np.take_along_axis(pooled, order, axis=0), np.cumsum(step[order], axis=0)


register(
    Metric(
        "wasserstein_marginals",
        lambda x, y: wasserstein_marginals(x, y).mean(),
        "Wasserstein distance of features",
        meaning="How far the distribution of a feature lies from the observed one, the mean over features.",
    )
)
register(
    Metric(
        "ks_marginals",
        lambda x, y: ks_marginals(x, y).mean(),
        "Kolmogorov-Smirnov statistic of features",
        meaning="Largest gap between the cumulative distributions of a feature, the mean over features.",
        bounds=(0.0, 1.0),
    )
)
