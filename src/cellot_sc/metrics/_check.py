"""The one contract that every metric has with its input, and the words of its error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._arrays import unmasked


def clouds(**given: ArrayLike) -> list[np.ndarray]:
    """Return every cloud of cells as a float64 array of shape ``(n_cells, n_features)``.

    Parameters
    ----------
    given
        Clouds by the name they have in the caller's signature.

    Raises
    ------
    ValueError
        If a cloud is no dense matrix, has fewer than two cells, is masked or holds NaN or inf, or the clouds differ in
        the number of features.
    """
    arrays = {name: np.asarray(unmasked(cloud, what=name)) for name, cloud in given.items()}
    for name, array in arrays.items():
        if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "fiub":
            raise ValueError(
                f"{name} is a {type(given[name]).__name__} of {array.dtype} and shape {np.shape(given[name])}: a dense "
                "(n_cells, n_features) array of numbers is needed, which a sparse matrix gives by .toarray()."
            )
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
    return [array.astype(np.float64) for array in arrays.values()]


def bandwidths(gamma: float | ArrayLike) -> np.ndarray:
    """Return kernel parameters as a float64 array of shape ``(n_gammas,)``.

    Raises
    ------
    ValueError
        If there is none, or one is not a positive finite number.
    """
    gammas = np.atleast_1d(np.asarray(gamma))
    if gammas.dtype.kind not in "fiu" or gammas.ndim != 1 or not gammas.size:
        raise ValueError(f"gamma is {gamma!r}: 'median', a positive number or a sequence of them is needed.")
    if not np.isfinite(gammas).all() or (gammas <= 0).any():
        raise ValueError(
            f"gamma holds {gammas[~(np.isfinite(gammas) & (gammas > 0))][0]}: positive finite numbers are needed."
        )
    return gammas.astype(np.float64)
