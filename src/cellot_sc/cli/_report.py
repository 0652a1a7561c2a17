"""``cellot-sc report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import _files, _keys
from ._app import Key, Overwrite, summary


def report(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="AnnData that fit has written, .h5ad or .zarr.")],
    output: Annotated[
        Path | None, typer.Option("--out", metavar="PAGE", help="Page to write, .html. [FILE, ending in .html]")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Cells to judge by: test or ood. [ood if cells were held out, else test]"),
    ] = None,
    groupby: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of obs, such as the cell type, to look into groups by. [cell_type, if there is one]",
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of obs whose categories answer for their cells in tests and intervals. [patient, if there are "
            "two or more, else cells]",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Metric beside the usual ones; repeatable.")
    ] = None,
    key: Key = _keys.MODEL,
    overwrite: Overwrite = False,
) -> None:
    """Write what the maps of a file that fit has written are worth, and what they say, as one web page.

    The page needs no network and no other file. It has the fitted maps, scores beside simple baselines, the severity of
    perturbations, their effects on groups of cells, and the methods in words, ready to paste.
    """
    output = output or path.with_suffix(".html")
    _files.check_input(path)
    _files.check_groups(path, key, {"groupby": groupby, "unit": unit})
    _files.check_suffix(output, (".html",))
    _files.check_replaced(output, overwrite=overwrite)
    adata = _files.read(path)

    from .. import _report

    scores = _report.report(
        adata,
        output,
        key=key,
        split=split,  # type: ignore[arg-type]
        groupby=groupby,
        unit=unit,
        metrics=metric or (),
        source=path.name,
        overwrite=overwrite,
    )
    judged = "no cell is treated: nothing was judged" if scores.empty else summary(scores)
    typer.echo(f"\n{judged}\n\nwrote {output}")
