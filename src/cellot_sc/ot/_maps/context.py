"""A map per context of the cells, such as their type, that knows what to do with cells of none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..._numbers import shown
from ..._states import Texts
from .base import Inner, Several, State, TransportMap


class ContextMap(TransportMap):
    """Maps of several contexts, such as cell types, and their parent, for cells of which the context is not known.

    Used as it is, it is the parent: :meth:`transport`, :meth:`inverse` and :meth:`cost` know no labels. The map of a
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

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return self.parent._forward(x)

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return self.parent._backward(y)

    def cost(self, x: np.ndarray) -> np.ndarray:
        """Return what the parent says that moving each cell costs, shape ``(n_cells,)``."""
        return self.parent.cost(x)

    def state(self) -> State:
        """Return the state of the parent, that of each map by its number, and the names."""
        return {
            "kind": self.kind,
            "parent": self.parent.state(),
            "maps": {str(i): inner.state() for i, inner in enumerate(self.maps)},
            "names": np.array(self.names, dtype=object),
        }
