"""Energy distance."""

from __future__ import annotations

from numpy.typing import ArrayLike

from . import _check
from ._metric import Metric, register
from ._resampling import PairResampling


def energy_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Energy distance between two clouds, ``2 E|x - y| - E|x - x'| - E|y - y'|``, without bias.

    The expectations within a cloud run over pairs of different cells, so that the value is zero on average, and at
    times negative, for two samples of one distribution. It is exact, and holds no matrix of all pairs. There is no
    bandwidth to choose. (``scipy.stats.energy_distance`` is the square root of the biased version in one dimension.)

    Parameters
    ----------
    x
        Cells, shape ``(m, n_features)``.
    y
        Other cells, shape ``(n, n_features)``.

    Returns
    -------
    Energy distance, in the unit of the features.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    References
    ----------
    Székely and Rizzo, Journal of Statistical Planning and Inference 143 (2013), equation 5.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import energy_distance
    >>> energy_distance(np.array([[0.0], [1.0]]), np.array([[4.0], [6.0]]))
    6.0
    """
    # jax takes a second to import, as it does wherever pairs are summed
    from ._pairwise import pair_sums

    x, y = _check.clouds(x=x, y=y)
    m, n = len(x), len(y)
    within = pair_sums(x, gammas=None) / (m * (m - 1)) + pair_sums(y, gammas=None) / (n * (n - 1))
    return float((2 * pair_sums(x, y, gammas=None) / (m * n) - within)[0])


register(
    Metric(
        "energy_distance",
        energy_distance,
        "energy distance",
        meaning="How far apart two clouds of cells are as a whole; 0 if they cannot be told apart.",
        cites=("szekely2013",),
        resampling=PairResampling(),
    )
)
