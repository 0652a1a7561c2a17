"""Learns how cells develop from one time to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anndata import AnnData

from .. import _keys, _validate
from .._settings import logger
from ..ot import solvers
from . import _store
from ._course import chained
from ._fitting import fit_all
from ._prepared import prepare
from ._problems import problems


def trajectory(
    adata: AnnData,
    time_key: str = _keys.TIME,
    *,
    order: Sequence[Any] | None = None,
    use_rep: str | None = None,
    solver: str = "icnn",
    split_key: str = _keys.SPLIT,
    seed: int = 0,
    key_added: str = _keys.TRAJECTORY,
    copy: bool = False,
    **solver_kwargs: Any,
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
        The times to use, from the earliest; others are left out. With ``None``, all: as numbers, or as the categories
        of an ordered column are.
    use_rep
        Key in ``obsm`` of the space in which cells are transported, or ``"X"`` for the expression itself. With
        ``None``, ``X_cellot``, else ``X_pca``, else a PCA made by :func:`cellot_sc.pp.represent`.
    solver
        How to fit: a name in :data:`cellot_sc.ot.SOLVERS`.
    split_key
        Column of ``obs`` made by :func:`cellot_sc.pp.split`. Made with its defaults if it is not there.
    seed
        Seed of everything random.
    key_added
        Where in ``uns`` the maps are written.
    copy
        Whether to return a copy instead of writing to ``adata``.
    **solver_kwargs
        Options of the solver.

    Returns
    -------
    ``None``, or with ``copy=True`` an AnnData, in which ``uns[key_added]`` holds the maps from the first time to every
    later one, each as the chain of those between. :func:`cellot_sc.tl.predict` and :func:`cellot_sc.tl.evaluate` take
    them as they take perturbations: the first time is the control. A split and a representation are added where there
    were none.

    Raises
    ------
    KeyError
        If a column or the representation is missing.
    ValueError
        If the order of the times cannot be told or is impossible, the solver is unknown, the representation holds NaN
        or inf, a time has fewer than 10 train cells, or ``key_added`` is where the decoder of the representation is
        kept.
    TypeError
        If the solver does not have an option that was given.

    References
    ----------
    :cite:t:`bunne2023`, Fig. 6, for the map between two times of development; :cite:t:`schiebinger2019` for chains of
    couplings over a time course.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(600, 30)
    >>> cs.tl.trajectory(adata, solver="gaussian")
    >>> cs.tl.interpolate(adata, 1.5).obs["time"].unique().tolist()
    [1.5]
    """
    labels = _validate.time_labels(adata, time_key)
    names, values = _validate.time_order(adata, time_key, order)
    config = solvers.configure(solver, **solver_kwargs)
    seed = _validate.seed(seed)
    cells = prepare(
        adata, time_key, names[0], use_rep=use_rep, split_key=split_key, seed=seed, key_added=key_added
    )  # fmt: skip
    of_order = cells.usable & (labels[:, None] == names).any(axis=1)
    _validate.finite(cells.x[of_order], what=f"use_rep {cells.use_rep!r}")

    pairs = [
        pair
        for before, after in zip(names, names[1:], strict=False)
        for pair in problems(cells.x, labels, cells.parts, None, before, [after])
    ]
    fits = fit_all(pairs, solver, config, seed)

    fitted = _store.FittedMaps(
        config={
            "perturbation_key": time_key,
            "control": names[0],
            "targets": names[1:],
            "times": values,
            "use_rep": cells.use_rep,
            "split_key": split_key,
            "solver": solver,
            "solver_kwargs": solver_kwargs,
            "seed": seed,
        },
        maps=dict(zip(names[1:], chained([fit.map for fit in fits]), strict=True)),
        history=_store.history_table({name: fit.history for name, fit in zip(names[1:], fits, strict=True)}),
    )
    out = adata.copy() if copy else adata
    added = cells.write(out)
    _store.save(out, key_added, fitted)
    added.append(f"uns[{key_added!r}] with {len(fits)} {solver} map{'s' * (len(fits) != 1)} on {cells.use_rep!r}")
    logger.info("added %s: times %s", ", ".join(added), " > ".join(names))
    return out if copy else None
