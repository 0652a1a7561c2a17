from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.pp import _autoencoder, _pca, _represent

QUICK: dict[str, Any] = {"n_components": 3, "hidden": (16,), "n_steps": 45, "check_every": 15, "learning_rate": 2e-3}


@pytest.fixture(scope="module")
def split(simulated: AnnData) -> AnnData:
    adata = simulated.copy()
    cs.pp.split(adata, holdout={"patient": "patient_3"})
    return adata


@pytest.fixture(scope="module")
def represented(split: AnnData) -> AnnData:
    """Cells represented with the quick options. Copy them before you change them."""
    adata = split.copy()
    cs.pp.represent(adata, "autoencoder", **QUICK)
    return adata


def same(a: Any, b: Any) -> None:
    if isinstance(a, dict):
        assert set(a) == set(b)
        for name in a:
            same(a[name], b[name])
    else:
        np.testing.assert_array_equal(a, b)


def in_part(adata: AnnData, *parts: str) -> np.ndarray:
    return adata.obs["split"].isin(parts).to_numpy()


def explained(adata: AnnData, cells: np.ndarray) -> float:
    """Return the share of the variance of cells about the train mean that is decoded."""
    x = adata.X[cells].toarray()
    mean = adata.X[in_part(adata, "train")].toarray().mean(0)
    decoded = cs.pp.decode(adata, adata.obsm["X_cellot"][cells])
    return 1 - float(((decoded - x) ** 2).sum() / ((x - mean) ** 2).sum())


def test_writes_representation_and_decoder(represented: AnnData):
    latent, decoder = represented.obsm["X_cellot"], represented.uns["X_cellot"]
    assert latent.shape == (600, 3)
    assert latent.dtype == np.float32
    assert decoder["method"] == "autoencoder"
    assert decoder["n_components"] == 3
    assert decoder["range"][0] == 0
    assert list(decoder["var_names"]) == list(represented.var_names)
    assert decoder["encoder"]["Dense_0"]["kernel"].shape == (60, 16)
    assert decoder["decoder"]["Dense_1"]["kernel"].shape == (16, 60)


def test_explains_no_less_than_principal_components(split: AnnData, represented: AnnData):
    components = split.copy()
    cs.pp.represent(components, n_components=3)
    valid, unseen = in_part(split, "valid"), in_part(split, "test", "ood")
    assert represented.uns["X_cellot"]["step"] > 0
    assert explained(represented, valid) > explained(components, valid)
    assert explained(represented, unseen) > explained(components, unseen) - 0.01


def test_latent_distances_are_on_the_scale_of_expression(split: AnnData, represented: AnnData):
    components = split.copy()
    cs.pp.represent(components, n_components=3)
    ratio = represented.obsm["X_cellot"].std() / components.obsm["X_cellot"].std()
    assert 0.5 < ratio < 2


def test_test_and_held_out_cells_decide_nothing(split: AnnData, represented: AnnData):
    seen = in_part(split, "train", "valid")
    other = split.copy()
    x = other.X.toarray()
    x[~seen] = np.random.default_rng(0).permuted(x[~seen] * 7 + 1, axis=0)
    other.X = sp.csr_matrix(x)
    cs.pp.represent(other, "autoencoder", **QUICK)
    same(other.uns["X_cellot"], represented.uns["X_cellot"])
    np.testing.assert_array_equal(other.obsm["X_cellot"][seen], represented.obsm["X_cellot"][seen])


def test_validation_cells_choose_the_step_only(split: AnnData):
    """Whatever they express, the networks are those of one of the looks."""
    options = {**QUICK, "patience": 100}
    valid = in_part(split, "valid")
    path = {}
    without = split[~valid].copy()
    for n_steps in (15, 30, 45):
        cs.pp.represent(without, "autoencoder", **{**options, "n_steps": n_steps})
        path[n_steps] = without.uns["X_cellot"]
    for factor in (1, 3):
        adata = split.copy()
        x = adata.X.toarray()
        x[valid] *= factor
        adata.X = sp.csr_matrix(x)
        cs.pp.represent(adata, "autoencoder", **options)
        decoder = adata.uns["X_cellot"]
        same(decoder, path[decoder["step"]])


