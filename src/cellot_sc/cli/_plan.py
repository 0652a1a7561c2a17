"""What a folder of shards is of: what was asked, as its shards and their merger have to agree on."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
from pathlib import Path
from typing import ClassVar

from .. import __version__, _files

PLAN = "plan.json"
FLAGS: dict[str, str | tuple[str, str | None]] = {
    **{"perturbation_key": "--perturbation-key", "control": "--control", "target": "--target", "solver": "--solver"},
    **{"option": "--set", "use_rep": "--use-rep", "n_components": "--n-components", "split_key": "--split-key"},
    **{"holdout": "--holdout", "contexts": "--context", "match_abundance": ("--match-abundance", "--keep-abundance")},
    **{"split": "--split", "groupby": "--groupby", "metric": "--metric", "space": "--space", "baseline": "--baseline"},
    "prediction": "--prediction",
    **{"n_markers": "--n-markers", "n_cells": "--n-cells", "unit": "--unit", "floor": "--floor", "n_boot": "--n-boot"},
    **{"control_key": "--control-key", "gene_key": "--gene-key", "context_map": "--context-map"},
    **{"keep": "--keep", "test_fraction": "--test-fraction", "normalize": ("--normalize", None)},
    **{"log1p": ("--log1p", None), "n_top_genes": "--n-top-genes", "represent": "--represent"},
    **{"as_is": ("--as-is", None), "uncertainty": ("--uncertainty", None), "seed": "--seed", "key": "--key"},
}
"""What one types for what a command is told: of what is so or not, both forms."""
PLACES = {"path": "INPUT", "model": "MODEL", "cells": "CELLS"}
"""What is told by its place, in this order."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a command was told, as it was typed: fields are named as in :data:`FLAGS` and :data:`PLACES`."""

    COMMAND: ClassVar[str]
    SUFFIX: ClassVar[str]
    """How blocks of it end."""
    known: ClassVar[dict[str, type[Asked]]] = {}
    """By the name of the command."""

    def __init_subclass__(cls) -> None:
        """Make it known by the name of its command."""
        Asked.known[cls.COMMAND] = cls

    def command(self, folder: Path, shard: str) -> str:
        """Return what one types to make a shard."""
        places, flags = [], []
        for field in dataclasses.fields(self):
            value, flag = getattr(self, field.name), FLAGS.get(field.name)
            values = value if isinstance(value, list) else [] if value is None else [value]
            if flag is None:
                places += values
            elif isinstance(flag, str):
                flags += [word for one in values for word in (flag, str(one))]
            else:
                on, off = flag
                flags += [word for one in values if (word := on if one else off) is not None]
        return shlex.join(["cellot-sc", self.COMMAND, *places, str(folder), *flags, "--shard", shard])


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """What is in a folder of shards: written by the first of them, agreed on by the others.

    Parameters
    ----------
    asked
        What was asked.
    targets
        The perturbations, in the order of the result. Their blocks are cut of these.
    n_shards
        How many shards the first one was of.
    versions
        Those of what made it.
    digests
        What else has to be the same is known by, such as the maps and the cells.
    """

    asked: Asked
    targets: list[str]
    n_shards: int
    versions: dict[str, str]
    digests: dict[str, str]

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
            raise FileNotFoundError(
                f"{path} does not exist: cellot-sc fit, evaluate or predict with --shard 1/2 in place of an output "
                "writes one."
            )
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            plan = cls(Asked.known[kept.pop("command")](**kept.pop("asked")), **kept)
            if not all(isinstance(name, str) for name in plan.targets) or plan.n_shards < 1:
                raise TypeError("targets are no texts, or there are no shards")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is no plan of shards that can be read ({error}): remove it.") from error
        return plan

    @classmethod
    def found(cls, folder: Path, asked: Asked) -> ShardPlan | None:
        """Return the plan of a folder, if there is one, before gigabytes are read.

        Raises
        ------
        OSError
            If there can be no such folder.
        ValueError
            If it is of something else.
        """
        if folder.exists() and not folder.is_dir():
            raise FileExistsError(f"{folder} is a file; the folder of the shards is needed.")
        if not folder.absolute().parent.is_dir():
            raise FileNotFoundError(f"{folder}: the folder {str(folder.parent)!r} does not exist.")
        if not cls.path(folder).exists():
            return None
        plan = cls.read(folder)
        plan.check(folder, asked)
        return plan

    def check(self, folder: Path, asked: Asked) -> None:
        """Raise :class:`ValueError` if a shard is of something else, or another version makes it."""
        if self.asked.COMMAND != asked.COMMAND:
            raise ValueError(
                f"{folder} has shards of cellot-sc {self.asked.COMMAND}: give those of cellot-sc {asked.COMMAND} "
                "another folder."
            )
        for field in dataclasses.fields(asked):
            planned, given = getattr(self.asked, field.name), getattr(asked, field.name)
            if planned != given:
                flag = FLAGS.get(field.name) or PLACES[field.name]
                raise ValueError(
                    f"{flag if isinstance(flag, str) else flag[0]} is {given!r}, and {self.path(folder)} was made with "
                    f"{planned!r}: give all shards the same, or another folder."
                )
        self.check_versions(folder)

    def check_versions(self, folder: Path) -> None:
        """Raise :class:`ValueError` if what works here is of another version."""
        for name, version in versions().items():
            if self.versions.get(name) != version:
                raise ValueError(
                    f"{name} is {version} here, and {self.path(folder)} was made with {self.versions.get(name)}: "
                    "shards need the same, or another folder."
                )

    def write(self, folder: Path) -> ShardPlan:
        """Write the plan unless another shard has; return the one that is there."""
        folder.mkdir(exist_ok=True)
        try:
            with _files.output(self.path(folder), (".json",), overwrite=False) as new:
                kept = dataclasses.asdict(self)
                new.write_text(json.dumps({"command": self.asked.COMMAND} | kept, indent=1), encoding="utf-8")
        except FileExistsError:
            pass
        there = self.read(folder)
        there.check(folder, self.asked)
        others = [name for name, value in self.digests.items() if there.digests.get(name) != value]
        if there.targets != self.targets or others:
            what = "perturbations" if there.targets != self.targets else others[0]
            raise ValueError(
                f"{self.path(folder)} was made with other {what}: the file has changed since, give another folder."
            )
        return there

    @property
    def blocks(self) -> list[list[str]]:
        """The perturbations of each block."""
        from ..tl._fit import blocks

        return [[self.targets[i] for i in rows] for rows in blocks.split(len(self.targets))]

    def place(self, folder: Path, block: int) -> Path:
        """Return where a block is kept."""
        from ..tl._fit import blocks

        return folder / f"{blocks.name_of(block)}{self.asked.SUFFIX}"

    def command(self, folder: Path, block: int) -> str:
        """Return what one types to make a block."""
        n_blocks = len(self.blocks)
        shard = next(i for i in range(1, self.n_shards + 1) if block in blocks_of(i, self.n_shards, n_blocks))
        return self.asked.command(folder, f"{shard}/{self.n_shards}")


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


