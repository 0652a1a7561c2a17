from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.metrics import energy_distance, l2_means, legacy_mmd, median_gammas, mmd
from cellot_sc.tl._judge import clouds

METRICS = ("energy_distance", "mmd", "l2_means")


@pytest.fixture(scope="module")
def fitted(simulated: AnnData) -> AnnData:
    """Simulated cells with a mean shift per perturbation."""
    adata = simulated.copy()
    cs.pp.split(adata, test_fraction=0.4)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, solver="mean_shift", seed=7)
    return adata


@pytest.fixture(scope="module")
def scores(fitted: AnnData) -> pd.DataFrame:
    return cs.tl.evaluate(fitted, metrics=METRICS, groupby="cell_type", floor="identity", n_boot=50)


def cloud(adata: AnnData, perturbation: str, split: str = "test", **also: str) -> np.ndarray:
    mask = (adata.obs["perturbation"] == perturbation) & (adata.obs["split"] == split)
    for key, value in also.items():
        mask &= adata.obs[key] == value
    return adata.obsm["X_cellot"][mask.to_numpy()]


def one(scores: pd.DataFrame, **where: str) -> pd.Series:
    rows = scores
    for column, value in ({"group": "all"} | where).items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_table_is_tidy(fitted: AnnData, scores: pd.DataFrame):
    assert list(scores.columns) == [
        *("model", "metric", "floor", "perturbation", "group", "split", "compared", "seed"),
        *("n_features", "n_cells", "value", "ci_low", "ci_high"),
    ]
    assert not scores.duplicated(["model", "metric", "perturbation", "group"]).any()
    # the fit was itself a mean shift, and appears once
    baselines = {"gaussian", "group_shift", "group_gaussian"}
    assert set(scores["model"]) == {"mean_shift", "identity", *baselines, "observed"}
    assert set(scores["perturbation"]) == {"drug_a", "drug_b"}
    types = set(fitted.obs["cell_type"])
    assert set(scores["group"]) == {"all", "equal", "mean", "worst"} | types
    assert set(scores["split"]) == {"test"}
    assert set(scores["n_features"]) == {8}
    assert set(scores["seed"]) == {7}
    calibrated = {f"{metric}_calibrated" for metric in METRICS}
    assert set(scores["metric"]) == {*METRICS, *calibrated}
    is_calibrated = scores["metric"].isin(calibrated)
    assert set(scores.loc[~is_calibrated, "floor"]) == {"-"}
    assert set(scores.loc[is_calibrated, "floor"]) == {"identity"}
    assert set(scores.loc[is_calibrated, "model"]) == {"mean_shift", *baselines}


@pytest.mark.parametrize("target", ["drug_a", "drug_b"])
def test_values_are_those_of_the_metrics(fitted: AnnData, scores: pd.DataFrame, target: str):
    control, observed, train = (
        cloud(fitted, "control"),
        cloud(fitted, target),
        cloud(fitted, target, "train"),
    )
    shift = train.mean(0) - cloud(fitted, "control", "train").mean(0)
    assert len(train) > len(control)
    gammas = median_gammas(control, observed)
    for model, predicted in {"identity": control, "mean_shift": control + shift}.items():
        for metric, expected in {
            "energy_distance": energy_distance(predicted, observed),
            # one bandwidth for all models, from observed cells
            "mmd": mmd(predicted, observed, gamma=gammas),
            "l2_means": l2_means(predicted, observed),
        }.items():
            row = one(scores, model=model, metric=metric, perturbation=target)
            assert row["value"] == pytest.approx(expected, rel=1e-4, abs=1e-6)
            assert row["n_cells"] == len(observed)


def test_gaussian_control_is_fitted_on_the_same_train_cells(fitted: AnnData, scores: pd.DataFrame):
    again = fitted.copy()
    cs.tl.cellot(again, solver="gaussian", key_added="other")
    direct = cs.tl.evaluate(again, key="other", metrics=METRICS, n_boot=0)
    for target in ("drug_a", "drug_b"):
        for metric in METRICS:
            where = {"model": "gaussian", "metric": metric, "perturbation": target}
            assert one(scores, **where)["value"] == pytest.approx(one(direct, **where)["value"], abs=1e-6)


