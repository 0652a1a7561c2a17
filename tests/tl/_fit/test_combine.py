from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData, read_h5ad
from scipy import stats

import cellot_sc as cs

from .test_cellot import assert_untouched


@pytest.fixture(scope="module")
def both(fitted: AnnData) -> AnnData:
    return cs.tl.combine(fitted, cs.tl.predict(fitted))


def called(a: Any, b: Any) -> int:
    """Return the number of genes that a Wilcoxon test calls different."""
    return int((stats.false_discovery_control(stats.mannwhitneyu(a, b).pvalue) < 0.05).sum())


def test_everything_is_decoded(fitted: AnnData, both: AnnData) -> None:
    assert both.obs["role"].value_counts().to_dict() == {"control": 200, "observed": 400, "predicted": 400}
    assert both.obs["role"].cat.categories.tolist() == ["control", "observed", "predicted"]
    np.testing.assert_allclose(both.X, cs.pp.decode(fitted, both.obsm["X_cellot"]), atol=1e-6)
    predicted = both[both.obs["role"] == "predicted"]
    expected = cs.tl.predict(fitted)
    np.testing.assert_array_equal(predicted.X, expected.X)
    assert predicted.obs_names.tolist() == [f"{name}-predicted" for name in expected.obs_names]
    measured = both[both.obs["role"] != "predicted"]
    source = fitted[measured.obs_names]
    np.testing.assert_array_equal(measured.obsm["X_cellot"], source.obsm["X_cellot"])
    assert measured.obs["perturbation"].tolist() == source.obs["perturbation"].tolist()


def test_scanpy_and_files_take_it(both: AnnData, tmp_path: Path) -> None:
    assert both.obs_names.is_unique
    assert both.obsm["X_umap"].shape == (1000, 2)
    assert np.isfinite(both.obsm["X_umap"]).all()
    both.write_h5ad(tmp_path / "both.h5ad")
    both.write_zarr(tmp_path / "both.zarr")
    read = read_h5ad(tmp_path / "both.h5ad")
    assert sc.pl.umap(read, color=["role", "cost"], show=False) is not None
    sc.tl.rank_genes_groups(read, "role", method="wilcoxon", reference="observed")
    assert read.obs["cost"].isna().sum() == 600


def test_nothing_compares_decoded_with_measured_cells() -> None:
    """What a rank test calls different between predicted and observed cells, of an effect that is predicted well."""
    adata = cs.datasets.simulate(1500, 200, seed=0)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, targets="drug_a", solver="gaussian")
    predicted = cs.tl.predict(adata)
    both = cs.tl.combine(adata, predicted, umap=False)
    observed = both[both.obs["role"] == "observed"]
    assert called(predicted.X, adata[observed.obs_names].X.toarray()) >= 25
    assert called(predicted.X, observed.X) <= 4
    assert called(predicted.layers["control"], observed.X) >= 100


