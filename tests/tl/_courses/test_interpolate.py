from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, concat, read_h5ad

import cellot_sc as cs
from cellot_sc.tl._courses import time_course


@pytest.fixture(scope="module")
def cells() -> AnnData:
    adata = cs.datasets.simulate_branching(450, 30)
    cs.pp.split(adata, "time", control="0")
    cs.pp.represent(adata, n_components=5)
    cs.tl.trajectory(adata, solver="gaussian")
    return adata


def of_time(adata: AnnData, t: int) -> np.ndarray:
    return adata.obsm["X_cellot"][(adata.obs["time"] == t).to_numpy()]


def test_straight_within_an_interval(cells: AnnData) -> None:
    x, step = of_time(cells, 0), time_course.load(cells, "trajectory").steps[0]
    moved = cs.tl.interpolate(cells, 0.25, source=0, path="linear")
    expected = 0.75 * x + 0.25 * step.transport(x)
    np.testing.assert_allclose(moved.obsm["X_cellot"], expected, atol=1e-4)
    assert (moved.obs["time"] == 0.25).all()
    assert (moved.obs["source_time"] == 0).all()


def test_backwards(cells: AnnData) -> None:
    y, steps = of_time(cells, 2), time_course.load(cells, "trajectory").steps
    at_one = steps[1].inverse(y)
    moved = cs.tl.interpolate(cells, 0.25, source=2, path="linear")
    expected = 0.75 * steps[0].inverse(at_one) + 0.25 * at_one
    np.testing.assert_allclose(moved.obsm["X_cellot"], expected, atol=1e-3)


@pytest.mark.parametrize("path", ["linear", "spline"])
def test_composed_across_intervals(cells: AnnData, path: Any) -> None:
    x, steps = of_time(cells, 0), time_course.load(cells, "trajectory").steps
    moved = cs.tl.interpolate(cells, 2, source=0, path=path)
    np.testing.assert_array_equal(moved.obsm["X_cellot"], steps[1].transport(steps[0].transport(x)))


def test_a_spline_passes_through_the_times_and_does_not_turn_at_once(cells: AnnData) -> None:
    def at(t: float) -> np.ndarray:
        return cs.tl.interpolate(cells, t, source=0, decode=False).X

    step = 1e-2
    before, after = at(1) - at(1 - step), at(1 + step) - at(1)
    assert np.abs(before).max() < 0.2
    np.testing.assert_allclose(before / step, after / step, atol=0.2)


def test_between_two_times_all_paths_are_straight(cells: AnnData) -> None:
    adata = cells.copy()
    cs.tl.trajectory(adata, order=[0, 2], solver="gaussian")
    a, b = (cs.tl.interpolate(adata, 0.7, path=path).obsm["X_cellot"] for path in ("linear", "spline"))
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_both_neighbours_by_default(cells: AnnData) -> None:
    assert set(cs.tl.interpolate(cells, 0.5).obs["source_time"]) == {0, 1}
    assert set(cs.tl.interpolate(cells, 1).obs["source_time"]) == {0, 2}
    assert set(cs.tl.interpolate(cells, 0).obs["source_time"]) == {1}


def test_chosen_cells_move_from_their_own_time(cells: AnnData) -> None:
    names = cells.obs_names[[0, 200, 449]]
    moved = cs.tl.interpolate(cells, 1.5, cells=names)
    assert moved.obs_names.tolist() == names.tolist()
    assert moved.obs["source_time"].tolist() == [0, 1, 2]


def test_there_and_back(cells: AnnData) -> None:
    x = of_time(cells, 0)
    there = cs.tl.interpolate(cells, 2, source=0).obsm["X_cellot"]
    course = time_course.load(cells, "trajectory")
    np.testing.assert_allclose(course.move(there, 2, 0.0, path="linear"), x, atol=1e-2)


def test_ends_of_out_of_step(cells: AnnData) -> None:
    x, step = of_time(cells, 0), time_course.load(cells, "trajectory").steps[0]
    at_once = cs.tl.interpolate(cells, 0.25, source=0, out_of_step=0)
    np.testing.assert_array_equal(at_once.X, cs.tl.interpolate(cells, 0.25, source=0).X)
    hardly = cs.tl.interpolate(cells, 0.25, source=0, out_of_step=1e-5).obsm["X_cellot"]
    np.testing.assert_allclose(hardly, at_once.obsm["X_cellot"], atol=1e-2)
    mixed = cs.tl.interpolate(cells, 0.25, source=0, out_of_step=1).obsm["X_cellot"]
    stay = np.isclose(mixed, x, atol=1e-4).all(axis=1)
    gone = np.isclose(mixed, step.transport(x), atol=1e-4).all(axis=1)
    assert (stay ^ gone).all()
    assert gone.mean() == pytest.approx(0.25, abs=0.01)


