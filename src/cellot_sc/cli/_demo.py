"""``cellot-sc demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import _files, _keys
from ._app import Seed, summary


def demo(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write.")] = Path("demo"),
    seed: Seed = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")] = False,
) -> None:
    """Do the whole job on simulated cells whose true response is known.

    The first drug acts on eight cell types, on each in its own way, which one affine map cannot follow.
    The second acts on one type, and the third on none.
    Writes metrics.csv, figures, the fitted and the predicted cells, and a report.html that explains them.
    """
    from .. import _validate

    _validate.seed(seed)
    with _files.filling(output, overwrite=overwrite) as folder:
        from .._demo import run

        scores = run(folder, seed=seed)
    typer.echo(f"\n{summary(scores)}\n\n{summary(scores, _keys.MEAN)}\n\nThe report: {output / 'report.html'}")
