"""Tests of many features on few units, with variances that borrow from those of the other features."""

from __future__ import annotations

import numpy as np
from scipy import optimize, special, stats

LEAST = 1e-5
"""Share of their median to which variances are raised before logarithms are taken: constant features have 0."""

LEAST_FEATURES = 10
"""Fewer features do not say how variances are spread: what they were shrunk to would reject too often."""


def moderated(variance: np.ndarray, df: float) -> tuple[np.ndarray, float]:
    """Return variances shrunk towards their prior, and the degrees of freedom that they have then.

    The empirical Bayes of Smyth (2004, doi 10.2202/1544-6115.1027): true variances are scaled inverse chi-squared, and
    the two parameters of that follow from mean and variance of the logarithms of the sample variances. Degrees of
    freedom are no more than all features have together, as in limma. Of fewer than :data:`LEAST_FEATURES` features,
    variances stay as they are.

    Parameters
    ----------
    variance
        Sample variances, or any common multiple of them, shape ``(n_features,)``.
    df
        Their degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics._moderated import moderated
    >>> shrunk, df = moderated(np.geomspace(0.2, 4.0, 20), 4)
    >>> bool(shrunk.max() < 4), df > 4
    (True, True)
    """
    known = variance[np.isfinite(variance)]
    if df < 1 or len(known) < LEAST_FEATURES or not known.any():
        return variance, df
    median = np.median(known) or known[known > 0].min()
    log = np.log(np.maximum(known, LEAST * median)) - special.digamma(df / 2) + np.log(df / 2)
    beyond = log.var(ddof=1) - special.polygamma(1, df / 2)
    if beyond <= 0:
        prior_df, prior = np.inf, known.mean()
        shrunk = np.where(np.isfinite(variance), prior, np.nan)
    else:
        prior_df = 2 * _inverse_trigamma(beyond)
        prior = np.exp(log.mean() + special.digamma(prior_df / 2) - np.log(prior_df / 2))
        shrunk = (prior_df * prior + df * variance) / (prior_df + df)
    return shrunk, float(min(df + prior_df, df * len(known)))


def t_pvalues(effect: np.ndarray, variance: np.ndarray, df: float) -> np.ndarray:
    """Return two-sided p-values of no effect, given its squared standard error; 1 where neither is above 0."""
    return pvalues(standardised(effect, np.sqrt(variance)), df)


def standardised(effect: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Return ``|effect| / se``: 0 where there is no effect, infinite where only the error is zero, NaN where it is."""
    size = np.abs(effect)
    return np.divide(size, se, out=np.where(size > 0, np.inf, 0.0).astype(size.dtype), where=(se > 0) | np.isnan(se))


def pvalues(z: np.ndarray, df: float) -> np.ndarray:
    """Return two-sided p-values of effects standardised by an error with so many degrees of freedom."""
    return 2 * stats.t.sf(z, df)


def _inverse_trigamma(value: float) -> float:
    """Return the number of which the trigamma function, which falls from infinity to 0, is ``value``."""
    if value > 1e7:
        return float(value**-0.5)
    if value < 1e-6:
        return float(1 / value)
    return float(optimize.brentq(lambda x: special.polygamma(1, x) - value, 1e-5, 1e7))
