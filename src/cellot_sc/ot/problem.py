"""What a solver is given and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from .maps import TransportMap


@dataclass(frozen=True)
class Problem:
    """Two unpaired clouds of cells between which a map is wanted.

    Parameters
    ----------
    source
        Untreated train cells, float32, shape ``(n_source, n_dims)``. Problems that share the same array object are
        fitted together without copying it.
    target
        Treated train cells, shape ``(n_target, n_dims)``.
    source_valid, target_valid
        Validation cells, which choose between candidates and never move a weight. May be empty.
    source_groups, target_groups
        Integer labels of the train cells, or ``None``: batches pair cells within a group only.
    """

    source: np.ndarray
    target: np.ndarray
    source_valid: np.ndarray
    target_valid: np.ndarray
    source_groups: np.ndarray | None = None
    target_groups: np.ndarray | None = None

    @property
    def n_dims(self) -> int:
        """Number of dimensions of the space the cells live in."""
        return self.source.shape[1]


@dataclass(frozen=True)
class History:
    """How a fit went: one entry per point at which it was looked at, with the step at which its map was taken."""

    step: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    selected: int | None = None


class Fit(NamedTuple):
    """A fitted map and how it came about."""

    map: TransportMap
    history: History


class Progress(Protocol):
    """What a solver tells about how far it is: a progress meter as an object."""

    def __call__(self, done: int, total: int, metrics: dict[str, float]) -> None:
        """Report that ``done`` of ``total`` steps are made, and the latest metrics."""
