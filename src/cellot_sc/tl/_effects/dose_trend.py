"""Whether means rise or fall along dose at all."""

from __future__ import annotations

from functools import cache
from itertools import permutations
from math import factorial

import numpy as np
from scipy import stats

from .dose_scatter import Scatter

MOST_ORDERS = 2000
LEAST = 0.05
"""Without replicates, so few doses that no p-value could be less than this have none."""


def trend_pvalues(scatter: Scatter, steps: np.ndarray) -> np.ndarray:
    """Return the p-values of equal means at all doses, against any order that never turns, shape ``(n_features,)``.

    The exact test of Bartholomew for a variance that is not known (Robertson, Wright and Dykstra 1988, Order Restricted
    Statistical Inference, chapter 2), doubled for the two directions. Without replicates, it knows of n doses no
    smaller p-value than 2 / n!.

    Parameters
    ----------
    scatter
        Means of features at every dose.
    steps
        The monotone sequences nearest to these, shape ``(n_doses, n_features)``.
    """
    mean, n_doses = scatter.mean, len(scatter.mean)
    total = np.square(mean - mean.mean(axis=0)).sum(axis=0)
    residual = np.square(mean - steps).sum(axis=0)
    n_levels = 1 + (np.diff(steps, axis=0) != 0).sum(axis=0)
    alike = scatter.alike(residual, n_doses - n_levels)
    df = np.where(alike, scatter.df, 0)
    whole = total + df * scatter.variance
    share = np.clip(np.divide(total - residual, whole, out=np.zeros_like(whole), where=whole > 0), 0, 1)
    chances = level_chances(n_doses)
    # with as many levels as doses and without replicates, nothing is left that could be noise
    tail = np.where(df == 0, chances[n_doses], 0.0)
    for levels in range(2, n_doses + 1):
        rest = df + n_doses - levels
        beta = stats.beta.sf(share, (levels - 1) / 2, np.maximum(rest, 1) / 2)
        tail += np.where(rest > 0, chances[levels] * beta, 0.0)
    return np.where(share > 0, np.minimum(2 * tail, 1), 1.0)


def can_tell(scatter: Scatter) -> bool:
    """Return whether there are doses, or replicates, enough for any p-value below 0.05."""
    return scatter.df > 0 or 2 / factorial(len(scatter.mean)) < LEAST


def displacement_pvalue(scatter: Scatter, steps: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return one p-value of equal means in all dimensions, shape ``(1,)``.

    Twice the smaller of two: that of exchanging doses, by the length of the contrast of means with log dose, and that
    of Simes (1986) of the dimensions one by one.

    Parameters
    ----------
    scatter, steps
        As in :func:`trend_pvalues`, for the dimensions.
    at
        The doses in decades.
    """
    centred = scatter.mean - scatter.mean.mean(axis=0)
    contrast = (at - at.mean()) / np.linalg.norm(at - at.mean())
    inner = centred @ centred.T
    orders = _orders(len(at))
    lengths = np.einsum("ni,ij,nj->n", contrast[orders], inner, contrast[orders])
    by_order = np.mean(lengths >= lengths[0] * (1 - 1e-9)) if inner.any() else 1.0
    simes = stats.false_discovery_control(trend_pvalues(scatter, steps)).min()
    return np.array([min(2 * min(by_order, simes), 1.0)])


@cache
def _orders(n: int) -> np.ndarray:
    """Return orders of n doses, the true one first: all, or a random sample."""
    if factorial(n) <= MOST_ORDERS:
        return np.array(list(permutations(range(n))))
    rng = np.random.default_rng(0)
    return np.stack([np.arange(n), *(rng.permutation(n) for _ in range(MOST_ORDERS - 1))])


@cache
def level_chances(n: int) -> tuple[float, ...]:
    """Return the chances of 0, 1, ..., n levels in the monotone sequence nearest to n numbers that are alike.

    Those of as many cycles in a permutation: Stirling numbers of the first kind over n!.
    """
    chances = np.zeros(n + 1)
    chances[0] = 1
    for size in range(1, n + 1):
        chances[1 : size + 1] = (chances[:size] + (size - 1) * chances[1 : size + 1]) / size
        chances[0] = 0
    return tuple(chances.tolist())
