from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._judge.clouds import Data
from cellot_sc.tl._judge.composition import equal_composition, tell_of_equal
from cellot_sc.tl._judge.predictions import Given


def data(control: dict[str, int], treated: dict[str, int], split: str = "test", train: dict[str, int] | None = None):
    """Return cells of so many of each kind."""
    sides = [("control", split, control), ("drug", split, treated), ("drug", "train", train or treated)]
    if split == "train":
        sides.pop()
    kinds = np.concatenate([np.repeat(list(of), list(of.values())) for _, _, of in sides]).astype(object)
    labels, parts = (
        np.concatenate([np.full(sum(side[2].values()), side[column], dtype=object) for side in sides])
        for column in (0, 1)
    )
    return Data(np.zeros((len(kinds), 1)), labels, parts, "control", split, None, kinds, None, None, np.asarray)


def chosen(cells: Data, label: str, part: str = "test") -> dict[str, int]:
    """Return the number of chosen cells of each kind."""
    found = equal_composition(cells, "drug", np.random.default_rng(0))
    assert found is not None and cells.kinds is not None
    counts: Any = pd.Series(cells.kinds[found.cells & (cells.labels == label) & (cells.parts == part)]).value_counts()
    return dict(sorted(counts.to_dict().items()))


def test_treated_cells_have_the_shares_of_control_cells() -> None:
    cells = data({"a": 100, "b": 300, "": 7}, {"a": 100, "b": 100, "c": 50}, train={"a": 20, "b": 400})
    assert chosen(cells, "control") == {"a": 100, "b": 300}
    found = chosen(cells, "drug")
    assert found["b"] == 100 and found["a"] == pytest.approx(100 / 3, abs=1)
    # what stands in for a prediction has them as well
    found = chosen(cells, "drug", "train")
    assert found["a"] == 20 and found["b"] == pytest.approx(60, abs=3)


def test_how_many_cells_are_judged_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    cells = data({"a": 100, "b": 300}, {"a": 100, "b": 100})
    with caplog.at_level(logging.INFO, "cellot_sc"):
        tell_of_equal(cells, {"drug": 134, "other": None})
        tell_of_equal(cells, {"other": None})
        tell_of_equal(cells, dict.fromkeys(["drug", "b", "c", "d"], 0))
    start = "treated cells that are judged with equal composition: "
    assert caplog.messages == [
        f"{start}134 of 200 of 'drug'",
        f"{start}0 of 200 of 'drug', 0 of 0 of 'b', 0 of 0 of 'c' and so on, 4 perturbations in all",
    ]


def test_a_rare_group_does_not_decide_how_many_cells_count() -> None:
    # exactly equal shares would leave 1,000 of them
    treated = {"a": 980, "b": 980, "rare": 10}
    assert chosen(data({"a": 490, "b": 490, "rare": 10}, treated), "drug") == treated


def test_small_groups_are_left_out_and_one_is_no_composition() -> None:
    few = data({"a": 100, "b": 100, "c": 9}, {"a": 50, "b": 100, "c": 100})
    assert set(chosen(few, "control")) == set(chosen(few, "drug")) == {"a", "b"}
    assert equal_composition(data({"a": 50, "b": 9}, {"a": 50, "b": 50}), "drug", np.random.default_rng(0)) is None
    unknown = data({"a": 50}, {"a": 50})
    assert equal_composition(unknown, "drug", np.random.default_rng(0)) is None


def test_on_train_cells_those_are_the_ones() -> None:
    found = chosen(data({"a": 100, "b": 100}, {"a": 60, "b": 20}, split="train"), "drug", "train")
    assert found == {"a": 20, "b": 20}


