from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.pp._target_sum import have_one_sum, target_sum


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    """Counts of 60 cells of other depths and 1,500 genes."""
    rng = np.random.default_rng(0)
    return rng.poisson(rng.gamma(4, 0.1, (60, 1)) * rng.gamma(0.5, 2, 1500))


def positive(x: np.ndarray) -> list[np.ndarray]:
    return [row[row > 0] for row in x]


def normalised(counts: np.ndarray, target: float, n_genes: int = 300) -> list[np.ndarray]:
    return positive((target * counts / counts.sum(axis=1, keepdims=True))[:, :n_genes])


@pytest.mark.parametrize("target", [1e3, 546.5, 7777, 1e4, 2e4, 1e5, 1e6])
@pytest.mark.parametrize("n_genes", [100, 1500])
def test_it_is_found_from_a_part_of_the_genes(counts: np.ndarray, target: float, n_genes: int) -> None:
    cells = normalised(counts, target, n_genes)
    assert target_sum(cells) == target
    # as logarithms in single precision lose some of it
    assert target_sum([np.expm1(np.log1p(cell).astype(np.float32).astype(np.float64)) for cell in cells]) == target
    assert have_one_sum(cells) == (n_genes == 1500)


def test_what_says_nothing(counts: np.ndarray) -> None:
    cells = normalised(counts, 1e4)
    rng = np.random.default_rng(0)
    assert target_sum([cell * rng.uniform(0.9, 1.1, cell.size) for cell in cells]) == 0
    assert target_sum(cells[:5]) == target_sum([]) == target_sum([cell[:2] for cell in cells]) == 0
    assert not have_one_sum([])
    assert not have_one_sum(normalised(counts, 1e4, 1500)[:5])
    # where all cells have one total, others would do as well
    assert target_sum([1e4 / 4000 * np.array([1, 2, 3, 4, 5.0])] * 50) == 0


def test_most_cells_decide(counts: np.ndarray) -> None:
    cells = normalised(counts, 1e4)
    assert target_sum([*cells, *(cell[cell > cell.min()] for cell in cells[:8])]) == 1e4
