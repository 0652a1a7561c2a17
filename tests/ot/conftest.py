from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.ot import Problem


@pytest.fixture(scope="session")
def toy() -> Problem:
    """Two groups of cells in the plane that move apart: 300 train and 100 validation cells in either cloud."""
    rng = np.random.default_rng(0)

    def cloud(n_cells: int, *, treated: bool) -> np.ndarray:
        side = np.sign(rng.uniform(-1, 1, n_cells))
        cells = rng.normal(size=(n_cells, 2)) * 0.4
        cells[:, 0] += side * (3 if treated else 1)
        cells[:, 1] += 2 * treated
        return cells.astype(np.float32)

    return Problem(
        cloud(300, treated=False), cloud(300, treated=True), cloud(100, treated=False), cloud(100, treated=True)
    )
