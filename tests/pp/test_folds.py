from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs


def test_every_group_is_held_out_once(simulated: AnnData):
    folds = dict(cs.pp.leave_one_group_out(simulated, "patient"))
    assert list(folds) == ["patient_0", "patient_1", "patient_2", "patient_3"]
    for name, fold in folds.items():
        np.testing.assert_array_equal(fold.obs["split"] == "ood", fold.obs["patient"] == name)
    assert "split" not in simulated.obs


def test_a_fold_is_what_split_makes(simulated: AnnData):
    options: dict[str, Any] = {"valid_groups": "patient", "test_fraction": 0.0, "seed": 3, "key_added": "fold"}
    for name, fold in cs.pp.leave_one_group_out(simulated, "patient", **options):
        direct = simulated.copy()
        cs.pp.split(direct, holdout={"patient": name}, **options)
        pd.testing.assert_series_equal(fold.obs["fold"], direct.obs["fold"])


def test_folds_are_made_one_at_a_time(simulated: AnnData, monkeypatch: pytest.MonkeyPatch):
    made = []
    monkeypatch.setattr("cellot_sc.pp._folds.split", lambda fold, **options: made.append(options["holdout"]))
    folds = cs.pp.leave_one_group_out(simulated, "cell_type")
    assert made == []
    next(folds)
    assert made == [{"cell_type": "type_0"}]


def test_a_representation_that_has_seen_the_group_is_dropped(simulated: AnnData):
    adata = simulated.copy()
    cs.pp.represent(adata, n_components=3)
    adata.obsm["other"] = adata.obsm["X_cellot"]
    fold = next(cs.pp.leave_one_group_out(adata, "patient")).adata
    assert list(fold.obsm) == ["other"]
    assert "X_cellot" not in fold.uns
    assert "X_cellot" in adata.obsm


def test_groups_with_few_cells_are_learnt_from(simulated: AnnData, caplog: pytest.LogCaptureFixture):
    adata = simulated.copy()
    of_one = np.flatnonzero((adata.obs["cell_type"] == "type_1") & (adata.obs["perturbation"] == "control"))
    adata = adata[np.setdiff1d(np.arange(adata.n_obs), of_one[9:])].copy()
    adata.obs.iloc[:2, adata.obs.columns.get_loc("patient")] = None
    assert [fold.name for fold in cs.pp.leave_one_group_out(adata, "cell_type")] == ["type_0", "type_2", "type_3"]
    assert "groups of obs['cell_type'] with too few cells to be judged by: type_1" in caplog.text
    assert len(list(cs.pp.leave_one_group_out(adata, "patient"))) == 4
    assert [fold.name for fold in cs.pp.leave_one_group_out(adata, "cell_type", groups="type_1")] == ["type_1"]


def test_numbers_name_groups_too(simulated: AnnData):
    adata = simulated.copy()
    adata.obs["plate"] = np.arange(adata.n_obs) % 2 + 7
    [fold] = cs.pp.leave_one_group_out(adata, "plate", groups=[8])
    np.testing.assert_array_equal(fold.adata.obs["split"] == "ood", adata.obs["plate"] == 8)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"groupby": "patent"}, KeyError, "groupby 'patent'.*Did you mean 'patient'"),
        ({"perturbation_key": "perturbaton"}, KeyError, "Did you mean 'perturbation'"),
        ({"control": "contrl"}, ValueError, "Did you mean 'control'"),
        ({"groups": "patient9"}, ValueError, "group 'patient9' is unknown. Valid: 'patient_0'"),
        ({"groups": []}, ValueError, "group is empty"),
        ({"holdout": {"patient": "patient_1"}}, TypeError, "cs.pp.split has no option 'holdout'"),
        ({"valid_group": "patient"}, TypeError, "no option 'valid_group'. Did you mean 'valid_groups'"),
        ({"groupby": "one_cell"}, ValueError, "The number of groups of adata.obs.'one_cell'. is 0"),
    ],
)
def test_bad_input_is_refused_at_the_call(
    simulated: AnnData, change: dict[str, Any], error: type[Exception], message: str
):
    adata = simulated.copy()
    adata.obs["one_cell"] = adata.obs_names
    with pytest.raises(error, match=message):
        cs.pp.leave_one_group_out(adata, **({"groupby": "patient"} | change))


def test_conditions_of_few_cells_stop_no_fold(simulated: AnnData):
    adata = simulated.copy()
    labels = adata.obs["perturbation"].astype(object)
    labels.iloc[:3] = "rare"
    adata.obs["perturbation"] = labels
    for _, fold in cs.pp.leave_one_group_out(adata, "patient"):
        assert fold.obs.loc[fold.obs["perturbation"] == "rare", "split"].isna().all()


def test_groups_may_be_numbers(simulated: AnnData):
    adata = simulated.copy()
    adata.obs["batch"] = adata.obs["patient"].cat.codes.astype(int)
    assert list(dict(cs.pp.leave_one_group_out(adata, "batch", groups=[2, 0]))) == ["2", "0"]
    assert list(dict(cs.pp.leave_one_group_out(adata, "batch", groups=1))) == ["1"]  # type: ignore[arg-type]
