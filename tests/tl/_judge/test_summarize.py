from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs


def scores(values: dict[tuple[str, str, str], list[float]], **columns: Any) -> pd.DataFrame:
    """Return a table with a value for every fold, by model, metric and group."""
    rows = [
        (
            *(model, metric, "identity" if metric.endswith("_calibrated") else "-", "drug", group, "ood", 0, 5),
            *(10 + fold, value, np.nan, np.nan, f"fold_{fold}"),
        )
        for (model, metric, group), of_folds in values.items()
        for fold, value in enumerate(of_folds)
    ]
    names = "model metric floor perturbation group split seed n_features n_cells value ci_low ci_high fold"
    return pd.DataFrame(rows, columns=names.split()).assign(**columns)


E, CALIBRATED = "energy_distance", "energy_distance_calibrated"


def test_mean_and_interval_over_units():
    rng = np.random.default_rng(0)
    of_folds = rng.normal(size=30)
    [row] = cs.tl.summarize_scores(scores({("icnn", E, "all"): list(of_folds)}), "fold").to_dict("records")
    assert row["value"] == pytest.approx(of_folds.mean())
    assert (row["fold"], row["perturbation"], row["n_units"]) == ("mean", "drug", 30)
    assert row["n_cells"] == sum(range(10, 40))
    half = 1.96 * of_folds.std() / np.sqrt(30)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((row["value"] - half, row["value"] + half), abs=0.06)
    assert "seed" not in row


def test_models_share_resamples():
    table = scores({("icnn", E, "all"): [1, 2, 9], ("gaussian", E, "all"): [2, 3, 10]})
    means: Any = cs.tl.summarize_scores(table, "fold").set_index("model")
    for column in ("value", "ci_low", "ci_high"):
        assert means.loc["gaussian", column] == pytest.approx(means.loc["icnn", column] + 1)


def test_seeds_are_averaged_first():
    one = scores({("icnn", E, "all"): [1, 2]})
    # of one fold, there is another seed
    other = one.iloc[:1].assign(seed=1, value=5.0)
    means: Any = cs.tl.summarize_scores(pd.concat([one, other]), "fold")
    assert means["value"].item() == pytest.approx((3 + 2) / 2)
    assert means["n_units"].item() == 2
    assert means["n_cells"].item() == 10 + 11


def test_a_calibrated_score_is_the_ratio_of_means():
    table = scores(
        {
            ("identity", E, "all"): [4, 1.0],
            ("observed", E, "all"): [0, 0.99],
            ("icnn", E, "all"): [1, 0.9],
            ("icnn", CALIBRATED, "all"): [0.75, np.nan],
        }
    )
    found: Any = cs.tl.summarize_scores(table, "fold").set_index("metric").loc[CALIBRATED]
    assert found["value"] == pytest.approx((5 - 1.9) / (5 - 0.99))
    assert (found["n_units"], found["floor"]) == (2, "identity")
    # of the fold alone that hardly has a gap
    assert found["ci_high"] == pytest.approx((1 - 0.9) / (1 - 0.99), rel=1e-6)
    assert found["ci_low"] == 0.75


def test_a_calibrated_score_is_missing_where_no_gap_is_sure():
    table = scores(
        {
            ("identity", E, "all"): [4, 1.0],
            ("observed", E, "all"): [0, 1.01],
            ("icnn", E, "all"): [1, 0.9],
            ("icnn", CALIBRATED, "all"): [0.75, np.nan],
        }
    )
    found: Any = cs.tl.summarize_scores(table, "fold").set_index("metric")
    assert found.loc[CALIBRATED, ["value", "ci_low", "ci_high"]].isna().all()
    assert found.loc[E, "value"].notna().all()
    # without resamples, the means themselves tell
    found = cs.tl.summarize_scores(table, "fold", n_boot=0).set_index("metric")
    assert found.loc[CALIBRATED, "value"] == pytest.approx((5 - 1.9) / (5 - 1.01))
    # of one fold, no interval says more than its own
    only: Any = cs.tl.summarize_scores(table[table["fold"] == "fold_1"], "fold").set_index("metric")
    assert np.isnan(only.loc[CALIBRATED, "value"])
    only = cs.tl.summarize_scores(table[table["fold"] == "fold_0"], "fold").set_index("metric")
    assert only.loc[CALIBRATED, "value"] == 0.75


def test_what_is_best_in_between_is_calibrated_by_how_bad_it_is():
    name = "variance_ratio"
    table = scores(
        {
            ("identity", name, "all"): [4, 0.25],
            ("observed", name, "all"): [1, 1],
            ("icnn", name, "all"): [0.5, 2],
            ("icnn", f"{name}_calibrated", "all"): [0.5, 0.5],
        }
    )
    found: Any = cs.tl.summarize_scores(table, "fold").set_index(["metric", "model"])["value"]
    assert found[name, "icnn"] == 1.25
    assert found[f"{name}_calibrated", "icnn"] == pytest.approx(0.5)


def test_different_floors_stay_apart():
    table = scores(
        {
            ("identity", E, "all"): [4, 8, 4],
            ("gaussian", E, "all"): [2, 2, 2],
            ("observed", E, "all"): [0, 0, 0],
            ("icnn", E, "all"): [1, 1, 1],
            ("icnn", CALIBRATED, "all"): [0.75, 0.875, 0.5],
        }
    )
    other = (table["fold"] == "fold_2") & (table["metric"] == CALIBRATED)
    table.loc[other, "floor"] = "gaussian"
    means: Any = cs.tl.summarize_scores(table, "fold")
    assert len(means[means["metric"] == E]) == 4
    found = means[means["metric"] == CALIBRATED].set_index("floor")
    assert found["n_units"].to_dict() == {"identity": 2, "gaussian": 1}
    assert found["value"].to_dict() == {"identity": pytest.approx(10 / 12), "gaussian": 0.5}


