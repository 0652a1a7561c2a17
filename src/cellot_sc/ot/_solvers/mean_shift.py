"""The difference of the means: every cell moves alike."""

from __future__ import annotations

from .._maps.affine import MeanShiftMap
from .._moments import mean_of
from .._problem import Problem
from .solver import NoOptions, Solver, closed_form


def mean_shift_map(problem: Problem) -> MeanShiftMap:
    """Return the map that adds the difference of the means of two clouds."""
    source = mean_of(problem.source, problem.source_weights)
    return MeanShiftMap(mean_of(problem.target, problem.target_weights) - source)


SOLVER = Solver(
    "mean_shift",
    "every cell moves alike",
    NoOptions,
    closed_form(mean_shift_map),
    label="mean shift",
    weighs=True,
    affine="shift",
    streams=True,
)
