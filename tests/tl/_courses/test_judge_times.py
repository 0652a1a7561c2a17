from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.metrics import energy_distance
from cellot_sc.tl._courses import judge_times, time_course
from cellot_sc.tl._fit.fit import COUPLINGS

REP = "X_state"


def course_of(kind: str, *, n_times: int = 5, seed: int = 0) -> AnnData:
    """Return cells that go from one state to another, each at once at a time of its own, or all alike."""
    rng = np.random.default_rng(seed)
    times = np.repeat(np.arange(n_times), 200)
    progress = times / (n_times - 1)
    if kind == "jumps":
        progress = np.where(rng.random(len(times)) < progress, 1.0, 0.0)
    x = 0.5 * rng.normal(size=(len(times), 3))
    x[:, 0] += 5 * progress
    obs = pd.DataFrame({"time": times}, index=[f"cell_{i}" for i in range(len(times))])
    adata = AnnData(obs=obs, obsm={REP: x.astype(np.float32)})
    cs.pp.split(adata, "time", control="0", test_fraction=0)
    return adata


def without(adata: AnnData, t: int) -> AnnData:
    """Return all cells, with maps that know nothing of a time."""
    out = adata.copy()
    times = sorted(set(out.obs["time"]) - {t})
    cs.tl.trajectory(out, order=times, use_rep=REP, solver="gaussian")
    return out


def distance(adata: AnnData, t: int, **kwargs: Any) -> float:
    moved = cs.tl.interpolate(adata, t, **kwargs).obsm[REP]
    return energy_distance(moved, adata.obsm[REP][(adata.obs["time"] == t).to_numpy()])


def chosen(adata: AnnData, t: int, caplog: pytest.LogCaptureFixture) -> float:
    caplog.clear()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        cs.tl.interpolate(adata, t, out_of_step="chosen")
    [said] = [record for record in caplog.records if "was chosen" in record.msg]
    return float(said.args[0])  # type: ignore[index, arg-type]


@pytest.fixture(scope="module")
def jumping() -> AnnData:
    return course_of("jumps")


@pytest.fixture(scope="module")
def in_step() -> AnnData:
    return course_of("alike")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cells_that_jump_are_not_half_way(seed: int) -> None:
    adata = without(course_of("jumps", seed=seed), 2)
    assert distance(adata, 2, out_of_step="chosen") < 0.5 * distance(adata, 2)


def test_cells_in_step_stay_so(in_step: AnnData) -> None:
    adata = without(in_step, 2)
    displacement, mixture = (distance(adata, 2, out_of_step=spread) for spread in (0, 1))
    assert distance(adata, 2, out_of_step="chosen") == pytest.approx(displacement, abs=0.05 * mixture)
    assert displacement < 0.2 * mixture


def test_the_choice_is_blind_to_the_time_asked_about(
    jumping: AnnData, in_step: AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    for cells in (jumping, in_step):
        adata = without(cells, 2)
        changed = adata.copy()
        here = (changed.obs["time"] == 2).to_numpy()
        changed.obsm[REP][here] += 7
        assert chosen(adata, 2, caplog) == chosen(changed, 2, caplog)
    assert chosen(without(jumping, 2), 2, caplog) > 0.5
    assert chosen(without(in_step, 2), 2, caplog) < 0.5


def test_nothing_to_choose_by(jumping: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = jumping.copy()
    cs.tl.trajectory(adata, order=[0, 4], use_rep=REP, solver="mean_shift")
    with caplog.at_level(logging.INFO, "cellot_sc"):
        moved = cs.tl.interpolate(adata, 2, out_of_step="chosen")
    assert "a course of two times has none between" in caplog.text
    np.testing.assert_array_equal(moved.obsm[REP], cs.tl.interpolate(adata, 2).obsm[REP])
    with pytest.raises(ValueError, match="one between the first and the last is needed"):
        cs.tl.judge_times(adata)


def test_table(jumping: AnnData) -> None:
    adata = jumping.copy()
    cs.tl.trajectory(adata, use_rep=REP, solver="gaussian")
    table = cs.tl.judge_times(adata, n_boot=20)
    assert table.columns.tolist() == judge_times.COLUMNS
    assert table["time"].unique().tolist() == ["1", "2", "3"]
    assert (table["ci_low"] <= table["ci_high"]).all()
    assert table["out_of_step"].notna().sum() == 3 * len(judge_times.CANDIDATES)
    means = table.groupby(["model", table["out_of_step"].fillna(-1)])["value"].mean()
    # all times have as many cells: those that jumped are those of the other time
    assert means["interpolate", 1.0] == pytest.approx(means["mixture", -1.0], abs=0.02)
    assert means["mixture", -1.0] < 0.5 * means["interpolate", 0.0] < means["nearest_time", -1.0]
    assert abs(means["observed", -1.0]) < 0.05
    pd.testing.assert_frame_equal(table, cs.tl.judge_times(adata, n_boot=20))


def test_the_table_is_of_the_cells_that_a_choice_is_made_by(jumping: AnnData) -> None:
    adata = without(jumping, 2)
    table = cs.tl.judge_times(adata, n_boot=0)
    assert table["ci_low"].isna().all()
    [first, _] = judge_times._gaps(adata, time_course.load(adata, "trajectory"), judge_times.N_CELLS, 0)
    assert first.label == "1"
    value = energy_distance(first.moved(1, "spline"), first.observed)
    assert value == pytest.approx(table.query("time == '1' and out_of_step == 1")["value"].item(), abs=1e-6)


def test_test_cells_are_not_read(jumping: AnnData) -> None:
    adata = jumping.copy()
    cs.pp.split(adata, "time", control="0", test_fraction=0.3)
    cs.tl.trajectory(adata, use_rep=REP, solver="mean_shift")
    before = cs.tl.judge_times(adata, n_boot=0)
    adata.obsm[REP][(adata.obs["split"] == "test").to_numpy()] = np.nan
    pd.testing.assert_frame_equal(cs.tl.judge_times(adata, n_boot=0), before)


def test_with_growth(jumping: AnnData) -> None:
    adata = jumping.copy()
    adata.obs["divides"] = 1.0 + (adata.obsm[REP][:, 0] > 2)
    cs.tl.trajectory(adata, use_rep=REP, solver="mean_shift", growth="divides")
    assert np.isfinite(cs.tl.judge_times(adata, n_boot=0)["value"]).all()


def test_couplings_solved_elsewhere_are_not_fitted_again(jumping: AnnData) -> None:
    adata = without(jumping, 2)
    course = time_course.load(adata, "trajectory")
    elsewhere = dataclasses.replace(course, fit=dataclasses.replace(course.fit, kind=COUPLINGS, solver="moscot"))
    with pytest.raises(ValueError, match="made by moscot, and cannot be fitted again"):
        judge_times.chosen(adata, elsewhere, path="spline", seed=0)
