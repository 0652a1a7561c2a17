"""Monotone curves through the means of every dose."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression


def isotonic(mean: np.ndarray) -> np.ndarray:
    """Return the monotone sequences nearest to the means of features, shape ``(n_doses, n_features)``.

    Those that rise or those that fall, whichever are nearer.
    """
    fits = [
        np.stack([isotonic_regression(of, increasing=up).x for of in mean.T.astype(np.float64)], axis=1)
        for up in (True, False)
    ]
    squares = [np.square(fit - mean).sum(axis=0) for fit in fits]
    return np.where(squares[0] <= squares[1], *fits)


def monotone(at: np.ndarray, values: np.ndarray) -> PchipInterpolator:
    """Return the monotone cubic (Fritsch and Butland 1984) through values, shape ``(n, n_features)``."""
    return PchipInterpolator(at, values, axis=0, extrapolate=False)
