"""The main job on real cells: blood of lupus patients with and without interferon beta (Kang et al. 2018)."""

from __future__ import annotations

import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData

import cellot_sc as cs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kang(test_data: Path) -> AnnData:
    path = test_data / "kang_harmony_scgen.h5ad"
    if not path.is_file():
        pytest.skip(f"no real data: {path} is no file")
    adata = anndata.read_h5ad(path)
    adata = adata[adata.obs["demuxlet"] == "SNG"].copy()
    adata.obs_names_make_unique()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=1000)
    adata = adata[:, adata.var["highly_variable"]].copy()
    cs.pp.split(adata, "condition", test_fraction=0.2)
    cs.pp.represent(adata, n_components=50)
    return adata


@pytest.fixture(scope="module")
def seconds(kang: AnnData) -> float:
    start = time.perf_counter()
    cs.tl.cellot(kang, "condition")
    return time.perf_counter() - start


@pytest.fixture(scope="module")
def scores(kang: AnnData, seconds: float) -> pd.DataFrame:
    return cs.tl.evaluate(kang, metrics=("energy_distance",), groupby="cell_type").set_index(["model", "group"])


def test_takes_less_than_a_minute(seconds: float):
    assert seconds < 60


def test_pooled_energy_distance_is_within_noise(scores: pd.DataFrame):
    pooled = scores.xs("all", level="group")
    pooled = pooled[pooled["metric"] == "energy_distance"]
    icnn = pooled.loc["icnn"]
    # within half the width of its own bootstrap interval of the best that could be hoped for
    noise = (icnn["ci_high"] - icnn["ci_low"]) / 2
    assert icnn["value"] <= pooled.loc["gaussian", "value"] + noise
    assert icnn["value"] <= pooled.loc["observed", "value"] + noise
    assert icnn["value"] < 0.05 * pooled.loc["identity", "value"]


def test_response_within_cell_types_is_no_worse_than_the_gaussian_map(scores: pd.DataFrame):
    within = scores.xs("mean", level="group")
    within = within[within["metric"] == "energy_distance"]
    icnn = within.loc["icnn"]
    # no worse than the Gaussian map by more than half the width of its own interval: rare types have some 20 test cells
    assert icnn["value"] <= within.loc["gaussian", "value"] + (icnn["ci_high"] - icnn["ci_low"]) / 2
    assert icnn["value"] < 0.25 * within.loc["mean_shift", "value"]


def test_interferon_genes_are_predicted_up(kang: AnnData, seconds: float):
    test = kang.obs["split"] == "test"
    control = kang[test & (kang.obs["condition"] == "control")]
    predicted = cs.tl.predict(kang, "stimulated", cells=control.obs_names)
    observed = kang[test & (kang.obs["condition"] == "stimulated")]
    effect = pd.Series(predicted.X.mean(0) - np.asarray(control.X.mean(0)).ravel(), kang.var_names)
    truth = pd.Series(np.asarray(observed.X.mean(0) - control.X.mean(0)).ravel(), kang.var_names)
    top = truth.nlargest(20).index
    assert len(set(effect.nlargest(20).index) & set(top)) >= 16
    assert np.corrcoef(effect, truth)[0, 1] > 0.97
