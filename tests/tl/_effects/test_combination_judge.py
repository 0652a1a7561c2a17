from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.metrics import energy_distance

MODELS = [
    "chosen", "a_then_b", "b_then_a", "sum", "identity", "a_alone", "b_alone", "max", "mean", "sum_of_shifts",
    "sum_of_gaussians", "observed",
]  # fmt: skip


def test_the_chosen_way_is_better_than_simple_rules(doubled: AnnData) -> None:
    table = cs.tl.judge_combinations(doubled, n_boot=0)
    assert table.columns.tolist() == [
        "perturbation", "first", "second", "model", "how", "metric", "value", "ci_low", "ci_high", "n_cells"
    ]  # fmt: skip
    assert table.groupby("perturbation")["model"].apply(list).tolist() == [MODELS] * 3
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)
    mean = table.groupby("model")["value"].mean()
    others = mean[["sum", "a_alone", "b_alone", "max", "mean", "sum_of_shifts", "sum_of_gaussians", "identity"]]
    assert mean["observed"] < mean["chosen"] + 0.05 and mean["chosen"] < 0.1 * others.min()
    # the fit is of Gaussian maps, whose sum this is
    assert mean["sum"] == pytest.approx(mean["sum_of_gaussians"])
    ways = table.query("model == 'chosen'").set_index("perturbation")["how"].to_dict()
    assert ways == {"b+a": "b_then_a", "a+c": "b_then_a", "b+c": "b_then_a"}
    wanted = table.query("model == 'b_then_a'")["value"].to_numpy()
    np.testing.assert_array_equal(table.query("model == 'chosen'")["value"], wanted)


def test_rows_are_what_they_are_called(doubled: AnnData) -> None:
    table: Any = cs.tl.judge_combinations(doubled, "a+c", n_boot=20).set_index("model")
    test = doubled.obs["split"] == "test"
    control, observed = (doubled[test & (doubled.obs["perturbation"] == name)].X for name in ("control", "a+c"))
    a, c = (cs.tl.maps(doubled)[name].transport(control) for name in ("a", "c"))
    for model, cloud in {
        "identity": control,
        "a_alone": a,
        "max": c,
        "mean": (a + c) / 2,
        "sum": a + c - control,
    }.items():
        assert table.loc[model, "value"] == pytest.approx(energy_distance(cloud, observed), abs=1e-4)
    assert (table["ci_low"] < table["value"]).all() and (table["value"] < table["ci_high"]).all()
    assert table.loc["identity", "ci_low"] > table.loc["sum", "ci_high"]
    assert (table["n_cells"] == len(observed)).all() and table["how"].tolist()[1:5] == [
        "a_then_b",
        "b_then_a",
        "sum",
        "",
    ]


def test_a_combination_held_out_and_maps_of_one_that_was_fitted(doubled: AnnData) -> None:
    before = cs.tl.judge_combinations(doubled, n_boot=0)
    cs.tl.cellot(doubled, solver="gaussian", use_rep="X")
    after = cs.tl.judge_combinations(doubled, n_boot=0)
    np.testing.assert_allclose(after["value"], before["value"], atol=1e-5)
    doubled.obs.loc[doubled.obs["perturbation"] == "a+c", "split"] = "ood"
    table = cs.tl.judge_combinations(doubled, split="ood", n_boot=0)
    assert table["perturbation"].unique().tolist() == ["a+c"] and "observed" not in set(table["model"])


def test_maps_of_types_are_compared_with_those_of_types() -> None:
    drugs = ("drug_a", "drug_b", "drug_c", "inert")
    adata = cs.datasets.simulate(1600, 30, perturbations=drugs, combinations=[("drug_a", "drug_b")])
    cs.pp.split(adata)
    cs.tl.cellot(adata, targets=[*drugs], solver="group_shift", context="cell_type", use_rep="X")
    scores = cs.tl.judge_combinations(adata, n_boot=0).set_index("model")["value"]
    assert scores["sum"] == pytest.approx(scores["sum_of_shifts"])
    assert scores["sum"] < scores["max"] < scores["identity"]


def test_nothing_to_judge(doubled: AnnData) -> None:
    with pytest.raises(ValueError, match="target 'a' is unknown"):
        cs.tl.judge_combinations(doubled, "a")
    with pytest.raises(ValueError, match="split 'ood' has 120 of 'control', 0 of 'a\\+c'"):
        cs.tl.judge_combinations(doubled, split="ood")
    singles = doubled[doubled.obs["perturbation"].isin(["control", "a", "b", "c"])].copy()
    with pytest.raises(ValueError, match="joins two single perturbations by '\\+'"):
        cs.tl.judge_combinations(singles)


def test_by_a_model_to_which_all_cells_are_new(doubled: AnnData) -> None:
    model = cs.Model.of(doubled)
    del doubled.uns["cellot"]
    cs.tl.attach(doubled, model)
    table = cs.tl.judge_combinations(doubled, n_boot=0)
    assert "observed" not in set(table["model"]) and table["n_cells"].eq(400).all()
    assert table.query("model == 'chosen'")["how"].eq("sum").all()
    mean = table.groupby("model")["value"].mean()
    assert mean["b_then_a"] < mean["sum"] == pytest.approx(mean["sum_of_gaussians"])
