"""Each published metric against an independent version of a few lines."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import NearestNeighbors

from cellot_sc import metrics


@pytest.fixture(params=[(200, 200, 8), (300, 170, 8)], ids=["same size", "other size"])
def clouds(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    m, n, d = request.param
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(d, d)) / 3
    return rng.normal(size=(m, d)) @ mix + np.arange(d) / 10, rng.normal(size=(n, d)) @ mix.T + np.arange(d) / 8


@pytest.mark.parametrize("gammas", [np.logspace(1, -3, 50), [2, 1, 0.5, 0.1, 0.01, 0.005]])
def test_mmd(clouds: tuple[np.ndarray, np.ndarray], gammas: np.ndarray):
    x, y = clouds
    expected = np.mean(
        [rbf_kernel(x, x, g).mean() + rbf_kernel(y, y, g).mean() - 2 * rbf_kernel(x, y, g).mean() for g in gammas]
    )
    assert metrics.legacy_mmd(x, y, gammas=gammas) == pytest.approx(expected, rel=1e-5)


def test_mmd_gammas_are_the_published_ones(clouds: tuple[np.ndarray, np.ndarray]):
    x, y = clouds
    assert metrics.legacy_mmd(x, y) == metrics.legacy_mmd(x, y, gammas=np.logspace(1, -3, 50))
    assert metrics.LEGACY_TRAINING_GAMMAS.tolist() == [2, 1, 0.5, 0.1, 0.01, 0.005]


def test_moments(clouds: tuple[np.ndarray, np.ndarray]):
    x, y = map(pd.DataFrame, clouds)
    assert metrics.l2_means(*clouds) == pytest.approx(np.linalg.norm(x.mean() - y.mean()))
    assert metrics.l2_stds(*clouds) == pytest.approx(np.linalg.norm(x.std() - y.std()))
    assert metrics.r_means(*clouds) == pytest.approx(x.mean().corr(y.mean()))
    assert metrics.r2_means(*clouds) == pytest.approx(x.mean().corr(y.mean()) ** 2)


def test_correlation_distance(clouds: tuple[np.ndarray, np.ndarray]):
    x, y = (pd.DataFrame(cloud).corr().to_numpy() for cloud in clouds)
    upper = np.triu_indices(len(x), k=1)
    assert metrics.correlation_distance(*clouds) == pytest.approx(np.sqrt(((x - y)[upper] ** 2).sum()))
    assert metrics.correlation_distance(*clouds) == pytest.approx(np.linalg.norm(x - y) / np.sqrt(2))


def test_correlation_distance_leaves_out_constant_features(clouds: tuple[np.ndarray, np.ndarray]):
    x, y = (cloud.copy() for cloud in clouds)
    x[:, 2] = 1
    assert metrics.correlation_distance(x, y) == pytest.approx(
        metrics.correlation_distance(np.delete(x, 2, 1), np.delete(y, 2, 1))
    )
    assert np.isnan(metrics.correlation_distance(x[:, [2]], y[:, [2]]))


def test_r_means_without_variation_is_nan():
    x = np.random.default_rng(0).normal(size=(5, 1))
    assert np.isnan(metrics.r_means(x, x))
    assert np.isnan(metrics.r2_means(x, x))


@pytest.mark.parametrize("k", [5, 50, 100])
def test_knn_enrichment(k: int):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, 4)), rng.normal(size=(120, 4)) + 0.5
    neighbours = NearestNeighbors(n_neighbors=k + 1).fit(np.vstack([x, y])).kneighbors(x)[1][:, 1:]
    assert metrics.knn_enrichment(x, y, k=k) == pytest.approx((neighbours < 120).mean())


def test_knn_enrichment_is_half_for_one_distribution_and_one_for_two():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1500, 4))
    for k in (50, 100):
        assert metrics.knn_enrichment(x, y, k=k) == pytest.approx(0.5, abs=0.02)
        assert metrics.knn_enrichment(x, y + 100, k=k) == 1.0


def test_knn_enrichment_of_unequal_clouds_is_sampled_to_the_same_size():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(900, 4)), rng.normal(size=(300, 4))
    value = metrics.knn_enrichment(x, y, seed=1)
    assert value == pytest.approx(0.5, abs=0.05)
    assert value == metrics.knn_enrichment(x, y, seed=1)
    assert value != metrics.knn_enrichment(x, y, seed=2)


def test_knn_enrichment_of_few_cells_looks_at_fewer_neighbours():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 20, 4))
    assert metrics.knn_enrichment(x, y, k=50) == metrics.knn_enrichment(x, y, k=19)
    with pytest.raises(ValueError, match="k is 0"):
        metrics.knn_enrichment(x, y, k=0)
