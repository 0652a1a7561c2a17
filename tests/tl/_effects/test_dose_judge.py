from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._effects import dose_family


def test_a_dose_left_out_is_better_predicted_than_by_simple_rules() -> None:
    scores: dict[str, list[float]] = {}
    for seed in range(3):
        adata = cs.datasets.simulate_doses(150, 4, perturbations=("drug",), slope=2, seed=seed)
        cs.tl.dose_response(adata, replicate="replicate", solver="gaussian", use_rep="X")
        for model, value in cs.tl.judge_doses(adata).groupby("model")["value"].mean().items():
            scores.setdefault(str(model), []).append(value)
    mean = {model: np.mean(values) for model, values in scores.items()}
    assert mean["observed"] < mean["dose_response"] < mean["log_linear"] < mean["nearest_dose"] < mean["identity"]


def test_tidy_table(dosed: AnnData) -> None:
    table = cs.tl.judge_doses(dosed, "drug_a", n_cells=50)
    assert sorted(table["model"].unique()) == [
        "dose_response", "identity", "log_linear", "mixture", "nearest_dose", "observed"
    ]  # fmt: skip
    assert table["dose"].unique().tolist() == [0.1, 0.3, 1.0, 3.0, 10.0]
    ours = table["model"] == "dose_response"
    assert table.loc[ours, "covered"].between(0, 1).all() and table.loc[~ours, "covered"].isna().all()
    assert (table["n_cells"] <= 50).all()


def test_a_dose_that_was_held_out_is_never_seen(dosed: AnnData) -> None:
    plain = dosed.copy()
    for adata in (plain, dosed):
        del adata.obs["split"], adata.uns["dose_response"]
        cs.pp.split(adata, holdout={"dose": 3.0})
    dosed.X[(dosed.obs["dose"] == 3).to_numpy()] += 100
    for adata in (plain, dosed):
        cs.tl.dose_response(adata, solver="mean_shift", use_rep="X")
    first, second = (cs.tl.predict_dose(adata, 3.0) for adata in (plain, dosed))
    np.testing.assert_array_equal(first.X, second.X)
    table = cs.tl.judge_doses(plain, split="ood")
    assert table["dose"].unique().tolist() == [3.0] and "observed" not in set(table["model"])


def test_what_is_learnt_from_a_dose_left_out_is_not_used(dosed: AnnData) -> None:
    del dosed.uns["dose_response"]
    wrong, learnt = dosed.copy(), (dosed.obs["split"] != "test").to_numpy()
    here = learnt & (dosed.obs["dose"] == 3).to_numpy()
    wrong.X[here] = 100 * np.random.default_rng(0).normal(size=(here.sum(), dosed.n_vars))
    found = []
    for adata in (dosed, wrong):
        cs.tl.dose_response(adata, replicate="replicate", solver="mean_shift", use_rep="X")
        family = dose_family.load(adata, "dose_response").families["drug_a"].without(4)
        table = cs.tl.judge_doses(adata, "drug_a").query("dose == 3 and model != 'observed'")
        moved, interval = family.move(np.asarray(dosed.X[:50]), None, 3.0), family.features.interval(3.0)
        found.append([moved, *interval, table["value"].to_numpy(), table["width"].to_numpy()])
    for first, second in zip(*found, strict=True):
        np.testing.assert_array_equal(first, second)


def test_names_that_begin_alike(dosed: AnnData) -> None:
    alone = cs.tl.judge_doses(dosed, "drug_a")
    dosed.obs["perturbation"] = dosed.obs["perturbation"].cat.rename_categories({"drug_a": "inert 2"})
    cs.tl.dose_response(dosed, replicate="replicate", solver="gaussian", use_rep="X")
    table = cs.tl.judge_doses(dosed)
    assert table.groupby("perturbation")["dose"].nunique().tolist() == [5, 5]
    again = table[(table["perturbation"] == "inert 2") & (table["model"] == "observed")]
    np.testing.assert_allclose(again["value"].mean(), alone.loc[alone["model"] == "observed", "value"].mean(), rtol=0.2)


def test_two_doses_that_are_left_tell_no_interval(dosed: AnnData) -> None:
    few = dosed[dosed.obs["dose"].isin([0.1, 1.0, 30.0])].copy()
    few.obs = few.obs[["perturbation", "dose"]].copy()
    cs.tl.dose_response(few, control=None, solver="mean_shift", use_rep="X")
    table = cs.tl.judge_doses(few, "drug_a")
    assert table["dose"].unique().tolist() == [1.0] and np.isfinite(table["value"]).all()
    assert table[["covered", "width"]].isna().all(axis=None)


def test_no_dose_to_judge(dosed: AnnData) -> None:
    with pytest.raises(ValueError, match="no dose of drug_a, inert can be judged"):
        cs.tl.judge_doses(dosed, split="ood")
    with pytest.raises(ValueError, match="split 'tset' is unknown"):
        cs.tl.judge_doses(dosed, split="tset")


def test_doses_of_an_inducer_are_predicted(test_data: Path) -> None:
    adata = anndata.read_h5ad(test_data / "dapg_dose.h5ad")
    adata.obs["perturbation"] = "dapg"
    cs.tl.dose_response(adata, control=None, solver="gaussian", use_rep="X")
    scores = cs.tl.judge_doses(adata).groupby("model")["value"].mean()
    assert scores["dose_response"] <= scores["log_linear"] < scores["nearest_dose"]
    [family] = dose_family.load(adata, "dose_response").families.values()
    x, doses = adata.to_df()["FL1"], adata.obs["dose"].to_numpy()
    ends = [family.without(i).features.interval(family.doses[i]) for i in range(1, 9)]
    means = [x[doses == dose].mean() for dose in family.doses[1:-1]]
    assert sum(low[2] <= mean <= high[2] for (low, high), mean in zip(ends, means, strict=True)) >= 7
    assert np.mean([high[2] - low[2] for low, high in ends]) <= 0.5
    table = cs.tl.dose_curves(adata).set_index("feature")
    low, high, top = (table[column].to_dict() for column in ("ec50_low", "ec50_high", "top"))
    assert 3 < low["FL1"] < 29 and 8 < high["FL1"] < 80
    assert abs(top["FL3"]) <= 0.2 * adata.to_df()["FL3"][doses == 0].std()
