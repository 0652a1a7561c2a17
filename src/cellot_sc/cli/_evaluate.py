"""``cellot-sc evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .. import _files, _keys
from ._app import Input, Key, Overwrite, Seed, Unit, summary
from ._evaluating import Evaluating, evaluate_shard, prediction_files
from ._plan import absolute, shard_of

TABLES = (".csv",)
"""How tables end."""


def evaluate(
    path: Input,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Table to write, .csv.")],
    target: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Perturbation to judge; repeatable. [all fitted ones]")
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Cells to judge by: test, ood, valid or train.")
    ] = _keys.TEST,
    groupby: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of obs, such as the cell type, within whose categories to score, too."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Metric; repeatable. [the usual ones]")
    ] = None,
    space: Annotated[
        Literal["latent", "genes"], typer.Option(help="Compare in the latent space or in genes.")
    ] = "latent",
    baseline: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Solver to compare with; repeatable. [mean_shift, gaussian]"),
    ] = None,
    prediction: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE", help="Cells that another tool predicts, .h5ad or .zarr, to judge beside; repeatable."
        ),
    ] = None,
    n_markers: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Compare so many marker genes only; repeatable. Needs genes. [all features]"),
    ] = None,
    n_cells: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Compare samples of so many cells; repeatable. [all cells]")
    ] = None,
    unit: Unit = None,
    floor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Control at which calibrated scores are 0, as identity. [by metric, the best on validation cells]",
        ),
    ] = None,
    n_boot: Annotated[int, typer.Option(metavar="N", help="Resamples behind the intervals.")] = 200,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Judge the I-th of N parts only, and keep it in the folder OUTPUT, which cellot-sc merge reads.",
        ),
    ] = None,
    seed: Seed = 0,
    key: Key = _keys.MODEL,
    overwrite: Overwrite = False,
) -> None:
    """Score the predictions of a file that fit has written, beside simple baselines and the noise ceiling."""
    from .. import _validate

    _validate.seed(seed)
    _validate.whole(n_boot, 0, what="n_boot")
    for what, sizes in {"n_markers": n_markers, "n_cells": n_cells}.items():
        if sizes:
            _validate.whole_numbers(sizes, what=what)
    _validate.one_of(split, _keys.SPLITS, what="split")
    _validate.not_both({"--shard": shard, "--overwrite": overwrite})
    numbers = None if shard is None else shard_of(shard)
    _files.check_input(path)
    files = prediction_files(prediction or [])
    asked = Evaluating(
        path=str(path) if shard is None else absolute(path),
        target=target or [],
        split=split,
        groupby=groupby,
        metric=metric or [],
        space=space,
        baseline=baseline or [],
        prediction=[f"{name}={file if shard is None else absolute(file)}" for name, file in files.items()],
        n_markers=n_markers or [],
        n_cells=n_cells or [],
        unit=unit,
        floor=floor,
        n_boot=n_boot,
        seed=seed,
        key=key,
    )
    _files.check_columns(path, {"unit": unit})
    _files.check_groups(path, key, {"groupby": groupby})
    if numbers is not None:
        typer.echo(evaluate_shard(asked, output, *numbers))
        return
    with _files.output(output, TABLES, overwrite=overwrite) as new:
        from .. import _on_disk

        adata = _on_disk.cells(path)

        from .. import tl

        table = tl.evaluate(adata, **asked.options)
        table.to_csv(new, index=False)
    typer.echo(f"\n{summary(table)}\n\nwrote {output}")
