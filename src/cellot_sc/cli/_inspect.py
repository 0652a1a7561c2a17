"""``cellot-sc inspect``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .. import _files
from ._app import is_model


def inspect(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="AnnData, .h5ad or .zarr, or a model, .zarr or .h5.")],
) -> None:
    """Say what a file holds.

    Of cells: the columns, the likely perturbation and its control, whether X is counts, and what to type next. Of a
    model: what it predicts, from what, how it was judged, what to cite, and what to type next.
    """
    if is_model(path):
        from ..tl._fit.model import Model

        typer.echo(repr(Model.load(path)))
        typer.echo(f"next:\n  {shlex.join(['cellot-sc', 'predict', str(path), 'new.h5ad', 'predicted.h5ad'])}")
        return
    _files.check_input(path)
    from .._inspect import describe_cells

    typer.echo(describe_cells(path))
