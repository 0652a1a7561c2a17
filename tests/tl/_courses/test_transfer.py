from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs


@pytest.fixture(scope="module")
def _cells() -> AnnData:
    adata = cs.datasets.simulate_branching(1200, 30, fates=("a", "b"), n_times=2)
    cs.pp.represent(adata, n_components=5)
    return adata


@pytest.fixture
def cells(_cells: AnnData) -> AnnData:
    return _cells.copy()


def test_each_on_each(cells: AnnData) -> None:
    before = cells.copy()
    table = cs.tl.transfer(cells, "fate", solver="gaussian", metrics="energy_distance", n_boot=20)
    pairs = set(zip(table["trained_on"], table["applied_to"], strict=True))
    assert pairs == {(a, b) for a in ("a", "b", "all") for b in ("a", "b")}
    score = table[(table["model"] == "gaussian") & (table["metric"] == "energy_distance")].set_index(
        ["trained_on", "applied_to"]
    )["value"]
    # the fates go opposite ways
    assert score["a", "a"] < 0.2 * score["b", "a"]
    assert score["b", "b"] < 0.2 * score["a", "b"]
    assert list(cells.obs) == list(before.obs)
    assert list(cells.uns) == list(before.uns)


def test_the_same_test_cells_judge_all(cells: AnnData) -> None:
    table = cs.tl.transfer(cells, "fate", solver="gaussian", metrics="energy_distance", n_boot=0)
    for _, of_population in table.query("model == 'identity' and floor == '-'").groupby("applied_to"):
        assert of_population["value"].nunique() == 1
        assert of_population["n_cells"].nunique() == 1


def test_only_cells_of_the_population_are_seen(cells: AnnData) -> None:
    cs.pp.split(cells, "time", control="0", stratify_by="fate")
    other = cells.copy()
    hidden = ((other.obs["fate"] == "b") & (other.obs["split"] != "test")).to_numpy()
    other.obsm["X_cellot"][hidden] = np.random.default_rng(0).normal(30, 5, (int(hidden.sum()), 5))
    scores = []
    for data in (cells, other):
        table = cs.tl.transfer(data, "fate", solver="gaussian", metrics="energy_distance", n_boot=0)
        of_a = table[(table["trained_on"] == "a") & (table["model"] == "gaussian")]
        scores.append(of_a["value"].to_numpy())
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"population_key": "fat"}, KeyError, "population_key 'fat' is not in adata.obs. Did you mean 'fate'"),
        ({"population_key": "one"}, ValueError, "has 1 population: two are needed"),
        ({"population_key": "named"}, ValueError, "has a category 'all', which names a summary"),
        ({"population_key": "fate", "use_rep": "X_pca"}, KeyError, "use_rep 'X_pca' is not in adata.obsm"),
    ],
)
def test_errors(cells: AnnData, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    cells.obs["one"] = "x"
    cells.obs["named"] = np.where(cells.obs["fate"] == "a", "a", "all")
    with pytest.raises(error, match=words):
        cs.tl.transfer(cells, **kwargs)


def test_components_of_scanpy_are_taken_second(cells: AnnData) -> None:
    adata = cells.copy()
    expected = cs.tl.transfer(adata, "fate", solver="mean_shift", metrics="l2_means", n_boot=0)
    adata.obsm["X_pca"] = adata.obsm.pop("X_cellot")
    table = cs.tl.transfer(adata, "fate", solver="mean_shift", metrics="l2_means", n_boot=0)
    np.testing.assert_array_equal(table["value"], expected["value"])