def test_a_mixture_of_both_sides_moves_as_few_cells_as_it_can(cells: AnnData) -> None:
    half = cs.tl.interpolate(cells, 1.5, out_of_step=1)
    x = cells[half.obs_names].obsm["X_cellot"]
    np.testing.assert_allclose(half.obsm["X_cellot"], x, atol=1e-4)
    late = cs.tl.interpolate(cells, 1.8, out_of_step=1)
    moved = np.abs(late.obsm["X_cellot"] - x).max(axis=1) > 1e-3
    assert set(late.obs["source_time"][moved]) == {1}
    assert moved.mean() == pytest.approx(0.3, abs=0.01)


def test_a_cell_is_where_it_is_whichever_others_are_asked_for(cells: AnnData) -> None:
    every = cs.tl.interpolate(cells, 0.5, source=0, out_of_step=0.5)
    some = cs.tl.interpolate(cells, 0.5, cells=every.obs_names[[3, 70]], out_of_step=0.5)
    np.testing.assert_allclose(some.obsm["X_cellot"], every.obsm["X_cellot"][[3, 70]], atol=1e-5)
    again = cs.tl.interpolate(cells, 0.5, source=0, out_of_step=0.5, seed=1)
    assert not np.allclose(again.obsm["X_cellot"], every.obsm["X_cellot"])


def test_at_times_of_the_course_cells_are_in_step(cells: AnnData) -> None:
    for spread in (0.5, "chosen"):
        moved = cs.tl.interpolate(cells, 1, out_of_step=spread)
        np.testing.assert_array_equal(moved.X, cs.tl.interpolate(cells, 1).X)


def test_decodes(cells: AnnData) -> None:
    assert cs.tl.interpolate(cells, 0.5).var_names.tolist() == cells.var_names.tolist()
    assert cs.tl.interpolate(cells, 0.5, decode=False).n_vars == 5


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"t": 2.5}, ValueError, "maps do not extrapolate"),
        ({"t": "late"}, ValueError, "neither a number nor one of the times"),
        ({"t": 1, "source": 7}, ValueError, "source 7 is unknown"),
        ({"t": 1, "source": 0, "cells": [0]}, ValueError, "source and cells exclude each other"),
        ({"t": 1, "path": "splin"}, ValueError, "path 'splin' is unknown. Did you mean 'spline'"),
        ({"t": 0.5, "out_of_step": 1.5}, ValueError, r"out_of_step is 1.5; a number in \[0, 1\] or 'chosen'"),
        ({"t": 0.5, "out_of_step": "auto"}, ValueError, "out_of_step is 'auto'"),
        ({"t": 1, "key": "trajectries"}, KeyError, "Did you mean 'trajectory'"),
    ],
)
def test_errors(cells: AnnData, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cs.tl.interpolate(cells, **kwargs)


def test_maps_of_perturbations_are_no_course(fitted: AnnData) -> None:
    with pytest.raises(KeyError, match="holds maps of perturbations, not of a time course"):
        cs.tl.interpolate(fitted, 0.5, key="cellot")


def test_a_time_that_was_left_out(cells: AnnData) -> None:
    adata = cells.copy()
    cs.tl.trajectory(adata, order=[0, 2], solver="gaussian")
    assert cs.tl.interpolate(adata, 1, source=0).n_obs == 150
    with pytest.raises(ValueError, match="1 of the chosen cells were taken at none of the times"):
        cs.tl.interpolate(adata, 1, cells=[200])


@pytest.mark.parametrize(
    ("dtype", "at", "between"),
    [
        ("int64", "int64", "float64"),
        ("float64", "float64", "float64"),
        ("category", "category", "category"),
        (pd.CategoricalDtype([0, 1, 2], ordered=True), "category", "float64"),
        (pd.CategoricalDtype(["0", "1", "2"]), "category", "category"),
    ],
)
def test_times_stand_beside_the_observed_ones(
    cells: AnnData, tmp_path: Path, dtype: Any, at: str, between: str
) -> None:
    adata = cells.copy()
    texts = isinstance(dtype, pd.CategoricalDtype) and dtype.categories[0] == "0"
    adata.obs["time"] = adata.obs["time"].astype(int).astype(str if texts else int).astype(dtype)
    for t, kind in ((1, at), (0.5, between)):
        moved = cs.tl.interpolate(adata, t)
        assert moved.obs["time"].dtype == kind
        assert moved.obs["time"].astype(str).unique().tolist() == [str(t) if kind != "float64" else str(float(t))]
        both = concat([adata, moved], index_unique="-", keys=["observed", "moved"])
        both.write_h5ad(tmp_path / "both.h5ad")
        assert set(read_h5ad(tmp_path / "both.h5ad").obs["time"].astype(float)) == {0.0, 1.0, 2.0, float(t)}
