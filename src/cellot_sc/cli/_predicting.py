"""What ``cellot-sc predict`` was told, a shard of it, and the predictions of all shards."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _assignments, _keys
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
        from .. import _on_disk, _validate

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
        return _on_disk.cells(Path([self.model, *self.cells][-1])), options


def predict_shard(asked: Predicting, folder: Path, shard: int, n_shards: int) -> str:
    """Predict the blocks of a shard that are not there, and return what to say of it."""
    there = ShardPlan.found(folder, asked)
    if there is not None and (said := nothing(there, shard, n_shards)):
        return said
    adata, options = asked.read()

    from .. import tl
    from .._settings import logger

    with _told_once():
        names, digests = _known(asked, adata, options.get("model"))
        plan = ShardPlan(asked, names, n_shards, versions(), digests).write(folder)
        wanted = blocks_of(shard, n_shards, len(plan.blocks))
        left = [i for i in wanted if not _is_there(plan.place(folder, i))]
        if len(left) < len(wanted):
            logger.info("%d of %d blocks are there already", len(wanted) - len(left), len(wanted))
        for i in left:
            tl.predict(adata, plan.blocks[i], **options, out=plan.place(folder, i), overwrite=True)
    return nothing(plan, shard, n_shards) or has(folder, shard, n_shards, plan)


def merge_predictions(plan: ShardPlan, folder: Path, new: Path) -> None:
    """Write the predictions of all shards, as predict does without shards.

    Raises
    ------
    ValueError
        If a block cannot be read.
    """
    import numpy as np
    from anndata import AnnData, concat

    from .. import _on_disk

    blocks = []
    for i, names in enumerate(plan.blocks):
        place, again = plan.place(folder, i), f"remove it, and run {plan.command(folder, i)}"
        try:
            blocks.append(_on_disk.opened(place))
        except (OSError, ValueError) as error:
            raise ValueError(f"{error}; {again}") from error
        if [*blocks[i].uns[_keys.PREDICTION]["targets"]] != names:
            raise ValueError(f"{place} is of other perturbations than {plan.path(folder)} says: {again}")
    frames = [AnnData(None, obs=block.obs, var=block.var, uns=block.uns) for block in blocks]
    frame = frames[0] if len(frames) == 1 else concat(frames, merge="same", uns_merge="same")
    made = blocks[0].uns[_keys.PREDICTION]
    frame.uns[_keys.PREDICTION] = made | {"targets": np.array(plan.targets, dtype=object)}
    file = _on_disk.GrowingFile(new, frame.n_obs)
    try:
        for block in blocks:
            n_rows = max(1, _on_disk.ROW_CHUNK // block.n_vars)
            for start in range(0, block.n_obs, n_rows):
                file.add(block[start : start + n_rows].to_memory())
        file.finish(frame)
    finally:
        file.close()


def _is_there(place: Path) -> bool:
    """Return whether a block is there; one that cannot be read is made again."""
    from .. import _on_disk
    from .._settings import logger

    if not place.exists():
        return False
    try:
        _on_disk.opened(place)
    except (OSError, ValueError) as error:
        logger.warning("%s is made again: %s", place, error)
        return False
    return True


def _known(asked: Predicting, adata: AnnData, model: Model | None) -> tuple[list[str], dict[str, str]]:
    """Return the perturbations that are predicted, and what the maps and the cells are known by."""
    import numpy as np

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
    from .._settings import logger

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
