"""Whether predictions can be told from observed cells: whole units of both, exchanged."""

from __future__ import annotations

import math

import numpy as np

from ...metrics._units import ALPHA, exchange_pvalue, units
from .clouds import MIN_GROUP_CELLS, GroupClouds
from .scores import UnitTest


def unit_tests(clouds: GroupClouds, *, seed: int) -> dict[str, UnitTest]:
    """Test of every model whether its predictions can be told from the observed cells, by their energy distance.

    Predicted and observed cells of whole units are exchanged. A prediction is of the unit of the control cell that it
    was made from. Units with fewer than :data:`MIN_GROUP_CELLS` cells do not count.

    Parameters
    ----------
    clouds
        The clouds of a group, with the unit of every cell.
    seed
        Seed of the exchanges, where there are too many, and of the cells, where a unit has too many.

    Returns
    -------
    By model; the p-value is NaN where none could be below .05.
    """
    if clouds.units is None:
        return {}
    treated = np.repeat([False, True], [len(labels) for labels in clouds.units])
    members = units(np.concatenate(clouds.units).astype(str), treated, least=MIN_GROUP_CELLS)
    if members.p_min >= ALPHA:
        return dict.fromkeys(clouds.predictions, UnitTest(math.nan, members.n_units, members.p_min))
    flips = members.exchanges(seed=seed)

    def pvalue(predicted: np.ndarray) -> float:
        both = np.concatenate([predicted, clouds.observed.cells])
        return exchange_pvalue(members.energies(both, flips, seed=seed))

    return {
        model: UnitTest(pvalue(predicted.cells), members.n_units, members.p_min)
        for model, predicted in clouds.predictions.items()
    }
