from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from cellot_sc.pp import _pca


def cells(n_cells: int, n_genes: int, rank: int = 6) -> np.ndarray:
    """Half-empty non-negative cells of about a rank."""
    rng = np.random.default_rng(0)
    x = rng.gamma(1, 1, (n_cells, rank)) @ rng.gamma(0.5, 1, (rank, n_genes)) + rng.gamma(0.5, 0.2, (n_cells, n_genes))
    return np.where(x > np.median(x), x, 0).astype(np.float32)


def test_agrees_with_a_dense_decomposition() -> None:
    x = cells(300, 80)
    decoder = _pca.fit(sp.csr_matrix(x), 10)
    reference = PCA(10, svd_solver="full").fit(x.astype(np.float64))
    np.testing.assert_allclose(decoder["mean"], x.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(decoder["explained_variance_ratio"], reference.explained_variance_ratio_, rtol=1e-4)
    alignment = np.abs((decoder["components"] * reference.components_).sum(axis=1))
    np.testing.assert_allclose(alignment, 1, atol=1e-4)
    np.testing.assert_allclose(
        np.abs(_pca.project(sp.csr_matrix(x), decoder)), np.abs(reference.transform(x)), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("n_genes", [60, _pca.MAX_EXACT_GENES + 50])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix, sp.csr_array])
def test_kind_of_matrix_does_not_matter(n_genes: int, kind: Any) -> None:
    x = cells(150, n_genes)
    reference = PCA(5, svd_solver="full").fit_transform(x.astype(np.float64))
    decoder = _pca.fit(kind(x), 5)
    latent = _pca.project(kind(x), decoder)
    assert latent.dtype == np.float32
    np.testing.assert_allclose(np.abs(latent), np.abs(reference), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("n_genes", [60, _pca.MAX_EXACT_GENES + 50])
def test_same_cells_same_bits(n_genes: int) -> None:
    x = sp.csr_matrix(cells(150, n_genes))
    a, b = _pca.fit(x, 5), _pca.fit(x.copy(), 5)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
    np.testing.assert_array_equal(_pca.project(x, a), _pca.project(x, b))


def test_sign_follows_the_components() -> None:
    """The gene with the largest weight in a component has a positive one, so that mirrored data give the same signs."""
    decoder = _pca.fit(cells(200, 50), 8)
    components = decoder["components"]
    assert (components[np.arange(8), np.abs(components).argmax(axis=1)] > 0).all()


def test_cells_in_chunks_are_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    x = cells(100, 30)
    decoder = _pca.fit(x, 4)
    whole = _pca.project(x, decoder)
    monkeypatch.setattr(_pca, "CHUNK", 7)
    np.testing.assert_allclose(_pca.project(x, decoder), whole, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(_pca.project(sp.csr_matrix(x), decoder), whole, rtol=1e-6, atol=1e-6)


@given(n_cells=st.integers(12, 60), n_genes=st.integers(2, 24), n_components=st.integers(1, 80))
@settings(max_examples=40, deadline=None)
def test_components_are_orthonormal_and_no_more_than_there_can_be(
    n_cells: int, n_genes: int, n_components: int
) -> None:
    x = cells(n_cells, n_genes)
    decoder = _pca.fit(x, n_components)
    kept = min(n_components, n_cells - 1, n_genes)
    assert decoder["n_components"] == kept
    components = decoder["components"].astype(np.float64)
    assert components.shape == (kept, n_genes)
    np.testing.assert_allclose(components @ components.T, np.eye(kept), atol=1e-5)
    latent = _pca.project(x, decoder)
    np.testing.assert_allclose(latent.mean(axis=0), 0, atol=1e-3)
    # what is lost on the way to genes and back is what the components do not explain
    lost = np.square(latent @ decoder["components"] + decoder["mean"] - x).sum()
    explained = float(decoder["explained_variance_ratio"].sum())
    total = float(np.square(x - x.mean(axis=0)).sum())
    assert lost == pytest.approx((1 - explained) * total, rel=1e-3, abs=1e-3 * total)


def test_all_components_lose_nothing() -> None:
    x = cells(100, 24)
    decoder = _pca.fit(x, 24)
    np.testing.assert_allclose(_pca.reconstruct(_pca.project(x, decoder), decoder), x, atol=1e-4)


def test_nonnegative_cells_are_decoded_to_nonnegative_cells() -> None:
    x = cells(100, 24)
    decoder = _pca.fit(x, 3)
    far = np.full((5, 3), -100, dtype=np.float32)
    assert decoder["range"][0] == 0
    assert (_pca.reconstruct(far, decoder) >= 0).all()
    signed = _pca.fit(x - 1, 3)
    assert signed["range"][0] < 0
    assert (_pca.reconstruct(far, signed) < 0).any()


def test_large_values_do_not_cancel() -> None:
    """Single precision would lose the differences between cells that all express a gene highly."""
    x = cells(200, 30) + 3000
    decoder = _pca.fit(x, 3)
    reference = PCA(3, svd_solver="full").fit(x.astype(np.float64))
    np.testing.assert_allclose(decoder["explained_variance_ratio"], reference.explained_variance_ratio_, rtol=1e-3)


def test_sparse_cells_are_never_dense() -> None:
    n_cells, n_genes = 20_000, 2500
    x = sp.random(n_cells, n_genes, density=0.005, format="csr", dtype=np.float32, random_state=0)
    tracemalloc.start()
    try:
        decoder = _pca.fit(x, 5)
        latent = _pca.project(x, decoder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert latent.shape == (n_cells, 5)
    # dense, they would take 200 MB in single precision
    assert peak < 40e6
