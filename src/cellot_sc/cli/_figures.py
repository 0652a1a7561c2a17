"""``cellot-sc figures``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .. import _files, _keys
from ._app import Fitted, Groups, Key, Overwrite, Seed, Targets, Unit, groups_of
from ._tabulating import Reasons, Tables


def figures(
    path: Fitted,
    output: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write a file per figure into.")],
    figure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Figure, such as embedding; repeatable. A name that is none lists all. [all]",
        ),
    ] = None,
    form: Annotated[Literal["png", "pdf", "svg"], typer.Option("--format", help="What files are of.")] = "png",
    target: Targets = None,
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Cells to judge by and to show: test, ood, valid or train.")
    ] = _keys.TEST,
    groupby: Groups = None,
    unit: Unit = None,
    seed: Seed = 0,
    key: Key = _keys.MODEL,
    overwrite: Overwrite = False,
) -> None:
    """Draw the figures that a file with fitted maps allows, and say which it does not, and why."""
    from .. import _validate

    _validate.seed(seed)
    _validate.one_of(split, _keys.SPLITS, what="split")
    _files.check_input(path)
    _files.check_groups(path, key, {"groupby": groupby, "unit": unit})
    with _files.filling(output, overwrite=overwrite) as new:
        from ._drawing import FIGURES, Drawn

        names = _validate.some_of(figure or None, FIGURES, what="figure")
        adata = _files.read(path)
        told = {"groupby": groups_of(adata, groupby), "unit": unit}
        common = {"targets": target or None, "key": key, "seed": seed}
        of = Drawn(Tables(adata, told, common), split)
        reasons = Reasons(strict=figure is not None)
        made = []
        for name in names:
            with reasons.of(name):
                FIGURES[name](of, show=False, save=new / f"{name}.{form}")
                made.append(f"{name}.{form}")
        reasons.tell(any_made=bool(made))
    typer.echo(f"wrote {output}: {', '.join(made)}")
