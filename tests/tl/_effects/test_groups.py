from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._effects import groups


@pytest.fixture
def cells() -> AnnData:
    kinds = pd.Categorical(["b", "a", None, "a", "c"], categories=["a", "b", "c", "unused"])
    return AnnData(np.zeros((5, 1)), obs=pd.DataFrame({"kind": kinds}, index=list("vwxyz")))


def test_masks(cells: AnnData) -> None:
    masks = groups.masks(cells, "kind", np.array([0, 1, 2, 3]))
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        "a": [False, True, False, True],
        "b": [True, False, False, False],
    }


def test_reserved_names(cells: AnnData) -> None:
    assert list(groups.masks(cells, "kind", np.arange(5), reserved=("all",))) == ["a", "b", "c"]
    cells.obs["kind"] = cells.obs["kind"].cat.rename_categories({"a": "all"})
    with pytest.raises(ValueError, match="category 'all', which names a summary"):
        groups.masks(cells, "kind", np.arange(5), reserved=("all",))


def test_missing_column(cells: AnnData) -> None:
    with pytest.raises(KeyError, match="groupby 'kinds'"):
        groups.masks(cells, "kinds", np.arange(5))


@pytest.mark.parametrize("made", [cs.tl.transport_cost, cs.tl.subpopulation_effects, cs.tl.abundance_shift])
@pytest.mark.parametrize("what", ["groupby", "unit"])
def test_groups_and_units_are_not_of_what_was_done_to_cells(fitted: AnnData, made: Any, what: str) -> None:
    told = {"groupby": "cell_type"} | {what: "perturbation"}
    with pytest.raises(ValueError, match=f"^{what} 'perturbation' is the column that maps are fitted by"):
        made(fitted, **told)


def test_nor_elsewhere(fitted: AnnData, tmp_path: Path) -> None:
    words = "'perturbation' is the column that maps are fitted by"
    with pytest.raises(ValueError, match=words):
        cs.tl.signature(fitted, unit="perturbation")
    with pytest.raises(ValueError, match=words):
        cs.tl.evaluate(fitted, groupby="perturbation")
    with pytest.raises(ValueError, match=words):
        cs.tl.interactions(fitted, unit="perturbation")
    with pytest.raises(ValueError, match=words):
        cs.report(fitted, tmp_path / "page.html", unit="perturbation")
