"""The metrics of the CellOT paper, as published, flaws included: for comparison with its numbers."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from .. import _numbers
from . import _check
from ._metric import Metric, register
from ._mmd import mmd
from ._resampling import MomentResampling, NoResampling, PairResampling
from ._stats import pearson, squared_distances

LEGACY_GAMMAS = np.logspace(1, -3, 50)
"""Kernels of the paper's evaluation."""
LEGACY_TRAINING_GAMMAS = np.array([2, 1, 0.5, 0.1, 0.01, 0.005])
"""Kernels of the MMD that the paper's code reports while it trains."""
ROWS_AT_ONCE = 1024


def legacy_mmd(x: ArrayLike, y: ArrayLike, *, gammas: ArrayLike = LEGACY_GAMMAS) -> float:
    """Biased squared MMD, averaged over fixed kernel parameters: the "MMD" of the CellOT paper.

    It depends on the number of cells and on the number and scale of features: compare it only between predictions of
    the same cells. :func:`cellot_sc.metrics.mmd` has neither flaw.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.
    gammas
        Kernel parameters: those of the paper's evaluation, or :data:`LEGACY_TRAINING_GAMMAS`.

    Returns
    -------
    Biased squared MMD.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, the clouds differ in the number of features, or a gamma
        is not positive.

    References
    ----------
    Bunne et al., Nature Methods 20 (2023), Methods, and its code (``scripts/evaluate.py``).

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import legacy_mmd
    >>> x = np.random.default_rng(0).normal(size=(100, 5))
    >>> round(legacy_mmd(x, x + 1), 1)
    0.1
    """
    return mmd(x, y, gamma=_check.bandwidths(gammas), unbiased=False)


def l2_means(x: ArrayLike, y: ArrayLike) -> float:
    """Euclidean distance between the feature means: the paper's l2 distance of drug signatures.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.

    Returns
    -------
    Distance, in the unit of the features.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import l2_means
    >>> l2_means(np.zeros((2, 2)), np.array([[3.0, 4.0], [3.0, 4.0]]))
    5.0
    """
    x, y = _check.clouds(x=x, y=y)
    return float(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)))


def l2_stds(x: ArrayLike, y: ArrayLike) -> float:
    """Euclidean distance between the feature standard deviations (with n - 1 below, as published).

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.

    Returns
    -------
    Distance, in the unit of the features.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import l2_stds
    >>> l2_stds(np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [3.0], [6.0]]))
    2.0
    """
    x, y = _check.clouds(x=x, y=y)
    return float(np.linalg.norm(x.std(axis=0, ddof=1) - y.std(axis=0, ddof=1)))


def r_means(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson correlation between the feature means: what the paper's code calls "r2-means".

    Means that differ much between features make it close to one for any prediction, that of no effect included:
    :func:`cellot_sc.metrics.pearson_delta` does not have that flaw.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.

    Returns
    -------
    Correlation in [-1, 1]; NaN if the means of either cloud are all equal.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import r_means
    >>> x = np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]])
    >>> round(r_means(x, 3 * x), 6)
    1.0
    """
    x, y = _check.clouds(x=x, y=y)
    return pearson(x.mean(axis=0), y.mean(axis=0))


def r2_means(x: ArrayLike, y: ArrayLike) -> float:
    """Square of the Pearson correlation between the feature means, see :func:`.r_means`.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.

    Returns
    -------
    Squared correlation in [0, 1]; NaN if the means of either cloud are all equal.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import r2_means
    >>> x = np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]])
    >>> round(r2_means(x, -x), 6)
    1.0
    """
    return r_means(x, y) ** 2


def correlation_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Euclidean distance between the correlations of all pairs of features.

    Each pair counts once: the value is the Frobenius norm of the difference of the correlation matrices, divided by the
    square root of two. Features that are constant in either cloud have no correlations and are left out.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.

    Returns
    -------
    Distance; NaN if fewer than two features vary in both clouds.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import correlation_distance
    >>> x = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> round(correlation_distance(x, x * np.array([1, -1])), 6)
    2.0
    """
    x, y = _check.clouds(x=x, y=y)
    varying = (np.ptp(x, axis=0) > 0) & (np.ptp(y, axis=0) > 0)
    if varying.sum() < 2:
        return float("nan")
    difference = np.corrcoef(x[:, varying], rowvar=False) - np.corrcoef(y[:, varying], rowvar=False)
    return float(np.linalg.norm(difference[np.triu_indices(len(difference), k=1)]))


