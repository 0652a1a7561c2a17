"""Means of features at every dose, and how far replicates of a dose scatter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

POOLED = 0.25
"""Replicates and doses that scatter alike beyond this p-value are one estimate (Bancroft 1944)."""


class Scatter(NamedTuple):
    """Means of features at every dose, and what their replicates say of how certain those are.

    Parameters
    ----------
    mean
        Shape ``(n_doses, n_features)``.
    variance
        Variance of such a mean by the scatter of replicates, shape ``(n_features,)``; 0 without replicates.
    df
        Its degrees of freedom, 0 without replicates.
    """

    mean: np.ndarray
    variance: np.ndarray
    df: int

    def without(self, dose: int) -> Scatter:
        """Return the same without one of the doses, and without what its replicates say."""
        n_doses = len(self.mean)
        return Scatter(np.delete(self.mean, dose, axis=0), self.variance, self.df * (n_doses - 1) // n_doses)

    def of(self, feature: int) -> Scatter:
        """Return the same of one feature."""
        return Scatter(self.mean[:, [feature]], self.variance[[feature]], self.df)

    def around(self, residual: np.ndarray, df: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the variance of a mean and its degrees of freedom, by how far means are from a curve, and replicates.

        Means of doses may scatter more than their replicates, as where these are of one dilution: then only the former
        count, and otherwise both.

        Parameters
        ----------
        residual
            Sum of squared residuals of the means, shape ``(n_features,)``.
        df
            Degrees of freedom that these have.
        """
        none = np.zeros(len(residual), dtype=np.int64)
        if df < 1:
            return (self.variance, none + self.df) if self.df else (np.full(len(residual), np.inf), none + 1)
        alike = self.alike(residual, none + df)
        pooled = (residual + self.df * self.variance) / (df + self.df)
        return np.where(alike, pooled, residual / df), np.where(alike, df + self.df, df)

    def alike(self, residual: np.ndarray, df: np.ndarray) -> np.ndarray:
        """Return where means are no further from a curve than their replicates let expect; nowhere without replicates.

        Parameters
        ----------
        residual, df
            Sum of squared residuals of the means, and the degrees of freedom that these have.
        """
        if not self.df:
            return np.zeros(len(residual), dtype=bool)
        with np.errstate(divide="ignore", invalid="ignore"):
            pvalue = stats.f.sf(residual / df / self.variance, np.maximum(df, 1), self.df)
        return ~(pvalue < POOLED) | (df < 1)


def scatter(wells: np.ndarray, doses: np.ndarray, replicates: np.ndarray) -> Scatter:
    """Summarise the means of wells: of the cells of one dose and replicate.

    Where every replicate has every dose, as a plate or a donor has, what sets replicates apart at all doses is no
    scatter.

    Parameters
    ----------
    wells
        Shape ``(n_wells, n_features)``.
    doses, replicates
        Dose and replicate of each, as codes from 0.
    """
    n_doses, n_replicates = doses.max() + 1, replicates.max() + 1
    crossed = len(wells) == n_doses * n_replicates and n_replicates > 1
    if crossed:
        effects = np.stack([wells[replicates == r].mean(axis=0) for r in range(n_replicates)])
        wells = wells - (effects - effects.mean(axis=0))[replicates]
    mean = np.stack([wells[doses == d].mean(axis=0) for d in range(n_doses)])
    df = len(wells) - n_doses - (n_replicates - 1 if crossed else 0)
    if not df:
        return Scatter(mean, np.zeros(wells.shape[1]), 0)
    per_well = np.square(wells - mean[doses]).sum(axis=0) / df
    return Scatter(mean, per_well * np.mean(1 / np.bincount(doses)), df)
