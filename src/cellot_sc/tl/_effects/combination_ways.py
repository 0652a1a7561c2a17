"""Where the maps of two perturbations take cells that have both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from ...ot import TransportMap
from .._fit.fit import Fit

A_THEN_B: Final = "a_then_b"
B_THEN_A: Final = "b_then_a"
SUM: Final = "sum"
WAYS = (A_THEN_B, B_THEN_A, SUM)
"""One map after the other, or the sum of both displacements."""
LARGER_FIRST, SMALLER_FIRST = "larger_first", "smaller_first"
RULES = (SUM, LARGER_FIRST, SMALLER_FIRST)
"""The same without the names of the two, so that what is best elsewhere can be said of any: which map comes first is
told by how far it moves cells."""


@dataclass(frozen=True)
class Pair:
    """Cells, and two maps that are to move them.

    Parameters
    ----------
    fit
        The fit of the maps.
    first, second
        The maps, a and b.
    x
        The cells, shape ``(n_cells, n_dims)``.
    contexts
        The context of each, if maps know any.
    """

    fit: Fit
    first: TransportMap
    second: TransportMap
    x: np.ndarray
    contexts: np.ndarray | None

    @cached_property
    def a(self) -> np.ndarray:
        """Where the first map alone takes the cells."""
        return self.first.transport(self.x, self.contexts)

    @cached_property
    def b(self) -> np.ndarray:
        """Where the second map alone takes them."""
        return self.second.transport(self.x, self.contexts)

    @cached_property
    def further(self) -> str:
        """Which of the two moves the cells further in the mean, ``"a"`` or ``"b"``."""
        costs = [np.square(self.fit.scaled(moved - self.x), dtype=np.float64).sum() for moved in (self.a, self.b)]
        return "a" if costs[0] >= costs[1] else "b"

    def moved(self, way: str) -> np.ndarray:
        """Return where both take the cells, in one of :data:`WAYS`, shape ``(n_cells, n_dims)``."""
        if way == A_THEN_B:
            return self.second.transport(self.a, self.contexts)
        if way == B_THEN_A:
            return self.first.transport(self.b, self.contexts)
        return added(self.x, self.a, self.b)

    def way(self, rule: str) -> str:
        """Return which of :data:`WAYS` one of :data:`RULES` comes to here."""
        if rule == SUM:
            return SUM
        return A_THEN_B if (self.further == "a") == (rule == LARGER_FIRST) else B_THEN_A


def added(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return cells moved by the sum of two displacements, float32."""
    return (a + (b - x)).astype(np.float32, copy=False)
