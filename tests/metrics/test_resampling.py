from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cellot_sc import metrics
from cellot_sc.metrics import METRICS, Metric
from cellot_sc.metrics._bootstrap import resample_counts, unit_draws
from cellot_sc.metrics._resampling import ObservedCells

ON_CELLS = [name for name, metric in METRICS.items() if not metric.across_perturbations]
type Three = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def clouds() -> Three:
    """Predicted, observed and control cells; half of the features respond."""
    rng = np.random.default_rng(0)
    x, y, control = rng.normal(size=(3, 120, 80)).astype(np.float32)
    effect = np.linspace(0, 1.5, 80, dtype=np.float32) * (np.arange(80) >= 40)
    return x + 0.8 * effect, y + effect, control


def observed_cells(clouds: Three, n_boot: int = 40) -> ObservedCells:
    _, y, control = clouds
    rng = np.random.default_rng(0)
    observed_counts, control_counts = (resample_counts(len(cells), n_boot, seed=rng) for cells in (y, control))
    return ObservedCells(
        y, control, gammas=np.array([0.01, 0.02]), observed_counts=observed_counts, control_counts=control_counts
    )


def score(name: str, cells: ObservedCells, predicted: np.ndarray, counts: np.ndarray) -> tuple[float, np.ndarray]:
    return METRICS[name].resampling.score(METRICS[name], cells, predicted, counts)


@pytest.mark.parametrize("name", ON_CELLS)
def test_value_is_that_of_the_metric_and_its_interval_is_around_it(clouds: Three, name: str) -> None:
    x, y, control = clouds
    cells = observed_cells(clouds)
    value, resamples = score(name, cells, x, cells.control_counts)
    metric = METRICS[name]
    if name == "mmd":
        expected = metrics.mmd(x, y, gamma=[0.01, 0.02])
    else:
        expected = metric(x, y, control) if metric.with_control else metric(x, y)
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-8)
    assert resamples.shape == (40,)
    if isinstance(metric.resampling, metrics.NoResampling):
        assert np.isnan(resamples).all()
    else:
        assert resamples.min() <= value <= resamples.max()


@pytest.mark.parametrize("name", ON_CELLS)
def test_no_resamples(clouds: Three, name: str) -> None:
    cells = observed_cells(clouds, n_boot=0)
    value, resamples = score(name, cells, clouds[0], cells.control_counts)
    assert np.isfinite(value)
    assert resamples.shape == (0,)


@pytest.mark.parametrize("name", ON_CELLS)
def test_badness_is_least_for_a_perfect_prediction(clouds: Three, name: str) -> None:
    x, y, _ = clouds
    cells = observed_cells(clouds, n_boot=0)
    effect = np.linspace(0, 1.5, 80) * (np.arange(80) >= 40)
    other_half = np.random.default_rng(5).normal(size=y.shape) + effect
    # the features that do not respond change most, the others the other way
    unlike = -2 * effect - 5 * effect[::-1] - np.cumsum(x - effect, axis=1) / 10
    perfect, wrong = (
        METRICS[name].badness(score(name, cells, predicted, np.empty((len(predicted), 0), dtype=np.int64))[0])
        for predicted in (other_half, unlike)
    )
    assert perfect < wrong


def test_models_share_resamples(clouds: Three) -> None:
    x, _, _ = clouds
    cells = observed_cells(clouds)
    one, two = (score("energy_distance", cells, predicted, cells.control_counts)[1] for predicted in (x, x + 0.01))
    assert np.corrcoef(one, two)[0, 1] > 0.99
    # what depends on the observed cells alone is computed once
    assert list(cells.pairs) == [METRICS["energy_distance"].resampling]


WAYS = [metrics.CellResampling(), metrics.MomentResampling()]


def two_clouds(m: int = 40, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(m, 3)), rng.normal(size=(n, 3)) + 0.5


@pytest.mark.parametrize("way", WAYS)
def test_resamples_are_the_metric_of_what_was_drawn(way: metrics.Resampling) -> None:
    x, y = two_clouds()
    wx, wy = resample_counts(len(x), 50, seed=1), resample_counts(len(y), 50, seed=2)
    values = way.resamples(metrics.l2_means, (x, y), (wx, wy))
    np.testing.assert_allclose(values, np.linalg.norm(wx.T @ x / len(x) - wy.T @ y / len(y), axis=1))


@pytest.mark.parametrize("metric", [metrics.l2_means, metrics.l2_stds, metrics.r_means, metrics.variance_ratio])
def test_moments_are_enough_for_some_metrics(metric: Callable[..., float]) -> None:
    x, y = two_clouds()
    wx, wy = resample_counts(len(x), 20, seed=1), resample_counts(len(y), 20, seed=2)
    slow, fast = (way.resamples(metric, (x, y), (wx, wy)) for way in WAYS)
    np.testing.assert_allclose(fast, slow, rtol=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_resamples_may_differ_in_size(way: metrics.Resampling) -> None:
    x, y = two_clouds(7, 6)
    wx = unit_draws(np.array([0, 0, 0, 0, 1, 1, 2]), 5, seed=3)
    wy = unit_draws(np.array([0, 0, 1, 1, 1, 2]), 5, seed=4)
    for metric in (metrics.l2_means, metrics.variance_ratio):
        expected = [metric(np.repeat(x, wx[:, b], axis=0), np.repeat(y, wy[:, b], axis=0)) for b in range(5)]
        np.testing.assert_allclose(way.resamples(metric, (x, y), (wx, wy)), expected)


@pytest.mark.parametrize("way", WAYS)
def test_resamples_without_two_cells_are_unknown(way: metrics.Resampling) -> None:
    x, y = two_clouds(4, 4)
    counts = np.ones((4, 3), dtype=np.int64)
    counts[:, 0], counts[1:, 2] = 0, 0
    values = way.resamples(metrics.l2_means, (x, y), (counts, counts))
    np.testing.assert_array_equal(np.isnan(values), [True, False, True])


def test_a_metric_of_pairs_needs_no_more_than_a_number_for_its_kernel(clouds: Three) -> None:
    x, y, _ = clouds
    kernel = Metric(
        "one_kernel",
        lambda x, y: metrics.mmd(x, y, gamma=0.05),
        "MMD with one kernel",
        resampling=metrics.PairResampling(np.array([0.05])),
    )
    cells = observed_cells(clouds)
    value, resamples = kernel.resampling.score(kernel, cells, x, cells.control_counts)
    assert value == pytest.approx(metrics.mmd(x, y, gamma=0.05), rel=1e-5)
    assert resamples.std() > 0


def test_a_resample_without_cells_is_unknown() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 10, 2))
    counts = np.ones((10, 3), dtype=np.int64)
    counts[:, 1] = 0
    cells = ObservedCells(y, x, gammas=np.array([0.1]), observed_counts=counts, control_counts=counts, whole_units=True)
    for name in ("energy_distance", "legacy_mmd", "l2_means", "correlation_distance"):
        value, resamples = score(name, cells, x, counts)
        np.testing.assert_array_equal(np.isnan(resamples), [False, True, False])
        assert np.isfinite(value)
