from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cellot_sc.metrics import METRICS
from cellot_sc.tl._judge import kept
from cellot_sc.tl._judge.judge import Judgement, Setting
from cellot_sc.tl._judge.scores import Score, UnitTest
from cellot_sc.tl._judge.tabulation import Tabulation

ASKED = Tabulation(
    METRICS.select(["l2_means", "discrimination_l2"]), "ood", 3, 2, "patient", False, 2, 5, "latent", None
)


def judgement(shift: float) -> Judgement:
    score = Score(1.5 + shift, np.array([1.0, np.nan]), 7, UnitTest(0.25, 4, 0.125))
    effects = [(np.array([shift, 1], dtype=np.float32), np.array([2, 1], dtype=np.float32))] * 2
    scores = {("identity", "l2_means"): score, ("observed", "l2_means"): score._replace(value=np.nan)}
    return Judgement(
        {Setting(2, None): {"all": scores, "b/c": {}}}, {"all": {"identity": effects}}, {"all": 7, "b/c": 9}
    )


def test_judgements_come_back(tmp_path: Path) -> None:
    control = Score(0.5, np.empty(0), 3)
    effects = {"all": {"identity": [(np.zeros(2), np.ones(2))]}}
    of_controls = Judgement({Setting(2, None): {"all": {("identity", "l2_means"): control}}}, effects, {"all": 3})
    judgements = {"drug/a": judgement(0)._replace(validation=of_controls), "drug b": judgement(1)}
    kept.write(tmp_path / "one.h5", judgements, ASKED)
    found, asked = kept.read(tmp_path / "one.h5")
    assert asked == ASKED
    assert [*found] == [*judgements]
    for name, one in found.items():
        np.testing.assert_equal(dict(one.scores), judgements[name].scores)
        np.testing.assert_equal(one.effects, judgements[name].effects)
        assert one.n_cells == judgements[name].n_cells
        assert (one.validation is None) == (name == "drug b")
    assert found["drug/a"].validation is not None
    np.testing.assert_equal(dict(found["drug/a"].validation.scores), of_controls.scores)
    for again in (judgements, found):
        again["drug/a"].scores[Setting(2, None)].pop("b/c")
        again["drug b"].scores[Setting(2, None)].pop("b/c")
    pd.testing.assert_frame_equal(asked.table(found), ASKED.table(judgements))


def test_effects_are_kept_where_perturbations_are_compared(tmp_path: Path) -> None:
    kept.write(
        tmp_path / "one.h5", {"a": judgement(0)}, Tabulation(METRICS.select("l2_means"), *[*vars(ASKED).values()][1:])
    )
    found, _ = kept.read(tmp_path / "one.h5")
    assert found["a"].effects == {}


def test_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.h5").write_bytes(b"no judgement")
    with pytest.raises(ValueError, match="one.h5"):
        kept.read(tmp_path / "one.h5")
