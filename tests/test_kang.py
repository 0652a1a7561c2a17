"""The main job on real cells: blood of lupus patients with and without interferon beta (Kang et al. 2018)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData

import cellot_sc as cs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kang(kang_cells: AnnData) -> AnnData:
    adata = kang_cells.copy()
    sc.pp.highly_variable_genes(adata, n_top_genes=1000)
    adata = adata[:, adata.var["highly_variable"]].copy()
    cs.pp.split(adata, "condition", test_fraction=0.2)
    cs.pp.represent(adata, n_components=50)
    return adata


@pytest.fixture(scope="module")
def with_maps(kang: AnnData) -> AnnData:
    cs.tl.cellot(kang, "condition")
    return kang


@pytest.fixture(scope="module")
def scores(with_maps: AnnData) -> pd.DataFrame:
    table = cs.tl.evaluate(with_maps, metrics="energy_distance", groupby="cell_type")
    return table[table["metric"] == "energy_distance"]


def by_model(scores: pd.DataFrame, group: str, column: str = "value") -> dict[str, float]:
    """Return the energy distance of every model, over all cells, of a cell type, or as the mean over types."""
    rows = scores[scores["group"] == group]
    return dict(zip(rows["model"], rows[column], strict=True))


def noise(scores: pd.DataFrame, group: str) -> float:
    """Return half the width of the bootstrap interval of the networks' own score."""
    return (by_model(scores, group, "ci_high")["icnn"] - by_model(scores, group, "ci_low")["icnn"]) / 2


def test_pooled_energy_distance_is_within_noise(scores: pd.DataFrame):
    pooled = by_model(scores, "all")
    assert pooled["icnn"] <= pooled["gaussian"] + noise(scores, "all")
    assert pooled["icnn"] <= pooled["observed"] + noise(scores, "all")
    assert pooled["icnn"] < 0.05 * pooled["identity"]


def test_mean_over_cell_types_is_no_worse_than_that_of_the_gaussian_map(scores: pd.DataFrame):
    within = by_model(scores, "mean")
    # types of a dozen cells count as much as those of hundreds, so that noise is large
    assert within["icnn"] <= within["gaussian"] + noise(scores, "mean")
    assert within["icnn"] < 0.25 * within["mean_shift"]


def test_type_that_responds_most_is_predicted_better_than_by_the_gaussian_map(scores: pd.DataFrame):
    start = scores[(scores["model"] == "identity") & ~scores["group"].isin(["all", "mean", "worst"])]
    strongest = str(start.set_index("group")["value"].idxmax())
    of_type = by_model(scores, strongest)
    assert of_type["icnn"] < of_type["gaussian"]


def test_interferon_genes_are_predicted_up(with_maps: AnnData):
    kang = with_maps
    test = kang.obs["split"] == "test"
    control = kang[test & (kang.obs["condition"] == "control")]
    predicted = cs.tl.predict(kang, "stimulated", cells=control.obs_names)
    observed = kang[test & (kang.obs["condition"] == "stimulated")]
    effect = pd.Series(predicted.X.mean(0) - np.asarray(control.X.mean(0)).ravel(), kang.var_names)
    truth = pd.Series(np.asarray(observed.X.mean(0) - control.X.mean(0)).ravel(), kang.var_names)
    top = truth.nlargest(20).index
    assert len(set(effect.nlargest(20).index) & set(top)) >= 16
    assert np.corrcoef(effect, truth)[0, 1] > 0.97
