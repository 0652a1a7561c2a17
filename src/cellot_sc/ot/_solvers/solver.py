"""The record of a solver: how it fits, and all that others have to know of it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ..._plugins import origin
from .._maps.base import TransportMap
from .._problem import History, Problem, Progress, Solution

type Run = Callable[[Sequence[Problem], Any, int, Progress | None], list[Solution]]
type Meter = Callable[[int, dict[str, float]], None]
"""What is told of one problem: the steps that are made, and the latest metrics."""


@dataclasses.dataclass(frozen=True)
class Solver:
    """How to fit a transport map.

    Parameters
    ----------
    name
        Name in the registry.
    summary
        One line on what it does, with which a report describes it.
    config
        Frozen dataclass of its options, which refuses impossible values with :class:`ValueError`.
    run
        Called with the problems, a config, a seed and a progress meter or ``None``; returns one fit per problem.
    label
        What figures call it; its name if it is empty.
    cites
        What a report cites for it, such as ``"Doe et al. 2025, doi 10.1000/1"``, or keys of what this package cites.
    weighs
        Whether it heeds weights of cells. One that does not is never given any.
    contexts
        Whether it fits a map per context. One that does not is never given any.
    affine
        What it fits where nothing happened: ``"shift"`` if it moves all cells alike, ``"affine"`` if by an affine map.
        Error bars then come from such maps in closed form, and with ``None`` from fits of its own beside them.
    keeps_cells
        Whether its maps hold cells that were learnt from. In a model they are fitted to means of 20 cells or more.
    of_means
        Options with which it is fitted to these.
    streams
        Whether it reads cells that are not in memory as it fits. One that does not is never given any.
    """

    name: str
    summary: str
    config: type
    run: Run
    label: str = ""
    cites: str | tuple[str, ...] = ()
    weighs: bool = False
    contexts: bool = False
    affine: Literal["shift", "affine"] | None = None
    keeps_cells: bool = False
    of_means: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    streams: bool = False

    def __post_init__(self) -> None:
        """Name it where there is no label."""
        object.__setattr__(self, "label", self.label or self.name)
        object.__setattr__(self, "cites", (self.cites,) if isinstance(self.cites, str) else tuple(self.cites))

    @property
    def origin(self) -> str:
        """Module and name of the function that fits."""
        return origin(self.run)

    def options(self) -> list[str]:
        """Return the names of the options that the solver takes."""
        return [field.name for field in dataclasses.fields(self.config)]


@dataclasses.dataclass(frozen=True)
class NoOptions:
    """The options of a solver that has none."""


def one_by_one(fit: Callable[[Problem, Any, int, Meter], Solution], n_steps: Callable[[Any], int]) -> Run:
    """Return how to fit several problems, given how to fit one, and how many steps that takes with its options."""

    @functools.wraps(fit)
    def run(problems: Sequence[Problem], config: Any, seed: int, progress: Progress | None) -> list[Solution]:
        def report(before: int, done: int, metrics: dict[str, float]) -> None:
            if progress is not None:
                progress(before + done, len(problems) * n_steps(config), metrics)

        return [
            fit(problem, config, seed, functools.partial(report, i * n_steps(config)))
            for i, problem in enumerate(problems)
        ]

    return run


def closed_form(function: Callable[[Problem], TransportMap]) -> Run:
    """Return how to fit several problems, given the map of one in closed form."""

    @functools.wraps(function)
    def run(problems: Sequence[Problem], config: NoOptions, seed: int, progress: Progress | None) -> list[Solution]:
        return [Solution(function(problem), History()) for problem in problems]

    return run
