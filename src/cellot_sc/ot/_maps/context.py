"""A map per context of the cells, such as their type, that knows what to do with cells of none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from ..._numbers import shown
from ..._states import Texts
from .base import Inner, Several, State, TransportMap


class ContextMap(TransportMap):
    """Maps of several contexts, such as cell types, and their parent, for cells of which the context is not known.

    Where the contexts of cells are given, each is moved by the map of its own, otherwise by the parent. The map of a
    context may have contexts itself, such as patients within a type.

    Parameters
    ----------
    parent
        The map of cells without a context, or of a context that has none of its own.
    maps
        The map of each context.
    names
        Names of the contexts, in the same order.

    Raises
    ------
    ValueError
        If there is no context, names are not as many as maps or two of them alike, or maps differ in their number of
        dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.ot import ContextMap, MeanShiftMap
    >>> maps = ContextMap(MeanShiftMap(np.ones(1)), [MeanShiftMap(np.full(1, 3.0))], ["B cells"])
    >>> x = np.zeros((1, 1))
    >>> [of.transport(x).item() for of in (maps, maps.at("B cells"), maps.at("T cells"), maps.at(None))]
    [1.0, 3.0, 1.0, 1.0]
    """

    kind = "context"
    fields: ClassVar = {"parent": Inner(), "maps": Several(), "names": Texts()}

    def __init__(self, parent: TransportMap, maps: Sequence[TransportMap], names: Sequence[str]) -> None:
        self.parent, self.maps, self.names = parent, list(maps), list(names)
        self.n_dims = parent.n_dims
        n_dims = [inner.n_dims for inner in self.maps]
        if not n_dims or set(n_dims) != {self.n_dims}:
            raise ValueError(
                f"maps have {n_dims} dimensions and the parent {self.n_dims}: at least one map is needed, and all "
                "of the same number."
            )
        if len(self.names) != len(n_dims) or len({*self.names}) < len(self.names):
            raise ValueError(f"names is {shown(self.names)}; {len(n_dims)} are needed, of which no two are alike.")

    def __repr__(self) -> str:
        return f"{super().__repr__()} of {len(self.maps)} context{'s' * (len(self.maps) != 1)}"

    def at(self, *contexts: str | None) -> TransportMap:
        """Return the map of a context, or of one within another: the parent, where it has none of its own.

        Parameters
        ----------
        *contexts
            Name of the context, then of the one within it, and so on.
        """
        if not contexts:
            return self
        first, *others = contexts
        if first not in self.names:
            return self.parent
        inner = self.maps[self.names.index(first)]
        return inner.at(*others) if isinstance(inner, ContextMap) else inner

    def each(self, function: Callable[[TransportMap], TransportMap]) -> TransportMap:
        """Return the same contexts, with what a function makes of each map and of the parent."""
        return ContextMap(self.parent.each(function), [inner.each(function) for inner in self.maps], self.names)

    def transport(self, x: np.ndarray, contexts: np.ndarray | None = None) -> np.ndarray:
        """Return the treated state of every cell, by the map of its context; see :meth:`.TransportMap.transport`."""
        return self._by_context("transport", x, contexts)

    def inverse(self, y: np.ndarray, contexts: np.ndarray | None = None) -> np.ndarray:
        """Return the untreated cell behind every treated one, by the map of its context."""
        return self._by_context("inverse", y, contexts)

    def cost(self, x: np.ndarray, contexts: np.ndarray | None = None) -> np.ndarray:
        """Return what moving each cell by the map of its context costs, shape ``(n_cells,)``."""
        return self._by_context("cost", x, contexts)

    def _by_context(self, verb: str, x: np.ndarray, contexts: np.ndarray | None) -> np.ndarray:
        if contexts is None:
            return getattr(self.parent, verb)(x)
        x, given = self._checked(x), np.asarray(contexts, dtype=str)
        if given.ndim not in (1, 2) or len(given) != len(x):
            raise ValueError(
                f"contexts has shape {given.shape}; one name, or a row of names, is needed for {len(x)} cells."
            )
        rows, inverse = np.unique(given[:, None] if given.ndim == 1 else given, axis=0, return_inverse=True)
        out = np.empty(len(x) if verb == "cost" else x.shape, dtype=np.float32)
        for i, row in enumerate(rows.tolist()):
            cells = inverse.ravel() == i
            out[cells] = getattr(self.at(*row), verb)(x[cells])
        return out

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self.parent._forward(x)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self.parent._backward(y)

    def state(self) -> State:
        """Return the state of the parent, that of each map by its number, and the names."""
        return {
            "kind": self.kind,
            "parent": self.parent.state(),
            "maps": {str(i): inner.state() for i, inner in enumerate(self.maps)},
            "names": np.array(self.names, dtype=object),
        }
