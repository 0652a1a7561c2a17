from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._loop import criteria, reconstruction
from cellot_sc.ot._loop.autoencoder import encode, rectified, start
from cellot_sc.ot._loop.reconstruction import Frame, ReconstructionConfig, conditioned, rebuild
from cellot_sc.ot._solvers.cae import CaeMap
from cellot_sc.ot._solvers.scgen import ScgenMap

SOLVERS = ["scgen", "cae"]
QUICK: dict[str, Any] = {
    "hidden": (16,),
    "n_latent": 2,
    "batch_size": 32,
    "learning_rate": 1e-2,
    "n_steps": 300,
    "check_every": 100,
}
N_DIMS = 6


def clouds(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return untreated cells near a plane, and others, treated, that moved within it: more where it bends."""
    rng = np.random.default_rng(seed)
    plane = np.random.default_rng(7).normal(size=(2, N_DIMS))
    x, y = (np.tanh(rng.normal(size=(n, 2)) / 2 + move) for move in (0.0, [1.5, 0.0]))
    return tuple((4 * z @ plane + 0.2 * rng.normal(size=(n, N_DIMS)) + 10).astype(np.float32) for z in (x, y))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def problem() -> ot.Problem:
    return ot.Problem(*clouds(300, 0), *clouds(100, 1))


@pytest.fixture(scope="module")
def fits(problem: ot.Problem) -> dict[str, ot.Solution]:
    return {name: ot.fit([problem], name, **QUICK)[0] for name in SOLVERS}


@pytest.fixture(scope="module")
def transports(fits: dict[str, ot.Solution], problem: ot.Problem) -> dict[str, ot.TransportMap]:
    """Maps of both kinds, and as published."""
    out = {name: fit.map for name, fit in fits.items()}
    for name in SOLVERS:
        out[f"{name} as published"] = ot.fit([problem], name, residual=False, **QUICK)[0].map
    return out


KINDS = [*SOLVERS, *(f"{name} as published" for name in SOLVERS)]


def distance(x: np.ndarray, y: np.ndarray) -> float:
    return criteria.energy_score(x, y).value


@pytest.mark.parametrize(("name", "left"), [("scgen", 0.2), ("cae", 0.7)])
def test_it_beats_the_identity(problem: ot.Problem, fits: dict[str, ot.Solution], name: str, left: float):
    # nothing keeps the condition out of the latent of the conditional one: its cells stop half way
    moved = fits[name].map.transport(problem.source_valid)
    assert distance(moved, problem.target_valid) < left * distance(problem.source_valid, problem.target_valid)


def test_the_shift_is_the_difference_of_mean_latents(problem: ot.Problem, fits: dict[str, ot.Solution]):
    transport = fits["scgen"].map
    assert isinstance(transport, ScgenMap)
    source, target = (
        encode(transport.networks, transport.frame.enter(cells), rectified).mean(0)
        for cells in (problem.source, problem.target)
    )
    np.testing.assert_allclose(transport.shift, target - source, atol=1e-4)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_best_look_at_the_reconstruction_is_taken(fits: dict[str, ot.Solution], name: str):
    history = fits[name].history
    assert history.step == [0, 100, 200, 300]
    looks = dict(zip(history.step, history.metrics["validation"], strict=True))
    assert history.selected == min(history.step[1:], key=looks.__getitem__)
    assert looks[history.selected] < 0.5 * looks[0]


@pytest.mark.parametrize("name", SOLVERS)
def test_inverse_goes_back_roughly(problem: ot.Problem, transports: dict[str, ot.TransportMap], name: str):
    x = problem.source_valid
    transport = transports[name]
    away = np.linalg.norm(transport.inverse(transport.transport(x)) - x, axis=1)
    assert np.median(away) < 0.5 * np.median(np.linalg.norm(transport.transport(x) - x, axis=1))


def test_nothing_moves_without_a_shift(problem: ot.Problem, fits: dict[str, ot.Solution]):
    transport = fits["scgen"].map
    assert isinstance(transport, ScgenMap)
    still = ScgenMap(transport.networks, transport.frame, 0 * transport.shift, residual=True)
    np.testing.assert_array_equal(still.transport(problem.source), problem.source)


@pytest.mark.parametrize("name", SOLVERS)
def test_what_the_autoencoder_loses_is_kept_in_the_residual(
    problem: ot.Problem, transports: dict[str, ot.TransportMap], name: str
):
    x = problem.source
    residual, published = transports[name], transports[f"{name} as published"]
    assert isinstance(residual, ScgenMap | CaeMap)
    networks = residual.networks if name == "scgen" else conditioned(residual.networks, 0, 0)
    lost = x - rebuild(networks, residual.frame, x, 0.0, into=networks)
    np.testing.assert_allclose(residual.transport(x) - published.transport(x), lost, atol=1e-4)


def test_labels_are_inputs_of_a_network_for_cells_alone():
    networks = jax.tree.map(np.asarray, start(jax.random.key(0), (7, 5), N_DIMS, 2, n_labels=2))
    x = np.random.default_rng(0).normal(size=(9, N_DIMS)).astype(np.float32)
    for label in (0, 1):
        told = np.concatenate([x, np.eye(2, dtype=np.float32)[[label] * len(x)]], axis=1)
        np.testing.assert_allclose(
            encode(conditioned(networks, label, 0), x, rectified), encode(networks, told, rectified), atol=1e-6
        )


@pytest.mark.parametrize("name", ["cae"])
def test_problems_beside_others_are_fitted_as_if_alone(problem: ot.Problem, fits: dict[str, ot.Solution], name: str):
    other = dataclasses.replace(problem, target=problem.target * 2, target_valid=problem.target_valid * 2)
    both = ot.fit([problem, other], name, **QUICK)
    np.testing.assert_allclose(
        both[0].map.transport(problem.source), fits[name].map.transport(problem.source), rtol=1e-3, atol=1e-2
    )
    assert not np.allclose(both[1].map.transport(problem.source), both[0].map.transport(problem.source))


@pytest.mark.parametrize("name", SOLVERS)
def test_units_do_not_matter(problem: ot.Problem, fits: dict[str, ot.Solution], name: str):
    fields = ("source", "target", "source_valid", "target_valid")
    larger = dataclasses.replace(problem, **{field: getattr(problem, field) * 1024 for field in fields})
    moved = ot.fit([larger], name, **QUICK)[0].map.transport(larger.source)
    np.testing.assert_allclose(moved / 1024, fits[name].map.transport(problem.source), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("name", ["cae"])
def test_without_validation_cells_the_last_step_is_taken(problem: ot.Problem, name: str):
    unjudged = dataclasses.replace(problem, source_valid=problem.source[:0], target_valid=problem.target[:0])
    fit = ot.fit([unjudged], name, **QUICK)[0]
    assert fit.history.selected == 300
    assert np.isfinite(fit.map.transport(problem.source)).all()


@pytest.mark.parametrize("name", ["scgen"])
def test_it_goes_on_where_it_was_left(problem: ot.Problem, fits: dict[str, ot.Solution], name: str, tmp_path: Path):

    def interrupt(done: int, total: int, metrics: dict[str, float]) -> None:
        if done == 200:
            raise KeyboardInterrupt

    ot.fit([problem], name, progress=interrupt, checkpoint_dir=tmp_path, **QUICK)
    resumed = ot.fit([problem], name, checkpoint_dir=tmp_path, resume=True, **QUICK)[0]
    np.testing.assert_array_equal(resumed.map.transport(problem.source), fits[name].map.transport(problem.source))


@pytest.mark.parametrize("name", ["scgen"])
def test_few_cells_take_fewer_steps(problem: ot.Problem, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reconstruction, "MAX_EPOCHS", 20)
    # 300 cells in batches of 32
    assert ot.fit([problem], name, **QUICK)[0].history.step[-1] == 188


@pytest.mark.parametrize(("n_dims", "n_latent"), [(2, 2), (10, 8), (48, 8), (50, 8), (100, 16), (1000, 50)])
def test_width_of_the_bottleneck(n_dims: int, n_latent: int):
    assert ReconstructionConfig().width(n_dims) == n_latent
    assert ReconstructionConfig(n_latent=3).width(n_dims) == 3


def test_cells_without_spread_have_no_unit_of_their_own(problem: ot.Problem):
    same = dataclasses.replace(problem, source=np.ones_like(problem.source))
    transport = ot.fit([same], "cae", **QUICK)[0].map
    assert isinstance(transport, CaeMap)
    assert transport.frame.scale == 1.0
    assert np.isfinite(transport.transport(problem.source)).all()


def test_frames_are_left_as_they_were_entered():
    frame = Frame(np.arange(3, dtype=np.float32), 2.0)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(frame.leave(frame.enter(x)), x, atol=1e-6)
