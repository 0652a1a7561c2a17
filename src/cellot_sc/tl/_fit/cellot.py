"""Learns transport maps from unpaired control and treated cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData

from ... import _defaults, _keys, _validate
from ...ot import SOLVERS, Solver
from ...ot._solvers import registry
from ...pp import Space
from . import blocks
from .abundance import matches
from .conditions import learnable
from .fit import PERTURBATIONS, Fit
from .fitting import fit_and_keep
from .prepared import Prepared, prepare
from .weights import resolve_weights


@_validate.takes_adata
def cellot(
    adata: AnnData,
    perturbation_key: str = _keys.PERTURBATION,
    control: str = _keys.CONTROL,
    *,
    targets: str | Sequence[str] | None = None,
    use_rep: str | None = None,
    solver: str | Solver = _defaults.SOLVER,
    split_key: str = _keys.SPLIT,
    context: str | Sequence[str] | None = None,
    match_abundance: bool | None = None,
    feature_weights: np.ndarray | Sequence[float] | str | None = None,
    weights: str | None = None,
    seed: int = 0,
    key_added: str = _keys.MODEL,
    displacements: bool = False,
    checkpoint_dir: str | Path | None = None,
    resume: bool = False,
    copy: bool = False,
    **options: Any,
) -> AnnData | None:
    """Learn one optimal transport map per perturbation, from control to treated cells.

    The cells are unpaired: the map is the one that turns the cloud of control cells into that of treated cells at least
    cost (Bunne et al. 2023, doi 10.1038/s41592-023-01969-x, equation 1). It is fitted on train cells, chosen on
    validation cells, and sees no other.

    Parameters
    ----------
    adata
        Annotated data.
    perturbation_key
        Column of ``obs`` with the perturbation of each cell.
    control
        The untreated category in that column.
    targets
        Perturbations to learn: each needs at least 10 train cells. With ``None``, all others that have them.
    use_rep
        Key in ``obsm`` of the space in which cells are transported, or ``"X"`` for the expression itself. With
        ``None``, ``X_cellot``, else a PCA made by :func:`cellot_sc.pp.represent`; ``X_pca``, which has seen test cells,
        where there is no ``X`` to make one of.
    solver
        How to fit: a name in :data:`cellot_sc.ot.SOLVERS`, or a :class:`cellot_sc.ot.Solver`.
    split_key
        Column of ``obs`` made by :func:`cellot_sc.pp.split`. A missing "split" is made with its defaults.
    context
        Column of ``obs``, such as the cell type, the patient or the batch, or several, the outer ones first: every one
        of its categories has a map of its own, drawn towards that of all cells by as much as it has few cells. Treated
        cells count so that each category has the share that it has of control cells: a change of abundance is no
        response. Cells without a category, and categories without control or without treated cells, follow the map of
        all cells.
    match_abundance
        Whether cells are weighed where kinds of cells differ in abundance, so that the map turns none into another, as
        far as that is seen without labels: by unbalanced transport between clusters, where control and treated cells
        agree on what has become rarer. With ``None``, wherever the solver can weigh cells and there is no ``context``:
        of that, the categories are matched. Where these are patients or batches, not kinds of cells, give ``True``.
        The log says where it was done; elsewhere the maps are those of ``False``, to the bit. It cannot know: a change
        of state can look like one of abundance, and a kind that is gone altogether like one that has changed.
    feature_weights
        Weight of every dimension in the cost: an array of ``n_dims`` positive numbers, a column of ``var`` if
        ``use_rep="X"``, or a column of ``obs`` with labels of identity, such as the cell type: a dimension then weighs
        1 plus the share of its variance (among control train cells) that lies between the labels.
    weights
        Column of ``obs`` with how much each cell counts: numbers that are not negative. Where a drug kills cells, the
        weight of a control cell is its expected survival, and that of a treated cell 1: otherwise the map turns cells
        that would have died into cells of another kind that lived. With equal weights it is as with ``None``.
        Not every solver can weigh cells. Predictions and scores count all alike.
    seed
        Seed of everything random.
    key_added
        Where in ``uns`` the maps are written.
    displacements
        Whether to write where each control cell is moved to, and at what cost, for plots of scanpy and squidpy.
    checkpoint_dir
        Folder in which finished blocks of 8 perturbations are kept, and the state of the one that is being fitted, if
        the solver is a neural one. It is made if it is not there.
    resume
        Whether to go on from what is in that folder, where a call with the same cells and options was cut off. Without,
        what is there is replaced.
    copy
        Whether to return a copy instead of writing to ``adata``.
    **options
        Options of the solver.

    Returns
    -------
    ``None``, or with ``copy=True`` an AnnData, in which ``uns[key_added]`` holds the maps. A split and a representation
    are added where there were none. With ``displacements``, for each target and control cell x, NaN for other cells:

    - ``obsm["displacement_<target>"]``: T(x) - x, float32, shape ``(n_obs, n_dims)``.
    - ``obs["cost_<target>"]``: half its square, the cost of which :func:`transport_cost` returns the mean.

    What no file takes in a key, such as "/", is "_" there. A later fit replaces them only if it writes its own.

    Raises
    ------
    KeyError
        If a column or the representation is missing.
    ValueError
        If the control or a target is no category, the solver is unknown, cannot weigh cells or fits no map per
        context, no category of a context has both control and treated
        cells, the representation holds NaN or inf, the feature weights are not positive, weights of cells are negative,
        missing or all 0 in a condition, a condition has fewer than 10 train cells, no file can hold ``key_added`` or
        something else than such maps is kept there, displacements of two targets would have one name, or what is to
        be resumed is of another fit.
    TypeError
        If the solver does not have an option that was given, ``control`` is no single label, or a key is no text.
    OSError
        If nothing can be written to the ``checkpoint_dir``, or the disk is full.
    RuntimeError
        If workers that joblib was told of die again and again.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="mean_shift")
    >>> sorted(cs.tl.predict(adata).obs["perturbation"].unique())
    ['drug_a', 'drug_b']
    """
    folder = blocks.folder(checkpoint_dir, resume=resume)
    plan = planned(
        adata,
        perturbation_key,
        control,
        targets=targets,
        use_rep=use_rep,
        solver=solver,
        split_key=split_key,
        context=context,
        match_abundance=match_abundance,
        feature_weights=feature_weights,
        weights=weights,
        seed=seed,
        key_added=key_added,
        options=options,
    )
    return fit_and_keep(adata, *plan, key_added=key_added, copy=copy, displacements=displacements, folder=folder)


def planned(
    adata: AnnData,
    perturbation_key: str,
    control: str,
    *,
    options: Mapping[str, Any],
    key_added: str,
    targets: str | Sequence[str] | None = None,
    use_rep: str | None = None,
    solver: str | Solver = _defaults.SOLVER,
    split_key: str = _keys.SPLIT,
    context: str | Sequence[str] | None = None,
    match_abundance: bool | None = None,
    feature_weights: np.ndarray | Sequence[float] | str | None = None,
    weights: str | None = None,
    seed: int = 0,
) -> tuple[Fit, Solver, Prepared, Any]:
    """Return what :func:`cellot` fits, by what, to which cells, and the checked options; the parameters are its own."""
    _validate.new_key(adata, key_added, PERTURBATIONS)
    labels, control = _validate.perturbation_labels(adata, perturbation_key, control)
    names = _validate.targets(labels, control, targets)
    solver = SOLVERS.resolve(solver)
    config = registry.configure(solver, **options)
    seed = _validate.seed(seed)
    taken = {perturbation_key: "perturbation_key", split_key: "split_key"}
    columns = _validate.context_columns(adata, context, labels, control, names, taken=taken)
    registry.check_able(solver, weights=weights is not None, contexts=bool(columns))
    is_matched = matches(match_abundance, solver, columns)

    cells = prepare(
        adata, perturbation_key, control, use_rep=use_rep, split_key=split_key, seed=seed, key_added=key_added
    )
    parts = _validate.split_labels(cells.cells, split_key)
    names = learnable(labels, parts, names, named=targets is not None, key=perturbation_key, control=control)
    control_train = (labels == control) & (parts == _keys.TRAIN)
    fit = Fit(
        kind=PERTURBATIONS,
        label_key=perturbation_key,
        control=control,
        targets=tuple(names),
        use_rep=cells.use_rep,
        split_key=split_key,
        solver=solver.name,
        options=dict(options),
        seed=seed,
        source_weights=weights,
        target_weights=weights,
        feature_weights=resolve_weights(feature_weights, Space(cells.cells, cells.use_rep), control_train),
        context=columns,
        match_abundance=is_matched,
    )
    return fit, solver, cells, config
