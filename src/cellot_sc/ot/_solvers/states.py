"""What solutions are sent between processes and kept in files as: arrays and plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
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


def fit_in_worker(
    solver: Solver,
    config: Any,
    seed: int,
    reading: Callable[[Sequence[str], Sequence[Problem]], Sequence[Problem]] | None,
    given: tuple[Sequence[str], Sequence[Problem]],
) -> list[dict[str, Any]]:
    """Fit problems where nobody looks at a meter, and return the states of the solutions.

    It is here, as another process that fits needs nothing of the rooms above, unless it reads the cells itself: as
    problems that lead to targets become those that are fitted.
    """
    targets, problems = given
    there = problems if reading is None else reading(targets, problems)
    return [state_of(solution) for solution in registry.run(solver, there, config, seed, None)]
