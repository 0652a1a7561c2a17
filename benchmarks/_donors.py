"""Donors in 30 dimensions of which one was never seen: few that differ much, cell lines, a local response."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ._context_problems import ContextTask, Side

N_DIMS = 30
SCALES = np.geomspace(3, 0.4, N_DIMS)
"""Standard deviations of the dimensions, in units of which all that follows is."""
RESPONSE, SPREAD, SLOPE = 0.5, 0.35, 0.3
"""Of what types do, of the cells of one type and donor, and of what a donor's own state changes in its response."""


class Donors(NamedTuple):
    """How many there are and how far they differ.

    Types lie ``types`` apart and donors ``apart``: all types of a donor together, ``own`` being the part that each type
    has for itself. What all types do in common counts ``common``, what each does ``by_type``, and what each donor
    does beyond them ``by_donor``. ``alike`` is the concentration of a donor's treated composition around its control's.
    With ``slope``, the response depends on where the donor's type lies.
    """

    n_donors: int
    n_cells: int
    n_types: int
    types: float
    apart: float
    own: float
    common: float
    by_type: float
    by_donor: float
    alike: float
    slope: bool


KINDS = {
    "few donors, large differences": Donors(6, 300, 5, 1.2, 1.2, 1.0, 1.0, 1.0, 0.5, 30, slope=False),
    "lines, related responses": Donors(8, 400, 1, 1.0, 1.5, 1.0, 0.6, 0.6, 0.7, 200, slope=False),
    "donors, local response": Donors(8, 800, 6, 1.5, 0.25, 0.3, 0.0, 1.0, 0.1, 200, slope=True),
}


def donors(kind: str, seed: int) -> Iterator[tuple[int, ContextTask]]:
    """Yield each donor with the task of predicting it from the others; contexts are types, units donors."""
    given, rng = KINDS[kind], np.random.default_rng(seed)
    shape = (given.n_types, N_DIMS)
    means = rng.normal(size=shape) * SCALES * given.types
    response = given.common * rng.normal(size=N_DIMS) + given.by_type * rng.normal(size=shape)
    slope = SLOPE * rng.normal(size=(N_DIMS, N_DIMS)) / np.sqrt(N_DIMS)
    sides = [_donor(given, u, means, response * SCALES * RESPONSE, slope, rng) for u in range(given.n_donors)]
    names = [f"type {k}" for k in range(given.n_types)]
    for u in range(given.n_donors):
        source, target = (_joined([sides[v][i] for v in range(given.n_donors) if v != u]) for i in (0, 1))
        yield u, ContextTask(kind, names, source, target, *sides[u])


def _donor(
    given: Donors, unit: int, means: np.ndarray, response: np.ndarray, slope: np.ndarray, rng: np.random.Generator
) -> tuple[Side, Side]:
    """Draw the control and the treated cells of a donor."""
    # types share what their donor is but for a part of their own
    own = given.own * rng.normal(size=means.shape)
    where = (own + (0.0 if given.own == 1 else rng.normal(size=N_DIMS))) * SCALES * given.apart
    shifts = response + given.by_donor * rng.normal(size=N_DIMS) * SCALES
    if given.slope:
        shifts = shifts + where @ slope
    control_shares = rng.dirichlet(np.full(given.n_types, 4))
    shares = (control_shares, rng.dirichlet(given.alike * control_shares))

    def draw(treated: int) -> Side:
        types = rng.choice(given.n_types, given.n_cells, p=shares[treated])
        noise = rng.normal(size=(given.n_cells, N_DIMS)) * SCALES * SPREAD
        cells = (means + where + treated * shifts)[types] + noise
        return Side(cells.astype(np.float32), types, np.full(given.n_cells, unit))

    return draw(0), draw(1)


def _joined(sides: list[Side]) -> Side:
    first, *others = sides
    for other in others:
        first = first.joined(other)
    return first
