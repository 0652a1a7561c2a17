from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, concat
from scipy import sparse

import cellot_sc as cs
from cellot_sc import _chunks
from cellot_sc._chunks import Stored
from cellot_sc.pp import Space
from cellot_sc.pp._rows import dense


@pytest.fixture
def adata() -> AnnData:
    x = np.arange(12, dtype=np.float64).reshape(4, 3)
    adata = AnnData(sparse.csr_matrix(x), var=pd.DataFrame(index=["a", "b", "c"]))
    adata.obsm["dense"] = x * 2
    adata.obsm["table"] = pd.DataFrame(x * 3, index=adata.obs_names)
    return adata


@pytest.fixture(scope="module")
def represented(simulated: AnnData) -> AnnData:
    """Cells with components of a layer that is not ``X``."""
    adata = simulated.copy()
    adata.layers["half"] = adata.X / 2
    cs.pp.represent(adata, n_components=6, layer="half")
    return adata


class TestRead:
    @pytest.mark.parametrize(("name", "factor"), [("X", 1), ("dense", 2), ("table", 3)])
    @pytest.mark.parametrize("rows", [slice(None), np.array([2, 0]), np.array([True, False, False, True])])
    def test_dense_single_precision(self, adata: AnnData, name: str, factor: int, rows: np.ndarray | slice) -> None:
        values = Space(adata, name).read(rows)
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, factor * np.arange(12).reshape(4, 3)[rows])

    def test_what_is_read_is_a_copy(self, adata: AnnData) -> None:
        adata.obsm["single"] = np.ones((4, 2), dtype=np.float32)
        Space(adata, "single").read()[:] = 9
        assert (adata.obsm["single"] == 1).all()

    def test_only_cells_that_are_used_have_to_be_finite(self, adata: AnnData) -> None:
        adata.obsm["dense"][1, 0] = np.nan
        space = Space(adata, "dense")
        assert space.read(np.array([0, 2])).shape == (2, 3)
        assert np.isnan(space.read(used=np.array([True, False, True, True]))[1, 0])
        with pytest.raises(ValueError, match="use_rep 'dense' holds NaN or inf in 1 of 4 cells"):
            space.read()

    def test_not_a_matrix(self, adata: AnnData) -> None:
        adata.obsm["cube"] = np.zeros((4, 2, 2))
        with pytest.raises(ValueError, match=r"use_rep 'cube' has shape \(4, 2, 2\); \(n_cells, n_dims\) is needed"):
            Space(adata, "cube").read()

    def test_unknown(self, adata: AnnData) -> None:
        with pytest.raises(KeyError, match="Did you mean 'dense'"):
            Space(adata, "dens")


@pytest.mark.parametrize(
    ("name", "n_dims", "is_genes", "decodes", "features"),
    [("X", 3, True, False, ["a", "b", "c"]), ("dense", 3, False, False, ["dense_0", "dense_1", "dense_2"])],
)
def test_what_it_is(adata: AnnData, name: str, n_dims: int, is_genes: bool, decodes: bool, features: list[str]) -> None:
    space = Space(adata, name)
    assert (space.n_dims, space.is_genes, space.decodes, space.features) == (n_dims, is_genes, decodes, features)
    assert space.method is None
    points = np.ones((2, 3), dtype=np.float32)
    np.testing.assert_array_equal(space.view(points), points)


def test_what_it_is_if_it_can_be_decoded(represented: AnnData) -> None:
    space = Space(represented, "X_cellot")
    assert space.is_genes and space.decodes and not space.is_expression
    assert (space.n_dims, space.method, space.features) == (6, "pca", list(represented.var_names))
    points = represented.obsm["X_cellot"][:3]
    np.testing.assert_array_equal(space.view(points), cs.pp.decode(represented, points))


def test_observed_is_what_was_represented(adata: AnnData, represented: AnnData) -> None:
    assert Space(represented, "X_cellot").observed() is represented.layers["half"]
    assert Space(adata, "X").observed() is adata.X
    np.testing.assert_array_equal(Space(adata, "table").observed(), adata.obsm["table"])