def test_calibrated_scores_need_what_they_are_made_of():
    table = scores({("icnn", E, "all"): [1, 2], ("icnn", CALIBRATED, "all"): [0.5, 0.5]})
    with pytest.raises(ValueError, match="energy_distance_calibrated of 'icnn', but no energy_distance of 'identity'"):
        cs.tl.summarize_scores(table, "fold")


def test_an_unknown_metric_is_told(caplog: pytest.LogCaptureFixture):
    table = scores({(model, "mine", "all"): [1.0, 2] for model in ("icnn", "identity", "observed")})
    more = scores({("icnn", "mine_calibrated", "all"): [0.5, 0.5]})
    means: Any = cs.tl.summarize_scores(pd.concat([table, more]), "fold").set_index("metric")["value"]
    assert np.isnan(means["mine_calibrated"]) and means["mine"].tolist() == [1.5] * 3
    assert "no metric is registered as ['mine']: means of calibrated scores are missing" in caplog.text


def test_calibrated_scores_of_the_worst_group_are_averaged():
    table = scores(
        {
            ("identity", E, "worst"): [4, 2],
            ("observed", E, "worst"): [0, 0],
            ("icnn", E, "worst"): [1, 1],
            ("icnn", CALIBRATED, "worst"): [0.2, 0.4],
        }
    )
    found = cs.tl.summarize_scores(table, "fold").set_index("metric").loc[CALIBRATED, "value"]
    assert found == pytest.approx(0.3)


@pytest.mark.parametrize("metric", [E, "variance_ratio", "pearson_delta"])
def test_of_one_unit_it_is_what_the_table_has(simulated: AnnData, metric: str):
    adata = simulated.copy()
    cs.tl.cellot(adata, solver="gaussian")
    table = cs.tl.evaluate(adata, metrics=metric, targets="drug_a", groupby="cell_type", floor="mean_shift", n_boot=0)
    means = cs.tl.summarize_scores(table, n_boot=0)
    keys = ["model", "metric", "floor", "group"]
    both = table.merge(means, on=keys, validate="1:1")
    assert len(both) == len(table) and both["value_x"].notna().any()
    np.testing.assert_allclose(both["value_x"], both["value_y"], equal_nan=True)


def test_unknown_units_are_left_out():
    table = scores({("observed", E, "all"): [1, np.nan, 3], ("other", E, "all"): [np.nan] * 3})
    means: Any = cs.tl.summarize_scores(table, "fold").set_index("model")
    assert means.loc["observed", ["value", "n_units"]].tolist() == [2, 2]
    assert np.isnan(means.loc["other", "value"])
    assert means.loc["other", "n_units"] == 0


def test_what_else_differs_is_kept_apart():
    table = pd.concat(
        [
            scores({("icnn", E, "all"): [1, 3], ("icnn", E, "mean"): [5, 7]}, data="a"),
            scores({("icnn", E, "all"): [10, 30]}, data="b"),
        ]
    )
    means: Any = cs.tl.summarize_scores(table, "fold").set_index(["data", "group"])["value"]
    assert means.to_dict() == {("a", "all"): 2, ("a", "mean"): 6, ("b", "all"): 20}


def test_numbers_of_cells_that_were_asked_for_are_kept_apart(simulated: AnnData):
    adata = simulated.copy()
    cs.tl.cellot(adata, solver="gaussian")
    table = cs.tl.evaluate(adata, metrics="l2_means", n_cells=[10, 20], n_boot=0)
    means: Any = cs.tl.summarize_scores(table)
    assert set(means["n_cells"]) == {10, 20}
    row = means[(means["model"] == "identity") & (means["n_cells"] == 10) & (means["metric"] == "l2_means")]
    part = table[(table["model"] == "identity") & (table["n_cells"] == 10) & (table["metric"] == "l2_means")]
    assert row["value"].item() == pytest.approx(part["value"].mean())


def test_no_resamples():
    means: Any = cs.tl.summarize_scores(scores({("icnn", E, "all"): [1, 3]}), "fold", n_boot=0)
    assert means["value"].item() == 2
    assert means[["ci_low", "ci_high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"unit": "fld"}, KeyError, "table has no column 'fld'.*Did you mean 'fold'"),
        ({"n_boot": -1}, ValueError, "n_boot is -1"),
        ({"seed": 0.5}, ValueError, "seed is 0.5"),
    ],
)
def test_bad_input(change: dict[str, object], error: type[Exception], message: str):
    table = scores({("icnn", E, "all"): [1, 3]})
    with pytest.raises(error, match=message):
        cs.tl.summarize_scores(table, **({"unit": "fold"} | change))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="table has no rows: one made by cs.tl.evaluate is needed"):
        cs.tl.summarize_scores(table.iloc[:0], "fold")


def test_a_unit_that_is_named_like_the_summary():
    table = scores({("icnn", E, "all"): [1, 2]})
    with pytest.raises(ValueError, match="unit 'fold' has a category 'mean', which names a summary in tables: rename"):
        cs.tl.summarize_scores(table.assign(fold=["mean", "fold_1"]), "fold")
