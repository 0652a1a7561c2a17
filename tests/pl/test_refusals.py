"""Tables that a figure cannot be drawn of are refused with a sentence."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pytest

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


@pytest.mark.parametrize(
    "name", ["responses", "effect_heatmap", "evaluation", "subpopulation_effects", "transport_cost", "volcano"]
)
def test_empty_tables(tables: Any, name: str) -> None:
    maker = {"responses": "signature", "effect_heatmap": "signature", "transport_cost": "costs", "evaluation": "scores"}
    table = getattr(tables, maker.get(name, "subpopulations"))(1)
    with pytest.raises(ValueError, match="table has no rows"):
        getattr(cs.pl, name)(table.iloc[:0])
