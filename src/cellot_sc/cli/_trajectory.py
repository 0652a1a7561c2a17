"""``cellot-sc trajectory``."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import _assignments, _defaults, _files, _keys
from ._app import Input, Option, Output, Overwrite, Seed, Solver, UseRep


def trajectory(
    context: typer.Context,
    path: Input,
    output: Output,
    time_key: Annotated[str, typer.Option(metavar="COLUMN", help="Column of obs with the time.")] = _keys.TIME,
    order: Annotated[
        list[str] | None,
        typer.Option(metavar="TIME", help="A time, the first one first; repeatable. [by value]"),
    ] = None,
    groupby: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of obs with the label of late cells, such as the cell type: what becomes of each early cell "
            "is read from it. [no fates]",
        ),
    ] = None,
    fate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Label in that column that is a fate; repeatable. [all of late cells]"),
    ] = None,
    solver: Solver = _defaults.SOLVER,
    option: Option = None,
    use_rep: UseRep = None,
    growth: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of obs with the number of descendants, or unbalanced or moscot. [none]"
        ),
    ] = None,
    split_key: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Column of obs with train, valid and test; made if it is not there."),
    ] = _keys.SPLIT,
    seed: Seed = 0,
    key: Annotated[str, typer.Option(metavar="NAME", help="Where in uns the maps are put.")] = _keys.TRAJECTORY,
    overwrite: Overwrite = False,
) -> None:
    """Learn a transport map from every time to the next, and from them, if asked, the fate of early cells."""
    from .. import _validate

    _validate.seed(seed)
    if fate and groupby is None:
        raise ValueError("--fate names labels of a column: give --groupby, too.")
    options = _assignments.solver_options(option, context)
    _files.check_input(path)
    _files.check_columns(path, {"time_key": time_key, "groupby": groupby})
    with _files.output(output, _files.ANNDATA, overwrite=overwrite) as new:
        # before gigabytes are read
        _assignments.check_solver(solver, options)
        adata = _files.read(path)

        from .. import tl

        tl.trajectory(
            adata,
            time_key,
            order=order or None,
            use_rep=use_rep,
            solver=solver,
            growth=growth,
            split_key=split_key,
            seed=seed,
            key_added=key,
            **options,
        )
        if groupby is not None:
            tl.fate(adata, groupby, fates=fate or None, key=key)
        _files.write(adata, new)
    typer.echo(f"wrote {output}")
