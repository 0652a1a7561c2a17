"""Rows of dense and sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellot_sc import _arrays
from cellot_sc._chunks import Stored


def by_row(x: Any) -> Any:
    """Return dense or sparse ``x`` so that its rows can be taken; rows of a stored one can be, unread."""
    if isinstance(x, Stored):
        return x
    return x.tocsr() if hasattr(x, "tocsr") else np.asarray(x)


def dense(x: Any) -> np.ndarray:
    """Return dense or sparse ``x`` as a float32 array."""
    # cells that are not used may hold anything
    with np.errstate(over="ignore"):
        return _arrays.dense(x).astype(np.float32)


def bounded(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return expression as it can be measured: within 0 and the highest value observed, if none observed is below 0."""
    return np.clip(x, np.float32(0), np.float32(high)) if low >= 0 else x
