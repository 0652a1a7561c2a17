from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import same_color, to_rgba

import cellot_sc as cs
from cellot_sc.pl import _colors


def labels(ax: Axes, axis: str) -> list[str]:
    return [label.get_text() for label in getattr(ax, f"get_{axis}ticklabels")()]


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
