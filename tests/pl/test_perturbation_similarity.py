from __future__ import annotations

from typing import Any

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

import cellot_sc as cs


def labels(ax: Axes, axis: str) -> list[str]:
    return [label.get_text() for label in getattr(ax, f"get_{axis}ticklabels")()]


def printed(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


class TestDrugSimilarity:
    def test_order_values_and_numbers(self, tables: Any) -> None:
        table = tables.similarity(8)
        ax = cs.pl.perturbation_similarity(table, show=False)
        names = labels(ax, "y")
        assert names == labels(ax, "x")
        np.testing.assert_allclose(np.asarray(ax.images[0].get_array()), table.loc[names, names])
        assert f"{table.iloc[0, 1]:.2f}".replace("-", "−") in printed(ax)
        # of five modes of action, the three that have two drugs
        for a, b in (("drug_00", "drug_05"), ("drug_01", "drug_06"), ("drug_02", "drug_07")):
            assert abs(names.index(a) - names.index(b)) == 1

    def test_its_own_order_is_that_of_the_table(self, fitted: AnnData) -> None:
        table = cs.tl.perturbation_similarity(fitted)
        assert labels(cs.pl.perturbation_similarity(table, show=False), "y") == list(table.index)

    def test_within_noise_is_grey_and_last(self, tables: Any) -> None:
        table = tables.similarity(4)
        table.loc["drug_01"] = table["drug_01"] = np.nan
        ax = cs.pl.perturbation_similarity(table, show=False)
        assert labels(ax, "y")[-1] == "drug_01"
        assert len(printed(ax)) == 9
        figure = ax.get_figure(root=True)
        assert figure is not None
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["within noise"]

    def test_all_within_noise(self, tables: Any) -> None:
        ax = cs.pl.perturbation_similarity(tables.similarity(3) * np.nan, show=False)
        assert printed(ax) == []

    def test_numbers_stay_off_the_borders(self, tables: Any) -> None:
        ax = cs.pl.perturbation_similarity(-tables.similarity(8), figsize=(4, 4), show=False)
        side = ax.get_window_extent().width / 8
        assert max(text.get_window_extent().width for text in ax.texts) < 0.9 * side

    def test_one(self, tables: Any) -> None:
        assert labels(cs.pl.perturbation_similarity(tables.similarity(1), show=False), "y") == ["drug_00"]

    def test_more_than_can_be_written(self, tables: Any) -> None:
        assert printed(cs.pl.perturbation_similarity(tables.similarity(34), show=False)) == []
