from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from anndata import AnnData
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.quiver import Quiver
from scipy.spatial import Delaunay

import cellot_sc as cs
from cellot_sc.pl import _trajectory


def lines(ax: Any) -> LineCollection:
    [found] = [collection for collection in ax.collections if isinstance(collection, LineCollection)]
    return found


def test_paths_begin_at_their_cells_and_end_where_these_are_transported(course: AnnData) -> None:
    ax = cs.pl.trajectory(course, n_paths=7, show=False)
    segments = np.array(lines(ax).get_segments())
    assert len(segments) == 7 * 24
    dots = np.asarray(ax.collections[-1].get_offsets())
    np.testing.assert_allclose(segments[::24, 0], dots, atol=1e-5)
    everyone = np.asarray(ax.collections[0].get_offsets())
    assert len(everyone) == course.n_obs
    assert all(np.abs(everyone - dot).max(axis=1).min() < 1e-5 for dot in dots)


def test_colours_are_those_of_the_start(course: AnnData) -> None:
    course.uns["fate_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    ax = cs.pl.trajectory(course, "fate", n_paths=5, show=False)
    dots = [to_hex(color) for color in np.asarray(ax.collections[-1].get_facecolor())]
    assert [to_hex(color) for color in np.asarray(lines(ax).get_color())[::24]] == dots
    assert set(dots) <= {"#ff0000", "#00ff00", "#0000ff"}


def test_time_and_numbers_have_a_scale(course: AnnData) -> None:
    for color, label in ((None, "time"), ("fate_potency", "fate_potency")):
        figure = cs.pl.trajectory(course, color, show=False).get_figure(root=True)
        assert figure is not None
        assert figure.axes[-1].get_ylabel() == label


def test_streamlines_and_another_basis(course: AnnData) -> None:
    course.obsm["X_map"] = course.obsm["X_cellot"][:, [1, 0]]
    ax = cs.pl.trajectory(course, style="streamlines", basis="X_map", show=False)
    assert ax.get_xlabel() == "X_map 1"
    assert len(lines(ax).get_segments()) > 10
    figure, mine = plt.subplots()
    assert cs.pl.trajectory(course, basis="X_map", source=1, ax=mine) is mine


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"style": "path"}, ValueError, "style 'path' is unknown. Did you mean 'paths'"),
        ({"source": 2}, ValueError, "source '2' is the last time"),
        ({"basis": "X_umpa"}, KeyError, "basis 'X_umpa' is not in adata.obsm"),
        ({"color": "fat"}, KeyError, "color 'fat' is not in adata.obs. Did you mean 'fate'"),
        ({"palette": "viridi"}, ValueError, "palette 'viridi' is unknown. Did you mean 'viridis'"),
        ({"n_paths": 0}, ValueError, "n_paths is 0"),
        ({"save": "a.txt"}, ValueError, "is no figure's file"),
    ],
)
def test_trajectory_errors(course: AnnData, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cs.pl.trajectory(course, **kwargs)
    assert plt.get_fignums() == []


def test_paths_stay_among_cells(course: AnnData) -> None:
    ax = cs.pl.trajectory(course, show=False)
    cells = np.asarray(ax.collections[0].get_offsets())
    ends = np.array(lines(ax).get_segments())[:, 1]
    middle = cells.mean(axis=0)
    inside = Delaunay(cells).find_simplex(middle + (ends - middle) / 1.06) >= 0
    # a path may leave and come back, but none ends outside
    assert inside[23::24].all()
    assert ax.get_title("left").endswith("cells from time 0 to 2")


def test_a_path_ends_where_it_leaves_for_good() -> None:
    cells = np.array([[0.0, 0], [4, 0], [0, 4], [4, 4]])
    away = np.column_stack([np.arange(1.0, 9), np.full(8, 2.0)])
    back = np.array([[1.0, 2], [2, 2], [9, 2], [9, 3], [3, 3], [3, 2], [2, 2], [2, 1]])
    paths, n_left = _trajectory._among(np.stack([away, back]), cells)
    assert n_left == 1
    np.testing.assert_array_equal(paths[0, :, 0], [1, 2, 3, 4, 4, 4, 4, 4])
    np.testing.assert_array_equal(paths[1], back)
    # cells in a line have no inside
    assert _trajectory._among(np.stack([away]), cells[:2])[1] == 0


def test_leaps_are_not_drawn_and_arrows_end_paths() -> None:
    _, ax = plt.subplots()
    paths = np.array([[[0.0, 0], [1, 0], [9, 0], [10, 0]], [[0.0, 1], [0, 1], [0, 1], [0, 1]]])
    _trajectory._paths(ax, paths, np.tile([0.0, 0, 0, 1], (2, 1)), None)
    [arrows] = [collection for collection in ax.collections if isinstance(collection, Quiver)]
    np.testing.assert_array_equal(arrows.get_offsets(), [[10, 0]])
    segments = np.array(lines(ax).get_segments())
    assert np.hypot(*(segments[:, 1] - segments[:, 0]).T).tolist() == [1, 0, 1, 0, 0, 0]
