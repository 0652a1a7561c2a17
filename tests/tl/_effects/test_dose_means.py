from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from cellot_sc.tl._effects.dose_means import composition, dose_scatter, well_codes


def test_small_wells_are_left_out_unless_a_dose_has_no_other() -> None:
    doses = np.repeat([0, 1, -1], [25, 8, 3])
    replicates = np.array(["a"] * 12 + ["b"] * 11 + ["c"] * 2 + ["a", "b"] * 4 + ["a"] * 3, dtype=object)
    wells, of_dose, of_replicate = well_codes(doses, replicates)
    assert of_dose.tolist() == [0, 0, 1]
    assert len(of_replicate) == 3
    assert [int((wells == well).sum()) for well in (-1, 0, 1, 2)] == [5, 12, 11, 8]


def test_weights_give_every_dose_the_composition_of_the_first() -> None:
    doses, groups = np.repeat([0, 1], 100), np.array(["x", "y"] * 50 + ["x"] * 80 + ["y"] * 20)
    weights = composition(doses, groups)
    assert weights[(doses == 1) & (groups == "x")].sum() == 50
    x = (groups == "x").astype(float)[:, None]
    for cells in (x, sp.csr_matrix(x)):
        np.testing.assert_allclose(dose_scatter(cells, doses, None, weights).mean[:, 0], 0.5)
    np.testing.assert_allclose(dose_scatter(x, doses, None).mean[:, 0], [0.5, 0.8])
