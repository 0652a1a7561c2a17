"""Cells that have two perturbations at once, from the maps of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from anndata import AnnData

from ... import _keys, _validate
from ..._settings import logger
from .._fit import store
from .._fit.contexts import tell_of_strangers
from .._fit.predict import CellNames
from .._fit.predicted import Sources, provenance
from .combination_choice import Choice
from .combination_ways import WAYS, Pair


@_validate.takes_adata
def predict_combination(
    adata: AnnData,
    pair: Sequence[str],
    *,
    how: str | None = None,
    combinations: Mapping[str, tuple[str, str]] | None = None,
    key: str = _keys.MODEL,
    cells: CellNames | None = None,
    decode: bool = True,
) -> AnnData:
    """Predict untreated cells after two perturbations at once, from the maps of each alone.

    Parameters
    ----------
    adata
        Annotated data with maps of both, fitted by :func:`cellot` or of a model (:func:`attach`).
    pair
        The two perturbations, a and b.
    how
        - ``"sum"``: a cell is moved by the sum of both displacements.
        - ``"a_then_b"``, ``"b_then_a"``: by one map, and on by the other.
        - ``None``: by what comes nearest to the train and validation cells of *other* combinations of fitted
          perturbations, in the mean of their energy distances; which map comes first is then told by which moves cells
          further. Without any, by the sum. A line in the log says which, and why.
    combinations
        The two perturbations of every combination that was observed, by its label. With ``None``, labels that join two
        fitted ones by ``+`` are such.
    key
        Where in ``uns`` the maps are.
    cells
        Cells to move: boolean mask, names or positions. With ``None``, all control cells.
    decode
        Whether to go back to genes where the representation can (see :func:`cellot_sc.pp.decode`).

    Returns
    -------
    A new AnnData with a row per cell, as :func:`predict` returns it. The perturbation is the label of the combination
    where that was observed, such as "drug_a+drug_b" otherwise; ``uns["cellot_prediction"]`` also has ``combination``,
    the two, and ``how``.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such representation, or a cell's name is unknown.
    IndexError
        If a cell's position is out of range.
    TypeError
        If ``cells`` is neither a mask nor names nor positions.
    ValueError
        If the pair is not two that were fitted, ``how`` is unknown, ``combinations`` are not such, maps are of a
        time course, cell names are not unique, a mask is not of these cells, no cell is chosen, or one twice, or the
        space of the maps has changed since they were fitted.

    Notes
    -----
    No cell with both is needed, and where there are some, none of them is used: nor is a map that was fitted to them.
    What two perturbations do together beyond what each does alone, no map of one knows: :func:`interactions` tests for
    it, :func:`judge_combinations` says what the predictions are worth. With contexts, such as cell types, cells are
    moved by both maps of their own.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> both = cs.tl.predict_combination(adata, ["drug_a", "drug_b"])
    >>> both.obs["perturbation"].unique().tolist()
    ['drug_a+drug_b']
    """
    _validate.unique_obs_names(adata)
    if how is not None:
        _validate.one_of(how, WAYS, what="how")
    fitted = store.maps(adata, key)
    _validate.no_course(fitted.fit.times)
    a, b = _validate.two_singles(pair, fitted.maps, what="pair")
    fit = fitted.fit
    rows = fit.controls(adata) if cells is None else _validate.cell_positions(adata, cells)
    space = fit.space(adata)
    x, contexts = space.read(rows), fit.contexts(adata, rows)
    tell_of_strangers((fitted.maps[name] for name in (a, b)), contexts, fit.context)
    fitted = fitted.adapted(adata)
    both = Pair(fit, fitted.maps[a], fitted.maps[b], x, contexts)
    labels = fit.labels(adata) if fit.label_key in adata.obs else np.array([])
    known = _validate.combinations_of(combinations, labels, list(fitted.maps))
    label = next((name for name, parts in known.items() if {*parts} == {a, b}), _validate.joined(a, b))
    if how is None:
        chosen = Choice.of(adata, fitted, known).for_pair((a, b))
        how = both.way(chosen.rule)
        logger.info("%s is predicted by %r: %s", label, how, chosen.why)
    obs = adata.obs.iloc[rows].copy()
    if fitted.support is not None:
        obs[_keys.SUPPORT] = fitted.support.of(fit.scaled(x))
    obs[fit.label_key] = _validate.relabelled(adata.obs.get(fit.label_key), label, len(obs))
    sources = Sources(fit, space, x, decode=decode)
    sources.tell_of_lost()
    predicted = sources.moved(both.moved(how), obs)
    made = {"combination": np.array([a, b], dtype=object), "how": how}
    predicted.uns[_keys.PREDICTION] = provenance(fitted, sources, [label], key) | made
    logger.info("predicted %d cells of %s%s", predicted.n_obs, label, sources.advice)
    return predicted
