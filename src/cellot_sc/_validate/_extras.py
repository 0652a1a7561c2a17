"""Packages that only some functions need."""

from __future__ import annotations

import importlib
from types import ModuleType


def installed(module: str, *, extra: str, what: str) -> ModuleType:
    """Return the imported module; raise :class:`ImportError` with what to install if it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what} needs {module}, which cannot be imported ({error}): "
            f"pip install '.[{extra}]' in a clone or, after the first release, pip install 'cellot-sc[{extra}]'."
        ) from error
