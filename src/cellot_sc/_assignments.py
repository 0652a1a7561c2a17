"""Texts of the form ``NAME=VALUE`` that the command line takes."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

PARAMETERS = {
    **{
        name: name
        for name in ("perturbation_key", "control", "use_rep", "solver", "split_key", "match_abundance", "seed")
    },
    **{
        "context": "contexts",
        "adata": "path",
        "targets": "target",
        "key_added": "key",
        "copy": "output",
        # a folder of one shard is one of checkpoints
        "checkpoint_dir": "shard",
        "resume": "shard",
        "displacements": "",
        "feature_weights": "",
        "weights": "",
    },
}
"""Parameters of :func:`cellot_sc.tl.cellot` that are no options of a solver, and what the command line calls them."""


def pairs(texts: Sequence[str] | None, *, what: str) -> list[tuple[str, str]]:
    """Return names and values; raise :class:`ValueError` if one is not of the form ``NAME=VALUE``."""
    # numpy and pandas are for those who have something to check
    from . import _validate

    return [_validate.name_and_value(text, what=what) for text in texts or ()]


def named_once(texts: Sequence[str] | None, *, what: str) -> dict[str, str]:
    """Return values by name as :func:`pairs` does; raise :class:`ValueError` if a name is given twice, too."""
    found: dict[str, str] = {}
    for name, value in pairs(texts, what=what):
        if name in found:
            raise ValueError(f"{what} gives {name!r} twice: {found[name]!r} and {value!r}.")
        found[name] = value
    return found


def solver_options(texts: Sequence[str] | None, context: typer.Context) -> dict[str, Any]:
    """Return options of the solver by name; raise :class:`ValueError` if one is given twice, or is none of them."""
    options = {name: _value(text) for name, text in named_once(texts, what="--set").items()}
    for name in options:
        if name in PARAMETERS:
            given = [param for param in context.command.params if param.name == PARAMETERS[name]]
            names = [param.opts[0] if param.opts[0].startswith("-") else param.metavar for param in given]
            instead = f"give {names[0]}" if names else "it is for Python only"
            raise ValueError(f"--set gives options of the solver, and {name!r} is none: {instead}.")
    return options


def check_solver(solver: str, options: Mapping[str, Any], *, weights: bool = False, contexts: bool = False) -> None:
    """Raise :class:`ValueError` if there is no such solver, it takes not these options or cannot do what is wanted."""
    from .ot._solvers import registry

    found = registry.SOLVERS.resolve(solver)
    registry.check_able(found, weights=weights, contexts=contexts)
    try:
        registry.configure(found, **options)
    except (TypeError, ValueError) as error:
        words = str(error)
        raise ValueError(f"--set {words}" if words.split(" ")[0] in options else f"--set: {words}") from error


def _value(text: str) -> Any:
    """Return what a text stands for, as JSON or Python spell it: a number, a list, true, None; or else itself."""
    for read in (json.loads, ast.literal_eval):
        # a number of 5,000 digits is a ValueError, a thousand brackets are a RecursionError or a MemoryError
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return read(text)
    return text
