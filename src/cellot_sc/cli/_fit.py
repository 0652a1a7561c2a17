"""``cellot-sc fit``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import _assignments, _defaults, _files, _keys
from ._app import Input, Key, Option, Output, Overwrite, Seed, Solver, UseRep, check_apart
from ._fitting import Fitting, fit_shard
from ._plan import absolute, shard_of
from ._report import report


def fit(
    context: typer.Context,
    path: Input,
    output: Output,
    perturbation_key: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of obs with the perturbation.")
    ] = _keys.PERTURBATION,
    control: Annotated[
        str, typer.Option(metavar="NAME", help="The untreated category in that column.")
    ] = _keys.CONTROL,
    target: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Perturbation to learn; repeatable. [all others]")
    ] = None,
    solver: Solver = _defaults.SOLVER,
    option: Option = None,
    use_rep: UseRep = None,
    n_components: Annotated[
        int | None, typer.Option(metavar="N", help="Represent cells anew, in so many dimensions. [50]")
    ] = None,
    split_key: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Column of obs with train, valid, test or ood; made if it is not there."),
    ] = _keys.SPLIT,
    holdout: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Keep these cells out of training (ood); repeatable."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Use these cells only; repeatable: any of a column, all columns."),
    ] = None,
    test_fraction: Annotated[
        float | None, typer.Option(metavar="X", help="Share of the cells that are kept for testing. [0.2]")
    ] = None,
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Bring counts to the same total in each cell; raw ones stay in a layer.")
    ] = False,
    log1p: Annotated[bool, typer.Option("--log1p", help="Take log1p of the expression, after --normalize.")] = False,
    n_top_genes: Annotated[
        int | None, typer.Option(metavar="N", help="Keep so many genes, which vary most among train cells.")
    ] = None,
    represent: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Represent cells anew, learnt from train cells: pca or autoencoder."),
    ] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="Use counts as they are.")] = False,
    contexts: Annotated[
        list[str] | None,
        typer.Option(
            "--context",
            metavar="COLUMN",
            help="Column of obs, such as the cell type, whose categories have maps of their own; repeatable.",
        ),
    ] = None,
    match_abundance: Annotated[
        bool | None,
        typer.Option(
            "--match-abundance/--keep-abundance",
            help="Weigh cells where kinds of cells differ in abundance. [weigh, unless there is a --context]",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Write the maps without the cells, too: a model, .zarr or .h5."),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="PAGE", help="Write what the maps are worth, too, as cellot-sc report: .html."
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Fit the I-th of N parts only, and keep it in the folder OUTPUT, which cellot-sc merge reads.",
        ),
    ] = None,
    seed: Seed = 0,
    key: Key = _keys.MODEL,
    overwrite: Overwrite = False,
) -> None:
    """Learn one transport map per perturbation, and write the cells with the maps."""
    from .. import _validate

    fitting = Fitting(
        absolute(path) if shard is not None else str(path),
        perturbation_key,
        control,
        target or [],
        solver,
        option or [],
        use_rep,
        n_components,
        split_key,
        holdout or [],
        contexts or [],
        match_abundance,
        seed,
        key,
        keep=keep or [],
        test_fraction=test_fraction,
        normalize=normalize,
        log1p=log1p,
        n_top_genes=n_top_genes,
        represent=represent,
        as_is=as_is,
    )
    _validate.not_both({"--shard": shard, "--model": model})
    _validate.not_both({"--shard": shard, "--overwrite": overwrite})
    _validate.not_both({"--shard": shard, "--report": page})
    if page is not None:
        _files.check_output(page, (".html",), overwrite=overwrite)
    numbers = None if shard is None else shard_of(shard)
    options = fitting.check(context)
    if numbers is not None:
        _assignments.check_solver(solver, options, **fitting.needs)
        typer.echo(fit_shard(fitting, options, output, *numbers))
        return
    write_fitted(fitting, options, output, model, overwrite=overwrite)
    if page is not None:
        report(output, page, key=key, overwrite=overwrite)


def write_fitted(
    fitting: Fitting,
    options: Mapping[str, Any],
    output: Path,
    model: Path | None,
    *,
    overwrite: bool,
    shards: Path | None = None,
) -> None:
    """Fit, or take from a folder of shards what is there, and write the cells with the maps, and a model if wanted."""
    from .. import _trees

    if model is not None:
        check_apart(model, {"INPUT": Path(fitting.path), "OUTPUT": output}, what="--model")
    with (
        _files.output(output, _files.ANNDATA, overwrite=overwrite) as new,
        nullcontext() if model is None else _files.output(model, _trees.SUFFIXES, overwrite=overwrite) as new_model,
    ):
        # before gigabytes are read
        _assignments.check_solver(fitting.solver, options, **fitting.needs)
        adata, use_rep = fitting.read()

        from .. import tl

        kept: dict[str, Any] = {} if shards is None else {"checkpoint_dir": shards, "resume": True}
        tl.cellot(adata, **fitting.asked(use_rep), **kept, **options)
        _files.write(adata, new)
        if new_model is not None:
            from ..tl._fit.model import Model

            Model.of(adata, fitting.key).save(new_model)
    typer.echo(f"wrote {output}" + f" and {model}" * (model is not None))
