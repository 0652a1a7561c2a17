"""Transport maps: what every solver returns, and what everything else in the package applies to cells.

All arrays are float32 of shape ``(n_cells, n_dims)``. A map knows nothing of AnnData.
"""

from __future__ import annotations

import abc
import dataclasses
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse

from ..._arrays import matrix
from ..._compiled import keeps
from ..._numbers import shown
from ..._states import Field, StateReading, numbered, read_fields

CHUNK = 16_384
"""Cells that are transported at a time: bounds the memory whatever the number of cells."""
MAX_NESTED = 10
"""Maps within which another one is, at most."""
MAX_SEVERAL = 1000
"""Steps of a chain, at most."""
PLACES = {
    "potential": f"{__package__}.potential:PotentialMap",
    "mlp": f"{__package__}.mlp:MLPMap",
    "dual_mlp": f"{__package__}.mlp:DualMLPMap",
}
"""Where kinds of maps are that are imported when one is read, by their names; solvers add those that come with them."""

type State = dict[str, Any]


class TransportMap(abc.ABC):
    """A map from untreated cells to their treated state, and back.

    Subclasses implement ``_forward`` and ``_backward``, set :attr:`n_dims`, and name a :attr:`kind` that no other map
    has. They keep the arguments of their constructor as attributes of the same names, or say themselves what they are
    rebuilt from, in :meth:`state` and ``_from_state``.
    """

    kind: ClassVar[str]
    """Name under which the map is stored."""
    fields: ClassVar[Mapping[str, Field]]
    """What every argument has to be, where it is read from a state. Of a class without, ``_from_state`` checks it."""
    optional: ClassVar[tuple[str, ...]] = ()
    """Arguments that a state may lack."""
    n_dims: int
    """Number of dimensions of the space the map acts on."""
    _kinds: ClassVar[dict[str, type[TransportMap]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" not in cls.__dict__:
            return
        at_home = PLACES.get(cls.kind) == f"{cls.__module__}:{cls.__qualname__}"
        held = cls if at_home else TransportMap._of_kind(cls.kind) or cls
        # a class that is defined anew, as by a cell of a notebook that is run again, takes its own place
        if (held.__module__, held.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(
                f"kind {cls.kind!r} of {cls.__qualname__} is taken by {held.__qualname__}: choose another kind."
            )
        TransportMap._kinds[cls.kind] = cls

    @classmethod
    def _of_kind(cls, kind: str) -> type[TransportMap] | None:
        """Return the class of a kind, if there is one."""
        if kind not in cls._kinds and kind in PLACES:
            cls._kinds[kind] = pkgutil.resolve_name(PLACES[kind])
        return cls._kinds.get(kind)

    def __repr__(self) -> str:
        return f"{type(self).__name__} in {self.n_dims:,} dimension{'s' * (self.n_dims != 1)}"

    @abc.abstractmethod
    def _forward(self, x: np.ndarray) -> np.ndarray:
        """Transport one chunk of cells."""

    @abc.abstractmethod
    def _backward(self, y: np.ndarray) -> np.ndarray:
        """Undo the transport of one chunk of cells."""

    def transport(self, x: np.ndarray, contexts: np.ndarray | None = None) -> np.ndarray:
        """Return the treated state of every cell.

        Parameters
        ----------
        x
            Untreated cells, shape ``(n_cells, n_dims)``.
        contexts
            The context of each, such as its type, by name, empty where it has none: shape ``(n_cells,)``, or
            ``(n_cells, n_levels)`` with contexts within contexts. Only :class:`.ContextMap` heeds them.

        Returns
        -------
        Treated cells of the same shape, float32.

        Raises
        ------
        ValueError
            If ``x`` is no dense or sparse matrix of real numbers with :attr:`n_dims` columns, or finite cells would
            become NaN or inf.

        Examples
        --------
        >>> import numpy as np
        >>> from cellot_sc.ot import MeanShiftMap
        >>> MeanShiftMap(np.array([1.0, -1.0])).transport(np.zeros((1, 2))).tolist()
        [[1.0, -1.0]]
        """
        return self._in_chunks(self._forward, x)

    def inverse(self, y: np.ndarray, contexts: np.ndarray | None = None) -> np.ndarray:
        """Return the untreated cell behind every treated one: the same shapes and errors as :meth:`transport`."""
        return self._in_chunks(self._backward, y)

    def cost(self, x: np.ndarray, contexts: np.ndarray | None = None) -> np.ndarray:
        """Return what moving each cell costs, ``1/2 |T(x) - x|^2``, shape ``(n_cells,)``."""
        return self._weighed_cost(x, 1.0)

    def at(self, *contexts: str | None) -> TransportMap:
        """Return the map of a context: of a map that knows none, itself."""
        return self

    def each(self, function: Callable[[TransportMap], TransportMap], unit: np.ndarray | float = 1.0) -> TransportMap:
        """Return what a function makes of the map, or of each that it holds for a context.

        Parameters
        ----------
        function
            What is done with every plain map.
        unit
            What 1 in each dimension of this map is in those that the function makes.
        """
        return function(self)

    def adapted(self, control: np.ndarray) -> TransportMap:
        """Return the map of a context of which these are the control cells: of a map that heeds none, itself."""
        return self

    def state(self) -> State:
        """Return arrays, numbers, texts and dicts of them from which :meth:`from_state` rebuilds the map, bit for bit.

        They are the arguments of the constructor, and the :attr:`kind`.
        """
        return {"kind": self.kind} | {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TransportMap:
        """Rebuild a map of any kind from its :meth:`state`, which may come from anywhere: every field is checked.

        Raises
        ------
        ValueError
            If the state names a kind that does not exist, or a field is not what a map of that kind needs: missing, of
            another type or shape, NaN or inf, or not positive where it has to be.
        """
        return cls._read(state, depth=0)

    @classmethod
    def _read(cls, state: Any, *, depth: int) -> TransportMap:
        if not isinstance(state, Mapping) or "kind" not in state:
            raise ValueError(f"the state of a transport map is {shown(state)}; 'kind' is missing.")
        kind = str(state["kind"])
        made = cls._of_kind(kind)
        if made is None:
            valid = ", ".join(sorted({*cls._kinds, *PLACES}))
            raise ValueError(
                f"transport map of kind {kind!r} is unknown. Valid: {valid}. If it is of another package, import that "
                "first; if of a later cellot-sc, upgrade."
            )
        try:
            # those of a parent are about the arguments of the parent
            if (fields := made.__dict__.get("fields")) is not None:
                state = read_fields(state, fields, StateReading(depth=depth), optional=made.optional, others=["kind"])
            return made._from_state(state)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
            raise ValueError(f"a transport map of kind {kind!r} cannot be read: {reason}") from error

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a map of this kind."""
        return cls(**{name: value for name, value in state.items() if name != "kind"})

    def _checked(self, x: np.ndarray) -> np.ndarray:
        given = matrix(x, what="the matrix of cells", n_dims=self.n_dims, remedy="compute it first")
        with np.errstate(over="ignore"):
            return (given.toarray() if sparse.issparse(given) else given).astype(np.float32, copy=False)

    @keeps
    def _in_chunks(self, function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
        x = self._checked(x)
        out = np.empty_like(x)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(x), CHUNK):
                out[start : start + CHUNK] = function(x[start : start + CHUNK])
        return self._finite(out, x)

    def _weighed_cost(self, x: np.ndarray, weights: np.ndarray | float) -> np.ndarray:
        x = self._checked(x)
        moved = self.transport(x)
        with np.errstate(over="ignore", invalid="ignore"):
            costs = 0.5 * (weights * (moved - x) ** 2).sum(axis=1)
        return self._finite(costs, x)

    def _finite(self, out: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return what was made of cells, if there is no NaN or inf in it that was not in the cells."""
        if not np.isfinite(out).all():
            lost = np.isfinite(x).all(axis=1) & ~np.isfinite(out).reshape(len(out), -1).all(axis=1)
            if lost.any():
                raise ValueError(
                    f"a transport map of kind {self.kind!r} returns NaN or inf for {lost.sum()} of {len(x)} cells: fit "
                    "it again, or read its file anew."
                )
        return out


@dataclasses.dataclass(frozen=True)
class Inner:
    """The state of a map within a map."""

    def read(self, value: Any, path: str, reading: StateReading) -> TransportMap:
        """Return the map."""
        if reading.depth >= MAX_NESTED:
            raise ValueError(f"{path} is a map within {MAX_NESTED} others; no more are needed.")
        try:
            inner = TransportMap._read(value, depth=reading.depth + 1)
        except ValueError as error:
            raise ValueError(f"{path} is {error}") from error
        if not reading.fits((inner.n_dims,), "d"):
            raise ValueError(f"{path} is of {inner.n_dims} dimensions; {reading.sizes['d']} are needed.")
        return inner


@dataclasses.dataclass(frozen=True)
class Several:
    """States of several maps of the same space, by their numbers."""

    def read(self, value: Any, path: str, reading: StateReading) -> list[TransportMap]:
        """Return the maps."""
        names = numbered(value, "{}", MAX_SEVERAL, path=path)
        return [Inner().read(value[name], f"{path}.{name}", reading) for name in names]
