from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs


def test_cells_at_a_dose_in_between(dosed: AnnData) -> None:
    predicted = cs.tl.predict_dose(dosed, 2.0, "drug_a")
    assert predicted.obs["dose"].unique().tolist() == [2.0]
    assert predicted.obs["perturbation"].unique().tolist() == ["drug_a"]
    assert predicted.n_obs == int((dosed.obs["perturbation"] == "control").sum())
    truth = dosed.uns["simulation"]["curves"].set_index("feature")
    gained = predicted.X.mean(axis=0) - predicted.layers["control"].mean(axis=0)
    for i, feature in enumerate(predicted.var_names):
        row = truth.loc[feature] if feature in truth.index else None
        wanted = 0 if row is None else row["top"] / (1 + (row["ec50"] / 2.0) ** row["slope"])
        assert abs(gained[i] - wanted) < 0.35
    means = predicted.uns["dose_means"].set_index("feature")
    assert means.index.tolist() == ["displacement", *dosed.var_names]
    assert (means["ci_low"] < means["ci_high"]).all()
    inside = means.drop("displacement").assign(mean=predicted.X.mean(axis=0))
    assert inside["mean"].between(inside["ci_low"], inside["ci_high"]).all()


def test_a_measured_dose_is_that_of_its_map(dosed: AnnData) -> None:
    both = cs.tl.predict_dose(dosed, "10")
    assert both.n_obs == 2 * int((dosed.obs["perturbation"] == "control").sum())
    of_drug = both[both.obs["perturbation"] == "drug_a"]
    used = (dosed.obs["perturbation"] == "drug_a") & (dosed.obs["dose"] == 10) & (dosed.obs["split"] == "train")
    start = (dosed.obs["perturbation"] == "control") & (dosed.obs["split"] == "train")
    shift = dosed.X[used].mean(axis=0) - dosed.X[start].mean(axis=0)
    np.testing.assert_allclose((of_drug.X - of_drug.layers["control"]).mean(axis=0), shift, atol=1e-3)


def test_beyond_the_doses_only_if_asked(dosed: AnnData) -> None:
    with pytest.raises(ValueError, match="not between 0 and 30, which were measured: extrapolate=True"):
        cs.tl.predict_dose(dosed, 100.0)
    predicted = cs.tl.predict_dose(dosed, 100.0, "drug_a", extrapolate=True, cells=[0, 1])
    assert predicted.n_obs == 2
    assert predicted.uns["dose_means"]["ci_low"].isna().all()


def test_what_is_no_dose_is_refused(dosed: AnnData) -> None:
    for bad, error in ((True, "a number is needed"), ("3 nM", "convert it"), (-1, "not negative"), ("x", "finite")):
        with pytest.raises(ValueError, match=error):
            cs.tl.predict_dose(dosed, bad)
    with pytest.raises(ValueError, match="Did you mean 'drug_a'"):
        cs.tl.predict_dose(dosed, 1.0, "drug_b")
