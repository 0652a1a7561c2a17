"""What ``cellot-sc predict`` was told, a shard of it, and the predictions of all shards."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _assignments, _files, _keys
from .._settings import logger
from ._plan import Asked, ShardPlan, blocks_of, has, nothing, versions

if TYPE_CHECKING:
    from anndata import AnnData

    from ..tl._fit.model import Model


@dataclasses.dataclass(frozen=True)
class Predicting(Asked):
    """Whose treated state is predicted by what, as it was typed."""

    COMMAND = "predict"
    SUFFIX = ".h5ad"

    model: str
    cells: list[str]
    target: list[str]
    control_key: str | None
    control: str | None
    gene_key: str | None
    context_map: list[str]
    uncertainty: bool
    key: str

    @property
    def of_cells(self) -> dict[str, Any]:
        """What is told of other cells than those of the fit, as parameters of :func:`cellot_sc.tl.predict`."""
        known: dict[str, Any] = {
            "perturbation_key": self.control_key,
            "control": self.control,
            "gene_key": self.gene_key,
            "context_map": _assignments.named_once(self.context_map, what="--context-map") or None,
        }
        return {name: value for name, value in known.items() if value is not None}

    def read(self) -> tuple[AnnData, dict[str, Any]]:
        """Return the cells and the parameters of :func:`cellot_sc.tl.predict`, all but the perturbations."""
        from .. import _validate

        options: dict[str, Any] = {"key": self.key, "uncertainty": self.uncertainty}
        if self.cells:
            from ..tl._fit.attach import check_contexts
            from ..tl._fit.model import resolved
            from ..tl._fit.predict import check_spread

            # what is wrong with a model is said before gigabytes are read
            found = resolved(Path(self.model), self.key)
            names = _validate.some_of(self.target or None, found.fitted.maps, what="target")
            check_contexts(found, self.of_cells.get("context_map", {}))
            if self.uncertainty:
                check_spread({name: found.fitted.maps[name] for name in names}, found.fitted.fit)
            options |= self.of_cells | {"model": found}
        return _files.read(Path([self.model, *self.cells][-1])), options


def predict_shard(asked: Predicting, folder: Path, shard: int, n_shards: int) -> str:
    """Predict the blocks of a shard that are not there, and return what to say of it."""
    there = ShardPlan.found(folder, asked)
    if there is not None and (said := nothing(there, shard, n_shards)):
        return said
    adata, options = asked.read()

    from .. import tl

    with _told_once():
        names, digests = _known(asked, adata, options.get("model"))
        plan = ShardPlan(asked, names, n_shards, versions(), digests).write(folder)
        wanted = blocks_of(shard, n_shards, len(plan.blocks))
        left = [i for i in wanted if not _is_there(plan.place(folder, i))]
        if len(left) < len(wanted):
            logger.info("%d of %d blocks are there already", len(wanted) - len(left), len(wanted))
        for i in left:
            with _files.output(plan.place(folder, i), _files.ANNDATA, overwrite=True) as new:
                _files.write(tl.predict(adata, plan.blocks[i], **options), new)
    return nothing(plan, shard, n_shards) or has(folder, shard, n_shards, plan)


def merge_predictions(plan: ShardPlan, folder: Path, new: Path) -> None:
    """Write the predictions of all shards, as predict does without shards.

    Raises
    ------
    ValueError
        If a block cannot be read.
    """
    from ._stacked import stack

    places = [plan.place(folder, i) for i in range(len(plan.blocks))]
    for i, place in enumerate(places):
        again = f"remove it, and run {plan.command(folder, i)}"
        try:
            made = _made(place)
        except Exception as error:
            raise ValueError(f"{place} is half written, or broken: {again}") from error
        if [*made["targets"]] != plan.blocks[i]:
            raise ValueError(f"{place} is of other perturbations than {plan.path(folder)} says: {again}")
    stack(places, new, {_keys.PREDICTION: made | {"targets": np.array(plan.targets, dtype=object)}})


def _made(place: Path) -> dict[str, Any]:
    """Return what the predictions of a block were made by; raises whatever it does of a file that is cut short."""
    from anndata.io import read_elem

    from ._stacked import opened

    with opened(place) as group:
        made: dict[str, Any] = read_elem(group[f"uns/{_keys.PREDICTION}"])
    return made


def _is_there(place: Path) -> bool:
    """Return whether a block is there whole."""
    if not place.exists():
        return False
    with suppress(Exception):
        _made(place)
        return True
    logger.warning("%s is half written, and made again", place)
    return False


def _known(asked: Predicting, adata: AnnData, model: Model | None) -> tuple[list[str], dict[str, str]]:
    """Return the perturbations that are predicted, and what the maps and the cells are known by."""
    from .. import _validate
    from .._digest import digest_of_cells
    from ..tl._fit import store
    from ..tl._fit.attach import read_alike, seen_by

    if model is None:
        fitted = store.maps(adata, asked.key)
    else:
        read = read_alike(adata, model, prefix=asked.key, **asked.of_cells)
        adata, fitted = seen_by(read, adata), dataclasses.replace(read.model.fitted, fit=read.fit)
    names = _validate.some_of(asked.target or None, fitted.maps, what="target")
    fit = fitted.fit
    rows = fit.controls(adata)
    points, contexts = fit.space(adata).read(rows), fit.contexts(adata, rows)
    cells = digest_of_cells(adata.obs_names[rows], *(() if contexts is None else contexts.T))
    points_digest = hashlib.blake2b(np.ascontiguousarray(points), digest_size=8).hexdigest()
    return names, {"maps": fitted.digest, "cells": cells + points_digest}


@contextmanager
def _told_once() -> Iterator[None]:
    """Keep the log from saying of every block what it has said of the one before."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        new = text not in said
        said.add(text)
        return new

    logger.addFilter(is_new)
    try:
        yield
    finally:
        logger.removeFilter(is_new)
