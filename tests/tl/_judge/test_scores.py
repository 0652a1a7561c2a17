from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.metrics import METRICS, Metric
from cellot_sc.tl._judge.scores import (
    Score,
    Scores,
    calibrate,
    calibrated,
    described,
    mean_score,
    summarise,
    worst_score,
)


def test_what_is_known_of_the_metrics_of_a_table():
    assert described("mmd") is METRICS["mmd"]
    mine = Metric("mine", lambda x, y: 0.0, "my own")
    assert described(mine) is mine
    gap = described("mmd_calibrated")
    assert (gap.name, gap.best) == ("mmd_calibrated", 1)
    assert gap.label == f"{METRICS['mmd'].label}, calibrated"
    assert gap.badness(0.2) > gap.badness(0.4)
    unknown = described("my_own")
    assert (unknown.name, unknown.label, unknown.meaning) == ("my_own", "my_own", "")
    assert np.isnan([unknown.best, unknown.badness(1.0)]).all()
    assert described("my_own_calibrated").best == 1


def test_summaries_over_groups():
    one = Score(1.0, np.array([0.5, 1.5]), 10)
    two = Score(3.0, np.array([2.0, 4.0]), 20)
    unknown = Score(float("nan"), np.full(2, np.nan), 5)
    mean = mean_score([one, two])
    assert (mean.value, mean.n_cells) == (2.0, 30)
    np.testing.assert_array_equal(mean.resamples, [1.25, 2.75])
    assert np.isnan(mean_score([one, unknown]).value)
    assert worst_score([one, two, unknown], METRICS["energy_distance"].badness) is two
    assert worst_score([one, two, unknown], METRICS["pearson_delta"].badness) is one
    assert np.isnan(worst_score([unknown, unknown], METRICS["mmd"].badness).value)


def test_worst_variance_ratio_is_the_furthest_from_one():
    low, high = Score(0.4, np.empty(0), 1), Score(2.0, np.empty(0), 1)
    assert worst_score([low, high], METRICS["variance_ratio"].badness) is low
    none = Score(0.0, np.empty(0), 1)
    assert worst_score([low, none], METRICS["variance_ratio"].badness) is none


def score(*values: float) -> Score:
    """Return a value and its resamples."""
    return Score(values[0], np.array(values[1:]), 7)


class TestCalibrate:
    def test_is_the_part_of_the_way_from_the_floor_to_the_ceiling(self):
        found = calibrate(np.array([2.0, 2, 6]), np.array([5.0, 5, 6]), np.array([1.0, 1, 2]))
        np.testing.assert_array_equal(found, [0.75, 0.75, 0])

    def test_is_missing_where_the_ceiling_is_no_better(self):
        for floor, ceiling in ((1, 1), (1, 2), (1, np.nan), (np.nan, 1), (np.inf, 1)):
            assert np.isnan(calibrate(np.array([0.5]), np.array([floor]), np.array([ceiling]))).all()

    def test_is_missing_where_the_interval_of_the_gap_includes_nothing(self):
        model, ceiling = np.zeros(101), np.zeros(101)
        floor = np.ones(101)
        floor[1:4] = -1
        assert np.isnan(calibrate(model, floor, ceiling)).all()
        # one resample of a hundred lies outside the central 95 %
        floor[2:4] = 1
        found = calibrate(model, floor, ceiling)
        assert found[0] == 1
        assert np.isnan(found[1]) and (found[2:] == 1).all()

    def test_without_resamples_a_better_ceiling_is_enough(self):
        assert calibrate(np.array([1.0]), np.array([2.0]), np.array([1.5]))[0] == 2

    def test_what_is_infinitely_bad_is_missing(self):
        assert np.isnan(calibrate(np.array([np.inf]), np.array([2.0]), np.array([1.0]))).all()


def test_calibrated_scores_know_what_is_best():
    def at(name: str, model: float, floor: float, ceiling: float) -> float:
        metric = METRICS[name]
        return calibrated([score(model)], [score(floor)], [score(ceiling)], metric).value

    assert at("energy_distance", 0.3, 1.1, 0.1) == pytest.approx(0.8)
    assert at("pearson_delta", 0.8, 0.5, 0.9) == pytest.approx(0.75)
    assert at("discrimination_l2", 0.9, 0.6, 1.0) == pytest.approx(0.75)
    # twice too much is as bad as half
    assert at("variance_ratio", 2, 0.25, 1) == at("variance_ratio", 0.5, 4, 1) == pytest.approx(0.5)
    assert at("knn_enrichment_50", 0.6, 0.9, 0.5) == at("knn_enrichment_50", 0.4, 0.9, 0.5) == pytest.approx(0.75)


def test_over_groups_it_is_the_ratio_of_means_and_of_the_worst_the_least():
    metric = METRICS["energy_distance"]
    name = f"{metric.name}_calibrated"

    def group(identity: Score, mine: Score, observed: Score) -> Scores:
        return {("identity", metric.name): identity, ("mine", metric.name): mine, ("observed", metric.name): observed}

    scores = {
        "all": group(score(4, 4), score(2, 2), score(0, 0)),
        "large": group(score(8, 8, 8), score(2, 2, 2), score(0, 0, 0)),
        "small": group(score(1, 1, 1), score(1.5, 1, 1), score(0, 0, 0)),
        "inert": group(score(0.1, -1, 1), score(5, 5, 5), score(0, 0, 0)),
    }
    summarise(scores, [metric], {metric.name: "identity"})
    found = {of: one["mine", name].value for of, one in scores.items()}
    assert found["all"] == 0.5 and found["large"] == 0.75 and found["small"] == -0.5
    assert np.isnan(found["inert"])
    assert found["mean"] == pytest.approx((9.1 - 8.5) / 9.1)
    assert found["worst"] == -0.5
    assert {model for one in scores.values() for model, of in one if of == name} == {"mine"}
    np.testing.assert_allclose(scores["mean"]["mine", name].resamples, [0, 0.2])


def test_a_mean_over_groups_of_what_is_best_in_between_is_that_of_how_bad_they_are():
    metric = METRICS["variance_ratio"]
    scores: dict[str, Scores] = {
        name: {("a", metric.name): score(4), ("b", metric.name): score(value), ("observed", metric.name): score(1)}
        for name, value in {"one": 0.5, "two": 2.0}.items()
    }
    summarise(scores, [metric], {metric.name: "a"})
    assert scores["mean"]["b", metric.name].value == 1.25
    assert scores["mean"]["b", f"{metric.name}_calibrated"].value == pytest.approx(0.5)
