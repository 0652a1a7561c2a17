from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ott.neural.methods.neuraldual import W2NeuralDual

from cellot_sc import ot
from cellot_sc.ot._solvers.neural_dual import NeuralDualConfig, NeuralDualMap, _batches, _network

QUICK: dict[str, Any] = {"width": 4, "depth": 2, "batch_size": 16, "n_steps": 3}


@pytest.fixture(scope="module")
def toy(nonlinear: Any) -> ot.Problem:
    return nonlinear.problem


@pytest.fixture(scope="module")
def fitted(toy: ot.Problem) -> ot.Solution:
    return ot.fit([toy], "neural_dual", seed=2, **QUICK)[0]


@pytest.fixture(scope="module")
def by_ott(toy: ot.Problem) -> W2NeuralDual:
    """The same fit as a user of ott writes it."""
    network, adam = _network(4, 2, 2), None
    dual = W2NeuralDual(2, network, network, adam, adam, num_train_iters=3, rng=jax.random.key(2))
    clouds = [
        itertools.islice(_batches(cells, None, 16, np.random.default_rng([2, i])), 3)
        for i, cells in enumerate((toy.source, toy.target))
    ]
    source, target = clouds
    dual(source, target, source, target)
    return dual


def test_the_networks_are_those_of_ott(fitted: ot.Solution, by_ott: W2NeuralDual) -> None:
    assert isinstance(fitted.map, NeuralDualMap)
    for ours, theirs in ((fitted.map.f, by_ott.state_f.params), (fitted.map.g, by_ott.state_g.params)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ours, dict(theirs))


def test_cells_go_all_the_way_and_not_the_half_of_it(
    toy: ot.Problem, fitted: ot.Solution, by_ott: W2NeuralDual
) -> None:
    x, y = toy.source_valid[:4], toy.target_valid[:4]
    potentials = by_ott.to_dual_potentials()
    # what ott calls the transport is half the way there and back
    for move, theirs, cells in (
        (fitted.map.transport, potentials.transport(jnp.asarray(x)), x),
        (fitted.map.inverse, potentials.transport(jnp.asarray(y), forward=False), y),
    ):
        np.testing.assert_allclose(cells + (move(cells) - cells) / 2, theirs, rtol=1e-3, atol=1e-3)


def test_the_inverse_undoes_the_map(toy: ot.Problem, fitted: ot.Solution) -> None:
    x = toy.source_valid[:20]
    away = np.linalg.norm(fitted.map.inverse(fitted.map.transport(x)) - x, axis=1)
    assert np.median(away) < 0.05


def test_the_defaults_are_those_of_ott() -> None:
    config, theirs = NeuralDualConfig(), W2NeuralDual(3, _network(64, 4, 3), _network(64, 4, 3))
    assert config.n_steps == theirs.num_train_iters
    assert (config.width,) * config.depth == (64,) * 4


def test_progress_and_history_count_steps(toy: ot.Problem, fitted: ot.Solution) -> None:
    assert fitted.history.step == [3]
    assert fitted.history.selected == 3
    seen: list[tuple[int, int]] = []
    ot.fit([toy, toy], "neural_dual", **QUICK, progress=lambda done, total, metrics: seen.append((done, total)))
    assert seen == [(i, 6) for i in range(1, 7)]


def test_an_interrupt_keeps_the_map_so_far(toy: ot.Problem, caplog: pytest.LogCaptureFixture) -> None:
    def interrupt(done: int, total: int, metrics: dict[str, float]) -> None:
        if done == 2:
            raise KeyboardInterrupt

    [stopped] = ot.fit([toy], "neural_dual", **QUICK, progress=interrupt)
    [short] = ot.fit([toy], "neural_dual", **QUICK | {"n_steps": 2})
    np.testing.assert_array_equal(stopped.map.transport(toy.source), short.map.transport(toy.source))
    assert stopped.history.selected == 2
    assert "interrupted after step 2" in caplog.text
