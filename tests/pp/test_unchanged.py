from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.pp import Space


@pytest.fixture(scope="module")
def represented(simulated: AnnData) -> AnnData:
    """Cells with components of a layer that is not ``X``."""
    adata = simulated.copy()
    adata.layers["half"] = adata.X / 2
    cs.pp.represent(adata, n_components=6, layer="half")
    return adata


def scaled(adata: AnnData) -> None:
    x = adata.X.toarray()
    adata.X = (x - x.mean(axis=0)) / (x.std(axis=0) + 1)


class TestIsWhatItWas:
    """A space that has changed since something was made of it is refused, or its genes are matched by name."""

    def test_unchanged(self, represented: AnnData) -> None:
        space = Space(represented, "X_cellot")
        assert space.checked() is space
        some = represented[::7]
        assert Space(some, "X_cellot").checked().name == "X_cellot"

    def test_expression_that_has_changed_since(self, represented: AnnData) -> None:
        adata = represented.copy()
        adata.layers["half"] = adata.layers["half"] * 2
        with pytest.raises(ValueError, match=r"adata.layers\['half'\] is not what adata.obsm\['X_cellot'\] was repres"):
            Space(adata, "X_cellot").checked()
        # without the layer, nothing can be said, and nothing is mixed
        del adata.layers["half"]
        assert Space(adata, "X_cellot").checked().n_dims == 6

    def test_points_of_genes_in_the_wrong_order(self, represented: AnnData) -> None:
        adata = represented[:, ::-1].copy()
        assert Space(adata, "X_cellot").checked().features == list(represented.var_names)
        decoder = adata.uns["X_cellot"]
        x = adata.layers["half"].toarray() - decoder["mean"]
        adata.obsm["X_cellot"] = (x @ decoder["components"].T).astype(np.float32)
        with pytest.raises(ValueError, match="is not what"):
            Space(adata, "X_cellot").checked()

    def test_a_few_predicted_cells_among_them_are_no_change(self, represented: AnnData) -> None:
        adata = represented.copy()
        adata.obsm["X_cellot"][:200] += 5
        assert Space(adata, "X_cellot").checked().n_dims == 6

    def test_other_number_of_dimensions(self, represented: AnnData) -> None:
        adata = represented.copy()
        adata.obsm["X_cellot"] = adata.obsm["X_cellot"][:, :4]
        with pytest.raises(ValueError, match="has 4 dimensions and its decoder 6: represent again"):
            Space(adata, "X_cellot").checked()

    def test_represented_anew(self, represented: AnnData) -> None:
        seen = np.arange(represented.n_obs) % 2 == 0
        origin = Space(represented, "X_cellot").origin_of(seen)
        other = represented.copy()
        cs.pp.represent(other, n_components=6, layer="half")
        # the same again is no change
        assert Space(other, "X_cellot", origin=origin).checked().n_dims == 6
        cs.pp.represent(other, n_components=6)
        with pytest.raises(ValueError, match="represented anew since the maps were fitted in it"):
            Space(other, "X_cellot", origin=origin).checked()

    def test_genes_are_matched_by_name(self, represented: AnnData) -> None:
        origin = Space(represented, "X").origin_of(np.ones(represented.n_obs, dtype=bool))
        turned = Space(represented[:, ::-1].copy(), "X", origin=origin).checked()
        expected = Space(represented, "X", origin=origin)
        np.testing.assert_array_equal(turned.read(), expected.read())
        np.testing.assert_array_equal(turned.observed().toarray(), expected.observed().toarray())
        assert turned.features == expected.features
        points = turned.read(slice(3)) + 1
        out = turned.as_adata(points, represented.obs.iloc[:3])
        assert list(out.var_names) == list(represented.var_names[::-1])
        np.testing.assert_array_equal(out[:, represented.var_names].X, expected.view(points))

    def test_markers_below_0_by_chance(self) -> None:
        adata = cs.datasets.simulate_doses(seed=5)
        adata.X[:] = np.abs(adata.X) + 0.1
        cs.pp.split(adata)
        cs.tl.cellot(adata, solver="mean_shift", use_rep="X")
        adata.X[3, 2] = -0.3
        assert cs.tl.maps(adata)["drug_a"]
        assert cs.tl.predict(adata, "drug_a").n_obs
        scaled_since = adata.copy()
        scaled_since.X -= scaled_since.X.mean(axis=0)
        with pytest.raises(ValueError, match="none below 0 when the maps were fitted: it was scaled"):
            cs.tl.predict(scaled_since, "drug_a")

    def test_scaled_since(self, represented: AnnData) -> None:
        adata = represented.copy()
        origin = Space(adata, "X").origin_of(np.ones(adata.n_obs, dtype=bool))
        scaled(adata)
        with pytest.raises(ValueError, match="none below 0 when the maps were fitted: it was scaled"):
            Space(adata, "X", origin=origin).checked()

    def test_other_values_of_the_same_cells(self, represented: AnnData, caplog: pytest.LogCaptureFixture) -> None:
        adata = represented.copy()
        adata.obsm["X_pca"] = np.array(adata.obsm["X_cellot"])
        seen = np.arange(adata.n_obs) < 300
        of_genes, of_points = (Space(adata, name).origin_of(seen) for name in ("X", "X_pca"))
        part = adata[100:].copy()
        Space(part, "X", origin=of_genes).checked(), Space(part, "X_pca", origin=of_points).checked()
        assert not caplog.records
        part.X = part.X * 2
        part.obsm["X_pca"] = part.obsm["X_pca"][:, ::-1]
        with pytest.raises(ValueError, match="500 of the 500 cells that have the names of cells that there were when"):
            Space(part, "X_pca", origin=of_points).checked()
        Space(part, "X", origin=of_genes).checked()
        assert "have other values in adata.X: unless these are other cells, it has changed since" in caplog.text

    @pytest.mark.parametrize("names", [[f"barcode_{i}" for i in range(400)], [str(i) for i in range(400)]])
    def test_other_cells_that_share_names_by_chance(
        self, represented: AnnData, names: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        adata = represented[:400].copy()
        adata.obsm["X_pca"] = np.array(adata.obsm["X_cellot"])
        adata.obs_names = names
        other = adata.copy()
        if names[0] != "0":
            other.obs_names = [*names[:19], *(f"other_{i}" for i in range(381))]
        other.obsm["X_pca"] = other.obsm["X_pca"][::-1].copy()
        origin = Space(adata, "X_pca").origin_of(np.ones(400, dtype=bool))
        Space(other, "X_pca", origin=origin).checked()
        assert "in adata.obsm['X_pca']: unless these are other cells, it has changed since" in caplog.text