class TestAsAdata:
    def test_genes_and_points(self, represented: AnnData) -> None:
        points, obs = represented.obsm["X_cellot"][:3] + 1, represented.obs.iloc[:3]
        out = Space(represented, "X_cellot").as_adata(points, obs)
        np.testing.assert_array_equal(out.X, cs.pp.decode(represented, points))
        np.testing.assert_array_equal(out.obsm["X_cellot"], points)
        assert list(out.var_names) == list(represented.var_names)
        assert list(out.obs_names) == list(obs.index)
        # so that it can be decoded again
        np.testing.assert_array_equal(cs.pp.decode(out, points), out.X)

    def test_points_alone(self, represented: AnnData) -> None:
        points, obs = represented.obsm["X_cellot"][:3], represented.obs.iloc[:3]
        out = Space(represented, "X_cellot").as_adata(points, obs, decode=False)
        np.testing.assert_array_equal(out.X, points)
        assert list(out.var_names) == [f"X_cellot_{i}" for i in range(6)]
        assert not out.uns

    def test_expression_itself(self, adata: AnnData) -> None:
        out = Space(adata, "X").as_adata(np.ones((4, 3), dtype=np.float32), adata.obs)
        assert list(out.var_names) == ["a", "b", "c"]
        assert not out.obsm


def test_says_what_it_is(adata: AnnData, represented: AnnData) -> None:
    assert repr(Space(adata, "X")) == "Space 'X': 3 genes"
    assert repr(Space(adata, "table")) == "Space 'table': 3 dimensions"
    assert repr(Space(represented, "X_cellot")) == "Space 'X_cellot': 6 dimensions, pca of 60 genes"


class TestView:
    def test_expression_is_bounded_by_what_was_observed(self, represented: AnnData) -> None:
        seen = np.arange(represented.n_obs) < 100
        space = Space(represented, "X", origin=Space(represented, "X").origin_of(seen))
        highest = represented.X[:100].max()
        points = np.tile(np.array([-1, 0.5, 100], dtype=np.float32), 20)[None]
        np.testing.assert_array_equal(space.view(points)[0], np.tile(np.array([0, 0.5, highest], dtype=np.float32), 20))
        signed = represented.copy()
        signed.X = signed.X.toarray() - 1
        space = Space(signed, "X", origin=Space(signed, "X").origin_of(seen))
        np.testing.assert_array_equal(space.view(points), points)

    def test_what_was_learnt_of_a_layer_is_in_that_layer(self, represented: AnnData) -> None:
        space = Space(represented, "X_cellot")
        out = space.as_adata(space.read(slice(4)), represented.obs.iloc[:4])
        np.testing.assert_array_equal(out.layers["half"], out.X)

    def test_what_is_kept_of_predicted_cells_is_their_own(self, represented: AnnData) -> None:
        space = Space(represented, "X_cellot")
        out = space.as_adata(space.read(slice(4)), represented.obs.iloc[:4])
        out.uns["X_cellot"]["mean"][:] = 9
        assert (represented.uns["X_cellot"]["mean"] != 9).all()


