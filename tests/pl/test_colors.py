from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

import cellot_sc as cs
from cellot_sc.pl import _colors


class TestColors:
    @pytest.mark.parametrize("matrix", [
        # Viénot, Brettel and Mollon 1999: what protanopes and deuteranopes see of linear RGB
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    ])  # fmt: skip
    def test_roles_and_models_differ_for_every_eye(self, matrix: list[list[float]]) -> None:
        for colors in (
            [_colors.GREY, _colors.BLUE, _colors.VERMILION],
            [*_colors.model_colors([*_colors.MODEL_COLORS, "icnn"]).values()],
        ):
            seen = [np.asarray(matrix) @ np.asarray(to_rgb(color)) ** 2.2 for color in colors]
            assert min(math.dist(a, b) for a, b in itertools.combinations(seen, 2)) > 0.08

    def test_roles_without_a_palette(self, iterated: AnnData) -> None:
        colors = _colors.role_colors(iterated, cs.tl.maps(iterated).fit, "drug_a")
        assert colors == {"control": _colors.GREY, "observed": _colors.BLUE, "predicted": _colors.VERMILION}

    def test_roles_with_a_palette(self, iterated: AnnData) -> None:
        iterated.uns["perturbation_colors"] = ["#1f77b4", "#ff7f0e", "#2ca02c"]
        colors = _colors.role_colors(iterated, cs.tl.maps(iterated).fit, "drug_a")
        assert colors["control"] == "#1f77b4"
        assert colors["observed"] == "#ff7f0e"
        # vermilion would be taken for the palette's orange
        assert colors["predicted"] not in (_colors.VERMILION, _colors.BLUE)

    @pytest.mark.parametrize("stored", [["#000000"], None])
    def test_palette_that_is_too_short_is_no_palette(self, iterated: AnnData, stored: list[str] | None) -> None:
        if stored is not None:
            iterated.uns["cell_type_colors"] = stored
        names = list(iterated.obs["cell_type"].cat.categories)
        assert list(_colors.category_colors(iterated, "cell_type", names).values()) == list(
            _colors.COLORS[: len(names)]
        )

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


class TestPalette:
    OWN = {"a": "#111111", "b": "#222222", None: _colors.MISSING}

    def test_names_have_the_colors_of_the_palette(self) -> None:
        assert _colors.recoloured(self.OWN, None) == self.OWN
        assert _colors.recoloured(self.OWN, {"b": "red", "c": "no colour"}) == self.OWN | {"b": "red"}
        assert _colors.recoloured(self.OWN, ["red", "blue", "green"]) == self.OWN | {"a": "red", "b": "blue"}
        of_map = _colors.recoloured(self.OWN, "viridis")
        assert to_rgb(of_map["a"]) == pytest.approx((0.267004, 0.004874, 0.329415), abs=1e-5)
        assert to_rgb(of_map["b"]) == pytest.approx((0.993248, 0.906157, 0.143936), abs=1e-5)
        assert of_map[None] == _colors.MISSING

    @pytest.mark.parametrize(
        ("palette", "words"),
        [
            (["red"], "number of colours of palette is 1; at least 2 are needed"),
            ({"a": "redd"}, "palette has 'redd', which is no colour"),
            ("virids", "palette 'virids' is unknown. Did you mean 'viridis'"),
        ],
    )
    def test_what_is_no_palette(self, palette: _colors.Palette, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            _colors.recoloured(self.OWN, palette)


class TestPlaces:
    """A category has one colour in all figures of the same cells, whichever of them a figure shows."""

    TYPES = ("type_0", "type_1", "type_2", "type_3")

    def test_figures_agree(self, iterated: AnnData) -> None:
        # the first type is not among the cells that the embedding shows
        held_out = iterated.obs["split"] == "test"
        iterated.obs.loc[held_out & (iterated.obs["cell_type"] == "type_0"), "cell_type"] = "type_1"
        embedding = cs.pl.embedding(iterated, "drug_a", basis="pca", color="cell_type", show=False)
        arrows = cs.pl.displacement(iterated, "drug_a", basis="pca", color="cell_type", show=False)
        bars = cs.pl.composition(iterated, "cell_type", "perturbation", show=False)
        table = cs.tl.transport_cost(iterated, targets="drug_a", groupby="cell_type", n_boot=2)
        costs = cs.pl.transport_cost(table, show=False)
        found = [legend_of(ax) for ax in (next(iter(embedding.values())), arrows["drug_a"], bars, costs)]
        assert [name in found[0] for name in self.TYPES] == [False, True, True, True]
        expected = dict(zip(self.TYPES, map(to_rgb, _colors.COLORS), strict=False))
        for colors in found:
            shown = {name: color for name, color in colors.items() if name in self.TYPES}
            assert shown == {name: expected[name] for name in shown}
            assert len(shown) >= 3

    def test_a_column_of_text(self, iterated: AnnData) -> None:
        iterated.obs["cell_type"] = iterated.obs["cell_type"].astype(str)
        colors = _colors.category_colors(iterated, "cell_type", ["type_3", "type_1"])
        assert colors == {"type_3": _colors.COLORS[3], "type_1": _colors.COLORS[1]}

    def test_a_palette(self, iterated: AnnData) -> None:
        def of(palette: _colors.Palette) -> list[str]:
            return list(_colors.category_colors(iterated, "cell_type", ["type_1", "type_3"], palette).values())

        four = ["red", "green", "blue", "yellow"]
        assert of(four) == ["green", "yellow"]
        assert of(["red", "green"]) == ["red", "green"]
        assert of({"type_3": "red"}) == [_colors.COLORS[1], "red"]
        every = _colors.category_colors(iterated, "cell_type", self.TYPES, "viridis")
        assert to_rgb(of("viridis")[0]) == to_rgb(every["type_1"])

    def test_names_that_no_cell_has(self, iterated: AnnData) -> None:
        assert list(_colors.category_colors(iterated, "cell_type", ["other", "type_3"]).values()) == list(
            _colors.COLORS[:2]
        )

    def test_a_table_with_categories(self) -> None:
        column = pd.Series(pd.Categorical(["b", "all"], categories=["all", "a", "b"]))
        assert _colors.table_colors(column, ["b"]) == {"b": _colors.COLORS[1]}
        assert _colors.table_colors(column.astype(str), ["b"]) == {"b": _colors.COLORS[0]}


def legend_of(ax: Axes) -> dict[str, Any]:
    """Return the colours of a legend by name."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    [legend] = figure.legends
    handles = [one.get_facecolor() if isinstance(one, Patch) else one.get_color() for one in legend.legend_handles]  # type: ignore[union-attr]
    return {text.get_text(): to_rgb(color) for text, color in zip(legend.get_texts(), handles, strict=True)}
