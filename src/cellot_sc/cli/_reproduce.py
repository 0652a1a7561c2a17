"""``cellot-sc reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import _assignments, _defaults, _files
from ._app import Option, Seed, Solver


def reproduce(
    context: typer.Context,
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="Name of the task; --list shows them.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show the tasks, their sizes and sources.")] = False,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the archive of the paper is unpacked.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Folder to write. [reproduce-TASK]")
    ] = None,
    holdout: Annotated[
        list[str] | None,
        typer.Option(metavar="GROUP", help="Group to hold out, or all in turn; repeatable. [as published]"),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Perturbation to learn; repeatable. [as published]")
    ] = None,
    solver: Solver = _defaults.SOLVER,
    option: Option = None,
    baseline: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Solver to compare with; repeatable. [all there are]")
    ] = None,
    representation: Annotated[
        str | None, typer.Option(metavar="NAME", help="autoencoder, pca or X, the features. [as published]")
    ] = None,
    seed: Seed = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")] = False,
) -> None:
    """Run a task of the CellOT paper on its published data: split, represent, fit and judge beside all baselines.

    Writes scores.csv, legacy.csv with the published metrics, and summary.csv.
    """
    if show_list:
        from .._reproduce import catalogue

        typer.echo(catalogue())
        return
    from .. import _validate

    name = _validate.given(task, what="TASK", why="cellot-sc reproduce --list shows them")
    folder = _validate.given(data, what="--data", why="the folder in which the archive of the paper is unpacked")
    options = _assignments.solver_options(option, context)
    _validate.seed(seed)
    from ..datasets import tasks

    _validate.one_of(name, tasks, what="task")
    output = output or Path(f"reproduce-{name}")
    with _files.filling(output, overwrite=overwrite) as out:
        from .._reproduce import Plan, run, show

        plan = Plan(
            solver=solver,
            options=options,
            baselines=baseline or _defaults.PUBLISHED,
            representation=representation,
            holdouts=holdout or (),
            targets=target or None,
            seed=seed,
        )
        summary = run(name, folder, out, plan)
    typer.echo(f"\n{show(summary)}\n\nwrote {output}")
