from __future__ import annotations

import dataclasses
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.metrics import energy_distance
from cellot_sc.ot import ContextMap, TransportMap
from cellot_sc.ot._loop import lack_of_fit, objectives
from cellot_sc.ot._solvers.gaussian import cautious_gaussian_map, gaussian_map

type Options = dict[str, Any]


def noise(n: int, seed: int, n_dims: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, n_dims)).astype(np.float32)


def torn(x: np.ndarray, gap: float) -> np.ndarray:
    """Return cells that went up, and left or right according to the side that they were on."""
    sides = np.where(x[:, :1] > 0, gap, -gap) * [1, 0]
    return (x + sides + [0, 1]).astype(np.float32)


def problem(gap: float, seed: int, n: int = 400) -> ot.Problem:
    a, b, c, d = (noise(size, seed + i) for i, size in enumerate((n, n, n // 2, n // 2)))
    return ot.Problem(a, torn(b, gap), c, torn(d, gap))


def assert_same(a: TransportMap, b: TransportMap) -> None:
    for one, other in zip(jax.tree.leaves(a.state()), jax.tree.leaves(b.state()), strict=True):
        np.testing.assert_array_equal(one, other)


def assert_usable(transport: TransportMap, x: np.ndarray) -> None:
    assert np.isfinite(transport.transport(x)).all()
    for leaf in jax.tree.leaves(transport.state()):
        assert not isinstance(leaf, np.ndarray) or np.isfinite(leaf).all()


def test_nonlinear_effect_is_learnt(nonlinear, fitted: ot.Solution):
    x, y = nonlinear.source_test, nonlinear.target_test
    affine = gaussian_map(nonlinear.problem.source, nonlinear.problem.target)
    baseline = energy_distance(affine.transport(x), y)
    assert baseline > 0.1
    assert energy_distance(fitted.map.transport(x), y) < 0.5 * baseline
    # cells go to their own side
    moved = fitted.map.transport(x)
    sure = np.abs(x[:, 0]) > 0.5
    assert (np.sign(moved[sure, 0]) == np.sign(x[sure, 0])).mean() > 0.99
    assert (moved - x)[:, 1].mean() == pytest.approx(1, abs=0.15)


def test_fitted_map_is_monotone(nonlinear, fitted: ot.Solution):
    x = nonlinear.source_test[:400]
    moved = fitted.map.transport(x).astype(np.float64)
    steps, moves = x[:, None].astype(np.float64) - x, moved[:, None] - moved
    products = (steps * moves).sum(-1)
    lengths = np.linalg.norm(steps, axis=-1) * np.linalg.norm(moves, axis=-1)
    assert (products >= -1e-5 * lengths).all()


def test_fitted_map_is_inverted(nonlinear, fitted: ot.Solution):
    x = nonlinear.source_test
    back = fitted.map.inverse(fitted.map.transport(x))
    assert np.linalg.norm(back - x) <= 1e-4 * np.linalg.norm(x)


def test_history_tells_how_it_went(small: Options, fitted: ot.Solution):
    history = fitted.history
    assert set(history.metrics) == {"loss", "validation", "start"}
    assert len(set(history.metrics["start"])) == 1
    assert history.step == list(range(0, small["n_steps"] + 1, small["check_every"]))
    assert history.selected in history.step
    assert history.selected >= small["min_steps"]
    assert np.isfinite(history.metrics["validation"]).all()
    late = [v for s, v in zip(history.step, history.metrics["validation"], strict=True) if s >= small["min_steps"]]
    assert min(late) == history.metrics["validation"][history.step.index(history.selected)]


def test_same_seed_same_map_to_the_bit(nonlinear, small: Options, fitted: ot.Solution):
    [again] = ot.fit([nonlinear.problem], seed=0, **small)
    assert_same(again.map, fitted.map)
    assert again.history.metrics["validation"] == fitted.history.metrics["validation"]
    [other] = ot.fit([nonlinear.problem], seed=1, **small)
    assert (other.map.transport(nonlinear.source_test) != fitted.map.transport(nonlinear.source_test)).any()


def test_several_problems_at_once_are_fitted_as_one_by_one(nonlinear, small: Options):
    first = nonlinear.problem
    # of other sizes, and one with the same control cells
    sharing = ot.Problem(first.source, torn(noise(420, 20), 3), first.source_valid, torn(noise(210, 21), 3))
    problems = [problem(2.5, 10, n=450), first, sharing]
    together = ot.fit(problems, seed=0, **small)
    for given, fit in zip(problems, together, strict=True):
        [alone] = ot.fit([given], seed=0, **small)
        assert fit.map.kind == alone.map.kind == "potential"
        assert fit.history.selected == alone.history.selected
        moved, expected = (found.transport(nonlinear.source_test) for found in (fit.map, alone.map))
        assert np.linalg.norm(moved - expected) <= 1e-4 * np.linalg.norm(expected)


def test_without_effect_cells_stay(small: Options):
    displacements = []
    for seed in range(5):
        x, y, x_valid, y_valid = (noise(n, 100 * seed + i) for i, n in enumerate((300, 300, 100, 100)))
        [fit] = ot.fit([ot.Problem(x, y, x_valid, y_valid)], seed=0, **small)
        assert fit.map.kind == "affine"
        assert fit.history.selected == 0
        test = noise(500, 100 * seed + 9)
        displacements.append(np.linalg.norm(fit.map.transport(test) - test, axis=1).mean())
    # noise of the mean alone would be about .1
    assert np.mean(displacements) < 0.1


def test_linear_shift_is_recovered(small: Options):
    shift = np.array([3, -1], dtype=np.float32)
    x, y, x_valid, y_valid = (noise(n, i) for i, n in enumerate((400, 400, 200, 200)))
    [fit] = ot.fit([ot.Problem(x, y + shift, x_valid, y_valid + shift)], seed=0, **small)
    assert fit.map.kind == "affine"
    test = noise(500, 9)
    np.testing.assert_allclose((fit.map.transport(test) - test).mean(0), shift, atol=0.15)
    assert np.linalg.norm(fit.map.transport(test) - test - shift, axis=1).mean() < 0.25


def test_only_problems_that_need_one_get_a_network(nonlinear, small: Options, caplog: pytest.LogCaptureFixture):
    x, y, x_valid, y_valid = (noise(n, i) for i, n in enumerate((300, 300, 100, 100)))
    with caplog.at_level(logging.INFO, "cellot_sc"):
        fits = ot.fit([ot.Problem(x, y + 2, x_valid, y_valid + 2), nonlinear.problem], seed=0, **small)
    assert [fit.map.kind for fit in fits] == ["affine", "potential"]
    assert "the affine start explains the cells of 1 of 2 problems: no network is fitted there" in caplog.messages


def test_start_is_kept_where_networks_are_worse(nonlinear, small: Options):
    # validation cells on which the start is perfect, whatever train cells say
    given = nonlinear.problem
    start = cautious_gaussian_map(given.source, given.target)
    valid = noise(400, 50)
    kept = ot.Problem(given.source, given.target, valid[:200], start.transport(valid[200:]))
    [fit] = ot.fit([kept], seed=0, **small)
    assert fit.map.kind == "affine"
    assert_same(fit.map, start)


def typed(given: ot.Problem, *, responds: int, valid: bool = True) -> ot.Problem:
    """Return two types that lie apart, of which one becomes rare, and one only moves by 1 in both dimensions."""
    parts: dict[str, Any] = {}
    for name in ("source", "target", "source_valid", "target_valid")[: 4 if valid else 2]:
        cells = getattr(given, name)
        treated = name.startswith("target")
        of = np.minimum(np.arange(len(cells)) % 8 % (4 if treated else 2), 1)
        if treated:
            other = of != responds
            cells = np.where(other[:, None], noise(len(cells), 70 + len(cells)) + 1, cells)
        parts |= {name: cells + 20 * of[:, None], f"{name}_contexts": of}
    return ot.Problem(**parts, context_names=[["few", "many"]])


def test_networks_beyond_the_maps_of_contexts(nonlinear, small: Options, caplog: pytest.LogCaptureFixture):
    """The type whose response no affine map can be has a network of its own, the other has none."""
    with caplog.at_level(logging.INFO):
        [fit] = ot.fit([typed(nonlinear.problem, responds=1)], seed=0, **small)
    assert isinstance(fit.map, ContextMap)
    assert [one.kind for one in (fit.map.parent, *fit.map.maps)] == ["potential", "affine", "chain"]
    assert fit.history.step
    assert "networks go beyond the affine map in 1 of 2 contexts; 0 have fewer than 20 validation cells" in caplog.text
    x, y = nonlinear.source_test, nonlinear.target_test
    assert energy_distance(fit.map.at("many").transport(x + 20), y + 20) < 0.2 * energy_distance(x, y)


def test_contexts_without_validation_cells_keep_their_affine_maps(nonlinear, small: Options):
    given = typed(nonlinear.problem, responds=1, valid=False)
    [fit], [affine] = ot.fit([given], seed=0, **small), ot.fit([given], "group_gaussian")
    for name in ("few", "many"):
        x = nonlinear.source_test + 20 * (name == "many")
        np.testing.assert_array_equal(fit.map.at(name).transport(x), affine.map.at(name).transport(x))


def test_a_context_is_fitted_alike_alone_and_beside_other_problems(nonlinear, small: Options):
    given = typed(nonlinear.problem, responds=1)
    [alone], [_, beside] = (ot.fit(of, seed=0, **small) for of in ([given], [nonlinear.problem, given]))
    x = nonlinear.source_test + 20
    np.testing.assert_array_equal(alone.map.at("many").transport(x), beside.map.at("many").transport(x))


def test_divergence_is_rolled_back_and_reported(nonlinear, small: Options, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        [fit] = ot.fit([nonlinear.problem], seed=0, **(small | {"learning_rate": 1e30}))
    assert any("diverged before step" in message for message in caplog.messages)
    assert_usable(fit.map, nonlinear.source_test)
    start = cautious_gaussian_map(nonlinear.problem.source, nonlinear.problem.target)
    x, y = nonlinear.source_test, nonlinear.target_test
    # never below the start
    after, before = (energy_distance(found.transport(x), y) for found in (fit.map, start))
    assert after <= before + 0.02


def test_interrupt_returns_a_usable_map(nonlinear, small: Options, caplog: pytest.LogCaptureFixture):
    def interrupt(done: int, total: int, metrics: dict[str, float]) -> None:
        if done >= 200:
            raise KeyboardInterrupt

    [fit] = ot.fit([nonlinear.problem], seed=0, progress=interrupt, **small)
    assert fit.map.kind == "potential"
    assert_usable(fit.map, nonlinear.source_test)
    assert fit.history.step[-1] == 200
    assert "interrupted after step 200: the best maps so far are kept" in caplog.messages


def test_resumed_fit_equals_an_uninterrupted_one(nonlinear, small: Options, fitted: ot.Solution, tmp_path: Path):
    def interrupt(done: int, total: int, metrics: dict[str, float]) -> None:
        if done == 150:
            raise KeyboardInterrupt

    ot.fit([nonlinear.problem], seed=0, progress=interrupt, checkpoint_dir=tmp_path, **small)
    [resumed] = ot.fit([nonlinear.problem], seed=0, checkpoint_dir=str(tmp_path), resume=True, **small)
    assert_same(resumed.map, fitted.map)
    assert resumed.history.step == fitted.history.step
    assert resumed.history.metrics["validation"] == fitted.history.metrics["validation"]


def test_checkpoint_of_another_fit_is_refused(nonlinear, small: Options, tmp_path: Path):
    def interrupt(done: int, total: int, metrics: dict[str, float]) -> None:
        raise KeyboardInterrupt

    given = nonlinear.problem
    ot.fit([given], seed=0, progress=interrupt, checkpoint_dir=tmp_path, **small)
    moved = dataclasses.replace(given, source=given.source + 1)
    others: list[tuple[ot.Problem, int, Options]] = [(moved, 0, {}), (given, 1, {}), (given, 0, {"noise": 0.1})]
    for other, seed, options in others:
        with pytest.raises(ValueError, match="belongs to a fit with other data or options"):
            ot.fit([other], seed=seed, checkpoint_dir=tmp_path, resume=True, **(small | options))


CHILD = """
import sys, time
import numpy as np
from cellot_sc import ot

folder, options = sys.argv[1], eval(sys.argv[2])
arrays = np.load(folder + "/cells.npz")
problem = ot.Problem(*(arrays[name] for name in ("source", "target", "source_valid", "target_valid")))

def progress(done, total, metrics):
    print(done, flush=True)
    if done == 150:
        time.sleep(600)

ot.fit([problem], seed=0, progress=progress, checkpoint_dir=folder, **options)
"""


@pytest.mark.slow
def test_killed_fit_is_resumed(nonlinear, small: Options, fitted: ot.Solution, tmp_path: Path):
    np.savez(tmp_path / "cells.npz", **{k: v for k, v in vars(nonlinear.problem).items() if v is not None})
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path), repr(small)], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert child.stdout is not None
    with child.stdout:
        steps = [next(child.stdout) for _ in range(3)]
        child.send_signal(signal.SIGKILL)
        assert child.wait(timeout=30) == -signal.SIGKILL
    assert [int(step) for step in steps] == [50, 100, 150]
    done: list[int] = []
    [resumed] = ot.fit(
        [nonlinear.problem],
        seed=0,
        progress=lambda step, total, metrics: done.append(step),
        checkpoint_dir=tmp_path,
        resume=True,
        **small,
    )
    assert done == [200, 250, 300]
    assert_same(resumed.map, fitted.map)


def test_networks_are_fitted_only_where_cells_are_not_explained(
    nonlinear, monkeypatch: pytest.MonkeyPatch, small: Options
):
    monkeypatch.setattr(lack_of_fit, "explains", lambda *args: True)
    [fit] = ot.fit([nonlinear.problem], seed=0, **small)
    assert fit.map.kind == "affine"


def test_one_dimension(small: Options):
    x, y = noise(400, 0, 1), noise(400, 1, 1)
    y += np.where(y > 0, 3, -3)
    [fit] = ot.fit([ot.Problem(x[:300], y[:300], x[300:], y[300:])], seed=0, **small)
    assert fit.map.n_dims == 1
    assert energy_distance(fit.map.transport(x), y) < 0.5 * energy_distance(gaussian_map(x, y).transport(x), y)
    # in one dimension the optimal map keeps the order of cells
    moved = fit.map.transport(np.sort(x, axis=0))
    assert (np.diff(moved[:, 0]) >= 0).all()


def test_few_cells(small: Options):
    x, y = noise(10, 0, 5), noise(12, 1, 5) + 4
    [fit] = ot.fit([ot.Problem(x, y)], seed=0, **small)
    assert_usable(fit.map, x)
    np.testing.assert_allclose(fit.map.transport(x).mean(0), y.mean(0), atol=0.7)


@pytest.fixture
def fresh_code() -> Iterator[None]:
    """Forget compiled code before and after, for tests that change what is compiled."""
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.mark.usefixtures("fresh_code")
def test_nan_of_the_objective_is_never_seen_in_cells(
    nonlinear, small: Options, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    expectile = objectives.expectile

    def sometimes_nan(network: Any, pair: Any, x: Any, y: Any, weight: Any) -> jax.Array:
        loss = expectile(network, pair, x, y, weight)
        # one batch in some fifty
        return jax.numpy.where(x[:, 0].mean() > 0.25, jax.numpy.nan, 1.0) * loss

    monkeypatch.setattr(objectives, "expectile", sometimes_nan)
    with caplog.at_level(logging.WARNING):
        [fit] = ot.fit([nonlinear.problem], seed=0, **small)
    assert any("diverged before step" in message for message in caplog.messages)
    assert_usable(fit.map, nonlinear.source_test)
