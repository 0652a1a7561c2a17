"""Manners of every figure: where it draws, when it is shown, saved and closed, and what it leaves alone."""

from __future__ import annotations

import inspect
import itertools
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.text import Text

import cellot_sc as cs

from .conftest import Tables, history
from .conftest import draw as draw_many
from .test_images import boxes, overlap


def draw(name: str, adata: AnnData, **kwargs: Any) -> dict[Any, Axes]:
    """Draw one of the figures, small."""
    function = getattr(cs.pl, name)
    if name == "scorecard":
        return {"": function(cs.tl.evaluate(adata, metrics="energy_distance", floor="identity", n_boot=5), **kwargs)}
    if name == "evaluation":
        return function(cs.tl.evaluate(adata, metrics="energy_distance", n_boot=5), **kwargs)
    if name in ("responses", "effect_heatmap"):
        drawn = function(cs.tl.signature(adata), **kwargs)
    elif name in ("subpopulation_effects", "volcano"):
        drawn = function(cs.tl.subpopulation_effects(adata, "cell_type"), **kwargs)
    elif name == "transport_cost":
        drawn = function(cs.tl.transport_cost(adata), **kwargs)
    elif name == "perturbation_similarity":
        drawn = function(cs.tl.perturbation_similarity(adata), **kwargs)
    elif name == "effect_clusters":
        drawn = function(adata, clusters="cell_type", basis="pca", **kwargs)
    elif name == "composition":
        drawn = function(adata, **{"by": "perturbation"} | kwargs)
    elif name == "spatial_effects":
        with_places = adata.copy()
        with_places.obsm["spatial"] = np.random.default_rng(0).uniform(size=(adata.n_obs, 2))
        drawn = function(with_places, **{"targets": "drug_a", "features": "gene_00"} | kwargs)
    elif name in ("displacement", "embedding"):
        drawn = function(adata, **{"targets": "drug_a", "basis": "pca"} | kwargs)
    elif name in ("dose_response", "history"):
        drawn = function(adata, **kwargs)
    elif name == "clonal_agreement":
        drawn = function(cs.tl.clonal_agreement(adata, baselines=["prior", "identity"], n_boot=5), **kwargs)
    elif name == "trajectory":
        drawn = function(adata, **{"color": "fate"} | kwargs)
    elif name == "fate":
        drawn = function(adata, **{"groupby": "time"} | kwargs)
    else:
        drawn = function(adata, **{"targets": "drug_a", "features": "gene_00"} | kwargs)
    return drawn if isinstance(drawn, dict) else {"": drawn}


OF_COURSES = ("clonal_agreement", "fate", "trajectory")
FIGURES = [
    "composition", "displacement", "dose_response", "effect_clusters", "effect_heatmap", "embedding", "evaluation",
    "history", "marginals", "perturbation_similarity", "responses", "scorecard", "spatial_effects",
    "subpopulation_effects", "transport_cost", "volcano", *OF_COURSES,
]  # fmt: skip
WITH_LEGEND = [
    "composition", "displacement", "dose_response", "embedding", "evaluation", "fate", "history", "marginals",
    "subpopulation_effects", "trajectory", "transport_cost", "volcano",
]  # fmt: skip


@pytest.fixture
def subject(name: str, request: pytest.FixtureRequest) -> AnnData:
    """The cells of a figure."""
    of_figure = {"dose_response": "doses", **dict.fromkeys(OF_COURSES, "course")}
    adata: AnnData = request.getfixturevalue(of_figure.get(name, "iterated"))
    return adata


def test_every_function_is_here() -> None:
    assert sorted(FIGURES) == sorted(cs.pl.__all__)


@pytest.mark.parametrize("name", FIGURES)
def test_manners(name: str) -> None:
    parameters = inspect.signature(getattr(cs.pl, name)).parameters
    for option in ("figsize", "ax", "show", "save"):
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
def test_saved_as_scanpy_does(name: str, subject: AnnData, tmp_path: Path, scanpy_settings: None) -> None:
    sc.settings.figdir, sc.settings.file_format_figs = tmp_path / "figures", "png"
    axes = draw(name, subject, save=True, figsize=(7, 5))
    figure = next(iter(axes.values())).get_figure(root=True)
    assert figure is not None
    assert figure.get_size_inches().tolist() == [7, 5]
    assert [file.name for file in (tmp_path / "figures").iterdir()] == [f"{name}.png"]


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


