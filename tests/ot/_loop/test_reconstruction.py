from __future__ import annotations

import dataclasses
import tracemalloc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from cellot_sc.ot import Autoencoder, AutoencoderConfig, History, fit_autoencoder
from cellot_sc.ot._loop import reconstruction
from cellot_sc.ot._loop.reconstruction import ReconstructionConfig

N_DIMS, N_LATENT = 12, 3
QUICK = AutoencoderConfig(
    hidden=(16,), n_latent=N_LATENT, linear=False, learning_rate=1e-2, batch_size=32, n_steps=200, check_every=20
)
type Fit = tuple[Autoencoder, History]


@pytest.fixture(scope="module")
def cells() -> tuple[np.ndarray, np.ndarray]:
    """Train and validation cells on a curved surface, half of their numbers 0."""
    rng = np.random.default_rng(0)
    hidden = np.tanh(rng.normal(size=(260, N_LATENT)) @ rng.normal(size=(N_LATENT, N_LATENT)))
    x = np.maximum(hidden @ rng.normal(size=(N_LATENT, N_DIMS)), 0).astype(np.float32)
    return x[:200], x[200:]


def fit(x: Any, valid: Any, config: AutoencoderConfig = QUICK, **options: Any) -> Fit:
    return fit_autoencoder(x, config, valid=valid, **{"floor": 0.0, **options})


def assert_same(a: Fit, b: Fit) -> None:
    assert a[1].selected == b[1].selected
    jax.tree.map(np.testing.assert_array_equal, a[0].networks, b[0].networks)


def components(x: np.ndarray) -> np.ndarray:
    return np.linalg.svd(x - x.mean(0), full_matrices=False)[2][:N_LATENT]


def error(autoencoder: Autoencoder, x: np.ndarray) -> float:
    return float(((np.maximum(autoencoder.rebuild(x), 0) - x) ** 2).mean())


def test_it_learns_what_it_has_not_seen(cells: tuple[np.ndarray, np.ndarray]):
    x, valid = cells
    autoencoder, history = fit(x, valid)
    assert min(history.metrics["validation"]) == pytest.approx(error(autoencoder, valid), rel=1e-4)
    assert error(autoencoder, valid) < 0.25 * valid.var()
    assert history.selected is not None
    assert history.selected > QUICK.check_every


def test_networks_have_the_shapes_asked_for(cells: tuple[np.ndarray, np.ndarray]):
    config = dataclasses.replace(QUICK, hidden=(8, 6), n_steps=1)
    params = fit(*cells, config)[0].networks
    shapes = {
        net: [params[net][f"Dense_{i}"]["kernel"].shape for i in range(len(params[net]))]
        for net in ("encoder", "decoder")
    }
    assert shapes == {"encoder": [(12, 8), (8, 6), (6, 3)], "decoder": [(3, 6), (6, 8), (8, 12)]}
    assert all(leaf.dtype == np.float32 and type(leaf) is np.ndarray for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csr_array])
def test_sparse_cells_are_the_cells(cells: tuple[np.ndarray, np.ndarray], kind: Any):
    assert_same(fit(*cells), fit(*map(kind, cells)))


def test_the_same_seed_gives_the_same_networks_and_another_seed_others(cells: tuple[np.ndarray, np.ndarray]):
    assert_same(fit(*cells), fit(*cells))
    other = fit(*cells, seed=1)[0].networks["encoder"]["Dense_0"]["kernel"]
    assert not np.allclose(fit(*cells)[0].networks["encoder"]["Dense_0"]["kernel"], other)


def test_steps_in_several_calls_are_the_steps(cells: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch):
    whole, history = fit(*cells)
    # a batch has 32 x 12 numbers: a call makes 5 of the 20 steps between two looks
    monkeypatch.setattr(reconstruction, "MAX_DENSE", 6 * 32 * N_DIMS)
    parts, again = fit(*cells)
    assert again.selected == history.selected
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), parts.networks, whole.networks)


def test_validation_cells_choose_the_step_and_nothing_else(cells: tuple[np.ndarray, np.ndarray]):
    x, valid = cells
    looks = [dataclasses.replace(QUICK, n_steps=n) for n in range(20, 201, 20)]
    # without validation cells, the last step is taken
    path = {config.n_steps: fit(x, None, config) for config in looks}
    assert all(step == history.selected for step, (_, history) in path.items())
    for judges in (valid, valid[:7], x[:50] * 3):
        trained = fit(x, judges, dataclasses.replace(QUICK, patience=100))
        errors = {step: error(last, judges) for step, (last, _) in path.items()}
        assert trained[1].selected == min(errors, key=errors.__getitem__)
        assert_same(trained, path[trained[1].selected])


def test_it_ends_when_patience_does(cells: tuple[np.ndarray, np.ndarray]):
    looks: list[int] = []
    config = dataclasses.replace(QUICK, patience=2, n_steps=10_000)
    x, valid = cells
    _, history = fit(x, -valid - 5, config, floor=None, progress=lambda done, total, metrics: looks.append(done))
    assert history.selected is not None
    assert looks[-1] == history.selected + 2 * config.check_every < 10_000


