from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.metrics import METRICS
from cellot_sc.tl._judge import floors
from cellot_sc.tl._judge.judge import Judgement, Setting
from cellot_sc.tl._judge.scores import Score

E = "energy_distance"
NAMES = ("p0", "p1", "p2")


@pytest.fixture(scope="module")
def screen() -> AnnData:
    """Three shifts, of which validation cells have none: of the controls, no effect is best there and nowhere else."""
    rng = np.random.default_rng(0)
    names = np.repeat(["control", *NAMES], 200)
    split = np.tile(np.repeat(["train", "valid", "test"], [80, 40, 80]), 4)
    x = rng.normal(size=(len(names), 3)).astype(np.float32)
    for i, name in enumerate(NAMES):
        x[(names == name) & (split != "valid"), i] += 3
    obs = pd.DataFrame({"perturbation": names, "split": split}, index=[f"c{i}" for i in range(len(names))])
    adata = AnnData(x, obs=obs)
    cs.tl.cellot(adata, solver="gaussian", use_rep="X")
    return adata


def floors_of(table: pd.DataFrame) -> dict[str, str]:
    rows = table[table["floor"] != "-"]
    assert not rows.groupby("metric")["floor"].nunique().gt(1).any()
    return dict(zip(rows["metric"].str.removesuffix("_calibrated"), rows["floor"], strict=True))


def best_on(table: pd.DataFrame, metric: str) -> str:
    rows = table[(table["metric"] == metric) & table["model"].isin(["identity", "mean_shift"])]
    means: Any = rows.assign(bad=METRICS[metric].badness(rows["value"].to_numpy())).groupby("model")["bad"].mean()
    return str(means.idxmin())


def test_it_is_the_best_control_on_validation_cells_and_not_on_those_that_are_judged(screen: AnnData) -> None:
    metrics = [E, "variance_ratio"]
    table = cs.tl.evaluate(screen, metrics=metrics, n_boot=5)
    valid = cs.tl.evaluate(screen, metrics=metrics, split="valid", n_boot=0)
    assert floors_of(table) == {metric: best_on(valid, metric) for metric in metrics}
    assert floors_of(table)[E] == "identity" != best_on(table, E)
    # other cells are judged, and by the same control
    right = screen.copy()
    test = (right.obs["split"] == "test").to_numpy()
    right.X[test] = right.X[test][::-1]
    assert floors_of(cs.tl.evaluate(right, metrics=metrics, n_boot=0)) == floors_of(table)


def test_what_is_judged_does_not_depend_on_it(screen: AnnData) -> None:
    tables = [cs.tl.evaluate(screen, metrics=E, floor=floor, n_boot=5) for floor in (None, "mean_shift")]
    one, two = (table[table["metric"] == E].reset_index(drop=True) for table in tables)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert floors_of(tables[1]) == {E: "mean_shift"}


def test_discrimination_goes_across_perturbations(screen: AnnData) -> None:
    adata = screen.copy()
    valid = (adata.obs["split"] == "valid").to_numpy()
    adata.X[valid] = adata.X[(adata.obs["split"] == "train").to_numpy()][: valid.sum()]
    adata.X[valid] = np.concatenate(
        [screen.X[np.flatnonzero(screen.obs["perturbation"] == name)[:40]] for name in ("control", *NAMES)]
    )
    table = cs.tl.evaluate(adata, metrics="discrimination_l2", n_boot=0)
    assert floors_of(table) == {"discrimination_l2": "mean_shift"}
    found = cs.tl.evaluate(adata, metrics="discrimination_l2", floor="identity", n_boot=0)
    rows: Any = found[found["model"] == "gaussian"].set_index(["metric", "perturbation"])["value"]
    assert rows.loc["discrimination_l2"].eq(1).all()
    known = rows.loc["discrimination_l2_calibrated"].dropna()
    assert len(known) and (known == 1).all()