LONG = "chr1.10050_top_two_chr11.1801_top_two_chr12"
HOSTILE = {"drug_a": "price 5$ or $\\frac$ ^_", "drug_b": LONG, "control": "_control"}
FATES = {"fate_a": "NK/T of 5$ or 10$", "fate_b": "_b", "fate_c": LONG}


@pytest.fixture(scope="module")
def _hostile() -> dict[str, AnnData]:
    """Cells whose labels are math to some, private to others, missing or long."""
    cells = cs.datasets.simulate(450, 24)
    cells.obs["perturbation"] = cells.obs["perturbation"].cat.rename_categories(HOSTILE)
    types = cells.obs["cell_type"].cat
    cells.obs["cell_type"] = types.rename_categories(
        dict(zip(types.categories, ["_a", "$x$", LONG, "\\b"], strict=True))
    )
    cells.obs.loc[cells.obs_names[::7], "cell_type"] = None
    cells.var_names = [f"$g_{i}$" if i else "gene_00" for i in range(24)]
    cs.pp.split(cells, control="_control", test_fraction=0.3)
    cs.pp.represent(cells, n_components=4)
    cs.tl.cellot(cells, control="_control", solver="gaussian")
    names = list(HOSTILE.values())[:2]
    cells.uns["cellot"]["history"] = history(names)
    course = cs.datasets.simulate_branching(300, 20)
    course.obs["cell_type"] = course.obs["cell_type"].cat.rename_categories(FATES)
    course.obs["fate"] = course.obs["fate"].cat.rename_categories(FATES)
    course.obs.loc[course.obs_names[::5], "fate"] = None
    cs.tl.trajectory(course, solver="gaussian")
    cs.tl.fate(course)
    doses = cs.datasets.simulate_doses(40, 4, doses=(1, 10, 100))
    doses.obs["perturbation"] = doses.obs["perturbation"].cat.rename_categories({"drug_a": "_5$", "inert": LONG})
    doses.var_names = [f"$g_{i}$" for i in range(4)]
    cs.tl.dose_response(doses, replicate="replicate", solver="mean_shift", use_rep="X")
    return {"cells": cells, "course": course, "doses": doses}


@pytest.mark.parametrize("name", FIGURES)
def test_names_are_text_and_cover_no_other(name: str, _hostile: dict[str, AnnData]) -> None:
    adata = _hostile["course" if name in OF_COURSES else "doses" if name == "dose_response" else "cells"]
    target = HOSTILE["drug_a"]
    of_figure: dict[str, dict[str, Any]] = {
        "displacement": {"targets": None, "color": "cell_type"},
        "embedding": {"targets": None, "color": "cell_type"},
        "marginals": {"targets": None},
        "spatial_effects": {"targets": None},
        "fate": {"groupby": "fate"},
    }
    axes = draw(name, adata, show=False, **of_figure.get(name, {}))
    figure = next(iter(axes.values())).get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    assert not any("$" in text.get_text() and text.get_parse_math() for text in texts if "W$_1$" not in text.get_text())
    titles = [ax._left_title for ax in axes.values() if ax._left_title.get_text()]  # type: ignore[attr-defined]
    boxes = [title.get_window_extent() for title in titles]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    if name in ("embedding", "displacement"):
        legend = [text.get_text() for text in figure.legends[0].get_texts()]
        assert {"_a", "$x$", "\\b", "missing"} <= set(legend)
        assert any(target in title.get_text().replace("\n", " ") for title in titles)


class LongTables(Tables):
    """Tables of perturbations and groups with names of 40 letters."""

    @staticmethod
    def names(n: int) -> list[str]:
        return [f"{i:02d} 4-(4-methylpiperazinyl)-phenol, 10 µM" for i in range(n)]

    groups = tuple(f"CD{i}+ central memory T cells, lymph nodes" for i in range(4))


