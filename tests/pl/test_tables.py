"""The tables that are drawn in these tests have the columns of those that ``cs.tl`` makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs

MADE: dict[str, Callable[[AnnData], pd.DataFrame]] = {
    "costs": lambda adata: cs.tl.transport_cost(adata, groupby="cell_type"),
    "signature": cs.tl.signature,
    "subpopulations": lambda adata: cs.tl.subpopulation_effects(adata, "cell_type"),
    "scores": lambda adata: cs.tl.evaluate(adata, metrics="energy_distance", n_boot=5),
}


def kinds(table: pd.DataFrame) -> dict[str, str]:
    """Return the kind of every column: a number or a text."""
    return {str(name): "number" if pd.api.types.is_numeric_dtype(table[name]) else "text" for name in table}


@pytest.mark.parametrize("name", MADE)
def test_columns(name: str, fitted: AnnData, tables: Any) -> None:
    assert kinds(getattr(tables, name)(2)) == kinds(MADE[name](fitted))


def test_names_of_similarities(fitted: AnnData, tables: Any) -> None:
    made, drawn = cs.tl.perturbation_similarity(fitted), tables.similarity(2)
    for table in (made, drawn):
        assert list(table.index) == list(table.columns)
        # a drug within noise is like none, nor like itself
        found = table.to_numpy().diagonal()
        assert found[np.isfinite(found)] == pytest.approx(1) and np.isfinite(found).any()


def test_history(iterated: AnnData, simulated: AnnData) -> None:
    adata = simulated.copy()
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, n_steps=20, check_every=10, penalties=(10.0,))
    made, drawn = (cells.uns["cellot"]["history"] for cells in (adata, iterated))
    assert kinds(drawn) == kinds(made)
    # the value of the affine start is not in that of every solver
    assert set(drawn["metric"]) == set(made["metric"]) - {"start"}
