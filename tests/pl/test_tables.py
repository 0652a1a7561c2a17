"""Figures of tables: what is drawn is what the table says."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color, to_rgba

import cellot_sc as cs
from cellot_sc.pl import _clustering, _colors


def labels(ax: Axes, axis: str) -> list[str]:
    return [label.get_text() for label in getattr(ax, f"get_{axis}ticklabels")()]


def printed(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


class TestTransportCost:
    def test_ranked_with_intervals_and_null(self, tables: Any) -> None:
        table = tables.costs(3, groups=())
        ax = cs.pl.transport_cost(table, show=False)
        ranked = table.sort_values("cost", ascending=False)
        assert labels(ax, "y") == list(ranked["perturbation"])
        assert ax.yaxis_inverted()
        [points] = [line for line in ax.lines if line.get_label() == "all"]
        np.testing.assert_allclose(np.asarray(points.get_xdata()), np.sqrt(2 * ranked["cost"]))
        [intervals] = [drawn for drawn in ax.collections if isinstance(drawn, LineCollection)]
        ends = np.array([segment[:, 0] for segment in intervals.get_segments()])
        np.testing.assert_allclose(ends, np.sqrt(2 * ranked[["ci_low", "ci_high"]]))
        assert [bar.get_width() for bar in ax.patches] == pytest.approx([np.sqrt(0.6)] * 3)  # type: ignore[attr-defined]

    def test_cost(self, tables: Any) -> None:
        ax = cs.pl.transport_cost(tables.costs(3, groups=()), value="cost", show=False)
        assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.3] * 3)  # type: ignore[attr-defined]

    def test_groups_have_lanes_and_colors(self, tables: Any) -> None:
        ax = cs.pl.transport_cost(tables.costs(2), palette={"NK cells": "red"}, show=False)
        lines = {line.get_label(): line for line in ax.lines}
        assert list(lines) == ["all", "B cells", "CD14+ monocytes", "CD4 T cells", "NK cells"]
        assert same_color(lines["NK cells"].get_color(), "red")
        heights = [np.asarray(line.get_ydata())[0] for line in lines.values()]
        assert np.diff(heights).min() > 0.1
        assert max(map(abs, heights)) < 0.5

    def test_ranked_by_groups_where_there_is_no_other(self, tables: Any) -> None:
        table = tables.costs(3)
        ax = cs.pl.transport_cost(table[table["group"] == "B cells"], show=False)
        of_group = table[table["group"] == "B cells"].sort_values("cost", ascending=False)
        assert labels(ax, "y") == list(of_group["perturbation"])


class TestResponses:
    def test_points_line_and_correlation(self, tables: Any) -> None:
        table = tables.signature(2)
        axes = cs.pl.responses(table, show=False)
        assert list(axes) == ["drug_00", "drug_01"]
        of_first = table[table["perturbation"] == "drug_00"]
        ax = axes["drug_00"]
        np.testing.assert_allclose(np.asarray(ax.collections[0].get_offsets()), of_first[["observed", "predicted"]])
        r = of_first["observed"].corr(of_first["predicted"])
        assert f"r = {r:.2f}, 40 features" in printed(ax)
        assert ax.get_xlim() == ax.get_ylim()

    def test_those_that_change_most_are_named(self, tables: Any) -> None:
        table = tables.signature(1)
        ax = cs.pl.responses(table, n_labels=3, show=False)["drug_00"]
        size = table[["observed", "predicted"]].abs().max(axis=1)
        most = table["feature"].iloc[np.argsort(-size.to_numpy())[:3]]
        named = {text for text in printed(ax) if not text.startswith("r =")}
        assert named and named <= set(most)

    def test_no_names(self, tables: Any) -> None:
        assert len(printed(cs.pl.responses(tables.signature(1), n_labels=0, show=False)["drug_00"])) == 1

    def test_what_was_not_observed_is_left_out(self, tables: Any) -> None:
        table = tables.signature(2)
        table.loc[table["perturbation"] == "drug_01", "observed"] = np.nan
        assert list(cs.pl.responses(table, show=False)) == ["drug_00"]

    def test_no_correlation_of_what_is_constant(self, tables: Any) -> None:
        ax = cs.pl.responses(tables.signature(1).assign(predicted=0.0), show=False)["drug_00"]
        assert "r = –, 40 features" in printed(ax)

    def test_many_features_become_an_image(self, tables: Any) -> None:
        rng = np.random.default_rng(0)
        many = pd.DataFrame({"perturbation": "a", "feature": "x", "predicted": rng.normal(size=50_001)})
        ax = cs.pl.responses(many.assign(observed=many["predicted"]), n_labels=0, show=False)["a"]
        assert ax.collections[0].get_rasterized()


class TestEffectHeatmap:
    @staticmethod
    def drawn(ax: Axes) -> pd.DataFrame:
        return pd.DataFrame(np.asarray(ax.images[0].get_array()), index=labels(ax, "y"), columns=labels(ax, "x"))

    def test_values_of_groups(self, tables: Any) -> None:
        table = tables.subpopulations(1)
        drawn = self.drawn(cs.pl.effect_heatmap(table, n_features=12, show=False))
        assert drawn.shape == (4, 12)
        expected = table.pivot(index="group", columns="feature", values="effect")
        np.testing.assert_allclose(drawn, expected.loc[drawn.index, drawn.columns])
        left_out = expected.drop(columns=drawn.columns).abs().max().max()
        assert drawn.abs().max().min() >= left_out

    def test_rows_are_what_differs(self, tables: Any) -> None:
        both = self.drawn(cs.pl.effect_heatmap(tables.subpopulations(2), show=False))
        assert len(both) == 8
        assert all(" · " in name for name in both.index)
        of_perturbation = self.drawn(cs.pl.effect_heatmap(tables.signature(5), value="observed", show=False))
        assert sorted(of_perturbation.index) == tables.names(5)

    def test_rows_that_are_alike_are_neighbours(self) -> None:
        rows = [
            (name, f"g{i}", value) for i in range(4) for name, value in zip("abcd", (0.0, 5.0, 0.1, 5.1), strict=True)
        ]
        table = pd.DataFrame(rows, columns=["perturbation", "feature", "predicted"])
        order = list(self.drawn(cs.pl.effect_heatmap(table, show=False)).index)
        assert abs(order.index("a") - order.index("c")) == abs(order.index("b") - order.index("d")) == 1

    def test_named_features(self, tables: Any) -> None:
        drawn = self.drawn(cs.pl.effect_heatmap(tables.signature(3), features=["GENE01", "GENE02"], show=False))
        assert sorted(drawn.columns) == ["GENE01", "GENE02"]

    def test_unknown_effects_are_grey(self, tables: Any) -> None:
        table = tables.signature(3)
        table.loc[0, "predicted"] = np.nan
        ax = cs.pl.effect_heatmap(table, n_features=40, show=False)
        image: Any = ax.images[0]
        assert np.isnan(np.ma.filled(image.get_array(), np.nan)).sum() == 1
        assert same_color(image.get_cmap().get_bad(), to_rgba(_colors.FAINT))


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


class TestDrugSimilarity:
    def test_order_values_and_numbers(self, tables: Any) -> None:
        table = tables.similarity(8)
        ax = cs.pl.drug_similarity(table, show=False)
        names = labels(ax, "y")
        assert names == labels(ax, "x")
        np.testing.assert_allclose(np.asarray(ax.images[0].get_array()), table.loc[names, names])
        assert f"{table.iloc[0, 1]:.2f}".replace("-", "−") in printed(ax)
        # of five modes of action, the three that have two drugs
        for a, b in (("drug_00", "drug_05"), ("drug_01", "drug_06"), ("drug_02", "drug_07")):
            assert abs(names.index(a) - names.index(b)) == 1

    def test_its_own_order_is_that_of_the_table(self, fitted: AnnData) -> None:
        table = cs.tl.drug_similarity(fitted)
        assert labels(cs.pl.drug_similarity(table, show=False), "y") == list(table.index)

    def test_one(self, tables: Any) -> None:
        assert labels(cs.pl.drug_similarity(tables.similarity(1), show=False), "y") == ["drug_00"]

    def test_more_than_can_be_written(self, tables: Any) -> None:
        assert printed(cs.pl.drug_similarity(tables.similarity(34), show=False)) == []


class TestCurves:
    def test_of_one_perturbation_with_its_intervals(self, tables: Any) -> None:
        table = tables.scores(1, (5, 50, 500))
        ax = cs.pl.evaluation(table, x="n_features", metrics="energy_distance", show=False)["energy_distance"]
        of_model = table[(table["model"] == "icnn") & (table["metric"] == "energy_distance")]
        [line] = [line for line in ax.lines if line.get_label() == "icnn"]
        assert np.asarray(line.get_xdata()).tolist() == [5, 50, 500]
        np.testing.assert_allclose(np.asarray(line.get_ydata()), of_model["value"])
        bands = [band.get_paths()[0].get_extents() for band in ax.collections]
        assert any(np.isclose(band.y1, of_model["ci_high"].max()) for band in bands)
        assert ax.get_xscale() == "log"
        assert ax.get_xlabel() == "number of features"

    def test_of_several_the_median(self, tables: Any) -> None:
        table = tables.scores(5, (10, 20))
        ax = cs.pl.evaluation(table, x="n_features", metrics="energy_distance", show=False)["energy_distance"]
        of_model = table[(table["model"] == "icnn") & (table["metric"] == "energy_distance")]
        [line] = [line for line in ax.lines if line.get_label() == "icnn"]
        np.testing.assert_allclose(np.asarray(line.get_ydata()), of_model.groupby("n_features")["value"].median())
        assert ax.get_xscale() == "linear"


@pytest.mark.parametrize(
    ("name", "table", "kwargs", "error", "words"),
    [
        ("responses", "costs", {}, KeyError, "no column 'feature': one made by cs.tl.signature is needed"),
        ("transport_cost", "signature", {}, KeyError, "no column 'group': one made by cs.tl.transport_cost"),
        ("transport_cost", "costs", {"value": "costs"}, ValueError, "value 'costs' is unknown. Did you mean 'cost'"),
        ("effect_heatmap", "costs", {}, KeyError, "table has no column 'feature'"),
        ("effect_heatmap", "signature", {"value": "predict"}, KeyError, "'predict'.*Did you mean 'predicted'"),
        ("effect_heatmap", "signature", {"features": "GEN01"}, KeyError, "Did you mean 'GENE01'"),
        ("effect_heatmap", "signature", {"n_features": 0}, ValueError, "n_features is 0"),
        ("subpopulation_effects", "signature", {}, KeyError, "one made by cs.tl.subpopulation_effects"),
        ("subpopulation_effects", "subpopulations", {"alpha": 2}, ValueError, "alpha is 2"),
        ("drug_similarity", "costs", {}, ValueError, "one made by cs.tl.drug_similarity"),
        ("evaluation", "scores", {"x": "n_feature"}, KeyError, "no column 'n_feature'.*Did you mean 'n_features'"),
        ("evaluation", "scores", {"x": "model"}, ValueError, "x 'model' holds what is no finite number"),
    ],
)
def test_errors(tables: Any, name: str, table: str, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        getattr(cs.pl, name)(getattr(tables, table)(2), **kwargs)
    assert plt.get_fignums() == []


def test_several_scores_need_an_x(tables: Any) -> None:
    with pytest.raises(ValueError, match="several scores of model 'identity'.*name in x"):
        cs.pl.evaluation(tables.scores(1, (5, 10)))


@pytest.mark.parametrize("name", ["responses", "effect_heatmap", "subpopulation_effects", "transport_cost"])
def test_empty_tables(tables: Any, name: str) -> None:
    maker = {"responses": "signature", "effect_heatmap": "signature", "transport_cost": "costs"}
    table = getattr(tables, maker.get(name, "subpopulations"))(1)
    with pytest.raises(ValueError, match="table has no rows"):
        getattr(cs.pl, name)(table.iloc[:0])


def test_few_rows_have_no_tree() -> None:
    assert _clustering.tree_of(np.ones((2, 3))) is None
    assert _clustering.leaves(None, 2).tolist() == [0, 1]
