"""A fit apart from its data: what is saved, shared and applied to other cells, without a cell that was learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _files, _keys, _trees, _validate
from ..._numbers import shown
from ..._states import NOT_NEGATIVE, Reals, StateReading, Text, Texts, check_names, read_fields
from ...ot import SOLVERS, ContextMap, TransportMap
from ...pp._decode import decoder_digest
from ...pp._methods import check
from ...pp._origin import MARKS
from ...pp._reference import Reference
from . import store
from .few_cells import pooled_contexts
from .fit import PERTURBATIONS
from .model_parts import check_history, check_parts, check_scores, check_texts, escaped
from .standalone import standalone

KIND, VERSION = "model", 1
"""What the file says that it is, and of which format: raised when a reader of the old would misread the new."""
CITATION = "Bunne et al. 2023, doi 10.1038/s41592-023-01969-x"
"""What is cited for any map; a solver adds its own."""
PARTS = ("fit", "history", "decoder", "reference", "scores", "n_cells")
NOT_KEPT = (MARKS, _keys.FILLED, _keys.GENE_KEY)
"""What a decoder in an AnnData says of its cells."""
N_SHOWN = 5
"""Names of perturbations, contexts or genes that the label shows."""


@dataclass(frozen=True, repr=False, eq=False)
class Model:
    """Fitted maps and all that it takes to apply them to the next file, without a cell that was learnt from.

    Made of a fit by :meth:`of`, kept in a file by :meth:`save` and :meth:`load`, and applied by
    :func:`cellot_sc.tl.predict` and :func:`cellot_sc.tl.attach`.

    Parameters
    ----------
    fitted
        The maps, the record of their fit, where their control cells lie, and the maps that errors are told by and those
        that they are compared with.
    decoder
        What represents cells and decodes them, as :func:`cellot_sc.pp.represent` keeps it; ``None`` where it was given.
    reference
        What the expression looked like that was represented; ``None`` where there was none.
    n_cells
        Number of train cells of the control and of every target.
    scores
        The table of :func:`cellot_sc.tl.evaluate`, if there is one.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> new = adata[adata.obs["perturbation"] == "control"].copy()
    >>> cs.pp.represent(adata, n_components=10)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> model = cs.Model.of(adata)
    >>> model
    Model of 'control' to 'drug_a', 'drug_b'
      maps      gaussian in 10 dimensions, pca of 50 genes
      learnt    from 320 'control', 160 'drug_a', 160 'drug_b' train cells; holds none of them
      made by   cellot_sc 0.1.0
      cite      Bunne et al. 2023, doi 10.1038/s41592-023-01969-x
    >>> cs.tl.predict(new, "drug_a", model=model).n_obs
    200
    """

    fitted: store.FittedMaps
    decoder: Mapping[str, Any] | None
    reference: Reference | None
    n_cells: Mapping[str, int]
    scores: pd.DataFrame | None = None

    @classmethod
    def of(cls, adata: AnnData, key: str = _keys.MODEL, *, scores: pd.DataFrame | None = None) -> Model:
        """Return the model of a fit.

        What verbs need the train cells for is made here: maps of no effect, which errors are told by, and baselines.
        Maps that hold cells, as those of discrete transport do, are fitted again to means of at least 20 cells.

        Parameters
        ----------
        adata
            Annotated data with fitted maps, and the cells that they were fitted to.
        key
            Where in ``uns`` the maps are.
        scores
            The table of :func:`cellot_sc.tl.evaluate` of these maps, to be kept beside them.

        Raises
        ------
        TypeError
            If scores are no table.
        KeyError
            If there are no fitted maps, or no such representation.
        ValueError
            If the train cells are not there, the space of the maps has changed since they were fitted, or the maps hold
            cells and cannot be fitted again; if there are fewer than 40 control train cells, or 20 of every target
            (where some have as many, the others are left out, which the log says); if a name has control characters, or
            scores are no table of evaluate, or not of the maps that are kept.
        """
        found = in_adata(adata, key)
        if scores is not None:
            check_scores(scores, found.fitted.fit)
        fitted = standalone(found.fitted, adata)
        n_cells = {name: found.n_cells[name] for name in (fitted.fit.control, *fitted.fit.targets)}
        made = replace(found, fitted=fitted, n_cells=n_cells, scores=scores)
        check_parts(made)
        check_texts(made.state())
        return made

    @property
    def known_contexts(self) -> list[list[str]]:
        """Names of the contexts that maps know in each column of the fit's ``context``, sorted."""
        levels: list[set[str]] = [set() for _ in self.fitted.fit.context]
        for fitted in self.fitted.maps.values():
            _add_contexts(fitted, levels)
        return [sorted(names) for names in levels]

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the model to a file, whole or not at all.

        Parameters
        ----------
        path
            Where: a name that ends in ``.zarr`` (a folder) or ``.h5`` (a file), such as ``"ifnb.cellot.zarr"``.
        overwrite
            Whether to replace what is there.

        Raises
        ------
        FileExistsError
            If it exists and is not to be replaced.
        OSError
            If it cannot be written.
        ValueError
            If its name ends otherwise.
        """
        _trees.write_tree(self.state(), Path(path), kind=KIND, version=VERSION, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model from a file, which may come from anywhere: every field is checked, and nothing is executed.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        ValueError
            If it is no model, of a later version, broken, or a field is not what it has to be.
        """
        path = Path(path)
        tree = _trees.read_tree(path, kind=KIND, versions=(VERSION,))
        try:
            return cls._from_state(tree)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path} cannot be read as a model: {reason.removesuffix('.')}. Save it anew.") from error

    def state(self) -> dict[str, Any]:
        """Return all of it as arrays, texts, numbers and dicts of them."""
        fit = store.state_of(self.fitted)
        return {
            "fit": {name: value for name, value in fit.items() if name != "history"},
            "history": _columns(self.fitted.history),
            "decoder": None if self.decoder is None else dict(self.decoder),
            "reference": None if self.reference is None else self.reference.state(),
            "scores": None if self.scores is None else _columns(self.scores),
            "n_cells": {"names": list(self.n_cells), "numbers": list(self.n_cells.values())},
        }

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        check_names(state, PARTS)
        check_texts(state)
        if state["fit"]["format_version"] != store.FORMAT_VERSION:
            raise ValueError(f"its maps are of format {shown(state['fit']['format_version'])}")
        history = _table(state["history"], "history")
        check_history(history)
        fitted = store.read_state(dict(state["fit"]) | {"history": history})
        if not fitted.is_standalone:
            raise ValueError("null is missing.")
        decoder = state["decoder"]
        if decoder is not None:
            decoder = _decoder(decoder)
        origin = fitted.fit.origin
        if origin is None or decoder_digest(decoder or {}) != origin.decoder:
            raise ValueError("its decoder is not the one that its maps were fitted with")
        reference = None if state["reference"] is None else Reference.read(state["reference"])
        counted = read_fields(
            state["n_cells"], {"names": Texts(), "numbers": Reals(NOT_NEGATIVE)}, StateReading(), path="n_cells"
        )
        if len(counted["names"]) != len(counted["numbers"]):
            raise ValueError(f"n_cells has {len(counted['names'])} names and {len(counted['numbers'])} numbers")
        n_cells = {name: int(n) for name, n in zip(counted["names"], counted["numbers"], strict=True)}
        scores = None if state["scores"] is None else _table(state["scores"], "scores")
        model = cls(fitted, decoder, reference, n_cells, scores)
        check_parts(model)
        return model

    def __repr__(self) -> str:
        fit = self.fitted.fit
        what = f"Model of {fit.control!r} to {_some(fit.targets)}"
        return "\n".join([what, *(f"  {name:<9} {escaped(words)}" for name, words in self._label().items())])

    def _label(self) -> dict[str, str]:
        """Return what the label says, by what it is about."""
        fit = self.fitted.fit
        n_dims = next(iter(self.fitted.maps.values())).n_dims
        solver = SOLVERS.get(fit.solver)
        by = fit.solver if solver is not None or fit.kind != PERTURBATIONS else f"{fit.solver} (not installed here)"
        lines = {"maps": f"{by} in {n_dims} dimensions, {self._space_words()}"}
        if fit.context:
            known = zip(fit.context, self.known_contexts, strict=True)
            lines["contexts"] = "; ".join(f"{column}: {len(names)} ({_some(names)})" for column, names in known)
        if self.n_cells:
            counts = ", ".join(f"{n:,} {name!r}" for name, n in list(self.n_cells.items())[:N_SHOWN])
            more = f" and {len(self.n_cells) - N_SHOWN} more" * (len(self.n_cells) > N_SHOWN)
            lines["learnt"] = f"from {counts}{more} train cells; holds none of them"
        if solver is not None and solver.keeps_cells:
            lines["refitted"] = "to means of at least 20 cells each, since its maps would hold cells"
        if solver is not None and solver.affine == "shift":
            paths = sorted({"/".join(path) for one in self.fitted.maps.values() for path in pooled_contexts(one)})
            if paths:
                lines["pooled"] = f"{len(paths)} contexts, which move as what they lie in ({_some(paths)})"
        if self.scores is not None and len(self.scores):
            lines["judged"] = _judged(self.scores, fit.solver)
        lines["made by"] = ", ".join(f"{name} {version}" for name, version in fit.versions.items())
        lines["cite"] = "; ".join([CITATION, *(one for one in (solver.cites if solver else ()) if "doi" in one)])
        return lines

    def _space_words(self) -> str:
        if self.reference is None:
            return f"of obsm[{self.fitted.fit.use_rep!r}], which is to be given"
        how = "" if self.decoder is None else f"{self.decoder['method']} of "
        return f"{how}{len(self.reference.genes):,} genes ({self.reference.scale.words})"


