from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from cellot_sc import ot


@pytest.fixture
def strict_types() -> Iterator[None]:
    """No number changes its type unsaid. Not for what goes through optax or ott, whose own steps mix types."""
    with jax.numpy_dtype_promotion("strict"):
        yield


class Split(NamedTuple):
    """A pair of clouds to learn from, and more cells of the same kind to judge by."""

    problem: ot.Problem
    source_test: np.ndarray
    target_test: np.ndarray


def torn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one blob, and two: every treated cell went up, and left or right according to the side it was on."""
    x, y = np.random.default_rng(seed).normal(size=(2, n, 2))
    y += np.where(y[:, :1] > 0, 2.0, -2.0) * [1, 0] + [0, 1]
    return x.astype(np.float32), y.astype(np.float32)


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Options of "icnn" for a fit of a second. The same everywhere, so that tests share compiled code."""
    return {
        "width": 32,
        "depth": 2,
        "penalties": (10.0, 30.0),
        "learning_rate": 5e-2,
        "batch_size": 64,
        "n_steps": 300,
        "check_every": 50,
        "min_steps": 100,
        "noise": 0.0,
    }


@pytest.fixture(scope="session")
def nonlinear() -> Split:
    """An effect that no affine map explains."""
    (x, y), (x_valid, y_valid), (x_test, y_test) = torn(400, 0), torn(200, 1), torn(1000, 2)
    return Split(ot.Problem(x, y, x_valid, y_valid), x_test, y_test)


@pytest.fixture(scope="session")
def fitted(nonlinear: Split, small: dict[str, Any]) -> ot.Solution:
    """Small networks fitted to the nonlinear effect."""
    [fit] = ot.fit([nonlinear.problem], seed=0, **small)
    assert fit.map.kind == "potential"
    return fit
