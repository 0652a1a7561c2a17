"""The one contract that every metric has with its input, and the words of its error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._arrays import MOST_COMPARED, dense, matrix


def clouds(**given: ArrayLike) -> list[np.ndarray]:
    """Return every cloud of cells as a dense float64 array of shape ``(n_cells, n_features)``.

    Parameters
    ----------
    given
        Clouds, dense or sparse, by the name they have in the caller's signature.

    Raises
    ------
    ValueError
        If a cloud is no matrix of numbers, has fewer than two cells, holds NaN, inf or masked values, or numbers of
        which single precision does not hold the square, or the clouds differ in the number of features.
    """
    arrays = {name: dense(matrix(cloud, what=name, remedy="bring it there first")) for name, cloud in given.items()}
    for name, array in arrays.items():
        if len(array) < 2:
            raise ValueError(f"{name} has {len(array)} cells: at least 2 are needed.")
    if len({array.shape[1] for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {array.shape[1]}" for name, array in arrays.items())
        raise ValueError(
            f"the clouds differ in the number of features ({shapes}): give the same features of all, in the same order."
        )
    for name, array in arrays.items():
        bad = ~np.isfinite(array)
        if bad.any():
            n_bad = int(bad.any(axis=1).sum())
            raise ValueError(
                f"{name} holds NaN or inf in {n_bad} of {len(array)} cells: leave those out, or fill the values in."
            )
        if (largest := np.abs(array).max()) > MOST_COMPARED:
            raise ValueError(
                f"{name} holds {largest:g}: numbers up to {MOST_COMPARED:g} are compared; scale all clouds."
            )
    return [array.astype(np.float64) for array in arrays.values()]


def numbers_of(given: Any) -> np.ndarray:
    """Return one or several numbers as an array; one of objects, if it cannot be an array."""
    try:
        return np.asarray(given)
    except (TypeError, ValueError):
        return np.array(None, dtype=object)


def bandwidths(gamma: float | ArrayLike) -> np.ndarray:
    """Return kernel parameters as a float64 array of shape ``(n_gammas,)``.

    Raises
    ------
    ValueError
        If there is none, or one is not a positive finite number.
    """
    gammas = np.atleast_1d(numbers_of(gamma))
    if gammas.dtype.kind not in "fiu" or gammas.ndim != 1 or not gammas.size:
        raise ValueError(f"gamma is {gamma!r}: 'median', a positive number or a sequence of them is needed.")
    if not np.isfinite(gammas).all() or (gammas <= 0).any():
        raise ValueError(
            f"gamma holds {gammas[~(np.isfinite(gammas) & (gammas > 0))][0]}: positive finite numbers are needed."
        )
    return gammas.astype(np.float64)
