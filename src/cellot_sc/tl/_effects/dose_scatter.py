"""Means of features at every dose, and how far replicates of a dose scatter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

POOLED = 0.25
"""Replicates and doses that scatter alike beyond this p-value are one estimate (Bancroft 1944)."""


@dataclass(frozen=True)
class Scatter:
    """Means of features at every dose, and what their replicates say of how certain those are.

    Where every replicate has every dose, as a plate or a donor has, what sets replicates apart at all doses is no
    scatter.

    Parameters
    ----------
    wells
        Means of features over wells: the cells of one dose and replicate, shape ``(n_wells, n_features)``.
    doses, replicates
        Dose and replicate of each well, as codes from 0.
    """

    wells: np.ndarray
    doses: np.ndarray
    replicates: np.ndarray

    @cached_property
    def mean(self) -> np.ndarray:
        """Means at every dose, shape ``(n_doses, n_features)``."""
        return np.stack([self._level[self.doses == dose].mean(axis=0) for dose in range(self.doses.max() + 1)])

    @cached_property
    def variance(self) -> np.ndarray:
        """Variance of such a mean by the scatter of replicates, shape ``(n_features,)``; 0 without replicates."""
        if not self.df:
            return np.zeros(self.wells.shape[1])
        per_well = np.square(self._level - self.mean[self.doses]).sum(axis=0) / self.df
        return per_well * np.mean(1 / np.bincount(self.doses))

    @cached_property
    def df(self) -> int:
        """Its degrees of freedom, 0 without replicates."""
        return int(len(self.wells) - (self.doses.max() + 1) - (self.replicates.max() if self._crossed else 0))

    def without(self, dose: int) -> Scatter:
        """Return what the wells of all other doses say."""
        kept = self.doses != dose
        doses, replicates = (np.unique(codes[kept], return_inverse=True)[1] for codes in (self.doses, self.replicates))
        return Scatter(self.wells[kept], doses, replicates)

    def of(self, features: np.ndarray) -> Scatter:
        """Return the same of some of the features, by their positions."""
        return Scatter(self.wells.take(features, axis=1), self.doses, self.replicates)

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

    @property
    def _crossed(self) -> bool:
        n_doses, n_replicates = self.doses.max() + 1, self.replicates.max() + 1
        return len(self.wells) == n_doses * n_replicates and n_replicates > 1

    @cached_property
    def _level(self) -> np.ndarray:
        """The wells without what sets replicates apart at all doses."""
        if not self._crossed:
            return self.wells
        replicates = range(self.replicates.max() + 1)
        effects = np.stack([self.wells[self.replicates == replicate].mean(axis=0) for replicate in replicates])
        return self.wells - (effects - effects.mean(axis=0))[self.replicates]
