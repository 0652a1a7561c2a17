"""What a solver is given and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from .._arrays import MOST_COMPARED
from .._chunks import Stored
from .._numbers import shown
from ._maps.base import TransportMap

CLOUDS = ("source", "target", "source_valid", "target_valid")
"""The clouds of a problem."""


@dataclass(frozen=True)
class Problem:
    """Two unpaired clouds of cells between which a map is wanted.

    Every array may be anything that numpy makes one of, such as nested lists or tensors on the CPU.

    Parameters
    ----------
    source
        Untreated train cells, shape ``(n_source, n_dims)``, kept as float32. Problems that share the same float32 array
        are fitted together without copying it. Clouds that are not in memory are those of
        :func:`cellot_sc.tl.cellot`, which solvers that stream read as they fit.
    target
        Treated train cells, shape ``(n_target, n_dims)``.
    source_valid, target_valid
        Validation cells, which choose between candidates and never move a weight. None by default.
    source_contexts, target_contexts
        Integer code of the context of each train cell, such as its type, -1 where it is not known, or ``None``. With
        several columns, contexts within contexts, such as patients within types: the outer first.
    source_valid_contexts, target_valid_contexts
        The same of validation cells, -1 for all if they are not given.
    context_names
        What the codes stand for: of every column, as many names as there are codes. They are numbered by default.
    source_weights, target_weights
        How much of its cloud each train cell stands for, in any unit, or ``None`` if they are alike: numbers that are
        not negative, such as the expected number of its descendants. Equal weights are the same as none, to the bit.
    source_valid_weights, target_valid_weights
        The same of validation cells.

    Raises
    ------
    ValueError
        If a cloud is no matrix, holds NaN or inf or has dimensions of its own, there are no train cells, weights
        are not one number, 0 or more, per cell, or contexts are not one code, or one row of codes, per cell, each with
        a name.
    TypeError
        If cells are sparse, or no real numbers.

    Examples
    --------
    >>> from cellot_sc import ot
    >>> ot.Problem([[0.0, 1.0], [2.0, 3.0]], [[1, 1], [3, 3]]).n_dims
    2
    """

    source: np.ndarray
    target: np.ndarray
    source_valid: np.ndarray = None  # type: ignore[assignment]
    target_valid: np.ndarray = None  # type: ignore[assignment]
    source_contexts: np.ndarray | None = None
    target_contexts: np.ndarray | None = None
    source_valid_contexts: np.ndarray | None = None
    target_valid_contexts: np.ndarray | None = None
    context_names: Any = None
    source_weights: np.ndarray | None = None
    target_weights: np.ndarray | None = None
    source_valid_weights: np.ndarray | None = None
    target_valid_weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Make arrays of what was given, check them, and drop weights that are all alike."""
        for name in CLOUDS:
            given = getattr(self, name)
            none = given is None and name.endswith("valid")
            cells = np.empty((0, self.n_dims), dtype=np.float32) if none else _cells(name, given)
            object.__setattr__(self, name, cells)
            if cells.shape[1] != self.n_dims:
                raise ValueError(
                    f"{name} has {cells.shape[1]} dimensions and source {self.n_dims}: they need the same."
                )
            for kind, checked in (("contexts", _contexts), ("weights", _weights)):
                label = f"{name}_{kind}"
                if (values := getattr(self, label, None)) is not None:
                    object.__setattr__(self, label, checked(label, values, len(cells)))
        if not (len(self.source) and len(self.target)):
            raise ValueError(
                f"source has {len(self.source)} cells and target {len(self.target)}: both need some to learn from."
            )
        self._name_contexts()

    def _name_contexts(self) -> None:
        """Check that contexts are of both sides, and name them."""
        found = {f"{name}_contexts": getattr(self, f"{name}_contexts") for name in CLOUDS}
        given = {label: codes for label, codes in found.items() if codes is not None}
        if not given and self.context_names is None:
            return
        if not {"source_contexts", "target_contexts"} <= set(given):
            raise ValueError("source_contexts and target_contexts are needed both or neither.")
        if len({codes.shape[1:] for codes in given.values()}) > 1:
            shapes = ", ".join(f"{label} has shape {codes.shape}" for label, codes in given.items())
            raise ValueError(f"{shapes}: all need the same columns.")
        needed = [
            max(1 + int(_columns(codes)[:, i].max(initial=-1)) for codes in given.values())
            for i in range(_columns(self.source_contexts).shape[1])  # type: ignore[arg-type]
        ]
        names = [[str(i) for i in range(n)] for n in needed] if self.context_names is None else self.context_names
        lists = isinstance(names, list | tuple) and all(isinstance(of, list | tuple) for of in names)
        if not (
            lists
            and [len(of) >= n for of, n in zip(names, needed, strict=False)] == [True] * len(needed)
            and len(names) == len(needed)
            and all(isinstance(name, str) for of in names for name in of)
        ):
            raise ValueError(
                f"context_names is {shown(names)}; {needed} names are needed, a list of one for each code of every "
                "column."
            )
        object.__setattr__(self, "context_names", tuple(map(tuple, names)))

    def named(self, contexts: np.ndarray | None) -> np.ndarray | None:
        """Return the names of contexts that are given as codes, empty where there is none; ``None`` if none are."""
        if contexts is None:
            return None
        columns = _columns(contexts).T
        named = [np.array([*of, ""])[codes] for of, codes in zip(self.context_names, columns, strict=True)]
        return np.stack(named, axis=1)

    @property
    def pooled(self) -> Problem:
        """The same cells, without their contexts."""
        if self.source_contexts is None:
            return self
        none: dict[str, Any] = {field.name: None for field in fields(self) if "context" in field.name}
        return replace(self, **none)

    @property
    def is_stored(self) -> bool:
        """Whether train cells are not in memory, but read as they are needed."""
        return isinstance(self.source, Stored) or isinstance(self.target, Stored)

    @property
    def is_weighted(self) -> bool:
        """Whether train cells differ in what they stand for."""
        return self.source_weights is not None or self.target_weights is not None

    @property
    def n_dims(self) -> int:
        """Number of dimensions of the space the cells live in."""
        return self.source.shape[1]


