from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _defaults
from cellot_sc.tl._fit import blocks
from cellot_sc.tl._judge.judging import Judging, prepare

N_TARGETS = 10
METRICS = ["energy_distance", "discrimination_l2"]


@pytest.fixture(scope="module")
def screen() -> AnnData:
    """Ten perturbations, in two blocks, and maps for them."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(np.arange(-2, N_TARGETS), 40)
    x = rng.normal(size=(len(numbers), 3)).astype(np.float32) + np.maximum(numbers, 0)[:, None] / 5
    labels = np.where(numbers < 0, "control", [f"p{i}" for i in numbers])
    obs = pd.DataFrame({"perturbation": labels, "type": np.resize(["x", "y"], len(x))})
    adata = AnnData(x, obs.set_index(obs.index.astype(str)))
    cs.pp.split(adata, test_fraction=0.4)
    cs.tl.cellot(adata, solver="mean_shift", use_rep="X")
    return adata


def judging(adata: AnnData, **predictions: AnnData) -> Judging:
    return prepare(
        adata, predictions=predictions, targets=None, key="cellot", split="test", groupby="type", metrics=METRICS,
        space="genes", baselines=[*_defaults.BASELINES], n_markers=None, n_cells=None, unit=None, floor=None,
        n_boot=4, seed=1,
    )  # fmt: skip


def test_blocks_apart_make_the_table_of_all(screen: AnnData) -> None:
    asked = judging(screen)
    parts = [[asked.names[i] for i in rows] for rows in blocks.split(len(asked.names))]
    assert len(parts) == 2
    judgements = {name: one for part in parts[::-1] for name, one in asked.judgements(part).items()}
    table = asked.tabulation.table({name: judgements[name] for name in asked.names})
    shared = {"groupby": "type", "metrics": METRICS, "space": "genes", "n_boot": 4, "seed": 1}
    once = cs.tl.evaluate(screen, baselines=_defaults.BASELINES, **shared)  # type: ignore[arg-type]
    assert len(table) > 100
    # floors of the two metrics, and none for the scores themselves
    assert set(table["floor"]) > {"-"}
    pd.testing.assert_frame_equal(table, once, check_exact=True)


def test_digests_are_those_of_the_maps_and_the_cells(screen: AnnData) -> None:
    known = judging(screen).digests
    assert judging(screen.copy()).digests == known
    other = screen.copy()
    test = (other.obs["split"] == "test").to_numpy()
    other.X[np.flatnonzero(test)[0], 0] += np.float32(1e-3)
    assert judging(other).digests == known | {"cells": judging(other).digests["cells"]} != known
    other = screen.copy()
    other.obs["type"] = other.obs["type"].to_numpy()[::-1]
    assert judging(other).digests["cells"] != known["cells"]


def test_given_predictions_are_known_by_their_cells(screen: AnnData) -> None:
    predicted = cs.tl.predict(screen)
    known = judging(screen, tool=predicted).digests
    assert known.keys() - judging(screen).digests.keys() == {"prediction tool"}
    assert judging(screen, tool=predicted.copy()).digests == known
    predicted.X[:, 0] += np.float32(1e-3)
    assert judging(screen, tool=predicted).digests != known
