from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cellot_sc.tl._courses.agreement import Agreement, averaged, estimate


@pytest.fixture
def shares() -> np.ndarray:
    """Observed shares of two fates in 60 cells of 20 clones."""
    first = np.random.default_rng(0).uniform(size=20).repeat(3)
    return np.column_stack([first, 1 - first])


@pytest.fixture
def compared(shares: np.ndarray) -> Agreement:
    return Agreement(shares, np.arange(20).repeat(3), n_boot=200, seed=0)


def test_the_truth_agrees_with_itself(compared: Agreement, shares: np.ndarray) -> None:
    assert compared.n_clones == 20
    assert compared.accuracy(shares) == pytest.approx((1, 1, 1))
    assert averaged(compared.auroc(shares)) == pytest.approx((1, 1, 1))
    assert averaged(compared.correlation(shares)) == pytest.approx((1, 1, 1))


def test_against_other_implementations(compared: Agreement, shares: np.ndarray) -> None:
    noisy = np.clip(shares + np.random.default_rng(1).normal(0, 0.3, shares.shape), 0, 1)
    has = shares[:, 0] > 0.5
    assert compared.auroc(noisy)[0][0] == pytest.approx(roc_auc_score(has, noisy[:, 0]))
    assert compared.correlation(noisy)[0][0] == pytest.approx(np.corrcoef(noisy[:, 0], shares[:, 0])[0, 1])
    value, low, high = compared.accuracy(noisy)
    assert value == pytest.approx((noisy.argmax(axis=1) == shares.argmax(axis=1)).mean())
    assert low < value < high


def test_clones_are_drawn_as_a_whole(shares: np.ndarray) -> None:
    noisy = np.clip(shares + np.random.default_rng(1).normal(0, 0.3, (20, 2)).repeat(3, axis=0), 0, 1)
    spans = []
    for clones in (np.arange(20).repeat(3), np.arange(60)):
        _, low, high = estimate(Agreement(shares, clones, n_boot=500, seed=0).auroc(noisy)[0])
        spans.append(high - low)
    # 60 clones of one cell say more than 20 of three
    assert spans[1] < spans[0]


def test_rare_fates_are_not_judged() -> None:
    shares = np.zeros((30, 2))
    shares[:26, 0] = shares[26:, 1] = 1
    few = Agreement(shares, np.arange(30), n_boot=20, seed=0)
    assert few.judged == []
    assert np.isnan(averaged(few.auroc(shares))).all()
