from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

import cellot_sc as cs
from cellot_sc._report import _findings
from cellot_sc._report._table import number


def test_severity(page: Any, fitted: AnnData) -> None:
    costs = cs.tl.transport_cost(fitted, groupby="cell_type", unit="patient")
    found = _findings.find(fitted, groupby="cell_type", unit="patient", key="cellot", seed=0).costs
    said = found.set_index(["perturbation", "group"])["responds"]
    assert {"yes", "not shown"} <= {*said}
    head, *rows = page.table("least p")
    assert head[-3:] == ["p", "units", "least p"]
    assert [row[:2] for row in rows] == costs[["perturbation", "group"]].to_numpy().tolist()
    for row, (_, cost) in zip(rows, costs.iterrows(), strict=True):
        assert row[2:] == [
            number(cost["distance"]), number(np.sqrt(2 * cost["null"])), said[cost["perturbation"], cost["group"]],
            str(cost["n_cells"]), number(cost["cost"]),
            # four patients cannot tell
            "–", "4", "0.125",
        ]  # fmt: skip


def test_effects_are_called_over_patients(page: Any, fitted: AnnData) -> None:
    effects = cs.tl.subpopulation_effects(fitted, "cell_type", unit="patient")
    called = effects[effects["pvalue_adj"] < 0.05].groupby(["perturbation", "group"]).size()
    head, *rows = page.table("strongest")
    assert head == ["perturbation", "cells", "control cells", "units", "up", "down", "strongest"]
    assert sum(called) > 10
    for row in rows:
        assert row[3] == "4"
        assert int(row[4]) + int(row[5]) == called.get((row[0], row[1]), 0)
    assert "tested over units of “patient” (4 behind an effect), not over cells" in page.text
    assert "no p could be below “least p”" in page.text


def test_without_patients_cells_answer(fitted: AnnData) -> None:
    found = _findings.find(fitted, groupby="cell_type", unit=None, key="cellot", seed=0)
    cost, effects, *_ = _findings.draw(fitted, found, key="cellot", seed=0)
    assert "control cells would seem to be moved if they were compared with other control cells" in cost.meaning
    assert "tested against maps between control cells and control cells" in effects.meaning
    assert "units" not in cost.table + effects.table


def test_effects_name_what_responds(parse: Callable[[str], Any]) -> None:
    effects = pd.DataFrame(
        [
            ("a", "T", "up", 1.5, 0.01, 40), ("a", "T", "down", -2.0, 0.01, 40), ("a", "T", "still", 9.0, 0.5, 40),
            ("a", "B", "up", 0.1, 0.5, 5), ("a", "NK", "up", 0.1, np.nan, 9),
        ],
        columns=["perturbation", "group", "feature", "effect", "pvalue_adj", "n_cells"],
    )  # fmt: skip
    [(_, *rows)] = parse(f"<table>{_findings._effects(effects)}</table>").tables
    assert rows == [
        ["T", "40", "1", "1", "down −2, up +1.5"], ["B", "5", "0", "0", "–"],
        ["NK", "9", "–", "–", "not tested: too few treated cells"],
    ]  # fmt: skip
