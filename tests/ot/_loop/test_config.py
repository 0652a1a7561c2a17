from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cellot_sc import ot
from cellot_sc.ot._loop.config import LoopConfig, damped_update

NEURAL: dict[str, Any] = {
    name: solver.config for name, solver in ot.SOLVERS.items() if issubclass(solver.config, LoopConfig)
}


def test_every_neural_solver_is_one():
    assert {"icnn", "paper", "expectile", "monge_gap", "scgen", "cae"} <= set(NEURAL)


@pytest.mark.parametrize("name", NEURAL)
def test_where_a_fit_is_kept_compiles_nothing_anew(name: str, tmp_path: Path):
    config = NEURAL[name]()
    kept = dataclasses.replace(config, checkpoint_dir=tmp_path, resume=True)
    assert kept == config
    assert hash(kept) == hash(config)
    other = dataclasses.replace(config, n_steps=7)
    assert other != config


@pytest.mark.parametrize("name", NEURAL)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("learning_rate", 0.0),
        ("batch_size", 1.5),
        ("n_steps", 0),
        ("check_every", True),
        ("patience", 0),
        ("resume", True),
    ],
)
def test_impossible_options(name: str, option: str, value: Any):
    with pytest.raises(ValueError, match=option):
        NEURAL[name](**{option: value})


@pytest.mark.parametrize("name", NEURAL)
def test_options_have_names_only(name: str):
    with pytest.raises(TypeError, match="positional"):
        NEURAL[name](64)
    assert NEURAL[name](patience=None).patience is None


def test_damping_shortens_what_an_optimizer_would_do():
    params, slope = {"a": jnp.array([1.0, 2.0])}, {"a": jnp.array([4.0, -2.0])}
    optimizer = optax.sgd(0.5)
    memory = optimizer.init(params)
    for damping, expected in ((1.0, [-1, 3]), (0.5, [0, 2.5]), (0.0, [1, 2])):
        moved, _ = jax.jit(damped_update, static_argnums=0)(optimizer, slope, memory, params, jnp.float32(damping))
        np.testing.assert_allclose(moved["a"], expected)
