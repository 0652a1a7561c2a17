from __future__ import annotations

import pytest

import cellot_sc as cs
from cellot_sc.datasets import _memory


def test_what_does_not_fit_is_refused_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "memory", lambda: 2**31)
    _memory.check_fits(2**31, {"n_cells": 5})
    with pytest.raises(ValueError, match=r"n_cells=5, n_genes=6 needs 4 GiB of memory, and this machine has 2 GiB"):
        _memory.check_fits(2**32, {"n_cells": 5, "n_genes": 6})


@pytest.mark.parametrize("size", ["n_cells", "n_genes"])
@pytest.mark.parametrize("simulate", [cs.datasets.simulate, cs.datasets.simulate_branching])
def test_impossible_simulations_are_refused_at_once(simulate: object, size: str) -> None:
    with pytest.raises(ValueError, match=rf"{size}=1000000000\b.* GiB of memory"):
        simulate(**{size: 10**9})  # type: ignore[operator]


def test_layers_of_perturbations_count(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"drug_{i}" for i in range(50)]
    monkeypatch.setattr(_memory, "memory", lambda: 10 * 1000 * 1000 * 8)
    with pytest.raises(ValueError, match="GiB of memory"):
        cs.datasets.simulate(1000, 1000, n_patients=1, n_cell_types=1, perturbations=names)