@pytest.fixture(scope="module")
def _many() -> dict[str, AnnData]:
    """Cells of 30 perturbations, of 4 groups, all with names of 40 letters."""
    names = LongTables.names(30)
    assert {len(name) for name in (*names, *LongTables.groups)} == {40}
    cells = cs.datasets.simulate(31 * 30, 24, perturbations=names)
    types = cells.obs["cell_type"].cat
    cells.obs["cell_type"] = types.rename_categories(dict(zip(types.categories, LongTables.groups, strict=True)))
    cs.pp.split(cells, test_fraction=0.4)
    cs.pp.represent(cells, n_components=4)
    cs.tl.cellot(cells, solver="mean_shift")
    cells.uns["cellot"]["history"] = history(names)
    cells.obs["effect_cluster"] = cells.obs["cell_type"].where(cells.obs["perturbation"] == "control")
    cells.obsm["spatial"] = np.random.default_rng(0).uniform(size=(cells.n_obs, 2))
    course = cs.datasets.simulate_branching(300, 20)
    fates = dict(zip(FATES, LongTables.groups, strict=False))
    for column in ("cell_type", "fate"):
        course.obs[column] = course.obs[column].cat.rename_categories(fates)
    cs.tl.trajectory(course, solver="mean_shift")
    cs.tl.fate(course)
    doses = cs.datasets.simulate_doses(14, 4, perturbations=names, doses=(1, 10, 100), n_replicates=2)
    cs.tl.dose_response(doses, replicate="replicate", solver="mean_shift", use_rep="X")
    return {"cells": cells, "course": course, "doses": doses}


@pytest.mark.parametrize("name", FIGURES)
def test_long_names_of_many_overlap_nowhere(name: str, _many: dict[str, AnnData]) -> None:
    subject = _many["course" if name in OF_COURSES else "doses" if name == "dose_response" else "cells"]
    if name == "scorecard":
        models = {name: f"{name} of 40 letters {'x' * 40}"[:40] for name in ("gaussian", "icnn")}
        scores = LongTables.scores(1).replace({"model": models})
        calibrated = scores.assign(metric=scores["metric"] + "_calibrated", floor="identity")
        axes = [cs.pl.scorecard(pd.concat([scores, calibrated]), show=False)]
    elif name in (*OF_COURSES, "dose_response"):
        axes = list(draw(name, subject, show=False).values())
    else:
        axes = draw_many(name, subject, LongTables, 30, show=False)
    figure = axes[0].get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    found = boxes(figure)
    assert [(a, b) for a, b in itertools.combinations(found, 2) if overlap(found[a], found[b])] == []
    inside = figure.bbox.padded(1)
    assert [text for text, box in found.items() if not (inside.x0 <= box.x0 and box.x1 <= inside.x1)] == []


def columns(n: int) -> dict[str, Any]:
    """Return columns of every kind that pandas has, most of them with missing values."""
    group, absent = np.arange(n) % 4, np.arange(n) % 7 == 0

    def with_gaps(values: Any) -> np.ndarray:
        known = np.array(values, dtype=object)
        known[absent] = None
        return known

    return {
        "category": pd.Categorical(with_gaps(np.array(list("abcd"))[group]), categories=list("zdcbay")),
        "numbers": pd.Categorical(with_gaps(group)),
        "boolean": pd.array(with_gaps(group > 1), dtype="boolean"),
        "integer": pd.array(with_gaps(group), dtype="Int64"),
        "text": with_gaps(np.array(["", " ", "_", "nan"], dtype=object)[group]),
        "many": [f"clone {i % 150}" for i in range(n)],
        "none": pd.Categorical([None] * n, categories=["a"]),
    }


@pytest.mark.parametrize("kind", list(columns(1)))
@pytest.mark.parametrize("name", ["embedding", "displacement", "fate", "trajectory"])
def test_columns_of_every_kind(name: str, kind: str, _hostile: dict[str, AnnData]) -> None:
    adata = _hostile["course" if name in OF_COURSES else "cells"].copy()
    adata.obs["column"] = pd.Series(columns(adata.n_obs)[kind], index=adata.obs_names)
    stored = {"category": ["red"], "numbers": ["no colour"] * 4, "text": "red"}
    adata.uns["column_colors"] = stored.get(kind, ["red"] * 9)
    before = adata.obs["column"].copy()
    if name == "fate":
        ax = cs.pl.fate(adata, "column", show=False)
        shown = [tick.get_text() for tick in ax.get_xticklabels()]
    else:
        options: dict[str, Any] = {"basis": "pca", "color": "column", "show": False}
        if name != "trajectory":
            options["targets"] = LONG
        drawn = getattr(cs.pl, name)(adata, **options)
        ax = next(iter(drawn.values())) if isinstance(drawn, dict) else drawn
        figure = ax.get_figure(root=True)
        assert figure is not None
        shown = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    pd.testing.assert_series_equal(adata.obs["column"], before)
    if kind == "category":
        assert shown[:5] == ["d", "c", "b", "a", "missing"]
    elif kind != "many" and not (kind == "integer" and name == "trajectory"):
        assert "missing" in shown
    elif name in ("embedding", "displacement", "trajectory") and kind == "many":
        assert any(text.startswith("and ") and text.endswith(" more") for text in shown) or len(shown) <= 62
