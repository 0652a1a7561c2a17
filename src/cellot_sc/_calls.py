"""What the arguments of a public function have to be, told from its annotations: text, a truth value, a table, ..."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from typing import Any, NamedTuple

import numpy as np

from ._numbers import shown

LABELS = ("control", "fates", "groups", "targets")
"""Parameters that are annotated as text, but hold labels of cells, which may be numbers."""


class Kind(NamedTuple):
    """What an annotation stands for: what it is called, and whether a value is one."""

    words: str
    accepts: Callable[[Any], bool]


def _is_table(value: Any) -> bool:
    # that a table is one takes no import: without pandas, nothing is
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def _is_a(name: str, value: Any) -> bool:
    return any(base.__name__ == name for base in type(value).__mro__)


def _is_sequence(of: list[Kind], value: Any) -> bool:
    """Whether something can be gone through, and what is in it is of some kind."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable) or not hasattr(value, "__len__"):
        return False
    if isinstance(value, np.ndarray) and value.ndim != 1:
        return False
    return not of or all(any(kind.accepts(one) for kind in of) for one in value)


TEXT = Kind("text", lambda value: isinstance(value, str))
KINDS = {
    "str": TEXT,
    "Literal": TEXT,
    "bool": Kind("True or False", lambda value: isinstance(value, bool | np.bool_)),
    "Path": Kind("a path", lambda value: isinstance(value, os.PathLike)),
    "Mapping": Kind("a dictionary", lambda value: isinstance(value, Mapping)),
    "pd.DataFrame": Kind("a table (pandas.DataFrame)", _is_table),
    "None": Kind("None", lambda value: value is None),
}
NOT_LOOKED_AT = ("Any", "ArrayLike", "Axes", "CellNames", "Progress")
"""What is checked where it is known what it may be, as numbers and arrays are."""


def plain[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Let a function refuse arguments of other types than its annotations say, with a :class:`TypeError`.

    Only what needs no look at the data is: text, truth values, paths, dictionaries, tables, instances of a class,
    sequences of these, and ``None``.

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
    needed = {
        name: kinds
        for name, parameter in signature.parameters.items()
        if name not in LABELS and (kinds := _kinds(str(parameter.annotation)))
    }

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            # Python says which argument is missing, or unknown
            return function(*args, **kwargs)
        for name in given:
            if name in needed and not any(kind.accepts(given[name]) for kind in needed[name]):
                words = " or ".join(dict.fromkeys(kind.words for kind in needed[name]))
                raise TypeError(f"{name} is {shown(given[name])}; {words} is needed.")
        return function(*args, **kwargs)

    return checked


def _kinds(annotation: str) -> list[Kind]:
    """Return what stands between the bars of an annotation; nothing if any of it is not looked at."""
    kinds = []
    for name, inner in re.findall(r"([\w.]+)(?:\[((?:[^\[\]]|\[[^\[\]]*\])*)\])?", annotation):
        if name in KINDS:
            kinds.append(KINDS[name])
        elif name == "Sequence":
            of = _kinds(inner)
            words = " or ".join(kind.words for kind in of)
            kinds.append(Kind(f"a sequence of {words}" if of else "a sequence", partial(_is_sequence, of)))
        elif name[0].isupper() and name not in NOT_LOOKED_AT:
            kinds.append(Kind(f"{'an' if name[0] in 'AEIOU' else 'a'} {name}", partial(_is_a, name)))
        else:
            return []
    return kinds
