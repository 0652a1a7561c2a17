from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from cellot_sc import _chunks
from cellot_sc.pp._moments import gene_moments, lanczos, principal


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.setattr(_chunks, "MAX_VALUES", 40 * 64)
    rng = np.random.default_rng(0)
    x = rng.gamma(1, 1, (500, 6)) @ rng.gamma(0.5, 1, (6, 40)) + rng.gamma(0.5, 0.2, (500, 40))
    return np.where(x > np.median(x), x, 0).astype(np.float32)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_moments_of_chunks_are_those_of_all(x: np.ndarray, kind: Any) -> None:
    found = gene_moments(kind(x), covariance=True)
    assert found.covariance is not None
    np.testing.assert_allclose(found.mean, x.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(x.T.astype(np.float64)), atol=1e-12)
    np.testing.assert_array_equal(found.low, x.min(axis=0))
    np.testing.assert_array_equal(found.high, x.max(axis=0))
    without = gene_moments(kind(x), covariance=False)
    assert without.covariance is None
    np.testing.assert_allclose(without.variances, found.variances, rtol=1e-12)


def test_nothing_cancels_far_from_zero(x: np.ndarray) -> None:
    far = x.astype(np.float64) + 1e7
    found = gene_moments(far, covariance=True)
    assert found.covariance is not None
    np.testing.assert_allclose(found.covariance, np.cov((far - 1e7).T), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_components_with_and_without_the_covariance(x: np.ndarray, kind: Any) -> None:
    values, vectors = np.linalg.eigh(np.cov(x.T.astype(np.float64)))
    for covariance in (True, False):
        found = principal(kind(x), gene_moments(kind(x), covariance=covariance), 5)
        np.testing.assert_allclose(found.variances, values[:-6:-1], rtol=1e-9)
        np.testing.assert_allclose(np.abs(found.components @ vectors[:, :-6:-1]), np.eye(5), atol=2e-5)
        assert (found.components[range(5), np.abs(found.components).argmax(axis=1)] > 0).all()


def test_few_products_lead_to_the_largest_eigenvalues() -> None:
    rng = np.random.default_rng(1)
    directions = np.linalg.qr(rng.standard_normal((400, 400)))[0]
    spectrum = np.append(np.linspace(10, 2, 20), rng.uniform(0, 1.9, 380))
    matrix = (directions * spectrum) @ directions.T
    n_products = 0

    def moved(block: np.ndarray) -> np.ndarray:
        nonlocal n_products
        n_products += 1
        return matrix @ block

    values, vectors = lanczos(moved, 400, 20)
    np.testing.assert_allclose(values[::-1], spectrum[:20], rtol=1e-8)
    np.testing.assert_allclose(np.abs(vectors.T[::-1] @ directions[:, :20]), np.eye(20), atol=2e-5)
    assert n_products <= 15


def test_eigenvalues_of_a_matrix_of_low_rank() -> None:
    rng = np.random.default_rng(2)
    low = rng.standard_normal((300, 4))
    values, _ = lanczos(lambda block: low @ (low.T @ block), 300, 6)
    np.testing.assert_allclose(values[::-1], [*np.linalg.svd(low.T @ low)[1], 0, 0], atol=1e-8)
