"""Fits many problems in blocks, one after another or by several workers, and keeps finished blocks in a folder."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shutil
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ... import _trees, _workers
from ..._numbers import shown
from ..._settings import logger
from ...ot import Problem, Solver
from ...ot._loop.checkpoints import cells_digest, options_text
from ...ot._problem import Progress, Solution
from ...ot._solvers import registry
from ...ot._solvers.states import fit_in_worker, solution_of, state_of
from .described import CellReader, is_described

SIZE = 8
"""Most problems of a block. On a CPU, 33 take as long in blocks of 4, 8, 12 or 16 as in one (32 to 37 s), with the same
maps; the smaller blocks are, the less several workers wait for the last, and the less a dead one loses."""
KIND = "fit block"
VERSION = 1


class Block(NamedTuple):
    """Problems that are fitted together: which, depends on their number alone."""

    number: int
    """From 0."""
    targets: tuple[str, ...]
    problems: list[Problem]

    @property
    def name(self) -> str:
        """What it is called in a folder."""
        return name_of(self.number)


class Folder(NamedTuple):
    """Where finished blocks are kept."""

    path: Path
    resume: bool
    """Whether those that are there are taken, if they are of the same fit."""


def folder(checkpoint_dir: str | Path | None, *, resume: bool) -> Folder | None:
    """Return where finished blocks are kept, if they are.

    Raises
    ------
    ValueError
        If there is no folder to resume from, or none of that name.
    """
    if checkpoint_dir is None:
        if resume:
            raise ValueError("resume=True needs the checkpoint_dir to resume from.")
        return None
    if not str(checkpoint_dir) or "\0" in str(checkpoint_dir):
        raise ValueError(f"checkpoint_dir is {shown(str(checkpoint_dir))}; a folder is needed.")
    return Folder(Path(checkpoint_dir).expanduser().absolute(), resume)


def name_of(number: int) -> str:
    """Return what a block is called in a folder, by its number from 0."""
    return f"block-{number + 1:04}"


def split(n_problems: int) -> list[np.ndarray]:
    """Return the numbers of the problems of each block.

    Examples
    --------
    >>> from cellot_sc.tl._fit.blocks import split
    >>> [len(block) for block in split(18)]
    [6, 6, 6]
    """
    return np.array_split(np.arange(n_problems), max(1, -(-n_problems // SIZE)))


def fit(
    solver: Solver,
    targets: Sequence[str],
    problems: Sequence[Problem],
    config: Any,
    seed: int,
    progress: Progress | None = None,
    reading: CellReader | None = None,
    *,
    folder: Folder | None = None,
    only: Sequence[int] | None = None,
) -> list[Solution]:
    """Fit a map for every problem: the same whatever the workers, and whatever had been finished before.

    Parameters
    ----------
    solver
        How to fit.
    targets
        What each problem leads to.
    problems
        What is fitted.
    config
        Checked options of the solver.
    seed
        Seed of everything random.
    progress
        Told how far all of it is.
    reading
        Reads the cells of problems that are described; ``None`` where there are none.
    folder
        Where finished blocks are kept.
    only
        Numbers of the blocks that are fitted, all with ``None``.

    Raises
    ------
    ValueError
        If blocks in the folder are of another fit; see also :func:`cellot_sc.ot.fit`.
    OSError
        If nothing can be written to the folder. What is in it stays.
    RuntimeError
        If workers die.
    """
    blocks = [
        Block(i, tuple(targets[j] for j in rows), [problems[j] for j in rows])
        for i, rows in enumerate(split(len(problems)))
    ]
    kept = None if folder is None else _Kept(folder, solver, config, seed, reading)
    if kept is not None:
        kept.prepare()
    wanted = blocks if only is None else [blocks[i] for i in only]
    done = {} if kept is None else kept.read(wanted)
    left = [block for block in wanted if block.number not in done]
    if done:
        logger.info("%d of %d blocks are there already", len(done), len(wanted))
    # what workers still do ends with an error here
    results = _fitted(solver, config, seed, left, progress, reading, kept, alone=len(blocks) == 1)
    with contextlib.closing(results):
        for number, solutions in results:
            if any(solution.history.interrupted for solution in solutions) and (len(blocks) > 1 or only is not None):
                raise KeyboardInterrupt
            if kept is not None and not any(solution.history.interrupted for solution in solutions):
                kept.write(blocks[number], solutions)
            done[number] = solutions
    return [solution for block in wanted for solution in done[block.number]]


def _fitted(
    solver: Solver,
    config: Any,
    seed: int,
    left: Sequence[Block],
    progress: Progress | None,
    reading: CellReader | None,
    kept: _Kept | None,
    *,
    alone: bool,
) -> Generator[tuple[int, list[Solution]]]:
    """Yield the number and the solutions of every block, as soon as it is done."""
    n_problems = sum(len(block.problems) for block in left)
    before = 0
    if _workers.are_used(len(left)):
        # where a state is kept during a fit, workers of another machine may not reach
        unread = any(is_described(problem) for block in left for problem in block.problems)
        options = _with_checkpoint(config, None)
        fit_block = functools.partial(fit_in_worker, solver, options, seed, reading if unread else None)
        given = [(block.targets, block.problems) for block in left]
        for i, states in _workers.mapped(fit_block, given, what="blocks of perturbations"):
            before += len(left[i].problems)
            if progress is not None:
                progress(before, n_problems, {})
            yield left[i].number, [solution_of(state) for state in states]
        return
    for block in left:
        options = config if kept is None else kept.config_of(block, alone=alone)
        problems = block.problems if reading is None else reading(block.targets, block.problems)
        meter = progress if len(left) == 1 else _part(progress, before, len(block.problems), n_problems)
        yield block.number, registry.run(solver, problems, options, seed, meter)
        before += len(block.problems)


def _part(progress: Progress | None, before: int, size: int, n_problems: int) -> Progress | None:
    """Return a meter of one block that shows how far all of them are."""
    if progress is None:
        return None

    def report(done: int, total: int, metrics: dict[str, float]) -> None:
        # steps of all, as many as there were if each block took as long for each of its problems
        steps = round(total * n_problems / size)
        progress(round(steps * (before + size * done / total) / n_problems), steps, metrics)

    stage = getattr(progress, "stage", None)
    # a stage has no steps: the bar of all goes on where it was
    if before == 0 and stage is not None:
        report.stage = stage  # type: ignore[attr-defined]
    return report


def _with_checkpoint(config: Any, folder: Path | None, *, resume: bool = False) -> Any:
    """Return options of a solver that keeps the state of its fit in a folder; of others, the same."""
    if not any(field.name == "checkpoint_dir" for field in dataclasses.fields(config)):
        return config
    return dataclasses.replace(config, checkpoint_dir=folder, resume=resume)


@dataclasses.dataclass(frozen=True)
class _Kept:
    """Blocks in a folder, and what they have to be of."""

    folder: Folder
    solver: Solver
    config: Any
    seed: int
    reading: CellReader | None = None

    def path(self, block: Block) -> Path:
        return self.folder.path / f"{block.name}.h5"

    def fingerprint(self, block: Block) -> dict[str, Any]:
        """Return what a block is known by: what is named here is named where it differs."""
        return {
            "targets": list(block.targets),
            "solver": self.solver.name,
            "options": options_text(self.config),
            "seed": self.seed,
            "cells": cells_digest(block.problems) + self.read_as(block),
        }

    def read_as(self, block: Block) -> str:
        """Return what is made of cells that are still to be read."""
        if self.reading is None or not any(is_described(problem) for problem in block.problems):
            return ""
        return f" {self.reading.fit.match_abundance} {self.reading.fit.feature_weights}"

    def prepare(self) -> None:
        """Make the folder, before anything is fitted; without resuming, what earlier fits have left there goes."""
        path = self.folder.path
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not os.access(path, os.W_OK):
                raise PermissionError(f"no permission to write to {path}")
            for old in () if self.folder.resume else path.glob("block-[0-9]*.h5"):
                old.unlink()
        # of paths that no system has, such as those with a null character
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OSError(
                f"no checkpoint can be written to {str(path)!r} ({reason}): choose another checkpoint_dir."
            ) from error

    def read(self, blocks: Sequence[Block]) -> dict[int, list[Solution]]:
        """Return the solutions of those blocks that are there."""
        if not self.folder.resume:
            return {}
        found = {block.number: self._read(block) for block in blocks if self.path(block).exists()}
        return {number: solutions for number, solutions in found.items() if solutions is not None}

    def _read(self, block: Block) -> list[Solution] | None:
        path, wanted = self.path(block), self.fingerprint(block)
        try:
            tree = _trees.read_tree(path, kind=KIND, versions=[VERSION])
            found = {name: tree[name] for name in wanted}
            solutions = [solution_of(tree["solutions"][str(i)]) for i in range(len(block.problems))] * (found == wanted)
        # whatever a file that is another, or half of one, makes of its readers
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s is made again: %s", path, error.args[0] if error.args else error)
            return None
        if other := [name for name in wanted if found[name] != wanted[name]]:
            name = other[0]
            values = "" if name == "cells" else f" ({shown(found[name])}, not {shown(wanted[name])})"
            raise ValueError(
                f"{path} belongs to a fit with other {name}{values}: choose another folder, or remove that one."
            )
        return solutions

    def write(self, block: Block, solutions: Sequence[Solution]) -> None:
        """Write a finished block, which is there whole or not at all."""
        path = self.path(block)
        tree = {**self.fingerprint(block), "solutions": {str(i): state_of(s) for i, s in enumerate(solutions)}}
        try:
            _trees.write_tree(tree, path, kind=KIND, version=VERSION, overwrite=True)
        except OSError as error:
            raise OSError(
                f"{path} cannot be written ({error.strerror or error}). What is finished stays there: make room, and "
                "go on from it."
            ) from error
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder.path / block.name)

    def config_of(self, block: Block, *, alone: bool) -> Any:
        """Return the options with which a block is fitted: solvers that can keep the state of its fit beside it."""
        path = self.folder.path
        return _with_checkpoint(self.config, path if alone else path / block.name, resume=self.folder.resume)
