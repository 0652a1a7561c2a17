"""Spatial effects, whose neighbourhoods and statistics are squidpy's."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs

# it uses what its own dependencies have deprecated
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def tissue() -> AnnData:
    """A square of cells, of which those that respond lie in one corner."""
    adata = cs.datasets.simulate(1200, 60)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=10)
    cs.tl.cellot(adata, solver="gaussian")
    places = np.random.default_rng(0).random((adata.n_obs, 2))
    places[(adata.obs["cell_type"] == "type_0").to_numpy()] /= 2
    adata.obsm["spatial"] = places
    return adata


@pytest.fixture(scope="module")
def genes(tissue: AnnData) -> list[str]:
    """The genes that change most."""
    changes = tissue.uns["simulation"]["effects"].set_index("gene")["log_fold_change"]
    return changes.abs().nlargest(3).index.tolist()


def test_pattern_is_recovered(tissue: AnnData, genes: list[str]):
    table = cs.tl.spatial_effects(tissue, genes, n_perms=100).set_index(["perturbation", "feature"])
    acting, inert = table.loc["drug_a"], table.loc["drug_b"]
    assert acting.index.tolist() == genes
    assert (acting["moran_i"] > 0.2).all() and (acting["pvalue_adj"] < 1e-3).all()
    assert (acting["enrichment"] > 3).all()
    assert (inert["pvalue_adj"] > 0.05).all() and (inert["frac_responding"] < 0.05).all()


def test_scattered_cells_have_no_pattern(tissue: AnnData, genes: list[str]):
    adata = tissue.copy()
    adata.obsm["elsewhere"] = np.random.default_rng(1).random((adata.n_obs, 2))
    table = cs.tl.spatial_effects(adata, genes, targets="drug_a", spatial_key="elsewhere", n_perms=100)
    assert (table["moran_i"].abs() < 0.1).all() and (table["enrichment"].abs() < 3).all()


def test_samples_of_their_own(tissue: AnnData, genes: list[str]):
    adata = tissue.copy()
    adata.obs["slide"] = np.arange(adata.n_obs) % 2
    table = cs.tl.spatial_effects(adata, genes, targets="drug_a", library_key="slide", n_perms=100)
    assert (table["moran_i"] > 0.2).all()


def test_most_changed_features(tissue: AnnData):
    table = cs.tl.spatial_effects(tissue, targets="drug_a", n_perms=20)
    assert len(table) == 20
    truth = set(tissue.uns["simulation"]["effects"]["gene"])
    assert len(set(table["feature"][:8]) & truth) >= 6


def test_errors(tissue: AnnData):
    with pytest.raises(KeyError, match="Did you mean 'spatial'"):
        cs.tl.spatial_effects(tissue, spatial_key="spatail")
    adata = tissue.copy()
    adata.obsm["line"] = np.zeros((adata.n_obs, 1))
    with pytest.raises(ValueError, match="two or three coordinates"):
        cs.tl.spatial_effects(adata, spatial_key="line")
