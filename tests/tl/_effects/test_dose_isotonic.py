from __future__ import annotations

import numpy as np

from cellot_sc.tl._effects.dose_isotonic import isotonic, monotone


def test_sequences_rise_or_fall_whichever_is_nearer() -> None:
    mean = np.array([[0, 5], [2, 4], [1, 4.5], [3, 0]], dtype=float)
    np.testing.assert_allclose(isotonic(mean), np.array([[0, 5], [1.5, 4.25], [1.5, 4.25], [3, 0]]))


def test_curves_between_never_turn() -> None:
    at, mean = np.arange(4.0), np.array([[0.0], [0.0], [10.0], [10.5]])
    values = monotone(at, mean)(np.linspace(0, 3, 50))
    assert (np.diff(values[:, 0]) >= -1e-12).all()
    np.testing.assert_allclose(monotone(at, mean)(at), mean)