def knn_enrichment(x: ArrayLike, y: ArrayLike, *, k: int = 50, seed: int = 0) -> float:
    """Share of predicted cells among the nearest neighbours of predicted cells, in the mix of both clouds.

    Ideal is 0.5 (nearly: a cell is not its own neighbour); 1 if the clouds do not touch. The larger cloud is sampled
    down to the size n of the smaller one, and k to n - 1, as published.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.
    k
        Number of neighbours: 50 and 100 in the paper.
    seed
        Seed of the sample.

    Returns
    -------
    Share in [0, 1].

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, the clouds differ in the number of features, k is not
        positive, or the seed is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import knn_enrichment
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> knn_enrichment(x[:100], x[100:] + 9)
    1.0
    >>> round(knn_enrichment(x[:100], x[100:]), 1)
    0.5
    """
    x, y = _check.clouds(x=x, y=y)
    _numbers.whole(k, 1, what="k")
    n = min(len(x), len(y))
    rng = np.random.default_rng(_numbers.seed(seed))
    x, y = (cloud if len(cloud) == n else cloud[rng.choice(len(cloud), n, replace=False)] for cloud in (x, y))
    k = min(k, n - 1)
    joint = np.concatenate([x, y])
    hits = 0
    for start in range(0, n, ROWS_AT_ONCE):
        d2 = squared_distances(x[start : start + ROWS_AT_ONCE], joint)
        own = np.arange(len(d2))
        d2[own, start + own] = np.inf
        hits += int((np.argpartition(d2, k - 1, axis=1)[:, :k] < n).sum())
    return hits / (n * k)


for _metric in (
    Metric(
        "legacy_mmd",
        legacy_mmd,
        "biased maximum mean discrepancy of earlier publications",
        meaning="The MMD as earlier papers computed it. It is biased and depends on the number of cells: compare it "
        "with published numbers only.",
        resampling=PairResampling(LEGACY_GAMMAS, unbiased=False),
    ),
    Metric(
        "legacy_mmd_training",
        partial(legacy_mmd, gammas=LEGACY_TRAINING_GAMMAS),
        "biased maximum mean discrepancy of the published training",
        meaning="The biased MMD with the kernels that the published code reports while it trains.",
        resampling=PairResampling(LEGACY_TRAINING_GAMMAS, unbiased=False),
    ),
    Metric(
        "l2_means",
        l2_means,
        "distance between means",
        meaning="Distance between the mean cell of both clouds.",
        resampling=MomentResampling(),
    ),
    Metric(
        "l2_stds",
        l2_stds,
        "distance between standard deviations",
        meaning="How much the spread of predicted cells differs from that of observed cells, over all features.",
        resampling=MomentResampling(),
    ),
    Metric(
        "r_means",
        r_means,
        "correlation of means",
        meaning="Correlation of the mean cells.",
        best=1.0,
        bounds=(-1.0, 1.0),
        resampling=MomentResampling(),
    ),
    Metric(
        "r2_means",
        r2_means,
        "squared correlation of means",
        meaning="Square of the correlation of the mean cells.",
        best=1.0,
        bounds=(0.0, 1.0),
        resampling=MomentResampling(),
    ),
    Metric(
        "correlation_distance",
        correlation_distance,
        "distance between correlations",
        meaning="How much the correlations between features differ between predicted and observed cells.",
    ),
    *(
        Metric(
            f"knn_enrichment_{k}",
            partial(knn_enrichment, k=k),
            f"share among {k} neighbours",
            meaning=f"Share of predicted cells among the {k} nearest neighbours of predicted cells: a half if both "
            "clouds are mixed, 1 if they do not touch.",
            best=0.5,
            bounds=(0.0, 1.0),
            resampling=NoResampling(),
        )
        for k in (50, 100)
    ),
):
    register(_metric)
