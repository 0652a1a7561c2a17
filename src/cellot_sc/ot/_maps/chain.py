"""One map after another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from .base import State, TransportMap


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

    def __init__(self, steps: Sequence[TransportMap]) -> None:
        self.steps = list(steps)
        n_dims = [step.n_dims for step in self.steps]
        if len(set(n_dims)) != 1:
            raise ValueError(
                f"steps have {n_dims} dimensions: at least one step is needed, and all of the same number."
            )

    def __repr__(self) -> str:
        return f"{super().__repr__()} of {len(self.steps)} steps"

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.steps[0].n_dims

    def _forward(self, x: np.ndarray) -> np.ndarray:
        for step in self.steps:
            x = step.transport(x)
        return x

    def _backward(self, y: np.ndarray) -> np.ndarray:
        for step in reversed(self.steps):
            y = step.inverse(y)
        return y

    def state(self) -> State:
        """Return the number of steps and the state of each."""
        return {
            "kind": self.kind,
            "config": json.dumps({"n_steps": len(self.steps)}),
            "steps": {str(i): step.state() for i, step in enumerate(self.steps)},
        }

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        n_steps = json.loads(state["config"])["n_steps"]
        return cls([TransportMap.from_state(state["steps"][str(i)]) for i in range(n_steps)])
