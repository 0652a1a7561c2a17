from __future__ import annotations

import inspect
import itertools
import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

import cellot_sc as cs
from cellot_sc.pl import _canvas, _colors, _draw


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
    elif name == "drug_similarity":
        drawn = function(cs.tl.drug_similarity(adata), **kwargs)
    elif name == "effect_clusters":
        drawn = function(adata, clusters="cell_type", basis="pca", **kwargs)
    elif name == "spatial_effects":
        with_places = adata.copy()
        with_places.obsm["spatial"] = np.random.default_rng(0).uniform(size=(adata.n_obs, 2))
        drawn = function(with_places, target="drug_a", features="gene_00", **kwargs)
    elif name in ("displacement", "embedding"):
        drawn = function(adata, "drug_a", basis="pca", **kwargs)
    elif name == "history":
        drawn = function(adata, **kwargs)
    else:
        drawn = function(adata, "drug_a", features="gene_00", **kwargs)
    return drawn if isinstance(drawn, dict) else {"": drawn}


FIGURES = [
    "displacement", "drug_similarity", "effect_clusters", "effect_heatmap", "embedding", "evaluation", "history",
    "marginals", "responses", "spatial_effects", "subpopulation_effects", "transport_cost",
]  # fmt: skip
WITH_LEGEND = [
    "displacement", "embedding", "evaluation", "history", "marginals", "subpopulation_effects", "transport_cost",
]  # fmt: skip


def test_every_function_is_here() -> None:
    assert set(FIGURES) <= set(cs.pl.__all__)


@pytest.mark.parametrize("name", FIGURES)
def test_manners(name: str) -> None:
    parameters = inspect.signature(getattr(cs.pl, name)).parameters
    for option in ("ax", "show", "save"):
        assert parameters[option].default is None
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("name", FIGURES)
def test_no_global_state(name: str, iterated: AnnData) -> None:
    parameters, backend = dict(mpl.rcParams), mpl.get_backend()
    before = iterated.copy()
    axes = draw(name, iterated, show=False)
    assert dict(mpl.rcParams) == parameters
    assert mpl.get_backend() == backend
    assert plt.get_fignums() == []
    assert all(isinstance(ax, Axes) for ax in axes.values())
    assert set(iterated.uns) == set(before.uns)
    assert set(iterated.obsm) == set(before.obsm)


@pytest.mark.parametrize("name", FIGURES)
def test_axes_of_the_caller_are_used(name: str, iterated: AnnData) -> None:
    n_panels = len(draw(name, iterated, show=False))
    figure, grid = plt.subplots(1, n_panels, squeeze=False)
    other = plt.figure()
    axes = draw(name, iterated, ax=grid.ravel().tolist() if n_panels > 1 else grid[0, 0])
    assert list(axes.values()) == grid.ravel().tolist()
    assert plt.get_fignums() == [figure.number, other.number]
    assert plt.gcf() is other
    assert other.axes == []
    assert all(ax.has_data() for ax in grid.ravel())


@pytest.mark.parametrize("name", FIGURES)
def test_wrong_number_of_axes(name: str, iterated: AnnData) -> None:
    _, grid = plt.subplots(1, 7)
    with pytest.raises(ValueError, match="ax holds 7 axes for"):
        draw(name, iterated, ax=grid)


@pytest.mark.parametrize("name", FIGURES)
def test_saved_and_closed(name: str, iterated: AnnData, tmp_path: Path) -> None:
    for suffix, start in {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}.items():
        file = tmp_path / f"figure{suffix}"
        draw(name, iterated, save=file)
        assert file.read_bytes().startswith(start)
        assert plt.get_fignums() == []


