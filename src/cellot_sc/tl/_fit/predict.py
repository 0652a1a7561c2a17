"""Applies fitted transport maps to cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _files, _keys, _validate
from ..._on_disk import check_not_read, opened
from ..._settings import logger
from ...ot import ContextMap, TransportMap
from ...pp import Space
from . import store
from .attach import read_alike, seen_by
from .contexts import tell_of_strangers
from .fit import Fit
from .model import Model, resolved
from .predicted import Moves, Sources, provenance

type CellNames = np.ndarray | pd.Series | pd.Index | Sequence[str] | Sequence[int] | Sequence[bool] | slice | str | int


BEYOND = 0.01
"""Support below which a cell lies beyond those that were learnt from."""
REPLACE = "overwrite=True"
"""What has a file replaced."""


@_validate.takes_adata
def predict(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    key: str = _keys.MODEL,
    model: Model | AnnData | str | Path | None = None,
    perturbation_key: str | None = None,
    control: str | None = None,
    gene_key: str | None = None,
    context_map: Mapping[str, str] | None = None,
    cells: CellNames | None = None,
    decode: bool = True,
    uncertainty: bool = False,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> AnnData:
    """Predict the treated state of untreated cells.

    A cell is moved by the map of its context, if the maps know contexts. One of a context that was not seen, such as a
    new patient, is moved as those that were seen do, as far as leaving them out has shown that this holds; where they
    differ, by how alike their control cells are to those of the new one. All its control cells in the AnnData are read
    for that, and none of its treated ones.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    targets
        Perturbation or perturbations to predict, all fitted ones with ``None``. Of several, the name of a predicted
        cell ends in ``-<target>``.
    key
        Where in ``uns`` the maps are.
    model
        Where the maps are, if not in ``adata``: a :class:`cellot_sc.Model`, another AnnData, or the path of a file of
        either. Cells are then represented as those were that it was fitted to. Genes are matched by name, in any order;
        missing ones that carry at most 20 % of the squared loadings are filled with what the others let expect.
    perturbation_key, control
        With ``model``, the column of ``obs`` that says which cells are untreated, and its category for these; with
        ``None``, those of the fit. Without such a column, all cells are.
    gene_key
        With ``model``, the column of ``var`` with the names by which genes are matched; with ``None``, ``var_names``.
    context_map
        With ``model``, by the name of a context in ``adata``, such as a cell type, that of the model which it is taken
        for. Others are matched by name.
    cells
        Cells to transport: boolean mask, names or positions, whatever ``obs`` says of their perturbation, if anything.
        A mask that is a Series is aligned by its index. With ``None``, all control cells.
    decode
        Whether to go back to genes where the representation can (see :func:`cellot_sc.pp.decode`).
    uncertainty
        Whether to say how far the mean response of a cell's context may lie from what is predicted: by the error of its
        estimate, of contexts that were not seen also by how far seen ones differ, net of noise, and in genes by what
        responses come to beyond the space of the maps. It needs maps with contexts.
    out
        File to write the predictions to, ``.zarr`` or ``.h5ad``, some cells at a time, so that they may be larger than
        memory, as may ``adata`` that is in a file. It is there whole or not at all.
    overwrite
        Whether to replace that file if it is there. Cells on disk are never replaced by their own predictions.

    Returns
    -------
    A new AnnData with one row per cell and target. ``obs`` is that of the source cells with the perturbation set to the
    target, as the value that the observed cells have; ``X`` the predicted expression, or the predicted latent where
    there is no decoder; ``obsm`` holds the predicted latent under the name the map was fitted on. Decoded expression is
    that of cells alike, without the noise of single ones: put beside measured cells, most genes look different. These
    are what to compare it with:

    - ``layers["control"]``: the source cells as ``X`` has the predicted ones, decoded or not.
    - ``layers["effect"]``: what ``X`` differs in from these.
    - :func:`combine` decodes observed cells, too.

    With ``out``, ``X``, ``layers`` and ``obsm`` stay in that file, and are read where one looks at them: some cells are
    in memory by ``predicted[...].to_memory()``. Any reader of such files opens it anew, such as
    :func:`anndata.experimental.read_lazy`.

    Also there are:

    - ``obs["role"]``: "predicted".
    - ``obsm["displacement"]``: T(x) - x of each cell x, float32, in the space of the maps.
    - ``obs["cost"]``: half the square of its length, the cost of which :func:`transport_cost` returns the mean.
    - ``uns["cellot_prediction"]``: what the prediction was made by, and what its ``X`` is, as plain values.

    Expression that was learnt of a layer is in ``layers``, too, where that of observed cells is.
    ``obs["cellot_support"]`` is the share of the control cells learnt from that lie as far from those of other contexts
    (of other parts of the cells, where there are no contexts) as this cell lies from all: near 0 for a cell unlike any.
    With ``model``, the genes are those of the model, in its order.
    With ``uncertainty``, ``layers["sd"]`` is a standard deviation for each cell and feature of ``X``: that of the mean
    response of its context around the predicted one, which its cells share, not the spread of single cells around it.

    Raises
    ------
    FileNotFoundError
        If ``model`` is a path at which there is nothing.
    FileExistsError
        If ``out`` is there, and is not to be replaced.
    OSError
        If ``out`` cannot be written, or the disk is full.
    KeyError
        If there are no fitted maps, no such representation, or a cell's name is unknown.
    IndexError
        If a cell's position is out of range.
    TypeError
        If ``cells`` is neither a mask nor names nor positions.
    ValueError
        If a target was not fitted, cell names are not unique, a mask is not of these cells, no cell is chosen, or one
        twice, a chosen cell's representation holds NaN or inf, the space of the maps has changed since they were
        fitted, or they hold no measure of how contexts differ. With ``model``: if that cannot be read, too few genes
        are in common, the expression is of another kind or on another scale (such as counts in place of logarithms), or
        a name in ``context_map`` is unknown. If ``out`` ends otherwise.

    Notes
    -----
    A 90 % interval of the mean response of a context, predicted less control mean, has the variance of ``sd``, averaged
    over its cells, and where it is to hold an observed response that of this: the variance of control cells over their
    number and that of treated cells over theirs. With the share s of ``sd`` in the sum, its half width is the .95
    quantile of Student's t with (k - 1) / s^2 degrees of freedom :cite:p:`satterthwaite1946` times the root of the sum;
    k is the number of contexts, such as patients, that were learnt from. ``python -m benchmarks intervals`` counts how
    often such intervals hold. The predicted response is that from decoded control cells (:func:`cellot_sc.pp.decode`).

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.pp.split(adata)
    >>> cs.pp.represent(adata, n_components=10)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> treated = cs.tl.predict(adata, "drug_a")
    >>> treated.obs["perturbation"].unique().tolist()
    ['drug_a']
    """
    _validate.unique_obs_names(adata)
    if out is not None:
        _files.check_suffix(Path(out), _files.ANNDATA)
        _files.check_replaced(Path(out), overwrite=overwrite, remedy=REPLACE)
        check_not_read(Path(out), adata)
    if model is None:
        of_cells = {
            "perturbation_key": perturbation_key,
            "control": control,
            "gene_key": gene_key,
            "context_map": context_map,
        }
        _validate.only_with({name: value for name, value in of_cells.items() if value is not None}, "model")
        fitted = store.maps(adata, key)
    else:
        read = read_alike(
            adata,
            resolved(model, key),
            perturbation_key=perturbation_key,
            control=control,
            gene_key=gene_key,
            context_map=context_map,
            prefix=key,
            sources=None if cells is None else _validate.cell_positions(adata, cells),
        )
        adata, fitted = seen_by(read, adata), replace(read.model.fitted, fit=read.fit)
    fit = fitted.fit
    space = fit.space(adata)
    names = _validate.fitted_targets(targets, fitted.maps)
    rows = fit.controls(adata) if cells is None else _validate.cell_positions(adata, cells)
    x, contexts = space.read(rows), fit.contexts(adata, rows)
    if uncertainty:
        check_spread({name: fitted.maps[name] for name in names}, fit)
    maps = fit.adapted(adata, {name: fitted.maps[name] for name in names})
    tell_of_strangers((fitted.maps[name] for name in names), contexts, fit.context)
    support = None if fitted.support is None else fitted.support.of(fit.scaled(x))
    if support is not None:
        _tell_of_support(adata, fitted, space, support, contexts)
    obs = adata.obs.iloc[rows].copy()
    if support is not None:
        obs[_keys.SUPPORT] = support
    sources = Sources(fit, space, x, decode=decode)
    sources.tell_of_lost()
    moves = Moves(
        sources, obs, contexts, {name: maps[name] for name in names}, fitted.residuals if uncertainty else None
    )
    made = provenance(fitted, sources, names, key)
    if out is None:
        predicted = moves.in_memory()
        predicted.uns[_keys.PREDICTION] = made
    else:
        hdf5 = _files.writing_hdf5() if Path(out).suffix == ".h5ad" else nullcontext()
        with _files.output(Path(out), _files.ANNDATA, overwrite=overwrite, remedy=REPLACE) as new, hdf5:
            moves.write(new, made)
        predicted = opened(Path(out))
    what = ", ".join(names) if len(names) <= 5 else f"{len(names)} perturbations"
    logger.info("predicted %d cells of %s%s", predicted.n_obs, what, sources.advice)
    return predicted


def check_spread(maps: Mapping[str, TransportMap], fit: Fit) -> None:
    """Raise :class:`ValueError` unless maps know how far contexts differ."""
    if not fit.context:
        raise ValueError(
            "uncertainty=True needs maps that know how far types or patients differ: fit with context=, such as "
            'context="patient".'
        )
    silent = [name for name, one in maps.items() if not isinstance(one, ContextMap) or one.spread is None]
    if silent:
        raise ValueError(
            f"uncertainty=True: the map of solver {fit.solver!r} to {silent[0]!r} does not say how far contexts "
            "differ; those of the default and of 'group_gaussian' do, where some category has control and treated "
            "cells."
        )


def _tell_of_support(
    adata: AnnData, fitted: store.FittedMaps, space: Space, support: np.ndarray, contexts: np.ndarray | None
) -> None:
    """Say in the log how many cells lie beyond those that were learnt from, and which contexts do as a whole."""
    fit, known = fitted.fit, fitted.support
    n_beyond = int((support < BEYOND).sum())
    if n_beyond > max(2 * BEYOND * len(support), 1):
        logger.warning(
            "%d of %d cells lie further from the control cells that were learnt from than %.4g %% of these do from "
            "each other: their predictions are extrapolated (obs[%r])%s",
            *(n_beyond, len(support), 100 * (1 - BEYOND), _keys.SUPPORT),
            "; as no cell lies nearer, see whether this is the same space, on the same scale"
            * (n_beyond == len(support)),
        )
    typed = [one for one in fitted.maps.values() if isinstance(one, ContextMap)]
    if contexts is None or known is None or not typed:
        return
    new = np.all([one.strangers(contexts) for one in typed], axis=0)
    controls = fit.controls(adata)
    every = fit.contexts(adata, controls)
    assert every is not None
    for name in dict.fromkeys(contexts[new, -1].tolist()):
        cells = controls[every[:, -1] == name]
        if not (name and len(cells)):
            continue
        rank = known.of_context(fit.scaled(space.read(cells)))
        if rank * (1 + len(known.contexts)) <= 1:
            logger.warning(
                "%s %r lies further from the control cells that were learnt from than any of the %d that were seen",
                *(fit.context[-1], name, len(known.contexts)),
            )
