"""What ``cellot-sc evaluate`` was told, a shard of it, and the table of all shards."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _files
from ._plan import Asked, ShardPlan, blocks_of, has, nothing, versions

if TYPE_CHECKING:
    import pandas as pd

    from ..tl._judge.judge import Judgement


@dataclasses.dataclass(frozen=True)
class Evaluating(Asked):
    """What is judged by what, as it was typed."""

    COMMAND = "evaluate"
    SUFFIX = ".h5"

    path: str
    target: list[str]
    split: str
    groupby: str | None
    metric: list[str]
    space: str
    baseline: list[str]
    prediction: list[str]
    n_markers: list[int]
    n_cells: list[int]
    unit: str | None
    floor: str | None
    n_boot: int
    seed: int
    key: str

    @property
    def options(self) -> dict[str, Any]:
        """The parameters of :func:`cellot_sc.tl.evaluate`."""
        from .. import _defaults

        return {
            "predictions": prediction_files(self.prediction),
            "targets": self.target or None,
            "key": self.key,
            "split": self.split,
            "groupby": self.groupby,
            "metrics": self.metric or _defaults.METRICS,
            "space": self.space,
            "baselines": self.baseline or None,
            "n_markers": self.n_markers or None,
            "n_cells": self.n_cells or None,
            "unit": self.unit,
            "floor": self.floor,
            "n_boot": self.n_boot,
            "seed": self.seed,
        }


def prediction_files(given: list[str]) -> dict[str, Path]:
    """Return files of predicted cells by the name of their model.

    Raises
    ------
    OSError
        If one is not there.
    ValueError
        If one is not given as ``NAME=FILE``, a name is given twice, or its file cannot hold cells.
    """
    from .. import _validate

    files: dict[str, Path] = {}
    for text in given:
        name, file = _validate.name_and_value(text, what="--prediction")
        if name in files:
            raise ValueError(f"--prediction {name} is given twice: give each model another name.")
        files[name] = Path(file)
        with _validate.of_prediction(f"--prediction {name}"):
            _files.check_input(files[name])
    return files


def evaluate_shard(asked: Evaluating, folder: Path, shard: int, n_shards: int) -> str:
    """Judge the blocks of a shard that are not there, and return what to say of it."""
    from .. import _on_disk
    from .._settings import logger

    there = ShardPlan.found(folder, asked)
    if there is not None and (said := nothing(there, shard, n_shards)):
        return said
    adata = _on_disk.cells(Path(asked.path))

    from ..tl._judge import kept
    from ..tl._judge.judging import prepare

    judging = prepare(adata, **asked.options)
    if judging.told.times is not None:
        raise ValueError(f"{asked.path} holds a time course, whose maps build on each other: leave out --shard.")
    plan = ShardPlan(asked, judging.names, n_shards, versions(), judging.digests).write(folder)
    wanted = blocks_of(shard, n_shards, len(plan.blocks))
    left = [i for i in wanted if not _is_there(plan, folder, i)]
    if len(left) < len(wanted):
        logger.info("%d of %d blocks are there already", len(wanted) - len(left), len(wanted))
    for i in left:
        kept.write(plan.place(folder, i), judging.judgements(plan.blocks[i]), judging.tabulation)
    return nothing(plan, shard, n_shards) or has(folder, shard, n_shards, plan)


def _is_there(plan: ShardPlan, folder: Path, block: int) -> bool:
    """Return whether a block is there; one that cannot be read is made again."""
    from .._settings import logger
    from ..tl._judge import kept

    place = plan.place(folder, block)
    if not place.exists():
        return False
    try:
        judgements, _ = kept.read(place)
    except (OSError, ValueError) as error:
        logger.warning("%s is made again: %s", place, error)
        return False
    return [*judgements] == plan.blocks[block]


def merged_table(plan: ShardPlan, folder: Path) -> pd.DataFrame:
    """Return the table that all shards make: the one of evaluate without shards.

    Raises
    ------
    ValueError
        If a block cannot be read, or is another one.
    """
    from ..tl._judge import kept

    judgements: dict[str, Judgement] = {}
    for i, names in enumerate(plan.blocks):
        place, again = plan.place(folder, i), f"remove it, and run {plan.command(folder, i)}"
        try:
            found, tabulation = kept.read(place)
        except (OSError, ValueError) as error:
            raise ValueError(f"{error}; {again}") from error
        if [*found] != names:
            raise ValueError(f"{place} is of other perturbations than {plan.path(folder)} says: {again}")
        judgements |= found
    return tabulation.table(judgements)
