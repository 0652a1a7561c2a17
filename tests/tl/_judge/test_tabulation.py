from __future__ import annotations

import numpy as np

from cellot_sc.metrics import METRICS
from cellot_sc.tl._judge.judge import Judgement, Setting
from cellot_sc.tl._judge.scores import Score
from cellot_sc.tl._judge.tabulation import COLUMNS, OF_UNITS, Tabulation

ASKED = {"split": "test", "fit_seed": 3, "n_models": 1, "n_boot": 2, "seed": 0, "compared": "decoded"}


def judgement(value: float) -> Judgement:
    scores = {("identity", "l2_means"): Score(value, np.array([value - 1, value + 1]), 7)}
    return Judgement({Setting(4, None): {"all": scores}}, {}, {"all": 7})


def test_a_row_per_score() -> None:
    asked = Tabulation(METRICS.select("l2_means"), unit=None, over_perturbations=False, **ASKED)  # type: ignore[arg-type]
    table = asked.table({"a": judgement(1), "b": judgement(3)})
    assert [*table] == COLUMNS
    rows = table[["perturbation", "split", "seed", "n_features", "n_cells", "value"]].to_numpy().tolist()
    assert rows == [["a", "test", 3, 4, 7, 1.0], ["b", "test", 3, 4, 7, 3.0]]


def test_means_over_perturbations_and_tests_of_units() -> None:
    asked = Tabulation(METRICS.select("l2_means"), unit=None, over_perturbations=True, **ASKED)  # type: ignore[arg-type]
    table = asked.table({"a": judgement(1), "b": judgement(3)})
    assert table["perturbation"].tolist() == ["a", "b", "mean"]
    assert table["value"].tolist() == [1, 3, 2]
    asked = Tabulation(METRICS.select("l2_means"), unit="patient", over_perturbations=False, **ASKED)  # type: ignore[arg-type]
    assert [*asked.table({"a": judgement(1)})] == [*COLUMNS, *OF_UNITS]