def test_an_inert_perturbation_has_no_scores(screen: AnnData) -> None:
    adata = screen.copy()
    inert = (adata.obs["perturbation"] == "p1").to_numpy()
    adata.X[inert] = np.random.default_rng(1).normal(size=(inert.sum(), 3))
    table = cs.tl.evaluate(adata, metrics=[E, "mmd"], floor="identity", n_boot=100)
    missing = (
        table[table["floor"] != "-"].groupby(["metric", "perturbation"])["value"].apply(lambda one: one.isna().all())
    )
    assert missing.groupby("perturbation").all().to_dict() == {"p0": False, "p1": True, "p2": False}
    means: Any = cs.tl.summarize_scores(table).set_index(["metric", "model"])["value"]
    of = table[table["metric"] == E].groupby("model")["value"].mean()
    expected = (of["identity"] - of["gaussian"]) / (of["identity"] - of["observed"])
    assert means[f"{E}_calibrated", "gaussian"] == pytest.approx(expected) or np.isnan(
        means[f"{E}_calibrated", "gaussian"]
    )


@pytest.mark.parametrize("why", ["judged", "none", "few"])
def test_without_validation_cells_it_is_no_effect(screen: AnnData, caplog: pytest.LogCaptureFixture, why: str) -> None:
    adata = screen.copy()
    if why != "judged":
        valid = np.flatnonzero(adata.obs["split"] == "valid")
        adata.obs["split"] = adata.obs["split"].astype(str)
        adata.obs.iloc[valid[1 if why == "few" else 0 :], adata.obs.columns.get_loc("split")] = "train"
    with caplog.at_level(logging.INFO):
        table = cs.tl.evaluate(adata, metrics=E, split="valid" if why == "judged" else "test", n_boot=0)
    assert floors_of(table) == {E: "identity"}
    assert "calibrated scores are 0 at 'identity': " in caplog.text
    assert ("is the one that is judged" in caplog.text) == (why == "judged")


def test_a_model_in_other_cells_has_no_validation_cells(screen: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    model = cs.Model.of(screen)
    other = screen.copy()
    del other.uns["cellot"]
    cs.tl.attach(other, model)
    with caplog.at_level(logging.INFO):
        table = cs.tl.evaluate(other, metrics=E, n_boot=0)
    assert floors_of(table) == {E: "identity"}
    assert "a model does not keep the validation cells" in caplog.text


def test_a_name_has_to_be_that_of_a_control_that_is_judged(screen: AnnData) -> None:
    with pytest.raises(ValueError, match="floor 'mean_shif' is unknown. Did you mean 'mean_shift'"):
        cs.tl.evaluate(screen, floor="mean_shif")
    # the maps that are judged
    with pytest.raises(ValueError, match="floor 'gaussian' is unknown"):
        cs.tl.evaluate(screen, floor="gaussian")
    with pytest.raises(ValueError, match="floor 'mean_shift' is unknown"):
        cs.tl.evaluate(screen, floor="mean_shift", baselines="entropic")


class TestChosen:
    @staticmethod
    def judgements(values: dict[str, list[float]], metric: str = E) -> dict[str, Judgement]:
        found = {}
        for i in range(len(next(iter(values.values())))):
            scores = {(model, metric): Score(of_model[i], np.empty(0), 5) for model, of_model in values.items()}
            of_controls = Judgement({Setting(2, None): {"all": scores}}, {}, {"all": 5})
            found[f"p{i}"] = Judgement({}, {}, {}, of_controls)
        return found

    @pytest.mark.parametrize(
        ("values", "metric", "expected"),
        [
            ({"identity": [3, 3], "mean_shift": [1, 4], "gaussian": [2, 3.5]}, E, "mean_shift"),
            # of equals the simplest
            ({"gaussian": [1, 1], "identity": [1, 1], "mean_shift": [1, 1]}, E, "identity"),
            (
                {"identity": [np.nan, np.nan], "mean_shift": [0.2, 0.2], "gaussian": [0.1, 0.4]},
                "pearson_delta",
                "gaussian",
            ),
            # where all have a score
            ({"identity": [3, np.nan], "mean_shift": [4, 0]}, E, "identity"),
            ({"identity": [0.4, 2.5], "mean_shift": [1.5, 3]}, "variance_ratio", "mean_shift"),
            ({"mean_shift": [np.nan], "gaussian": [np.nan]}, E, "identity"),
            ({"mean_shift": [np.nan, 1], "gaussian": [1, np.nan]}, E, "identity"),
        ],
    )
    def test_by_the_mean_over_perturbations(self, values: dict[str, list[float]], metric: str, expected: str) -> None:
        found = floors.chosen(self.judgements(values, metric), METRICS.select(metric))
        assert found == {metric: expected}

    def test_without_any(self) -> None:
        assert floors.chosen({"p": Judgement({}, {}, {})}, METRICS.select(E)) == {E: "identity"}
