"""Distances that pertpy has too, between clouds and on what we predict."""

from __future__ import annotations

import numpy as np
import pertpy as pt
import pytest
from anndata import AnnData
from scipy.spatial.distance import pdist

import cellot_sc as cs
from cellot_sc import metrics


@pytest.fixture(scope="module")
def clouds() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, y, control = (rng.normal(size=(n, 12)) for n in (70, 90, 80))
    effect = np.linspace(-1, 2, 12)
    return x + 0.7 * effect, y + effect, control


def theirs(name: str, x: np.ndarray, y: np.ndarray, **kwargs: object) -> float:
    return float(pt.tools.Distance(name)(x, y, **kwargs))


def test_energy_distance(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    x, y, _ = clouds
    # theirs is biased: it counts the pair of a cell with itself, at distance zero
    bias = pdist(x).mean() / len(x) + pdist(y).mean() / len(y)
    assert metrics.energy_distance(x, y) + bias == pytest.approx(theirs("edistance", x, y), rel=1e-6)


@pytest.mark.parametrize("gamma", [0.005, 0.1, 1.0])
def test_mmd(clouds: tuple[np.ndarray, np.ndarray, np.ndarray], gamma: float):
    x, y, _ = clouds
    expected = theirs("mmd", x, y, kernel="rbf", gamma=gamma)
    assert metrics.mmd(x, y, gamma=gamma, unbiased=False) == pytest.approx(expected, rel=1e-5)
    assert metrics.legacy_mmd(x, y, gammas=[gamma]) == pytest.approx(expected, rel=1e-5)


def test_means(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    x, y, _ = clouds
    assert metrics.l2_means(x, y) == pytest.approx(theirs("euclidean", x, y))
    assert metrics.r_means(x, y) == pytest.approx(1 - theirs("pearson_distance", x, y))


def test_marginals(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    x, y, _ = clouds
    assert metrics.ks_marginals(x, y).mean() == pytest.approx(theirs("ks_test", x, y))


def test_deltas(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    x, y, control = clouds
    base = control.mean(axis=0)
    assert metrics.pearson_delta(x, y, control) == pytest.approx(1 - theirs("pearson_distance", x - base, y - base))
    assert metrics.cosine_delta(x, y, control) == pytest.approx(1 - theirs("cosine_distance", x - base, y - base))
    # the first is what is to be explained
    expected = 1 - theirs("r2_distance", y - base, x - base)
    assert metrics.r2_delta(x, y, control, weights=np.ones(12)) == pytest.approx(expected)


def test_distances_of_predicted_cells(fitted: AnnData):
    both = cs.tl.combine(fitted, cs.tl.predict(fitted, "drug_a"), umap=False)
    table = pt.tools.Distance("edistance", obsm_key="X_cellot").pairwise(both, groupby="role", show_progressbar=False)
    clouds = {name: both[both.obs["role"] == name].obsm["X_cellot"] for name in ("control", "observed", "predicted")}
    ours = {name: metrics.energy_distance(clouds[name], clouds["observed"]) for name in ("control", "predicted")}
    for name, distance in ours.items():
        bias = sum(pdist(clouds[one]).mean() / len(clouds[one]) for one in (name, "observed"))
        assert distance + bias == pytest.approx(table.loc[name, "observed"], rel=1e-5)
    assert table.loc["predicted", "observed"] < 0.2 * table.loc["control", "observed"]


def test_permutation_test_tells_control_from_treated_cells_and_predicted_ones_less(fitted: AnnData):
    both = cs.tl.combine(fitted, cs.tl.predict(fitted, "drug_a"), umap=False)
    test = pt.tools.DistanceTest("edistance", n_perms=100, obsm_key="X_cellot")
    pvalues = test(both, groupby="role", contrast="observed", show_progressbar=False)["pvalue"]
    assert pvalues["control"] == pytest.approx(0.01, abs=0.011)
    assert pvalues["predicted"] > pvalues["control"]
