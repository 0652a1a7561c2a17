"""Puts a model into an AnnData of other cells, where verbs and figures then work as in that of the fit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _validate
from ..._settings import logger
from ..._validate._labels import one_label
from ...pp._reference import Matched, place
from . import store
from .fit import COURSE, Fit
from .model import Model, resolved

N_NAMED = 10
"""Contexts that a line names."""


@dataclass(frozen=True)
class Attached:
    """Cells of another AnnData as a model reads them.

    Parameters
    ----------
    model
        The model.
    fit
        Its fit, with the columns that the other AnnData has.
    latent
        The cells in the space of the maps, shape ``(n_obs, n_dims)``.
    matched
        The genes, and their expression, if the space was made of genes.
    columns
        Columns of ``obs`` that are to be made.
    gene_key
        Column of ``var`` with the names of genes, if they are not ``var_names``.
    """

    model: Model
    fit: Fit
    latent: np.ndarray
    matched: Matched | None
    columns: Mapping[str, pd.Categorical[Any]]
    gene_key: str | None

    @property
    def filled(self) -> list[str]:
        """Names of genes that were not there."""
        return [] if self.matched is None else [*self.matched.missing]

    @property
    def decoder(self) -> dict[str, object] | None:
        """What is kept of the representation, with the genes that were filled."""
        if self.model.decoder is None:
            return None
        filled = {_keys.FILLED: np.array(self.filled, dtype=object)} if self.filled else {}
        named = {_keys.GENE_KEY: self.gene_key} if self.gene_key else {}
        return dict(self.model.decoder) | filled | named


@_validate.takes_adata
def attach(
    adata: AnnData,
    model: Model | AnnData | str | Path,
    *,
    perturbation_key: str | None = None,
    control: str | None = None,
    gene_key: str | None = None,
    context_map: Mapping[str, str] | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Put a model into an AnnData of other cells, so that verbs and figures work there.

    The cells are represented as those were that the model was fitted to; see :func:`cellot_sc.tl.predict` for what is
    read and refused. What needs cells that were learnt from comes from the model: maps of no effect, baselines, and
    where control cells lie. Tests over patients or animals (``unit=``), and other baselines, need the cells themselves.

    Parameters
    ----------
    adata
        Annotated data of other cells.
    model
        A :class:`cellot_sc.Model`, an AnnData with fitted maps, or the path of a file of either.
    perturbation_key
        Column of ``obs`` with the perturbation of each cell; with ``None``, that of the fit. Where there is none, all
        cells are taken for control cells.
    control
        The untreated category in that column; with ``None``, that of the fit.
    gene_key
        Column of ``var`` with the names by which genes are matched; with ``None``, ``var_names``.
    context_map
        By the name of a context in ``adata``, such as a cell type, that of the model which it is taken for.
    key_added
        Where in ``uns`` the maps are written; with ``None``, ``"cellot"``, or ``"trajectory"`` for those of a time
        course, where verbs look for them.
    copy
        Whether to return a copy instead of writing to ``adata``.

    Returns
    -------
    AnnData | None
        The copy, if asked for. Sets ``uns[key_added]``, and the representation of the model with its decoder in
        ``obsm`` and ``uns``; ``obs["split"]`` (``"test"``: no map has seen any of these cells, and all are there to be
        judged by), or ``obs["<key_added>_split"]`` if there is such a column already; the perturbation, where there is
        no column of it; and, where contexts have other names or there is no column of them,
        ``obs["<key_added>_<column>"]``. What is replaced is said.

    Raises
    ------
    FileNotFoundError
        If ``model`` is a path at which there is nothing.
    KeyError
        If there is no such column, file, layer or latent, or no maps.
    ValueError
        If the file is no model, too few genes are in common, the expression is on another scale or holds NaN or inf,
        genes of a space of genes are missing, or a name in ``context_map`` is unknown.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> new = adata[adata.obs["perturbation"] == "control"].copy()
    >>> cs.pp.represent(adata, n_components=10)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cs.tl.attach(new, cs.Model.of(adata))
    >>> cs.tl.transport_cost(new)["perturbation"].tolist()
    ['drug_a', 'drug_b']
    """
    found = resolved(model, whole=True)
    use_rep = found.fitted.fit.use_rep
    if key_added is None:
        key_added = _keys.TRAJECTORY if found.fitted.fit.kind == COURSE else _keys.MODEL
    _validate.free_uns_key(key_added, use_rep, what="key_added")
    read = read_alike(
        adata,
        found,
        perturbation_key=perturbation_key,
        control=control,
        gene_key=gene_key,
        context_map=context_map,
        prefix=key_added,
    )
    if use_rep == _keys.EXPRESSION and read.filled:
        raise ValueError(
            f"the model moves cells in the space of {read.latent.shape[1]:,} genes, of which {len(read.filled)} are "
            f"not there, such as {read.filled[0]!r}: there is no column of X for them. cs.tl.predict(adata, "
            "model=model) fills them in what it returns."
        )
    columns, fit = dict(read.columns), read.fit
    if fit.split_key in adata.obs and set(adata.obs[fit.split_key]) != {_keys.TEST}:
        fit = replace(fit, split_key=f"{key_added}_{_keys.SPLIT}")
    columns[fit.split_key] = pd.Categorical([_keys.TEST] * adata.n_obs)
    out = _validate.writable(adata, copy=copy)
    _tell_of_replaced(out, columns, read, key_added)
    for name, values in columns.items():
        out.obs[name] = values
    added = [f"obs[{name!r}]" for name in columns]
    if use_rep != _keys.EXPRESSION:
        out.obsm[use_rep] = read.latent
        added.append(f"obsm[{use_rep!r}]")
    if read.decoder is not None:
        out.uns[use_rep] = read.decoder
    store.save(out, key_added, replace(found.fitted, fit=fit))
    n_maps = len(found.fitted)
    logger.info("added %s, uns[%r] with %d map%s", ", ".join(added), key_added, n_maps, "s" * (n_maps != 1))
    return out if copy else None


