from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellot_sc import ot
from cellot_sc.ot._condensed import condensed
from cellot_sc.ot._loop import criteria
from cellot_sc.ot._solvers.entropic import EntropicMap


@pytest.fixture(scope="module")
def toy(nonlinear: Any) -> ot.Problem:
    return nonlinear.problem


@pytest.fixture(scope="module")
def fitted(toy: ot.Problem) -> ot.Solution:
    return ot.fit([toy], "entropic")[0]


def by_hand(x: NDArray[Any], anchors: NDArray[Any], potential: NDArray[Any], epsilon: float) -> NDArray[Any]:
    cost = 0.5 * ((x[:, None].astype(float) - anchors[None]) ** 2).sum(-1)
    weights = np.exp((potential - cost) / epsilon - ((potential - cost) / epsilon).max(1, keepdims=True))
    return weights @ anchors / weights.sum(1, keepdims=True)


def test_it_beats_the_identity(toy: ot.Problem, fitted: ot.Solution) -> None:
    before = criteria.energy_score(toy.source_valid, toy.target_valid).value
    after = criteria.energy_score(fitted.map.transport(toy.source_valid), toy.target_valid).value
    assert after < 0.02 * before


def test_a_cell_goes_to_the_weighted_barycentre_and_back(toy: ot.Problem, fitted: ot.Solution) -> None:
    m = fitted.map
    assert isinstance(m, EntropicMap)
    x = np.random.default_rng(1).normal(size=(700, 2)).astype(np.float32)
    np.testing.assert_allclose(m.transport(x), by_hand(x, m.target, m.target_potential, m.epsilon), atol=1e-3)
    np.testing.assert_allclose(m.inverse(x), by_hand(x, m.source, m.source_potential, m.epsilon), atol=1e-3)


def test_a_round_trip_ends_near_the_cell(toy: ot.Problem, fitted: ot.Solution) -> None:
    x = toy.source_valid
    away = np.linalg.norm(fitted.map.inverse(fitted.map.transport(x)) - x, axis=1)
    assert np.median(away) < 0.15


def test_the_coupling_has_the_marginals(toy: ot.Problem, fitted: ot.Solution) -> None:
    m = fitted.map
    assert isinstance(m, EntropicMap)
    cost = 0.5 * ((m.source[:, None].astype(float) - m.target[None]) ** 2).sum(-1)
    plan = np.exp((m.source_potential[:, None] + m.target_potential - cost) / m.epsilon)
    np.testing.assert_allclose(plan.sum(), 1, atol=2e-3)
    assert np.abs(plan.sum(0) - 1 / 400).sum() < 2e-3
    assert np.abs(plan.sum(1) - 1 / 400).sum() < 2e-3


def test_validation_cells_choose_epsilon(toy: ot.Problem, fitted: ot.Solution) -> None:
    history = fitted.history
    assert history.metrics["epsilon"] == [0.05, 0.02, 0.01, 0.005, 0.002]
    assert history.selected == history.step[int(np.argmin(history.metrics["validation"]))]
    none = toy.source[:0]
    unjudged = ot.fit([ot.Problem(toy.source, toy.target, none, none)], "entropic")[0]
    assert unjudged.history.selected == 3
    assert np.isnan(unjudged.history.metrics["validation"]).all()


def test_a_large_cloud_is_sampled_and_said_so(toy: ot.Problem, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="cellot_sc"):
        first, again = (ot.fit([toy], "entropic", max_cells=100, seed=3)[0].map for _ in range(2))
    assert isinstance(first, EntropicMap)
    assert len(first.source) == len(first.target) == 100
    assert "random sample of 100 of 400 cells" in caplog.text
    np.testing.assert_array_equal(first.transport(toy.source_valid), again.transport(toy.source_valid))


def test_cells_on_one_spot_stay_finite(toy: ot.Problem) -> None:
    spot = np.ones((20, 2), np.float32)
    moved = ot.fit([ot.Problem(spot, spot, spot, spot)], "entropic")[0].map.transport(toy.source_valid)
    np.testing.assert_allclose(moved, 1.0)


def test_contexts_are_refused(toy: ot.Problem) -> None:
    codes = np.zeros(len(toy.source), np.int64)
    problem = dataclasses.replace(toy, source_contexts=codes, target_contexts=np.zeros(len(toy.target), np.int64))
    with pytest.raises(ValueError, match="fits no map per context.*'icnn'"):
        ot.fit([problem], "entropic")


def test_progress_counts_every_epsilon_of_every_problem(toy: ot.Problem) -> None:
    seen: list[tuple[int, int]] = []
    ot.fit(
        [toy, toy], "entropic", epsilons=(0.05, 0.02), progress=lambda done, total, metrics: seen.append((done, total))
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_coupling_has_marginals_that_were_given(toy: ot.Problem) -> None:
    weights = np.random.default_rng(0).choice([0.0, 1.0, 4.0], 400)
    given = dataclasses.replace(toy, source_weights=weights)
    m = ot.fit([given], "entropic", epsilons=(0.05, 0.02))[0].map
    assert isinstance(m, EntropicMap)
    # cells that do not count are left out
    np.testing.assert_array_equal(m.source, toy.source[weights > 0])
    cost = 0.5 * ((m.source[:, None].astype(float) - m.target[None]) ** 2).sum(-1)
    plan = np.exp((m.source_potential[:, None] + m.target_potential - cost) / m.epsilon)
    assert np.abs(plan.sum(1) - weights[weights > 0] / weights.sum()).sum() < 2e-3
    assert np.abs(plan.sum(0) - 1 / 400).sum() < 2e-3
    assert np.isfinite(m.transport(toy.source)).all()


def test_debiased_map_is_of_few_means_what_cells_say():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 2)).astype(np.float32)
    y = (rng.normal(size=(2000, 2)) * [1.5, 0.5] + [3, 0]).astype(np.float32)
    problem = condensed(ot.Problem(x, y, x[:500], y[:500]))
    truth = (x * [1.5, 0.5] + [3, 0]).astype(np.float32)
    plain, debiased = (ot.fit([problem], "entropic", debiased=of)[0].map for of in (False, True))
    wrong = {of: float(np.square(one.transport(x) - truth).sum(1).mean()) for of, one in ((0, plain), (1, debiased))}
    assert wrong[1] < 0.02 and wrong[1] < 0.6 * wrong[0]
    np.testing.assert_array_equal(ot.TransportMap.from_state(debiased.state()).transport(x), debiased.transport(x))
    back = debiased.inverse(debiased.transport(x))
    assert np.abs(back - x).mean() < 0.15
