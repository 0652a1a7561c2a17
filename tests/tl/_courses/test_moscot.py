from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellot_sc.tl._courses import moscot


def test_couplings_send_cells_to_the_nearest_group() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 0.1, (20, 2)), rng.normal(5, 0.1, (20, 2))])
    solution = moscot.solve(x.astype(np.float32), (x + 0.1).astype(np.float32))
    sent = np.asarray(solution.pull(np.repeat([1.0, 0], 20)[:, None])).ravel()
    assert sent[:20].sum() > 0.9 * sent.sum()


def test_birth_and_death_leave_the_generator_alone() -> None:
    genes = pd.Index([f"gene_{i}" for i in range(20)])
    before = np.random.get_state()[1].copy()
    with pytest.raises(ValueError, match="of which 0 and 0 are here"):
        moscot.birth_and_death(np.ones((5, 20)), genes)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
