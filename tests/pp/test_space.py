from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs
from cellot_sc.pp import Space


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
