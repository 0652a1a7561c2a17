"""Which conditions have cells enough to be learnt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ... import _keys, _validate


def learnable(
    labels: np.ndarray,
    parts: np.ndarray,
    names: Sequence[str],
    *,
    named: bool,
    key: str,
    control: str | None = None,
    groups: np.ndarray | None = None,
) -> list[str]:
    """Return the conditions with enough train cells; a line in the log names those that are left out.

    Parameters
    ----------
    labels, parts
        Condition and split of every cell.
    names
        The conditions in question.
    named
        Whether the user named them: then all are needed.
    key
        Column of ``obs`` with the condition.
    control
        The condition that all maps start from, if there is one: it has to have enough cells itself.
    groups
        Group of every cell, if cells are only paired within one: cells without a partner do not count.

    Raises
    ------
    ValueError
        If conditions that were named, the control or all conditions have too few train cells.
    """
    train, where, unit = parts == _keys.TRAIN, f"adata.obs[{key!r}]", "train cells"
    among_train = Counter(labels[train])
    if control is not None:
        _validate.enough_cells(among_train[control], what=f"control {control!r} of {where}")
    counts = {name: among_train[name] for name in names}
    if control is not None and groups is not None:
        counts = {
            name: _paired(groups[train & (labels == control)], groups[train & (labels == name)]) for name in names
        }
        unit = "train cells in the categories of pair_by that have both"
    return _validate.learnable(
        counts, _validate.MIN_TRAIN_CELLS, named=named, where=where, unit=unit, consequence="left out"
    )


def _paired(source: np.ndarray, target: np.ndarray) -> int:
    """Return the number of source or of target cells in groups that have both, whichever is less."""
    both = np.intersect1d(source, target)
    return int(min(np.isin(source, both).sum(), np.isin(target, both).sum()))