def in_adata(adata: AnnData, key: str = _keys.MODEL) -> Model:
    """Return what it takes to apply the maps of an AnnData, as they are, to other cells; errors as of :meth:`Model.of`.

    It may hold cells, and has none of what verbs but :func:`cellot_sc.tl.predict` need: it is not to be saved.
    """
    _validate.annotated(adata)
    fitted = store.maps(adata, key)
    fit, space = fitted.fit, fitted.fit.space(adata)
    decoder = {name: value for name, value in space.decoder.items() if name not in NOT_KEPT} or None
    if fitted.is_standalone:
        raise ValueError(
            f"adata.uns[{key!r}] was attached from a model, and has not all that was in it: give that model."
        )
    labels, train = fit.labels(adata), fit.parts(adata) == _keys.TRAIN
    n_cells = {name: int((train & (labels == name)).sum()) for name in (fit.control, *fit.targets)}
    seen = np.flatnonzero(train & np.isin(labels, [*n_cells]))
    return Model(fitted, decoder, Reference.of(space, seen), n_cells)


def resolved(given: Model | AnnData | str | Path, key: str = _keys.MODEL, *, whole: bool = False) -> Model:
    """Return a model, that of an AnnData, or that of a file of either kind.

    Parameters
    ----------
    given
        Any of these.
    key
        Where in ``uns`` of an AnnData the maps are.
    whole
        Whether more than prediction is to be done with that of an AnnData; see :func:`in_adata`.

    The errors are those of :meth:`Model.load` and :meth:`Model.of`.
    """
    if isinstance(given, Model):
        return given
    if isinstance(given, str | Path):
        path = Path(given)
        # what is no file of cells either is refused as a model
        if path.suffix not in _files.ANNDATA or _trees.tree_kind(path) is not None:
            return Model.load(path)
        given = _files.read(path)
    return Model.of(given, key) if whole else in_adata(given, key)


