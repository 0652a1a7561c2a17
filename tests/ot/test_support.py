from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.ot._support import Support

RNG = np.random.default_rng(0)


def patients(n: int = 8, size: int = 60) -> tuple[np.ndarray, np.ndarray]:
    places = RNG.normal(size=(n, 1, 5))
    return (places + RNG.normal(size=(n, size, 5))).reshape(-1, 5).astype(np.float32), np.repeat(np.arange(n), size)


def test_cells_of_one_more_context_are_as_far_as_those_that_were_seen() -> None:
    x, contexts = patients(40)
    seen = contexts < 20
    support = Support.around(x[seen], contexts[seen])
    ranks = support.of(x[~seen])
    # were they exchangeable and many, ranks would be uniform
    assert np.quantile(ranks, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.12)
    whole = np.array([support.of_context(x[contexts == k]) for k in range(20, 40)])
    assert 0.3 < whole.mean() < 0.7
    assert whole.min() >= 1 / 21


def test_cells_far_from_all_have_none() -> None:
    x, contexts = patients()
    support = Support.around(x, contexts)
    assert support.of(x[:5] + 30) == pytest.approx(1 / (1 + len(support.reference)))
    assert support.of_context(x[:60] + 30) == pytest.approx(1 / 9)
    # the nearer, the more
    assert (np.diff(support.of(x[:1] + np.linspace(0, 30, 10)[:, None])[1:]) <= 0).all()


@pytest.mark.parametrize("contexts", [None, np.zeros(480, dtype=int)])
def test_without_contexts_parts_of_the_cells_stand_for_them(contexts: np.ndarray | None) -> None:
    x, _ = patients()
    support = Support.around(x, contexts)
    assert support.of(x).mean() > 0.4
    assert len(support.contexts) == 8


def test_contexts_of_few_cells_are_pooled_and_none_is_a_cell() -> None:
    x, contexts = patients(30, 7)
    support = Support.around(x, contexts)
    distances = np.linalg.norm(x[:, None] - support.centroids, axis=2)
    assert distances.min() > 0.05
    assert len(support.centroids) <= len(x) // 20
    tiny = Support.around(x[:6], contexts[:6])
    assert tiny.of(x[:6]).shape == (6,)


def test_is_kept_and_read() -> None:
    x, contexts = patients()
    support = Support.around(x, contexts)
    again = Support.read(support.state())
    np.testing.assert_array_equal(again.of(x), support.of(x))
    with pytest.raises(ValueError, match="support.reference is missing"):
        Support.read({"centroids": support.centroids, "contexts": support.contexts})


def test_no_centroid_is_of_fewer_than_twenty_cells():
    x = np.random.default_rng(0).normal(size=(101, 2)).astype(np.float32)
    # the first is alone in its context
    support = Support.around(x, np.r_[7, np.repeat([0, 1], 50)])
    assert len(support.centroids) == 4
    assert not (support.centroids == x[0]).all(axis=1).any()


def exact(support: Support, x: np.ndarray, contexts: np.ndarray) -> np.ndarray:
    """Return the distance of every cell to the nearest centroid of the others."""
    owners = np.repeat(np.unique(contexts), len(support.centroids) // len(np.unique(contexts)))
    apart = np.linalg.norm(x[:, None].astype(np.float64) - support.centroids, axis=2)
    return np.where(owners == contexts[:, None], np.inf, apart).min(axis=1)


@pytest.mark.parametrize("n", [4, 30])
def test_ranks_are_those_among_all_distances_of_which_none_is_kept(n: int):
    x, contexts = patients(n)
    support = Support.around(x, contexts)
    distances = exact(support, x, contexts)
    others = RNG.normal(size=(300, 5)) * RNG.uniform(0.5, 2.5, size=(300, 1))
    far = np.linalg.norm(others[:, None] - support.centroids, axis=2).min(axis=1)
    share = (distances >= far[:, None]).mean(axis=1)
    assert len(support.reference) == min(len(x), 201)
    assert np.abs(support.of(others) - share).max() < max(0.006, 3 / len(x))
    # a cell that was learnt from is not told from others by a distance that is kept
    near = [np.abs(of[:, None] / support.reference - 1).min(axis=1) < 1e-6 for of in (distances, far)]
    assert max(of.mean() for of in near) < 0.01


def test_means_of_contexts_are_of_twenty_cells():
    x, _ = patients(8, 30)
    support = Support.around(x, np.r_[np.repeat(np.arange(7), 30), np.arange(10, 40)])
    assert len(support.contexts) == 7
