from __future__ import annotations

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._maps.weighted import WeightedMap
from cellot_sc.tl._fit.few_cells import effective, few_contexts, pooled_contexts, without_few

RNG = np.random.default_rng(0)
SIZES = {"source": [40, 24, 5], "target": [30, 1, 50]}


def problem(**given: np.ndarray) -> ot.Problem:
    """Return cells of three patients, the second within the first type, the last with few control cells."""
    codes = {side: np.repeat([[0, 0], [0, 1], [1, 2]], sizes, axis=0) for side, sizes in SIZES.items()}
    x, y = (RNG.normal(size=(sum(sizes), 3)).astype(np.float32) for sizes in SIZES.values())
    names = (("A", "B"), ("p", "q", "r"))
    return ot.Problem(
        x, y, source_contexts=codes["source"], target_contexts=codes["target"], context_names=names, **given
    )


def test_few_on_either_side_counts():
    assert few_contexts(problem()) == {("A", "q"), ("B",), ("B", "r")}
    assert few_contexts(ot.Problem(np.ones((5, 1)), np.ones((5, 1)))) == set()


def test_a_cell_that_outweighs_the_others_is_alone():
    weights = np.full(sum(SIZES["source"]), 0.1)
    assert ("A", "p") not in few_contexts(problem(source_weights=weights))
    weights[0] = 1e3
    assert {("A",), ("A", "p")} < few_contexts(problem(source_weights=weights))
    assert effective(weights[:40], weights[:40]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("scaled", [False, True])
def test_shifts_of_few_are_those_of_what_they_lie_in(scaled: bool):
    given = problem()
    fitted = ot.fit([given], "group_shift")[0].map
    if scaled:
        fitted = fitted.each(lambda one: WeightedMap(one, np.array([4.0, 1.0, 1.0])))
    found = without_few(fitted, few_contexts(given), np.zeros(3))
    x = np.ones((1, 3), dtype=np.float32)
    assert pooled_contexts(found) == {("A", "q"), ("B",), ("B", "r")}
    # the only one that there is in its type
    assert pooled_contexts(fitted) == {("B", "r")}
    for path, other in ((("A", "q"), ("A",)), (("B", "r"), ()), (("B",), ())):
        np.testing.assert_array_equal(found.at(*path).transport(x), fitted.at(*other).transport(x))
    np.testing.assert_array_equal(found.at("A", "p").transport(x), fitted.at("A", "p").transport(x))


def test_affine_maps_of_few_stay_the_same_functions():
    given = problem()
    fitted = ot.fit([given], "group_gaussian")[0].map
    x = RNG.normal(size=(5, 3)).astype(np.float32)
    few = few_contexts(given)
    for every in (False, True):
        found = without_few(fitted, few, np.full(3, 0.5), every=every)
        for path in (("A", "p"), ("A", "q"), ("B", "r"), ()):
            np.testing.assert_allclose(found.at(*path).transport(x), fitted.at(*path).transport(x), atol=1e-5)
            anchored = bool(path) and (every or path in few)
            assert (found.at(*path).state().get("source_mean", np.zeros(1))[0] == 0.5) == anchored