def test_given_cells_have_them_as_well() -> None:
    cells = data({"a": 100, "b": 300}, {"a": 100, "b": 100})

    def given(**sizes: int) -> Given:
        kinds = np.repeat(list(sizes), list(sizes.values())).astype(object)
        labels = np.full(len(kinds), "drug", dtype=object)
        return Given(np.zeros((len(kinds), 1), np.float32), labels, None, kinds, None)

    unknown = replace(given(a=50), kinds=None)
    tools = {"alike": given(a=20, b=60), "skewed": given(a=50, b=30), "few": given(a=30), "unknown": unknown}
    found = equal_composition(replace(cells, given=tools), "drug", np.random.default_rng(0))
    assert found is not None
    kinds: dict[str, Any] = {model: tools[model].kinds for model in found.given}
    sizes = {model: pd.Series(kinds[model][rows]).value_counts().to_dict() for model, rows in found.given.items()}
    assert sizes == {"alike": {"a": 20, "b": 60}, "skewed": {"a": 10, "b": 30}, "few": {}}


def test_a_map_that_is_right_within_types_scores_zero_there_only() -> None:
    rng = np.random.default_rng(0)
    share = {"control": [0.6, 0.3, 0.1], "drug": [0.2, 0.3, 0.5]}
    parts = []
    for condition, shares in share.items():
        kinds = rng.choice(3, 2000, p=shares)
        x = rng.normal(size=(2000, 3)) + 4 * np.eye(3)[kinds] + (condition == "drug") * np.array([0, 0, 2.0])
        names = [f"{condition}_{i}" for i in range(2000)]
        obs = pd.DataFrame({"perturbation": condition, "kind": [f"type_{kind}" for kind in kinds]}, index=names)
        parts.append(AnnData(x.astype(np.float32), obs=obs))
    adata = anndata.concat(parts)
    cs.pp.split(adata, test_fraction=0.5)
    cs.tl.cellot(adata, solver="group_shift", use_rep="X", context="kind")
    # the fit knows contexts: their composition is equal without groups to score in
    table = cs.tl.evaluate(
        adata, metrics=["energy_distance", "mmd"], baselines="mean_shift", floor="identity", n_boot=20
    )
    assert set(table["group"]) == {"all", "equal"}
    scores = table.set_index(["metric", "model", "group"])["value"]
    for metric, least in (("energy_distance", 1.0), ("mmd", 0.05)):
        assert scores[metric, "group_shift", "all"] > least
        assert scores[metric, "group_shift", "equal"] == pytest.approx(0, abs=least / 30)
        assert scores[metric, "observed", "equal"] == pytest.approx(0, abs=least / 30)
        # which a shift that takes abundance for a response does not
        assert scores[metric, "mean_shift", "equal"] > least / 3
    closed = {group: scores["energy_distance_calibrated", "group_shift", group] for group in ("all", "equal")}
    assert closed["equal"] == pytest.approx(1, abs=0.03) and closed["all"] < 0.8
    # these cells are the same whatever else is scored
    again = cs.tl.evaluate(adata, metrics="energy_distance", baselines="mean_shift", groupby="kind", n_boot=0)
    assert set(again["group"]) == {"all", "equal", "mean", "worst", "type_0", "type_1", "type_2"}
    values = again.set_index(["metric", "model", "group"])["value"]
    assert values["energy_distance", "group_shift", "equal"] == scores["energy_distance", "group_shift", "equal"]
    assert values["energy_distance", "group_shift", "worst"] < 0.3


def test_summaries_keep_it_apart(simulated: AnnData) -> None:
    adata = simulated.copy()
    cs.pp.split(adata, test_fraction=0.4)
    cs.pp.represent(adata, n_components=5)
    cs.tl.cellot(adata, solver="mean_shift")
    table = cs.tl.evaluate(adata, metrics="energy_distance", groupby="cell_type", baselines="gaussian", n_boot=5)
    means = cs.tl.summarize_scores(table)
    assert set(means["group"]) == set(table["group"]) > {"equal"}
    axes = cs.pl.evaluation(table, group="equal", show=False)
    assert list(axes) == ["energy_distance"]
