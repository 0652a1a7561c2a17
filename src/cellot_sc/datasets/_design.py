"""Of which cell types and patients the cells of a simulated condition are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellot_sc import _validate
from cellot_sc._numbers import shown

if TYPE_CHECKING:
    from ._populations import Population


@dataclass(frozen=True)
class Mix:
    """What the shares of cell types and patients are multiplied by in one condition, before they are made to add to 1.

    Parameters
    ----------
    types
        Factor of each cell type, shape ``(n_cell_types,)``.
    patients
        Factor of each patient, shape ``(n_patients,)``.
    """

    types: np.ndarray
    patients: np.ndarray


def mixes(
    abundance: Mapping[str, Mapping[str, float]], conditions: Sequence[str], population: Population, *, nested: bool
) -> list[Mix]:
    """Return the mix of every condition.

    Parameters
    ----------
    abundance
        By condition and by cell type or patient, what its share is multiplied by, 1 where nothing is named.
    conditions
        Their names.
    population
        Where cells come from.
    nested
        Whether each patient has cells of one condition only: the conditions take one after the other, in turn.

    Raises
    ------
    ValueError
        If a condition, cell type or patient is unknown, a factor is negative or not finite, a name is that of a cell
        type and of a patient, there are fewer nested patients than conditions, or a condition has no cell left.
    """
    types, patients = population.cell_types, population.patients
    if not isinstance(nested, bool | np.bool_):
        raise ValueError(f"nested_patients is {shown(nested)}; True or False is needed.")
    turn = np.arange(len(patients)) % len(conditions)
    if nested:
        why = "each condition has patients of its own"
        _validate.at_least(len(patients), len(conditions), what="number of patients", why=why)
    made = [
        Mix(np.ones(len(types)), (turn == c).astype(float) if nested else np.ones(len(patients)))
        for c in range(len(conditions))
    ]
    if not isinstance(abundance, Mapping):
        raise ValueError(f"abundance is a {type(abundance).__name__}; a mapping of conditions to mappings is needed.")
    for condition, factors in abundance.items():
        mix = made[conditions.index(_validate.one_of(condition, conditions, what="abundance of condition"))]
        what = f"abundance[{condition!r}]"
        if not isinstance(factors, Mapping):
            raise ValueError(f"{what} is {shown(factors)}; a mapping of cell types or patients to numbers is needed.")
        for name, factor in factors.items():
            _validate.one_of(name, [*types, *patients], what=f"{what} of cell type or patient")
            if name in types and name in patients:
                raise ValueError(f"{what} has {name!r}, a cell type and a patient: rename one of them in the baseline.")
            size = _validate.positive(factor, what=f"{what}[{name!r}]", or_zero=True)
            part, names = (mix.types, types) if name in types else (mix.patients, patients)
            part[names.index(name)] *= size
        if not population.shares(mix).any():
            raise ValueError(f"{what} leaves no cells: one cell type and one patient, at least, need more than 0.")
    return made


def apportioned(shares: np.ndarray, n_cells: int) -> np.ndarray:
    """Return a group for each of ``n_cells``, as often as its share says (by the largest remainders), and in turn.

    Parameters
    ----------
    shares
        Share of each group, shape ``(n_groups,)``, 1 in sum. The first of equals get what cannot be divided evenly.
    n_cells
        Number of cells.
    """
    expected = n_cells * shares
    # of 2.9999999, rounding has made less than 3
    counts = np.floor(expected + 1e-9).astype(int)
    left = n_cells - counts.sum()
    counts[np.argsort(-np.round(expected - counts, 9), kind="stable")[:left]] += 1
    group = np.repeat(np.arange(len(counts)), counts)
    turn = np.concatenate([np.arange(n) for n in counts])
    return group[np.lexsort((group, turn))]


def composition(made: Sequence[Mix], conditions: Sequence[str], population: Population) -> pd.DataFrame:
    """Return the share of every cell type and patient among the cells of every condition."""
    types, patients = population.cell_types, population.patients
    return pd.DataFrame(
        {
            "perturbation": pd.array(conditions, dtype="str").repeat(len(types) * len(patients)),
            "cell_type": pd.array(np.tile(np.repeat(types, len(patients)), len(conditions)), dtype="str"),
            "patient": pd.array(np.tile(patients, len(conditions) * len(types)), dtype="str"),
            "share": np.concatenate([population.shares(mix).ravel() for mix in made]),
        }
    )
