from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import cellot_sc as cs


def printed(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


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
        ax = cs.pl.responses(table, n_named=3, show=False)["drug_00"]
        size = table[["observed", "predicted"]].abs().max(axis=1)
        most = table["feature"].iloc[np.argsort(-size.to_numpy())[:3]]
        named = {text for text in printed(ax) if not text.startswith("r =")}
        assert named and named <= set(most)

    def test_no_names(self, tables: Any) -> None:
        assert len(printed(cs.pl.responses(tables.signature(1), n_named=0, show=False)["drug_00"])) == 1

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
        ax = cs.pl.responses(many.assign(observed=many["predicted"]), n_named=0, show=False)["a"]
        assert ax.collections[0].get_rasterized()

    def test_one_of_several(self, tables: Any) -> None:
        assert list(cs.pl.responses(tables.signature(3), "drug_01", show=False)) == ["drug_01"]
        with pytest.raises(ValueError, match="target 'drug_3' is unknown. Valid: 'drug_00'"):
            cs.pl.responses(tables.signature(3), "drug_3")

    @pytest.mark.parametrize("column", ["pvalue_adj", "pvalue_observed"])
    def test_what_does_not_change_is_not_named(self, tables: Any, column: str) -> None:
        table = tables.signature(2).assign(**{column: 0.9})
        table.loc[3, column] = 1e-9
        axes = cs.pl.responses(table, show=False)
        assert printed(axes["drug_00"])[1:] == [table["feature"][3]]
        assert printed(axes["drug_01"])[1:] == ["no effect above noise"]