def _tell_of_replaced(adata: AnnData, columns: Mapping[str, pd.Categorical], read: Attached, key_added: str) -> None:
    """Say in the log what an AnnData has already in the places that are written to, if that is something else."""
    use_rep = read.fit.use_rep
    replaced = [
        f"obs[{name!r}]" for name, values in columns.items() if name in adata.obs and any(adata.obs[name] != values)
    ]
    if use_rep != _keys.EXPRESSION and use_rep in adata.obsm:
        before = adata.obsm[use_rep]
        if np.shape(before) != read.latent.shape or not np.allclose(before, read.latent, atol=1e-4):
            replaced.append(f"obsm[{use_rep!r}]")
            others = _validate.kept_fits(adata).items()
            stale = [key for key, kept in others if kept.get("use_rep") == use_rep and key != key_added]
            if stale:
                logger.warning("the maps in uns%s were fitted in the former obsm[%r]: fit them again", stale, use_rep)
    if _validate.has_fit(adata, key_added) and not store.maps(adata, key_added).is_standalone:
        replaced.append(f"the maps in uns[{key_added!r}]")
    if replaced:
        logger.warning("%s: what was there is replaced by what the model has", ", ".join(replaced))


def read_alike(
    adata: AnnData,
    model: Model,
    *,
    perturbation_key: str | None = None,
    control: str | None = None,
    gene_key: str | None = None,
    context_map: Mapping[str, str] | None = None,
    prefix: str = _keys.MODEL,
    sources: np.ndarray | None = None,
) -> Attached:
    """Return the cells of an AnnData as a model reads them; parameters and errors as of :func:`attach`.

    Parameters
    ----------
    adata, model, perturbation_key, control, gene_key, context_map
        As there.
    prefix
        What columns that are made begin with.
    sources
        Positions of cells that are taken for control cells if none is labelled so.
    """
    fit, columns = _labelled(adata, model.fitted.fit, perturbation_key, control, sources)
    fit, contexts = _with_contexts(adata, model, fit, context_map or {}, prefix)
    n_dims = next(iter(model.fitted.maps.values())).n_dims
    layer = _keys.EXPRESSION if model.reference is None else model.reference.layer
    if layer not in (_keys.EXPRESSION, *adata.layers):
        raise KeyError(
            f"the model reads adata.layers[{layer!r}], which is not there: put the expression there, such as "
            f"adata.layers[{layer!r}] = adata.X.{_validate.nearest(layer, adata.layers)}"
        )
    latent, matched = place(adata, model.decoder, fit.use_rep, model.reference, n_dims=n_dims, gene_key=gene_key)
    return Attached(model, fit, latent, matched, columns | contexts, gene_key)


