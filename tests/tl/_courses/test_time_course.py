from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._courses import time_course
from cellot_sc.tl._fit import fit


@pytest.fixture(scope="module")
def cells() -> AnnData:
    adata = cs.datasets.simulate_branching(240, 20)
    cs.tl.trajectory(adata, solver="mean_shift")
    return adata


def test_what_was_fitted(cells: AnnData) -> None:
    course = time_course.load(cells, "trajectory")
    assert course.labels == ["0", "1", "2"]
    assert course.values == [0, 1, 2]
    assert len(course.steps) == 2
    assert course.index(1.0, what="time") == 1
    assert course.indices(cells).tolist() == cells.obs["time"].astype(int).tolist()


def test_cells_are_at_every_time_where_the_steps_bring_them(cells: AnnData) -> None:
    course = time_course.load(cells, "trajectory")
    x = cells.obsm["X_cellot"][:5]
    before, now, after = course.at(x, 1, 0, 2)
    np.testing.assert_array_equal(now, x)
    np.testing.assert_allclose(after, course.steps[1].transport(x))
    np.testing.assert_allclose(course.steps[0].transport(before), x, atol=1e-4)


def test_between_times_shifted_cells_lie_on_a_line(cells: AnnData) -> None:
    course = time_course.load(cells, "trajectory")
    x = cells.obsm["X_cellot"][:5]
    half = course.move(x, 0, 0.5, path=time_course.LINEAR)
    np.testing.assert_allclose(half, (x + course.steps[0].transport(x)) / 2, atol=1e-4)
    np.testing.assert_allclose(course.move(x, 0, 1, path=time_course.SPLINE), course.steps[0].transport(x))


def test_maps_of_later_times_are_chained(cells: AnnData) -> None:
    course = time_course.load(cells, "trajectory")
    x = cells.obsm["X_cellot"][:5]
    first, second = fit.chained(course.steps)
    assert first is course.steps[0]
    np.testing.assert_allclose(second.transport(x), course.steps[1].transport(first.transport(x)))


@pytest.mark.parametrize("path", time_course.PATHS)
def test_own_times(cells: AnnData, path: str) -> None:
    course = time_course.load(cells, "trajectory")
    x = cells.obsm["X_cellot"][:3]
    own = course.move(x, 0, 1.5, path=path, own_times=np.array([1.0, 1.5, 1.7]))
    for place, cell, t in zip(own, x, (1, 1.5, 1.7), strict=True):
        np.testing.assert_allclose(place, course.move(cell[None], 0, t, path=path)[0], atol=1e-4)
    np.testing.assert_array_equal(course.own_times(1.5, np.array([0.1, 0.9]), 1), [1, 2])
    np.testing.assert_array_equal(course.own_times(1, np.array([0.1, 0.9]), 1), [1, 1])


def test_without_a_time(cells: AnnData) -> None:
    course = time_course.load(cells, "trajectory")
    rest = course.without(1, course.steps[0])
    assert rest.labels == ["0", "2"]
    assert rest.values == [0, 2]
    assert rest.steps == [course.steps[0]]
    assert [course.around(t) for t in (0, 0.5, 1, 2)] == [[1], [0, 1], [0, 2], [1]]
