from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anndata import AnnData, concat

import cellot_sc as cs
from cellot_sc.pp._decode import decoder_digest


@pytest.fixture(scope="module")
def represented(simulated: AnnData) -> AnnData:
    """Split cells with a representation of 20 dimensions. Copy them before you change them."""
    adata = simulated.copy()
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=20)
    return adata


def test_round_trip_keeps_what_the_components_explain(represented: AnnData) -> None:
    x = represented.X.toarray()
    decoded = cs.pp.decode(represented, represented.obsm["X_cellot"])
    assert decoded.shape == x.shape
    assert decoded.dtype == np.float32
    train = (represented.obs["split"] == "train").to_numpy()
    for cells, slack in ((train, 0.02), (~train, 0.12)):
        lost = np.square(decoded[cells] - x[cells]).sum() / np.square(x[cells] - x[train].mean(axis=0)).sum()
        assert lost < 1 - represented.uns["X_cellot"]["explained_variance_ratio"].sum() + slack
    np.testing.assert_allclose(decoded[train].mean(axis=0), x[train].mean(axis=0), atol=0.05)


def test_round_trip_in_all_dimensions_is_exact(simulated: AnnData) -> None:
    adata = simulated.copy()
    cs.pp.represent(adata, n_components=60)
    np.testing.assert_allclose(cs.pp.decode(adata, adata.obsm["X_cellot"]), adata.X.toarray(), atol=1e-4)


def test_shift_in_the_latent_is_a_shift_of_genes(simulated: AnnData) -> None:
    adata = simulated.copy()
    adata.layers["signed"] = adata.X.toarray() - 1
    cs.pp.represent(adata, n_components=8, layer="signed", key_added="X_signed")
    latent, step = adata.obsm["X_signed"], np.arange(8, dtype=np.float32)
    moved = cs.pp.decode(adata, latent + step, key="X_signed") - cs.pp.decode(adata, latent, key="X_signed")
    np.testing.assert_allclose(moved, np.tile(step @ adata.uns["X_signed"]["components"], (600, 1)), atol=1e-4)


def test_decoded_counts_are_not_below_zero(represented: AnnData) -> None:
    latent = represented.obsm["X_cellot"] * 3
    assert cs.pp.decode(represented, latent).min() == 0


def test_any_number_and_kind_of_points(represented: AnnData) -> None:
    assert cs.pp.decode(represented, np.zeros((0, 20))).shape == (0, 60)
    at_mean = cs.pp.decode(represented, np.zeros((1, 20), dtype=np.int64))
    np.testing.assert_array_equal(at_mean[0], represented.uns["X_cellot"]["mean"])


def test_latent_is_left_as_it_was(represented: AnnData) -> None:
    latent = represented.obsm["X_cellot"].copy()
    cs.pp.decode(represented, latent)
    np.testing.assert_array_equal(latent, represented.obsm["X_cellot"])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("X_celot", "only representations made by cs.pp.represent can be decoded. Did you mean 'X_cellot'"),
        ("X_pca", "There is no decoder in adata.uns.'X_pca'.: only representations made by cs.pp.represent"),
        ("simulation", "There is no decoder in adata.uns.'simulation'."),
    ],
)
def test_no_decoder(represented: AnnData, key: str, message: str) -> None:
    with pytest.raises(KeyError, match=message):
        cs.pp.decode(represented, np.zeros((1, 20)), key=key)


def test_never_represented(simulated: AnnData) -> None:
    with pytest.raises(KeyError, match="There are none"):
        cs.pp.decode(simulated, np.zeros((1, 20)))


@pytest.mark.parametrize("shape", [(5, 19), (20,), (2, 5, 20)])
def test_wrong_dimensions(represented: AnnData, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"latent has shape .*; \(n_cells, 20\) is needed"):
        cs.pp.decode(represented, np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_not_finite(represented: AnnData, value: float) -> None:
    latent = np.zeros((5, 20))
    latent[2, 3] = value
    with pytest.raises(ValueError, match="latent holds NaN or inf in 1 of 5 cells"):
        cs.pp.decode(represented, latent)


def test_genes_in_another_order_are_told_by_name(represented: AnnData) -> None:
    latent = represented.obsm["X_cellot"][:3]
    turned = represented[:, ::-1].copy()
    np.testing.assert_array_equal(cs.pp.decode(turned, latent)[:, ::-1], cs.pp.decode(represented, latent))
    turned.var_names = ["gene_0", "gene_0", *turned.var_names[2:]]
    with pytest.raises(ValueError, match="absent"):
        cs.pp.decode(turned, latent)


def test_what_is_decoded_is_not_above_what_was_observed(represented: AnnData) -> None:
    highest = (
        represented[represented.obs["split"] == "train"].X.max() if "split" in represented.obs else represented.X.max()
    )
    decoded = cs.pp.decode(represented, represented.obsm["X_cellot"] * 5)
    assert decoded.max() == np.float32(highest)


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        (slice(0, 40), "fitted on 60 genes, which are not the 40 of adata: 20 of them are absent, such as 'gene_40'"),
    ],
)
def test_other_genes(represented: AnnData, genes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cs.pp.decode(represented[:, genes], np.zeros((1, 20)))


def test_more_genes(represented: AnnData) -> None:
    more = concat([represented, AnnData(np.ones((600, 1)), obs=represented.obs[[]])], axis=1, uns_merge="first")
    with pytest.raises(ValueError, match="it has 1 more, such as '0'. Leave them out"):
        cs.pp.decode(more, np.zeros((1, 20)))


def test_names_in_a_column(represented: AnnData) -> None:
    latent = represented.obsm["X_cellot"][:3]
    other = represented[:, ::-1].copy()
    other.var["symbol"], other.var_names = list(other.var_names), [f"ENSG{i}" for i in range(60)]
    other.uns["X_cellot"]["gene_key"] = "symbol"
    np.testing.assert_array_equal(cs.pp.decode(other, latent)[:, ::-1], cs.pp.decode(represented, latent))


def test_what_it_says_of_the_cells_at_hand_makes_it_no_other(represented: AnnData) -> None:
    decoder = represented.uns["X_cellot"]
    beside = {"marks": {}, "filled": np.array(["gene_1"]), "gene_key": "symbol"}
    assert decoder_digest({**decoder, **beside}) == decoder_digest(decoder)
    assert decoder_digest({**decoder, "mean": decoder["mean"] + 1}) != decoder_digest(decoder)
    assert decoder_digest({}) == ""