def test_ceiling_is_train_cells_as_many_as_control_cells(fitted: AnnData):
    # small enough for the train cells not to be sampled: the value is then known
    few = fitted[(fitted.obs["split"] != "train") | (np.arange(fitted.n_obs) % 4 == 0)].copy()
    table = cs.tl.evaluate(few, metrics=["energy_distance", "legacy_mmd"], n_boot=0)
    for target in ("drug_a", "drug_b"):
        train, observed = cloud(few, target, "train"), cloud(few, target)
        assert len(train) <= len(cloud(few, "control"))
        for metric, function in {"energy_distance": energy_distance, "legacy_mmd": legacy_mmd}.items():
            row = one(table, model="observed", metric=metric, perturbation=target)
            assert row["value"] == pytest.approx(function(train, observed), rel=1e-4, abs=1e-6)


def test_calibrated_scores_relate_a_model_to_its_floor_and_the_ceiling(scores: pd.DataFrame):
    table = scores.pivot(index=["perturbation", "group", "metric"], columns="model", values="value")
    n_known = 0
    for target in ("drug_a", "drug_b"):
        for group in ("all", "mean"):
            of_group = table.xs((target, group), level=("perturbation", "group"))
            for metric in METRICS:
                values, found = of_group.loc[metric], of_group.loc[f"{metric}_calibrated"]["mean_shift"]
                gap = values["identity"] - values["observed"]
                if not np.isnan(found):
                    n_known += 1
                    assert found == pytest.approx((values["identity"] - values["mean_shift"]) / gap)
    assert n_known


