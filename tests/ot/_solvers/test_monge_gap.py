from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._loop import criteria
from cellot_sc.ot._maps.mlp import MLPMap
from cellot_sc.ot._solvers.monge_gap import MongeGapConfig

QUICK: dict[str, Any] = {
    "width": 16, "depth": 2, "n_steps": 60, "check_every": 20, "batch_size": 64, "learning_rate": 1e-2, "epsilon": 0.1
}  # fmt: skip


@pytest.fixture(scope="module")
def toy(nonlinear: Any) -> ot.Problem:
    return nonlinear.problem


@pytest.fixture(scope="module")
def fitted(toy: ot.Problem) -> ot.Solution:
    return ot.fit([toy], "monge_gap", **QUICK)[0]


def test_it_beats_the_identity(toy: ot.Problem, fitted: ot.Solution) -> None:
    before = criteria.energy_score(toy.source_valid, toy.target_valid).value
    after = criteria.energy_score(fitted.map.transport(toy.source_valid), toy.target_valid).value
    assert after < 0.2 * before


def test_the_map_of_least_validation_distance_is_taken(fitted: ot.Solution) -> None:
    history = fitted.history
    assert history.step == [0, 20, 40, 60]
    looks = dict(zip(history.step, history.metrics["validation"], strict=True))
    assert history.selected == min(history.step[1:], key=looks.__getitem__)


def test_the_map_is_the_network_of_ott(toy: ot.Problem) -> None:
    config = MongeGapConfig(**QUICK)
    state = config.start(jax.random.key(0), 2)
    by_ott = jnp.asarray(config.network.apply({"params": state["map"]}, toy.source_valid))
    np.testing.assert_allclose(MLPMap(state["map"]).transport(toy.source_valid), by_ott, atol=1e-5)


def test_damping_shortens_the_step(toy: ot.Problem) -> None:
    config = MongeGapConfig(**QUICK)
    state = config.start(jax.random.key(0), 2)
    x, y = jnp.asarray(toy.source[:64]), jnp.asarray(toy.target[:64])
    still, loss = config.step({**state, "damping": jnp.zeros(())}, x, y, jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, still["map"], state["map"])
    moved, _ = config.step(state, x, y, jax.random.key(0))
    assert not np.array_equal(moved["map"]["Dense_0"]["kernel"], state["map"]["Dense_0"]["kernel"])
    assert np.isfinite(loss)
