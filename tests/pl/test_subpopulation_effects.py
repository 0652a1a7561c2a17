from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import same_color

import cellot_sc as cs
from cellot_sc.pl import _colors


def labels(ax: Axes, axis: str) -> list[str]:
    return [label.get_text() for label in getattr(ax, f"get_{axis}ticklabels")()]


class TestSubpopulationEffects:
    def test_dots(self, tables: Any) -> None:
        table = tables.subpopulations(2)
        axes = cs.pl.subpopulation_effects(table, features=["GENE01", "GENE02"], show=False)
        assert list(axes) == ["drug_00", "drug_01"]
        ax = axes["drug_00"]
        shown = table[(table["perturbation"] == "drug_00") & table["feature"].isin(["GENE01", "GENE02"])]
        dots: Any = ax.collections[0]
        np.testing.assert_allclose(dots.get_array(), shown["effect"])
        significant = shown["pvalue_adj"].to_numpy() < 0.05
        black = [same_color(edge, _colors.BLACK) for edge in dots.get_edgecolors()]
        assert black == significant.tolist()
        sizes = dots.get_sizes()
        visible = sizes > 2.1
        ratio = sizes[visible] / shown["frac_responding"].to_numpy()[visible]
        assert np.ptp(ratio) < 1e-6 * ratio.mean()
        places = np.asarray(dots.get_offsets())
        assert [labels(ax, "x")[int(x)] for x, _ in places] == list(shown["feature"])
        assert [labels(ax, "y")[int(y)] for _, y in places] == list(shown["group"])

    def test_dots_do_not_touch(self, tables: Any) -> None:
        table = tables.subpopulations(1).assign(frac_responding=1.0)
        ax = cs.pl.subpopulation_effects(table, show=False)["drug_00"]
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.draw_without_rendering()
        spacing = np.abs(np.diff(ax.transData.transform([(0, 0), (1, 1)]), axis=0)).min() * 72 / figure.dpi
        assert np.sqrt(ax.collections[0].get_sizes()[0]) < spacing  # type: ignore[attr-defined]

    def test_significant_features_come_first(self, tables: Any) -> None:
        table = tables.subpopulations(1)
        table.loc[table["feature"] == "GENE01", ["effect", "pvalue_adj"]] = (0.01, 1e-9)
        table.loc[table["feature"] != "GENE01", "pvalue_adj"] = 1.0
        shown = labels(cs.pl.subpopulation_effects(table, n_features=3, show=False)["drug_00"], "x")
        assert "GENE01" in shown and len(shown) == 3

    def test_alpha(self, tables: Any) -> None:
        ax = cs.pl.subpopulation_effects(tables.subpopulations(1), alpha=0.0, show=False)["drug_00"]
        assert not any(same_color(edge, _colors.BLACK) for edge in ax.collections[0].get_edgecolors())  # type: ignore[attr-defined]

    def test_without_an_effect_no_features_are_named(self, tables: Any) -> None:
        table = tables.subpopulations(2)
        table.loc[table["perturbation"] == "drug_01", "pvalue_adj"] = 1.0
        axes = cs.pl.subpopulation_effects(table, show=False)
        assert [text.get_text() for text in axes["drug_01"].texts if text.get_text()] == ["no effect above noise"]
        assert labels(axes["drug_01"], "x") == []
        assert len(labels(axes["drug_00"], "x")) == 10
        none = cs.pl.subpopulation_effects(table.assign(pvalue_adj=1.0), show=False)
        assert all("no effect above noise" in [text.get_text() for text in ax.texts] for ax in none.values())
        asked = cs.pl.subpopulation_effects(table, features="GENE01", show=False)
        assert labels(asked["drug_01"], "x") == ["GENE01"]
