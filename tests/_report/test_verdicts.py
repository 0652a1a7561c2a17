from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellot_sc._report._verdicts import (
    BY_FEATURES,
    BY_MAP,
    NOT_SHOWN,
    TOO_FEW,
    VERDICT,
    YES,
    with_distances,
    with_verdicts,
)

EFFECTS = pd.DataFrame(
    [
        ("a", "T", 0.01, 1.0), ("a", "B", 0.5, 1.0), ("a", "NK", 0.5, np.nan), ("b", "T", 0.5, 1.0),
        ("a", "Mk", np.nan, 1.0),
    ],
    columns=["perturbation", "group", "pvalue_adj", "effect_observed"],
)  # fmt: skip


def costs(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["perturbation", "group", "ci_low", "null", "n_cells"])


def test_an_interval_over_the_null() -> None:
    told = with_verdicts(
        costs(("a", "all", 2.0, 1.0, 90), ("b", "all", 0.9, 1.0, 90), ("c", "all", 2.0, 1.0, 19)), EFFECTS
    )
    assert told[VERDICT].tolist() == [YES, NOT_SHOWN, TOO_FEW]


def test_units_have_to_agree_where_they_can_tell() -> None:
    table = costs(*[("b", "all", 2.0, 1.0, 90)] * 3, ("b", "all", 0.5, 1.0, 90))
    told = with_verdicts(table.assign(pvalue=[0.01, 0.2, np.nan, 0.01]), EFFECTS)
    assert told[VERDICT].tolist() == [YES, NOT_SHOWN, YES, NOT_SHOWN]


def test_a_group_that_only_the_map_moves() -> None:
    rows = [("a", group, 2.0, 1.0, 90) for group in ("all", "T", "B", "NK", "Mk")]
    told = with_verdicts(costs(*rows, ("a", "B", 0.5, 1.0, 90), ("b", "T", 2.0, 1.0, 90)), EFFECTS)
    # NK and Mk have no treated cells to tell by, B of low cost is not moved, and b acts on no other group
    assert told[VERDICT].tolist() == [YES, YES, BY_MAP, YES, YES, NOT_SHOWN, YES]


def test_a_group_whose_features_respond() -> None:
    """What the table of effects calls, the box cannot say not to be shown."""
    rows = [("a", "all", 0.5, 1.0, 90), ("a", "T", 0.5, 1.0, 90), ("a", "B", 0.5, 1.0, 90), ("b", "all", 0.5, 1.0, 90)]
    told = with_verdicts(costs(*rows, ("a", "T", 2.0, 1.0, 12), ("a", "B", 2.0, 1.0, 12)), EFFECTS)
    assert told[VERDICT].tolist() == [BY_FEATURES, BY_FEATURES, NOT_SHOWN, NOT_SHOWN, BY_FEATURES, TOO_FEW]


def test_distances_are_roots_of_twice_the_cost() -> None:
    table = with_distances(pd.DataFrame({"ci_low": [2.0], "ci_high": [8.0], "null": [0.5]}))
    [found] = table[["distance_low", "distance_high", "noise_distance"]].to_numpy().tolist()
    assert found == pytest.approx([2, 4, 1])