@pytest.mark.parametrize("name", FIGURES)
def test_file_that_cannot_be_saved(name: str, iterated: AnnData, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'figure.pngg' is no figure's file. Did you mean '.png'"):
        draw(name, iterated, save="figure.pngg")
    with pytest.raises(ValueError, match="the folder .* does not exist"):
        draw(name, iterated, save=tmp_path / "absent" / "figure.png")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", WITH_LEGEND)
def test_legends_cover_no_data(name: str, iterated: AnnData) -> None:
    options = {"overlay": True} if name == "embedding" else {}
    axes = draw(name, iterated, show=False, **options)
    figure = next(iter(axes.values())).get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert not any(box.overlaps(ax.get_window_extent()) for ax in axes.values())
    inside = figure.bbox
    assert inside.x0 <= box.x0 and box.x1 <= inside.x1 and box.y1 <= inside.y1


class TestShow:
    @pytest.fixture
    def shown(self, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
        calls: list[list[int]] = []
        monkeypatch.setattr(plt, "show", lambda: calls.append(plt.get_fignums()))
        return calls

    @pytest.mark.parametrize(
        ("show", "save", "is_shown", "is_open"),
        [
            (None, False, False, True),
            (None, True, False, False),
            (True, False, True, True),
            (True, True, True, True),
            (False, False, False, False),
            (False, True, False, False),
        ],
    )
    def test_own_figure(
        self, shown: list[list[int]], tmp_path: Path, show: bool | None, save: bool, is_shown: bool, is_open: bool
    ) -> None:
        canvas = _canvas.Canvas.of(None, 1, size=(1, 1), n_cols=1)
        canvas.finish(show=show, save=tmp_path / "a.png" if save else None)
        assert bool(shown) is is_shown
        assert bool(plt.get_fignums()) is is_open

    @pytest.mark.parametrize("show", [None, False])
    def test_figure_of_the_caller_stays_open(self, shown: list[list[int]], tmp_path: Path, show: bool | None) -> None:
        figure, ax = plt.subplots()
        _canvas.Canvas.of(ax, 1, size=(1, 1), n_cols=1).finish(show=show, save=tmp_path / "a.png")
        assert plt.get_fignums() == [figure.number]
        assert shown == []

    def test_closed_figures_can_still_be_changed_and_saved(self, iterated: AnnData, tmp_path: Path) -> None:
        [ax] = cs.pl.marginals(iterated, "drug_a", features="gene_00", show=False).values()
        ax.set_title("mine")
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.savefig(tmp_path / "mine.png")
        assert (tmp_path / "mine.png").stat().st_size > 0


class TestCanvas:
    def test_no_more_axes_than_panels(self) -> None:
        canvas = _canvas.Canvas.of(None, 5, size=(1, 1), n_cols=3)
        assert canvas.figure is not None
        assert canvas.figure.axes == canvas.axes
        assert [ax.get_subplotspec().rowspan.start for ax in canvas.axes] == [0, 0, 0, 1, 1]  # type: ignore[union-attr]
        assert canvas.figure.get_size_inches().tolist() == [3, 2]

    def test_dpi_is_a_setting(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes = []
        for dpi in (50, 100):
            monkeypatch.setattr(cs.settings, "figure_dpi", dpi)
            _canvas.Canvas.of(None, 1, size=(2, 2), n_cols=1).finish(show=False, save=tmp_path / "a.png")
            sizes.append(plt.imread(tmp_path / "a.png").shape[0])
        assert sizes[1] == pytest.approx(2 * sizes[0], abs=2)


class TestColors:
    @pytest.mark.parametrize("matrix", [
        # Viénot, Brettel and Mollon 1999: what protanopes and deuteranopes see of linear RGB
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    ])  # fmt: skip
    def test_roles_and_models_differ_for_every_eye(self, matrix: list[list[float]]) -> None:
        for colors in ([_colors.GREY, _colors.BLUE, _colors.VERMILION], [*_colors.model_colors(["icnn"]).values()]):
            seen = [np.asarray(matrix) @ np.asarray(to_rgb(color)) ** 2.2 for color in colors]
            assert min(math.dist(a, b) for a, b in itertools.combinations(seen, 2)) > 0.08

    def test_roles_without_a_palette(self, iterated: AnnData) -> None:
        colors = _colors.role_colors(iterated, {"perturbation_key": "perturbation", "control": "control"}, "drug_a")
        assert colors == {"control": _colors.GREY, "observed": _colors.BLUE, "predicted": _colors.VERMILION}

    def test_roles_with_a_palette(self, iterated: AnnData) -> None:
        iterated.uns["perturbation_colors"] = ["#1f77b4", "#ff7f0e", "#2ca02c"]
        colors = _colors.role_colors(iterated, {"perturbation_key": "perturbation", "control": "control"}, "drug_a")
        assert colors["control"] == "#1f77b4"
        assert colors["observed"] == "#ff7f0e"
        # vermilion would be taken for the palette's orange
        assert colors["predicted"] not in (_colors.VERMILION, _colors.BLUE)

    @pytest.mark.parametrize("stored", [["#000000"], None])
    def test_palette_that_is_too_short_is_no_palette(self, iterated: AnnData, stored: list[str] | None) -> None:
        if stored is not None:
            iterated.uns["cell_type_colors"] = stored
        names = list(iterated.obs["cell_type"].cat.categories)
        assert list(_colors.category_colors(iterated, "cell_type", names).values()) == list(_colors.COLORS[: len(names)])

    def test_text_columns_have_no_palette(self, iterated: AnnData) -> None:
        iterated.uns["cell_type_colors"] = ["red"] * 4
        iterated.obs["cell_type"] = iterated.obs["cell_type"].astype(str)
        assert _colors.palette(iterated, "cell_type") == {}

    @pytest.mark.parametrize("n", [1, 7, 8, 21, 34, 102, 150])
    def test_as_many_colors_as_are_needed(self, n: int) -> None:
        assert len({to_rgb(color) for color in _colors.distinct(n)}) == n

    def test_every_model_has_a_color(self) -> None:
        models = ["icnn", "identity", "entropic", "observed"]
        colors = _colors.model_colors(models)
        assert len({colors[model] for model in models}) == 4
        assert colors["icnn"] == _colors.VERMILION


@pytest.mark.parametrize(("n_total", "rasterised"), [(50_000, False), (50_001, True)])
def test_many_points_become_an_image(n_total: int, rasterised: bool) -> None:
    _, ax = plt.subplots()
    _draw.points(ax, np.zeros((10, 2)), n_total=n_total, color="red")
    [points] = ax.collections
    assert points.get_rasterized() is rasterised


def test_points_shrink_as_there_are_more() -> None:
    sizes = []
    for n in (10, 5000, 10**6):
        _, ax = plt.subplots()
        _draw.points(ax, np.zeros((3, 2)), n_total=n, color="red")
        sizes.append(ax.collections[0].get_sizes()[0])  # type: ignore[attr-defined]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] >= 1
