from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs


@pytest.mark.parametrize("how", ["sum", "a_then_b", "b_then_a"])
def test_from_the_maps_of_each(doubled: AnnData, how: str) -> None:
    maps, control = cs.tl.maps(doubled), doubled[doubled.obs["perturbation"] == "control"]
    predicted = cs.tl.predict_combination(doubled, ["a", "b"], how=how)
    x = np.asarray(control.X)
    a, b = (maps[name].transport(x) for name in ("a", "b"))
    wanted = {"sum": a + b - x, "a_then_b": maps["b"].transport(a), "b_then_a": maps["a"].transport(b)}[how]
    np.testing.assert_allclose(predicted.X, wanted, atol=1e-5)
    # the label that is there, whatever the order
    assert predicted.obs["perturbation"].unique().tolist() == ["b+a"]
    assert predicted.obs_names.tolist() == control.obs_names.tolist()
    np.testing.assert_allclose(predicted.layers["effect"], predicted.X - predicted.layers["control"], atol=1e-6)
    np.testing.assert_allclose(
        predicted.obs["cost"], 0.5 * (predicted.obsm["displacement"] ** 2).sum(axis=1), rtol=1e-5
    )
    assert predicted.obs["role"].eq("predicted").all() and "cellot_support" in predicted.obs
    made = predicted.uns["cellot_prediction"]
    assert [*made["combination"]] == ["a", "b"] and made["how"] == how and [*made["targets"]] == ["b+a"]


def test_the_way_is_chosen_by_other_combinations(doubled: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        predicted = cs.tl.predict_combination(doubled, ["b", "a"])
    assert "b+a is predicted by 'b_then_a': nearest to 2 other combinations (sum " in caplog.text
    # a moves cells further: it comes first
    np.testing.assert_array_equal(predicted.X, cs.tl.predict_combination(doubled, ["a", "b"], how="a_then_b").X)
    alone = doubled[~doubled.obs["perturbation"].isin(["c", "a+c", "b+c"])].copy()
    with caplog.at_level("INFO"):
        predicted = cs.tl.predict_combination(alone, ["a", "b"])
    assert "b+a is predicted by 'sum': no other combination was observed to choose by" in caplog.text
    np.testing.assert_array_equal(predicted.X, cs.tl.predict_combination(doubled, ["a", "b"], how="sum").X)


def test_names_of_combinations_may_be_given(doubled: AnnData) -> None:
    doubled.obs["perturbation"] = doubled.obs["perturbation"].replace({"b+a": "mix", "a+c": "other"})
    named = {"mix": ("a", "b"), "other": ("c", "a")}
    predicted = cs.tl.predict_combination(doubled, ["a", "b"], combinations=named, cells=[0, 1])
    assert predicted.obs["perturbation"].tolist() == ["mix", "mix"]
    assert predicted.uns["cellot_prediction"]["how"] == "a_then_b"
    assert cs.tl.predict_combination(doubled, ["a", "b"], cells=[0]).obs["perturbation"].tolist() == ["a+b"]


def test_a_map_of_the_combination_is_not_used(doubled: AnnData) -> None:
    plain = cs.tl.predict_combination(doubled, ["a", "b"], how="sum")
    cs.tl.cellot(doubled, solver="gaussian", use_rep="X")
    np.testing.assert_allclose(cs.tl.predict_combination(doubled, ["a", "b"], how="sum").X, plain.X, atol=1e-5)


def test_genes_types_and_models(tmp_path: Path) -> None:
    adata = cs.datasets.simulate(900, 40, perturbations=("drug_a", "drug_b", "inert"))
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=6)
    cs.tl.cellot(adata, solver="group_gaussian", context="cell_type")
    predicted = cs.tl.predict_combination(adata, ["drug_a", "drug_b"], how="sum")
    assert predicted.shape == (int((adata.obs["perturbation"] == "control").sum()), 40)
    singles = [cs.tl.predict(adata, name) for name in ("drug_a", "drug_b")]
    total = sum(one.obsm["displacement"] for one in singles)
    np.testing.assert_allclose(predicted.obsm["displacement"], total, atol=1e-4)
    # the same two from a model, in cells of which none was treated
    model, cells = cs.Model.of(adata), adata[adata.obs["perturbation"] == "control"].copy()
    model.save(tmp_path / "model.zarr")
    del cells.uns["cellot"]
    cs.tl.attach(cells, cs.Model.load(tmp_path / "model.zarr"))
    again = cs.tl.predict_combination(cells, ["drug_a", "drug_b"])
    np.testing.assert_allclose(again.obsm["displacement"], predicted.obsm["displacement"], atol=1e-4)
    # decoded cells beside observed ones
    assert cs.tl.combine(adata, predicted, umap=False).n_obs > predicted.n_obs


def test_what_cannot_be_predicted_is_refused(doubled: AnnData) -> None:
    for targets, words in (
        (["a"], "two different perturbations are needed"),
        (["a", "a"], "names one twice"),
        (["a", "d"], "'d' is unknown"),
        ("a", "two different perturbations are needed"),
        (["a", "b", "c"], "two different perturbations are needed"),
    ):
        with pytest.raises(ValueError, match=words):
            cs.tl.predict_combination(doubled, targets)
    with pytest.raises(ValueError, match="how 'sums' is unknown. Did you mean 'sum'"):
        cs.tl.predict_combination(doubled, ["a", "b"], how="sums")
    with pytest.raises(ValueError, match=r"predict_combination\(adata, \['b', 'a'\]\)"):
        cs.tl.predict(doubled, "b+a")


def test_times_are_no_combination() -> None:
    course = cs.datasets.simulate_branching(300, 10)
    cs.pp.split(course, "time", control="0")
    cs.tl.trajectory(course, solver="mean_shift", use_rep="X")
    with pytest.raises(ValueError, match="two times are no combination"):
        cs.tl.predict_combination(course, ["1", "2"], key="trajectory")
