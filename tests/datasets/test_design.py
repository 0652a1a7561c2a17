from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cellot_sc as cs
from cellot_sc.datasets._design import apportioned


def simulate(*args: Any, **options: Any) -> Any:
    """Return the simulated AnnData; what its parts are is for the tests to say, not for their types."""
    return cs.datasets.simulate(*args, **options)


def counts(adata: Any, column: str) -> Any:
    """Number of cells by condition and by a column."""
    return pd.crosstab(adata.obs["perturbation"], adata.obs[column])


def test_shares_are_apportioned() -> None:
    groups = apportioned(np.array([0.5, 0.3, 0.0, 0.2]), 11)
    assert np.bincount(groups, minlength=4).tolist() == [6, 3, 0, 2]
    # in turn, so that a few cells are of all groups
    assert groups[:3].tolist() == [0, 1, 3]
    # seven even shares of seven cells are less than one each in floating point
    assert np.bincount(apportioned(np.full(7, 1 / 7), 7)).tolist() == [1] * 7


def test_composition_of_a_condition() -> None:
    adata = simulate(1200, 20, abundance={"drug_a": {"type_0": 0.25, "type_1": 0.25}, "control": {"type_3": 0}})
    seen = counts(adata, "cell_type")
    assert seen.loc["drug_a"].tolist() == [40, 40, 160, 160]
    assert seen.loc["control"].tolist() == [134, 133, 133, 0]
    assert seen.loc["drug_b"].tolist() == [100] * 4
    table = adata.uns["simulation"]["composition"]
    share = table.groupby(["perturbation", "cell_type"])["share"].sum().unstack()
    np.testing.assert_allclose(share.loc["drug_a"], [0.1, 0.1, 0.4, 0.4])
    np.testing.assert_allclose(share.sum(axis=1), 1)
    by_patient = pd.crosstab(adata.obs["patient"], [adata.obs["perturbation"], adata.obs["cell_type"]])
    assert (by_patient.max() - by_patient.min()).max() <= 1


def test_few_cells_of_a_patient() -> None:
    seen = counts(simulate(900, 20, abundance={"drug_a": {"patient_2": 0.1}}), "patient")
    assert seen.loc["drug_a", "patient_2"] == pytest.approx(300 * 0.1 / 3.1, abs=3)
    assert seen.loc["control", "patient_2"] == pytest.approx(75, abs=3)


def test_composition_changes_no_response() -> None:
    plain, shifted = simulate(600, 20), simulate(600, 20, abundance={"drug_a": {"type_0": 0.1}})
    for name in ("responses", "effects", "patients"):
        pd.testing.assert_frame_equal(plain.uns["simulation"][name], shifted.uns["simulation"][name])
    np.testing.assert_array_equal(
        plain.layers["counterfactual_drug_a"][:200], shifted.layers["counterfactual_drug_a"][:200]
    )


def test_nested_patients_have_one_condition() -> None:
    adata = simulate(640, 20, n_patients=8, perturbations=["p"], nested_patients=True)
    seen = counts(adata, "patient")
    assert ((seen > 0).sum() == 1).all()
    assert (seen.loc["control"] > 0).tolist() == [True, False] * 4
    assert seen.loc["p", "patient_3"] == 80
    control = (adata.obs["perturbation"] == "control").to_numpy()
    assert np.isfinite(adata.layers["counterfactual_p"][control]).all()


def test_baseline() -> None:
    rng = np.random.default_rng(0)
    baseline = simulate(400, 12, n_cell_types=2, perturbations=["p"], n_patients=4)
    baseline = baseline[baseline.obs["perturbation"] == "control"].copy()
    options = {"perturbations": ["p"], "abundance": {"p": {"type_0": 0.25}}, "baseline": baseline}
    adata = simulate(4000, **options, nested_patients=True, patient_noise=0.2, patient_slope=1.0)
    seen = counts(adata, "cell_type")
    assert seen.loc["p", "type_0"] / 2000 == pytest.approx(0.2, abs=0.03)
    assert ((counts(adata, "patient") > 0).sum() == 1).all()
    assert not adata.uns["simulation"]["deviations"].empty
    # patients that are not known are spread as asked
    del baseline.obs["patient"]
    adata = simulate(400, perturbations=["p"], baseline=baseline, abundance={"p": {"patient_1": 0}})
    assert counts(adata, "patient").loc["p"].tolist() == [67, 0, 67, 66]
    with pytest.raises(
        ValueError, match=r"patient_slope needs patients who differ: baseline.obs\['patient'\] is missing"
    ):
        simulate(400, perturbations=["p"], baseline=baseline, patient_slope=1)
    baseline.obs["patient"] = rng.choice(["type_0", "x"], baseline.n_obs)
    with pytest.raises(ValueError, match="has 'type_0', a cell type and a patient"):
        simulate(400, perturbations=["p"], baseline=baseline, abundance={"p": {"type_0": 2}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"abundance": 3}, "abundance is a int; a mapping"),
        ({"abundance": {"drug_c": {}}}, "abundance of condition 'drug_c' is unknown.*'drug_a'"),
        ({"abundance": {"drug_a": [1, 2]}}, r"abundance\['drug_a'\] is \[1, 2\]; a mapping"),
        ({"abundance": {"drug_a": {"typ_1": 1}}}, "cell type or patient 'typ_1' is unknown.*'type_1'"),
        ({"abundance": {"drug_a": {"type_1": -1}}}, r"abundance\['drug_a'\]\['type_1'\] is -1; a finite number, 0 or"),
        ({"abundance": {"drug_a": {f"type_{k}": 0 for k in range(4)}}}, r"abundance\['drug_a'\] leaves no cells"),
        ({"n_patients": 2, "nested_patients": True}, "number of patients is 2; at least 3 are needed: each condition"),
    ],
)
def test_bad_design(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(200, 20, **options)
