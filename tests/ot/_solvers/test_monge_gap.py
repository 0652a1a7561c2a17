from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._loop import criteria
from cellot_sc.ot._maps import mlp
from cellot_sc.ot._maps.mlp import MLPMap
from cellot_sc.ot._solvers.monge_gap import FitWithGap

QUICK: dict[str, Any] = {
    "width": 16, "depth": 2, "n_iters": 60, "check_every": 20, "batch_size": 64, "learning_rate": 1e-2, "epsilon": 0.1
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
    method = FitWithGap(2, 16, 2, 1.0, 0.1, 1e-2, 64, 1, 1, 1, 1)
    state = method.start(jax.random.key(0))
    by_ott = jnp.asarray(method.network.apply({"params": state["map"]}, toy.source_valid))
    np.testing.assert_allclose(MLPMap(state["map"]).transport(toy.source_valid), by_ott, atol=1e-5)


def test_the_inverse_solves_for_the_cell_where_the_map_does_not_fold() -> None:
    rng = np.random.default_rng(0)
    # the derivative of h is well below one, so that x + h(x) is one to one
    weights = {
        "Dense_0": {"kernel": 0.4 * rng.normal(size=(3, 8)), "bias": rng.normal(size=8)},
        "Dense_1": {"kernel": 0.2 * rng.normal(size=(8, 3)), "bias": rng.normal(size=3)},
    }
    mapped = MLPMap(weights)
    x = rng.normal(size=(mlp.INVERSE_CHUNK + 7, 3)).astype(np.float32)
    np.testing.assert_allclose(mapped.inverse(mapped.transport(x)), x, atol=1e-3)


def test_the_inverse_of_what_cannot_be_reached_is_finite() -> None:
    # T(x) = x + h(x) with h(x) = -x for large x: the map is bounded from above
    weights = {
        "Dense_0": {"kernel": np.array([[1.0]]), "bias": np.zeros(1)},
        "Dense_1": {"kernel": np.array([[-1.0]]), "bias": np.zeros(1)},
    }
    assert np.isfinite(MLPMap(weights).inverse(np.array([[5.0]]))).all()


def test_damping_shortens_the_step(toy: ot.Problem) -> None:
    method = FitWithGap(2, 16, 2, 1.0, 0.1, 1e-2, 64, 1, 1, 1, 1)
    state = method.start(jax.random.key(0))
    x, y = jnp.asarray(toy.source[:64]), jnp.asarray(toy.target[:64])
    still, loss = method.step({**state, "damping": jnp.zeros(())}, x, y, jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, still["map"], state["map"])
    moved, _ = method.step(state, x, y, jax.random.key(0))
    assert not np.array_equal(moved["map"]["Dense_0"]["kernel"], state["map"]["Dense_0"]["kernel"])
    assert np.isfinite(loss)