def test_a_right_map_is_as_good_as_a_replicate():
    rng = np.random.default_rng(0)
    n, effect = 1200, np.array([2.0, 0, -1])
    obs = pd.DataFrame({"perturbation": np.repeat(["control", "drug"], n // 2)}, index=[f"c{i}" for i in range(n)])
    x = rng.normal(size=(n, 3)) + np.where(obs["perturbation"] == "drug", 1, 0)[:, None] * effect
    adata = AnnData(x.astype(np.float32), obs=obs)
    cs.pp.split(adata)
    cs.tl.cellot(adata, solver="mean_shift", use_rep="X")
    table = cs.tl.evaluate(adata, metrics=["energy_distance", "pearson_delta", "variance_ratio"], floor="identity")
    closed = one(table, model="mean_shift", metric="energy_distance_calibrated")
    assert closed["floor"] == "identity"
    assert closed["value"] == pytest.approx(1, abs=0.05)
    assert closed["ci_low"] < 1 < closed["ci_high"]
    assert one(table, model="mean_shift", metric="pearson_delta")["value"] > 0.98
    assert one(table, model="mean_shift", metric="variance_ratio")["value"] == pytest.approx(1, abs=0.2)
    assert np.isnan(one(table, model="identity", metric="pearson_delta")["value"])


def test_groups(fitted: AnnData, scores: pd.DataFrame):
    by_group = scores[(scores["metric"] == "energy_distance") & (scores["perturbation"] == "drug_a")]
    types = sorted(set(by_group["group"]) - {"all", "equal", "mean", "worst"})
    assert len(types) >= 2
    for model in ("identity", "gaussian"):
        values = by_group[by_group["model"] == model].set_index("group")["value"]
        assert values["mean"] == pytest.approx(values[types].mean())
        assert values["worst"] == values[types].max()
    for name in types:
        control = cloud(fitted, "control", cell_type=name)
        observed = cloud(fitted, "drug_a", cell_type=name)
        row = one(scores, model="identity", metric="energy_distance", perturbation="drug_a", group=name)
        assert row["value"] == pytest.approx(energy_distance(control, observed), rel=1e-4)
        assert row["n_cells"] == len(observed)
        gammas = median_gammas(cloud(fitted, "control"), cloud(fitted, "drug_a"))
        row = one(scores, model="identity", metric="mmd", perturbation="drug_a", group=name)
        assert row["value"] == pytest.approx(mmd(control, observed, gamma=gammas), rel=1e-3, abs=1e-6)


def test_small_groups_are_left_out(fitted: AnnData, caplog: pytest.LogCaptureFixture):
    adata = fitted.copy()
    rare = np.full(adata.n_obs, "common", dtype=object)
    in_test = np.flatnonzero((adata.obs["split"] == "test") & (adata.obs["perturbation"] == "control"))
    rare[in_test[:9]] = "rare"
    rare[:3] = None
    adata.obs["group"] = rare
    with caplog.at_level(logging.INFO):
        table = cs.tl.evaluate(adata, metrics="l2_means", groupby="group", n_boot=0)
    assert set(table["group"]) == {"all", "common", "mean", "worst"}
    assert [message for message in caplog.messages if "rare" in message] == [
        "categories of obs['group'] with fewer than 10 control or treated cells in split 'test' are left out: 'rare' "
        "of all 2 perturbations"
    ]


def test_train_cells_are_no_test(fitted: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    few: dict[str, Any] = {"metrics": "l2_means", "baselines": [], "n_boot": 0}
    cs.tl.evaluate(fitted, split="train", **few)
    said = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(said) == 1 and said[0].startswith("train cells are those that the maps were fitted to")
    assert said[0].endswith("Judge by split='test'.")
    caplog.clear()
    cs.tl.evaluate(fitted, **few)
    assert not [one for one in caplog.records if one.levelname == "WARNING"]


def test_contexts_that_no_fit_saw_are_named(prepared: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="group_shift", context="cell_type")
    judged = (adata.obs["split"] == "test").to_numpy()
    types = adata.obs["cell_type"].astype(str)
    adata.obs["cell_type"] = np.where(judged & (types == "type_0"), "new", types)
    n_new = int((judged & (adata.obs["perturbation"] == "control") & (adata.obs["cell_type"] == "new")).sum())
    cs.tl.evaluate(adata, metrics="l2_means", baselines=[], n_boot=0)
    said = [one.getMessage() for one in caplog.records if one.levelname == "WARNING" and "no map" in one.getMessage()]
    assert said == [
        f"{n_new} of 40 cells are of categories of obs['cell_type'] for which there is no map ('new'): they follow "
        "that of all cells; there are maps for 'type_0', 'type_1', 'type_2' and 1 more"
    ]


def test_a_group_without_train_cells_has_no_ceiling(fitted: AnnData):
    adata = fitted.copy()
    name = adata.obs.loc[adata.obs["split"] == "test", "cell_type"].value_counts().idxmax()
    adata = adata[(adata.obs["split"] != "train") | (adata.obs["cell_type"] != name)].copy()
    table = cs.tl.evaluate(adata, metrics="energy_distance", groupby="cell_type", n_boot=0)
    assert np.isnan(one(table, model="observed", metric="energy_distance", perturbation="drug_a", group=name)["value"])
    gap = one(table, model="gaussian", metric="energy_distance_calibrated", perturbation="drug_a", group=name)
    assert np.isnan(gap["value"])


def test_genes_puts_everything_through_the_round_trip(fitted: AnnData):
    table = cs.tl.evaluate(fitted, metrics="energy_distance", space="genes", n_boot=0)
    control, observed = (cs.pp.decode(fitted, cloud(fitted, perturbation)) for perturbation in ("control", "drug_b"))
    row = one(table, model="identity", metric="energy_distance", perturbation="drug_b")
    assert row["value"] == pytest.approx(energy_distance(control, observed), rel=1e-4)
    shift = fitted.uns["cellot"]["maps"]["1"]["shift"]
    predicted = cs.pp.decode(fitted, cloud(fitted, "control") + shift)
    row = one(table, model="mean_shift", metric="energy_distance", perturbation="drug_b")
    assert row["value"] == pytest.approx(energy_distance(predicted, observed), rel=1e-4)


def test_expression_is_its_own_gene_space(fitted: AnnData):
    adata = fitted.copy()
    cs.tl.cellot(adata, solver="mean_shift", use_rep="X", key_added="on_genes")
    latent, genes = (
        cs.tl.evaluate(adata, key="on_genes", metrics="l2_means", space=space, n_boot=0)
        for space in ("latent", "genes")
    )
    pd.testing.assert_frame_equal(latent, genes)


def test_the_same_seed_gives_the_same_table(fitted: AnnData, scores: pd.DataFrame):
    again = cs.tl.evaluate(fitted, metrics=METRICS, groupby="cell_type", floor="identity", n_boot=50)
    pd.testing.assert_frame_equal(scores, again, check_exact=True)
    other = cs.tl.evaluate(fitted, metrics=METRICS, n_boot=50, seed=1)
    row = {"model": "gaussian", "metric": "energy_distance", "perturbation": "drug_a"}
    assert one(other, **row)["value"] == one(scores, **row)["value"]
    assert one(other, **row)["ci_low"] != one(scores, **row)["ci_low"]


def test_other_perturbations_do_not_change_the_scores_of_one(fitted: AnnData, scores: pd.DataFrame):
    alone = fitted[fitted.obs["perturbation"] != "drug_b"].copy()
    cs.tl.cellot(alone, solver="mean_shift", seed=7)
    table = cs.tl.evaluate(alone, metrics=METRICS, groupby="cell_type", floor="identity", n_boot=50)
    both = scores[scores["perturbation"] == "drug_a"].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, both, rtol=1e-5, atol=1e-7)


def test_intervals_surround_the_value(scores: pd.DataFrame):
    rows = scores[scores["metric"].isin(METRICS)]
    assert rows[["ci_low", "ci_high"]].notna().all(axis=None)
    assert ((rows["ci_low"] <= rows["value"]) & (rows["value"] <= rows["ci_high"])).mean() > 0.95


def test_many_cells_are_sampled(fitted: AnnData, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clouds, "MAX_CELLS", 30)
    table = cs.tl.evaluate(fitted, metrics="energy_distance", n_boot=0)
    assert set(table["n_cells"]) == {30}
    pd.testing.assert_frame_equal(table, cs.tl.evaluate(fitted, metrics="energy_distance", n_boot=0))


def test_cells_that_may_differ_from_train_cells_have_their_own_halves_as_ceiling(fitted: AnnData):
    adata = fitted.copy()
    held_out = (adata.obs["split"] == "test").to_numpy()
    adata.obs.loc[held_out, "split"] = "ood"
    # nothing like any train cell
    adata.obsm["X_cellot"][held_out] += 100
    table = cs.tl.evaluate(adata, split="ood", metrics=["energy_distance", "l2_means", "pearson_delta"], n_boot=100)
    for target in ("drug_a", "drug_b"):
        n = len(cloud(adata, target, "ood"))
        ceiling = one(table, model="observed", metric="energy_distance", perturbation=target)
        assert abs(ceiling["value"]) < 0.1
        assert ceiling["ci_low"] < 0.02 < ceiling["ci_high"]
        assert ceiling["n_cells"] == n
        # the distance of two means of n / 2 cells each
        spread = np.sqrt(4 / n * cloud(adata, target, "ood").var(axis=0).sum())
        row = one(table, model="observed", metric="l2_means", perturbation=target)
        assert row["value"] == pytest.approx(spread, rel=0.3)
    # the other one has no effect
    assert one(table, model="observed", metric="pearson_delta", perturbation="drug_a")["value"] > 0.8


def test_mmd_is_the_same_table(fitted: AnnData):
    table = cs.tl.mmd(fitted, n_boot=20, groupby="cell_type")
    names = ["mmd", "legacy_mmd", "legacy_mmd_training"]
    assert set(table["metric"]) == {*names, *(f"{name}_calibrated" for name in names)}
    pd.testing.assert_frame_equal(
        table, cs.tl.evaluate(fitted, metrics=names, n_boot=20, groupby="cell_type"), check_exact=True
    )


def test_baselines_by_name(fitted: AnnData, scores: pd.DataFrame):
    table = cs.tl.evaluate(
        fitted, metrics=METRICS, baselines=["entropic", "gaussian", "mean_shift"], floor="identity", n_boot=50
    )
    assert list(dict.fromkeys(table["model"])) == ["mean_shift", "identity", "entropic", "gaussian", "observed"]
    shared = scores[(scores["group"] == "all") & ~scores["model"].str.startswith("group_")]
    shared = shared.set_index(["perturbation", "model", "metric"]).drop(columns="group")
    again = table[table["model"] != "entropic"].set_index(["perturbation", "model", "metric"]).drop(columns="group")
    # what else is fitted beside a control changes nothing of it
    pd.testing.assert_frame_equal(again.loc[shared.index], shared)
    few = cs.tl.evaluate(fitted, metrics="l2_means", baselines=(), n_boot=0)
    assert set(few["model"]) == {"mean_shift", "identity", "observed"}


def test_baselines_know_the_groups_or_the_contexts_of_the_fit(fitted: AnnData, scores: pd.DataFrame):
    adata = fitted.copy()
    cs.tl.cellot(adata, solver="group_shift", context="cell_type", seed=7)
    own = cs.tl.evaluate(adata, metrics="l2_means", n_boot=0)
    where = {"metric": "l2_means", "perturbation": "drug_a"}
    for model in ("group_shift", "group_gaussian"):
        assert one(own, model=model, **where)["value"] == one(scores, model=model, **where)["value"]
    plain = cs.tl.evaluate(fitted, metrics="l2_means", n_boot=0)
    assert not plain["model"].str.startswith("group_").any()


def test_solver_of_a_baseline_is_that_of_a_fit(fitted: AnnData):
    adata = fitted.copy()
    cs.tl.cellot(adata, solver="entropic", seed=7, key_added="other")
    direct = cs.tl.evaluate(adata, key="other", metrics="energy_distance", n_boot=0)
    beside = cs.tl.evaluate(adata, metrics="energy_distance", baselines="entropic", n_boot=0)
    for target in ("drug_a", "drug_b"):
        where = {"model": "entropic", "metric": "energy_distance", "perturbation": target}
        assert one(beside, **where)["value"] == one(direct, **where)["value"]


def test_units_are_resampled(fitted: AnnData, scores: pd.DataFrame):
    options = {"groupby": "cell_type", "floor": "identity", "unit": "patient", "n_boot": 50}
    table = cs.tl.evaluate(fitted, metrics=METRICS, **options)  # type: ignore[arg-type]
    of_units = ["pvalue", "n_units", "p_min"]
    assert list(table.columns) == [*scores.columns, *of_units]
    # whether a calibrated score is missing depends on what is resampled
    one, two = (
        frame[frame["floor"] == "-"].drop(columns=["ci_low", "ci_high", *of_units], errors="ignore")
        for frame in (table, scores)
    )
    pd.testing.assert_frame_equal(one, two)
    rows = table[table["metric"].isin(METRICS) & (table["group"] == "all")]
    assert rows[["ci_low", "ci_high"]].notna().all(axis=None)
    assert (rows["ci_low"] < rows["ci_high"]).all()
    assert (rows["ci_low"].to_numpy() != scores.loc[rows.index, "ci_low"].to_numpy()).all()


def test_perturbations_are_units_too(fitted: AnnData, scores: pd.DataFrame):
    options = {"groupby": "cell_type", "floor": "identity", "unit": "perturbation", "n_boot": 50}
    table = cs.tl.evaluate(fitted, metrics=METRICS, **options)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(table.iloc[: len(scores)], scores)
    means = table.iloc[len(scores) :]
    assert set(means["perturbation"]) == {"mean"}
    where = {"model": "gaussian", "metric": "l2_means"}
    values = [one(scores, perturbation=name, **where) for name in ("drug_a", "drug_b")]
    mean = one(means, **where)
    assert mean["value"] == pytest.approx(np.mean([row["value"] for row in values]))
    # of two units, a resample has one of them twice in half of all cases
    assert mean["ci_low"] == pytest.approx(min(row["value"] for row in values))
    assert mean["n_cells"] == sum(row["n_cells"] for row in values)
    assert mean["seed"] == 7


def test_some_targets_have_the_scores_that_they_have_among_all(
    fitted: AnnData, scores: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
):
    refitted: list[list[str]] = []
    refit = cs.tl.Fit.refit

    def noted(fit: cs.tl.Fit, adata: AnnData, solvers: Any, targets: Any, **kwargs: Any) -> Any:
        refitted.append(list(targets))
        return refit(fit, adata, solvers, targets, **kwargs)

    monkeypatch.setattr(cs.tl.Fit, "refit", noted)
    table = cs.tl.evaluate(fitted, targets="drug_b", metrics=METRICS, groupby="cell_type", floor="identity", n_boot=50)
    expected = scores[scores["perturbation"] == "drug_b"].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    assert refitted == [["drug_b"]]
    both = cs.tl.evaluate(fitted, targets=["drug_b", "drug_a"], metrics="l2_means", n_boot=0)
    assert both["perturbation"].unique().tolist() == ["drug_b", "drug_a"]
    assert cs.tl.mmd(fitted, targets="drug_a", n_boot=0)["perturbation"].unique().tolist() == ["drug_a"]


def test_nothing_is_written(fitted: AnnData):
    before = fitted.copy()
    cs.tl.evaluate(fitted, metrics="l2_means", groupby="patient", space="genes", n_boot=5)
    pd.testing.assert_frame_equal(fitted.obs, before.obs)
    assert set(fitted.uns) == set(before.uns)
    assert set(fitted.obsm) == set(before.obsm)
    np.testing.assert_array_equal(fitted.obsm["X_cellot"], before.obsm["X_cellot"])


def test_a_perturbation_without_cells_in_the_split_is_left_out(fitted: AnnData, caplog: pytest.LogCaptureFixture):
    adata = fitted[(fitted.obs["split"] != "test") | (fitted.obs["perturbation"] != "drug_a")].copy()
    with caplog.at_level(logging.WARNING):
        table = cs.tl.evaluate(adata, metrics="l2_means", n_boot=0)
    assert set(table["perturbation"]) == {"drug_b"}
    assert "drug_a" in caplog.text


def _without(split: str, perturbation: str) -> Callable[[AnnData], AnnData]:
    return lambda adata: adata[(adata.obs["split"] != split) | (adata.obs["perturbation"] != perturbation)].copy()


def _category_named_mean(adata: AnnData) -> AnnData:
    adata.obs["group"] = "mean"
    return adata


def _nan(adata: AnnData) -> AnnData:
    adata.obsm["X_cellot"][0, 0] = np.nan
    return adata


def _no_decoder(adata: AnnData) -> AnnData:
    del adata.uns["X_cellot"]
    return adata


def _no_column(adata: AnnData) -> AnnData:
    del adata.obs["split"]
    return adata


@pytest.mark.parametrize(
    ("options", "change", "error", "words"),
    [
        ({"key": "celot"}, None, KeyError, "celot.*Did you mean 'cellot'"),
        ({"metrics": "energy"}, None, ValueError, "metric 'energy' is unknown.*Did you mean 'energy_distance'"),
        ({"metrics": ["mmd", "wasserstein2"]}, None, ValueError, "Did you mean 'entropic_wasserstein2'"),
        ({"metrics": []}, None, ValueError, "at least one"),
        ({"space": "gene"}, None, ValueError, "space 'gene' is unknown.*Did you mean 'genes'"),
        ({"split": "tst"}, None, ValueError, "split 'tst' is unknown.*Did you mean 'test'"),
        ({"split": "ood"}, None, ValueError, "split 'ood' has 0 of 'control'.*2 control cells"),
        ({}, _without("test", "control"), ValueError, "split 'test' has 0 of 'control'"),
        ({"groupby": "celltype"}, None, KeyError, "groupby 'celltype'.*Did you mean 'cell_type'"),
        ({"groupby": "group"}, _category_named_mean, ValueError, "category 'mean'"),
        ({"n_boot": -1}, None, ValueError, "n_boot is -1"),
        ({"n_boot": 2.5}, None, ValueError, "n_boot is 2.5"),
        ({"seed": -1}, None, ValueError, "seed is -1"),
        ({"baselines": "gausian"}, None, ValueError, "solver 'gausian' is unknown.*Did you mean 'gaussian'"),
        ({"n_markers": 5}, None, ValueError, "n_markers needs genes to choose from"),
        ({"n_markers": [5, 0], "space": "genes"}, None, ValueError, "n_markers is 0; a positive whole number"),
        ({"n_cells": 2.5}, None, ValueError, "n_cells is 2.5"),
        ({"n_cells": []}, None, ValueError, "n_cells is"),
        (
            {"n_cells": [10**6, 99999]},
            None,
            ValueError,
            "n_cells is 99999, and split 'test' has at most .* sample fewer",
        ),
        ({"n_boot": 10**9}, None, ValueError, "n_boot is 1000000000; a whole number of at most 100,000 is needed"),
        ({"n_cells": 20, "metrics": "discrimination_l1"}, None, ValueError, "'discrimination_l1'.*leave n_cells out"),
        (
            {"metrics": "discrimination_l1"},
            _without("test", "drug_b"),
            ValueError,
            "with cells in split 'test' is 1; at least 2 are needed: discrimination_l1 tells one from another",
        ),
        ({"unit": "patent"}, None, KeyError, "unit 'patent'.*Did you mean 'patient'"),
        ({}, _nan, ValueError, "NaN"),
        ({"space": "genes"}, _no_decoder, ValueError, "its decoder in adata.uns is gone"),
        ({}, _no_column, KeyError, "split"),
    ],
)
def test_errors(
    fitted: AnnData,
    options: dict[str, object],
    change: Callable[[AnnData], AnnData] | None,
    error: type[Exception],
    words: str,
):
    adata = fitted.copy() if change is None else change(fitted.copy())
    with pytest.raises(error, match=words):
        cs.tl.evaluate(adata, **options)  # type: ignore[arg-type]


def test_perturbations_that_are_named_like_summaries(prepared: AnnData):
    adata = prepared.copy()
    adata.obs["perturbation"] = adata.obs["perturbation"].cat.rename_categories({"drug_a": "mean", "drug_b": "all"})
    cs.tl.cellot(adata, solver="mean_shift")
    table = cs.tl.evaluate(adata, metrics="l2_means", n_boot=0)
    assert set(table["perturbation"]) == {"mean", "all"}
    with pytest.raises(ValueError, match="unit 'perturbation' has a category 'mean', which names a summary"):
        cs.tl.evaluate(adata, metrics="l2_means", unit="perturbation", n_boot=0)


def test_one_unit_cannot_be_resampled(fitted: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = fitted.copy()
    adata.obs["patient"] = "only one"
    table = cs.tl.evaluate(adata, unit="patient", metrics="energy_distance", n_boot=5)
    assert "there is one category of obs['patient'] in split 'test'" in caplog.text
    assert table["value"].notna().any()
    assert "pvalue" not in table or table["pvalue"].isna().all()


@pytest.mark.parametrize("engine", ["loky", "threading"])
@pytest.mark.parametrize(
    "asked",
    [
        {"groupby": "cell_type", "split": "valid"},
        {"space": "genes", "n_markers": [5, 9], "n_cells": 20, "unit": "patient"},
    ],
    ids=["latent", "genes"],
)
def test_workers_judge_as_one_process_does(
    fitted: AnnData, asked: dict[str, Any], engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    def judged() -> tuple[pd.DataFrame, list[str]]:
        caplog.clear()
        with caplog.at_level(logging.INFO, "cellot_sc"):
            table = cs.tl.evaluate(fitted, metrics=METRICS, n_boot=20, **asked)
        return table, sorted(caplog.messages)

    alone, said = judged()
    with joblib.parallel_config(engine, n_jobs=2):
        shared, said_by_workers = judged()
    pd.testing.assert_frame_equal(shared, alone)
    assert said_by_workers == said


def test_genes_that_were_not_measured_are_left_out(fitted: AnnData, caplog: pytest.LogCaptureFixture):
    adata = fitted[:, ~fitted.var_names.isin(["gene_03", "gene_40"])].copy()
    adata.uns["X_cellot"] = {**adata.uns["X_cellot"], "filled": np.array(["gene_03", "gene_40"], dtype=object)}
    asked: dict[str, Any] = {"metrics": "l2_means", "n_boot": 0, "targets": "drug_a", "baselines": "identity"}
    genes = cs.tl.evaluate(adata, space="genes", **asked)
    assert set(genes["n_features"]) == {58}
    means = [
        cs.pp.decode(fitted, cloud(fitted, name)).mean(axis=0)[~fitted.var_names.isin(["gene_03", "gene_40"])]
        for name in ("control", "drug_a")
    ]
    found = one(genes, model="identity", metric="l2_means")["value"]
    assert found == pytest.approx(np.linalg.norm(means[0] - means[1]), rel=1e-4)
    assert sum("2 of 60 genes were not measured in these cells" in message for message in caplog.messages) == 1
    latent = cs.tl.evaluate(adata, **asked)
    pd.testing.assert_frame_equal(latent, cs.tl.evaluate(fitted, **asked))
    assert sum("2 of 60 genes were not measured in these cells" in message for message in caplog.messages) == 2
    markers = cs.tl.evaluate(adata, space="genes", n_markers=[58], **asked)
    assert one(markers, model="identity", metric="l2_means")["value"] == pytest.approx(found, rel=1e-4)
