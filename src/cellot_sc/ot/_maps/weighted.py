"""Maps that are optimal for a cost that weighs the features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..._states import POSITIVE, Numbers
from .base import Inner, State, TransportMap


class WeightedMap(TransportMap):
    """A map that is optimal for a cost that weighs the features, 1/2 sum_i w_i (T(x)_i - x_i)^2.

    Parameters
    ----------
    inner
        The optimal map between the clouds scaled by the square roots of the weights.
    weights
        w, shape ``(n_dims,)``, positive.
    """

    kind = "weighted"
    fields: ClassVar = {"inner": Inner(), "weights": Numbers("d", POSITIVE)}

    def __init__(self, inner: TransportMap, weights: np.ndarray) -> None:
        self.inner = inner
        self.weights = np.asarray(weights, dtype=np.float32)
        self.n_dims = inner.n_dims
        self._scale = np.sqrt(self.weights)

    def __repr__(self) -> str:
        return f"{super().__repr__()} by {type(self.inner).__name__}"

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self.inner._forward(x * self._scale) / self._scale

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self.inner._backward(y * self._scale) / self._scale

    def cost(self, x: np.ndarray, contexts: np.ndarray | None = None) -> np.ndarray:
        """Return the weighted cost of moving each cell, shape ``(n_cells,)``."""
        return self._weighed_cost(x, self.weights)

    def adapted(self, control: np.ndarray) -> TransportMap:
        """Return the same of the inner map, once that knows the control cells of a context."""
        return WeightedMap(self.inner.adapted(self._checked(control) * self._scale), self.weights)

    def state(self) -> State:
        """Return the weights and the state of the inner map."""
        return super().state() | {"inner": self.inner.state()}
