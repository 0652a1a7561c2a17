"""What was observed, on the scale that predictions are decoded to: expression, effects and their tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ..._chunks import Stored, taken
from ...metrics._units import LEAST_DF, Units
from ...pp._moments import gene_moments

MIN_CELLS = 10
"""Observed effects are tested where a group has at least this many control and this many treated cells."""


class Sample(NamedTuple):
    """Number of cells, and the mean and unbiased variance of every feature, float64, NaN where there are too few."""

    n_cells: int
    mean: np.ndarray
    variance: np.ndarray


def sample(x: Any) -> Sample:
    """Summarise cells, dense, sparse or :class:`.Stored`, shape ``(n_cells, n_features)``."""
    n_cells, n_features = x.shape
    if isinstance(x, Stored) and n_cells > 1:
        moments = gene_moments(x, covariance=False)
        return Sample(n_cells, moments.mean, np.maximum(moments.variances, 0))
    x = taken(x, slice(None))
    if n_cells == 0:
        return Sample(0, np.full(n_features, np.nan), np.full(n_features, np.nan))
    # not mean_var of fast_array_utils: it squares in float32, and features that do not vary get variances below 0
    x = x.astype(np.float64)
    mean = np.asarray(x.mean(axis=0)).ravel()
    if n_cells == 1:
        return Sample(1, mean, np.full(n_features, np.nan))
    squares = np.asarray((x.multiply(x) if hasattr(x, "multiply") else x * x).mean(axis=0)).ravel()
    return Sample(n_cells, mean, np.maximum(squares - mean**2, 0) * n_cells / (n_cells - 1))


class Observed(NamedTuple):
    """The observed effect on a group.

    Parameters
    ----------
    effect
        Mean of treated minus mean of control cells, shape ``(n_features,)``, NaN without treated cells
        and for genes that were not measured.
    variance
        Squared standard error of that.
    pvalue
        Of no difference, two-sided (Welch 1947, or of units); ``None`` with fewer than :data:`MIN_CELLS` cells of
        either kind, or too few units.
    """

    effect: np.ndarray
    variance: np.ndarray
    pvalue: np.ndarray | None


def compare(control: Sample, treated: Sample) -> Observed:
    """Return the observed effect, tested if there are cells enough. A feature that does not vary has the p-value 1."""
    effect = treated.mean - control.mean
    if min(control.n_cells, treated.n_cells) < MIN_CELLS:
        return Observed(effect, np.full_like(effect, np.nan), None)
    variance = control.variance / control.n_cells + treated.variance / treated.n_cells
    with np.errstate(invalid="ignore", divide="ignore"):
        test = stats.ttest_ind_from_stats(
            control.mean,
            np.sqrt(control.variance),
            control.n_cells,
            treated.mean,
            np.sqrt(treated.variance),
            treated.n_cells,
            equal_var=False,
        )
    return Observed(effect, variance, np.where(np.isnan(effect), np.nan, np.nan_to_num(test.pvalue, nan=1.0)))


def compare_units(members: Units, cells: Any, pooled: Observed) -> Observed:
    """Return the observed effect over units, each counting alike; that of all cells, not tested, if units are too few.

    Parameters
    ----------
    members
        The units of control and treated cells.
    cells
        These cells, dense or sparse, shape ``(n_cells, n_features)``.
    pooled
        The effect by single cells.
    """
    if members.df < LEAST_DF:
        return pooled._replace(pvalue=None)
    contrast = members.contrast(cells)
    return Observed(contrast.effect, contrast.variance, contrast.pvalues())


def squared_errors(predicted: Mapping[str, np.ndarray], observed: Mapping[str, Observed]) -> dict[str, np.ndarray]:
    """Return by how much the predicted effect on each group is off, squared, beyond the sampling error of the observed.

    Where the observed effect was not tested, the mean over the groups in which it was, and 0 if there is none.
    """
    known = {
        group: np.maximum((predicted[group] - effect.effect) ** 2 - effect.variance, 0)
        for group, effect in observed.items()
        if effect.pvalue is not None
    }
    elsewhere = np.mean(list(known.values()), axis=0) if known else np.zeros(len(next(iter(predicted.values()))))
    return {group: known.get(group, elsewhere) for group in predicted}
