"""The pairs of clouds between which maps are wanted, one per perturbation."""

from __future__ import annotations

import numpy as np

from .. import _keys, _validate
from ..ot import Problem


def problems(
    x: np.ndarray,
    labels: np.ndarray,
    parts: np.ndarray,
    groups: np.ndarray | None,
    control: str,
    names: list[str],
) -> list[Problem]:
    """Return the pair of clouds of every target; those that share their control cells share the array.

    Parameters
    ----------
    x
        Representation of all cells, shape ``(n_obs, n_dims)``.
    labels, parts
        Perturbation and split of every cell.
    groups
        Integer labels within which cells are paired, or ``None``. Cells of a group in which one of the two conditions
        has no train cell are left out.
    control
        Label of the untreated cells.
    names
        Labels of the targets.

    Raises
    ------
    ValueError
        If a condition has too few train cells.
    """
    shared: dict[bytes, np.ndarray] = {}

    def cloud(mask: np.ndarray) -> np.ndarray:
        code = np.packbits(mask).tobytes()
        if code not in shared:
            shared[code] = x[mask]
        return shared[code]

    train, valid = parts == _keys.TRAIN, parts == _keys.VALID
    pairs = []
    for name in names:
        source, target = labels == control, labels == name
        where = ""
        if groups is not None:
            both = np.intersect1d(groups[source & train], groups[target & train])
            source, target = source & np.isin(groups, both), target & np.isin(groups, both)
            where = " in the categories of pair_by that have both"
        _validate.enough_cells(int((source & train).sum()), what=f"control {control!r}{where}")
        _validate.enough_cells(int((target & train).sum()), what=f"target {name!r}{where}")
        pairs.append(
            Problem(
                cloud(source & train),
                cloud(target & train),
                cloud(source & valid),
                cloud(target & valid),
                None if groups is None else groups[source & train],
                None if groups is None else groups[target & train],
            )
        )
    return pairs
