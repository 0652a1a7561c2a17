"""Takes over what moscot has solved."""

from __future__ import annotations

from typing import Any

import numpy as np
from anndata import AnnData

from ... import _keys, _validate, ot
from ..._settings import logger
from ...ot import TransportMap
from ...pp import Space
from ...pp._origin import Marks
from ...pp._unchanged import check_marks
from .._fit import store
from .._fit.fit import COUPLINGS, Fit, chained

KEY = "moscot"


@_validate.plain
def from_moscot(
    problem: Any,
    adata: AnnData | None = None,
    *,
    use_rep: str | None = None,
    split_key: str = _keys.SPLIT,
    key_added: str = KEY,
) -> dict[tuple[Any, Any], TransportMap]:
    """Wrap a solved moscot problem, so that it can be applied, evaluated and plotted like any other map.

    A coupling sends a cell to many: the map sends it to their mean. For the cells of the problem, that is the
    barycentric projection of the coupling; for any other cell it is its extension by the dual potentials, the entropic
    map, which agrees with it on the cells of the problem.

    Parameters
    ----------
    problem
        A solved ``moscot.problems.time.TemporalProblem``, with ``policy="sequential"``, or
        ``moscot.problems.generic.SinkhornProblem``, in which every pair has the same source. The cost has to be the
        squared Euclidean distance, and the rank full.
    adata
        Where the maps are written; the AnnData of the problem with ``None``. Give the whole data set if the problem was
        solved for its train cells.
    use_rep
        Key in ``obsm`` of the space in which the problem was solved. With ``None``, it is found by its values.
    split_key
        Column of ``obs`` by which :func:`cellot_sc.tl.evaluate` will choose cells. The problem saw all cells that it
        was given: their scores are not those of unseen cells.
    key_added
        Where in ``uns`` the maps are written: as a time course for :func:`cellot_sc.tl.interpolate`,
        :func:`cellot_sc.tl.fate` and their figures, or as maps of perturbations.

    Returns
    -------
    The map of every pair of the problem.

    Raises
    ------
    TypeError
        If it is no problem of one of these kinds, or ``adata`` no AnnData.
    ValueError
        If it is not solved, the cost is another, the rank is low, pairs are neither consecutive nor of one source, or
        no file can hold ``key_added`` or something else than such maps is kept there.
    KeyError
        If the space in which it was solved is not in ``obsm``.

    References
    ----------
    :cite:t:`klein2025` for moscot; :cite:t:`pooladian2021` for the entropic map.

    Examples
    --------
    >>> import logging
    >>> import cellot_sc as cs
    >>> from moscot.problems.time import TemporalProblem
    >>> adata = cs.datasets.simulate_branching(300, 20)
    >>> cs.pp.represent(adata, n_components=5)
    >>> adata.obs["time"] = adata.obs["time"].astype("category")
    >>> logging.getLogger("moscot._logging").setLevel("ERROR")
    >>> problem = TemporalProblem(adata).prepare("time", joint_attr="X_cellot").solve(epsilon=0.05)
    >>> list(cs.tl.from_moscot(problem))
    [(0, 1), (1, 2)]
    >>> cs.tl.interpolate(adata, 0.5, source=0, key="moscot").n_obs
    100
    """
    label_key = _validate.moscot_problem(problem)
    solved = problem.adata
    out = _validate.writable(_validate.annotated(solved if adata is None else adata), copy=False)
    pairs = list(problem.problems)
    first = problem[pairs[0]]
    if use_rep is None:
        use_rep = _space(solved, first)
    _validate.representation_key(out, use_rep)
    _validate.new_key(out, key_added, COUPLINGS)
    _validate.free_uns_key(key_added, use_rep, what="key_added")
    check_marks(Space(out, use_rep), Marks.of(first.adata_src.obs_names, np.asarray(first.xy.data_src)))
    maps: dict[tuple[Any, Any], TransportMap] = {pair: _entropic(problem[pair], pair) for pair in pairs}

    names = [(str(source), str(target)) for source, target in pairs]
    sequential = all(before[1] == after[0] for before, after in zip(names, names[1:], strict=False))
    _validate.pairs_of_one_kind(names, sequential=sequential)
    order = [names[0][0], *(target for _, target in names)]
    fitted, times = list(maps.values()), None
    if hasattr(problem, "temporal_key"):
        times = tuple(_validate.time_order(solved, label_key, order)[1])
        fitted = chained(fitted)
    fit = Fit(
        kind=COUPLINGS,
        label_key=label_key,
        control=order[0],
        targets=tuple(order[1:]),
        use_rep=use_rep,
        split_key=split_key,
        solver=KEY,
        times=times,
    ).tied(out)
    by_target = dict(zip(fit.targets, fitted, strict=True))
    store.save(out, key_added, store.FittedMaps(fit, by_target, store.history_table({})))
    logger.info("added uns[%r] with %d couplings of moscot on %r", key_added, len(maps), use_rep)
    return maps


def _space(adata: AnnData, solved: Any) -> str:
    """Return the key of ``obsm`` that holds what a problem was solved in."""
    _validate.unique_obs_names(adata)
    rows = adata.obs_names.get_indexer(solved.adata_src.obs_names)
    points = np.asarray(solved.xy.data_src)
    for key in adata.obsm:
        values = np.asarray(adata.obsm[key]) if hasattr(adata.obsm[key], "shape") else None
        if values is not None and values.shape[1:] == points.shape[1:] and np.allclose(values[rows], points, atol=1e-5):
            return str(key)
    return _validate.solved_elsewhere(adata)


def _entropic(solved: Any, pair: tuple[Any, Any]) -> ot.EntropicMap:
    """Return the map of a pair, with potentials for the cost 1/2 |x - y|^2 instead of a multiple of |x - y|^2."""
    potentials = _validate.full_rank_solution(solved.solution, pair)
    # moscot has no public name for what it scaled the cost by
    geometry = solved.solution._output.geom
    _validate.squared_euclidean(geometry, pair)
    scale = 0.5 / float(geometry.inv_scale_cost)
    f, g = (np.asarray(potential, dtype=np.float64) * scale for potential in potentials)
    return ot.EntropicMap(
        np.asarray(geometry.x), np.asarray(geometry.y), f, g, float(geometry.epsilon) * scale
    )  # fmt: skip
