from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

import cellot_sc as cs
from cellot_sc._report import _quality
from cellot_sc._report._affine import METRIC
from cellot_sc._report._found import Found


class TestPrediction:
    """Of a network, whose scores are made up."""

    @staticmethod
    def text(
        looked_at: Found,
        gain: tuple[float, float, float],
        identity: float = 2.0,
        name: str = "icnn",
        group: str = "all",
        floor: str = "gaussian",
    ) -> str:
        maps: dict[str, cs.ot.TransportMap] = dict.fromkeys(looked_at.fitted.maps, cs.ot.MeanShiftMap(np.zeros(8)))
        network = dataclasses.replace(
            looked_at.fitted, maps=maps, fit=dataclasses.replace(looked_at.fitted.fit, solver=name, options={})
        )
        target = "drug <b>&amp;</b>"
        values = {"identity": identity, "observed": 0.0, name: 0.1, "gaussian": 0.2, "mean_shift": 1.0}
        rows = [(model, "energy_distance", "-", of, of - 0.01, of + 0.01) for model, of in values.items()]
        rows.append((name, METRIC, floor, *gain))
        table = pd.DataFrame(rows, columns=["model", "metric", "floor", "value", "ci_low", "ci_high"])
        scores = table.assign(perturbation=target, group=group, split="test")
        beside = scores[scores["metric"] == METRIC]
        changed = looked_at._replace(fitted=network, scores=scores, beside=beside)
        return " ".join(_quality.sentences(changed, target)).replace("\N{NO-BREAK SPACE}", " ")

    def test_share_is_never_alone(self, looked_at: Found) -> None:
        text = self.text(looked_at, (0.5, 0.2, 0.7))
        assert "the neural map predicts 95 % of the difference between control and treated cells" in text
        assert "an affine (Gaussian) map 90 %, one shift for all cells 50 %" in text

    @pytest.mark.parametrize(
        ("gain", "words"),
        [
            (
                (0.5, 0.2, 0.7),
                "Here the neural map is better than an affine (Gaussian) map: it leaves 50 % (95 % interval",
            ),
            ((-0.5, -0.7, -0.2), "Here the neural map is worse than an affine (Gaussian) map"),
            ((0.5, -0.2, 0.7), "Whether the neural map is better than an affine (Gaussian) map cannot be told here"),
            ((np.nan,) * 3, "An affine (Gaussian) map cannot be told from other treated cells: nothing is left for"),
        ],
    )
    def test_beside_an_affine_map(self, looked_at: Found, gain: tuple[float, float, float], words: str) -> None:
        assert words in self.text(looked_at, gain)

    def test_cells_that_tell_nothing(self, looked_at: Found) -> None:
        text = self.text(looked_at, (0.5, 0.2, 0.7), identity=0.005)
        assert (
            "How good the prediction is cannot be told: its 60 treated test cells cannot be told from control" in text
        )
        assert "better" not in text

    def test_of_groups_their_mean_is_spoken_of(self, looked_at: Found) -> None:
        text = self.text(looked_at, (0.5, 0.2, 0.7), group="mean")
        assert text.startswith("Within cell types, on 60 treated test cells, the neural map predicts 95 %")

    def test_maps_of_groups_that_are_better_are_named(self, looked_at: Found) -> None:
        text = self.text(looked_at, (-0.5, -0.7, -0.2), floor="group_gaussian")
        assert "Affine maps for each of the cell types do better: the neural map leaves 150 %" in text
        assert "A fit that is told the cell types (--context cell_type) starts from these." in text

    def test_names_of_solvers_are_for_those_who_know_them(self, looked_at: Found) -> None:
        text = self.text(looked_at, (0.5, 0.2, 0.7))
        assert not re.search(r"\b(ood|icnn|mmd|energy_distance|pearson_delta)\b", text)
