"""Tables that a figure cannot be drawn of are refused with a sentence."""

from __future__ import annotations

import inspect
import re
from typing import Any

import matplotlib.pyplot as plt
import pytest
from anndata import AnnData

import cellot_sc as cs


@pytest.mark.parametrize(
    ("name", "table", "kwargs", "error", "words"),
    [
        ("responses", "costs", {}, KeyError, "no column 'feature': one made by cs.tl.signature is needed"),
        ("volcano", "signature", {}, KeyError, "no column 'pvalue_adj': one made by cs.tl.subpopulation_effects"),
        ("volcano", "subpopulations", {"targets": "drug_0"}, ValueError, "target 'drug_0' is unknown. Did you mean"),
        (
            "volcano",
            "subpopulations",
            {"group": "B cell"},
            ValueError,
            "group 'B cell' is unknown. Did you mean 'B cell",
        ),
        ("volcano", "subpopulations", {"n_named": -1}, ValueError, "n_named is -1"),
        ("volcano", "subpopulations", {"alpha": 2}, ValueError, "alpha is 2"),
        ("transport_cost", "signature", {}, KeyError, "no column 'group': one made by cs.tl.transport_cost"),
        ("transport_cost", "costs", {"value": "costs"}, ValueError, "value 'costs' is unknown. Did you mean 'cost'"),
        ("effect_heatmap", "costs", {}, KeyError, "table has no column 'feature'"),
        ("effect_heatmap", "signature", {"value": "predict"}, KeyError, "'predict'.*Did you mean 'predicted'"),
        ("effect_heatmap", "signature", {"features": "GEN01"}, KeyError, "Did you mean 'GENE01'"),
        ("effect_heatmap", "signature", {"n_features": 0}, ValueError, "n_features is 0"),
        ("subpopulation_effects", "signature", {}, KeyError, "one made by cs.tl.subpopulation_effects"),
        ("subpopulation_effects", "subpopulations", {"alpha": 2}, ValueError, "alpha is 2"),
        ("perturbation_similarity", "costs", {}, ValueError, "one made by cs.tl.perturbation_similarity"),
        ("evaluation", "scores", {"x": "n_feature"}, KeyError, "no column 'n_feature'.*Did you mean 'n_features'"),
        ("evaluation", "scores", {"x": "model"}, ValueError, "x 'model' holds what is no finite number"),
    ],
)
def test_errors(tables: Any, name: str, table: str, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        getattr(cs.pl, name)(getattr(tables, table)(2), **kwargs)
    assert plt.get_fignums() == []


OF_TABLES = {name: next(iter(inspect.signature(getattr(cs.pl, name)).parameters)) == "table" for name in cs.pl.__all__}


@pytest.mark.parametrize("name", [name for name, of_table in OF_TABLES.items() if of_table])
def test_cells_in_place_of_a_table(name: str, simulated: AnnData) -> None:
    with pytest.raises(TypeError, match=rf"table is an AnnData; pass the table: cs\.pl\.{name}\(cs\.tl\.") as error:
        getattr(cs.pl, name)(simulated)
    [maker] = re.findall(r"cs\.tl\.(\w+)\(adata", str(error.value))
    assert maker in cs.tl.__all__
    with pytest.raises(TypeError, match=f"pass the table: cs.pl.{name}"):
        getattr(cs.pl, name)(table=simulated)


def test_tables_that_were_kept_are_named(simulated: AnnData, tables: Any) -> None:
    adata = simulated.copy()
    adata.uns["costs"] = tables.costs(1)
    with pytest.raises(
        TypeError, match=r"cs.tl.transport_cost\(adata\)\). Tables that were kept are in uns: 'costs'.$"
    ):
        cs.pl.transport_cost(adata)


@pytest.mark.parametrize("name", [name for name, of_table in OF_TABLES.items() if not of_table])
def test_a_table_in_place_of_cells(name: str, tables: Any) -> None:
    with pytest.raises(TypeError, match=r"adata is a DataFrame; .*: give the cells that the table is of\.$"):
        getattr(cs.pl, name)(tables.costs(1))


@pytest.mark.parametrize(
    "name", ["responses", "effect_heatmap", "evaluation", "subpopulation_effects", "transport_cost", "volcano"]
)
def test_empty_tables(tables: Any, name: str) -> None:
    maker = {"responses": "signature", "effect_heatmap": "signature", "transport_cost": "costs", "evaluation": "scores"}
    table = getattr(tables, maker.get(name, "subpopulations"))(1)
    with pytest.raises(ValueError, match="table has no rows"):
        getattr(cs.pl, name)(table.iloc[:0])
