"""Curves of features along dose: where they are half-way, whether they rise at all, and how certain that is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import stats

from .dose_hill import N_PARAMETERS, Hill, positions
from .dose_isotonic import isotonic, monotone
from .dose_scatter import Scatter
from .dose_trend import can_tell, displacement_pvalue, trend_pvalues

HILL, ISOTONIC, FLAT = "hill", "isotonic", "flat"
"""Kinds of curves."""
EXACT, AT_LEAST, AT_MOST, UNKNOWN = "", "at least", "at most", "unknown"
"""What a half-way dose is: an estimate, the end of an open interval, or nothing."""
WORSE = 2.0
"""How many times further off Hill curves have to be at doses left out before monotone ones stand for them."""
LEVEL = 0.9
N_FINE = 40
"""Points per gap between doses at which a monotone curve is looked at."""


class Halfway(NamedTuple):
    """Half-way doses in decades, with the ends of their intervals, infinite where open, and what each of them is."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    bound: np.ndarray

    def unknown(self) -> Halfway:
        """Return the same where nothing says how far means scatter."""
        n = len(self.value)
        return Halfway(np.full(n, np.nan), np.full(n, -np.inf), np.full(n, np.inf), np.full(n, UNKNOWN))


@dataclass(frozen=True)
class Curves:
    """Curves of features through their means at every dose.

    Parameters
    ----------
    doses
        Increasing, of which the first may be 0, shape ``(n_doses,)``.
    scatter
        Means at these, and what replicates say of them.
    lowest
        The lowest dose above 0 that there is, be it left out here.
    """

    doses: np.ndarray
    scatter: Scatter
    lowest: float

    @cached_property
    def at(self) -> np.ndarray:
        """The doses in decades."""
        return positions(self.doses, self.lowest)

    @cached_property
    def hill(self) -> Hill:
        """Hill curves."""
        return Hill(self.doses, self.scatter.mean)

    @cached_property
    def steps(self) -> np.ndarray:
        """Monotone sequences, shape ``(n_doses, n_features)``."""
        return isotonic(self.scatter.mean)

    @cached_property
    def noise(self) -> tuple[np.ndarray, np.ndarray]:
        """Variance of a mean around its curve, and the degrees of freedom of that."""
        n_doses = len(self.doses)
        if n_doses - N_PARAMETERS >= 2:
            return self.scatter.around(self.hill.residual, n_doses - N_PARAMETERS)
        # of fewer doses, a curve with four numbers leaves little: replicates tell, if they agree with a monotone one
        mean, contrast = self.scatter.mean, self.at - self.at.mean()
        along = contrast @ mean / np.linalg.norm(contrast)
        line = np.square(mean - mean.mean(axis=0)).sum(axis=0) - np.square(along)
        variance, df = self.scatter.around(np.maximum(line, 0), n_doses - 2)
        n_levels = 1 + (np.diff(self.steps, axis=0) != 0).sum(axis=0)
        alike = self.scatter.alike(np.square(mean - self.steps).sum(axis=0), n_doses - n_levels)
        return np.where(alike, self.scatter.variance, variance), np.where(alike, self.scatter.df, df)

    def pvalues(self) -> np.ndarray:
        """Return the p-values of no trend, against one that never turns, two-sided, shape ``(n_features,)``.

        NaN where there are too few doses, and no replicates, to tell.
        """
        nothing = np.full(self.scatter.mean.shape[1], np.nan)
        return trend_pvalues(self.scatter, self.steps) if can_tell(self.scatter) else nothing

    def together(self) -> np.ndarray:
        """Return the p-value of no trend in any of the features, likewise, shape ``(1,)``."""
        nothing = np.full(1, np.nan)
        return displacement_pvalue(self.scatter, self.steps, self.at) if can_tell(self.scatter) else nothing

    @cached_property
    def is_hill(self) -> np.ndarray:
        """Whether Hill curves stand for features: those that predict doses left out about as well as monotone ones."""
        n_doses, n_features = self.scatter.mean.shape
        if n_doses <= N_PARAMETERS:
            return np.zeros(n_features, dtype=bool)
        off = np.zeros((2, n_features))
        for dose in range(1, n_doses - 1):
            left, truth = self.without(dose), self.scatter.mean[dose]
            off[0] += np.square(left.hill.at(self.doses[[dose]])[0] - truth)
            off[1] += np.square(monotone(left.at, left.steps)(self.at[dose]) - truth)
        return off[0] <= WORSE**2 * off[1]

    def halfway(self) -> Halfway:
        """Return where the curves are half-way: as bounds where the top or the bottom was not reached."""
        variance, df = self.noise
        low, high = self.hill.within(self.hill.residual + variance * stats.f.ppf(LEVEL, 1, df))
        found = [self.hill.ec50, low, high]
        value, low, high = np.where(self.is_hill, found, self._monotone_halfway())
        lowest, highest = np.log10(self.doses[self.doses > 0][[0, -1]])
        low = np.where(value < lowest, -np.inf, low)
        high = np.where(value > highest, np.inf, high)
        open_below, open_above = np.isinf(low), np.isinf(high)
        # a bound that all doses keep says nothing
        open_below |= open_above & (low < lowest)
        open_above |= open_below & (high > highest)
        low, high = np.where(open_below, -np.inf, low), np.where(open_above, np.inf, high)
        bound = np.select(
            [open_below & open_above, open_above, open_below], [UNKNOWN, AT_LEAST, AT_MOST], EXACT
        )  # fmt: skip
        value = np.select([open_below & open_above, open_above, open_below], [np.nan, low, high], value)
        return Halfway(value, low, high, bound)

    def ends(self) -> np.ndarray:
        """Return the curves at the lowest and at the highest dose, shape ``(2, n_features)``."""
        return np.where(self.is_hill, self.hill.at(self.doses[[0, -1]]), self.steps[[0, -1]])

    def values(self, doses: np.ndarray) -> np.ndarray:
        """Return the curves at doses, shape ``(len(doses), n_features)``; monotone ones end where the doses do."""
        at = np.clip(self.decades(doses), self.at[0], self.at[-1])
        return np.where(self.is_hill, self.hill.at(doses), monotone(self.at, self.steps)(at))

    def decades(self, doses: np.ndarray) -> np.ndarray:
        """Return where doses are on the axis of these, on which 0 is at a tenth of the lowest other one."""
        with np.errstate(divide="ignore"):
            return np.maximum(np.log10(doses), self.at[0] if self.doses[0] == 0 else -np.inf)

    def parts(self, dose: float) -> tuple[int, int, np.ndarray]:
        """Return between which two doses another lies, and at which part of the way each feature is expected there.

        The mean of three parts (Bates and Granger 1969): those of the Hill and the monotone curve, and that of a
        straight line in the logarithm of dose. None of them is the best everywhere, and single ones can be far off
        where a step lies between two doses.
        """
        after = int(np.clip(np.searchsorted(self.doses, dose), 1, len(self.doses) - 1))
        pair = [after - 1, after]
        at = self.decades(np.array([dose]))
        line = (at - self.at[pair[0]]) / np.diff(self.at[pair])
        three = np.array([*self.doses[pair], dose])
        curves = [monotone(self.at, self.steps)(np.append(self.at[pair], at))]
        if len(self.doses) > N_PARAMETERS:
            curves.append(self.hill.at(three))
        parts = [np.repeat(line, self.scatter.mean.shape[1])]
        for start, end, there in curves:
            way = end - start
            with np.errstate(divide="ignore", invalid="ignore"):
                part = (there - start) / way
            parts.append(np.where(np.abs(way) > 1e-9 * np.abs(end), np.clip(part, 0, 1), line))
        return after - 1, after, np.mean(parts, axis=0)

    def interval(self, dose: float) -> tuple[np.ndarray, np.ndarray]:
        """Return between which values a mean at a dose lies, were it measured there: a 90 % interval.

        Between two doses, every part of the way is as likely as any other, and what is found there scatters as the
        means of the other doses do around their curves. NaN beyond the doses, infinite where nothing tells.
        """
        if not self.doses[0] <= dose <= self.doses[-1]:
            nothing = np.full(self.scatter.mean.shape[1], np.nan)
            return nothing, nothing
        variance, df = self.noise
        if np.isinf(variance).any():
            # of two doses without replicates, nothing says how far means scatter
            return -variance, variance
        if dose in self.doses:
            here = self.scatter.mean[np.searchsorted(self.doses, dose)]
            return _spread(here, here, np.sqrt(2 * variance), df)
        before, after, _ = self.parts(dose)
        # of a mean between two, and of the one that is to be found
        mean = self.scatter.mean
        return _spread(mean[before], mean[after], np.sqrt(1.5 * variance), df)

    def without(self, dose: int) -> Curves:
        """Return the curves without one of the doses."""
        return Curves(np.delete(self.doses, dose), self.scatter.without(dose), self.lowest)

    def _monotone_halfway(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where monotone curves are half-way, and the nearest doses at which they surely are not yet, or past.

        All in decades. In a gap between two doses, all is possible.
        """
        variance, df = self.noise
        error = stats.t.ppf((1 + LEVEL) / 2, df) * np.sqrt(variance)
        rise = self.steps[-1] - self.steps[0]
        # what is to come until half-way, upwards
        left = (self.steps[0] + rise / 2 - self.steps) * np.sign(rise)
        low = np.where(left > error, self.at[:, None], -np.inf).max(axis=0)
        high = np.where(left < -error, self.at[:, None], np.inf).min(axis=0)
        fine = np.linspace(self.at[0], self.at[-1], N_FINE * (len(self.at) - 1) + 1)
        past = (monotone(self.at, self.steps)(fine) - self.steps[0]) * np.sign(rise) >= np.abs(rise) / 2
        return fine[past.argmax(axis=0)], low, high


def _spread(before: np.ndarray, after: np.ndarray, scale: np.ndarray, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the central interval of uniform numbers between two, plus scaled ones of Student's t."""
    middles = before + (after - before) * (np.arange(50)[:, None] + 0.5) / 50
    low, high = np.minimum(before, after), np.maximum(before, after)
    # the t-distribution has its quantile further out than any interval of the sum
    reach = stats.t.isf((1 - LEVEL) / 4, df) * scale
    ends = []
    for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        left, right = low - reach, high + reach
        for _ in range(30):
            centre = (left + right) / 2
            with np.errstate(divide="ignore", invalid="ignore"):
                below = stats.t.cdf((centre - middles) / scale, df).mean(axis=0) < share
            left, right = np.where(below, centre, left), np.where(below, right, centre)
        ends.append((left + right) / 2)
    return ends[0], ends[1]
