from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from anndata import AnnData

import cellot_sc as cs
from cellot_sc._report import _findings
from cellot_sc._report._table import number


def test_severity(page: Any, fitted: AnnData) -> None:
    costs = cs.tl.transport_cost(fitted, groupby="cell_type")
    _, *rows = page.table("more than noise")
    assert [row[:2] for row in rows] == costs[["perturbation", "group"]].to_numpy().tolist()
    for row, (_, cost) in zip(rows, costs.iterrows(), strict=True):
        assert row[2:] == [
            str(cost["n_cells"]), *(number(cost[name]) for name in ("cost", "distance", "null")),
            "yes" if cost["ci_low"] > cost["null"] else "no",
        ]  # fmt: skip


def test_effects_name_what_responds(parse: Callable[[str], Any]) -> None:
    effects = pd.DataFrame(
        [
            ("a", "T", "up", 1.5, 0.01, 40), ("a", "T", "down", -2.0, 0.01, 40), ("a", "T", "still", 9.0, 0.5, 40),
            ("a", "B", "up", 0.1, 0.5, 5),
        ],
        columns=["perturbation", "group", "feature", "effect", "pvalue_adj", "n_cells"],
    )  # fmt: skip
    [(_, *rows)] = parse(f"<table>{_findings._effects(effects)}</table>").tables
    assert rows == [["a", "T", "40", "1", "1", "down −2, up +1.5"], ["a", "B", "5", "0", "0", "–"]]
