"""What solutions are sent between processes and kept in files as: arrays and plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from .._maps.base import TransportMap
from .._problem import History, Problem, Solution
from . import registry
from .solver import Solver


def state_of(solution: Solution) -> dict[str, Any]:
    """Return what a solution is rebuilt from."""
    return {"map": solution.map.state(), "history": dataclasses.asdict(solution.history)}


def solution_of(state: Mapping[str, Any]) -> Solution:
    """Return the solution of which this is the :func:`state_of`, which may come from anywhere.

    Raises
    ------
    ValueError
        If a map of its kind needs something else. Errors of Python where it is something else altogether.
    """
    return Solution(TransportMap.from_state(state["map"]), History(**state["history"]))


def fit_in_worker(solver: Solver, config: Any, seed: int, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Fit problems where nobody looks at a meter, and return the states of the solutions.

    It is here, as another process that fits needs nothing of the rooms above.
    """
    return [state_of(solution) for solution in registry.run(solver, problems, config, seed, None)]
