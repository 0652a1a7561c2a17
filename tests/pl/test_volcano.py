from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

import cellot_sc as cs

TABLE = pd.DataFrame(
    {
        "perturbation": "a",
        "group": ["t", "t", "t", "u"],
        "feature": ["up", "down", "same", "up"],
        "effect": [2.0, -1.0, 0.1, 1.0],
        "pvalue_adj": [1e-8, 1e-3, 0.5, 1e-2],
    }
)


def dots(ax: Axes) -> dict[str, np.ndarray]:
    """Return the places of dots by their colours."""
    found = [collection for collection in ax.collections if len(np.asarray(collection.get_offsets()))]
    return {to_hex(np.asarray(one.get_facecolor())[0]): np.asarray(one.get_offsets()) for one in found}


def printed(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


class TestVolcano:
    def test_up_down_and_neither(self) -> None:
        ax = cs.pl.volcano(TABLE, show=False)["a"]
        found = dots(ax)
        np.testing.assert_allclose(found["#d55e00"], [[2, 8], [1, 2]])
        np.testing.assert_allclose(found["#0072b2"], [[-1, 3]])
        np.testing.assert_allclose(found["#8c8c8c"], [[0.1, -np.log10(0.5)]])
        # no name twice
        assert printed(ax) == ["2 up, 1 down of 4 effects on 3 features", "up (t)", "down (t)"]

    def test_panels_of_groups(self, tables: Any) -> None:
        table = tables.subpopulations(2)
        axes = cs.pl.volcano(table, group=["NK cells", "B cells"], show=False)
        assert list(axes) == [(drug, of) for drug in ("drug_00", "drug_01") for of in ("NK cells", "B cells")]
        assert sum(map(len, dots(axes["drug_01", "B cells"]).values())) == 40
        assert list(cs.pl.volcano(table, "drug_01", show=False)) == ["drug_01"]

    def test_no_effect_and_no_test(self) -> None:
        inert = TABLE.assign(pvalue_adj=0.7)
        shown = printed(cs.pl.volcano(inert, show=False)["a"])
        assert shown == ["0 up, 0 down of 4 effects on 3 features", "no effect above noise"]
        unknown = TABLE.assign(pvalue_adj=np.nan)
        assert printed(cs.pl.volcano(unknown, show=False)["a"]) == ["0 up, 0 down of 0", "not tested"]

    @pytest.mark.parametrize("least", [0.0, 1e-300])
    def test_p_that_is_too_small(self, least: float) -> None:
        ax = cs.pl.volcano(TABLE.assign(pvalue_adj=[least, 0.0, 0.5, 1e-2]), show=False)["a"]
        heights = np.concatenate([of[:, 1] for of in dots(ax).values()])
        assert np.isfinite(heights).all() and heights.max() < ax.get_ylim()[1]
        figure = ax.get_figure(root=True)
        assert figure is not None
        assert "p too small for a number" in [text.get_text() for text in figure.legends[0].get_texts()]

    def test_many_at_the_least_p(self) -> None:
        ax = cs.pl.volcano(TABLE.assign(pvalue_adj=[0.01, 0.01, 0.01, 0.02]), show=False)["a"]
        assert printed(ax)[0] == "3 up, 1 down of 4 effects on 3 features; 3 at the least p"

    def test_signatures(self, tables: Any) -> None:
        table = tables.signature(2).assign(pvalue_adj=1e-3)
        assert sum(map(len, dots(cs.pl.volcano(table, n_named=0, show=False)["drug_00"]).values())) == 40


def test_features_are_counted_once_and_named_with_their_group(tables: Any) -> None:
    pooled = cs.pl.volcano(tables.subpopulations(1), show=False)["drug_00"]
    note, *names = printed(pooled)
    assert note.endswith(" down of 40 features × 4 groups")
    named = [name for name in names if name.endswith(")")]
    assert len(named) >= 4
    assert all(name.split(" (")[1][:-1] in tables.subpopulations(1)["group"].unique() for name in named)
    one = cs.pl.volcano(tables.subpopulations(1), group="NK cells", show=False)["drug_00", "NK cells"]
    assert printed(one)[0].endswith(" down of 40")
    assert not any("(" in name for name in printed(one))


@pytest.mark.parametrize("figsize", [(5, 3), (3, 3), (8, 2.5)])
def test_names_stay_within_axes_of_any_size(tables: Any, figsize: tuple[float, float]) -> None:
    table = tables.subpopulations(1).assign(perturbation="stimulated_with_interferon-beta_for_6_hours+LPS/IL10")
    [ax] = cs.pl.volcano(table, figsize=figsize, show=False).values()
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    inside = ax.get_window_extent().padded(2)
    names = [text for text in ax.texts if text.get_transform() == ax.transData]
    assert names
    boxes = [text.get_window_extent() for text in names]
    assert all((np.clip(box.get_points(), inside.min, inside.max) == box.get_points()).all() for box in boxes)
