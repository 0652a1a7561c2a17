from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._loop import criteria
from cellot_sc.ot._solvers import paper

QUICK: dict[str, Any] = {
    "width": 16, "depth": 2, "n_steps": 120, "n_inner": 4, "batch_size": 64, "check_every": 30, "learning_rate": 1e-2
}  # fmt: skip


@pytest.fixture(scope="module")
def toy(nonlinear: Any) -> ot.Problem:
    return nonlinear.problem


@pytest.fixture(scope="module")
def fitted(toy: ot.Problem) -> ot.Solution:
    return ot.fit([toy], "paper", **QUICK)[0]


def test_it_beats_the_identity(toy: ot.Problem, fitted: ot.Solution) -> None:
    before = criteria.energy_score(toy.source_valid, toy.target_valid).value
    after = criteria.energy_score(fitted.map.transport(toy.source_valid), toy.target_valid).value
    assert after < 0.2 * before


def test_the_cells_are_left_uncentred(fitted: ot.Solution) -> None:
    assert isinstance(fitted.map, ot.PotentialMap)
    assert fitted.map.network == "PaperICNN"
    assert not fitted.map.source_mean.any()
    assert not fitted.map.target_mean.any()


def test_the_checkpoint_of_least_validation_mmd_is_taken(toy: ot.Problem, fitted: ot.Solution) -> None:
    history = fitted.history
    assert history.step == [0, 30, 60, 90, 120]
    looks = dict(zip(history.step, history.metrics["validation"], strict=True))
    assert history.selected == min(history.step[1:], key=looks.__getitem__)
    moved = jnp.asarray(fitted.map.transport(toy.source_valid))
    ones = jnp.ones(len(moved))
    mmd = float(criteria.paper_mmd(moved, jnp.asarray(toy.target_valid), ones, ones))
    assert mmd == pytest.approx(looks[history.selected], abs=1e-5)


def test_several_problems_at_once_give_what_each_gives_alone(toy: ot.Problem, fitted: ot.Solution) -> None:
    other = ot.Problem(toy.source, toy.target[:200] + 1, toy.source_valid, toy.target_valid + 1)
    both = ot.fit([toy, other], "paper", **QUICK)
    moved = both[0].map.transport(toy.source)
    # a batched product rounds otherwise than a single one, and the kinks of the activations let that grow
    np.testing.assert_allclose(moved, fitted.map.transport(toy.source), atol=0.05)
    assert not np.allclose(moved, both[1].map.transport(toy.source), atol=0.05)


def test_without_validation_cells_the_last_step_is_taken(toy: ot.Problem) -> None:
    problem = ot.Problem(toy.source, toy.target)
    assert ot.fit([problem], "paper", **QUICK)[0].history.selected == QUICK["n_steps"]


def test_patience_ends_the_fit(toy: ot.Problem) -> None:
    history = ot.fit([toy], "paper", **{**QUICK, "learning_rate": 1e-12, "patience": 1})[0].history
    assert history.step[-1] == 60


def test_f_stays_convex_and_both_potentials_move(toy: ot.Problem) -> None:
    config = paper.PaperConfig(width=8, depth=3, learning_rate=1e-2, batch_size=16, n_inner=2)
    state = config.start(jax.random.key(0), 2)
    assert config.n_drawn == 48
    x, y = toy.source[: config.n_drawn], toy.target[: config.n_drawn]
    advance = jax.jit(config.step)
    for step in range(20):
        state, _ = advance(state, x, y, step)
    assert all((kernel >= 0).all() for name, kernel in state["f"].items() if name.startswith("positive"))
    start = config.start(jax.random.key(0), 2)
    for which in ("f", "g"):
        assert not np.allclose(state[which]["kernel_0"], start[which]["kernel_0"])


def test_the_penalty_is_the_sum_of_the_norms_of_what_is_negative() -> None:
    params = {
        "positive_1": jnp.array([[-3.0, 4.0], [-4.0, 0.0]]),
        "positive_last": jnp.ones((2, 1)),
        "kernel_0": -jnp.ones(2),
    }
    assert float(paper.penalty(params)) == pytest.approx(5.0)
    slope = jax.grad(paper.penalty)(params)
    np.testing.assert_allclose(slope["positive_1"], [[-0.6, 0.0], [-0.8, 0.0]], atol=1e-6)
    assert not slope["positive_last"].any()


def test_a_fit_resumes_where_it_was_interrupted(toy: ot.Problem, fitted: ot.Solution, tmp_path: Any) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int, metrics: dict[str, float]) -> None:
        if done >= 60:
            raise Stop

    with pytest.raises(Stop):
        ot.fit([toy], "paper", progress=stop, checkpoint_dir=tmp_path, **QUICK)
    resumed = ot.fit([toy], "paper", checkpoint_dir=tmp_path, resume=True, **QUICK)[0]
    np.testing.assert_array_equal(resumed.map.transport(toy.source), fitted.map.transport(toy.source))
    with pytest.raises(ValueError, match="other data or options"):
        ot.fit([toy], "paper", seed=1, checkpoint_dir=tmp_path, resume=True, **QUICK)
