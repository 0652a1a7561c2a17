"""Every group in turn as the one that nothing is learnt from."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from anndata import AnnData

from cellot_sc import _keys, _validate
from cellot_sc._settings import logger

from ._split import split

MIN_GROUP_CELLS = 10
"""A group can be judged by if it has at least this many control cells, and treated ones of a perturbation."""
OPTIONS = sorted(set(inspect.signature(split).parameters) - {"adata", "perturbation_key", "control", "holdout", "copy"})


class Fold(NamedTuple):
    """A group, and a copy of the cells in whose split it is held out: what :func:`.leave_one_group_out` yields."""

    name: str
    """Value of the group's column."""
    adata: AnnData
    """All cells, with the split."""


@_validate.takes_adata
def leave_one_group_out(
    adata: AnnData,
    groupby: str,
    perturbation_key: str = _keys.PERTURBATION,
    *,
    control: str = _keys.CONTROL,
    groups: str | Sequence[Any] | None = None,
    **options: Any,
) -> Iterator[Fold]:
    """Yield every group in turn with a copy of the cells whose split holds that group out.

    A copy is made when its turn comes. It has no representation made by :func:`represent`, as one made before has seen
    the cells that are held out: make one in each fold.

    Parameters
    ----------
    adata
        Cells.
    groupby
        Column of ``obs`` with the groups, such as the patient or the cell type.
    perturbation_key
        Column of ``obs`` that names the perturbation of each cell.
    control
        Its category of untreated cells.
    groups
        Groups to hold out in turn. With ``None``, in order of their names all that have at least 10 control cells and
        at least 10 cells of one perturbation. The others are learnt from in every fold.
    **options
        Options of :func:`split`, such as ``valid_groups`` or ``seed``.

    Yields
    ------
    The name of the group that is held out, and the copy.

    Raises
    ------
    KeyError
        If a column is missing.
    TypeError
        If :func:`split` has no such option.
    ValueError
        If a group is unknown, or there is none, or ``adata`` is backed by a file; and in its turn, whatever
        :func:`split` finds wrong.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(n_cells=300, n_genes=20)
    >>> for patient, fold in cs.pp.leave_one_group_out(adata, "patient"):
    ...     print(patient, int((fold.obs["split"] == "ood").sum()))
    patient_0 84
    patient_1 72
    patient_2 72
    patient_3 72
    """
    _validate.copyable(adata)
    _validate.no_unknown(options, OPTIONS, what="cs.pp.split")
    labels = _validate.perturbation_labels(adata, perturbation_key, control)
    cell_groups = _validate.group_labels(adata, groupby)
    names = sorted(set(cell_groups) - {""})
    if groups is None:
        held_out = [name for name in names if _can_be_judged(labels[cell_groups == name], control)]
        if left_out := sorted(set(names) - set(held_out)):
            logger.info("groups of obs[%r] with too few cells to be judged by: %s", groupby, ", ".join(left_out))
        _validate.at_least(len(held_out), 1, what=f"The number of groups of adata.obs[{groupby!r}]", why="one a fold")
    else:
        held_out = _validate.some_of([groups] if isinstance(groups, str) else map(str, groups), names, what="group")
    # a generator of its own, so that errors come with the call and not with the first fold
    return _folds(adata, groupby, held_out, {"perturbation_key": perturbation_key, "control": control, **options})


def _can_be_judged(labels: np.ndarray, control: str) -> bool:
    names, sizes = np.unique(labels.astype(str), return_counts=True)
    enough = set(names[sizes >= MIN_GROUP_CELLS])
    return control in enough and len(enough) > 1


def _folds(adata: AnnData, groupby: str, names: Sequence[str], options: dict[str, Any]) -> Iterator[Fold]:
    for name in names:
        fold = adata.copy()
        for key in [key for key in fold.uns if _validate.has_decoder(fold, key)]:
            del fold.uns[key]
            fold.obsm.pop(key, None)
        split(fold, holdout={groupby: name}, **options)
        yield Fold(name, fold)
