from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellot_sc.ot import Problem
from cellot_sc.ot._loop import batches as batches_module
from cellot_sc.ot._loop.batches import Clouds, draw, gather

pytestmark = pytest.mark.usefixtures("strict_types")

ZERO = (np.zeros(3), np.zeros(3))


def labelled(problem: int, side: int, n_cells: int) -> np.ndarray:
    """Return cells that say of which problem and side they are; none is zero, as padding is."""
    cells = np.zeros((n_cells, 3), dtype=np.float32)
    cells[:, 0] = 1 + 10 * problem + side
    cells[:, 2] = 1 + np.arange(n_cells)
    return cells


def one_problem(gathered: Clouds, i: int) -> Clouds:
    return gathered._replace(ranges=jax.tree.map(lambda leaf: leaf[i], gathered.ranges))


def batches(gathered: Clouds, i: int, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    x, y = draw(jax.random.key(i), one_problem(gathered, i), n)
    return np.asarray(x), np.asarray(y)


@pytest.fixture(scope="module")
def sharing() -> list[Problem]:
    """Two problems with the same control cells."""
    source = labelled(0, 0, 50)
    return [Problem(source, labelled(0, 1, 30)), Problem(source, labelled(1, 1, 41))]


def test_batches_stay_within_their_problem(sharing: list[Problem]):
    gathered = gather(sharing, [ZERO, ZERO], seed=0)
    for i in range(2):
        x, y = batches(gathered, i)
        assert set(x[:, 0]) == {1}
        assert set(y[:, 0]) == {2 + 10 * i}
        # every cell has its chance
        assert set(x[:, 2]) == set(sharing[i].source[:, 2])
        assert set(y[:, 2]) == set(sharing[i].target[:, 2])
        # pairs know nothing of each other
        assert len(set(zip(x[:, 2], y[:, 2], strict=True))) > 0.8 * len(sharing[i].source) * len(sharing[i].target)


def test_control_cells_are_drawn_evenly(sharing: list[Problem]):
    gathered = gather(sharing, [ZERO, ZERO], seed=0)
    x, _ = batches(gathered, 0, 20_000)
    _, counts = np.unique(x[:, 2], return_counts=True)
    # a Poisson number of each
    assert np.abs(counts - 400).max() < 5 * np.sqrt(400)


def test_shared_source_is_stored_once(sharing: list[Problem]):
    gathered = gather(sharing, [ZERO, ZERO], seed=0)
    cells = np.asarray(gathered.cells)
    assert (cells.any(axis=1)).sum() == 50 + 30 + 41
    assert (cells[:, 0] == 1).sum() == 50
    assert gathered.ranges.source_start.tolist() == [0, 0]


def test_equal_sources_in_arrays_of_their_own_are_not_mixed_up():
    problems = [Problem(labelled(i, 0, 20), labelled(i, 1, 20)) for i in range(3)]
    gathered = gather(problems, [ZERO] * 3, seed=0)
    for i in range(3):
        x, y = batches(gathered, i, 200)
        assert set(x[:, 0]) == {1 + 10 * i}
        assert set(y[:, 0]) == {2 + 10 * i}


@pytest.mark.parametrize("n_cells", [10, 63, 64, 65, 130])
def test_padding_is_never_drawn(n_cells: int):
    problem = Problem(labelled(0, 0, n_cells), labelled(0, 1, n_cells))
    x, y = batches(gather([problem], [ZERO], seed=0), 0)
    assert x[:, 2].min() == y[:, 2].min() == 1
    assert x[:, 2].max() == y[:, 2].max() == n_cells


def test_batches_are_centred():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40, 3)).astype(np.float32)
    means = (np.array([1.0, 2, 3]), np.array([-1.0, 0, 5]))
    gathered = gather([Problem(x, y, x[:10], y[:20])], [means], seed=0)
    drawn_x, drawn_y = batches(gathered, 0, 500)
    for drawn, cells, mean in ((drawn_x, x, means[0]), (drawn_y, y, means[1])):
        nearest = np.abs(drawn[:, None] + mean - cells).max(2).min(1)
        assert nearest.max() < 1e-5
    np.testing.assert_allclose(gathered.ranges.source_valid[0, :10], x[:10] - means[0], atol=1e-6)
    np.testing.assert_allclose(gathered.ranges.target_valid[0, :20], y[:20] - means[1], atol=1e-6)


def test_masks_tell_validation_cells_from_padding(sharing: list[Problem]):
    valid = [np.full((n, 3), n, dtype=np.float32) for n in (5, 9, 70, 2)]
    problems = [Problem(p.source, p.target, *valid[2 * i : 2 * i + 2]) for i, p in enumerate(sharing)]
    ranges = gather(problems, [ZERO, ZERO], seed=0).ranges
    for cells, mask, expected in (
        (ranges.source_valid, ranges.source_mask, [5, 70]),
        (ranges.target_valid, ranges.target_mask, [9, 2]),
    ):
        assert mask.shape == cells.shape[:2]
        assert mask.sum(1).tolist() == expected
        for i, n in enumerate(expected):
            assert (np.asarray(cells[i])[np.asarray(mask[i]) == 1] == n).all()


