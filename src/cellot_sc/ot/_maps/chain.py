"""One map after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from .base import Several, State, TransportMap


class ChainMap(TransportMap):
    """The map that takes every cell through several maps in turn, such as those between consecutive times.

    Each step is optimal on its own; the whole need not be.

    Parameters
    ----------
    steps
        Maps of the same space, the first to be applied first.

    Raises
    ------
    ValueError
        If there is no step, or they differ in their number of dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.ot import ChainMap, MeanShiftMap
    >>> ChainMap([MeanShiftMap(np.ones(1)), MeanShiftMap(np.ones(1))]).transport(np.zeros((1, 1))).tolist()
    [[2.0]]
    """

    kind = "chain"
    fields: ClassVar = {"steps": Several()}

    def __init__(self, steps: Sequence[TransportMap]) -> None:
        self.steps = list(steps)
        n_dims = [step.n_dims for step in self.steps]
        if len(set(n_dims)) != 1:
            raise ValueError(
                f"steps have {n_dims} dimensions: at least one step is needed, and all of the same number."
            )
        self.n_dims = n_dims[0]

    def __repr__(self) -> str:
        return f"{super().__repr__()} of {len(self.steps)} steps"

    def _forward(self, x: np.ndarray) -> np.ndarray:
        for step in self.steps:
            x = step.transport(x)
        return x

    def _backward(self, y: np.ndarray) -> np.ndarray:
        for step in reversed(self.steps):
            y = step.inverse(y)
        return y

    def adapted(self, control: np.ndarray) -> TransportMap:
        """Return the same steps, of which the first, where the cells are, knows the control cells of a context."""
        return ChainMap([self.steps[0].adapted(control), *self.steps[1:]])

    def state(self) -> State:
        """Return the state of each step, by its number."""
        return {"kind": self.kind, "steps": {str(i): step.state() for i, step in enumerate(self.steps)}}
