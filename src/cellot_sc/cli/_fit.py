"""``cellot-sc fit``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from .. import _assignments, _defaults, _files, _keys
from ._app import Input, Key, Output, Overwrite, Seed, check_apart


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
    solver: Annotated[str, typer.Option(metavar="NAME", help="How to fit.")] = _defaults.SOLVER,
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Option of the solver; repeatable.")
    ] = None,
    use_rep: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Key in obsm to transport cells in, or X. [X_cellot, else a new PCA]"),
    ] = None,
    n_components: Annotated[
        int | None, typer.Option(metavar="N", help="Make a new PCA with so many components.")
    ] = None,
    split_key: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Column of obs with train, valid, test or ood; made if it is not there."),
    ] = _keys.SPLIT,
    holdout: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Keep these cells out of training (ood); repeatable."),
    ] = None,
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
    seed: Seed = 0,
    key: Key = _keys.MODEL,
    overwrite: Overwrite = False,
) -> None:
    """Learn one transport map per perturbation, and write the cells with the maps."""
    from .. import _trees, _validate

    _validate.not_both({"--use-rep": use_rep, "--n-components": n_components})
    options = _assignments.solver_options(option, context)
    groups: dict[str, list[str]] = {}
    for column, group in _assignments.pairs(holdout, what="--holdout"):
        groups.setdefault(column, []).append(group)
    _validate.seed(seed)
    if n_components is not None:
        _validate.whole(n_components, 1, what="n_components")
    if model is not None:
        check_apart(model, {"INPUT": path, "OUTPUT": output}, what="--model")
    _files.check_input(path)
    made = split_key == _keys.SPLIT or bool(groups) or n_components is not None
    _files.check_columns(path, {"perturbation_key": perturbation_key, "split_key": None if made else split_key})
    for column in contexts or ():
        _files.check_columns(path, {"context": column})
    for column in groups:
        _files.check_columns(path, {"holdout column": column})
    with (
        _files.output(output, _files.ANNDATA, overwrite=overwrite) as new,
        nullcontext() if model is None else _files.output(model, _trees.SUFFIXES, overwrite=overwrite) as new_model,
    ):
        from ..ot._solvers import registry

        # before gigabytes are read
        registry.configure(solver, **options)
        adata = _files.read(path)

        from .. import pp, tl

        if groups and split_key in adata.obs:
            raise ValueError(
                f"adata.obs[{split_key!r}] exists, but --holdout makes a new split: give another --split-key."
            )
        if groups or (n_components is not None and split_key not in adata.obs):
            pp.split(adata, perturbation_key, control=control, holdout=groups or None, seed=seed, key_added=split_key)
        if n_components is not None:
            pp.represent(adata, n_components=n_components, split_key=split_key)
            use_rep = _keys.REP
        tl.cellot(
            adata,
            perturbation_key,
            control,
            targets=target or None,
            use_rep=use_rep,
            solver=solver,
            split_key=split_key,
            context=contexts or None,
            match_abundance=match_abundance,
            seed=seed,
            key_added=key,
            **options,
        )
        _files.write(adata, new)
        if new_model is not None:
            from ..tl._fit.model import Model

            Model.of(adata, key).save(new_model)
    typer.echo(f"wrote {output}" + f" and {model}" * (model is not None))
