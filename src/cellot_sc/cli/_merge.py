"""``cellot-sc merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._app import Output, Overwrite
from ._fit import write_fitted
from ._plan import ShardPlan, missing


def merge(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where cellot-sc fit --shard has left its shards.")],
    output: Output,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Write the maps without the cells, too: a model, .zarr or .h5."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the cells with the maps of all shards, as fit does without shards."""
    plan = ShardPlan.read(folder)
    plan.check_versions(folder)
    if lacking := missing(plan, folder):
        raise FileNotFoundError(lacking)
    options = plan.fitting.check(context)
    write_fitted(plan.fitting, options, output, model, overwrite=overwrite, shards=folder)
