"""The part of the report on how like those that were learnt from the cells are that are judged by."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from anndata import AnnData

from .. import _keys, _validate, tl
from ..ot import ContextMap, TransportMap
from ..ot._support import Support
from ..tl._fit.contexts import followed
from ..tl._fit.predict import BEYOND
from ._items import Item
from ._scores import WORDS
from ._table import Cell, percent, render

N_NAMED = 5
"""Categories that a sentence names."""
NO_NAME = "no label"


def draw(adata: AnnData, fitted: tl.FittedMaps, *, split: str, unit: str | None) -> list[Item]:
    """Return how far the control cells of a split lie from those that were learnt from, if that is known.

    Each context, such as a patient, is compared with how far those that were learnt from lie from each other.

    Parameters
    ----------
    adata
        Annotated data with fitted maps.
    fitted
        The maps.
    split
        The split that was judged.
    unit
        Column of ``obs`` whose categories are told apart where the maps know no contexts, if there is one.
    """
    fit, known = fitted.fit, fitted.support
    if known is None or fitted.fit.times is not None:
        return []
    controls = fit.controls(adata)
    parts = fit.parts(adata)[controls]
    judged, train = parts == split, parts == _keys.TRAIN
    if not judged.any():
        return []
    x = fit.scaled(fit.space(adata).read(controls[judged]))
    beyond = known.of(x) < BEYOND
    sentences = ["A map is known where there were control cells to learn from. " + _outside(beyond, WORDS[split])]
    contexts = fit.contexts(adata, controls[judged])
    sentences += [
        f"{n:,} of them {words}." for words, n in followed(fitted.maps.values(), contexts, fit.context).items()
    ]
    columns = [*fit.context[-1:], *([] if unit is None else [unit])]
    labels = {column: _validate.context_labels(adata, column)[controls] for column in columns}
    # in a model, which keeps no train cells, contexts that were learnt from are those that have maps
    mapped = set().union(*(_mapped(fitted.maps[name], len(fit.context)) for name in fitted))
    learnt = {column: mapped if fitted.is_standalone else {*names[train]} - {""} for column, names in labels.items()}
    column, table, note = _column(labels, learnt, judged), "", ""
    if column is not None:
        names, seen = labels[column], learnt[column]
        groups = {str(name): names[judged] == name for name in sorted({*names[judged]})}
        as_far = {}
        # where the column is no context, or there is one seen, distances are those of other parts of the cells
        if column in fit.context[-1:] and len(seen) > 1:
            as_far = {name: _as_far(known, x[cells]) for name, cells in groups.items() if name and name not in seen}
        sentences += _sentences(as_far, column, len(known.contexts))
        table = _table(column, groups, seen, as_far, beyond, len(known.contexts))
        note = "“Extrapolated” is the share of cells that lie further than 99 % of those that were learnt from."
        if as_far:
            note += (
                " “Seen ones as far” is how many of those that were learnt from lie as far from the others as this one "
                "from all: with none, it is unlike any."
            )
    title = "Are these cells like those that were learnt from?"
    return [Item("support", title, " ".join(sentences), table=table, note=note)]


def _outside(beyond: np.ndarray, cells: str) -> str:
    """Return in words how many cells lie outside of those that were learnt from, and what follows."""
    n, least = int(beyond.sum()), "further from them than 99 % of them lie from each other"
    if not n:
        return f"Of the {len(beyond):,} control cells among {cells}, none lies outside of these ({least})."
    lie = "lies" if n == 1 else f"({percent(float(beyond.mean()))}) lie"
    return (
        f"Of the {len(beyond):,} control cells among {cells}, {n:,} {lie} outside of these ({least}): what is "
        "predicted there is extrapolated."
    )


def _table(
    column: str,
    groups: Mapping[str, np.ndarray],
    seen: Collection[str],
    as_far: Mapping[str, int],
    beyond: np.ndarray,
    n_seen: int,
) -> str:
    """Return a row per category, with how many of those seen lie as far, where some category is new."""
    rows = [
        [
            Cell(name or NO_NAME),
            Cell.count(int(cells.sum())),
            Cell("yes" if name in seen else "no"),
            *([_rank(as_far.get(name), n_seen)] if as_far else []),
            _share(beyond[cells]),
        ]
        for name, cells in groups.items()
    ]
    heads = [column, "control cells", "learnt from", *(["seen ones as far"] if as_far else []), "extrapolated"]
    return render(heads, rows, first=("extrapolated",))


def _column(labels: Mapping[str, np.ndarray], learnt: Mapping[str, Collection[str]], judged: np.ndarray) -> str | None:
    """Return the column whose categories are told apart: the innermost context, or what else has new ones."""
    new = [column for column, names in labels.items() if {*names[judged]} - {"", *learnt[column]}]
    return next(iter([*new, *labels]), None)


def _mapped(fitted: TransportMap, depth: int) -> set[str]:
    """Return the names of all contexts at so many levels down that have a map of their own."""
    if not depth or not isinstance(fitted, ContextMap):
        return set()
    if depth == 1:
        return {*fitted.names}
    return set().union(*(_mapped(inner, depth - 1) for inner in fitted.maps))


def _as_far(known: Support, x: np.ndarray) -> int:
    """Return how many contexts that were learnt from lie as far from the others as one of these cells does from all."""
    n = len(known.contexts)
    return round(known.of_context(x) * (n + 1)) - 1


def _sentences(as_far: dict[str, int], column: str, n_seen: int) -> list[str]:
    """Return in words which new contexts are like those that were learnt from, and which are unlike any."""
    near, far = ([name for name, n in as_far.items() if bool(n) == is_near] for is_near in (True, False))
    found = []
    if near:
        found.append(
            f"Of “{column}”, {_lie(near)} as far from the {n_seen} that were learnt from as these lie from each other, "
            "or nearer."
        )
    if far:
        found.append(
            f"Of “{column}”, {_lie(far)} further from the {n_seen} that were learnt from than any of these lies from "
            "the others: be careful with what is predicted there."
        )
    return found


def _lie(names: Sequence[str]) -> str:
    if len(names) > N_NAMED:
        return f"{len(names)} new ones lie"
    quoted = [f"“{name}”" for name in names]
    return f"{quoted[0]} lies" if len(names) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]} lie"


def _rank(as_far: int | None, n_seen: int) -> Cell:
    return Cell.of(math.nan) if as_far is None else Cell(f"{as_far} of {n_seen}", as_far)


def _share(beyond: np.ndarray) -> Cell:
    share = float(beyond.mean())
    return Cell(percent(share), share)
