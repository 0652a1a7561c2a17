from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.colors import same_color
from matplotlib.text import Annotation

import cellot_sc as cs
from cellot_sc.pl import _bases
from cellot_sc.tl._effects.displacements import displacements


class TestEffectClusters:
    def test_cells_and_effects(self, fitted: AnnData) -> None:
        fitted.obs["effect_cluster"] = fitted.obs["cell_type"].where(fitted.obs["perturbation"] == "control")
        names = list(fitted.obs["cell_type"].cat.categories)
        fitted.uns["effect_cluster"] = pd.DataFrame(
            {"cluster": names, "n_cells": 50, "markers": ["a, b, c, d, e"] * 4, "effects": ""}
        )
        axes = cs.pl.effect_clusters(fitted, "drug_a", basis="pca", n_features=5, show=False)
        assert list(axes) == ["cells", "effects"]
        n_control = int((fitted.obs["perturbation"] == "control").sum())
        assert len(np.asarray(axes["cells"].collections[0].get_offsets())) == n_control
        rows = axes["effects"].get_yticklabels()
        assert [row.get_text() for row in rows] == [f"{name}: a, b, c" for name in names]
        assert "markers before treatment" in [text.get_text() for text in axes["effects"].texts]
        colors: Any = axes["cells"].collections[0]
        assert all(any(same_color(row.get_color(), face) for face in colors.get_facecolors()) for row in rows)
        control = (fitted.obs["perturbation"] == "control").to_numpy()
        before = cs.pp.decode(fitted, fitted.obsm["X_cellot"][control])
        change = np.asarray(cs.tl.predict(fitted, "drug_a").X) - before
        of_first = change[(fitted.obs["cell_type"][control] == names[0]).to_numpy()].mean(axis=0)
        for i, label in enumerate(axes["effects"].get_xticklabels()):
            value = np.asarray(axes["effects"].images[0].get_array())[0, i]
            assert value == pytest.approx(of_first[fitted.var_names.get_loc(label.get_text())], abs=1e-4)

    def test_a_block_of_columns_for_each_perturbation(self, fitted: AnnData) -> None:
        matrix = cs.pl.effect_clusters(fitted, clusters="cell_type", basis="pca", n_features=8, show=False)["effects"]
        heads = [(text.get_text(), text.xy[0]) for text in matrix.texts if isinstance(text, Annotation)]
        assert [head for head in heads if head[0]] == [("drug_a", -0.4), ("drug_b", 3.6)]
        features = [label.get_text() for label in matrix.get_xticklabels()]
        moves = displacements(fitted, "cellot")
        control_types = fitted.obs["cell_type"].iloc[moves.rows].to_numpy()
        for i, name in enumerate(("drug_a", "drug_b")):
            means = pd.DataFrame(moves.effects(name), columns=moves.space.features).groupby(control_types).mean()
            assert features[4 * i : 4 * i + 4] == list((means.max() - means.min()).nlargest(4).index)

    def test_more_perturbations_than_columns(self, fitted: AnnData) -> None:
        matrix = cs.pl.effect_clusters(fitted, clusters="cell_type", basis="pca", n_features=4, show=False)["effects"]
        assert len(matrix.get_xticklabels()) == 3
        assert matrix.get_title("left").replace("\n", " ") == "mean effects of 1 of 2 perturbations"

    def test_many_cells_are_a_sample(self, fitted: AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_bases, "MAX_UMAP_CELLS", 60)
        ax = cs.pl.effect_clusters(fitted, clusters="cell_type", show=False)["cells"]
        assert len(np.asarray(ax.collections[0].get_offsets())) == 60

    def test_errors(self, fitted: AnnData) -> None:
        with pytest.raises(KeyError, match="clusters 'cell_typ' is not in adata.obs. Did you mean 'cell_type'"):
            cs.pl.effect_clusters(fitted, clusters="cell_typ")
        with pytest.raises(KeyError, match=r"clusters 'effect_cluster' is not .*: call cs.tl.effect_clusters\(adata"):
            cs.pl.effect_clusters(fitted)
        fitted.obs["none"] = pd.Categorical([None] * 600, categories=["0"])
        with pytest.raises(ValueError, match="control cells with a cluster is 0; .* made by cs.tl.effect_clusters"):
            cs.pl.effect_clusters(fitted, clusters="none")


def test_clusters_of_other_maps_are_told_of(simulated: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = simulated.copy()
    cs.tl.cellot(adata, solver="gaussian")
    cs.tl.effect_clusters(adata, "drug_a")
    cs.pl.effect_clusters(adata, "drug_a", basis="pca", show=False)
    assert "other maps" not in caplog.text
    cs.tl.cellot(adata, solver="gaussian", targets="drug_a")
    cs.pl.effect_clusters(adata, "drug_a", basis="pca", show=False)
    assert "obs['effect_cluster'] was made with other maps than uns['cellot'] holds" in caplog.text
