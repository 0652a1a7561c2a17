"""``cellot-sc predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import _assignments, _files, _keys, _on_disk
from ._app import Key, Output, Overwrite, check_apart, is_model


def predict(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Model, .zarr or .h5, or AnnData that fit has written.")
    ],
    cells: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CELLS", help="AnnData of other cells to predict. [those of MODEL, an AnnData]"),
    ] = None,
    *,
    output: Output,
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
    from .. import _trees, _validate

    others = cells or []
    if len(others) > 1:
        raise ValueError(
            f"{len(others) + 2} files are given, and MODEL CELLS OUTPUT are three: of several names, each has its own "
            "--target or other option."
        )
    of_cells: dict[str, Any] = {
        "perturbation_key": control_key,
        "control": control,
        "gene_key": gene_key,
        "context_map": _assignments.named_once(context_map, what="--context-map") or None,
    }
    of_cells = {name: value for name, value in of_cells.items() if value is not None}
    check_apart(output, dict(zip(["MODEL", "CELLS"], [model, *others], strict=False)))
    if not others:
        _check_own_cells(model, output, of_cells=of_cells, overwrite=overwrite)
    if is_model(model) and key != _keys.MODEL:
        raise ValueError(f"--key {key}: it is for an AnnData with several fits, and {model} is a model: leave it out.")
    for path in others:
        if path.exists() and _trees.tree_kind(path) is not None:
            raise ValueError(f"{path} is a model, and stands where CELLS do: the order is MODEL CELLS OUTPUT.")
    for path in [*([] if is_model(model) else [model]), *others]:
        _files.check_input(path)
    for path in others:
        _files.check_columns(path, {"control_key": control_key})
        _files.check_columns(path, {"gene_key": gene_key}, of="var")
    with _files.output(output, _files.ANNDATA, overwrite=overwrite) as new:
        from .. import tl

        options: dict[str, Any] = {"key": key, "uncertainty": uncertainty}
        if others:
            from ..tl._fit.attach import check_contexts
            from ..tl._fit.model import resolved
            from ..tl._fit.predict import check_spread

            # what is wrong with a model is said before gigabytes are read
            found = resolved(model, key)
            names = _validate.some_of(target or None, found.fitted.maps, what="target")
            check_contexts(found, of_cells.get("context_map", {}))
            if uncertainty:
                check_spread({name: found.fitted.maps[name] for name in names}, found.fitted.fit)
            options |= of_cells | {"model": found}
        adata = _on_disk.cells(others[0] if others else model)
        tl.predict(adata, target or None, out=new, **options)
    typer.echo(f"wrote {output}")


def _check_own_cells(model: Path, output: Path, *, of_cells: dict[str, Any], overwrite: bool) -> None:
    """Raise if a prediction that was given no cells needs some."""
    if is_model(model):
        raise ValueError(f"{model} is a model, which has no cells: the order is MODEL CELLS OUTPUT.")
    if of_cells:
        raise ValueError(
            "--control-key, --control, --gene-key and --context-map are about other cells than those of MODEL: give "
            "CELLS, too."
        )
    _files.check_input(model)
    if output.exists() and not overwrite:
        raise FileExistsError(
            f"{output} exists; --overwrite replaces it, and if it holds CELLS, name an OUTPUT after it."
        )
