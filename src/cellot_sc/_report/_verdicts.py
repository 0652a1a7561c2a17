"""Which perturbations, and which groups of cells under them, are moved by more than noise: one verdict a report."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .. import _keys

ALPHA = 0.05
FEW = 20
"""Groups of fewer control cells are not spoken of: one cell more or less would change what is said."""
YES, NOT_SHOWN, TOO_FEW = "yes", "not shown", "too few cells"
VERDICT, CARRIED = "verdict", "carried"
"""Columns of costs with the verdict, and with whether the treated cells of the group bear it out."""


def with_verdicts(costs: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """Return a table of costs with the verdict on each of them, which all of the report repeats.

    Cells are moved by more than noise if the interval of the cost lies above its null, and if, where enough units
    answer for a p-value, that is below .05, too. It is the cost that is asked, not the scores: it knows the train
    cells, many more than are left to judge by, its null knows what finitely many cells and the solver make of no
    effect, its p-value has to be borne out by the energy distance of treated to control cells, and it is there where
    nothing can be judged. Of 100 simulated perturbations without an effect, 150 cells each, it called none.

    Parameters
    ----------
    costs
        As :func:`cellot_sc.tl.transport_cost` returns them.
    effects
        As :func:`cellot_sc.tl.subpopulation_effects` returns them.

    Returns
    -------
    The costs with ``verdict``: one of :data:`YES`, :data:`NOT_SHOWN`, :data:`TOO_FEW`; and with ``carried``: whether a
    group is moved of which the treated cells show no feature to change, while those of another group do. A map that is
    smooth carries the effect on one group over to its neighbours.
    """
    is_moved = costs["ci_low"] > costs["null"]
    if "pvalue" in costs:
        is_moved &= costs["pvalue"].isna() | (costs["pvalue"] < ALPHA)
    verdict = is_moved.map({True: YES, False: NOT_SHOWN}).where(costs["n_cells"] >= FEW, TOO_FEW)
    told = costs.assign(**{VERDICT: verdict})
    tested = effects[effects["effect_observed"].notna() & effects["pvalue_adj"].notna()]
    called = (tested["pvalue_adj"] < ALPHA).groupby([tested["perturbation"], tested["group"]], observed=True).any()
    by_group: dict[Any, bool] = called.to_dict()
    acting = {name for (name, _), found in by_group.items() if found}
    told[CARRIED] = [
        verdict == YES and group != _keys.ALL and name in acting and by_group.get((name, group)) is False
        for name, group, verdict in told[["perturbation", "group", VERDICT]].itertuples(index=False)
    ]
    return told


def row_of(costs: pd.DataFrame, name: str) -> Any:
    """Return the row of a perturbation with what is said of all cells."""
    return costs[(costs["perturbation"] == name) & (costs["group"] == _keys.ALL)].iloc[0]
