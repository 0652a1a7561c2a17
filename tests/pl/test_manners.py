"""Manners of every figure: where it draws, when it is shown, saved and closed, and what it leaves alone."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from anndata import AnnData
from matplotlib.axes import Axes

import cellot_sc as cs


def draw(name: str, adata: AnnData, **kwargs: Any) -> dict[Any, Axes]:
    """Draw one of the figures, small."""
    function = getattr(cs.pl, name)
    if name == "evaluation":
        return function(cs.tl.evaluate(adata, metrics="energy_distance", n_boot=5), **kwargs)
    if name in ("responses", "effect_heatmap"):
        drawn = function(cs.tl.signature(adata), **kwargs)
    elif name == "subpopulation_effects":
        drawn = function(cs.tl.subpopulation_effects(adata, "cell_type"), **kwargs)
    elif name == "transport_cost":
        drawn = function(cs.tl.transport_cost(adata), **kwargs)
    elif name == "perturbation_similarity":
        drawn = function(cs.tl.perturbation_similarity(adata), **kwargs)
    elif name == "effect_clusters":
        drawn = function(adata, clusters="cell_type", basis="pca", **kwargs)
    elif name == "spatial_effects":
        with_places = adata.copy()
        with_places.obsm["spatial"] = np.random.default_rng(0).uniform(size=(adata.n_obs, 2))
        drawn = function(with_places, targets="drug_a", features="gene_00", **kwargs)
    elif name in ("displacement", "embedding"):
        drawn = function(adata, "drug_a", basis="pca", **kwargs)
    elif name == "history":
        drawn = function(adata, **kwargs)
    elif name == "clonal_agreement":
        drawn = function(cs.tl.clonal_agreement(adata, baselines=["prior", "identity"], n_boot=5), **kwargs)
    elif name == "trajectory":
        drawn = function(adata, **{"color": "fate"} | kwargs)
    elif name == "fate":
        drawn = function(adata, "time", **kwargs)
    else:
        drawn = function(adata, "drug_a", features="gene_00", **kwargs)
    return drawn if isinstance(drawn, dict) else {"": drawn}


OF_COURSES = ("clonal_agreement", "fate", "trajectory")
FIGURES = [
    "displacement", "effect_clusters", "effect_heatmap", "embedding", "evaluation", "history", "marginals",
    "perturbation_similarity", "responses", "spatial_effects", "subpopulation_effects", "transport_cost", *OF_COURSES,
]  # fmt: skip
WITH_LEGEND = [
    "displacement", "embedding", "evaluation", "fate", "history", "marginals", "subpopulation_effects", "trajectory",
    "transport_cost",
]  # fmt: skip


@pytest.fixture
def subject(name: str, request: pytest.FixtureRequest) -> AnnData:
    """The cells of a figure."""
    adata: AnnData = request.getfixturevalue("course" if name in OF_COURSES else "iterated")
    return adata


def test_every_function_is_here() -> None:
    assert sorted(FIGURES) == sorted(cs.pl.__all__)


@pytest.mark.parametrize("name", FIGURES)
def test_manners(name: str) -> None:
    parameters = inspect.signature(getattr(cs.pl, name)).parameters
    for option in ("ax", "show", "save"):
        assert parameters[option].default is None
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("name", FIGURES)
def test_no_global_state(name: str, subject: AnnData) -> None:
    parameters, backend = dict(mpl.rcParams), mpl.get_backend()
    before = subject.copy()
    axes = draw(name, subject, show=False)
    assert dict(mpl.rcParams) == parameters
    assert mpl.get_backend() == backend
    assert plt.get_fignums() == []
    assert all(isinstance(ax, Axes) for ax in axes.values())
    assert set(subject.uns) == set(before.uns)
    assert set(subject.obsm) == set(before.obsm)


@pytest.mark.parametrize("name", FIGURES)
def test_axes_of_the_caller_are_used(name: str, subject: AnnData) -> None:
    n_panels = len(draw(name, subject, show=False))
    figure, grid = plt.subplots(1, n_panels, squeeze=False)
    other = plt.figure()
    axes = draw(name, subject, ax=grid.ravel().tolist() if n_panels > 1 else grid[0, 0])
    assert list(axes.values()) == grid.ravel().tolist()
    assert plt.get_fignums() == [figure.number, other.number]
    assert plt.gcf() is other
    assert other.axes == []
    assert all(ax.has_data() for ax in grid.ravel())


@pytest.mark.parametrize("name", FIGURES)
def test_wrong_number_of_axes(name: str, subject: AnnData) -> None:
    _, grid = plt.subplots(1, 7)
    with pytest.raises(ValueError, match="ax holds 7 axes for"):
        draw(name, subject, ax=grid)


@pytest.mark.parametrize("name", FIGURES)
def test_saved_and_closed(name: str, subject: AnnData, tmp_path: Path) -> None:
    for suffix, start in {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}.items():
        file = tmp_path / f"figure{suffix}"
        draw(name, subject, save=file)
        assert file.read_bytes().startswith(start)
        assert plt.get_fignums() == []


@pytest.mark.parametrize("name", FIGURES)
def test_file_that_cannot_be_saved(name: str, subject: AnnData, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'figure.pngg' is no figure's file. Did you mean '.png'"):
        draw(name, subject, save="figure.pngg")
    with pytest.raises(ValueError, match="the folder .* does not exist"):
        draw(name, subject, save=tmp_path / "absent" / "figure.png")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", WITH_LEGEND)
def test_legends_cover_no_data(name: str, subject: AnnData) -> None:
    options = {"overlay": True} if name == "embedding" else {}
    axes = draw(name, subject, show=False, **options)
    figure = next(iter(axes.values())).get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert not any(box.overlaps(ax.get_window_extent()) for ax in axes.values())
    inside = figure.bbox
    assert inside.x0 <= box.x0 and box.x1 <= inside.x1 and box.y1 <= inside.y1
