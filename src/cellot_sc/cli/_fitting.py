"""What ``cellot-sc fit`` was told, and a shard of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _files, _keys
from ._plan import Asked, ShardPlan, blocks_of, has, nothing, versions

if TYPE_CHECKING:
    import typer
    from anndata import AnnData


@dataclasses.dataclass(frozen=True)
class Fitting(Asked):
    """What is fitted to which file, as it was typed."""

    COMMAND = "fit"
    SUFFIX = ".h5"

    path: str
    perturbation_key: str
    control: str
    target: list[str]
    solver: str
    option: list[str]
    use_rep: str | None
    n_components: int | None
    split_key: str
    holdout: list[str]
    contexts: list[str]
    match_abundance: bool | None
    seed: int
    key: str

    @property
    def groups(self) -> dict[str, list[str]]:
        """What is kept out of training, by the columns."""
        from .. import _assignments

        groups: dict[str, list[str]] = {}
        for column, group in _assignments.pairs(self.holdout, what="--holdout"):
            groups.setdefault(column, []).append(group)
        return groups

    def check(self, context: typer.Context) -> dict[str, Any]:
        """Check all that can be before gigabytes are read, and return the options of the solver."""
        from .. import _assignments, _validate

        path = Path(self.path)
        _validate.not_both({"--use-rep": self.use_rep, "--n-components": self.n_components})
        options = _assignments.solver_options(self.option, context)
        groups = self.groups
        _validate.seed(self.seed)
        if self.n_components is not None:
            _validate.whole(self.n_components, 1, what="n_components")
        _files.check_input(path)
        made = self.split_key == _keys.SPLIT or bool(groups) or self.n_components is not None
        columns = {"perturbation_key": self.perturbation_key, "split_key": None if made else self.split_key}
        _files.check_columns(path, columns)
        for column in self.contexts:
            _files.check_columns(path, {"context": column})
        for column in groups:
            _files.check_columns(path, {"holdout column": column})
        return options

    def read(self) -> tuple[AnnData, str | None]:
        """Return the cells, split and represented as far as that was asked for, and the name of the space."""
        from .. import _on_disk

        adata = _on_disk.cells(Path(self.path))

        from .. import pp

        groups, key = self.groups, self.split_key
        if groups and key in adata.obs:
            raise ValueError(f"adata.obs[{key!r}] exists, but --holdout makes a new split: give another --split-key.")
        if groups or (self.n_components is not None and key not in adata.obs):
            holdout = groups or None
            pp.split(adata, self.perturbation_key, control=self.control, holdout=holdout, seed=self.seed, key_added=key)
        if self.n_components is None:
            return adata, self.use_rep
        pp.represent(adata, n_components=self.n_components, split_key=key)
        return adata, _keys.REP

    def asked(self, use_rep: str | None) -> dict[str, Any]:
        """Return the parameters of :func:`cellot_sc.tl.cellot`, but for the options of the solver."""
        return {
            "perturbation_key": self.perturbation_key,
            "control": self.control,
            "targets": self.target or None,
            "use_rep": use_rep,
            "solver": self.solver,
            "split_key": self.split_key,
            "context": self.contexts or None,
            "match_abundance": self.match_abundance,
            "seed": self.seed,
            "key_added": self.key,
        }


def fit_shard(fitting: Fitting, options: dict[str, Any], folder: Path, shard: int, n_shards: int) -> str:
    """Fit the blocks of a shard that are not there, and return what to say of it."""
    there = ShardPlan.found(folder, fitting)
    if there is not None and (said := nothing(there, shard, n_shards)):
        return said
    adata, use_rep = fitting.read()

    from ..tl._fit import blocks
    from ..tl._fit.cellot import planned
    from ..tl._fit.fitting import fit_blocks

    fit, solver, cells, config = planned(adata, options=options, **fitting.asked(use_rep))
    made = bool(cells.columns) or cells.represented or use_rep != fitting.use_rep
    if made and n_shards > 1:
        from .._settings import logger

        logger.info(
            "every shard makes the split or the representation anew, all of them alike: it saves time to make both "
            "before, with cs.pp.split and cs.pp.represent"
        )
    # blocks know their cells themselves
    plan = ShardPlan(fitting, [*fit.targets], n_shards, versions(), {}).write(folder)
    wanted = blocks_of(shard, n_shards, len(plan.blocks))
    if wanted:
        kept = blocks.Folder(folder.absolute(), True)
        fit_blocks(fit.tied(cells.cells), solver, cells, config, kept, only=wanted)
    return nothing(plan, shard, n_shards) or has(folder, shard, n_shards, plan)
