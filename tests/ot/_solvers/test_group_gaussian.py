from __future__ import annotations

import numpy as np

from cellot_sc import ot
from cellot_sc.metrics import energy_distance
from cellot_sc.ot._solvers.gaussian import cautious_gaussian_map

N_DIMS = 6


def clouds(n: int, k: int, seed: int, *, treated: bool) -> np.ndarray:
    """Return cells of a type: types lie apart, and respond alike but for a part of their own."""
    rng = np.random.default_rng(seed)
    means, own = np.random.default_rng(99).normal(size=(2, 4, N_DIMS)) * [[[6.0]], [[0.3]]]
    cells = means[k] + rng.normal(size=(n, N_DIMS))
    return cells + treated * (np.linspace(1, 2, N_DIMS) + own[k])


def problem(sizes: list[tuple[int, int]]) -> ot.Problem:
    source = [clouds(n, k, 2 * k, treated=False) for k, (n, _) in enumerate(sizes)]
    target = [clouds(m, k, 2 * k + 1, treated=True) for k, (_, m) in enumerate(sizes)]
    codes = [np.repeat(np.arange(len(sizes)), [pair[side] for pair in sizes]) for side in (0, 1)]
    return ot.Problem(
        np.concatenate(source), np.concatenate(target), source_contexts=codes[0], target_contexts=codes[1]
    )


def test_a_change_of_abundance_is_no_response() -> None:
    given = problem([(400, 100), (100, 400), (400, 100), (100, 400)])
    [(transport, _)] = ot.fit([given], "group_gaussian")
    pooled = ot.fit([ot.Problem(given.source, given.target)], "gaussian")[0].map
    assert isinstance(transport, ot.ContextMap)
    for k in range(4):
        x, y = clouds(300, k, 100 + k, treated=False), clouds(300, k, 200 + k, treated=True)
        own, wrong = (energy_distance(of.transport(x), y) for of in (transport.at(str(k)), pooled))
        assert own < 0.1
        assert wrong > 10 * max(own, 0.01)


def test_without_contexts_it_is_the_cautious_map() -> None:
    given = problem([(60, 60)] * 4)
    [(transport, _)] = ot.fit([ot.Problem(given.source, given.target)], "group_gaussian")
    expected = cautious_gaussian_map(given.source, given.target)
    np.testing.assert_array_equal(transport.transport(given.source), expected.transport(given.source))


def test_cells_of_one_side_only_change_no_map() -> None:
    given = problem([(60, 60)] * 3)
    codes = given.source_contexts, given.target_contexts
    assert codes[0] is not None and codes[1] is not None
    more = ot.Problem(
        given.source,
        np.concatenate([given.target, np.full((50, N_DIMS), 40.0)]),
        source_contexts=codes[0],
        target_contexts=np.concatenate([codes[1], np.full(50, 3)]),
    )
    one, other = (ot.fit([of], "group_gaussian")[0].map for of in (given, more))
    np.testing.assert_allclose(one.transport(given.source), other.transport(given.source), atol=1e-4)


def test_contexts_within_contexts() -> None:
    given = problem([(200, 200)] * 4)
    patients = np.arange(800) % 2
    types = np.repeat(np.arange(4), 200)
    both = np.column_stack([types, patients])
    nested = ot.Problem(given.source, given.target, source_contexts=both, target_contexts=both)
    [(transport, _)] = ot.fit([nested], "group_gaussian")
    # patients do not differ, so that their maps are that of the type
    x = clouds(100, 2, 0, treated=False).astype(np.float32)
    np.testing.assert_allclose(transport.at("2", "1").transport(x), transport.at("2").transport(x), atol=0.2)
