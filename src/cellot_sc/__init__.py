"""Predict how each cell responds to a perturbation, by neural optimal transport on AnnData."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import _import_hook

if TYPE_CHECKING:
    from . import datasets, metrics, ot, pl, pp, tl
    from ._report import report
    from ._settings import settings
    from .tl._fit.model import Model

__version__ = "0.1.0"
__all__ = ["Model", "datasets", "metrics", "ot", "pl", "pp", "report", "settings", "tl"]


def __getattr__(name: str) -> Any:
    # jax, matplotlib and moscot take seconds to import: a namespace is loaded when it is first used
    if name == "settings":
        return importlib.import_module("._settings", __name__).settings
    if name == "report":
        return importlib.import_module("._report", __name__).report
    if name == "Model":
        return importlib.import_module(".tl._fit.model", __name__).Model
    if name in __all__:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


_import_hook.after("anndata", lambda: importlib.import_module("._accessor", __name__))
_import_hook.after("jax", lambda: importlib.import_module("._settings", __name__).use_device())
