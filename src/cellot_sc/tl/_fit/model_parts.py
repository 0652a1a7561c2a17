"""What the parts of a model have to be, and to agree on, wherever they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ... import _keys, _numbers
from ..._numbers import shown
from ...ot import SOLVERS, ContextMap, TransportMap
from . import store
from .fit import Fit

if TYPE_CHECKING:
    from .model import Model

CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What ends a line, moves the cursor or turns the direction of a text."""
LONGEST = 80
"""Letters of a version, at most."""


def escaped(text: str) -> str:
    """Return a text on one line, with what is no letter written as Python does."""
    return CONTROL_CHARACTERS.sub(lambda found: ascii(found[0])[1:-1], text)


def check_texts(tree: Any, path: str = "") -> None:
    """Raise :class:`ValueError` if a text in a tree, or a name, has control characters."""
    for at, text in _texts(tree, path):
        if CONTROL_CHARACTERS.search(text):
            raise ValueError(f"{at} is {ascii(text)[: _numbers.SHOWN]}, which has line breaks or control characters.")


def _texts(tree: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, str):
        yield path or "it", tree
    elif isinstance(tree, Mapping):
        for name, part in tree.items():
            yield f"a name in {path or 'it'}", str(name)
            yield from _texts(part, f"{path}.{escaped(str(name))}" if path else escaped(str(name)))
    elif isinstance(tree, list | tuple) or (isinstance(tree, np.ndarray) and tree.dtype == object):
        for part in tree:
            yield from _texts(part, path)


def check_parts(model: Model) -> None:
    """Raise :class:`ValueError` unless the parts of a model agree on labels, dimensions, contexts and genes."""
    fit = model.fitted.fit
    labels = (fit.control, *fit.targets)
    if len({*labels}) < len(labels):
        raise ValueError(f"control is {fit.control!r}, which is a target, too")
    columns = [fit.label_key, fit.split_key, *fit.context]
    if not all([*columns, fit.use_rep, *labels]) or len({*columns}) < len(columns):
        raise ValueError(f"its columns are {shown(columns)}; names are needed, of which no two are alike")
    if long := [name for one in fit.versions.items() for name in map(str, one) if len(name) > LONGEST]:
        raise ValueError(f"versions has {shown(long[0])}; texts of at most {LONGEST} letters are needed")
    n_cells = {name: _numbers.whole(n, 0, what=f"n_cells of {name!r}") for name, n in model.n_cells.items()}
    if [*n_cells] != [*labels]:
        raise ValueError(f"n_cells is of {shown([*n_cells])}; {shown(labels)} are needed")
    _check_maps(model)
    _check_genes(model)
    if model.scores is not None:
        check_scores(model.scores, fit)


def _maps(model: Model) -> Iterator[tuple[str, TransportMap]]:
    fitted = model.fitted
    yield from (("maps", one) for one in fitted.maps.values())
    if fitted.null is not None:
        own = [] if fitted.null.own is None else [fitted.null.own]
        yield from (("null", one) for one in (*fitted.null.maps, fitted.null.twin, *own))
    yield from (("baselines", one) for maps in fitted.baselines.values() for one in maps.values())


def _check_maps(model: Model) -> None:
    """Raise :class:`ValueError` unless all are of as many dimensions, and know no more contexts than the fit."""
    fitted = model.fitted
    fit = fitted.fit
    n_dims = next(iter(fitted.maps.values())).n_dims
    sizes = [(path, one.n_dims) for path, one in _maps(model)]
    if fitted.support is not None:
        sizes.append(("support.centroids", fitted.support.centroids.shape[1]))
    if fit.origin is not None:
        sizes.append(("origin", fit.origin.n_dims))
    if model.decoder is not None:
        sizes.append(("decoder", int(model.decoder["n_components"])))
    if fit.feature_weights is not None:
        sizes.append(("feature_weights", len(fit.feature_weights)))
    if wrong := next(((path, n) for path, n in sizes if n != n_dims), None):
        raise ValueError(f"{wrong[0]} is of {wrong[1]} dimensions; the {n_dims} of its maps are needed")
    if deep := next(((path, n) for path, one in _maps(model) if (n := _depth(one)) > len(fit.context)), None):
        raise ValueError(f"{deep[0]} has {deep[1]} levels of contexts; context has {len(fit.context)} columns")


