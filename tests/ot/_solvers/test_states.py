from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc._trees import read_tree, write_tree
from cellot_sc.ot._solvers import registry, states

QUICK = {"icnn": {"n_steps": 2, "width": 4}, "popalign": {}, "entropic": {}, "gaussian": {}}


@pytest.mark.parametrize("name", QUICK)
def test_a_solution_is_rebuilt_to_the_bit(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(60, 3)).astype(np.float32) for _ in range(2))
    y[:, 0] += np.where(y[:, 0] > 0, 6, -6)
    solver, config = registry.SOLVERS[name], registry.configure(name, **QUICK[name])
    problems = [ot.Problem(x, y, x[:20], y[:20])]
    [state] = states.fit_in_worker(solver, config, 0, None, (["drug"], problems))
    [fitted] = registry.run(solver, problems, config, 0, None)
    write_tree(state, tmp_path / "one.h5", kind="solution", version=1)
    for found in map(states.solution_of, [state, read_tree(tmp_path / "one.h5", kind="solution", versions=[1])]):
        assert type(found.map) is type(fitted.map)
        np.testing.assert_array_equal(found.map.transport(x), fitted.map.transport(x))
        assert (found.history.step, found.history.selected) == (fitted.history.step, fitted.history.selected)
        assert [*found.history.metrics] == [*fitted.history.metrics]
        for metric, values in fitted.history.metrics.items():
            np.testing.assert_array_equal(found.history.metrics[metric], values)
