from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.ot import _unbalanced
from cellot_sc.ot._unbalanced import unbalanced_marginals


def kinds(n: int, share: float, seed: int, up: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return cells of two kinds, and which are of the first."""
    first = np.arange(n) < share * n
    cells = np.random.default_rng(seed).normal(size=(n, 3)) + [0, up, 0]
    cells[:, 0] += np.where(first, -4, 4)
    return cells.astype(np.float32), first


def relative(log_mass: np.ndarray) -> np.ndarray:
    mass = np.exp(log_mass - log_mass.max())
    return mass / mass.mean()


@pytest.mark.parametrize("tau", [(0.9, 1.0), (0.95, 0.9)])
@pytest.mark.parametrize("with_prior", [False, True])
def test_masses_are_the_marginals_of_the_coupling(tau: tuple[float, float], with_prior: bool):
    (x, first), (y, _) = kinds(150, 0.5, 0), kinds(130, 0.7, 1, up=1)
    prior = np.where(first, 2.0, 1.0) if with_prior else None
    source, target = unbalanced_marginals(x, y, prior=prior, tau=tau, seed=0)
    cost = 0.5 * ((x[:, None].astype(float) - source.other[None]) ** 2).sum(-1)
    plan = np.exp((target.potential[:, None] + source.potential - cost) / source.epsilon)
    np.testing.assert_allclose(relative(source.log_mass(x, prior)), plan.sum(1) / plan.sum(1).mean(), rtol=0.02)
    np.testing.assert_allclose(relative(target.log_mass(y)), plan.sum(0) / plan.sum(0).mean(), rtol=0.02)


def test_growth_of_a_kind_is_found_in_other_cells():
    (x, _), (y, _), (new, first) = kinds(300, 0.5, 0), kinds(300, 0.75, 1, up=3), kinds(400, 0.5, 2)
    source, _ = unbalanced_marginals(x, y, tau=(0.95, 1.0), seed=0)
    mass = relative(source.log_mass(new))
    assert mass[first].mean() / mass[~first].mean() == pytest.approx(3, rel=0.15)


def test_held_exactly_the_prior_is_what_there_is():
    (x, first), (y, _) = kinds(100, 0.5, 0), kinds(100, 0.7, 1)
    prior = np.where(first, 0.0, 2.0)
    source, target = unbalanced_marginals(x, y, prior=prior, tau=(1.0, 1.0), seed=0)
    np.testing.assert_allclose(relative(source.log_mass(x, prior)), prior / prior.mean())
    np.testing.assert_array_equal(target.log_mass(y), 0)


def test_a_shift_of_all_cells_is_no_growth():
    (x, _), (y, _) = kinds(300, 0.5, 0), kinds(300, 0.5, 1)
    near, _ = unbalanced_marginals(x, y, tau=(0.95, 1.0), seed=0)
    far, _ = unbalanced_marginals(x, y + np.float32(20), tau=(0.95, 1.0), seed=0)
    np.testing.assert_allclose(relative(far.log_mass(x)), relative(near.log_mass(x)), rtol=0.05)


def test_large_clouds_are_sampled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_unbalanced, "MAX_CELLS", 200)
    (x, first), (y, _) = kinds(900, 0.5, 0), kinds(800, 0.75, 1)
    source, target = unbalanced_marginals(x, y, tau=(0.95, 1.0), seed=0)
    assert len(source.other) == len(target.other) == 200
    mass = relative(source.log_mass(x))
    assert mass[first].mean() / mass[~first].mean() == pytest.approx(3, rel=0.3)
