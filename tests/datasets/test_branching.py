from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cellot_sc as cs


def test_what_it_holds() -> None:
    adata = cs.datasets.simulate_branching(601, 40)
    assert adata.shape == (601, 40)
    assert adata.obs["time"].value_counts(sort=False).to_dict() == {0: 201, 1: 200, 2: 200}
    assert set(adata.obs["fate"]) == {"fate_a", "fate_b", "fate_c"}
    early = adata.obs["time"] < 1.5
    assert (adata.obs.loc[early, "cell_type"] == "progenitor").all()
    assert (adata.obs.loc[~early, "cell_type"].astype(str) == adata.obs.loc[~early, "fate"].astype(str)).all()
    assert adata.obsm["X_clone"].shape[0] == 601
    assert (adata.obsm["X_clone"].sum(axis=1) == 1).all()
    assert (adata.obs["growth"] == 1).all()


def test_same_seed_same_cells() -> None:
    a, b, c = (cs.datasets.simulate_branching(300, 20, seed=seed) for seed in (1, 1, 2))
    assert (a.X != b.X).nnz == 0
    assert (a.obs == b.obs).all(axis=None)
    assert (a.X != c.X).nnz > 0


def test_clones_mostly_have_one_fate() -> None:
    adata = cs.datasets.simulate_branching(3000, 20)
    clone = np.asarray(adata.obsm["X_clone"].argmax(axis=1)).ravel()
    shares = adata.obs.groupby(clone)["fate"].agg(lambda fates: fates.value_counts(normalize=True).max())
    assert shares.mean() > 0.75
    assert (shares < 1).any()


def test_what_grows_takes_over() -> None:
    adata = cs.datasets.simulate_branching(6000, 20, fates=("a", "b"), growth={"a": 3}, n_times=2)
    counts = adata.obs.groupby("time", observed=True)["fate"].value_counts().unstack()
    odds = counts["a"] / counts["b"]
    assert odds[1] / odds[0] == pytest.approx(3, rel=0.15)
    assert set(adata.obs.loc[adata.obs["fate"] == "a", "growth"]) == {3.0}


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"n_times": 1}, "n_times is 1; at least 2 are needed"),
        ({"n_cells": 2}, "n_cells is 2; at least 3 are needed"),
        ({"fates": ["a", "progenitor"]}, "fates has 'progenitor'"),
        ({"growth": {"fate_d": 2}}, "fate of growth 'fate_d' is unknown. Did you mean"),
        ({"growth": {"fate_a": 0}}, "growth of 'fate_a' is 0; a positive, finite number is needed"),
        ({"growth": {"fate_a": float("inf")}}, "growth of 'fate_a' is inf"),
        ({"growth": {"fate_a": 1e29}, "n_times": 6}, r"more than 10\^100 descendants"),
        ({"growth": {"fate_a": 1e-29}, "n_times": 6}, r"less than 10\^-100"),
        ({"growth": 3}, "growth is 3; a number for each fate"),
        ({"fates": None}, "fates is None: one name or several"),
    ],
)
def test_errors(kwargs: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cs.datasets.simulate_branching(**kwargs)
