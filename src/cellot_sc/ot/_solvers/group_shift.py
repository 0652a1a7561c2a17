"""The difference of the means within each context: every cell moves as its own kind does."""

from __future__ import annotations

from .._composition import composition
from .._contexts import Parts, context_map, levels
from .._maps.affine import MeanShiftMap
from .._maps.base import TransportMap
from .._moments import mean_of
from .._problem import Problem
from .mean_shift import mean_shift_map
from .solver import NoOptions, Solver, closed_form


def group_shift_map(problem: Problem) -> TransportMap:
    """Return the map that adds the difference of the means of each context as it is, whatever the number of cells.

    The parent adds the difference of the means of all cells, weighed so that contexts have equal shares on both sides.
    Without contexts it is the mean shift.
    """
    if problem.source_contexts is None:
        return mean_shift_map(problem)
    found = composition(problem)
    source = mean_of(problem.source, found.source_weights)
    parent = MeanShiftMap(mean_of(problem.target, found.target_weights) - source)
    return context_map(
        problem, parent, [(level, [*map(MeanShiftMap, level.shifts)]) for level in levels(Parts.of(problem))]
    )


SOLVER = Solver(
    "group_shift",
    "every cell moves as its context does",
    NoOptions,
    closed_form(group_shift_map),
    label="mean shift per context",
    weighs=True,
    contexts=True,
    affine="shift",
)
