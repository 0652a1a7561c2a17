"""Texts of the form ``NAME=VALUE`` that the command line takes."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
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


def solver_options(texts: Sequence[str] | None, context: typer.Context) -> dict[str, Any]:
    """Return options of the solver by name; raise :class:`ValueError` if one is given twice, or is none of them."""
    options: dict[str, Any] = {}
    for name, text in pairs(texts, what="--set"):
        if name in PARAMETERS:
            given = [param for param in context.command.params if param.name == PARAMETERS[name]]
            names = [param.opts[0] if param.opts[0].startswith("-") else param.metavar for param in given]
            instead = f"give {names[0]}" if names else "it is for Python only"
            raise ValueError(f"--set gives options of the solver, and {name!r} is none: {instead}.")
        if name in options:
            raise ValueError(f"--set gives {name!r} twice: {options[name]!r} and {_value(text)!r}.")
        options[name] = _value(text)
    return options


def _value(text: str) -> Any:
    """Return what a text stands for, as JSON or Python spell it: a number, a list, true, None; or else itself."""
    for read in (json.loads, ast.literal_eval):
        # a number of 5,000 digits is a ValueError, a thousand brackets are a RecursionError or a MemoryError
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return read(text)
    return text
