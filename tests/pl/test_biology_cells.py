"""Figures of cells: displacements, their clusters, and effects in a tissue."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.quiver import Quiver

import cellot_sc as cs
from cellot_sc.ot import IdentityMap, TransportMap
from cellot_sc.pl import _bases, _cells
from cellot_sc.tl._fit import store


def arrows(ax: Axes) -> Quiver:
    [found] = [drawn for drawn in ax.collections if isinstance(drawn, Quiver)]
    return found


def in_test(adata: AnnData, label: str) -> np.ndarray:
    return ((adata.obs["perturbation"] == label) & (adata.obs["split"] == "test")).to_numpy()


@pytest.fixture
def placed(fitted: AnnData) -> AnnData:
    fitted.obsm["spatial"] = np.random.default_rng(0).uniform(size=(fitted.n_obs, 2))
    fitted.obsm["X_two"] = fitted.obsm["X_cellot"][:, :2].copy()
    return fitted


class TestDisplacement:
    def test_arrows_are_means_of_the_joint_pca(self, fitted: AnnData) -> None:
        panel = cs.pl.displacement(fitted, "drug_a", basis="pca", show=False)["drug_a"]
        cells = _cells.of_split(fitted, "drug_a", key="cellot", split="test")
        xy = _bases.together(cells, _bases.rows_of(cells, "pca"), "pca")["drug_a"]
        found = arrows(panel)
        # every cell is in one square: the longest arrows cannot be longer than the longest way of a cell
        ways = np.linalg.norm(xy["predicted"] - xy["control"], axis=1)
        lengths = np.hypot(np.asarray(found.U), np.asarray(found.V))
        assert 0 < lengths.max() <= ways.max() + 1e-5
        low, high = xy["control"].min(axis=0), xy["control"].max(axis=0)
        assert ((found.XY >= low) & (found.XY <= high)).all()
        assert found.angles == "xy" and found.scale == 1

    def test_no_displacement_no_arrow_on_any_basis(self, placed: AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
        fitted = store.maps(placed, "cellot")
        still: dict[str, TransportMap] = {name: IdentityMap(8) for name in fitted.maps}
        monkeypatch.setattr(store, "maps", lambda adata, key: store.FittedMaps(fitted.fit, still, fitted.history))
        for basis in ("pca", "X_two"):
            found = arrows(cs.pl.displacement(placed, "drug_a", basis=basis, show=False)["drug_a"])
            np.testing.assert_allclose(np.asarray(found.U), 0, atol=1e-4)
            np.testing.assert_allclose(np.asarray(found.V), 0, atol=1e-4)

    def test_other_basis_moves_cells_towards_where_their_prediction_lies(self, placed: AnnData) -> None:
        cells = _cells.of_split(placed, "drug_a", key="cellot", split="test")
        rows = _bases.rows_of(cells, "X_two")
        xy = _bases.onto(cells, rows, placed.obsm["X_two"])["drug_a"]
        np.testing.assert_array_equal(xy["control"], placed.obsm["X_two"][in_test(placed, "control")])
        true = cs.tl.predict(placed, "drug_a", cells=in_test(placed, "control")).obsm["X_cellot"][:, :2]
        moved, truly = xy["predicted"] - xy["control"], true - xy["control"]
        far = np.linalg.norm(truly, axis=1) > 1
        cosine = (moved * truly).sum(axis=1) / (np.linalg.norm(moved, axis=1) * np.linalg.norm(truly, axis=1) + 1e-9)
        assert np.median(cosine[far]) > 0.6

    def test_colors_and_streams(self, placed: AnnData) -> None:
        placed.uns["cell_type_colors"] = ["#111111", "#22aa22", "#3333ff", "#ff00ff"]
        axes = cs.pl.displacement(placed, basis="X_two", color="cell_type", stream=True, show=False)
        assert list(axes) == ["drug_a", "drug_b"]
        control: Any = axes["drug_a"].collections[1]
        assert {tuple(color[:3]) for color in control.get_facecolors()} <= {
            tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)) for color in placed.uns["cell_type_colors"]
        }
        assert axes["drug_a"].get_xlim() == axes["drug_b"].get_xlim()
        figure = axes["drug_a"].get_figure(root=True)
        assert figure is not None
        assert figure.get_supxlabel() == "X_two 1"

    @pytest.mark.parametrize(
        ("kwargs", "error", "words"),
        [
            ({"basis": "umpa"}, KeyError, "basis 'umpa' is not in adata.obsm. Did you mean 'umap'"),
            ({"basis": "one"}, ValueError, r"shape \(600, 1\): two columns are needed"),
            ({"basis": "pca", "color": "celltype"}, KeyError, "Did you mean 'cell_type'"),
            ({"basis": "pca", "target": "drug_aa"}, ValueError, "Did you mean 'drug_a'"),
        ],
    )
    def test_errors(self, placed: AnnData, kwargs: Any, error: type[Exception], words: str) -> None:
        placed.obsm["one"] = np.zeros((600, 1))
        with pytest.raises(error, match=words):
            cs.pl.displacement(placed, **kwargs)
        assert plt.get_fignums() == []


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
        colors: Any = axes["cells"].collections[0]
        assert all(any(same_color(row.get_color(), face) for face in colors.get_facecolors()) for row in rows)
        control = (fitted.obs["perturbation"] == "control").to_numpy()
        before = cs.pp.decode(fitted, fitted.obsm["X_cellot"][control])
        change = np.asarray(cs.tl.predict(fitted, "drug_a").X) - before
        of_first = change[(fitted.obs["cell_type"][control] == names[0]).to_numpy()].mean(axis=0)
        for i, label in enumerate(axes["effects"].get_xticklabels()):
            value = np.asarray(axes["effects"].images[0].get_array())[0, i]
            assert value == pytest.approx(of_first[fitted.var_names.get_loc(label.get_text())], abs=1e-4)

    def test_pairs_of_several_perturbations(self, fitted: AnnData) -> None:
        axes = cs.pl.effect_clusters(fitted, clusters="cell_type", basis="pca", show=False)
        assert all(label.get_text().startswith("drug_") for label in axes["effects"].get_xticklabels())

    def test_many_cells_are_a_sample(self, fitted: AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_bases, "MAX_UMAP_CELLS", 60)
        ax = cs.pl.effect_clusters(fitted, clusters="cell_type", show=False)["cells"]
        assert len(np.asarray(ax.collections[0].get_offsets())) == 60

    def test_errors(self, fitted: AnnData) -> None:
        with pytest.raises(KeyError, match="clusters 'cell_typ' is not in adata.obs. Did you mean 'cell_type'"):
            cs.pl.effect_clusters(fitted, clusters="cell_typ")
        fitted.obs["none"] = pd.Categorical([None] * 600, categories=["0"])
        with pytest.raises(ValueError, match="control cells with a cluster is 0; .* made by cs.tl.effect_clusters"):
            cs.pl.effect_clusters(fitted, clusters="none")


class TestSpatialEffects:
    @staticmethod
    def table() -> pd.DataFrame:
        rows = [(name, f"gene_{i:02d}", i / 10, 0.04 * (i < 4)) for name in ("drug_a", "drug_b") for i in range(5)]
        return pd.DataFrame(rows, columns=["perturbation", "feature", "moran_i", "pvalue_adj"])

    def test_the_most_patterned_with_their_autocorrelation(self, placed: AnnData) -> None:
        axes = cs.pl.spatial_effects(placed, self.table(), target="drug_a", show=False)
        assert list(axes) == [("drug_a", f"gene_{i:02d}") for i in (4, 3, 2)]
        assert [ax.texts[0].get_text() for ax in axes.values()] == [
            "Moran's I = 0.40 *", "Moran's I = 0.30 *", "Moran's I = 0.20 *",
        ]  # fmt: skip

    def test_places_and_changes(self, placed: AnnData) -> None:
        [ax] = cs.pl.spatial_effects(placed, target="drug_a", features="gene_03", show=False).values()
        control = (placed.obs["perturbation"] == "control").to_numpy()
        drawn: Any = ax.collections[0]
        before = cs.pp.decode(placed, placed.obsm["X_cellot"][control])
        change = (np.asarray(cs.tl.predict(placed, "drug_a").X) - before)[:, 3]
        order = np.argsort(np.abs(change), kind="stable")
        np.testing.assert_allclose(np.asarray(drawn.get_array()), change[order], atol=1e-4)
        assert {tuple(place) for place in np.asarray(drawn.get_offsets())} == {
            tuple(place) for place in placed.obsm["spatial"][control]
        }
        assert ax.get_aspect() == 1

    def test_without_a_table_those_that_change_most(self, placed: AnnData) -> None:
        axes = cs.pl.spatial_effects(placed, show=False)
        assert [name for name, _ in axes] == ["drug_a"] * 3 + ["drug_b"] * 3

    def test_errors(self, placed: AnnData) -> None:
        with pytest.raises(KeyError, match="spatial_key 'spatia' is not in adata.obsm. Did you mean 'spatial'"):
            cs.pl.spatial_effects(placed, spatial_key="spatia")
        with pytest.raises(KeyError, match="no column 'moran_i': one made by cs.tl.spatial_effects"):
            cs.pl.spatial_effects(placed, pd.DataFrame({"perturbation": [], "feature": []}))
        assert plt.get_fignums() == []
