"""Rows of dense and sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellot_sc import _arrays
from cellot_sc._chunks import Stored, chunks


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


def read(x: Any, rows: Any = slice(None)) -> np.ndarray:
    """Return rows of a matrix, or of a stored one, as a float32 array: a mask, a slice or positions in any order."""
    if not isinstance(x, Stored):
        return dense(x[rows])
    positions = np.arange(x.shape[0])[rows]
    wanted, back = np.unique(positions, return_inverse=True)
    found = np.empty((len(wanted), x.shape[1]), dtype=np.float32)
    for at, few in chunks(x[wanted]):
        found[at] = dense(few)
    return found if np.array_equal(wanted, positions) else found[back]


def extremes(x: Any) -> tuple[float, float]:
    """Return the least and the highest value, in single precision, of a matrix or of a stored one."""
    low, high = np.inf, -np.inf
    for _, few in chunks(x):
        low, high = min(low, float(np.float32(few.min()))), max(high, float(np.float32(few.max())))
    return low, high


def bounded(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return expression as it can be measured: within 0 and the highest value observed, if none observed is below 0."""
    return np.clip(x, np.float32(0), np.float32(high)) if low >= 0 else x
