from __future__ import annotations

import numpy as np
from anndata import AnnData

import cellot_sc as cs


def test_known_curves_are_found_and_the_inert_drug_is_flat(dosed: AnnData) -> None:
    table, truth = cs.tl.dose_curves(dosed), dosed.uns["simulation"]["curves"].set_index("feature")
    drug = table[table["perturbation"] == "drug_a"].set_index("feature").drop("displacement")
    assert set(drug.index[drug["curve"] != "flat"]) == set(truth.index)
    for feature, row in truth.iterrows():
        assert abs(np.log(drug.loc[feature, "ec50"] / row["ec50"])) < 0.5
        assert drug.loc[feature, "ec50_low"] < drug.loc[feature, "ec50_high"]
        assert np.sign(drug.loc[feature, "top"]) == np.sign(row["top"])
    inert = table[table["perturbation"] == "inert"]
    assert (inert["curve"] == "flat").all() and not inert["top"].any() and inert["ec50"].isna().all()


def test_features_are_named_and_adjusted_per_perturbation(dosed: AnnData) -> None:
    table = cs.tl.dose_curves(dosed)
    assert table["feature"].tolist() == 2 * ["displacement", *dosed.var_names]
    assert (table["pvalue_adj"] >= table["pvalue"]).all()
    assert (table["context"] == "all").all() and (table["n_doses"] == 7).all()
    table["feature"] = ""
    assert (cs.tl.dose_curves(dosed)["feature"] != "").all()