def test_many_validation_cells_are_sampled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batches_module, "MAX_VALID", 30)
    x = labelled(0, 0, 200)

    def sampled(seed: int) -> np.ndarray:
        ranges = gather([Problem(x, x, x, x[:20])], [ZERO], seed=seed).ranges
        assert ranges.target_mask.sum() == 20
        return np.asarray(ranges.source_valid)[0][np.asarray(ranges.source_mask)[0] == 1]

    cells = sampled(0)
    assert len(np.unique(cells[:, 2])) == 30
    np.testing.assert_array_equal(sampled(0), cells)
    assert (sampled(1) != cells).any()


def test_sample_of_validation_cells_is_that_of_the_problem(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batches_module, "MAX_VALID", 30)
    a, b = labelled(0, 0, 200), labelled(1, 0, 100)
    problems = [Problem(a, a, a, a), Problem(b, b, b, b)]
    together = gather(problems, [ZERO, ZERO], seed=0).ranges
    alone = gather(problems[1:], [ZERO], seed=0).ranges
    np.testing.assert_array_equal(together.source_valid[1, :30], alone.source_valid[0, :30])


@pytest.mark.parametrize("size", [0, 1, 64, 65, 1000, 12_345, 65_536])
def test_sizes_are_rounded_up_to_few(size: int):
    bucket = batches_module.bucket(size)
    assert size <= bucket <= size + max(64, size / 2)
    assert len({batches_module.bucket(n) for n in range(1, 20_000)}) < 40


def test_large_sizes_grow_little():
    assert all(n <= batches_module.bucket(n) <= 1.125 * n for n in (65_537, 306_000, 1_000_001))
    assert batches_module.bucket(306_000) == batches_module.bucket(320_000)


def test_cells_are_float32(sharing: list[Problem]):
    gathered = gather(sharing, [ZERO, ZERO], seed=0)
    assert gathered.cells.dtype == jnp.float32
    assert gathered.ranges.source_mean.dtype == jnp.float32


def weighed() -> tuple[Problem, np.ndarray, np.ndarray]:
    """Return a problem whose cells differ in weight, of which some are 0, and the weights."""
    rng = np.random.default_rng(0)
    x, y = labelled(0, 0, 60), labelled(0, 1, 60)
    source, target = (rng.choice([0.0, 1.0, 5.0], 60) for _ in range(2))
    return Problem(x, y, source_weights=source, target_weights=target), source, target


def test_cells_are_drawn_as_often_as_they_weigh():
    problem, source, target = weighed()
    x, y = batches(gather([problem], [ZERO], seed=0), 0, 60_000)
    for cells, weights in ((x, source), (y, target)):
        counts = np.bincount(cells[:, 2].astype(int) - 1, minlength=60)
        expected = 60_000 * weights / weights.sum()
        assert (counts[weights == 0] == 0).all()
        assert (np.abs(counts - expected) < 5 * np.sqrt(expected) + 1e-9).all()


def test_without_weights_nothing_more_is_computed(sharing: list[Problem]):
    gathered = one_problem(gather(sharing, [ZERO, ZERO], seed=0), 0)
    assert gathered.alias is None
    steps = str(jax.make_jaxpr(lambda key: draw(key, gathered, 16))(jax.random.key(0)))
    assert "random_fold_in" not in steps
    problem, *_ = weighed()
    more = one_problem(gather([problem], [ZERO], seed=0), 0)
    assert "random_fold_in" in str(jax.make_jaxpr(lambda key: draw(key, more, 16))(jax.random.key(0)))


def test_cells_without_weights_are_drawn_alike_beside_others(sharing: list[Problem]):
    problem, *_ = weighed()
    plain = Problem(problem.source, problem.target, problem.source_valid, problem.target_valid)
    beside = gather([problem, plain], [ZERO, ZERO], seed=0)
    alone = gather([plain], [ZERO], seed=0)
    key = jax.random.key(3)
    for a, b in zip(draw(key, one_problem(beside, 1), 500), draw(key, one_problem(alone, 0), 500), strict=True):
        np.testing.assert_array_equal(a, b)


def test_validation_cells_count_as_they_weigh(monkeypatch: pytest.MonkeyPatch):
    x = labelled(0, 0, 40)
    weights = np.repeat([1.0, 3.0], 20)
    ranges = gather([Problem(x, x, x, x, target_valid_weights=weights)], [ZERO], seed=0).ranges
    np.testing.assert_allclose(ranges.target_mask[0, :40], weights / 2)
    np.testing.assert_array_equal(ranges.source_mask[0, :40], 1)
    assert (np.asarray(ranges.target_mask)[0, 40:] == 0).all()
    monkeypatch.setattr(batches_module, "MAX_VALID", 30)
    ranges = gather([Problem(x, x, x, x, target_valid_weights=weights)], [ZERO], seed=0).ranges
    kept = np.asarray(ranges.target_valid)[0, :30, 2].astype(int) - 1
    np.testing.assert_allclose(ranges.target_mask[0, :30], weights[kept] / weights[kept].mean(), rtol=1e-6)
