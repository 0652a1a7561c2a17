"""Times of single cells that develop out of step, between two times at which cells were taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv

IN_STEP, MIXTURE = 0.0, 1.0
"""The ends of the family: all cells are at one time; every cell is at the time before, or already at that after."""
LEAST = 1e-6
"""What is closer to being in step is."""


def fractions(ranks: np.ndarray, share: float, out_of_step: float) -> np.ndarray:
    """Return how far along an interval each cell is.

    Parameters
    ----------
    ranks
        How early each cell goes, in (0, 1), shape ``(n_cells,)``: uniform over the cells.
    share
        How far along the interval cells are on average, in [0, 1].
    out_of_step
        Standard deviation, as a share of the largest that there can be, in [0, 1].

    Returns
    -------
    Quantiles of the beta distribution with this mean and the variance ``out_of_step**2 * share * (1 - share)``: all
    are the mean for 0, and either 0 or 1 for 1. They grow with the share: no cell ever goes back.
    """
    if share in (0, 1) or out_of_step < LEAST:
        return np.full(len(ranks), share)
    if out_of_step == MIXTURE:
        return (ranks > 1 - share).astype(np.float64)
    sum_of_both = 1 / out_of_step**2 - 1
    return betaincinv(share * sum_of_both, (1 - share) * sum_of_both, ranks)


def ranks(taken: np.ndarray, around: Sequence[int], seed: int) -> np.ndarray:
    """Return how early each cell goes, from 0, the last, to 1, the first.

    Parameters
    ----------
    taken
        Which of the times each cell was taken at, shape ``(n_cells,)``.
    around
        Times whose cells make one cloud together, the earliest first. Those taken later are farther on than all that
        were taken before, so that as few cells as possible are moved, and these as little as possible.
    seed
        Seed of the order of the cells of a time.
    """
    found = np.full(len(taken), 0.5)
    before, n_around = 0, int(np.isin(taken, around).sum())
    for time in np.unique(taken):
        rows = np.flatnonzero(taken == time)
        order = np.random.default_rng([seed, time + 1]).permutation(len(rows)) + 0.5
        if time in around:
            found[rows] = (before + order) / n_around
            before += len(rows)
        else:
            found[rows] = order / len(rows)
    return found
