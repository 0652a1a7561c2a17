"""The program that commands are added to, and what several of them are given."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from .. import __version__, _defaults, _files, _keys

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

app = typer.Typer(
    name="cellot-sc",
    help="Learn how each cell responds to a perturbation, from unpaired control and treated cells.",
    epilog="""Files are AnnData, .h5ad or .zarr. Given cells.h5ad with a column "perturbation" in obs:

\b
cellot-sc fit cells.h5ad fitted.h5ad --holdout patient=101
cellot-sc evaluate fitted.h5ad scores.csv --split ood --groupby cell_type
cellot-sc predict fitted.h5ad predicted.h5ad --target drug_a
cellot-sc report fitted.h5ad --groupby cell_type
cellot-sc effects fitted.h5ad effects --groupby cell_type
cellot-sc figures fitted.h5ad figures

The maps alone, to share and to apply to other cells:

\b
cellot-sc fit cells.h5ad fitted.h5ad --model drug.cellot.zarr
cellot-sc inspect drug.cellot.zarr
cellot-sc predict drug.cellot.zarr new.h5ad predicted.h5ad

Cells of several times, with a column "time" in obs:

\b
cellot-sc trajectory cells.h5ad times.h5ad --groupby cell_type""",
    add_completion=True,
    no_args_is_help=False,
    rich_markup_mode=None,
)

Input = Annotated[Path, typer.Argument(metavar="INPUT", help="AnnData to read, .h5ad or .zarr.")]
Output = Annotated[Path, typer.Argument(metavar="OUTPUT", help="AnnData to write, .h5ad or .zarr.")]
Key = Annotated[str, typer.Option(metavar="NAME", help="Where in uns the maps are.")]
Solver = Annotated[str, typer.Option(metavar="NAME", help=f"How to fit: {', '.join(_defaults.SOLVERS)}.")]
Option = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Option of the solver; repeatable. A name that is none lists all.",
    ),
]
UseRep = Annotated[
    str | None, typer.Option(metavar="KEY", help="Key in obsm to transport cells in, or X. [X_cellot, else a new PCA]")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")]
Fitted = Annotated[Path, typer.Argument(metavar="FILE", help="AnnData that fit has written, .h5ad or .zarr.")]
Targets = Annotated[
    list[str] | None, typer.Option("--target", metavar="NAME", help="Perturbation; repeatable. [all fitted ones]")
]
Groups = Annotated[
    str | None,
    typer.Option("--groupby", metavar="COLUMN", help="Column of obs with groups. [cell_type, if there is one]"),
]
Unit = Annotated[
    str | None,
    typer.Option(
        "--unit", metavar="COLUMN", help="Column of obs, such as the patient, to resample and test as wholes. [cells]"
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]


PYTHON = {
    "context": "contexts",
    "targets": "target",
    "features": "feature",
    "fates": "fate",
    "metrics": "metric",
    "baselines": "baseline",
    "predictions": "prediction",
    "key_added": "key",
    "perturbation_key": "control_key",
}
"""What is another word in Python, and the name of the parameter of a command."""
VERBS = {
    **{"cs.tl.cellot": "fit", "cs.tl.predict": "predict", "cs.tl.evaluate": "evaluate"},
    **{"cs.tl.trajectory": "trajectory", "cs.tl.fate": "trajectory"},
    **{"cs.pp.split": "fit", "cs.pp.represent": "fit"},
    "cs.tl.predict(adata, model=...)": "predict MODEL CELLS OUTPUT",
}
"""The command of a function, or of a call of it."""


class Command(TyperCommand):
    """A command whose usage reads as one types it: ``MODEL [CELLS] OUTPUT``."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the line."""
        return [re.sub(r"[{}]|\.\.\.$", "", piece) for piece in super().collect_usage_pieces(ctx)]


def flags(commands: Mapping[str, TyperCommand], name: str) -> dict[str, str]:
    """Return what one types for functions and parameters of Python, first for those of the named command."""
    found = {function: f"cellot-sc {command}" for function, command in VERBS.items()}
    own = [commands[name]] if name in commands else []
    for command in [*own, *commands.values()]:
        options = {str(one.name): one for one in command.params if one.param_type_name == "option"}
        also = {word: other for word, other in PYTHON.items() if word not in options and other in options}
        for word, other in [*zip(options, options, strict=True), *also.items()]:
            found.setdefault(word, options[other].opts[0])
            if command in own:
                found[f"{word} is"] = options[other].opts[0]
            for off in options[other].secondary_opts:
                found.setdefault(f"{word}=False", off)
        if command in own and "solver" not in options and "baseline" in options:
            # baselines are looked up among solvers
            found["solver is"] = options["baseline"].opts[0]
    return found


def groups_of(adata: AnnData, groupby: str | None) -> str | None:
    """Return the column of the groups: the one that is named, else that of cell types if there is one."""
    return _keys.CELL_TYPE if groupby is None and _keys.CELL_TYPE in adata.obs else groupby


def check_apart(output: Path, others: Mapping[str, Path], *, what: str = "OUTPUT") -> None:
    """Raise :class:`ValueError` if what is to be written would take the place of one of the others."""
    for other, path in others.items():
        if os.path.realpath(path) == os.path.realpath(output):
            raise ValueError(f"{output} is both {other} and {what}: give {what} another name.")


def is_model(path: Path) -> bool:
    """Return whether a file that holds a model or cells is to be read as a model.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If its name ends as that of neither does.
    """
    from .. import _trees

    suffixes = tuple(dict.fromkeys([*_files.ANNDATA, *_trees.SUFFIXES]))
    _files.check_exists(path, suffixes)
    _files.check_suffix(path, suffixes)
    return path.suffix not in _files.ANNDATA or _trees.tree_kind(path) is not None


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


def summary(scores: pd.DataFrame, group: str = _keys.ALL) -> str:
    """Return the first metric of a table, a row per perturbation and a column per model, of one of its groups."""
    metric = scores["metric"].iloc[0]
    every = scores[(scores["metric"] == metric) & (scores["group"] == group)]
    # of several numbers of markers or of cells, the first
    rows = every.drop_duplicates(["perturbation", "model"])
    first = "" if len(rows) == len(every) else ", the first numbers of features and of cells"
    wide = rows.pivot(index="perturbation", columns="model", values="value")[rows["model"].unique()]
    wide = wide.rename_axis(index=None, columns=None)
    within = ", mean over groups" if group == _keys.MEAN else ""
    return f"{metric} of {rows['split'].iloc[0]} cells{within}{first}:\n{wide.to_string(float_format='{:.3g}'.format)}"
