from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._contexts import Parts, levels, responses

N_DIMS = 8


def cells(n: int, mean: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, N_DIMS)) + mean


def problem(
    sizes: list[tuple[int, int]], shifts: np.ndarray, *, stretch: float = 1.0, seed: int = 0, **kwargs: np.ndarray
) -> ot.Problem:
    """Return contexts far apart, of so many cells on either side, with their own shifts."""
    source, target = [], []
    for i, ((n, m), shift) in enumerate(zip(sizes, shifts, strict=True)):
        mean = 10.0 * i * np.eye(N_DIMS)[i % N_DIMS]
        source.append(cells(n, mean, 2 * i + 1000 * seed))
        target.append(mean + shift + stretch * (cells(m, mean, 2 * i + 1 + 1000 * seed) - mean))
    codes = [np.repeat(np.arange(len(sizes)), [pair[side] for pair in sizes]) for side in (0, 1)]
    return ot.Problem(
        np.concatenate(source), np.concatenate(target), source_contexts=codes[0], target_contexts=codes[1], **kwargs
    )


def parts(*args: Any, **kwargs: Any) -> Parts:
    return Parts.of(problem(*args, **kwargs))


def test_many_cells_have_their_own_response() -> None:
    shifts = np.random.default_rng(0).normal(size=(3, N_DIMS))
    [(level, response)] = responses(parts([(4000, 3000)] * 3, shifts, stretch=1.5))
    np.testing.assert_allclose(response.shifts, shifts, atol=0.12)
    np.testing.assert_allclose(response.target, np.tile(2.25 * np.eye(N_DIMS), (3, 1, 1)), atol=0.25)
    np.testing.assert_allclose(response.source, np.tile(np.eye(N_DIMS), (3, 1, 1)), atol=0.1)
    assert level.paths == [(0,), (1,), (2,)]


def test_few_cells_follow_the_others_where_these_are_alike() -> None:
    shifts = np.tile(np.linspace(-1, 1, N_DIMS), (5, 1))
    errors = []
    for seed in range(10):
        [(level, response)] = responses(parts([(12, 12)] + [(500, 500)] * 4, shifts, stretch=1.5, seed=seed))
        errors.append(
            [((of[0] - shifts[0]) ** 2).sum() for of in (response.shifts, level.shifts)]
            + [((of[0] - 2.25 * np.eye(N_DIMS)) ** 2).sum() for of in (response.target, level.target.covariances)]
        )
    pooled_shift, own_shift, pooled_covariance, own_covariance = np.mean(errors, axis=0)
    assert pooled_shift < 0.1 * own_shift
    assert pooled_covariance < 0.1 * own_covariance


def test_no_effect_is_no_response() -> None:
    [(level, response)] = responses(parts([(200, 200)] * 4, np.zeros((4, N_DIMS))))
    assert (response.shifts**2).sum() < 0.3 * (level.shifts**2).sum()
    np.testing.assert_allclose(response.target, response.source, atol=0.2)


def test_one_cell_and_constant_features() -> None:
    given = problem([(1, 3), (2, 1), (50, 50)], np.ones((3, N_DIMS)))
    given.source[:, 0] = given.target[:, 0] = 7.0
    [(_, response)] = responses(Parts.of(given))
    for of in (response.shifts, response.source, response.target):
        assert np.isfinite(of).all()
    assert np.linalg.eigvalsh(response.target).min() > 0


def test_contexts_of_one_side_have_no_level_of_their_own() -> None:
    rng = np.random.default_rng(0)
    source, target = (rng.normal(size=(n, 2)) for n in (40, 30))
    ours = np.column_stack([np.arange(40) % 2, np.arange(40) % 4 // 2])
    theirs = np.column_stack([np.arange(30) % 3, np.zeros(30, dtype=int)])
    theirs[:6, 1] = -1
    outer, inner = levels(Parts.of(ot.Problem(source, target, source_contexts=ours, target_contexts=theirs)))
    assert outer.paths == [(0,), (1,)]
    assert inner.paths == [(0, 0), (1, 0)]
    assert inner.parents.tolist() == [0, 1]
    np.testing.assert_allclose(inner.source.means[1], source[(ours == [1, 0]).all(axis=1)].mean(axis=0), rtol=1e-6)


def test_noise_between_units_is_that_of_their_means() -> None:
    """Six units with effects of their own: the mean over them is as uncertain as six numbers make it."""
    rng = np.random.default_rng(0)
    n_units, spread, drawn, told, cells_only = 6, 0.5, [], [], []
    units = np.repeat(np.arange(n_units), 50)
    for _ in range(60):
        effects, base = rng.normal(size=(2, n_units, N_DIMS)) * spread
        source = rng.normal(size=(300, N_DIMS)) + base[units]
        target = rng.normal(size=(300, N_DIMS)) + (base + effects)[units]
        codes = np.column_stack([np.zeros(300, dtype=int), units])
        level = next(levels(Parts.of(ot.Problem(source, target, source_contexts=codes, target_contexts=codes))))
        prior = np.eye(N_DIMS)[None] * (1 + spread**2)
        drawn.append(level.shifts[0])
        told.append(level.shift_noise(prior, prior).mean())
        cells_only.append(2 * (1 + spread**2) / 300)
    assert np.mean(told) == pytest.approx(np.var(drawn), rel=0.2)
    assert np.mean(cells_only) < 0.3 * np.var(drawn)
