"""What is done once another package is there: waiting for anndata makes ``import cellot_sc`` 0.1 s instead of 2.4 s.

(Measured on two cores, bytecode compiled. ``cellot-sc --help`` takes 0.6 s, and imports no anndata either.)
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


def after(module: str, act: Callable[[], object]) -> None:
    """Call ``act`` now if a module is imported already, else right after it is."""
    if module in sys.modules:
        act()
    else:
        sys.meta_path.insert(0, _After(module, act))


class _After(MetaPathFinder):
    """Finds nothing itself: has one module found by the others, and acts when it has run."""

    def __init__(self, module: str, act: Callable[[], object]) -> None:
        self._module, self._act = module, act

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_act(module: ModuleType) -> None:
                run(module)
                self._act()

            spec.loader.exec_module = run_and_act  # type: ignore[method-assign]
        return spec
