"""Learns how cells develop from one time to the next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData

from ... import _defaults, _keys, _validate
from ...ot import SOLVERS, Solver
from ...ot._solvers import registry
from ...pp import Space
from .._fit import blocks
from .._fit.conditions import learnable
from .._fit.fit import COURSE, Fit
from .._fit.fitting import fit_and_keep
from .._fit.prepared import prepare
from .growth import GROWTH, METHODS, RECEIVED, growth_columns


@_validate.takes_adata
def trajectory(
    adata: AnnData,
    time_key: str = _keys.TIME,
    *,
    order: Sequence[Any] | None = None,
    use_rep: str | None = None,
    solver: str | Solver = _defaults.SOLVER,
    growth: str | None = None,
    tau: float | Sequence[float] = (0.95, 1.0),
    split_key: str = _keys.SPLIT,
    seed: int = 0,
    key_added: str = _keys.TRAJECTORY,
    checkpoint_dir: str | Path | None = None,
    resume: bool = False,
    copy: bool = False,
    **options: Any,
) -> AnnData | None:
    """Learn the optimal transport map from every time to the next.

    No cell is seen twice: a map turns the cloud of cells of one time into that of the next at least cost. Each is
    fitted on train cells and chosen on validation cells, all in one computation.

    Parameters
    ----------
    adata
        Annotated data.
    time_key
        Column of ``obs`` with the time of each cell: numbers, names that are numbers (``"2"``, ``"4"``), or names.
    order
        The times to use, from the earliest; others are left out. Each needs at least 10 train cells. With ``None``, all
        that have them: as numbers, or as the categories of an ordered column are.
    use_rep
        Key in ``obsm`` of the space in which cells are transported, or ``"X"`` for the expression itself. With
        ``None``, ``X_cellot``, else a PCA made by :func:`cellot_sc.pp.represent`; ``X_pca``, which has seen test cells,
        where there is no ``X`` to make one of.
    solver
        How to fit: a name in :data:`cellot_sc.ot.SOLVERS`, or a :class:`cellot_sc.ot.Solver`.
    growth
        How many descendants cells have, by which early cells are weighed. Otherwise, a kind of cell that divides more
        than others is met with more often later, and the map turns others into it.

        - ``None``: all have as many.
        - A column of ``obs``: how many each has after one unit of time, such as 2 for a cell that divides once and 0.5
          for one that dies as often as not: g per unit is g to the power of t after t, or exp(r t) with the rate
          r = log g. It is taken as it is. Cells of the last time need none.
        - ``"unbalanced"``: as many as it takes at least cost: the marginals of an unbalanced coupling of train cells,
          with a Kullback-Leibler penalty, once what moves all cells alike is taken out. Cells alone cannot tell growth
          from movement: it is found where kinds of cells lie apart early on, and hardly within a cloud that has yet to
          divide. The less firm ``tau`` is, the more of what changed is put down to growth.
        - ``"moscot"``: what genes of division and death say, by the scores and the birth-death process of moscot's
          ``TemporalProblem``, as the prior of such a coupling. ``X`` or ``raw.X`` has to hold log-normalised expression
          of genes that are named as in human or mouse.
    tau
        For ``"unbalanced"`` and ``"moscot"``: how firmly the coupling holds to the prior, in (0, 1], at the early and
        at the late end, or one number for both. 1 is exactly. Late cells are weighed, too, where theirs is less. The
        penalty is worth 0.01 tau / (1 - tau) mean costs: 0.19 for 0.95.
    split_key
        Column of ``obs`` made by :func:`cellot_sc.pp.split`. Made with its defaults if it is not there.
    seed
        Seed of everything random.
    key_added
        Where in ``uns`` the maps are written.
    checkpoint_dir
        Folder in which finished blocks of 8 steps are kept, and the state of the one that is being fitted, if the
        solver is a neural one. It is made if it is not there.
    resume
        Whether to go on from what is in that folder, where a call with the same cells and options was cut off. Without,
        what is there is replaced.
    copy
        Whether to return a copy instead of writing to ``adata``.
    **options
        Options of the solver.

    Returns
    -------
    ``None``, or with ``copy=True`` an AnnData, in which ``uns[key_added]`` holds the maps from the first time to every
    later one, each as the chain of those between. :func:`cellot_sc.tl.predict` and :func:`cellot_sc.tl.evaluate` take
    them as they take perturbations: the first time is the control. A split and a representation are added where there
    were none.

    With ``growth``, ``obs[f"{key_added}_growth"]`` holds how many descendants at the next time each cell was taken to
    have, relative to the mean of the train cells of its time; NaN for the last time. Where late cells are weighed,
    ``obs[f"{key_added}_received"]`` holds how many descendants each stands for. Cells that are not train cells have
    their values, too, and nothing was fitted to them. :func:`cellot_sc.tl.evaluate` counts all cells alike.

    Raises
    ------
    KeyError
        If a column or the representation is missing.
    ValueError
        If the order of the times cannot be told or is impossible, the solver is unknown, the representation holds NaN
        or inf, a time has fewer than 10 train cells, no file can hold ``key_added`` or something else is kept there,
        the solver cannot weigh cells, growth is negative or missing, ``tau`` is not in (0, 1], there are too few genes
        to tell growth by, or what is to be resumed is of another fit.
    TypeError
        If the solver does not have an option that was given.
    OSError
        If nothing can be written to the ``checkpoint_dir``, or the disk is full.

    References
    ----------
    :cite:t:`bunne2023`, Fig. 6, for the map between two times of development; :cite:t:`schiebinger2019` for chains of
    couplings over a time course, for growth by genes and for unbalanced couplings.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(600, 30)
    >>> cs.tl.trajectory(adata, solver="gaussian")
    >>> cs.tl.interpolate(adata, 1.5).obs["time"].unique().tolist()
    [1.5]

    Cells of one fate divide more than others:

    >>> adata = cs.datasets.simulate_branching(600, 30, growth={"fate_a": 3})
    >>> cs.tl.trajectory(adata, solver="gaussian", growth="growth")
    >>> early = adata.obs[adata.obs["time"] == 0]
    >>> growth = early.groupby("fate", observed=True)["trajectory_growth"].mean()
    >>> float((growth["fate_a"] / growth["fate_b"]).round(2))
    3.0
    """
    folder = blocks.folder(checkpoint_dir, resume=resume)
    _validate.new_key(adata, key_added, COURSE)
    seed = _validate.seed(seed)
    labels = _validate.time_labels(adata, time_key)
    names, values = _validate.time_order(adata, time_key, order)
    solver = SOLVERS.resolve(solver)
    config = registry.configure(solver, **options)
    firmness = _validate.taus(tau)
    if growth is not None:
        _validate.not_read(f"{key_added}_{GROWTH}", [growth, time_key, split_key], what="key_added")
        _validate.new_columns(adata, key_added, COURSE, {f"{key_added}_{name}": None for name in (GROWTH, RECEIVED)})
    # a split does not depend on what is its control: the time with most cells is not one of too few
    largest = max(names, key=lambda name: int((labels == name).sum()))
    cells = prepare(
        adata, time_key, largest, use_rep=use_rep, split_key=split_key, seed=seed, key_added=key_added
    )  # fmt: skip
    parts = _validate.split_labels(cells.cells, split_key)
    names, values = _validate.time_order(
        adata, time_key, learnable(labels, parts, names, named=order is not None, key=time_key)
    )
    used = np.isin(parts, [_keys.TRAIN, _keys.VALID]) & (labels[:, None] == names).any(axis=1)
    x = Space(cells.cells, cells.use_rep).read(used=used)

    times = dict(zip(names, values, strict=True))
    columns = growth_columns(adata, growth, firmness, x, labels, parts, times, key=key_added, seed=seed)
    cells.add(columns)
    sent, received = f"{key_added}_{GROWTH}", f"{key_added}_{RECEIVED}"
    fit = Fit(
        kind=COURSE,
        label_key=time_key,
        control=names[0],
        targets=tuple(names[1:]),
        use_rep=cells.use_rep,
        split_key=split_key,
        solver=solver.name,
        options=options,
        seed=seed,
        times=tuple(values),
        source_weights=sent if sent in columns else None,
        target_weights=received if received in columns else None,
        growth=growth,
        tau=firmness if growth in METHODS else None,
    )
    return fit_and_keep(adata, fit, solver, cells, config, key_added=key_added, copy=copy, folder=folder)