class TestOtherGenes:
    """An AnnData may have more genes than were represented, and lack those that were filled."""

    @pytest.fixture(scope="class")
    @classmethod
    def more(cls, represented: AnnData) -> AnnData:
        other = represented[:, :2].copy()
        other.var_names = ["other", "another"]
        wide = concat([other, represented[:, ::-1]], axis=1, merge="first")
        wide.uns["X_cellot"] = represented.uns["X_cellot"]
        wide.var["flag"] = np.arange(62) % 2 == 0
        wide.var["place"] = np.arange(62)
        return wide

    @pytest.fixture
    def filled(self, more: AnnData) -> AnnData:
        part = more[:, ~more.var_names.isin(["gene_03", "gene_40"])].copy()
        part.uns["X_cellot"] = {**part.uns["X_cellot"], "filled": np.array(["gene_40", "gene_03"], dtype=object)}
        return part

    def test_others_are_left_alone(self, represented: AnnData, more: AnnData) -> None:
        space, narrow = Space(more, "X_cellot").checked(), Space(represented, "X_cellot")
        assert repr(space) == repr(narrow)
        assert space.features == narrow.features
        expected = represented.layers["half"].toarray()
        np.testing.assert_array_equal(space.observed().toarray(), expected)
        np.testing.assert_array_equal(space.measured(np.arange(5)).toarray(), expected[:5])
        points = represented.obsm["X_cellot"][:4]
        out = space.as_adata(points, more.obs.iloc[:4])
        assert list(out.var_names) == list(represented.var_names[::-1])
        assert out.var["place"].tolist() == list(range(2, 62))
        np.testing.assert_array_equal(out[:, represented.var_names].X, narrow.view(points))
        np.testing.assert_array_equal(out.layers["half"], out.X)
        spread = np.ones_like(points)
        np.testing.assert_array_equal(space.deviations(points, spread)[:, ::-1], narrow.deviations(points, spread))

    def test_of_expression_itself(self, represented: AnnData, more: AnnData) -> None:
        origin = Space(represented, "X").origin_of(np.ones(represented.n_obs, dtype=bool))
        space = Space(more, "X", origin=origin).checked()
        assert (space.n_dims, space.features) == (60, list(represented.var_names))
        np.testing.assert_array_equal(space.read(), represented.X.toarray())
        out = space.as_adata(space.read(slice(3)), more.obs.iloc[:3])
        np.testing.assert_array_equal(out[:, represented.var_names].X, represented.X[:3].toarray())

    @pytest.mark.filterwarnings("ignore:Variable names are not unique")
    def test_names_that_recur(self, more: AnnData) -> None:
        twice = more.copy()
        twice.var_names = ["other", "other", *more.var_names[2:]]
        assert len(Space(twice, "X_cellot").checked().features) == 60
        twice.var_names = ["other", "gene_03", *more.var_names[2:]]
        with pytest.raises(ValueError, match=r"not unique \(\['gene_03'\]"):
            _ = Space(twice, "X_cellot").features

    def test_missing_ones_are_refused(self, more: AnnData) -> None:
        part = more[:, :40].copy()
        with pytest.raises(ValueError, match="22 of them are absent, such as 'gene_00'"):
            Space(part, "X_cellot").observed()

    @pytest.mark.parametrize("sparse_x", [True, False])
    def test_missing_ones_that_were_filled(self, represented: AnnData, filled: AnnData, sparse_x: bool) -> None:
        origin = Space(represented, "X_cellot").origin_of(np.ones(represented.n_obs, dtype=bool))
        if not sparse_x:
            filled.layers["half"] = filled.layers["half"].toarray()
        # what was represented is not what is there: nothing compares it
        filled.obsm["X_cellot"] = filled.obsm["X_cellot"] + 0.1
        space = Space(filled, "X_cellot", origin=origin).checked()
        assert space.features == list(represented.var_names)
        assert space.measured(np.arange(3)) is None
        x = dense(space.observed())
        gone = represented.var_names.isin(["gene_03", "gene_40"])
        # what they decode to was not measured
        assert np.isnan(x[:, gone]).all()
        np.testing.assert_array_equal(x[:, ~gone], represented.layers["half"][:, ~gone].toarray())
        assert space.filled == ["gene_03", "gene_40"]
        points = filled.obsm["X_cellot"][:2]
        np.testing.assert_array_equal(space.view_measured(points), space.view(points)[:, ~gone])

    def test_that_they_were_filled_is_said(
        self, represented: AnnData, filled: AnnData, caplog: pytest.LogCaptureFixture
    ) -> None:
        whole = Space(represented, "X_cellot")
        whole.warn_of_filling()
        assert (whole.filled, whole.filling, caplog.messages) == ([], "", [])
        space = Space(filled, "X_cellot")
        squared = (whole.decoder["components"] ** 2).sum(axis=0)
        share = 100 * squared[[3, 40]].sum() / squared.sum()
        assert space.filling.startswith(
            f"2 of 60 genes were not measured in these cells ('gene_03', 'gene_40'), which carry {share:.1f} % of the "
        )
        space.warn_of_filling()
        assert caplog.messages == [space.filling]

    def test_predicted_cells_have_them(self, represented: AnnData, filled: AnnData, tmp_path: Path) -> None:
        space = Space(filled, "X_cellot")
        points = filled.obsm["X_cellot"][:3]
        out = space.as_adata(points, filled.obs.iloc[:3])
        assert list(out.var_names) == list(represented.var_names)
        np.testing.assert_array_equal(out.X, space.view(points))
        assert out.var["place"].isna().sum() == out.var["flag"].isna().sum() == 2
        assert out.var.loc["gene_59", "place"] == 2 and out.var.loc["gene_59", "flag"]
        spread = np.ones_like(points)
        np.testing.assert_array_equal(
            space.deviations(points, spread), Space(represented, "X_cellot").deviations(points, spread)
        )
        out.write_h5ad(tmp_path / "out.h5ad")
        again = Space(anndata.read_h5ad(tmp_path / "out.h5ad"), "X_cellot")
        assert again.checked().features == space.features

    def test_names_in_a_column(self, represented: AnnData, filled: AnnData) -> None:
        filled.var["symbol"], filled.var_names = list(filled.var_names), [f"ENSG{i}" for i in range(filled.n_vars)]
        filled.uns["X_cellot"]["gene_key"] = "symbol"
        space = Space(filled, "X_cellot").checked()
        out = space.as_adata(filled.obsm["X_cellot"][:3], filled.obs.iloc[:3])
        assert list(out.var_names) == space.features == list(represented.var_names)
        # by which they go there
        assert Space(out, "X_cellot").features == space.features
        assert "gene_key" not in out.uns["X_cellot"]


