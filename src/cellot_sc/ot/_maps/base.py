"""Transport maps: what every solver returns, and what everything else in the package applies to cells.

All arrays are float32 of shape ``(n_cells, n_dims)``. A map knows nothing of AnnData.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from ..._arrays import unmasked

CHUNK = 16_384
"""Cells that are transported at a time: bounds the memory whatever the number of cells."""

type State = dict[str, Any]


class TransportMap(abc.ABC):
    """A map from untreated cells to their treated state, and back.

    Subclasses implement ``_forward`` and ``_backward``, set :attr:`n_dims`, and name a :attr:`kind` that no other map
    has. They keep the arguments of their constructor as attributes of the same names, or say themselves what they are
    rebuilt from, in :meth:`state` and ``_from_state``.
    """

    kind: ClassVar[str]
    """Name under which the map is stored."""
    n_dims: int
    """Number of dimensions of the space the map acts on."""
    _kinds: ClassVar[dict[str, type[TransportMap]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" not in cls.__dict__:
            return
        held = TransportMap._kinds.get(cls.kind, cls)
        # a class that is defined anew, as by a cell of a notebook that is run again, takes its own place
        if (held.__module__, held.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(
                f"kind {cls.kind!r} of {cls.__qualname__} is taken by {held.__qualname__}: choose another kind."
            )
        TransportMap._kinds[cls.kind] = cls

    def __repr__(self) -> str:
        return f"{type(self).__name__} in {self.n_dims:,} dimension{'s' * (self.n_dims != 1)}"

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

    def state(self) -> State:
        """Return arrays, numbers, texts and dicts of them from which :meth:`from_state` rebuilds the map, bit for bit.

        They are the arguments of the constructor, and the :attr:`kind`.
        """
        return {"kind": self.kind} | {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

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
            valid = ", ".join(sorted(cls._kinds))
            raise ValueError(
                f"transport map of kind {kind!r} is unknown. Valid: {valid}. If it is of another package, import that "
                "first; if of a later cellot-sc, upgrade."
            )
        return cls._kinds[kind]._from_state(state)

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a map of this kind."""
        return cls(**{name: value for name, value in state.items() if name != "kind"})

    def _checked(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(unmasked(x, what="the matrix of cells"), dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != self.n_dims:
            raise ValueError(f"cells have shape {x.shape}; (n_cells, {self.n_dims}) is needed.")
        return x

    def _in_chunks(self, function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
        x = self._checked(x)
        out = np.empty_like(x)
        for start in range(0, len(x), CHUNK):
            out[start : start + CHUNK] = function(x[start : start + CHUNK])
        return out