def _array(name: str, given: Any) -> np.ndarray:
    if hasattr(given, "toarray") and not isinstance(given, np.ndarray):
        raise TypeError(f"{name} is a sparse {type(given).__name__}: pass dense numbers, such as {name}.toarray().")
    if np.ma.is_masked(given):
        raise ValueError(f"{name} is an array of which some numbers are masked: leave these cells out.")
    try:
        return np.asarray(given)
    # what tensors on another device raise, or lists of unequal length
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(given).__name__
        raise TypeError(f"{name} is a {kind} that numpy makes no array of: pass one of numbers. {error}") from error


def _cells(name: str, given: Any) -> Any:
    if isinstance(given, Stored):
        # checked as they are read
        return given
    cells = _array(name, given)
    if cells.dtype.kind in "OSUMmc":
        raise TypeError(f"{name} is made of {cells.dtype}: cells of real numbers are needed.")
    if cells.ndim != 2 or not cells.shape[1]:
        raise ValueError(
            f"{name} has shape {cells.shape}; (n_cells, n_dims) is needed: one feature is {name}.reshape(-1, 1)."
        )
    with np.errstate(over="ignore"):
        cells = cells.astype(np.float32, copy=False)
    n_bad = int((~(np.abs(cells) <= MOST_COMPARED)).any(axis=1).sum())
    if n_bad:
        raise ValueError(
            f"{name} holds NaN, inf or numbers beyond {MOST_COMPARED:g} in {n_bad} of {len(cells)} cells: leave these "
            "out, or scale all cells."
        )
    return cells


def _weights(name: str, given: Any, n_cells: int) -> np.ndarray | None:
    """Return the weight of each cell, or ``None`` for weights that are all alike."""
    values = _array(name, given)
    ok = values.shape == (n_cells,) and (values.dtype.kind in "fiub" or not n_cells)
    if not (ok and np.isfinite(values).all() and (values >= 0).all() and (values.any() or not n_cells)):
        raise ValueError(
            f"{name} of shape {values.shape}, {values.dtype}: {n_cells} numbers, none negative or all 0, are needed, "
            "one for each cell."
        )
    return None if not n_cells or (values == values[0]).all() else values


def _contexts(name: str, given: Any, n_cells: int) -> np.ndarray:
    values = _array(name, given)
    ok = values.ndim in (1, 2) and len(values) == n_cells and 0 not in values.shape[1:] and values.dtype.kind in "iu"
    if not (ok and (values >= -1).all()):
        raise ValueError(
            f"{name} of shape {values.shape}, {values.dtype}: {n_cells} whole numbers, -1 or more, are needed, one for "
            "each cell, or a row of them."
        )
    return values.astype(np.int64, copy=False)


def _columns(contexts: np.ndarray) -> np.ndarray:
    """Return codes as columns, of no cells, too."""
    return contexts[:, None] if contexts.ndim == 1 else contexts


@dataclass(frozen=True)
class History:
    """How a fit went: one entry per point at which it was looked at, with the step at which its map was taken.

    One that was interrupted has its best map so far.
    """

    step: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    selected: int | None = None
    interrupted: bool = False

    def add(self, step: int, seconds: float, **metrics: float) -> None:
        """Add a point at which the fit was looked at."""
        self.step.append(step)
        self.seconds.append(seconds)
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append(value)


class Solution(NamedTuple):
    """A fitted map and how it came about."""

    map: TransportMap
    history: History


class Progress(Protocol):
    """What a solver tells about how far it is: a function, or a progress meter as an object.

    One that has a method ``stage`` is also told, in a word or two, what is done that has no steps: ``"compiling"``.
    """

    def __call__(self, done: int, total: int, metrics: dict[str, float]) -> None:
        """Report that ``done`` of ``total`` steps are made, and the latest metrics."""


def tell(progress: Progress | None, stage: str) -> None:
    """Tell a meter what is done that has no steps, if it wants to know."""
    told = getattr(progress, "stage", None)
    if told is not None:
        told(stage)
