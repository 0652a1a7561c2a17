from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color

import cellot_sc as cs


def labels(ax: Axes, axis: str) -> list[str]:
    return [label.get_text() for label in getattr(ax, f"get_{axis}ticklabels")()]


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