def _judged(scores: pd.DataFrame, solver: str) -> str:
    """Return the first metric of a table, and what no effect has of it, for all cells."""
    rows = scores[(scores["metric"] == scores["metric"].iloc[0]) & (scores["group"] == _keys.ALL)]
    means = rows.groupby("model", sort=False)["value"].mean()
    order = [name for name in (solver, *means.index) if name in means.index]
    values = ", ".join(f"{name} {means[name]:.3g}" for name in dict.fromkeys(order))
    return f"{rows['metric'].iloc[0]} on {rows['split'].iloc[0]} cells: {values}"


def _some(names: Any) -> str:
    shown_names = ", ".join(map(repr, names[:N_SHOWN]))
    return shown_names + f" and {len(names) - N_SHOWN} more" * (len(names) > N_SHOWN)


def _add_contexts(fitted: TransportMap, levels: list[set[str]], depth: int = 0) -> None:
    if isinstance(fitted, ContextMap) and depth < len(levels):
        levels[depth].update(fitted.names)
        for inner in fitted.maps:
            _add_contexts(inner, levels, depth + 1)


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    """Return a table as arrays of numbers and lists of texts, by their numbers and beside their names."""
    values = [
        column.to_numpy() if column.dtype.kind in "biuf" else [str(one) for one in column]
        for column in (table[name] for name in table)
    ]
    return {"names": [str(name) for name in table], "columns": {str(i): value for i, value in enumerate(values)}}


def _table(state: Any, path: str) -> pd.DataFrame:
    """Return the table that was kept so; raise :class:`ValueError` if it is something else."""
    read = read_fields(state, {"names": Texts()}, StateReading(), path=path, others=["columns"])
    names = read["names"]
    check_names(state["columns"], [str(i) for i in range(len(names))], path=f"{path}.columns")
    columns = {}
    for i, name in enumerate(names):
        value = state["columns"][str(i)]
        texts = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
        if not texts and not (isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf"):
            raise ValueError(f"{path}.columns.{i} is {shown(value)}; texts or a row of numbers are needed.")
        columns[name] = pd.array(value, dtype="str") if texts else value
    if len({len(value) for value in columns.values()}) > 1:
        raise ValueError(f"{path} has columns of different lengths.")
    return pd.DataFrame(columns)


def _decoder(given: Any) -> dict[str, Any]:
    """Return a decoder that may come from anywhere, if it is one."""
    genes = read_fields(given, {"var_names": Texts("g"), "layer": Text()}, StateReading(), path="decoder", others=None)
    decoder = dict(given) | {"var_names": np.array(genes["var_names"], dtype=object), "layer": genes["layer"]}
    check(decoder)
    return decoder
