"""What "scgen" does, and what "cae" does as well: they differ in how they use an autoencoder of both conditions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._loop import criteria, reconstruction
from cellot_sc.ot._maps import base
from cellot_sc.ot._maps.autoencoder import conditioned
from cellot_sc.ot._solvers import registry
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
    source, target = (transport.autoencoder.encode(cells).mean(0) for cells in (problem.source, problem.target))
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
    still = ScgenMap(transport.autoencoder, 0 * transport.shift, residual=True)
    np.testing.assert_array_equal(still.transport(problem.source), problem.source)


@pytest.mark.parametrize("name", SOLVERS)
def test_what_the_autoencoder_loses_is_kept_in_the_residual(
    problem: ot.Problem, transports: dict[str, ot.TransportMap], name: str
):
    x = problem.source
    residual, published = transports[name], transports[f"{name} as published"]
    assert isinstance(residual, ScgenMap | CaeMap)
    autoencoder = residual.autoencoder
    if name == "cae":
        autoencoder = autoencoder._replace(networks=conditioned(autoencoder.networks, 0, 0))
    lost = x - autoencoder.rebuild(x)
    np.testing.assert_allclose(residual.transport(x) - published.transport(x), lost, atol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_the_state_rebuilds_the_map_to_the_bit(problem: ot.Problem, transports: dict[str, ot.TransportMap], name: str):
    transport = transports[name]
    again = ot.TransportMap.from_state(transport.state())
    assert type(again) is type(transport)
    assert again.state().keys() == transport.state().keys()
    np.testing.assert_array_equal(again.transport(problem.source), transport.transport(problem.source))
    np.testing.assert_array_equal(again.inverse(problem.target), transport.inverse(problem.target))


@pytest.mark.parametrize("name", KINDS)
def test_shapes_types_and_chunks(
    problem: ot.Problem, transports: dict[str, ot.TransportMap], name: str, monkeypatch: pytest.MonkeyPatch
):
    transport = transports[name]
    x = problem.source[:50].astype(np.float64)
    for apply in (transport.transport, transport.inverse):
        whole = apply(x)
        assert whole.shape == x.shape
        assert whole.dtype == np.float32
        assert apply(x[:0]).shape == (0, N_DIMS)
        with monkeypatch.context() as patch:
            patch.setattr(base, "CHUNK", 7)
            np.testing.assert_allclose(apply(x), whole, rtol=1e-4, atol=1e-4)
    squares = (transport.transport(x).astype(np.float64) - x) ** 2
    np.testing.assert_allclose(transport.cost(x), 0.5 * squares.sum(1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_same_seed_gives_the_same_map_and_another_seed_another(
    problem: ot.Problem, fits: dict[str, ot.Solution], name: str
):
    again, other = (ot.fit([problem], name, seed=seed, **QUICK)[0].map.transport(problem.source) for seed in (0, 1))
    np.testing.assert_array_equal(again, fits[name].map.transport(problem.source))
    assert not np.allclose(again, other)


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
    unjudged = ot.Problem(problem.source, problem.target)
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
    monkeypatch.setattr(reconstruction, "MAX_PAIR_EPOCHS", 20)
    # 300 cells in batches of 32
    assert ot.fit([problem], name, **QUICK)[0].history.step[-1] == 188


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize(
    ("option", "value"), [("n_steps", 0), ("hidden", (0,)), ("n_latent", 0), ("weight_decay", -1.0), ("resume", True)]
)
def test_impossible_options(name: str, option: str, value: Any):
    with pytest.raises(ValueError, match=option):
        registry.configure(name, **{option: value})
