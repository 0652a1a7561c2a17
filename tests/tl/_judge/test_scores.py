from __future__ import annotations

import numpy as np

from cellot_sc.metrics import METRICS, Metric
from cellot_sc.tl._judge.scores import Score, described, gap_closed, mean_score, worst_score


def test_what_is_known_of_the_metrics_of_a_table():
    assert described("mmd") is METRICS["mmd"]
    mine = Metric("mine", lambda x, y: 0.0, "my own")
    assert described(mine) is mine
    gap = described("mmd_frac_gap_closed")
    assert (gap.name, gap.best) == ("mmd_frac_gap_closed", 1)
    assert gap.label == f"{METRICS['mmd'].label}, gap closed"
    assert gap.badness(0.2) > gap.badness(0.4)
    unknown = described("my_own")
    assert (unknown.name, unknown.label, unknown.meaning) == ("my_own", "my_own", "")
    assert np.isnan([unknown.best, unknown.badness(1.0)]).all()
    assert described("my_own_frac_gap_closed").best == 1


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


def test_gap_closed():
    def score(*values: float) -> Score:
        return Score(values[0], np.array(values[1:]), 7)

    closed = gap_closed(score(2, 2, 5), score(5, 5, 5), score(1, 1, 6))
    assert closed.value == 0.75
    assert closed.n_cells == 7
    np.testing.assert_array_equal(closed.resamples, [0.75, np.nan])
    assert np.isnan(gap_closed(score(2), score(1), score(1)).value)
    assert np.isnan(gap_closed(score(2), score(1), score(float("nan"))).value)