def _depth(fitted: TransportMap) -> int:
    """Return how many levels of contexts a map knows."""
    if isinstance(inner := getattr(fitted, "inner", None), TransportMap):
        return _depth(inner)
    within = max((_depth(one) for one in getattr(fitted, "maps", []) if isinstance(one, TransportMap)), default=0)
    return within + isinstance(fitted, ContextMap)


def _check_genes(model: Model) -> None:
    """Raise :class:`ValueError` unless decoder, reference and what maps go beyond are of the genes of the space."""
    fit, decoder, reference = model.fitted.fit, model.decoder, model.reference
    is_expression = fit.use_rep == _keys.EXPRESSION
    if is_expression and decoder is not None:
        raise ValueError("use_rep is 'X', which is not decoded, and there is a decoder")
    features = () if fit.origin is None else fit.origin.features
    genes = tuple(features if decoder is None else decoder["var_names"])
    if wrong := next((len(of) for of in model.fitted.residuals.values() if len(of) != len(genes)), None):
        raise ValueError(f"residuals are of {wrong} genes; {len(genes)} are needed")
    if reference is None:
        return
    if decoder is None and not is_expression:
        raise ValueError(f"use_rep is {fit.use_rep!r} without a decoder, and there is a reference of genes")
    if reference.genes != genes:
        raise ValueError(
            f"reference.genes is {shown(list(reference.genes))}; {shown(list(genes))} are needed, in this order"
        )
    if decoder is not None and reference.layer != str(decoder["layer"]):
        raise ValueError(f"reference.layer is {reference.layer!r}, and that of the decoder {decoder['layer']!r}")
    if abs(float(reference.weight.sum(dtype=np.float64)) - 1) > 1e-3:
        raise ValueError(f"reference.weight is {shown(reference.weight)}; shares that sum to one are needed")


def check_scores(given: Any, fit: Fit) -> None:
    """Raise an error unless something is a table of :func:`cellot_sc.tl.evaluate`, of these very maps.

    Parameters
    ----------
    given
        The table.
    fit
        The fit of the model.

    Raises
    ------
    TypeError
        If it is no table.
    ValueError
        If a column is missing, is another one, or holds something else; or if the maps are others than those judged.
    """
    if not isinstance(given, pd.DataFrame):
        raise TypeError(f"scores is {shown(given)}; a table of cs.tl.evaluate is needed.")
    solver = SOLVERS.get(fit.solver)
    if solver is not None and solver.keeps_cells:
        raise ValueError(
            f"maps of solver {fit.solver!r} are fitted to means of cells again, so that scores of the maps before are "
            "not theirs: attach the model to an AnnData with treated cells, and judge there."
        )
    check_table(given, "scores", [*_keys.SCORE_TEXTS, *_keys.SCORE_NUMBERS], _keys.SCORE_TEXTS, _keys.SCORE_TESTS)
    for column, valid in (("perturbation", (*fit.targets, _keys.MEAN)), ("split", _keys.SPLITS)):
        if others := [value for value in given[column].unique() if value not in valid]:
            raise ValueError(f"scores has {column} {shown(others[0])}; {shown(list(valid))} are valid.")


def check_history(given: pd.DataFrame) -> None:
    """Raise :class:`ValueError` unless a table is a history."""
    check_table(given, "history", store.HISTORY_COLUMNS, ("perturbation", "metric"))


def check_table(
    given: pd.DataFrame, what: str, columns: list[str], texts: tuple[str, ...], more: tuple[str, ...] = ()
) -> None:
    """Raise :class:`ValueError` unless a table has columns, some of them of texts, the others of numbers."""
    names = [str(name) for name in given.columns]
    if len({*names}) < len(names) or not {*columns} <= {*names} <= {*columns, *more}:
        other = next((name for name in names if name not in {*columns, *more}), None)
        absent = next((name for name in columns if name not in names), None)
        why = f"has a column {shown(other)}" if other else f"has no column {absent!r}" if absent else "has one twice"
        raise ValueError(f"{what} {why}; the columns {', '.join(columns)} are needed.")
    for name in names:
        column = given[name]
        if name in texts:
            right = all(isinstance(one, str) for one in column)
        else:
            right = column.dtype.kind in "iuf" and not np.isinf(column.to_numpy(dtype=np.float64)).any()
        if not right:
            kind = "texts" if name in texts else "numbers"
            raise ValueError(f"{what}.{name} is {shown(column.tolist())}; {kind} are needed.")
    check_texts({name: given[name].tolist() for name in texts}, what)
