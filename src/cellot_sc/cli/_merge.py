"""``cellot-sc merge``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from .. import _files
from ._app import Overwrite, summary
from ._evaluate import TABLES
from ._evaluating import Evaluating, merged_table
from ._fit import write_fitted
from ._fitting import Fitting
from ._plan import ShardPlan, missing
from ._predicting import Predicting, merge_predictions


def merge(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where cellot-sc fit, evaluate or predict has left its shards.")
    ],
    output: Annotated[
        Path,
        typer.Argument(metavar="OUTPUT", help="AnnData to write, .h5ad or .zarr, or of evaluate the table, .csv."),
    ],
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Of fit, write the maps without the cells, too: a model, .zarr or .h5."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write what fit, evaluate or predict writes without shards, from all of its shards."""
    plan = ShardPlan.read(folder)
    plan.check_versions(folder)
    asked = plan.asked
    if model is not None and not isinstance(asked, Fitting):
        raise ValueError(f"--model is for shards of cellot-sc fit, and {folder} has those of {asked.COMMAND}.")
    if lacking := missing(plan, folder):
        raise FileNotFoundError(lacking)
    if isinstance(asked, Fitting):
        write_fitted(asked, asked.check(context), output, model, overwrite=overwrite, shards=folder)
    elif isinstance(asked, Evaluating):
        with _files.output(output, TABLES, overwrite=overwrite) as new:
            table = merged_table(plan, folder)
            table.to_csv(new, index=False)
        typer.echo(f"\n{summary(table)}\n\nwrote {output}")
    else:
        assert isinstance(asked, Predicting)
        hdf5 = _files.writing_hdf5() if output.suffix == ".h5ad" else nullcontext()
        with _files.output(output, _files.ANNDATA, overwrite=overwrite) as new, hdf5:
            merge_predictions(plan, folder, new)
        typer.echo(f"wrote {output}")
