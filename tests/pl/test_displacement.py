from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.quiver import Quiver

import cellot_sc as cs
from cellot_sc.ot import IdentityMap, TransportMap
from cellot_sc.pl import _bases, _cells


def arrows(ax: Axes) -> Quiver:
    [found] = [drawn for drawn in ax.collections if isinstance(drawn, Quiver)]
    return found


def in_test(adata: AnnData, label: str) -> np.ndarray:
    return ((adata.obs["perturbation"] == label) & (adata.obs["split"] == "test")).to_numpy()


class TestDisplacement:
    def test_arrows_are_means_of_the_joint_pca(self, fitted: AnnData) -> None:
        panel = cs.pl.displacement(fitted, "drug_a", basis="pca", show=False)["drug_a"]
        cells = _cells.shown_cells(fitted, "drug_a", key="cellot", split="test")
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
        fitted = cs.tl.maps(placed)
        still: dict[str, TransportMap] = {name: IdentityMap(8) for name in fitted.maps}
        monkeypatch.setattr(cs.tl, "maps", lambda adata, key: cs.tl.FittedMaps(fitted.fit, still, fitted.history))
        for basis in ("pca", "X_two"):
            found = arrows(cs.pl.displacement(placed, "drug_a", basis=basis, show=False)["drug_a"])
            np.testing.assert_allclose(np.asarray(found.U), 0, atol=1e-4)
            np.testing.assert_allclose(np.asarray(found.V), 0, atol=1e-4)

    def test_other_basis_moves_cells_towards_where_their_prediction_lies(self, placed: AnnData) -> None:
        cells = _cells.shown_cells(placed, "drug_a", key="cellot", split="test")
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
            ({"basis": "pca", "targets": "drug_aa"}, ValueError, "Did you mean 'drug_a'"),
        ],
    )
    def test_errors(self, placed: AnnData, kwargs: Any, error: type[Exception], words: str) -> None:
        placed.obsm["one"] = np.zeros((600, 1))
        with pytest.raises(error, match=words):
            cs.pl.displacement(placed, **kwargs)
        assert plt.get_fignums() == []
