"""What ``cellot-sc fit`` was told, and a shard of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _files, _keys
from ._plan import Asked, ShardPlan, blocks_of, has, nothing, versions
from ._preparing import Preparing, grouped

if TYPE_CHECKING:
    import typer
    from anndata import AnnData


@dataclasses.dataclass(frozen=True)
class Fitting(Asked, Preparing):
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
        return grouped(self.holdout, what="--holdout")

    @property
    def represents(self) -> bool:
        """Whether cells are represented anew."""
        asked = self.represent is not None or self.n_components is not None
        return asked or (self.changes and self.use_rep is None)

    @property
    def needs(self) -> dict[str, bool]:
        """What the solver has to be able to, as far as that was asked for."""
        return {"weights": bool(self.match_abundance), "contexts": bool(self.contexts)}

    def check(self, context: typer.Context) -> dict[str, Any]:
        """Check all that can be before gigabytes are read, and return the options of the solver."""
        from .. import _assignments, _validate

        path = Path(self.path)
        _validate.not_both({"--use-rep": self.use_rep, "--n-components": self.n_components})
        options = _assignments.solver_options(self.option, context)
        groups = self.groups
        self.check_prepared(self.use_rep)
        _validate.seed(self.seed)
        if self.n_components is not None:
            _validate.whole(self.n_components, 1, what="n_components")
        _files.check_input(path)
        made = self.split_key == _keys.SPLIT or self._splits
        columns = {"perturbation_key": self.perturbation_key, "split_key": None if made else self.split_key}
        _files.check_columns(path, columns)
        for column in self.contexts:
            _files.check_columns(path, {"context": column})
        for what, columns_of in {"--holdout column": groups, "--keep column": self.kept}.items():
            for column in columns_of:
                _files.check_columns(path, {what: column})
        return options

    @property
    def _splits(self) -> bool:
        return bool(self.holdout) or self.test_fraction is not None or self.represents or self.changes

    def read(self) -> tuple[AnnData, str | None]:
        """Return the cells, split and represented as far as that was asked for, and the name of the space."""
        from .. import _on_disk

        path = Path(self.path)
        everyone = _on_disk.cells(path)
        adata = self.chosen(everyone, path)
        if (
            self.represents
            or self.use_rep == _keys.EXPRESSION
            or (self.use_rep is None and _keys.REP not in adata.obsm)
        ):
            self.check_counts(adata, path)

        from .. import pp

        self._split(adata)
        adata = self.make(adata, self.split_key, everyone.n_obs)
        if not self.represents:
            return adata, self.use_rep
        size: dict[str, Any] = {} if self.n_components is None else {"n_components": self.n_components}
        pp.represent(adata, self.represent or "pca", **size, split_key=self.split_key, seed=self.seed)
        return adata, _keys.REP

    def _split(self, adata: AnnData) -> None:
        """Split the cells, if that was asked for, or what is made of them needs it and they are not."""
        from .. import pp

        key, there = self.split_key, self.split_key in adata.obs
        if there and (self.holdout or self.test_fraction is not None):
            flag = "--holdout" if self.holdout else "--test-fraction"
            raise ValueError(f"adata.obs[{key!r}] exists, but {flag} makes a new split: give another --split-key.")
        if there or not self._splits:
            return
        share = {} if self.test_fraction is None else {"test_fraction": self.test_fraction}
        asked: dict[str, Any] = {"control": self.control, "holdout": self.groups or None, "seed": self.seed, **share}
        pp.split(adata, self.perturbation_key, **asked, key_added=key)
        if self.test_fraction == 0 and not self.holdout:
            from .._settings import logger

            logger.warning("no cell is kept for testing or held out: nothing can be judged by these maps")

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
            "before, in one file that all of them read"
        )
    # blocks know their cells themselves
    plan = ShardPlan(fitting, [*fit.targets], n_shards, versions(), {}).write(folder)
    wanted = blocks_of(shard, n_shards, len(plan.blocks))
    if wanted:
        kept = blocks.Folder(folder.absolute(), True)
        fit_blocks(fit.tied(cells.cells), solver, cells, config, kept, only=wanted)
    return nothing(plan, shard, n_shards) or has(folder, shard, n_shards, plan)