def test_it_starts_as_principal_components(cells: tuple[np.ndarray, np.ndarray]):
    x, valid = cells
    linear = dataclasses.replace(QUICK, linear=True)
    frame = {"center": x.mean(0), "scale": 2.0, "components": components(x)}
    # validation cells that no step brings nearer
    still, history = fit(x, x.mean(0) + components(x), linear, floor=None, **frame)
    assert history.selected == 0
    scaled = (valid - x.mean(0)) / 2
    latent = still.encode(valid)
    np.testing.assert_allclose(latent, scaled @ components(x).T, atol=1e-5)
    np.testing.assert_allclose(still.decode(latent), 2 * latent @ components(x) + x.mean(0), atol=1e-5)
    better, history = fit(x, valid, linear, **frame)
    assert history.selected != 0
    assert error(better, valid) < error_of_components(x, valid)


def error_of_components(x: np.ndarray, valid: np.ndarray) -> float:
    """Return the mean squared error of what principal components of train cells leave of others, cut off at 0."""
    within = (valid - x.mean(0)) @ components(x).T @ components(x) + x.mean(0)
    return float(((np.maximum(within, 0) - valid) ** 2).mean())


def test_weights_decay_by_their_gradient():
    """As in torch: a step of Adam has the size of the learning rate, whatever the weight of the decay."""
    adam = AutoencoderConfig(learning_rate=1e-3, weight_decay=1e-5).optimizer
    params = {"a": jnp.array([2.0, -0.5])}
    update, _ = adam.update({"a": jnp.zeros(2)}, adam.init(params), params)
    np.testing.assert_allclose(update["a"], [-1e-3, 1e-3], rtol=1e-2)


def test_batches_take_every_cell_once_before_any_twice():
    frame, cells = Autoencoder({}, np.zeros(1, dtype=np.float32), 1.0), np.arange(10, dtype=np.float32)[:, None]
    draws = (batch[:, 0] for batch in reconstruction._batches(frame, cells, 3, np.random.default_rng(0)))
    epochs = [np.concatenate([next(draws) for _ in range(3)]) for _ in range(4)]
    assert all(len(set(epoch)) == 9 for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])


def test_without_validation_cells_it_ends_after_some_epochs(cells: tuple[np.ndarray, np.ndarray]):
    x, valid = cells
    config = dataclasses.replace(QUICK, batch_size=100, n_steps=1000, check_every=30)
    # two batches are an epoch
    assert fit(x, valid[:0], config)[1].selected == 2 * reconstruction.MAX_EPOCHS // 30 * 30 + 30
    assert fit(x, valid[:0], dataclasses.replace(config, n_steps=15))[1].selected == 15


def test_fewer_cells_than_a_batch(cells: tuple[np.ndarray, np.ndarray]):
    _, history = fit(cells[0][:10], cells[1])
    assert np.isfinite(history.metrics["validation"]).all()


def test_sparse_cells_are_never_dense():
    n_cells, n_genes = 12_000, 1500
    x = sp.random(n_cells, n_genes, density=0.005, format="csr", dtype=np.float32, random_state=0)
    config = AutoencoderConfig(hidden=(8,), n_latent=3, linear=False, batch_size=64, n_steps=4, check_every=2)
    # compiled before anything is counted
    fit(x[:100], x[10_000:], config)
    tracemalloc.start()
    try:
        fit(x[:10_000], x[10_000:], config)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # dense, they would take 72 MB
    assert peak < 40e6


@pytest.mark.parametrize("n_valid", [60, 0])
def test_what_diverges_is_an_error(cells: tuple[np.ndarray, np.ndarray], n_valid: int):
    with pytest.raises(FloatingPointError, match=r"diverged before step 20: lower its learning_rate, 1e\+30"):
        fit(cells[0], cells[1][:n_valid], dataclasses.replace(QUICK, learning_rate=1e30))


@pytest.mark.parametrize(("n_dims", "n_latent"), [(2, 2), (10, 8), (48, 8), (50, 8), (100, 16), (1000, 50)])
def test_width_of_the_bottleneck(n_dims: int, n_latent: int):
    assert ReconstructionConfig().width(n_dims) == n_latent
    assert ReconstructionConfig(n_latent=3).width(n_dims) == 3


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("n_latent", 0),
        ("hidden", ()),
        ("hidden", (8, 0)),
        ("hidden", "8"),
        ("hidden", (2.5,)),
        ("learning_rate", 0),
        ("weight_decay", -1e-5),
        ("weight_decay", float("nan")),
        ("n_steps", 0),
        ("batch_size", 1.5),
        ("patience", 0),
        ("check_every", True),
    ],
)
def test_impossible_options(option: str, value: Any):
    with pytest.raises(ValueError, match=f"{option} is .* needed"):
        dataclasses.replace(QUICK, **{option: value})


@pytest.mark.parametrize(("given", "hidden"), [(8, (8,)), ([8, 4], (8, 4)), (np.array([8, 4]), (8, 4))])
def test_one_layer_need_not_be_a_tuple(given: Any, hidden: tuple[int, ...]):
    assert dataclasses.replace(QUICK, hidden=given).hidden == hidden
