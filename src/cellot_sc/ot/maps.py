"""Transport maps: what every solver returns, and what everything else in the package applies to cells.

All arrays are float32 of shape ``(n_cells, n_dims)``. A map knows nothing of AnnData.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

CHUNK = 16_384
"""Cells that are transported at a time: bounds the memory whatever the number of cells."""

type State = dict[str, Any]


class TransportMap(abc.ABC):
    """A map from untreated cells to their treated state, and back.

    Subclasses implement ``_forward``, ``_backward``, :meth:`state` and :meth:`from_state`.
    """

    kind: ClassVar[str]
    """Name under which the map is stored."""
    _kinds: ClassVar[dict[str, type[TransportMap]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            TransportMap._kinds[cls.kind] = cls

    @property
    @abc.abstractmethod
    def n_dims(self) -> int:
        """Number of dimensions of the space the map acts on."""

    @abc.abstractmethod
    def _forward(self, x: np.ndarray) -> np.ndarray:
        """Transport one chunk of cells."""

    @abc.abstractmethod
    def _backward(self, y: np.ndarray) -> np.ndarray:
        """Undo the transport of one chunk of cells."""

    def transport(self, x: np.ndarray) -> np.ndarray:
        """Return the treated state of every cell.

        Parameters
        ----------
        x
            Untreated cells, shape ``(n_cells, n_dims)``.

        Returns
        -------
        Treated cells of the same shape, float32.

        Raises
        ------
        ValueError
            If ``x`` is not a matrix with :attr:`n_dims` columns.

        Examples
        --------
        >>> import numpy as np
        >>> from cellot_sc.ot import MeanShiftMap
        >>> MeanShiftMap(np.array([1.0, -1.0])).transport(np.zeros((1, 2))).tolist()
        [[1.0, -1.0]]
        """
        return self._in_chunks(self._forward, x)

    def inverse(self, y: np.ndarray) -> np.ndarray:
        """Return the untreated cell behind every treated one: the same shapes and errors as :meth:`transport`."""
        return self._in_chunks(self._backward, y)

    def cost(self, x: np.ndarray) -> np.ndarray:
        """Return what moving each cell costs, ``1/2 |T(x) - x|^2``, shape ``(n_cells,)``."""
        x = self._checked(x)
        return 0.5 * ((self.transport(x) - x) ** 2).sum(axis=1)

    @abc.abstractmethod
    def state(self) -> State:
        """Return arrays and strings from which :meth:`from_state` rebuilds the map, bit for bit."""

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TransportMap:
        """Rebuild a map of any kind from its :meth:`state`.

        Raises
        ------
        ValueError
            If the state names a kind that does not exist.
        """
        kind = str(state["kind"])
        if kind not in cls._kinds:
            msg = f"transport map of kind {kind!r} is unknown. Valid: {', '.join(sorted(cls._kinds))}."
            raise ValueError(msg)
        return cls._kinds[kind]._from_state(state)

    @classmethod
    @abc.abstractmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a map of this kind."""

    def _checked(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != self.n_dims:
            msg = f"cells have shape {x.shape}; (n_cells, {self.n_dims}) is needed."
            raise ValueError(msg)
        return x

    def _in_chunks(self, function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
        x = self._checked(x)
        out = np.empty_like(x)
        for start in range(0, len(x), CHUNK):
            out[start : start + CHUNK] = function(x[start : start + CHUNK])
        return out


class IdentityMap(TransportMap):
    """The map that leaves every cell where it is: what "no effect" predicts.

    Parameters
    ----------
    n_dims
        Number of dimensions.
    """

    kind = "identity"

    def __init__(self, n_dims: int) -> None:
        self._n_dims = int(n_dims)

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self._n_dims

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return x

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return y

    def state(self) -> State:
        """Return the number of dimensions."""
        return {"kind": self.kind, "config": json.dumps({"n_dims": self.n_dims})}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        return cls(json.loads(state["config"])["n_dims"])


class MeanShiftMap(TransportMap):
    """The map that adds the same displacement to every cell.

    Parameters
    ----------
    shift
        Difference of the means, shape ``(n_dims,)``.
    """

    kind = "mean_shift"

    def __init__(self, shift: np.ndarray) -> None:
        self.shift = np.asarray(shift, dtype=np.float32)

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.shift.shape[0]

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return x + self.shift

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return y - self.shift

    def state(self) -> State:
        """Return the displacement."""
        return {"kind": self.kind, "shift": self.shift}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["shift"])


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

    kind = "gaussian"

    def __init__(self, matrix: np.ndarray, source_mean: np.ndarray, target_mean: np.ndarray) -> None:
        self.matrix = np.asarray(matrix, dtype=np.float32)
        self.source_mean = np.asarray(source_mean, dtype=np.float32)
        self.target_mean = np.asarray(target_mean, dtype=np.float32)
        self._inverse = np.linalg.inv(self.matrix.astype(np.float64)).astype(np.float32)

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.matrix.shape[0]

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return (x - self.source_mean) @ self.matrix + self.target_mean

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return (y - self.target_mean) @ self._inverse + self.source_mean

    def state(self) -> State:
        """Return the matrix and the two means."""
        return {
            "kind": self.kind,
            "matrix": self.matrix,
            "source_mean": self.source_mean,
            "target_mean": self.target_mean,
        }

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["matrix"], state["source_mean"], state["target_mean"])


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

    def __init__(self, inner: TransportMap, weights: np.ndarray) -> None:
        self.inner = inner
        self.weights = np.asarray(weights, dtype=np.float32)
        self._scale = np.sqrt(self.weights)

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.inner.n_dims

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self.inner._forward(x * self._scale) / self._scale

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self.inner._backward(y * self._scale) / self._scale

    def cost(self, x: np.ndarray) -> np.ndarray:
        """Return the weighted cost of moving each cell, shape ``(n_cells,)``."""
        x = self._checked(x)
        return 0.5 * (self.weights * (self.transport(x) - x) ** 2).sum(axis=1)

    def state(self) -> State:
        """Return the weights and the state of the inner map."""
        return {"kind": self.kind, "weights": self.weights, "inner": self.inner.state()}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        return cls(TransportMap.from_state(state["inner"]), state["weights"])
