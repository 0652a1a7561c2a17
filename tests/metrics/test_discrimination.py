from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from cellot_sc.metrics import discrimination_score


@pytest.mark.parametrize(("distance", "sklearn_name"), [("l1", "manhattan"), ("l2", "euclidean"), ("cosine", "cosine")])
def test_equals_ranks_of_pairwise_distances(distance: str, sklearn_name: str):
    rng = np.random.default_rng(0)
    observed = rng.normal(size=(12, 20))
    predicted = observed + 1.5 * rng.normal(size=(12, 20))
    far = pairwise_distances(predicted, observed, metric=sklearn_name)
    expected = [1 - np.argsort(far[p]).tolist().index(p) / 12 for p in range(12)]
    score = discrimination_score(predicted, observed, distance=distance)  # type: ignore[arg-type]
    np.testing.assert_allclose(score, expected)
    assert len(np.unique(score)) > 1


def test_best_and_worst():
    effects = np.eye(4)
    np.testing.assert_array_equal(discrimination_score(effects, effects), 1.0)
    far = np.array([[0.0], [1.0], [10.0]])
    assert discrimination_score(far[::-1], far)[0] == pytest.approx(1 / 3)


def test_one_prediction_for_all_is_chance_on_average():
    observed = np.random.default_rng(0).normal(size=(10, 5))
    same = np.tile(observed.mean(0), (10, 1))
    assert discrimination_score(same, observed).mean() == pytest.approx(0.5 + 1 / 20)


def test_ties_count_half_and_zero_effects_have_no_direction():
    np.testing.assert_allclose(discrimination_score(np.zeros((2, 3)), np.ones((2, 3))), 0.75)
    np.testing.assert_allclose(discrimination_score(np.zeros((2, 3)), np.eye(2, 3), distance="cosine"), 0.75)


def test_bad_input():
    with pytest.raises(ValueError, match="2 predicted effects and 3 observed"):
        discrimination_score(np.eye(2, 3), np.eye(3))
    with pytest.raises(ValueError, match="distance 'l3' is unknown.*'cosine'"):
        discrimination_score(np.eye(3), np.eye(3), distance="l3")  # type: ignore[arg-type]
