"""``cellot-sc effects``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import _files, _keys
from ._app import Fitted, Groups, Key, Overwrite, Seed, Targets, Unit, groups_of
from ._evaluate import TABLES as SUFFIXES
from ._tabulating import TABLES, Reasons, Tables

if TYPE_CHECKING:
    import pandas as pd


def effects(
    path: Fitted,
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="Folder to write a .csv per table into, or of one table the .csv.")
    ],
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Of {', '.join(TABLES)}; repeatable. [all that can be made]"),
    ] = None,
    target: Targets = None,
    groupby: Groups = None,
    unit: Unit = None,
    feature: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Gene or marker of the responders; repeatable.")
    ] = None,
    seed: Seed = 0,
    key: Key = _keys.MODEL,
    overwrite: Overwrite = False,
) -> None:
    """Write what the maps of a file that fit has written say, as tables.

    How far each perturbation moves cells (transport_cost), what it changes on average (signature) and in each group of
    cells (subpopulation_effects), which groups it makes more abundant (abundance_shift), which perturbations act alike
    (perturbation_similarity), and which cells respond in a feature (responders).
    """
    from .. import _validate

    _validate.seed(seed)
    names = _validate.some_of(table or None, TABLES, what="table")
    is_file = bool(output.suffix) and not output.is_dir()
    if is_file and (table is None or len(names) > 1):
        raise ValueError(f"{output} holds one table: name it by --table, or give a folder for all of them.")
    _files.check_input(path)
    _files.check_groups(path, key, {"groupby": groupby, "unit": unit})
    place = (
        _files.output(output, SUFFIXES, overwrite=overwrite) if is_file else _files.filling(output, overwrite=overwrite)
    )
    with place as new:
        adata = _files.read(path)

        from .. import tl

        targets = _validate.some_of(target or None, tl.maps(adata, key).maps, what="target")
        told = {"groupby": groups_of(adata, groupby), "unit": unit, "features": feature or None}
        tables = Tables(adata, told, {"targets": targets, "key": key, "seed": seed})
        reasons = Reasons(strict=table is not None)
        for name in names:
            with reasons.of(name):
                _write(tables[name], new if is_file else new / f"{name}.csv")
        reasons.tell(any_made=bool(tables.made))
    typer.echo(f"wrote {output}" + ("" if is_file else f": {', '.join(f'{name}.csv' for name in tables.made)}"))


def _write(table: pd.DataFrame, path: Path) -> None:
    """Write a table, with its rows if they have names."""
    table.to_csv(path, index=table.index.dtype == object or table.index.name is not None)
