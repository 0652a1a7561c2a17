"""No effect: every cell stays where it is."""

from __future__ import annotations

from .._maps.affine import IdentityMap
from .solver import NoOptions, Solver, closed_form

SOLVER = Solver(
    "identity",
    "every cell stays",
    NoOptions,
    closed_form(lambda problem: IdentityMap(problem.n_dims)),
    label="identity (no effect)",
    weighs=True,
    affine="shift",
    streams=True,
)
