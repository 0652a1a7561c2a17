from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.metrics import discrimination_score, l2_means

N_PERTURBATIONS = 5


@pytest.fixture(scope="module")
def screen() -> AnnData:
    """Five perturbations that move cells along axes of their own, and maps for them."""
    rng = np.random.default_rng(0)
    names = np.repeat(["control", *(f"p{i}" for i in range(N_PERTURBATIONS))], 100)
    x = rng.normal(size=(len(names), 8)).astype(np.float32)
    for i in range(N_PERTURBATIONS):
        x[names == f"p{i}", i] += 2
    obs = pd.DataFrame({"perturbation": names}, index=[f"c{i}" for i in range(len(names))])
    obs["type"] = np.where(np.arange(len(names)) % 3 == 0, "rare", "common")
    adata = AnnData(x, obs=obs)
    cs.pp.split(adata, test_fraction=0.4, stratify_by="type")
    cs.tl.cellot(adata, solver="mean_shift", use_rep="X")
    return adata


class TestDiscrimination:
    @pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
    def test_is_the_score_of_effects(self, screen: AnnData, distance: str):
        name = f"discrimination_{distance}"
        table = cs.tl.evaluate(screen, metrics=[name, "l2_means"], n_boot=0)
        test = (screen.obs["split"] == "test").to_numpy()
        labels = screen.obs["perturbation"].to_numpy()
        x = np.asarray(screen.X)
        control = x[test & (labels == "control")]
        maps = cs.tl.maps(screen)
        predicted = [maps[f"p{i}"].transport(control).mean(0) - control.mean(0) for i in range(N_PERTURBATIONS)]
        observed = [x[test & (labels == f"p{i}")].mean(0) - control.mean(0) for i in range(N_PERTURBATIONS)]
        expected = discrimination_score(np.array(predicted), np.array(observed), distance=distance)  # type: ignore[arg-type]
        scores = table[table["metric"] == name].pivot(index="perturbation", columns="model", values="value")
        np.testing.assert_allclose(scores["mean_shift"], expected)
        assert (scores["mean_shift"] == 1).all()
        assert (scores["observed"] == 1).all()
        # no effect is as far from any other
        np.testing.assert_allclose(scores["identity"].mean(), 0.5 + 0.5 / N_PERTURBATIONS, atol=0.11)
        assert table.loc[table["metric"] == name, ["ci_low", "ci_high"]].isna().all(axis=None)
        assert not table.duplicated(["model", "metric", "perturbation", "group"]).any()

    def test_groups_and_halves(self, screen: AnnData):
        adata = screen.copy()
        adata.obs["split"] = adata.obs["split"].astype(str).replace({"test": "ood"})
        # one perturbation has too few cells of the group to be told from the others there
        gone = (adata.obs["perturbation"] == "p4") & (adata.obs["type"] == "rare") & (adata.obs["split"] == "ood")
        adata = adata[~gone].copy()
        table = cs.tl.evaluate(adata, split="ood", metrics="discrimination_l2", groupby="type", n_boot=3)
        table = table[table["metric"] == "discrimination_l2"]
        counts = table[table["model"] == "mean_shift"].groupby("group")["perturbation"].nunique()
        assert counts.to_dict() == {"all": 5, "common": 5, "equal": 4, "mean": 5, "rare": 4, "worst": 5}
        observed = table[(table["model"] == "observed") & (table["group"] == "all")]
        assert (observed["value"] > 0.9).all()
        by_group = table[(table["model"] == "mean_shift") & (table["perturbation"] == "p0")].set_index("group")["value"]
        assert by_group["mean"] == pytest.approx((by_group["common"] + by_group["rare"]) / 2)

    def test_perturbations_as_units(self, screen: AnnData):
        table = cs.tl.evaluate(screen, metrics="discrimination_l1", unit="perturbation", n_boot=100)
        of_all = (table["perturbation"] == "mean") & (table["metric"] == "discrimination_l1")
        means: Any = table[of_all].set_index("model")
        assert means.loc["mean_shift", "value"] == 1
        assert means.loc["identity", "ci_low"] < means.loc["identity", "ci_high"]


class TestSamples:
    def test_value_is_the_mean_over_ten_samples(self, screen: AnnData):
        sizes = [10, 20, 40, 10_000]
        table = cs.tl.evaluate(screen, metrics=["l2_means", "energy_distance"], n_cells=sizes, n_boot=50)
        assert set(table["n_cells"]) == {10, 20, 40}
        assert not table.duplicated(["model", "metric", "perturbation", "n_cells"]).any()
        of_identity = table[(table["model"] == "identity") & (table["metric"] == "l2_means")]
        rows: Any = of_identity[of_identity["perturbation"] == "p0"].set_index("n_cells")
        # noise of the means adds to their distance: the fewer cells, the more
        assert rows.loc[10, "value"] > rows.loc[20, "value"] > rows.loc[40, "value"]
        # with all cells, all samples are the same
        test = (screen.obs["split"] == "test").to_numpy()
        labels = screen.obs["perturbation"].to_numpy()
        exact = l2_means(screen.X[test & (labels == "control")], screen.X[test & (labels == "p0")])
        assert rows.loc[40, "value"] == pytest.approx(exact)
        assert rows.loc[40, "ci_low"] == pytest.approx(rows.loc[40, "ci_high"])
        assert rows.loc[10, "ci_low"] < rows.loc[10, "value"] < rows.loc[10, "ci_high"]

    def test_ceiling_needs_as_many_other_cells(self, screen: AnnData):
        adata = screen.copy()
        adata.obs["split"] = adata.obs["split"].astype(str).replace({"test": "ood"})
        for data, split, largest in ((screen, "test", 40), (adata, "ood", 20)):
            table = cs.tl.evaluate(data, split=split, metrics="energy_distance", n_cells=[20, 25, 40], n_boot=0)
            rows: Any = table[(table["model"] == "observed") & (table["perturbation"] == "p0")].set_index("n_cells")
            assert rows.index[rows["value"].notna()].max() == largest
            assert abs(rows.loc[20, "value"]) < 0.3

    def test_markers_and_cells_in_turn(self, screen: AnnData):
        table = cs.tl.evaluate(screen, metrics="l2_means", n_markers=[1, 4], n_cells=[10, 30], groupby="type", n_boot=0)
        settings = table[["n_features", "n_cells"]].drop_duplicates()
        assert len(settings) == 4
        one = table[(table["model"] == "identity") & (table["n_features"] == 1) & (table["group"] == "all")]
        # the one marker is the axis of the effect
        assert (one["value"] - 2).abs().max() < 1
        # there are under thirty cells of the rare type
        assert set(table.loc[table["group"] == "rare", "n_cells"]) == {10}

    def test_sizes_that_no_cloud_has_are_told_of(self, screen: AnnData, caplog: pytest.LogCaptureFixture):
        table = cs.tl.evaluate(screen, metrics="l2_means", n_cells=[41, 20], n_boot=0)
        assert set(table["n_cells"]) == {20}
        assert "p0, all: 40 cells of a kind are too few to sample [41]" in caplog.text
