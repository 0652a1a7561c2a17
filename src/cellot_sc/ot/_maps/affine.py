"""Maps in closed form: no effect, one shift for all cells, and the affine map between Gaussians."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..._states import INVERTIBLE, Numbers, Whole
from .base import TransportMap


class IdentityMap(TransportMap):
    """The map that leaves every cell where it is: what "no effect" predicts.

    Parameters
    ----------
    n_dims
        Number of dimensions.
    """

    kind = "unmoved"
    fields: ClassVar = {"n_dims": Whole()}

    def __init__(self, n_dims: int) -> None:
        self.n_dims = int(n_dims)

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return x

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return y


class MeanShiftMap(TransportMap):
    """The map that adds the same displacement to every cell.

    Parameters
    ----------
    shift
        Difference of the means, shape ``(n_dims,)``.
    """

    kind = "shift"
    fields: ClassVar = {"shift": Numbers("d")}

    def __init__(self, shift: np.ndarray) -> None:
        self.shift = np.asarray(shift, dtype=np.float32)
        self.n_dims = len(self.shift)

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return x + self.shift

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return y - self.shift


class AffineMap(TransportMap):
    """The map x -> A (x - m) + n with a symmetric positive definite A: optimal between Gaussians.

    Parameters
    ----------
    matrix
        A, shape ``(n_dims, n_dims)``.
    source_mean
        m, shape ``(n_dims,)``.
    target_mean
        n, shape ``(n_dims,)``.
    """

    kind = "affine"
    fields: ClassVar = {"matrix": Numbers("dd", INVERTIBLE), "source_mean": Numbers("d"), "target_mean": Numbers("d")}

    def __init__(self, matrix: np.ndarray, source_mean: np.ndarray, target_mean: np.ndarray) -> None:
        self.matrix = np.asarray(matrix, dtype=np.float32)
        self.source_mean = np.asarray(source_mean, dtype=np.float32)
        self.target_mean = np.asarray(target_mean, dtype=np.float32)
        self.n_dims = len(self.matrix)
        self._inverse = np.linalg.inv(self.matrix.astype(np.float64)).astype(np.float32)

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return (x - self.source_mean) @ self.matrix + self.target_mean

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return (y - self.target_mean) @ self._inverse + self.source_mean
