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

    Raises
    ------
    ValueError
        If conditions that were named, the control or all conditions have too few train cells.
    """
    train, where = parts == _keys.TRAIN, f"adata.obs[{key!r}]"
    among_train = Counter(labels[train])
    if control is not None:
        _validate.enough_cells(among_train[control], what=f"control {control!r} of {where}")
    counts = {name: among_train[name] for name in names}
    return _validate.learnable(
        counts, _validate.MIN_TRAIN_CELLS, named=named, where=where, unit="train cells", consequence="left out"
    )
