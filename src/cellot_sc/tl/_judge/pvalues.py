"""Whether predictions can be told from observed cells: whole units of both, exchanged."""

from __future__ import annotations

import math

import numpy as np

from ...metrics._units import ALPHA, Units, exchange_pvalue, units
from .clouds import MIN_GROUP_CELLS, GroupClouds
from .scores import UnitTest


def unit_tests(clouds: GroupClouds, *, seed: int) -> dict[str, UnitTest]:
    """Test of every model whether its predictions can be told from the observed cells, by their energy distance.

    Predicted and observed cells of whole units are exchanged. A prediction is of the unit of the control cell that it
    was made from. Units with fewer than :data:`MIN_GROUP_CELLS` cells do not count.

    Parameters
    ----------
    clouds
        The clouds of a group, with the unit of every cell. Models whose cells have none are not tested.
    seed
        Seed of the exchanges, where there are too many, and of the cells, where a unit has too many.

    Returns
    -------
    By model; the p-value is NaN where none could be below .05.
    """
    observed, tests = clouds.observed, dict[str, UnitTest]()
    known: dict[int, tuple[Units, np.ndarray | None]] = {}
    for model, predicted in (clouds.predictions | clouds.given).items():
        if predicted.units is None or observed.units is None:
            continue
        # most are of the units of the control cells
        if id(predicted.units) not in known:
            labels = np.concatenate([predicted.units, observed.units]).astype(str)
            treated = np.repeat([False, True], [len(predicted.units), len(observed.units)])
            members = units(labels, treated, least=MIN_GROUP_CELLS)
            known[id(predicted.units)] = members, members.exchanges(seed=seed) if members.p_min < ALPHA else None
        members, flips = known[id(predicted.units)]
        pvalue = math.nan
        if flips is not None:
            both = np.concatenate([predicted.cells, observed.cells])
            pvalue = exchange_pvalue(members.energies(both, flips, seed=seed))
        tests[model] = UnitTest(pvalue, members.n_units, members.p_min)
    return tests
