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
MAX: Final = "max"
WAYS = (A_THEN_B, B_THEN_A, SUM, MAX)
"""One map after the other, the sum of both displacements, or only the map that moves cells further."""
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
    def costs(self) -> tuple[float, float]:
        """The sum of squared displacements by each."""
        a, b = (float(np.square(self.fit.scaled(to - self.x), dtype=np.float64).sum()) for to in (self.a, self.b))
        return a, b

    @property
    def further(self) -> str:
        """Which of the two moves the cells further in the mean, ``"a"`` or ``"b"``."""
        return "a" if self.costs[0] >= self.costs[1] else "b"

    @property
    def balance(self) -> float:
        """The smaller of both costs as a part of the larger: 1 if both move cells as far, 0 if one does nothing."""
        return min(self.costs) / max(*self.costs, np.finfo(float).tiny)

    def moved(self, way: str) -> np.ndarray:
        """Return where both take the cells, in one of :data:`WAYS`, shape ``(n_cells, n_dims)``."""
        if way == A_THEN_B:
            return self.second.transport(self.a, self.contexts)
        if way == B_THEN_A:
            return self.first.transport(self.b, self.contexts)
        if way == MAX:
            return self.a if self.further == "a" else self.b
        return added(self.x, self.a, self.b)

    def way(self, rule: str) -> str:
        """Return which of :data:`WAYS` one of :data:`RULES` comes to here."""
        if rule in WAYS:
            return rule
        return A_THEN_B if (self.further == "a") == (rule == LARGER_FIRST) else B_THEN_A


def added(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return cells moved by the sum of two displacements, float32."""
    return (a + (b - x)).astype(np.float32, copy=False)
