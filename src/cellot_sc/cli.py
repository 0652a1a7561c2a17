"""The command line: ``cellot-sc demo | fit | predict | evaluate | report | reproduce``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.main import get_command

from . import __version__, _assignments, _console, _defaults, _files, _keys

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    name="cellot-sc",
    help="Learn how each cell responds to a perturbation, from unpaired control and treated cells.",
    epilog="""Files are AnnData, .h5ad or .zarr. Given cells.h5ad with a column "perturbation" in obs:

\b
cellot-sc fit cells.h5ad fitted.h5ad --holdout patient=101
cellot-sc evaluate fitted.h5ad scores.csv --split ood --groupby cell_type
cellot-sc predict fitted.h5ad predicted.h5ad --target drug_a
cellot-sc report fitted.h5ad --groupby cell_type""",
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
)
INTERRUPTED = 130
"""What a program that was told to stop (Ctrl-C) exits with."""

Input = Annotated[Path, typer.Argument(metavar="INPUT", help="AnnData to read, .h5ad or .zarr.")]
Output = Annotated[Path, typer.Argument(metavar="OUTPUT", help="AnnData to write, .h5ad or .zarr.")]
Key = Annotated[str, typer.Option(metavar="NAME", help="Where in uns the maps are.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: with 0, or with 2 and one line on stderr if it was given something wrong.

    An error that this package raises says what is wrong with the input. Any other is a fault of the program: one line,
    too, and exit code 1, or with ``CELLOT_SC_VERBOSITY=debug`` its traceback.

    Parameters
    ----------
    arguments
        What was typed after the name of the program; with ``None``, ``sys.argv``.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _console.talking():
            status = get_command(app)(given or ["--help"], prog_name="cellot-sc", standalone_mode=False)
    except Exception as error:
        if hasattr(error, "format_message"):
            _console.fail(error.format_message())
        if isinstance(error, OSError) or _console.is_ours(error):
            _console.fail(_console.words(error))
        if isinstance(error, MemoryError):
            _console.fail(f"there is not enough memory: {_console.words(error)}")
        if _console.is_debugged():
            raise
        _console.fail(_console.fault(error), status=1)
    if status == INTERRUPTED:
        _console.fail("interrupted; nothing was written", status=INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"cellot-sc {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command(short_help="The whole job on simulated cells.")
def demo(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write.")] = Path("demo"),
    seed: Seed = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")] = False,
) -> None:
    """Do the whole job on simulated cells whose true response is known.

    Writes metrics.csv, figures, the fitted and the predicted cells, and a report.html that explains them.
    """
    from . import _validate

    _validate.seed(seed)
    with _files.filling(output, overwrite=overwrite) as folder:
        from ._demo import run

        scores = run(folder, seed=seed)
    typer.echo(f"\n{_summary(scores)}\n\nThe report: {output / 'report.html'}")


@app.command(short_help="Learn one transport map per perturbation.")
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
    seed: Seed = 0,
    key: Key = _keys.MODEL,
    overwrite: Overwrite = False,
) -> None:
    """Learn one transport map per perturbation, and write the cells with the maps."""
    from . import _validate

    _validate.not_both({"--use-rep": use_rep, "--n-components": n_components})
    options = _assignments.solver_options(option, context)
    groups: dict[str, list[str]] = {}
    for column, group in _assignments.pairs(holdout, what="--holdout"):
        groups.setdefault(column, []).append(group)
    _validate.seed(seed)
    if n_components is not None:
        _validate.whole(n_components, 1, what="n_components")
    _files.check_input(path)
    made = split_key == _keys.SPLIT or bool(groups) or n_components is not None
    _files.check_columns(path, {"perturbation_key": perturbation_key, "split_key": None if made else split_key})
    for column in contexts or ():
        _files.check_columns(path, {"context": column})
    for column in groups:
        _files.check_columns(path, {"holdout column": column})
    with _files.output(output, _files.ANNDATA, overwrite=overwrite) as new:
        from .ot._solvers import registry

        # before gigabytes are read
        registry.configure(solver, **options)
        adata = _files.read(path)

        from . import pp, tl

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
    typer.echo(f"wrote {output}")


@app.command(short_help="Predict the treated state of control cells.")
def predict(
    path: Input,
    output: Output,
    target: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Perturbation to predict; repeatable. [all fitted ones]")
    ] = None,
    key: Key = _keys.MODEL,
    overwrite: Overwrite = False,
) -> None:
    """Predict the treated state of every control cell of a file that fit has written."""
    _files.check_input(path)
    with _files.output(output, _files.ANNDATA, overwrite=overwrite) as new:
        adata = _files.read(path)

        from . import tl

        _files.write(tl.predict(adata, target or None, key=key), new)
    typer.echo(f"wrote {output}")


@app.command(short_help="Score predictions beside simple baselines.")
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
    from . import _validate

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
        adata = _files.read(path)

        from . import tl

        table = tl.evaluate(
            adata, key=key, split=split, groupby=groupby, space=space, n_boot=n_boot, seed=seed, **options
        )
        table.to_csv(new, index=False)
    typer.echo(f"\n{_summary(table)}\n\nwrote {output}")


@app.command(short_help="Write what a fit is worth as one web page.")
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
    _files.check_columns(path, {"groupby": groupby, "unit": unit})
    with _files.output(output, (".html",), overwrite=overwrite) as new:
        adata = _files.read(path)

        from . import _report

        found = _report.compose(adata, key=key, split=split, groupby=groupby, unit=unit, metrics=metric or ())
        found.write(new, title="Predicted responses to perturbations", source=path.name)
    typer.echo(f"\n{_summary(found.scores)}\n\nwrote {output}")


@app.command(short_help="Run a task of the CellOT paper.")
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
    solver: Annotated[str, typer.Option(metavar="NAME", help="How to fit; paper is as published.")] = _defaults.SOLVER,
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Option of the solver; repeatable.")
    ] = None,
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
        from ._reproduce import catalogue

        typer.echo(catalogue())
        return
    from . import _validate

    name = _validate.given(task, what="TASK", why="cellot-sc reproduce --list shows them")
    folder = _validate.given(data, what="--data", why="the folder in which the archive of the paper is unpacked")
    options = _assignments.solver_options(option, context)
    _validate.seed(seed)
    from .datasets import tasks

    _validate.one_of(name, tasks, what="task")
    output = output or Path(f"reproduce-{name}")
    with _files.filling(output, overwrite=overwrite) as out:
        from ._reproduce import Plan, run, show

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


def _summary(scores: pd.DataFrame) -> str:
    """Return the first metric of a table, a row per perturbation and a column per model."""
    metric = scores["metric"].iloc[0]
    every = scores[(scores["metric"] == metric) & (scores["group"] == _keys.ALL)]
    # of several numbers of markers or of cells, the first
    rows = every.drop_duplicates(["perturbation", "model"])
    first = "" if len(rows) == len(every) else ", the first numbers of features and of cells"
    wide = rows.pivot(index="perturbation", columns="model", values="value")[rows["model"].unique()]
    wide = wide.rename_axis(index=None, columns=None)
    return f"{metric} of {rows['split'].iloc[0]} cells{first}:\n{wide.to_string(float_format='{:.3g}'.format)}"
