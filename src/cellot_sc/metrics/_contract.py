"""What every metric keeps to, ours and those of others, as a check that can be run."""

from __future__ import annotations

import math

import numpy as np

from .._plugins import promised
from ._bootstrap import resample_counts
from ._metric import METRICS, Metric
from ._mmd import median_gammas
from ._resampling import ObservedCells

N_FEATURES, N_BOOT = 80, 20
SIZES = (40, 30, 50)
"""Numbers of predicted, observed and control cells."""


def check_metric(metric: str | Metric) -> None:
    """Check that a metric keeps to its contract, so that :func:`cellot_sc.tl.evaluate` can judge by it.

    It is finite for clouds of different sizes and defined for two cells, best for a perfect prediction, indifferent to
    the order of cells, leaves its inputs as they are, and its resamples scatter around its value. One that compares
    perturbations takes effects in place of cells, and is not resampled.

    Parameters
    ----------
    metric
        The metric, registered or not, or its name.

    Raises
    ------
    AssertionError
        If it does not; the text says what it does instead.
    TypeError
        If it is no metric.
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> from cellot_sc import metrics
    >>> metrics.check_metric(metrics.METRICS["energy_distance"])
    >>> def first_cells(x, y):
    ...     return abs(x[0] - y[0]).sum()
    >>> metrics.check_metric(
    ...     metrics.Metric("first", first_cells, "first cells", meaning="Distance of the first cells.")
    ... )
    Traceback (most recent call last):
        ...
    AssertionError: metric 'first' is ... of cells in one order and ... in another: cells have no order.
    """
    metric = METRICS.resolve(metric)
    with promised(f"metric {metric.name!r}"):
        _check_promises(metric, f"metric {metric.name!r}")


def _check_promises(metric: Metric, what: str) -> None:
    assert metric.name and metric.label, f"{what} has no name or no label: figures and tables need both."
    assert metric.meaning, f"{what} has no meaning: the report needs a sentence that says what it tells."
    low, high = metric.bounds
    assert low <= metric.best <= high, f"{what} is best at {metric.best}, which is outside its bounds [{low}, {high}]."
    if metric.across_perturbations:
        _check_across(metric, what)
        return
    simulated, other, wrong = _simulated()
    clouds = simulated[: 3 if metric.with_control else 2]
    copies = [cloud.copy() for cloud in clouds]
    predicted, observed, *control = clouds
    value = metric(*clouds)
    assert math.isfinite(value), f"{what} is {value} of clouds of {SIZES} cells: a finite number is needed."
    same, perfect, bad = (metric.badness(metric(cells, observed, *control)) for cells in (observed, other, wrong))
    assert max(same, perfect) < bad, (
        f"{what} has a badness of {same:.3g} for the observed cells themselves, {perfect:.3g} for others like them and "
        f"{bad:.3g} for a wrong prediction, which should be worst: are best={metric.best} and bounds={metric.bounds} "
        "right?"
    )
    assert abs(same) <= 0.1 * abs(bad), (
        f"{what} of observed cells and themselves is off its best value {metric.best} by {same:.3g}, while a wrong "
        f"prediction is by {bad:.3g}: it should be near it."
    )
    alike, turned = metric(other, observed, *control), metric(other[::-1], observed[::-1], *(c[::-1] for c in control))
    assert math.isclose(alike, turned, rel_tol=1e-4, abs_tol=1e-6), (
        f"{what} is {alike} of cells in one order and {turned} in another: cells have no order."
    )
    few = metric(*(cloud[:2] for cloud in clouds))
    assert not math.isinf(few), f"{what} is {few} of two cells: a number is needed, or NaN if it is unknown."
    _check_resamples(metric, what, simulated, value)
    for cloud, copy in zip(clouds, copies, strict=True):
        assert np.array_equal(cloud, copy), f"{what} changes the cells that it is given: it has to work on a copy."


def _simulated() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return predicted, observed and control cells, others like the observed ones, and a wrong prediction."""
    rng = np.random.default_rng(0)
    base, effect = rng.normal(3, 1, N_FEATURES), np.linspace(3, 1, N_FEATURES) * (np.arange(N_FEATURES) < 40)
    effect[1:40:2] *= -1
    predicted, observed, control, other = (base + rng.normal(size=(n, N_FEATURES)) for n in (*SIZES, SIZES[1]))
    # it moves the other features, and those that respond against their response; its cells vary too much
    wrong = base[::-1] - effect - 3 * effect[::-1] + 3 * rng.normal(size=(SIZES[1], 1)) * rng.normal(size=N_FEATURES)
    return [predicted + 0.8 * effect, observed + effect, control], other + effect, wrong


def _check_across(metric: Metric, what: str) -> None:
    effects = np.random.default_rng(0).normal(size=(5, N_FEATURES))
    copy = effects.copy()
    values, turned = (np.asarray(metric(effects[::order], effects[::order])) for order in (1, -1))
    assert values.shape == (len(effects),), f"{what} has shape {values.shape} for 5 perturbations: one value each."
    assert np.allclose(values, metric.best), f"{what} is {values} for perfect effects: {metric.best} is its best value."
    wrong = np.asarray(metric(np.roll(effects, 1, axis=0), effects))
    assert np.isfinite(wrong).all() and min(map(metric.badness, wrong)) > 0, (
        f"{what} is {wrong} for the effects of other perturbations: it should be worse than {metric.best}."
    )
    assert np.allclose(values, turned[::-1]), f"{what} depends on the order of perturbations."
    assert np.array_equal(effects, copy), f"{what} changes the effects that it is given: it has to work on a copy."


def _check_resamples(metric: Metric, what: str, simulated: list[np.ndarray], value: float) -> None:
    """Check that the resamples in the way that the metric states are its own, and scatter around its value."""
    name = type(metric.resampling).__name__
    clouds = tuple(simulated[: 3 if metric.with_control else 2])
    once = tuple(np.ones((len(cloud), 1), dtype=np.int64) for cloud in clouds)
    [again] = metric.resampling.resamples(metric.function, clouds, once)
    assert math.isnan(again) or math.isclose(again, value, rel_tol=1e-4, abs_tol=1e-6), (
        f"{what} is {value}, and {again} by {name} of every cell once: it depends on more than that looks at."
    )
    counts = [resample_counts(n, N_BOOT, seed=i) for i, n in enumerate(SIZES)]
    predicted, observed, control = simulated
    gammas = median_gammas(predicted, observed)
    cells = ObservedCells(observed, control, gammas=gammas, observed_counts=counts[1], control_counts=counts[2])
    scored, resamples = metric.resampling.score(metric, cells, predicted, counts[0])
    assert math.isclose(scored, value, rel_tol=1e-4, abs_tol=1e-6), (
        f"{what} is {value}, and {scored} by {name}: the two have to agree."
    )
    assert resamples.shape == (N_BOOT,), f"{what} has resamples of shape {resamples.shape}: ({N_BOOT},) is needed."
    assert np.isnan(resamples).all() or resamples.min() <= value <= resamples.max(), (
        f"{what} is {value}, and its resamples lie in [{resamples.min()}, {resamples.max()}]: not around it."
    )
