"""``cellot-sc evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import _files, _keys, _on_disk
from ._app import Input, Key, Overwrite, Seed, summary


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
    n_markers: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Compare so many marker genes only; repeatable. Needs genes. [all features]"),
    ] = None,
    n_cells: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Compare samples of so many cells; repeatable. [all cells]")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of obs, such as the patient, to resample and test as wholes. [cells]"
        ),
    ] = None,
    n_boot: Annotated[int, typer.Option(metavar="N", help="Resamples behind the intervals.")] = 200,
    seed: Seed = 0,
    key: Key = _keys.MODEL,
    overwrite: Overwrite = False,
) -> None:
    """Score the predictions of a file that fit has written, beside simple baselines and the noise ceiling."""
    from .. import _validate

    _validate.seed(seed)
    _validate.whole(n_boot, 0, what="n_boot")
    for what, numbers in {"n_markers": n_markers, "n_cells": n_cells}.items():
        if numbers:
            _validate.whole_numbers(numbers, what=what)
    _validate.one_of(split, _keys.SPLITS, what="split")
    _files.check_input(path)
    given = {"targets": target, "metrics": metric, "baselines": baseline, "n_markers": n_markers, "n_cells": n_cells}
    options: dict[str, Any] = {name: value for name, value in given.items() if value}
    options |= {} if unit is None else {"unit": unit}
    _files.check_columns(path, {"groupby": groupby, "unit": unit})
    with _files.output(output, (".csv",), overwrite=overwrite) as new:
        adata = _on_disk.cells(path)

        from .. import tl

        table = tl.evaluate(
            adata, key=key, split=split, groupby=groupby, space=space, n_boot=n_boot, seed=seed, **options
        )
        table.to_csv(new, index=False)
    typer.echo(f"\n{summary(table)}\n\nwrote {output}")
