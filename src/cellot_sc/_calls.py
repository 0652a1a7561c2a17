"""What the arguments of a public function have to be, told from its annotations: text, a truth value, a table."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np

PLAIN: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("text", lambda value: isinstance(value, str)),
    "Literal": ("text", lambda value: isinstance(value, str)),
    "bool": ("True or False", lambda value: isinstance(value, bool | np.bool_)),
    "Path": ("a path", lambda value: isinstance(value, os.PathLike)),
    "Mapping": ("a dictionary", lambda value: isinstance(value, Mapping)),
    "pd.DataFrame": ("a table (pandas.DataFrame)", lambda value: _is_table(value)),
    "None": ("None", lambda value: value is None),
}
"""What an annotation is called, and whether a value is one. Those with anything else in them are not looked at."""
LABELS = ("control",)
"""Parameters that are annotated as text, but hold a label of cells, which may be a number."""


def plain[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Let a function refuse arguments of other types than its annotations say, with a :class:`TypeError`.

    Only what needs no look at the data is: text, truth values, paths, dictionaries, tables and ``None``.

    Examples
    --------
    >>> from cellot_sc._calls import plain
    >>> @plain
    ... def draw(color: str | None = None) -> None:
    ...     print(color)
    >>> draw(3)
    Traceback (most recent call last):
        ...
    TypeError: color is 3; text or None is needed.
    """
    signature = inspect.signature(function)
    wanted = {
        name: kinds
        for name, parameter in signature.parameters.items()
        if name not in LABELS and (kinds := _kinds(str(parameter.annotation))) and set(kinds) <= set(PLAIN)
    }

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            # Python says which argument is missing, or unknown
            return function(*args, **kwargs)
        for name, kinds in wanted.items():
            if name in given and not any(PLAIN[kind][1](given[name]) for kind in kinds):
                needed = " or ".join(dict.fromkeys(PLAIN[kind][0] for kind in kinds))
                raise TypeError(f"{name} is {_shown(given[name])}; {needed} is needed.")
        return function(*args, **kwargs)

    return checked


def _kinds(annotation: str) -> list[str]:
    """Return what stands between the bars of an annotation, without what is in brackets."""
    while (shorter := re.sub(r"\[[^\[\]]*\]", "", annotation)) != annotation:
        annotation = shorter
    return annotation.split(" | ")


def _is_table(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def _shown(value: Any) -> str:
    """Return a value as errors show it: on one line, and short."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
