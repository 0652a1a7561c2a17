"""Every metric has the same contract with its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellot_sc import metrics

TWO = [
    metrics.correlation_distance,
    metrics.energy_distance,
    metrics.entropic_wasserstein2,
    metrics.knn_enrichment,
    metrics.ks_marginals,
    metrics.l2_means,
    metrics.l2_stds,
    metrics.legacy_mmd,
    metrics.median_gammas,
    metrics.mmd,
    metrics.mmd_test,
    metrics.r2_means,
    metrics.r_means,
    metrics.sinkhorn_divergence,
    metrics.variance_ratio,
    metrics.wasserstein2,
    metrics.wasserstein_marginals,
    metrics.discrimination_score,
    metrics.deg_scores,
]
THREE = [
    metrics.cosine_delta,
    metrics.deg_overlap,
    metrics.direction,
    metrics.pearson_delta,
    metrics.r2_delta,
    metrics.sign_accuracy,
]
GOOD = np.random.default_rng(0).normal(size=(6, 3))
NAN, INF = GOOD.copy(), GOOD.copy()
NAN[1, 2], INF[0, 0] = np.nan, -np.inf
BAD = {
    "other number of features": (GOOD[:, :2], "differ in the number of features"),
    "one cell": (GOOD[:1], "has 1 cells: at least 2 are needed"),
    "no cell": (GOOD[:0], "has 0 cells"),
    "NaN": (NAN, "NaN or inf in 1 of 6 cells"),
    "inf": (INF, "NaN or inf in 1 of 6 cells"),
    "masked": (np.ma.array(GOOD, mask=GOOD == GOOD[0, 0]), "is masked at 1 of 18 values"),
    "vector": (GOOD[0], r"has shape \(3,\); \(n_cells, n_dims\) is needed"),
    "no features": (GOOD[:, :0], r"has shape \(6, 0\)"),
    "sparse vector": (sparse.coo_array(GOOD[0]), r"has shape \(1, 3\)|has shape \(3,\)|has 1 cells"),
    "sparse NaN": (sparse.csr_array(NAN), "NaN or inf in 1 of 6 cells"),
    "text": (GOOD.astype(str), "is made of <U.*: real numbers are needed"),
    "rows of other lengths": ([[1.0, 2.0], [1.0]], "is of type builtins.list, which numpy cannot read"),
    "huge": (GOOD * 1e30, "numbers up to 1e[+]12"),
}


def test_every_metric_is_covered():
    functions = {name for name in metrics.__all__ if name.islower()} - {"register", "check_metric"}
    assert functions == {f.__name__ for f in [*TWO, *THREE]}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("metric", TWO, ids=lambda f: f.__name__)
def test_two_clouds(metric: Callable[..., Any], bad: str):
    cloud, words = BAD[bad]
    for given in [(cloud, GOOD), (GOOD, cloud)]:
        with pytest.raises(ValueError, match=words):
            metric(*given)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("metric", THREE, ids=lambda f: f.__name__)
def test_three_clouds(metric: Callable[..., Any], bad: str):
    cloud, words = BAD[bad]
    for given in [(cloud, GOOD, GOOD), (GOOD, cloud, GOOD), (GOOD, GOOD, cloud)]:
        with pytest.raises(ValueError, match=words):
            metric(*given)


@pytest.mark.parametrize("metric", [*TWO, *THREE], ids=lambda f: f.__name__)
def test_input_is_not_changed_and_may_have_any_number_type(metric: Callable[..., Any]):
    rng = np.random.default_rng(1)
    clouds = [rng.normal(size=(12, 3)).astype(np.float32) for _ in range(2 if metric in TWO else 3)]
    before = [cloud.copy() for cloud in clouds]
    value = metric(*clouds)
    wide = metric(*(cloud.astype(np.float64) for cloud in clouds))
    np.testing.assert_allclose(np.asarray(value), np.asarray(wide), rtol=1e-6)
    for cloud, old in zip(clouds, before, strict=True):
        np.testing.assert_array_equal(cloud, old)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array, pd.DataFrame, np.ma.array])
@pytest.mark.parametrize("metric", [*TWO, *THREE], ids=lambda f: f.__name__)
def test_any_matrix_is_a_cloud(metric: Callable[..., Any], kind: Callable[[np.ndarray], Any]):
    rng = np.random.default_rng(2)
    clouds = [rng.poisson(1.0, size=(12, 3)).astype(np.float64) for _ in range(2 if metric in TWO else 3)]
    np.testing.assert_allclose(metric(*map(kind, clouds)), metric(*clouds), rtol=1e-12, atol=1e-12)


def test_the_error_names_the_cloud():
    with pytest.raises(ValueError, match=r"^control holds NaN"):
        metrics.pearson_delta(GOOD, GOOD, NAN)
    with pytest.raises(ValueError, match=r"x 3, y 2"):
        metrics.energy_distance(GOOD, GOOD[:, :2])


@pytest.mark.parametrize(
    ("metric", "wrong"),
    [
        (metrics.deg_overlap, {"k": 0}),
        (metrics.deg_overlap, {"k": 2.5}),
        (metrics.sign_accuracy, {"k": "5"}),
        (metrics.knn_enrichment, {"k": None}),
        (metrics.knn_enrichment, {"seed": -1}),
        (metrics.mmd_test, {"n_permutations": 0}),
        (metrics.mmd_test, {"n_permutations": True}),
        (metrics.mmd_test, {"seed": 0.5}),
        (metrics.mmd, {"gamma": "medain"}),
        (metrics.mmd, {"gamma": None}),
        (metrics.sinkhorn_divergence, {"epsilon": "small"}),
        (metrics.entropic_wasserstein2, {"epsilon": np.inf}),
        (metrics.entropic_wasserstein2, {"epsilon": True}),
        (metrics.direction, {"fdr": "strict"}),
        (metrics.r2_delta, {"weights": "heavy"}),
    ],
)
def test_wrong_options_are_named_with_what_is_needed(metric: Callable[..., Any], wrong: dict[str, Any]):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"^{name} is {value!r}[:;] .* needed\.$"):
        metric(*[GOOD] * (2 if metric in TWO else 3), **wrong)


def test_truth_values_and_names_are_no_numbers():
    with pytest.raises(TypeError, match="^unbiased is 'yes'; True or False is needed"):
        metrics.mmd(GOOD, GOOD, unbiased="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="^distance is 3; text is needed"):
        metrics.discrimination_score(GOOD, GOOD, distance=3)  # type: ignore[arg-type]


def test_no_test_takes_days():
    with pytest.raises(ValueError, match="n_permutations is 1000000000; at most 1,000,000"):
        metrics.mmd_test(GOOD, GOOD, n_permutations=10**9)
