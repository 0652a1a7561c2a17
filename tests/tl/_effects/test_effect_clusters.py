from __future__ import annotations

import re
from pathlib import Path

import anndata
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs

pytest.importorskip("igraph")


@pytest.fixture(scope="module")
def clustered(fitted: AnnData) -> AnnData:
    adata = fitted.copy()
    cs.tl.effect_clusters(adata, "drug_a")
    return adata


def test_type_that_responds_comes_out_without_labels(clustered: AnnData):
    cells = clustered.obs[clustered.obs["perturbation"] == "control"]
    table = pd.crosstab(cells["effect_cluster"], cells["cell_type"])
    # every cluster is of cells that respond, or of cells that do not
    share = table["type_0"] / table.sum(axis=1)
    assert ((share < 0.05) | (share > 0.95)).all()
    assert clustered.obs["effect_cluster"].notna().sum() == len(cells)


def test_clusters_are_named_by_markers_and_effects(clustered: AnnData):
    table = clustered.uns["effect_cluster"]
    assert table.columns.tolist() == ["cluster", "n_cells", "markers", "effects"]
    assert table["cluster"].tolist() == list(clustered.obs["effect_cluster"].cat.categories)
    assert table["n_cells"].tolist() == clustered.obs["effect_cluster"].value_counts(sort=False).tolist()
    cells = clustered.obs[clustered.obs["perturbation"] == "control"]
    of_type_0 = cells.loc[cells["cell_type"] == "type_0", "effect_cluster"].mode()[0]
    row = table.set_index("cluster").loc[of_type_0]
    truth = set(clustered.uns["simulation"]["effects"]["gene"])
    named = re.findall(r"(gene_\d+) [+-]\d\.\d\d", row["effects"])
    assert len(named) == 5 and len(set(named) & truth) >= 4
    assert len(row["markers"].split(", ")) == 5


def test_several_targets_and_a_copy(fitted: AnnData):
    before = fitted.copy()
    found = cs.tl.effect_clusters(fitted, key_added="mode", copy=True)
    assert found is not None and "mode" in found.obs
    assert found.uns["mode"]["effects"].str.contains("drug_a: .*; drug_b: ").all()
    assert list(fitted.obs) == list(before.obs) and list(fitted.uns) == list(before.uns)


def test_cells_that_are_moved_alike_are_one_cluster(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="mean_shift")
    cs.tl.effect_clusters(adata)
    assert adata.uns["effect_cluster"]["n_cells"].tolist() == [200]
    assert adata.uns["effect_cluster"]["markers"].tolist() == [""]


def test_same_seed_same_clusters(fitted: AnnData, clustered: AnnData):
    again = fitted.copy()
    cs.tl.effect_clusters(again, "drug_a")
    assert again.obs["effect_cluster"].equals(clustered.obs["effect_cluster"])


def test_written_and_read(clustered: AnnData, tmp_path: Path):
    clustered.write_h5ad(tmp_path / "clustered.h5ad")
    read = anndata.read_h5ad(tmp_path / "clustered.h5ad")
    pd.testing.assert_frame_equal(
        read.uns["effect_cluster"], clustered.uns["effect_cluster"], check_index_type=False, check_dtype=False
    )
    assert read.obs["effect_cluster"].tolist()[:5] == clustered.obs["effect_cluster"].tolist()[:5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 0}, "resolution is 0"),
        ({"key_added": "perturbation"}, "would overwrite a column of adata.obs that is read"),
        ({"key_added": "cellot"}, r"would overwrite the fitted maps in adata.uns\['cellot'\]"),
        ({"key_added": "X_cellot"}, "would overwrite the decoder"),
        ({"targets": "drug_c"}, "target 'drug_c' is unknown"),
    ],
)
def test_errors(fitted: AnnData, options: dict, message: str):
    adata = fitted.copy()
    with pytest.raises(ValueError, match=message):
        cs.tl.effect_clusters(adata, **options)
    assert list(adata.obs) == list(fitted.obs) and list(adata.uns) == list(fitted.uns)


def test_other_maps_are_not_overwritten(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="mean_shift", key_added="drug_maps")
    with pytest.raises(ValueError, match=r"key_added 'drug' would overwrite adata.uns\['drug_maps'\]"):
        cs.tl.effect_clusters(adata, key="drug_maps", key_added="drug")