def nothing(plan: ShardPlan, shard: int, n_shards: int) -> str:
    """Return what to say of a shard without blocks, no text if it has some."""
    if blocks_of(shard, n_shards, len(plan.blocks)):
        return ""
    return f"shard {shard} of {n_shards} has nothing to do: there are fewer blocks of perturbations"


def has(folder: Path, shard: int, n_shards: int, plan: ShardPlan) -> str:
    """Return what to say of a shard that is there."""
    n_blocks = len(plan.blocks)
    n_made = len(blocks_of(shard, n_shards, n_blocks))
    return f"{folder} has shard {shard} of {n_shards}: {n_made} of {n_blocks} blocks of perturbations"


def missing(plan: ShardPlan, folder: Path) -> str:
    """Return what to do about blocks that are not there, no text if all are."""
    n_blocks = len(plan.blocks)
    absent = {i for i in range(n_blocks) if not plan.place(folder, i).exists()}
    shards = [i for i in range(1, plan.n_shards + 1) if absent & {*blocks_of(i, plan.n_shards, n_blocks)}]
    if not shards:
        return ""
    named = ", ".join(map(str, shards[:10])) + f" and {len(shards) - 10} more" * (len(shards) > 10)
    command = plan.asked.command(folder, f"{shards[0]}/{plan.n_shards}")
    return f"{folder} lacks shard{'s' * (len(shards) > 1)} {named} of {plan.n_shards}: run {command}"


def absolute(path: Path) -> str:
    """Return the path of a file that is the same from wherever it is looked at."""
    return os.path.abspath(path)
