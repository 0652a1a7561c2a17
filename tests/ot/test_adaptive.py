from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.ot._adaptive import shrunk

N_CONTEXTS, N_EFFECTS = 6, 200


def measured(truth: np.ndarray, noise: np.ndarray, seed: int = 0) -> np.ndarray:
    return truth + np.sqrt(noise) * np.random.default_rng(seed).normal(size=truth.shape)


def error(estimates: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return ((estimates - truth) ** 2).mean(axis=1)


def test_where_there_is_nothing_nothing_is_left() -> None:
    noise = np.full((N_CONTEXTS, N_EFFECTS), 0.3)
    truth = np.zeros_like(noise)
    assert error(shrunk(measured(truth, noise), noise), truth).max() < 0.05 * 0.3


def test_what_is_clear_is_kept() -> None:
    truth = np.random.default_rng(1).normal(size=(N_CONTEXTS, N_EFFECTS)) * 5
    noise = np.full_like(truth, 1e-4)
    values = measured(truth, noise)
    np.testing.assert_allclose(shrunk(values, noise), values, atol=0.01)


def test_an_uncertain_context_follows_the_others_where_these_are_alike() -> None:
    common = np.random.default_rng(2).normal(size=N_EFFECTS)
    truth = np.tile(common, (N_CONTEXTS, 1))
    noise = np.full_like(truth, 0.01)
    noise[0] = 4.0
    found = error(shrunk(measured(truth, noise), noise), truth)
    # the mean of five others, and its own value hardly
    assert found[0] < 0.005
    assert found[1:].max() < 0.01


def test_an_uncertain_context_does_not_follow_unlike_others() -> None:
    truth = np.random.default_rng(3).normal(size=(N_CONTEXTS, N_EFFECTS))
    noise = np.full_like(truth, 0.01)
    noise[0] = 1.0
    # as far as its own noise and signal say: 1 * 1 / (1 + 1)
    assert error(shrunk(measured(truth, noise), noise), truth)[0] == pytest.approx(0.5, abs=0.1)


def test_a_context_that_responds_alone_moves_no_other() -> None:
    truth = np.zeros((N_CONTEXTS, N_EFFECTS))
    truth[0] = np.random.default_rng(4).normal(size=N_EFFECTS) * 3
    noise = np.full_like(truth, 0.5)
    found = error(shrunk(measured(truth, noise), noise), truth)
    assert found[0] < 0.5
    assert found[1:].max() < 0.02


def test_sparse_effects_of_one_context() -> None:
    truth = np.zeros((1, N_EFFECTS))
    truth[0, :10] = 6.0
    noise = np.ones_like(truth)
    # a tenth of what the raw values, or one factor for all, would be off
    assert error(shrunk(measured(truth, noise), noise), truth)[0] < 0.2


def test_the_unit_does_not_matter() -> None:
    truth = np.random.default_rng(5).normal(size=(N_CONTEXTS, N_EFFECTS))
    noise = np.full_like(truth, 0.5)
    values = measured(truth, noise)
    np.testing.assert_allclose(shrunk(1000 * values, 1e6 * noise), 1000 * shrunk(values, noise), rtol=1e-6)