def _labelled(
    adata: AnnData, fit: Fit, perturbation_key: str | None, control: str | None, sources: np.ndarray | None
) -> tuple[Fit, dict[str, pd.Categorical[Any]]]:
    """Return the fit with the column and the control of an AnnData, and that column if it has to be made."""
    fit = replace(
        fit,
        label_key=fit.label_key if perturbation_key is None else perturbation_key,
        control=fit.control if control is None else one_label(control, what="control"),
    )
    if fit.control in fit.targets:
        raise ValueError(f"control {fit.control!r} is a perturbation of the model: give the untreated category.")
    if perturbation_key is None and fit.label_key not in adata.obs:
        if control is not None:
            raise ValueError(
                f"control={control!r} is given, and there is no obs[{fit.label_key!r}], as the column was called where "
                "the maps were fitted: give perturbation_key, too."
            )
        if sources is None:
            _check_other_columns(adata, fit)
        logger.warning("no obs[%r]: all cells are taken for %r", fit.label_key, fit.control)
        return fit, {fit.label_key: pd.Categorical([fit.control] * adata.n_obs)}
    labels = _validate.texts(_validate.obs_key(adata, fit.label_key, what="perturbation_key"), named=(fit.control,))
    if sources is not None and fit.control not in _validate.as_named(labels, [fit.control]):
        labels[sources] = fit.control
        return fit, {fit.label_key: pd.Categorical(labels)}
    fit.labels(adata)
    return fit, {}


def _check_other_columns(adata: AnnData, fit: Fit) -> None:
    """Raise :class:`ValueError` if a column of another name says which cells are control cells and which are not."""
    for name in adata.obs.columns:
        values = {str(value) for value in adata.obs[name].unique()} if adata.obs[name].dtype.kind not in "fc" else set()
        if fit.control in values and values & {*fit.targets}:
            raise ValueError(
                f"there is no obs[{fit.label_key!r}], and obs[{name!r}] has {fit.control!r} and "
                f"{sorted(values & {*fit.targets})[0]!r}: give perturbation_key={name!r}, or choose cells=."
            )


def check_contexts(model: Model, context_map: Mapping[str, str]) -> dict[str, str]:
    """Return what contexts are called in a model, as text, if it knows these.

    Raises
    ------
    ValueError
        If it does not.
    """
    given = {str(new): str(known) for new, known in context_map.items()}
    known = model.known_contexts
    if given and not known:
        raise ValueError("context_map is given, and the maps of the model know no contexts: leave it out.")
    every = sorted({name for names in known for name in names})
    for name in given.values():
        _validate.one_of(name, every, what="context_map: context")
    return given


def _with_contexts(
    adata: AnnData, model: Model, fit: Fit, context_map: Mapping[str, str], prefix: str
) -> tuple[Fit, dict[str, pd.Categorical[Any]]]:
    """Return the fit with the columns of contexts of an AnnData, and those that have to be made."""
    given, known = check_contexts(model, context_map), model.known_contexts
    columns: dict[str, pd.Categorical[Any]] = {}
    context, seen = [], set()
    for column, names in zip(fit.context, known, strict=True):
        made = f"{prefix}_{column}"
        if column not in adata.obs:
            logger.warning("no obs[%r]: no cell has a map of its own category in it", column)
            columns[made] = pd.Categorical([None] * adata.n_obs)
            context.append(made)
            continue
        labels = _validate.context_labels(adata, column)
        mapped = _validate.as_named(labels, names)
        for new, old in given.items():
            if old in names and (chosen := labels == new).any():
                seen.add(new)
                mapped = np.where(chosen, old, mapped)
        _tell_of_unknown(column, sorted({*mapped} - {*names, ""}), names)
        if (mapped == labels).all():
            context.append(column)
        else:
            columns[made] = pd.Categorical([name or None for name in mapped])
            context.append(made)
    if absent := sorted(given.keys() - seen):
        _check_level(adata, fit, absent[0], given[absent[0]])
        there = sorted(
            {name for one in fit.context if one in adata.obs for name in _validate.context_labels(adata, one)}
        )
        raise ValueError(
            f"context_map: no cell is of {absent[0]!r} where {given[absent[0]]!r} is a context of the model."
            f"{_validate.nearest(absent[0], [name for name in there if name])}"
        )
    return replace(fit, context=tuple(context)), columns


