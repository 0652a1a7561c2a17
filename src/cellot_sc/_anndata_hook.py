"""Registers ``adata.cellot`` once anndata is there, so that importing this package does not import anndata."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


def install() -> None:
    """Register the accessor now if anndata is imported already, else right after it is."""
    if "anndata" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _AfterAnndata())


def _register() -> None:
    importlib.import_module("._accessor", __package__)


class _AfterAnndata(MetaPathFinder):
    """Finds nothing itself: has anndata found by the others, and registers the accessor when it has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "anndata":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_register(module: ModuleType) -> None:
                run(module)
                _register()

            spec.loader.exec_module = run_and_register  # type: ignore[method-assign]
        return spec
