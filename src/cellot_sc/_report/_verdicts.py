"""Which perturbations, and which groups of cells under them, respond: one verdict a report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .. import _keys

ALPHA = 0.05
FEW = 20
"""Severities of groups of fewer control cells are not spoken of: one cell more or less would change what is said."""
YES, BY_FEATURES, BY_MAP = "yes", "yes, by features", "by the map alone"
NOT_SHOWN, TOO_FEW = "not shown", "too few cells"
RESPONDS = (YES, BY_FEATURES)
"""Verdicts on what responds."""
VERDICT = "responds"
"""Column of costs with the verdict."""
DISTANCES = {"distance_low": "ci_low", "distance_high": "ci_high", "noise_distance": "null"}
"""Columns of costs that are added in units of distance, and what of the cost they are."""


def with_distances(costs: pd.DataFrame) -> pd.DataFrame:
    """Return a table of costs with the interval and the null as distances, too: root mean squared displacements."""
    return costs.assign(**{name: np.sqrt(2 * costs[of]) for name, of in DISTANCES.items()})


def with_verdicts(costs: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """Return a table of costs with the verdict on each of them, which all of the report repeats.

    A group of cells responds if it is moved by more than noise, or if features are called there. It is moved by more
    than noise if the interval of the cost lies above its null, and if, where enough units answer for a p-value, that is
    below .05, too. It is the cost that is asked, not the scores: it knows the train cells, many more than are left to
    judge by, its null knows what finitely many cells and the solver make of no effect, its p-value has to be borne out
    by the energy distance of treated to control cells, and it is there where nothing can be judged. But it is a sum
    over all features, in which a large change of a few of them is lost. Of 100 simulated perturbations without an
    effect, 150 cells each, the cost called none.

    Parameters
    ----------
    costs
        As :func:`cellot_sc.tl.transport_cost` returns them.
    effects
        As :func:`cellot_sc.tl.subpopulation_effects` returns them.

    Returns
    -------
    The costs with ``responds``: :data:`YES`; :data:`BY_FEATURES` if only features are called, in the group or, of all
    cells, in any; :data:`BY_MAP` if a group is moved of which the treated cells show no feature to change, while those
    of another group do, as a smooth map carries the effect on one group over to its neighbours; :data:`NOT_SHOWN`;
    :data:`TOO_FEW`.
    """
    is_moved = costs["ci_low"] > costs["null"]
    if "pvalue" in costs:
        is_moved &= costs["pvalue"].isna() | (costs["pvalue"] < ALPHA)
    is_moved &= costs["n_cells"] >= FEW
    by_group: dict[Any, bool] = _any_called(effects)
    by_name = {name for (name, _), found in by_group.items() if found}
    borne_out: dict[Any, bool] = _any_called(effects[effects["effect_observed"].notna()])
    acting = {name for (name, _), found in borne_out.items() if found}

    def verdict(name: str, group: str, n_cells: int, *, moved: bool) -> str:
        called = name in by_name if group == _keys.ALL else by_group.get((name, group), False)
        if not moved:
            return BY_FEATURES if called else NOT_SHOWN if n_cells >= FEW else TOO_FEW
        carried = group != _keys.ALL and not called and name in acting and borne_out.get((name, group)) is False
        return BY_MAP if carried else YES

    rows = zip(costs["perturbation"], costs["group"], costs["n_cells"], is_moved, strict=True)
    return costs.assign(**{VERDICT: [verdict(name, group, n, moved=bool(moved)) for name, group, n, moved in rows]})


def _any_called(effects: pd.DataFrame) -> dict[Any, bool]:
    """Return, by perturbation and group of which features were tested, whether any of them is called."""
    tested = effects[effects["pvalue_adj"].notna()]
    called = (tested["pvalue_adj"] < ALPHA).groupby([tested["perturbation"], tested["group"]], observed=True).any()
    return {key: bool(found) for key, found in called.to_dict().items()}


def row_of(costs: pd.DataFrame, name: str) -> Any:
    """Return the row of a perturbation with what is said of all cells."""
    return costs[(costs["perturbation"] == name) & (costs["group"] == _keys.ALL)].iloc[0]
