from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc._report import _affine

ASKED: dict[str, Any] = {"key": "cellot", "groupby": None, "unit": None, "n_boot": 20, "seed": 0}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.4, 0.1, 0.6), "better"), ((-0.4, -0.6, -0.1), "worse"), ((0.4, -0.1, 0.6), "cannot be told"),
        ((np.nan, np.nan, np.nan), "nothing to gain"), ((0.4, np.nan, np.nan), "cannot be told"),
    ],
)  # fmt: skip
def test_verdicts(values: tuple[float, float, float], verdict: str) -> None:
    rows = pd.DataFrame([("a", "all", *values)], columns=["perturbation", "group", "value", "ci_low", "ci_high"])
    found = _affine.compared(rows, "a", "all")
    assert found is not None and found.verdict == verdict
    assert _affine.compared(rows, "a", "mean") is None
    if verdict == "better":
        assert found.numbers.replace("\N{NO-BREAK SPACE}", " ") == "60 % (95 % interval 40 % to 90 %)"


def test_of_another_solver_an_affine_map_is_the_control(fitted: AnnData) -> None:
    adata = fitted.copy()
    cs.tl.cellot(adata, solver="entropic")
    maps = cs.tl.maps(adata)
    scores = cs.tl.evaluate(adata, metrics="energy_distance", floor="identity", n_boot=20)
    again = _affine.beside_affine(adata, scores, maps, **ASKED)
    assert set(again["floor"]) == {"gaussian"} and set(again["model"]) == {"entropic"}
    # where it was chosen, nothing is done again
    chosen = cs.tl.evaluate(adata, metrics="energy_distance", floor="gaussian", n_boot=20)
    own = _affine.beside_affine(adata, chosen, maps, **ASKED)
    pd.testing.assert_frame_equal(own.reset_index(drop=True), again.reset_index(drop=True))


def test_an_affine_map_is_not_compared_with_itself(fitted: AnnData) -> None:
    scores = cs.tl.evaluate(fitted, metrics="energy_distance", n_boot=0)
    assert _affine.beside_affine(fitted, scores, cs.tl.maps(fitted), **ASKED).empty