def _check_level(adata: AnnData, fit: Fit, new: str, known: str) -> None:
    """Raise :class:`ValueError` if cells of some context are there, in a column in which that of the model is not."""
    for column in fit.context:
        if column in adata.obs and new in _validate.context_labels(adata, column):
            raise ValueError(
                f"context_map: {new!r} is a category of obs[{column!r}], and {known!r} a context of another column of "
                "the model."
            )


def _tell_of_unknown(column: str, unknown: list[str], known: list[str]) -> None:
    """Say in the log which contexts a model does not know, and which of its own are called most alike."""
    if not unknown:
        return
    close = {name: _nearest(name, known) for name in unknown}
    words = [f"{name!r}" + f" (nearest: {close[name]!r})" * bool(close[name]) for name in unknown]
    alike = {name: one for name, one in close.items() if one}
    remedy = f"; if these are the same, give context_map={alike!r}" * bool(alike)
    logger.info(
        "obs[%r] has %d %s that the model does not know: %s%s%s",
        *(column, len(unknown), "category" if len(unknown) == 1 else "categories", ", ".join(words[:N_NAMED])),
        *(f" and {len(unknown) - N_NAMED} more" * (len(unknown) > N_NAMED), remedy),
    )


def _nearest(name: str, known: Sequence[str]) -> str:
    """Return the name that is most like another one, if any is: patients 1 and 2 are not."""
    numbers = re.findall(r"\d+", name)
    plain = {one.lower(): one for one in known if re.findall(r"\d+", one) == numbers}
    close = difflib.get_close_matches(name.lower(), plain, n=1)
    return plain[close[0]] if close else ""


def seen_by(read: Attached, adata: AnnData) -> AnnData:
    """Return an AnnData of the cells as a model sees them: its genes, its space, and the columns that it reads."""
    obs = adata.obs.copy()
    for name, values in read.columns.items():
        obs[name] = values
    use_rep = read.fit.use_rep
    reference = read.model.reference
    if read.matched is None or reference is None:
        out = AnnData(None, obs=obs, var=pd.DataFrame(index=pd.Index([], dtype=str)))
    else:
        var = _var(adata, read.matched.columns, reference.genes)
        out = AnnData(read.latent if use_rep == _keys.EXPRESSION else None, obs=obs, var=var)
    if use_rep != _keys.EXPRESSION:
        out.obsm[use_rep] = read.latent
    if read.model.decoder is not None:
        out.uns[use_rep] = dict(read.model.decoder)
    return out


def _var(adata: AnnData, columns: np.ndarray, genes: Sequence[str]) -> pd.DataFrame:
    """Return what an AnnData knows of genes, which are at these positions, nothing where that is -1."""
    var = adata.var.iloc[np.maximum(columns, 0)].copy()
    if (columns < 0).any():
        # what has a value for "not known", also in files
        nullable = {"b": "boolean", "i": "Int64", "u": "Int64"}
        kinds = {name: getattr(dtype, "kind", "O") for name, dtype in var.dtypes.items()}
        var = var.astype({name: nullable[kind] for name, kind in kinds.items() if kind in nullable})
        var = var.assign(**{str(name): var[name].where(columns >= 0) for name in var})
    return var.set_index(pd.Index(genes, dtype=str))
