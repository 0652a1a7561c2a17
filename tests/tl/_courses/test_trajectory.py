from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad

import cellot_sc as cs
from cellot_sc.tl._courses import time_course


@pytest.fixture(scope="module")
def _cells() -> AnnData:
    adata = cs.datasets.simulate_branching(450, 30)
    cs.pp.split(adata, "time", control="0")
    cs.pp.represent(adata, n_components=5)
    return adata


@pytest.fixture
def cells(_cells: AnnData) -> AnnData:
    return _cells.copy()


def test_every_map_is_that_between_consecutive_times(cells: AnnData) -> None:
    assert cs.tl.trajectory(cells, solver="mean_shift") is None
    course = time_course.load(cells, "trajectory")
    assert course.labels == ["0", "1", "2"]
    assert course.values == [0, 1, 2]
    x, train = cells.obsm["X_cellot"], (cells.obs["split"] == "train").to_numpy()
    means = [x[train & (cells.obs["time"] == t).to_numpy()].mean(0) for t in range(3)]
    for i, step in enumerate(course.steps):
        np.testing.assert_allclose(step.transport(means[i][None]), means[i + 1][None], atol=1e-5)


def test_a_network_for_every_interval_in_one_fit(cells: AnnData) -> None:
    cs.tl.trajectory(cells, n_steps=20, check_every=10, min_steps=10, penalties=(10.0,), width=16)
    course = time_course.load(cells, "trajectory")
    assert len(course.steps) == 2
    assert set(cells.uns["trajectory"]["history"]["perturbation"]) <= {"1", "2"}


def test_is_predicted_and_evaluated_from_the_first_time(cells: AnnData) -> None:
    cs.tl.trajectory(cells, solver="gaussian")
    predicted = cs.tl.predict(cells, "2", key="trajectory")
    moved = cs.tl.interpolate(cells, 2, source=0)
    np.testing.assert_array_equal(predicted.obsm["X_cellot"], moved.obsm["X_cellot"])
    table = cs.tl.evaluate(cells, key="trajectory", metrics="energy_distance", n_boot=0)
    assert set(table["perturbation"]) == {"1", "2"}


def test_no_test_or_ood_cell_is_seen(cells: AnnData) -> None:
    other = cells.copy()
    other.obsm["X_cellot"][(other.obs["split"] == "test").to_numpy()] += 50
    for data in (cells, other):
        cs.tl.trajectory(data, solver="gaussian")
    a, b = (time_course.load(data, "trajectory").steps for data in (cells, other))
    x = cells.obsm["X_cellot"]
    for one, two in zip(a, b, strict=True):
        np.testing.assert_array_equal(one.transport(x), two.transport(x))


def test_makes_a_split_and_a_representation(caplog: pytest.LogCaptureFixture) -> None:
    adata = cs.datasets.simulate_branching(300, 20)
    made = cs.tl.trajectory(adata, solver="mean_shift", copy=True)
    assert made is not None
    assert "X_cellot" in made.obsm
    assert "split" in made.obs
    assert "trajectory" not in adata.uns
    assert "split" not in adata.obs
    assert "times 0 > 1 > 2" in caplog.text


@pytest.mark.parametrize(
    ("times", "order", "labels", "values"),
    [
        ([10, 2, 6.5], None, ["2.0", "6.5", "10.0"], [2, 6.5, 10]),
        (["d2", "d0", "d1"], ["d0", "d1", "d2"], ["d0", "d1", "d2"], [0, 1, 2]),
        (["10", "2", "4"], None, ["2", "4", "10"], [2, 4, 10]),
        ([0, 1, 2], [0, 2], ["0", "2"], [0, 2]),
        ([0, 1, 2], ["0", 2.0], ["0", "2"], [0, 2]),
    ],
)
def test_order(cells: AnnData, times: list[Any], order: list[Any] | None, labels: list[str], values: list[float]):
    cells.obs["when"] = np.array(times)[cells.obs["time"].to_numpy()]
    cs.tl.trajectory(cells, "when", order=order, solver="mean_shift")
    course = time_course.load(cells, "trajectory")
    assert course.labels == labels
    assert course.values == values


