from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _report
from cellot_sc._report import _responses
from cellot_sc._report._scores import in_order

NAMES = [f"p{i}" for i in range(8)]


def costs(names: list[str], groups: tuple[str, ...] = ("all", "T")) -> pd.DataFrame:
    rows = [(name, group, float(i + 1)) for i, name in enumerate(names) for group in groups]
    table = pd.DataFrame(rows, columns=["perturbation", "group", "cost"])
    return table.assign(ci_low=0.5 * table["cost"], ci_high=2 * table["cost"], null=0.1)


def effects(names: list[str]) -> pd.DataFrame:
    rows = [(name, group, f"g{i}", i - 1.0, 0.01 * 5**i) for name in names for group in ("T", "B") for i in range(4)]
    table = pd.DataFrame(rows, columns=["perturbation", "group", "feature", "effect", "pvalue_adj"])
    return table.assign(frac_responding=0.5)


@pytest.fixture(autouse=True)
def close() -> None:
    plt.close("all")


def test_the_most_severe_come_first() -> None:
    assert _responses.by_severity(costs(["a", "b", "c"])) == ["c", "b", "a"]
    rows = in_order(costs(["a", "b", "c"]), ["c", "b", "a"])
    assert rows["perturbation"].tolist() == ["c", "c", "b", "b", "a", "a"]


def test_groups_are_rows_where_there_is_one_perturbation() -> None:
    (figure, _), whole = _responses.severities(costs(["a"]), {})
    assert whole is None
    assert {text.get_text() for text in figure.axes[0].get_yticklabels()} == {"all cells", "T"}


@pytest.mark.parametrize(("n", "has_whole"), [(3, False), (8, True)])
def test_of_many_perturbations_groups_are_put_away(n: int, has_whole: bool) -> None:
    (figure, _), whole = _responses.severities(costs(NAMES[:n]), {})
    assert len(figure.axes[0].get_yticklabels()) == n and (whole is not None) is has_whole
    order = _responses.by_severity(costs(NAMES[:n]))
    (figure, _), whole = _responses.effects_of(effects(NAMES[:n]), order)
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    assert [title for title in titles if title] == order[:6] and (whole is not None) is has_whole


def test_volcanoes() -> None:
    one = _responses.volcano(effects(["a"]), order=["a"])
    assert one.meaning.endswith("A point is a feature.")
    many = _responses.volcano(effects(NAMES), order=NAMES[::-1])
    assert many.meaning.endswith("Of 8 perturbations, the 6 most severe ones are shown.")
    assert many.figure is not None and len([axes for axes in many.figure.figure.axes if axes.has_data()]) == 6


def test_changes_are_those_of_cells_that_no_fit_has_seen(fitted: AnnData, report: _report.Report) -> None:
    [item] = [item for item in report.items if item.name == "responses"]
    assert item.data is not None
    unseen = fitted[fitted.obs["split"] == "test"]
    for name in item.data["perturbation"].unique():
        cells = {
            kind: np.asarray(unseen[unseen.obs["perturbation"] == kind].X.mean(axis=0)).ravel()
            for kind in ("control", name)
        }
        observed = item.data[item.data["perturbation"] == name]["observed"]
        np.testing.assert_allclose(observed, cells[name] - cells["control"], atol=1e-5)
    assert item.data["perturbation"].iloc[0] == _responses.by_severity(cs.tl.transport_cost(fitted))[0]
