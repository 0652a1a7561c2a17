"""Maximum mean discrepancy with Gaussian kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import _numbers
from .._calls import plain
from . import _check
from ._metric import Metric, register
from ._resampling import PairResampling
from ._stats import squared_distances

MEDIAN_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Bandwidths of ``gamma="median"``, in units of the median heuristic."""
MEDIAN_CELLS = 2000
"""At most this many cells, of both clouds together, decide the median."""
PERMUTATIONS_AT_ONCE = 256
MAX_PERMUTATIONS = 10**6
"""More would take days, and tell p-values apart that are alike."""


class MMDTest(NamedTuple):
    """Result of :func:`.mmd_test`."""

    statistic: float
    """Unbiased squared MMD of the observed clouds."""
    pvalue: float
    """Share of relabellings, the observed one included, whose MMD is at least as large."""


def median_gammas(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the kernel parameters that ``gamma="median"`` stands for.

    The median heuristic sets gamma to 1 / median(d^2) over the pairs of distinct cells in both clouds together; the
    five values are 1/4, 1/2, 1, 2 and 4 times that, since no single bandwidth sees both broad and local differences.
    Pairs at distance zero do not count (if there are no others, the median is taken to be 1). Of clouds with more than
    2000 cells together, a fixed random sample of that many decides, each cloud giving in proportion to its size.

    Parameters
    ----------
    x
        Cells, shape ``(n_x, n_features)``.
    y
        Other cells, shape ``(n_y, n_features)``.

    Returns
    -------
    Five values, float64, shape ``(5,)``.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    References
    ----------
    Gretton et al., Journal of Machine Learning Research 13 (2012), section 8.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import median_gammas
    >>> median_gammas(np.zeros((2, 1)), np.full((2, 1), 2.0))
    array([0.0625, 0.125 , 0.25  , 0.5   , 1.    ])
    """
    x, y = _check.clouds(x=x, y=y)
    share = min(1.0, MEDIAN_CELLS / (len(x) + len(y)))
    # each cloud is sampled by its own size only, so that the clouds can change places
    pooled = np.concatenate(
        [
            cloud[np.random.default_rng(0).choice(len(cloud), max(2, round(share * len(cloud))), replace=False)]
            if share < 1
            else cloud
            for cloud in (x, y)
        ]
    )
    d2 = squared_distances(pooled, pooled)[np.triu_indices(len(pooled), k=1)]
    apart = d2[d2 > 1e-12 * d2.max(initial=0)]
    return np.array(MEDIAN_FACTORS) / (np.median(apart) if apart.size else 1.0)


@plain
def mmd(x: ArrayLike, y: ArrayLike, *, gamma: float | ArrayLike = "median", unbiased: bool = True) -> float:
    """Squared maximum mean discrepancy between two clouds, with the kernel ``k(a, b) = exp(-gamma |a - b|^2)``.

    The unbiased version is sum_{i != j} k(x_i, x_j) / (m (m - 1)) + sum_{i != j} k(y_i, y_j) / (n (n - 1))
    - 2 mean k(x_i, y_j); it is zero on average, and so at times negative, for two samples of one distribution. The
    biased version takes the plain mean of all three kernel matrices, diagonals included; it is never negative, and
    grows as samples shrink. Both are exact, and hold no matrix of all pairs.

    Parameters
    ----------
    x
        Cells, shape ``(m, n_features)``.
    y
        Other cells, shape ``(n, n_features)``.
    gamma
        A number; several, whose values are averaged; or ``"median"`` for :func:`median_gammas`. To compare several
        predictions of one cloud, give all of them the same numbers.
    unbiased
        Which of the two versions.

    Returns
    -------
    Squared MMD, averaged over gammas.

    Raises
    ------
    TypeError
        If ``unbiased`` is neither true nor false.
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, the clouds differ in the number of features, or gamma
        is not positive.

    References
    ----------
    Gretton et al., Journal of Machine Learning Research 13 (2012), equations 3 (unbiased) and 5 (biased).

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import mmd
    >>> rng = np.random.default_rng(0)
    >>> x, same, shifted = rng.normal(size=(3, 500, 5)) + np.array([0, 0, 1])[:, None, None]
    >>> mmd(x, same) < 0.01 < mmd(x, shifted)
    True
    """
    from ._pairwise import pair_sums

    x, y = _check.clouds(x=x, y=y)
    gammas = resolve_gammas(gamma, x, y)
    m, n = len(x), len(y)
    within_x, within_y = pair_sums(x, gammas=gammas), pair_sums(y, gammas=gammas)
    between = pair_sums(x, y, gammas=gammas) / (m * n)
    if unbiased:
        squared = within_x / (m * (m - 1)) + within_y / (n * (n - 1)) - 2 * between
    else:
        # a cell's kernel with itself is one
        squared = (within_x + m) / m**2 + (within_y + n) / n**2 - 2 * between
    return float(squared.mean())


def mmd_test(
    x: ArrayLike,
    y: ArrayLike,
    *,
    gamma: float | ArrayLike = "median",
    n_permutations: int = 1000,
    seed: int = 0,
) -> MMDTest:
    """Test by permutation whether two clouds are samples of one distribution.

    Parameters
    ----------
    x
        Cells, shape ``(m, n_features)``.
    y
        Other cells, shape ``(n, n_features)``.
    gamma
        As for :func:`mmd`.
    n_permutations
        Random relabellings of the pooled cells, a million at most. The time grows with their number times (m + n)^2.
    seed
        Seed of the relabellings.

    Returns
    -------
    The unbiased squared MMD and its p-value, (1 + number of relabellings at least as extreme) / (1 + n_permutations).

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, the clouds differ in the number of features, gamma is
        not positive, there is no permutation or more than a million, or the seed is negative.

    References
    ----------
    Gretton et al., Journal of Machine Learning Research 13 (2012), section 5.1 for permutations.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import mmd_test
    >>> x, y = np.random.default_rng(0).normal(size=(2, 100, 5))
    >>> mmd_test(x, y + 1, n_permutations=99).pvalue
    0.01
    """
    from ._pairwise import pair_forms

    x, y = _check.clouds(x=x, y=y)
    gammas = resolve_gammas(gamma, x, y)
    _numbers.whole(n_permutations, 1, what="n_permutations")
    if n_permutations > MAX_PERMUTATIONS:
        raise ValueError(f"n_permutations is {n_permutations}; at most {MAX_PERMUTATIONS:,} are made.")
    m, n = len(x), len(y)
    pooled = np.concatenate([x, y])
    rng = np.random.default_rng(_numbers.seed(seed))
    labels = np.arange(m + n) < m
    values: list[np.ndarray] = []
    for start in range(0, n_permutations + 1, PERMUTATIONS_AT_ONCE):
        many = range(start, min(start + PERMUTATIONS_AT_ONCE, n_permutations + 1))
        in_x = np.stack([labels if i == 0 else rng.permutation(labels) for i in many], axis=1).astype(np.float64)
        forms = pair_forms(pooled, np.hstack([in_x, 1 - in_x, np.ones((m + n, 1))]), gammas=gammas)
        within_x, within_y, total = forms[: len(many)], forms[len(many) : -1], forms[-1]
        between = (total - within_x - within_y) / 2
        values.append(within_x / (m * (m - 1)) + within_y / (n * (n - 1)) - 2 * between / (m * n))
    squared = np.concatenate(values)
    # relabellings that group the cells alike must tie with the observed one whatever the order of summation
    extreme = squared[1:] >= squared[0] - 1e-12
    return MMDTest(float(squared[0]), float((1 + extreme.sum()) / (1 + n_permutations)))


def resolve_gammas(gamma: float | ArrayLike, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the kernel parameters, float64, shape ``(n_gammas,)``."""
    if isinstance(gamma, str) and gamma == "median":
        return median_gammas(x, y)
    return _check.bandwidths(gamma)


register(
    Metric(
        "mmd",
        mmd,
        "unbiased squared maximum mean discrepancy",
        meaning="Squared maximum mean discrepancy, unbiased: like the energy distance, more sensitive to local "
        "differences.",
        cites=("gretton2012",),
        resampling=PairResampling("median"),
    )
)