def test_order_of_categories(cells: AnnData) -> None:
    cells.obs["when"] = pd.Categorical(
        np.array(["early", "middle", "late"])[cells.obs["time"]], ["early", "middle", "late"], ordered=True
    )
    cs.tl.trajectory(cells, "when", solver="mean_shift")
    assert time_course.load(cells, "trajectory").labels == ["early", "middle", "late"]
    assert cs.tl.interpolate(cells, 0.5).obs["when"].unique().tolist() == ["0.5"]
    assert cs.tl.interpolate(cells, "middle").obs["source_when"].unique().tolist() == ["early", "late"]


def test_is_kept_on_disk(cells: AnnData, tmp_path: Path) -> None:
    cs.tl.trajectory(cells, solver="gaussian")
    cells.write_h5ad(tmp_path / "cells.h5ad")
    again = read_h5ad(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(cs.tl.interpolate(again, 0.3).X, cs.tl.interpolate(cells, 0.3).X)


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"time_key": "tme"}, KeyError, "time_key 'tme' is not in adata.obs. Did you mean 'time'"),
        ({"time_key": "fate"}, ValueError, "holds names that are no numbers and have no order"),
        ({"order": [0, 3]}, ValueError, "order value of .* 3 is unknown"),
        ({"order": [0, 0]}, ValueError, "order names a time twice"),
        ({"order": [0]}, ValueError, "There are 1 times"),
        ({"order": [2, 0]}, ValueError, "are numbers that do not increase"),
        ({"solver": "icn"}, ValueError, "solver 'icn' is unknown"),
        ({"key_added": "X_cellot"}, ValueError, "would overwrite the decoder"),
    ],
)
def test_errors(cells: AnnData, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    before = list(cells.uns)
    with pytest.raises(error, match=words):
        cs.tl.trajectory(cells, **kwargs)
    assert list(cells.uns) == before


def test_cells_without_a_time(cells: AnnData) -> None:
    cells.obs["time"] = cells.obs["time"].astype(float)
    cells.obs.iloc[0, cells.obs.columns.get_loc("time")] = np.nan
    with pytest.raises(ValueError, match="is missing for 1 cells"):
        cs.tl.trajectory(cells, solver="gaussian")


class TestTimesOfFewCells:
    @pytest.fixture
    def rare(self) -> AnnData:
        adata = cs.datasets.simulate_branching(300, 20)
        adata.obs["time"] = adata.obs["time"].astype(float)
        adata.obs.iloc[0, adata.obs.columns.get_loc("time")] = -9.0
        return adata

    def test_are_left_out(self, rare: AnnData, caplog: pytest.LogCaptureFixture) -> None:
        cs.tl.trajectory(rare, solver="mean_shift")
        assert time_course.load(rare, "trajectory").labels == ["0.0", "1.0", "2.0"]
        assert "has fewer than 10 train cells of '-9.0' (0): left out" in caplog.text

    def test_that_were_not_named_stop_nothing(self, rare: AnnData) -> None:
        cs.tl.trajectory(rare, order=[0, 1, 2], solver="mean_shift")
        assert time_course.load(rare, "trajectory").values == [0, 1, 2]

    def test_that_were_named_are_refused(self, rare: AnnData) -> None:
        with pytest.raises(ValueError, match=r"of '-9.0' \(0\); at least 10 are needed: leave these out"):
            cs.tl.trajectory(rare, order=[-9, 0, 1], solver="mean_shift")


def test_a_time_that_is_left_out_does_not_make_names_of_numbers(cells: AnnData) -> None:
    cells.obs["time"] = (cells.obs["time"] * 3).astype(int).astype(str)
    cells.obs.iloc[:2, cells.obs.columns.get_loc("time")] = "unsorted"
    cs.tl.trajectory(cells, order=[0, 3, 6], solver="mean_shift")
    assert time_course.load(cells, "trajectory").values == [0, 3, 6]


def test_a_text_for_a_missing_time(cells: AnnData) -> None:
    cells.obs["time"] = cells.obs["time"].astype(int).astype(str)
    cells.obs.iloc[:2, cells.obs.columns.get_loc("time")] = "nan"
    with pytest.raises(ValueError, match="missing for 2 cells .of which 'nan' is the text"):
        cs.tl.trajectory(cells, solver="mean_shift")