class TestStored:
    """Cells that are not in memory, of which few are read at a time."""

    @pytest.fixture(autouse=True)
    def _small_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_chunks, "MAX_VALUES", 60 * 50)

    @pytest.fixture
    def far(self, represented: AnnData, store: Callable[[AnnData], AnnData]) -> AnnData:
        near = represented.copy()
        near.X = near.layers["half"]
        far = store(near)
        far.obsm["X_cellot"] = represented.obsm["X_cellot"]
        far.uns["X_cellot"] = represented.uns["X_cellot"] | {"layer": "X"}
        return far

    def test_is_read_as_what_is_in_memory_is(self, represented: AnnData, far: AnnData) -> None:
        expected = dense(represented.layers["half"])
        # all of what is ordered by genes is read at once
        assert isinstance(Space(far, "X").matrix(), Stored | sparse.csr_matrix)
        for rows in (slice(5, 400), np.array([500, 2, 2, 30]), np.arange(600) % 7 == 0):
            np.testing.assert_array_equal(Space(far, "X").read(rows), expected[rows])
        space = Space(far, "X_cellot").checked()
        np.testing.assert_array_equal(dense(space.observed()), expected)
        chosen = np.arange(3, 600, 50)
        np.testing.assert_array_equal(dense(space.measured(chosen)), expected[chosen])

    def test_origin_and_other_order_of_genes(self, represented: AnnData, far: AnnData) -> None:
        near = AnnData(represented.layers["half"], obs=represented.obs, var=represented.var)[:, ::-1].copy()
        seen = np.arange(600) % 2 == 0
        turned, origin = Space(near, "X").origin_of(seen), Space(far, "X").origin_of(seen)
        assert (origin.low, origin.high) == (turned.low, turned.high)
        expected = Space(near[:, ::-1].copy(), "X").origin_of(seen)
        np.testing.assert_allclose(origin.marks.places, expected.marks.places)
        space = Space(far, "X", origin=turned).checked()
        np.testing.assert_array_equal(space.read(np.array([9, 3])), dense(near.X)[[9, 3]])

    def test_what_has_changed_since(self, far: AnnData) -> None:
        far.obsm["X_cellot"] = far.obsm["X_cellot"] * 3
        with pytest.raises(ValueError, match=r"adata\.X is not what adata\.obsm\['X_cellot'\] was represented from"):
            Space(far, "X_cellot").checked()

    def test_only_cells_that_are_used_have_to_be_finite(
        self, represented: AnnData, store: Callable[[AnnData], AnnData]
    ) -> None:
        near = represented.copy()
        x = near.X.toarray()
        x[7, 3] = np.nan
        near.X = x
        space, others = Space(store(near), "X"), np.arange(600) != 7
        assert np.isnan(space.read(used=others)[7, 3])
        assert space.origin_of(others).low == 0
        with pytest.raises(ValueError, match="use_rep 'X' holds NaN or inf in 1 of 600 cells"):
            space.read()
        with pytest.raises(ValueError, match="use_rep 'X' holds NaN"):
            space.origin_of(~others | others)
