"""``cellot-sc predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import _assignments, _files, _keys, _trees
from ._app import Key, Overwrite


def predict(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Model, .zarr or .h5, or AnnData that fit has written.")
    ],
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="[CELLS] OUTPUT", help="AnnData of other cells, if MODEL is not to predict its own."),
    ],
    target: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Perturbation to predict; repeatable. [all fitted ones]")
    ] = None,
    control_key: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of obs of CELLS that says which are control cells. [as in the fit; all cells, without one]",
        ),
    ] = None,
    control: Annotated[
        str | None, typer.Option(metavar="NAME", help="The untreated category in that column. [as in the fit]")
    ] = None,
    gene_key: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of var of CELLS with the names of genes. [var_names]")
    ] = None,
    context_map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=KNOWN", help="What a cell type, or other context, of CELLS is in the model; repeatable."
        ),
    ] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Add layers[sd]; the maps have to know contexts.")
    ] = False,
    key: Key = _keys.MODEL,
    overwrite: Overwrite = False,
) -> None:
    """Predict the treated state of control cells: of the file of a fit, or of another file by a model.

    The genes of another file may come in any order, and some may be missing: see cellot-sc inspect for what a model
    knows.
    """
    *cells, output = paths
    if len(cells) > 1:
        raise ValueError(f"{len(paths)} files are given after the model: one of cells, if any, and the output.")
    of_cells: dict[str, Any] = {
        "perturbation_key": control_key,
        "control": control,
        "gene_key": gene_key,
        "context_map": dict(_assignments.pairs(context_map, what="--context-map")) or None,
    }
    of_cells = {name: value for name, value in of_cells.items() if value is not None}
    is_model = model.suffix not in _files.ANNDATA or _trees.tree_kind(model) is not None
    if not cells and (is_model or of_cells):
        raise ValueError(
            f"{model} is to predict its own cells, and has none: give a file of cells, too."
            if is_model
            else "--control-key, --control, --gene-key and --context-map are about other cells: give their file, too."
        )
    for path in [*([] if is_model else [model]), *cells]:
        _files.check_input(path)
    for path in cells:
        _files.check_columns(path, {"control_key": control_key})
    with _files.output(output, _files.ANNDATA, overwrite=overwrite) as new:
        from .. import tl

        options: dict[str, Any] = {"key": key, "uncertainty": uncertainty}
        if cells:
            from ..tl._fit.model import resolved

            # what is wrong with a model is said before gigabytes are read
            options |= of_cells | {"model": resolved(model, key)}
        adata = _files.read(cells[0] if cells else model)
        _files.write(tl.predict(adata, target or None, **options), new)
    typer.echo(f"wrote {output}")