def test_one_target_and_one_split(fitted: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    predicted = cs.tl.predict(fitted, "drug_b")
    with caplog.at_level(logging.INFO, "cellot_sc"):
        both = cs.tl.combine(fitted, predicted, split="test", umap=False)
    assert caplog.messages[-1] == (
        "combined 40 control, 40 observed and 40 predicted cells: X is decoded from 8 dimensions, measured cells as "
        "well"
    )
    assert set(both.obs["split"]) == {"test"}
    assert set(both.obs["perturbation"]) == {"control", "drug_b"}
    assert "X_umap" not in both.obsm


def test_same_seed_same_umap(fitted: AnnData) -> None:
    predicted = cs.tl.predict(fitted, "drug_b")
    before = fitted.copy(), predicted.copy()
    a, b, c = (cs.tl.combine(fitted, predicted, split="test", seed=seed).obsm["X_umap"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    for now, then in zip((fitted, predicted), before, strict=True):
        assert_untouched(now, then)


def test_cells_of_another_file_in_the_same_space(fitted: AnnData) -> None:
    """A file with control cells alone, its genes in another order, and columns of its own."""
    rows = (fitted.obs["patient"] == "patient_0") & (fitted.obs["perturbation"] == "control")
    new = fitted[rows].copy()[:, fitted.var_names[::-1]].copy()
    new.obs["site"] = 3
    predicted = cs.tl.predict(fitted, "drug_a", cells=slice(10))
    both = cs.tl.combine(new, predicted, umap=False)
    assert both.obs["role"].value_counts().to_dict() == {"control": new.n_obs, "predicted": 10, "observed": 0}
    assert both.var_names.tolist() == fitted.var_names.tolist()
    control = both[both.obs["role"] == "control"]
    np.testing.assert_allclose(control.X, cs.pp.decode(fitted, new.obsm["X_cellot"]), atol=1e-6)
    assert "site" not in both.obs


def test_points_that_are_not_decoded(fitted: AnnData) -> None:
    both = cs.tl.combine(fitted, cs.tl.predict(fitted, "drug_a", decode=False), umap=False)
    np.testing.assert_array_equal(both.X, both.obsm["X_cellot"])


def test_expression_itself(prepared: AnnData) -> None:
    adata = prepared.copy()
    cs.tl.cellot(adata, use_rep="X", solver="mean_shift")
    predicted = cs.tl.predict(adata, "drug_a")
    both = cs.tl.combine(adata[:, ::-1].copy(), predicted, umap=False)
    assert both.var_names.equals(predicted.var_names)
    measured = both[both.obs["role"] != "predicted"]
    np.testing.assert_array_equal(measured.X, adata[measured.obs_names].X.toarray())
    with pytest.raises(ValueError, match="predicted was fitted on 60 genes, which are not the 59 of adata"):
        cs.tl.combine(adata[:, 1:].copy(), predicted)


class TestErrors:
    def test_no_prediction(self, fitted: AnnData) -> None:
        with pytest.raises(KeyError, match=r"predicted.uns\['cellot_prediction'\] does not say what was predicted"):
            cs.tl.combine(fitted, fitted)
        with pytest.raises(TypeError, match="predicted is 3; an AnnData is needed"):
            cs.tl.combine(fitted, 3)

    def test_other_space(self, fitted: AnnData) -> None:
        predicted, other = cs.tl.predict(fitted, "drug_a"), fitted.copy()
        cs.pp.represent(other, n_components=5)
        with pytest.raises(ValueError, match="another space than .* it has 8 dimensions, and that 5. Predict again"):
            cs.tl.combine(other, predicted)
        other.obs["split"] = "train"
        cs.pp.represent(other, n_components=8)
        with pytest.raises(ValueError, match="which was represented anew, or in another way: predict again"):
            cs.tl.combine(other, predicted)
        del other.obsm["X_cellot"]
        with pytest.raises(KeyError, match="use_rep 'X_cellot' is not in adata.obsm"):
            cs.tl.combine(other, predicted)

    def test_decoder_is_gone(self, fitted: AnnData) -> None:
        predicted = cs.tl.predict(fitted, "drug_a")
        del predicted.uns["X_cellot"]
        with pytest.raises(ValueError, match=r"predicted.uns\['X_cellot'\], by which it was decoded, is gone"):
            cs.tl.combine(fitted, predicted)

    @pytest.mark.parametrize(("split", "message"), [
        ("ood", "there is no measured cell in split 'ood': leave that out"), ("tests", "Did you mean 'test'"),
    ])  # fmt: skip
    def test_split(self, fitted: AnnData, split: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            cs.tl.combine(fitted, cs.tl.predict(fitted, "drug_a"), split=split)

    def test_names_twice(self, fitted: AnnData) -> None:
        predicted = cs.tl.predict(fitted, "drug_a")
        twice = predicted.copy()
        twice.obs_names = ["cell"] * twice.n_obs
        with pytest.raises(ValueError, match="not unique"):
            cs.tl.combine(fitted, twice)


def test_genes_that_were_filled_are_said(fitted: AnnData, lacking: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    both = cs.tl.combine(lacking, cs.tl.predict(fitted, "drug_a"), umap=False)
    assert both.n_vars == 60
    assert any("2 of 60 genes were not measured in these cells" in message for message in caplog.messages)
