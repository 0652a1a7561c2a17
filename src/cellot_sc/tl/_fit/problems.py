"""The pairs of clouds between which maps are wanted, one per perturbation."""

from __future__ import annotations

import numpy as np

from ... import _keys, _validate
from ...ot import Problem


def problems(
    x: np.ndarray,
    labels: np.ndarray,
    parts: np.ndarray,
    groups: np.ndarray | None,
    control: str,
    names: list[str],
    weights: np.ndarray | None = None,
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
    weights
        How much every cell counts, shape ``(n_obs,)``, or ``None`` if they count alike.

    Raises
    ------
    ValueError
        If a condition has too few train cells.
    """
    shared: dict[bytes, tuple[np.ndarray, np.ndarray | None]] = {}

    def cloud(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        code = np.packbits(mask).tobytes()
        if code not in shared:
            shared[code] = x[mask], None if weights is None else weights[mask]
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
        masks = (source & train, target & train, source & valid, target & valid)
        cells, of_cells = zip(*map(cloud, masks), strict=True)
        of_groups = (None, None) if groups is None else (groups[masks[0]], groups[masks[1]])
        pairs.append(Problem(*cells, *of_groups, *of_cells))
    return pairs
