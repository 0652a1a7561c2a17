"""What a solver is given and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from ._maps.base import TransportMap


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
    source_weights, target_weights
        How much of its cloud each train cell stands for, in any unit, or ``None`` if they are alike: numbers that are
        not negative, such as the expected number of its descendants. Equal weights are the same as none, to the bit.
    source_valid_weights, target_valid_weights
        The same of validation cells.

    Raises
    ------
    ValueError
        If there is not a weight per cell, one is negative or not finite, or all are zero.
    """

    source: np.ndarray
    target: np.ndarray
    source_valid: np.ndarray
    target_valid: np.ndarray
    source_groups: np.ndarray | None = None
    target_groups: np.ndarray | None = None
    source_weights: np.ndarray | None = None
    target_weights: np.ndarray | None = None
    source_valid_weights: np.ndarray | None = None
    target_valid_weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check the weights, and drop those that are all alike."""
        for cloud in ("source", "target", "source_valid", "target_valid"):
            weights = getattr(self, f"{cloud}_weights")
            if weights is None:
                continue
            n_cells = len(getattr(self, cloud))
            ok = weights.shape == (n_cells,) and np.isfinite(weights).all() and (weights >= 0).all()
            if not ok or (n_cells and not weights.any()):
                msg = (
                    f"{cloud}_weights of shape {weights.shape}: {n_cells} finite numbers, none negative, not all 0, "
                    "are needed."
                )
                raise ValueError(msg)
            if not n_cells or (weights == weights[0]).all():
                object.__setattr__(self, f"{cloud}_weights", None)

    @property
    def is_weighted(self) -> bool:
        """Whether train cells differ in what they stand for."""
        return self.source_weights is not None or self.target_weights is not None

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


class Solution(NamedTuple):
    """A fitted map and how it came about."""

    map: TransportMap
    history: History


class Progress(Protocol):
    """What a solver tells about how far it is: a progress meter as an object."""

    def __call__(self, done: int, total: int, metrics: dict[str, float]) -> None:
        """Report that ``done`` of ``total`` steps are made, and the latest metrics."""
