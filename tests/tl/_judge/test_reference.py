from __future__ import annotations

import numpy as np
import pytest

from cellot_sc import metrics
from cellot_sc.metrics._bootstrap import resample_counts
from cellot_sc.tl._judge.reference import Reference, Resamples
from cellot_sc.tl._judge.scores import METRICS

ON_CELLS = [name for name, metric in METRICS.items() if metric.resampling != "effects"]


@pytest.fixture(scope="module")
def clouds() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted, observed and control cells."""
    rng = np.random.default_rng(0)
    x, y, control = rng.normal(size=(3, 120, 6)).astype(np.float32)
    effect = np.linspace(0, 1.5, 6, dtype=np.float32)
    return x + 0.8 * effect, y + effect, control


def reference(clouds: tuple[np.ndarray, np.ndarray, np.ndarray], n_boot: int = 40) -> Reference:
    _, y, control = clouds
    rng = np.random.default_rng(0)
    observed_counts, control_counts = (resample_counts(len(cells), n_boot, seed=rng) for cells in (y, control))
    return Reference(
        y, control, gammas=np.array([0.1, 0.2]), observed_counts=observed_counts, control_counts=control_counts
    )


@pytest.mark.parametrize("name", ON_CELLS)
def test_value_is_that_of_the_metric_and_its_interval_is_around_it(
    clouds: tuple[np.ndarray, np.ndarray, np.ndarray], name: str
):
    x, y, control = clouds
    judge = reference(clouds)
    score = judge.score(name, x, judge.control_counts)
    metric = METRICS[name]
    if name == "mmd":
        expected = metrics.mmd(x, y, gamma=[0.1, 0.2])
    elif name == "legacy_mmd_training":
        expected = metrics.legacy_mmd(x, y, gammas=[2, 1, 0.5, 0.1, 0.01, 0.005])
    else:
        expected = metric.function(x, y, control) if metric.with_control else metric.function(x, y)
    assert score.value == pytest.approx(expected, rel=1e-5, abs=1e-8)
    assert score.n_cells == 120
    assert score.resamples.shape == (40,)
    if metric.resampling == "none":
        assert np.isnan(score.resamples).all()
    else:
        assert score.resamples.min() <= score.value <= score.resamples.max()


@pytest.mark.parametrize("name", ON_CELLS)
def test_no_resamples(clouds: tuple[np.ndarray, np.ndarray, np.ndarray], name: str):
    judge = reference(clouds, n_boot=0)
    score = judge.score(name, clouds[0], judge.control_counts)
    assert np.isfinite(score.value)
    assert score.resamples.shape == (0,)


@pytest.mark.parametrize("name", ON_CELLS)
def test_badness_is_least_for_a_perfect_prediction(clouds: tuple[np.ndarray, np.ndarray, np.ndarray], name: str):
    x, y, _ = clouds
    judge = reference(clouds, n_boot=0)
    other_half = np.random.default_rng(5).normal(size=y.shape) + np.linspace(0, 1.5, 6)
    perfect, wrong = (
        METRICS[name].badness(judge.score(name, cells, np.empty((len(cells), 0), dtype=np.int64)).value)
        for cells in (other_half, -2 - np.cumsum(x, axis=1))
    )
    # this is one, whatever the prediction: all six features are among the top
    assert perfect < wrong or name == "deg_overlap"


def test_models_share_resamples(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    x, _, _ = clouds
    judge = reference(clouds)
    one, two = (judge.score("energy_distance", cells, judge.control_counts).resamples for cells in (x, x + 0.01))
    assert np.corrcoef(one, two)[0, 1] > 0.99


class TestUnits:
    units = np.repeat(np.arange(6), 40)
    judged = np.arange(240) < 160

    def resamples(self, n_boot: int = 200) -> Resamples:
        return Resamples(n_boot, self.units, self.judged, np.random.default_rng(0))

    def test_cells_of_a_unit_are_drawn_together(self):
        counts = self.resamples().counts(np.arange(240), np.random.default_rng(1))
        for unit in range(6):
            of_unit = counts[self.units == unit]
            assert (of_unit == of_unit[0]).all()
        assert counts.std() > 0

    def test_judged_units_are_always_as_many_as_there_are(self):
        counts = self.resamples().counts(np.arange(240), np.random.default_rng(1))
        assert (counts[self.judged].sum(axis=0) == 160).all()
        assert (counts[~self.judged].sum(axis=0) == 80).all()

    def test_all_clouds_share_their_units(self):
        resamples = self.resamples()
        a, b = (resamples.counts(np.array(rows), np.random.default_rng(i)) for i, rows in enumerate(([0, 41], [3, 45])))
        np.testing.assert_array_equal(a, b)

    def test_intervals_are_as_wide_as_units_differ(self):
        rng = np.random.default_rng(0)
        units = np.tile(np.repeat(np.arange(8), 20), 2)
        between = rng.normal(size=(8, 3))[units] * 2
        cells = rng.normal(size=(320, 3)) + between + np.repeat([0, 1], 160)[:, None]
        width = {}
        for kind in ("units", "cells"):
            resamples = Resamples(300, units if kind == "units" else None, np.ones(320, dtype=bool), rng)
            control_counts, counts = (resamples.counts(rows, rng) for rows in (np.arange(160), np.arange(160, 320)))
            judge = Reference(
                cells[160:],
                cells[:160],
                gammas=np.array([0.1]),
                observed_counts=counts,
                control_counts=control_counts,
                of_units=kind == "units",
            )
            for name in ("energy_distance", "mmd", "l2_means", "deg_overlap", "wasserstein_marginals"):
                score = judge.score(name, cells[:160] + 0.8, control_counts)
                assert np.isfinite(score.resamples).all()
                assert score.resamples.min() <= score.value <= score.resamples.max()
                width[kind, name] = score.resamples.std()
        # patients are alike before and after, so that their mean change is known as well as that of cells
        assert width["units", "l2_means"] < width["cells", "l2_means"]
        assert width["units", "energy_distance"] > 0

    def test_a_resample_without_cells_is_unknown(self):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(2, 10, 2))
        counts = np.ones((10, 3), dtype=np.int64)
        counts[:, 1] = 0
        judge = Reference(y, x, gammas=np.array([0.1]), observed_counts=counts, control_counts=counts, of_units=True)
        for name in ("energy_distance", "legacy_mmd", "l2_means", "correlation_distance"):
            score = judge.score(name, x, counts)
            np.testing.assert_array_equal(np.isnan(score.resamples), [False, True, False])
            assert np.isfinite(score.value)