def test_same_seed_same_bits(split: AnnData, represented: AnnData):
    again, other = split.copy(), split.copy()
    cs.pp.represent(again, "autoencoder", **QUICK)
    cs.pp.represent(other, "autoencoder", seed=1, **QUICK)
    same(again.uns["X_cellot"], represented.uns["X_cellot"])
    np.testing.assert_array_equal(again.obsm["X_cellot"], represented.obsm["X_cellot"])
    assert not np.allclose(other.obsm["X_cellot"], represented.obsm["X_cellot"])


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("preset", ["small", "paper"])
def test_survives_the_disk(split: AnnData, tmp_path: Path, suffix: str, preset: str):
    adata = split.copy()
    cs.pp.represent(adata, "autoencoder", preset=preset, **QUICK)
    path = tmp_path / f"cells.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        back = ad.read_h5ad(path)
    else:
        adata.write_zarr(path)
        back = ad.read_zarr(path)
    same(back.uns["X_cellot"], adata.uns["X_cellot"])
    np.testing.assert_array_equal(_represent.project(back.X, back.uns["X_cellot"]), adata.obsm["X_cellot"])
    latent = adata.obsm["X_cellot"][:50] + 1
    np.testing.assert_array_equal(cs.pp.decode(back, latent), cs.pp.decode(adata, latent))


def test_decoded_expression_is_not_negative(represented: AnnData):
    far = np.random.default_rng(0).normal(scale=50, size=(20, 3)).astype(np.float32)
    decoded = cs.pp.decode(represented, far)
    assert decoded.dtype == np.float32
    assert (decoded >= 0).all()


def test_negative_expression_is_decoded_as_such(split: AnnData):
    adata = split.copy()
    adata.layers["shifted"] = adata.X.toarray() - 1
    cs.pp.represent(adata, "autoencoder", layer="shifted", **QUICK)
    assert adata.uns["X_cellot"]["range"][0] < 0
    assert (cs.pp.decode(adata, adata.obsm["X_cellot"]) < 0).any()


@pytest.mark.parametrize("kind", [sp.csc_matrix, sp.csr_array, sp.csr_matrix.toarray])
def test_kind_of_matrix_does_not_matter(split: AnnData, represented: AnnData, kind: Any):
    adata = split.copy()
    adata.X = kind(adata.X)
    cs.pp.represent(adata, "autoencoder", **QUICK)
    np.testing.assert_allclose(adata.obsm["X_cellot"], represented.obsm["X_cellot"], rtol=1e-3, atol=1e-3)


def test_cells_in_chunks_are_the_cells(represented: AnnData, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_autoencoder, "MAX_DENSE", 7 * 60)
    chunked = _represent.project(represented.X, represented.uns["X_cellot"])
    np.testing.assert_allclose(chunked, represented.obsm["X_cellot"], rtol=1e-5, atol=1e-5)


def test_without_validation_cells_all_steps_are_taken(simulated: AnnData, caplog: pytest.LogCaptureFixture):
    adata = simulated.copy()
    cs.pp.represent(adata, "autoencoder", **QUICK)
    assert "the representation is fitted on all cells" in caplog.text
    assert adata.uns["X_cellot"]["step"] == 45


def test_few_genes_lower_the_number_of_components(split: AnnData):
    few = split[:, :5].copy()
    cs.pp.represent(few, "autoencoder", **{**QUICK, "n_components": 50})
    assert few.obsm["X_cellot"].shape == (600, 5)


def test_log_compares_with_principal_components(split: AnnData, caplog: pytest.LogCaptureFixture):
    cs.pp.represent(split.copy(), "autoencoder", **QUICK)
    assert "the autoencoder, taken at step 45, explains" in caplog.text
    assert "as many principal components" in caplog.text
    assert "by autoencoder of 321 train cells: added obsm['X_cellot'] (3 dimensions)" in caplog.text


def test_maps_are_fitted_on_it_and_predict_genes(represented: AnnData):
    adata = represented.copy()
    cs.tl.cellot(adata, targets="drug_a", solver="gaussian")
    predicted = cs.tl.predict(adata, "drug_a")
    assert predicted.shape == (200, 60)
    assert (predicted.X >= 0).all()


def test_every_method_says_what_its_options_are():
    assert _pca.options() == []
    assert {"preset", "hidden", "n_steps"} <= set(_autoencoder.options())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"hiden": (8,)}, TypeError, "method 'autoencoder' has no option 'hiden'. Did you mean 'hidden'"),
        ({"method": "pca", "hidden": (8,)}, TypeError, "method 'pca' has no option 'hidden'. There are none."),
        ({"preset": "papr"}, ValueError, "preset 'papr' is unknown. Did you mean 'paper'"),
        ({"n_steps": 0}, ValueError, "n_steps is 0; a positive whole number"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"method": "autoencodr"}, ValueError, "method 'autoencodr' is unknown. Did you mean 'autoencoder'"),
    ],
)
def test_bad_input(split: AnnData, arguments: dict[str, Any], error: type[Exception], message: str):
    adata = split.copy()
    with pytest.raises(error, match=message):
        cs.pp.represent(adata, **{"method": "autoencoder", **arguments})
    assert not adata.obsm
    assert set(adata.uns) == {"simulation", "split"}
