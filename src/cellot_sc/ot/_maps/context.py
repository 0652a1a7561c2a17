"""A map per context of the cells, such as their type, that knows what to do with cells of none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from ..._numbers import shown
from ..._states import NOT_NEGATIVE, Numbers, Texts
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
    unseen
        The map of a context that is none of these, if that is not the parent's.
    errors
        Standard deviation of what each context does beyond its map, on average, shape ``(n_contexts, n_dims)``: the
        error of its estimate.
    spread
        The same of a context that is none of these, shape ``(n_dims,)``: how far contexts differ, and the error.

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
    fields: ClassVar = {
        "parent": Inner(),
        "maps": Several(),
        "names": Texts(),
        "unseen": Inner(),
        "errors": Numbers("kd", NOT_NEGATIVE),
        "spread": Numbers("d", NOT_NEGATIVE),
    }
    optional = ("unseen", "errors", "spread")

    def __init__(
        self,
        parent: TransportMap,
        maps: Sequence[TransportMap],
        names: Sequence[str],
        unseen: TransportMap | None = None,
        errors: np.ndarray | None = None,
        spread: np.ndarray | None = None,
    ) -> None:
        self.parent, self.maps, self.names, self.unseen = parent, list(maps), list(names), unseen
        self.errors, self.spread = (None if of is None else np.asarray(of, dtype=np.float32) for of in (errors, spread))
        self.n_dims = parent.n_dims
        n_dims = [inner.n_dims for inner in self.maps]
        if not n_dims or set(n_dims) != {self.n_dims}:
            raise ValueError(
                f"maps have {n_dims} dimensions and the parent {self.n_dims}: at least one map is needed, and all "
                "of the same number."
            )
        if len(self.names) != len(n_dims) or len({*self.names}) < len(self.names):
            raise ValueError(f"names is {shown(self.names)}; {len(n_dims)} are needed, of which no two are alike.")
        if self.errors is not None and self.errors.shape != (len(n_dims), self.n_dims):
            raise ValueError(f"errors has shape {self.errors.shape}; {(len(n_dims), self.n_dims)} is needed.")

    def __repr__(self) -> str:
        return f"{super().__repr__()} of {len(self.maps)} context{'s' * (len(self.maps) != 1)}"

    def at(self, *contexts: str | None) -> TransportMap:
        """Return the map of a context, or of one within another.

        Where it has none of its own, it is that of unseen contexts (see :meth:`adapted`), or of their parent.

        Parameters
        ----------
        *contexts
            Name of the context, then of the one within it, and so on.
        """
        if not contexts:
            return self
        first, *others = contexts
        if first not in self.names:
            return self.unseen if first and self.unseen is not None else self.parent
        inner = self.maps[self.names.index(first)]
        return inner.at(*others) if isinstance(inner, ContextMap) else inner

    def each(self, function: Callable[[TransportMap], TransportMap], unit: np.ndarray | float = 1.0) -> TransportMap:
        """Return the same contexts, with what a function makes of each map and of the parent."""
        return ContextMap(
            self.parent.each(function, unit),
            [inner.each(function, unit) for inner in self.maps],
            self.names,
            None if self.unseen is None else self.unseen.each(function, unit),
            None if self.errors is None else self.errors * np.float32(unit),
            None if self.spread is None else self.spread * np.float32(unit),
        )

    def strangers(self, contexts: np.ndarray) -> np.ndarray:
        """Return which of some contexts, rows of names, have no map of their own though they have a name, as a mask."""
        known = {row: self._knows(row) for row in set(map(tuple, contexts.tolist()))}
        return np.array([not known[row] for row in map(tuple, contexts.tolist())], dtype=bool)

    def _knows(self, row: tuple[str, ...]) -> bool:
        if not row or not row[0]:
            return True
        if row[0] not in self.names:
            return False
        inner = self.maps[self.names.index(row[0])]
        return inner._knows(row[1:]) if isinstance(inner, ContextMap) else True

    def adapted_to(self, control: np.ndarray, contexts: np.ndarray) -> ContextMap:
        """Return the same maps, and those of contexts that were not seen, by where their control cells lie.

        Parameters
        ----------
        control
            Control cells, shape ``(n_cells, n_dims)``.
        contexts
            The names of the contexts of each, shape ``(n_cells, n_levels)``.
        """
        firsts = contexts[:, 0]
        maps, added = list(self.maps), {}
        for name in dict.fromkeys(firsts.tolist()):
            rows = firsts == name
            inner = maps[self.names.index(name)] if name in self.names else None
            if isinstance(inner, ContextMap) and contexts.shape[1] > 1:
                maps[self.names.index(name)] = inner.adapted_to(control[rows], contexts[rows, 1:])
            elif name and inner is None and self.unseen is not None:
                added[name] = self.unseen.adapted(control[rows])
        errors = self.errors
        if errors is not None and self.spread is not None:
            errors = np.concatenate([errors, *[self.spread[None]] * len(added)])
        elif added:
            errors = None
        return ContextMap(
            self.parent, [*maps, *added.values()], [*self.names, *added], self.unseen, errors, self.spread
        )

    def deviations(self, contexts: np.ndarray) -> np.ndarray:
        """Return the standard deviation of what contexts do beyond what is predicted, shape ``(n_cells, n_dims)``.

        Of a context that was seen it is the error of its estimate, of others also how far contexts differ.

        Parameters
        ----------
        contexts
            Name of the context of each cell, or a row of names, as of :meth:`transport`.

        Raises
        ------
        ValueError
            If the solver that made the map has not said.
        """
        given = np.asarray(contexts, dtype=str)
        rows, inverse = np.unique(given.reshape(len(given), -1), axis=0, return_inverse=True)
        return np.array([self._deviation(tuple(row)) for row in rows.tolist()])[inverse.ravel()]

    def _deviation(self, row: tuple[str, ...]) -> np.ndarray:
        if self.spread is None or self.errors is None:
            raise ValueError("these maps hold no measure of how contexts differ.")
        if not row or row[0] not in self.names:
            return self.spread
        place = self.names.index(row[0])
        inner = self.maps[place]
        if isinstance(inner, ContextMap) and inner.spread is not None and len(row) > 1:
            return inner._deviation(row[1:])
        return self.errors[place]

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
        """Return the state of the parent, that of each map by its number, the names, and what else there is."""
        found = {} if self.unseen is None else {"unseen": self.unseen.state()}
        found |= {name: of for name in ("errors", "spread") if (of := getattr(self, name)) is not None}
        return found | {
            "kind": self.kind,
            "parent": self.parent.state(),
            "maps": {str(i): inner.state() for i, inner in enumerate(self.maps)},
            "names": np.array(self.names, dtype=object),
        }
