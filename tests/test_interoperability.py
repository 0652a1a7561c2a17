"""What other packages of scverse do with our results, and we with theirs."""

from __future__ import annotations

import anndata as ad
import mudata as md
import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData

import cellot_sc as cs

# mudata and scanpy drop columns in a way that pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop:DeprecationWarning")


@pytest.fixture(scope="module")
def fitted(simulated: AnnData) -> AnnData:
    adata = simulated.copy()
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=10)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


@pytest.fixture
def predicted(fitted: AnnData) -> AnnData:
    return cs.tl.predict(fitted, "drug_a")


@pytest.fixture
def both(fitted: AnnData, predicted: AnnData) -> AnnData:
    """Control, observed and predicted cells, told apart by ``obs["source"]``."""
    labels = fitted.obs["perturbation"]
    parts = {"control": fitted[labels == "control"], "observed": fitted[labels == "drug_a"], "predicted": predicted}
    return ad.concat(parts, label="source", index_unique="-")


def test_prediction_has_the_cells_and_genes_that_it_was_made_from(fitted: AnnData, predicted: AnnData):
    # as pertpy's predictors return it: an AnnData of the source cells in the space of the genes
    control = fitted[fitted.obs["perturbation"] == "control"]
    assert predicted.obs_names.tolist() == control.obs_names.tolist()
    assert predicted.var_names.tolist() == fitted.var_names.tolist()
    assert predicted.obs["cell_type"].tolist() == control.obs["cell_type"].tolist()
    assert set(predicted.obs["perturbation"]) == {"drug_a"}


def test_scanpy_plots_and_tests_predicted_cells(both: AnnData, predicted: AnnData):
    genes = both.var_names[:3].tolist()
    sc.tl.rank_genes_groups(both, "source", method="t-test", reference="control")
    assert len(sc.get.rank_genes_groups_df(both, "predicted")) == both.n_vars
    assert sc.pl.violin(both, genes, groupby="source", show=False) is not None
    assert sc.pl.dotplot(predicted, genes, groupby="cell_type", show=False) is not None
    sc.pp.pca(predicted, n_comps=5)
    assert sc.pl.pca(predicted, color="cell_type", show=False) is not None


def test_latent_of_another_tool_is_a_representation(simulated: AnnData):
    adata = simulated.copy()
    adata.obsm["X_scVI"] = np.random.default_rng(0).normal(size=(adata.n_obs, 6)).astype(np.float32)
    cs.tl.cellot(adata, use_rep="X_scVI", solver="gaussian")
    predicted = cs.tl.predict(adata, "drug_a")
    assert predicted.shape == (200, 6)
    np.testing.assert_array_equal(predicted.X, predicted.obsm["X_scVI"])


def test_modality_of_a_mudata(simulated: AnnData):
    protein = AnnData(np.ones((simulated.n_obs, 2), dtype=np.float32), obs=simulated.obs[["patient"]].copy())
    mdata = md.MuData({"rna": simulated.copy(), "protein": protein})
    rna = mdata["rna"]
    cs.tl.cellot(rna, solver="gaussian")
    assert "cellot" in mdata["rna"].uns
    assert cs.tl.predict(mdata["rna"], "drug_a").n_obs == 200


def test_pertpy_judges_as_we_do(both: AnnData):
    pt = pytest.importorskip("pertpy", reason="pertpy is not installed")
    distance = pt.tools.Distance("edistance", obsm_key="X_cellot")
    table = distance.pairwise(both, groupby="source", show_progressbar=False)
    assert table.loc["predicted", "observed"] < 0.2 * table.loc["control", "observed"]
    ours = {
        name: cs.metrics.energy_distance(
            both[both.obs["source"] == name].obsm["X_cellot"], both[both.obs["source"] == "observed"].obsm["X_cellot"]
        )
        for name in ("control", "predicted")
    }
    # pertpy takes squared distances: another number, the same order
    assert (ours["predicted"] < ours["control"]) == (
        table.loc["predicted", "observed"] < table.loc["control", "observed"]
    )
