"""What ``cellot-sc fit`` was told, as its shards and their merger have to agree on."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__, _files, _keys, _on_disk

if TYPE_CHECKING:
    import typer
    from anndata import AnnData

PLAN = "plan.json"
FLAGS = {
    **{"perturbation_key": "--perturbation-key", "control": "--control", "target": "--target", "solver": "--solver"},
    **{"option": "--set", "use_rep": "--use-rep", "n_components": "--n-components", "split_key": "--split-key"},
    **{"holdout": "--holdout", "contexts": "--context", "seed": "--seed", "key": "--key"},
}
"""What one types for what a fit is told; that of abundance has two forms."""


@dataclasses.dataclass(frozen=True)
class Fitting:
    """What is fitted to which file, as it was typed."""

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

    def command(self, folder: Path, shard: str) -> str:
        """Return what one types to make a shard."""
        words = ["cellot-sc", "fit", self.path, str(folder)]
        for name, flag in FLAGS.items():
            value = getattr(self, name)
            for one in value if isinstance(value, list) else [] if value is None else [value]:
                words += [flag, str(one)]
        if self.match_abundance is not None:
            words.append("--match-abundance" if self.match_abundance else "--keep-abundance")
        return shlex.join([*words, "--shard", shard])


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """What is in a folder of shards: written by the first of them, agreed on by the others."""

    fitting: Fitting
    targets: list[str]
    n_shards: int
    versions: dict[str, str]

    @staticmethod
    def path(folder: Path) -> Path:
        """Return the file."""
        return folder / PLAN

    @classmethod
    def read(cls, folder: Path) -> ShardPlan:
        """Read the plan of a folder.

        Raises
        ------
        OSError
            If there is none.
        ValueError
            If it is none that can be read.
        """
        path = cls.path(folder)
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist: cellot-sc fit INPUT {folder} --shard 1/2 writes one.")
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            plan = cls(Fitting(**kept.pop("fitting")), **kept)
            if not all(isinstance(name, str) for name in plan.targets) or plan.n_shards < 1:
                raise TypeError("targets are no texts, or there are no shards")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is no plan of shards that can be read ({error}): remove it.") from error
        return plan

    def check(self, folder: Path, fitting: Fitting) -> None:
        """Raise :class:`ValueError` if a shard is of another fit, or another version makes it."""
        for field in dataclasses.fields(Fitting):
            planned, given = getattr(self.fitting, field.name), getattr(fitting, field.name)
            if planned != given:
                what = FLAGS.get(field.name, "INPUT" if field.name == "path" else "--match-abundance")
                raise ValueError(
                    f"{what} is {given!r}, and {self.path(folder)} was made with {planned!r}: give all shards the "
                    "same, or another folder."
                )
        self.check_versions(folder)

    def check_versions(self, folder: Path) -> None:
        """Raise :class:`ValueError` if what fits here is of another version."""
        for name, version in versions().items():
            if self.versions.get(name) != version:
                raise ValueError(
                    f"{name} is {version} here, and {self.path(folder)} was made with {self.versions.get(name)}: "
                    "shards need the same, or another folder."
                )

    def write(self, folder: Path) -> ShardPlan:
        """Write the plan unless another shard has; return the one that is there."""
        try:
            with _files.output(self.path(folder), (".json",), overwrite=False) as new:
                new.write_text(json.dumps(dataclasses.asdict(self), indent=1), encoding="utf-8")
        except FileExistsError:
            pass
        there = self.read(folder)
        there.check(folder, self.fitting)
        if there.targets != self.targets:
            raise ValueError(
                f"{self.path(folder)} was made with other perturbations: the file has changed since, give another "
                "folder."
            )
        return there


def versions() -> dict[str, str]:
    """Return the versions that all shards have in common."""
    from importlib.metadata import version

    return {"cellot-sc": __version__} | {name: version(name) for name in ("jax", "numpy", "scipy")}


def shard_of(text: str) -> tuple[int, int]:
    """Return the number of a shard, from 1, and how many there are; raise :class:`ValueError` if that is none."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"--shard is {text!r}; a number of so many, from 1, is needed, such as 3/40.")
    return int(found[1]), int(found[2])


def blocks_of(shard: int, n_shards: int, n_blocks: int) -> list[int]:
    """Return the numbers of the blocks of a shard: neighbours, and as many as others have, give or take one.

    Examples
    --------
    >>> from cellot_sc.cli._plan import blocks_of
    >>> [blocks_of(i, 3, 4) for i in (1, 2, 3)]
    [[0, 1], [2], [3]]
    """
    size, more = divmod(n_blocks, n_shards)
    start = (shard - 1) * size + min(shard - 1, more)
    return [*range(start, start + size + (shard <= more))]


def fit_shard(fitting: Fitting, options: dict[str, Any], folder: Path, shard: int, n_shards: int) -> str:
    """Fit the blocks of a shard that are not there, and return what to say of it."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; the folder of the shards is needed.")
    if not folder.absolute().parent.is_dir():
        raise FileNotFoundError(f"{folder}: the folder {str(folder.parent)!r} does not exist.")
    plan = None
    if ShardPlan.path(folder).exists():
        plan = ShardPlan.read(folder)
        plan.check(folder, fitting)

    from ..tl._fit import blocks

    nothing = f"shard {shard} of {n_shards} has nothing to do: there are fewer blocks of perturbations"
    if plan is not None and not blocks_of(shard, n_shards, len(blocks.split(len(plan.targets)))):
        return nothing
    adata, use_rep = fitting.read()

    from ..tl._fit.cellot import planned
    from ..tl._fit.fitting import fit_blocks

    fit, solver, cells, config = planned(adata, options=options, **fitting.asked(use_rep))
    folder.mkdir(exist_ok=True)
    made = bool(cells.columns) or cells.represented or use_rep != fitting.use_rep
    if made and n_shards > 1:
        from .._settings import logger

        logger.info(
            "every shard makes the split or the representation anew, all of them alike: it saves time to make both "
            "before, with cs.pp.split and cs.pp.represent"
        )
    ShardPlan(fitting, [*fit.targets], n_shards, versions()).write(folder)
    n_blocks = len(blocks.split(len(fit.targets)))
    wanted = blocks_of(shard, n_shards, n_blocks)
    if not wanted:
        return nothing
    fit_blocks(fit.tied(cells.cells), solver, cells, config, blocks.Folder(folder.absolute(), True), only=wanted)
    return f"{folder} has shard {shard} of {n_shards}: {len(wanted)} of {n_blocks} blocks of perturbations"


def missing(plan: ShardPlan, folder: Path) -> str:
    """Return what to do about blocks that are not there, no text if all are."""
    from ..tl._fit import blocks

    n_blocks = len(blocks.split(len(plan.targets)))
    absent = {i for i in range(n_blocks) if not (folder / f"{blocks.name_of(i)}.h5").exists()}
    shards = [i for i in range(1, plan.n_shards + 1) if absent & {*blocks_of(i, plan.n_shards, n_blocks)}]
    if not shards:
        return ""
    named = ", ".join(map(str, shards[:10])) + f" and {len(shards) - 10} more" * (len(shards) > 10)
    command = plan.fitting.command(folder, f"{shards[0]}/{plan.n_shards}")
    return f"{folder} lacks shard{'s' * (len(shards) > 1)} {named} of {plan.n_shards}: run {command}"


def absolute(path: Path) -> str:
    """Return the path of a file that is the same from wherever it is looked at."""
    return os.path.abspath(path)
