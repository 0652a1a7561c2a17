from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellot_sc.ot import Problem
from cellot_sc.ot._loop import training
from cellot_sc.ot._loop.batches import Clouds, Ranges, gather
from cellot_sc.ot._loop.checkpoints import Checkpoint
from cellot_sc.ot._loop.config import LoopConfig, LoopState
from cellot_sc.ot._loop.training import Trained, Trial

N_PROBLEMS, N_MEMBERS = 2, 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Walk(LoopConfig):
    """A training that walks: one parameter grows by a step each time, and is best at 1 and worse on both sides."""

    learning_rate: float = 1.0
    n_steps: int = 100
    check_every: int = 10
    patience: int | None = 100
    batch_size: int = 4
    stride: float = 0.05

    def step(self, state: LoopState, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[LoopState, jax.Array]:
        theta = state["theta"] + state["damping"] * self.stride * (1 + 0 * x.sum())
        # batches and numbers leave a trace, so that runs that draw others differ
        trace = state["trace"] + x.mean() + 3 * y.mean() + jax.random.normal(key)
        theta = jnp.where(theta > state["limit"], jnp.nan, theta)
        return {**state, "theta": theta, "trace": trace}, theta**2

    def params(self, state: LoopState) -> Any:
        return {"theta": state["theta"], "trace": state["trace"]}

    def criterion(self, params: Any, ranges: Ranges) -> jax.Array:
        return jnp.abs(params["theta"] - 1)


def train(walk: Walk, state: LoopState, clouds: Clouds, *, min_steps: int = 1, **options: Any) -> Trained:
    return training.train(walk, state, clouds, min_steps=min_steps, **{"seed": 0, **options})


def start(theta: float | np.ndarray = 0.0, limit: float | np.ndarray = np.inf) -> LoopState:
    shape = (N_PROBLEMS, N_MEMBERS)
    values = {"theta": theta, "trace": 0.0, "damping": 1.0, "limit": limit}
    # a limit is a number, too, and has to be a finite one
    return {k: jnp.minimum(jnp.broadcast_to(jnp.asarray(v, jnp.float32), shape), 1e30) for k, v in values.items()}


@pytest.fixture(scope="module")
def clouds() -> Clouds:
    rng = np.random.default_rng(0)
    cells = [rng.normal(size=(20, 2)).astype(np.float32) for _ in range(N_PROBLEMS)]
    zero = np.zeros(2)
    return gather([Problem(x, x + 1, x[:5], x[:5]) for x in cells], [(zero, zero)] * N_PROBLEMS, seed=0)


def theta(trained: Trained) -> np.ndarray:
    return np.asarray(trained.params["theta"])


def assert_same(a: Trained, b: Trained) -> None:
    for x, y in zip(jax.tree.leaves(a.params), jax.tree.leaves(b.params), strict=True):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(a.criterion, b.criterion)
    for one, other in zip(a.histories, b.histories, strict=True):
        assert one.step == other.step
        assert one.selected == other.selected
        assert one.metrics.keys() == other.metrics.keys()
        for name, values in one.metrics.items():
            # sums of as many losses, alone and beside others
            np.testing.assert_allclose(values, other.metrics[name], rtol=1e-6, equal_nan=True)


def test_the_best_look_is_kept(clouds: Clouds):
    trained = train(Walk(), start(), clouds)
    np.testing.assert_allclose(theta(trained), 1, atol=1e-5)
    np.testing.assert_allclose(trained.criterion, 0, atol=1e-5)
    assert theta(trained).shape == trained.criterion.shape == (N_PROBLEMS, N_MEMBERS)
    for history in trained.histories:
        assert history.selected == 20
        assert history.step == list(range(0, 101, 10))
        np.testing.assert_allclose(history.metrics["validation"], np.abs(0.05 * np.array(history.step) - 1), atol=1e-4)
        assert np.isnan(history.metrics["loss"][0])
        assert np.isfinite(history.metrics["loss"][1:]).all()
        assert history.seconds == sorted(history.seconds)
        assert {len(values) for values in history.metrics.values()} == {len(history.seconds)} == {11}


def test_last_stretch_may_be_shorter(clouds: Clouds):
    trained = train(Walk(n_steps=25, stride=0.04), start(), clouds)
    np.testing.assert_allclose(theta(trained), 1, atol=1e-5)
    assert trained.histories[0].step == [0, 10, 20, 25]
    assert trained.histories[0].selected == 25


def test_training_ends_when_nothing_gets_better(clouds: Clouds):
    trained = train(Walk(patience=3), start(), clouds)
    np.testing.assert_allclose(theta(trained), 1, atol=1e-5)
    assert trained.histories[0].step[-1] == 50


def test_without_patience_it_goes_on_to_the_last_step(clouds: Clouds):
    trained = train(Walk(patience=None), start(), clouds)
    assert trained.histories[0].step[-1] == 100


def test_each_problem_and_member_is_selected_for_itself(clouds: Clouds):
    begin = np.array([[0.0, -0.5, -1.0], [-1.5, -2, -2]])
    trained = train(Walk(patience=3), start(begin), clouds)
    np.testing.assert_allclose(theta(trained)[0], 1, atol=1e-5)
    np.testing.assert_allclose(theta(trained)[1], 1, atol=1e-5)
    # a problem goes on as long as one of its members gets better, and is left alone after that
    assert [history.step[-1] for history in trained.histories] == [50, 80]
    assert [history.selected for history in trained.histories] == [20, 50]


def test_nothing_is_taken_before_the_first_steps_are_made(clouds: Clouds):
    trained = train(Walk(patience=2), start(), clouds, min_steps=40)
    np.testing.assert_allclose(theta(trained), 2, atol=1e-4)
    assert trained.histories[0].selected == 40
    assert trained.histories[0].step[-1] == 60


def test_start_is_kept_when_every_step_leads_away(clouds: Clouds):
    trained = train(Walk(), start(1.0), clouds)
    np.testing.assert_array_equal(theta(trained), 1)
    assert {history.selected for history in trained.histories} == {0}


def test_diverged_member_is_set_back_with_smaller_steps(clouds: Clouds, caplog: pytest.LogCaptureFixture):
    # the second member of the first problem cannot go beyond 1.7 without becoming NaN
    limit = np.full((N_PROBLEMS, N_MEMBERS), np.inf)
    limit[0, 1] = 1.7
    begin = np.full((N_PROBLEMS, N_MEMBERS), -3.0)
    begin[0, 1] = 0.0
    with caplog.at_level(logging.WARNING):
        trained = train(Walk(), start(begin, limit), clouds)
    assert "1 of 6 fits diverged before step 40: set back, with steps half as long" in caplog.messages
    assert np.isfinite(theta(trained)).all()
    np.testing.assert_allclose(theta(trained), 1, atol=1e-5)
    unlimited = train(Walk(), start(begin), clouds)
    others = limit == np.inf
    np.testing.assert_array_equal(theta(trained)[others], theta(unlimited)[others])
    assert np.isfinite(trained.criterion).all()


def test_set_back_member_goes_on_from_its_last_good_state(clouds: Clouds):
    # from 0 in ten steps of .05 to .5, and then in steps half as long
    trained = train(Walk(n_steps=30), start(0.0, 0.8), clouds)
    np.testing.assert_allclose(theta(trained), 0.75, atol=1e-5)
    np.testing.assert_allclose(trained.criterion, 0.25, atol=1e-5)


def test_what_never_was_finite_is_marked(clouds: Clouds):
    trained = train(Walk(), start(0.0, -1.0), clouds, min_steps=10)
    assert (trained.criterion == np.inf).all()
    assert np.isfinite(theta(trained)).all()


def test_interrupt_keeps_the_best_so_far(clouds: Clouds, caplog: pytest.LogCaptureFixture):
    calls: list[tuple[int, int, dict[str, float]]] = []

    def progress(done: int, total: int, metrics: dict[str, float]) -> None:
        calls.append((done, total, metrics))
        if done == 30:
            raise KeyboardInterrupt

    trained = train(Walk(), start(), clouds, progress=progress)
    assert [call[:2] for call in calls] == [(10, 100), (20, 100), (30, 100)]
    assert calls[0][2]["validation"] == pytest.approx(0.5)
    np.testing.assert_allclose(theta(trained), 1, atol=1e-5)
    assert "interrupted after step 30: the best maps so far are kept" in caplog.messages


def test_seed_decides_batches_and_noise(clouds: Clouds):
    first, again, other = (train(Walk(), start(), clouds, seed=seed) for seed in (0, 0, 1))
    assert_same(first, again)
    traces = np.asarray(first.params["trace"])
    assert (traces != np.asarray(other.params["trace"])).all()
    # members draw numbers of their own
    assert len(np.unique(traces)) == traces.size


def test_problem_is_trained_alike_beside_others(clouds: Clouds):
    together = train(Walk(), start(), clouds)
    ranges = jax.tree.map(lambda leaf: leaf[1:], clouds.ranges)
    alone = train(Walk(), jax.tree.map(lambda leaf: leaf[1:], start()), clouds._replace(ranges=ranges))
    np.testing.assert_allclose(np.asarray(together.params["trace"])[1:], alone.params["trace"], rtol=1e-5)


def test_single_network_draws_what_it_draws_among_others(clouds: Clouds):
    together = train(Walk(), start(), clouds)
    ranges = jax.tree.map(lambda leaf: leaf[:1], clouds.ranges)
    alone = train(Walk(), jax.tree.map(lambda leaf: leaf[:1, :1], start()), clouds._replace(ranges=ranges))
    np.testing.assert_allclose(np.asarray(together.params["trace"])[0, 0], alone.params["trace"][0, 0], rtol=1e-5)


@pytest.mark.parametrize("stop", [10, 30, 90])
def test_resumed_run_equals_an_uninterrupted_one(clouds: Clouds, tmp_path: Path, stop: int):
    def progress(done: int, total: int, metrics: dict[str, float]) -> None:
        if done == stop:
            raise KeyboardInterrupt

    limit = np.full((N_PROBLEMS, N_MEMBERS), np.inf)
    limit[1, 2] = 0.7
    begin = start(0.0, limit)
    whole = train(Walk(), begin, clouds)
    train(Walk(), begin, clouds, progress=progress, checkpoint=Checkpoint(tmp_path, "walk", resume=False))
    resumed = train(Walk(), begin, clouds, checkpoint=Checkpoint(tmp_path, "walk", resume=True))
    assert_same(resumed, whole)


def test_finished_run_is_resumed_at_its_end(clouds: Clouds, tmp_path: Path):
    whole = train(Walk(), start(), clouds, checkpoint=Checkpoint(tmp_path, "walk", resume=False))
    steps: list[int] = []
    again = train(
        Walk(),
        start(),
        clouds,
        progress=lambda done, total, metrics: steps.append(done),
        checkpoint=Checkpoint(tmp_path, "walk", resume=True),
    )
    assert_same(again, whole)
    assert not steps


def test_seconds_go_on_where_they_were(clouds: Clouds, tmp_path: Path):
    train(Walk(n_steps=50), start(), clouds, checkpoint=Checkpoint(tmp_path, "walk", resume=False))
    longer = train(Walk(), start(), clouds, checkpoint=Checkpoint(tmp_path, "walk", resume=True))
    seconds = longer.histories[0].seconds
    assert len(seconds) == 11
    assert seconds == sorted(seconds)


def first_of_each(params: Any) -> np.ndarray:
    return np.tile(np.arange(N_MEMBERS) == 0, (N_PROBLEMS, 1))


def test_members_that_fail_the_trial_are_trained_no_further(clouds: Clouds):
    seen: list[np.ndarray] = []

    def passes(params: Any) -> np.ndarray:
        seen.append(np.array(params["theta"]))
        return first_of_each(params)

    trained = train(Walk(n_steps=60), start(), clouds, trial=Trial(25, passes), min_steps=30)
    # at the first look after so many steps, once
    np.testing.assert_allclose(seen, np.full((1, N_PROBLEMS, N_MEMBERS), 1.5), atol=1e-5)
    kept = first_of_each(None)
    assert np.isfinite(trained.criterion[kept]).all()
    assert (trained.criterion[~kept] == np.inf).all()
    np.testing.assert_allclose(theta(trained)[kept], 1.5, atol=1e-5)
    for history in trained.histories:
        assert history.step == list(range(0, 61, 10))
        assert np.isfinite(history.metrics["validation"]).all()
        assert np.isfinite(history.metrics["loss"][1:]).all()


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_with_a_trial_that_all_pass_training_is_as_without(
    clouds: Clouds, backend: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(training.devices, "used", lambda: (SimpleNamespace(platform=backend),))
    # a problem ends before the other
    begin = start(np.array([[0.0, -0.5, -1.0], [-1.5, -2, -2]]))
    whole = train(Walk(patience=3), begin, clouds)
    tried = train(
        Walk(patience=3), begin, clouds, trial=Trial(20, lambda params: np.ones((N_PROBLEMS, N_MEMBERS), bool))
    )
    assert_same(tried, whole)


def test_steps_are_made_only_by_members_that_are_left(clouds: Clouds, monkeypatch: pytest.MonkeyPatch):
    made: list[int] = []
    advance = training._advance

    def count(*args: Any) -> Any:
        made.append(args[5])
        return advance(*args)

    monkeypatch.setattr(training, "_advance", count)
    train(Walk(n_steps=40, check_every=20), start(), clouds, trial=Trial(20, first_of_each), min_steps=20)
    assert sum(made) == 20 * N_PROBLEMS * N_MEMBERS + 20 * N_PROBLEMS


@pytest.mark.parametrize("stop", [20, 30, 40])
def test_run_is_resumed_before_and_after_its_trial(clouds: Clouds, tmp_path: Path, stop: int):
    def progress(done: int, total: int, metrics: dict[str, float]) -> None:
        if done == stop:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"trial": Trial(30, first_of_each), "min_steps": 20}
    whole = train(Walk(), start(), clouds, **options)
    train(Walk(), start(), clouds, progress=progress, checkpoint=Checkpoint(tmp_path, "walk", resume=False), **options)
    resumed = train(Walk(), start(), clouds, checkpoint=Checkpoint(tmp_path, "walk", resume=True), **options)
    assert_same(resumed, whole)
