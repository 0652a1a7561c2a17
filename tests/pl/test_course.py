"""The figures of a time course: paths, fates and their agreement with clones."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

import cellot_sc as cs


@pytest.fixture(scope="module")
def _course() -> AnnData:
    adata = cs.datasets.simulate_branching(450, 30)
    cs.pp.split(adata, "time", control="0")
    cs.pp.represent(adata, n_components=5)
    cs.tl.trajectory(adata, solver="gaussian")
    cs.tl.fate(adata)
    return adata


@pytest.fixture
def course(_course: AnnData) -> AnnData:
    return _course.copy()


@pytest.fixture(scope="module")
def table(_course: AnnData) -> pd.DataFrame:
    return cs.tl.clonal_agreement(_course, models=["prior", "identity"], n_boot=30)


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
        ({"n_paths": 0}, ValueError, "n_paths is 0"),
        ({"save": "a.txt"}, ValueError, "is no figure's file"),
    ],
)
def test_trajectory_errors(course: AnnData, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cs.pl.trajectory(course, **kwargs)
    assert plt.get_fignums() == []


def test_bars_are_the_probabilities(course: AnnData) -> None:
    ax = cs.pl.fate(course, show=False)
    shares = course.obsm["fate"].dropna().to_numpy()
    areas = []
    for patch in ax.collections:
        path = np.asarray(patch.get_paths()[0].vertices)
        x, y = path[:, 0], path[:, 1]
        areas.append(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)
    np.testing.assert_allclose(areas, shares.sum(axis=0), rtol=1e-6)


def test_bars_by_group(course: AnnData) -> None:
    ax = cs.pl.fate(course, "time", show=False)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1"]
    assert ax.get_xlabel() == "time"


def test_a_certain_cell_lies_in_its_corner(course: AnnData) -> None:
    shares = course.obsm["fate"]
    early = shares.notna().all(axis=1)
    shares.loc[early] = [0.0, 1.0, 0.0]
    ax = cs.pl.fate(course, style="simplex", show=False)
    corner = np.array([np.cos(np.pi / 2 + 2 * np.pi / 3), np.sin(np.pi / 2 + 2 * np.pi / 3)])
    dots = np.asarray(ax.collections[0].get_offsets())
    assert len(dots) == early.sum()
    np.testing.assert_allclose(dots.mean(axis=0), corner, atol=0.01)
    assert [text.get_text() for text in ax.texts] == ["fate_a", "fate_b", "fate_c"]


def test_simplex_by_group(course: AnnData) -> None:
    ax = cs.pl.fate(course, "time", style="simplex", show=False)
    figure = ax.get_figure(root=True)
    assert figure is not None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "1"]


def test_fate_errors(course: AnnData) -> None:
    with pytest.raises(KeyError, match="There are no fates under 'fates'"):
        cs.pl.fate(course, key="fates")
    with pytest.raises(ValueError, match="style 'bar' is unknown. Did you mean 'bars'"):
        cs.pl.fate(course, style="bar")  # type: ignore[arg-type]
    cs.tl.fate(course, fates=["fate_a", "fate_b"], key_added="two")
    with pytest.raises(ValueError, match="style 'simplex' needs three fates; there are 2"):
        cs.pl.fate(course, style="simplex", key="two")
    assert plt.get_fignums() == []


def test_agreement_is_that_of_the_table(table: pd.DataFrame) -> None:
    axes = cs.pl.clonal_agreement(table, show=False)
    assert list(axes) == ["accuracy", "auroc", "correlation"]
    rows = table[(table["source"] == "all") & (table["fate"] == "all") & (table["metric"] == "auroc")]
    rows = rows.set_index("model")
    ax = axes["auroc"]
    names = ["prior", "identity", "gaussian"]
    np.testing.assert_allclose(np.asarray(ax.collections[1].get_offsets())[:, 0], rows.loc[names, "value"])
    intervals: Any = ax.collections[0]
    ends = np.array([segment[:, 0] for segment in intervals.get_segments()])
    np.testing.assert_allclose(ends, rows.loc[names, ["ci_low", "ci_high"]])
    labels = [label.get_text() for label in axes["accuracy"].get_yticklabels()]
    assert labels == ["prior", "identity (no effect)", "Gaussian map"]


def test_agreement_of_one_time_and_fate(table: pd.DataFrame) -> None:
    axes = cs.pl.clonal_agreement(table, source="0", fate="fate_a", show=False)
    assert list(axes) == ["auroc", "correlation"]


def test_agreement_errors(table: pd.DataFrame) -> None:
    with pytest.raises(KeyError, match="one made by cs.tl.clonal_agreement is needed"):
        cs.pl.clonal_agreement(table.drop(columns="n_clones"))
    with pytest.raises(ValueError, match="source '5' is unknown"):
        cs.pl.clonal_agreement(table, source="5")
    with pytest.raises(ValueError, match="fate 'fat_a' is unknown. Did you mean 'fate_a'"):
        cs.pl.clonal_agreement(table, fate="fat_a")
    assert plt.get_fignums() == []
