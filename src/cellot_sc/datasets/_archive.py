"""Loads the cells of the CellOT paper from its archive, with the labels that the rest of the package looks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cellot_sc import _validate

from ._loaders import add_perturbation
from ._tasks import tasks

if TYPE_CHECKING:
    from anndata import AnnData


@_validate.plain
def cellot_archive(path: str | Path, task: str = "4i") -> AnnData:
    """Load the cells of a task of the CellOT paper from its archive (:cite:t:`bunne2023`).

    The archive, doi 10.3929/ethz-b-000609681, is downloaded and unpacked by hand.

    Parameters
    ----------
    path
        Folder of the unpacked archive, or its folder ``datasets``.
    task
        Name in :data:`cellot_sc.datasets.tasks`.

    Returns
    -------
    AnnData
        Control cells and those of the perturbations to predict, as :meth:`cellot_sc.datasets.Task.read` gives them, and
        ``obs["perturbation"]``, in which untreated cells are "control".

    Raises
    ------
    FileNotFoundError
        If the file is not there; says which, and where it can be had.
    KeyError
        If it lacks a column or a feature.
    TypeError
        If the path is none.
    ValueError
        If the task is unknown, or the file cannot be read or lacks the control or a perturbation.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.cellot_archive("datasets", "lupus")  # doctest: +SKIP
    >>> cs.pp.split(adata, holdout={"sample_id": "101"})  # doctest: +SKIP
    """
    wanted = tasks[_validate.one_of(task, tasks, what="task")]
    adata = wanted.read(path)
    add_perturbation(adata, wanted.perturbation_key, control=wanted.control)
    return adata
