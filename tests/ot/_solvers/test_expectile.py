from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._loop import criteria
from cellot_sc.ot._maps.mlp import DualMLPMap
from cellot_sc.ot._solvers.expectile import ExpectileConfig

QUICK: dict[str, Any] = {"n_steps": 200, "check_every": 50, "batch_size": 64, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def toy(nonlinear: Any) -> ot.Problem:
    return nonlinear.problem


@pytest.fixture(scope="module")
def fitted(toy: ot.Problem) -> ot.Solution:
    return ot.fit([toy], "expectile", **QUICK)[0]


def test_it_beats_the_identity(toy: ot.Problem, fitted: ot.Solution) -> None:
    before = criteria.energy_score(toy.source_valid, toy.target_valid).value
    after = criteria.energy_score(fitted.map.transport(toy.source_valid), toy.target_valid).value
    assert after < 0.2 * before


def test_the_map_of_least_validation_distance_is_taken(toy: ot.Problem, fitted: ot.Solution) -> None:
    history = fitted.history
    assert history.step == [0, 50, 100, 150, 200]
    looks = dict(zip(history.step, history.metrics["validation"], strict=True))
    assert history.selected == min(history.step[1:], key=looks.__getitem__)
    moved = fitted.map.transport(toy.source_valid)
    assert criteria.energy_score(moved, toy.target_valid).value == pytest.approx(looks[history.selected], abs=1e-4)


def test_the_backward_potential_undoes_the_forward_one_roughly(toy: ot.Problem, fitted: ot.Solution) -> None:
    x = toy.source_valid
    away = np.linalg.norm(fitted.map.inverse(fitted.map.transport(x)) - x, axis=1)
    assert np.median(away) < 0.5


def test_a_step_is_two_of_ott_and_the_map_is_the_one_of_ott(toy: ot.Problem) -> None:
    config = ExpectileConfig(learning_rate=1e-3, coefficient=0.5, batch_size=32)
    state = config.start(jax.random.key(3), 2)
    assert config.n_drawn == 64
    x, y = jnp.asarray(toy.source[:64]), jnp.asarray(toy.target[:64])
    after, _ = config.step(state, x, y, jax.random.key(0))

    solver = config.dual(2)
    solver.num_train_iters, solver.valid_freq = 2, 10
    solver.state_f = solver.state_f.replace(params=state["f"], opt_state=state["f_optimizer"])
    solver.state_g = solver.state_g.replace(params=state["g"], opt_state=state["g_optimizer"])
    # ott's own loop asks the loaders in turn
    solver(iter([x[:32], x[32:]]), iter([y[:32], y[32:]]), iter([]), iter([]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after["f"], solver.state_f.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after["g"], solver.state_g.params)
    moved = DualMLPMap(**config.params(after)).transport(toy.source_valid)
    by_ott = solver.to_dual_potentials().transport(jnp.asarray(toy.source_valid))
    np.testing.assert_allclose(moved, by_ott, atol=1e-5)


def test_damping_shortens_the_step(toy: ot.Problem) -> None:
    config = ExpectileConfig(learning_rate=1e-3, coefficient=0.5, batch_size=32)
    state = config.start(jax.random.key(3), 2)
    x, y = jnp.asarray(toy.source[:64]), jnp.asarray(toy.target[:64])
    still, _ = config.step({**state, "damping": jnp.zeros(())}, x, y, jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, still["f"], state["f"])
