"""``adata.cellot.tl.predict(...)``: the functions of the package as methods of an AnnData.

Nothing is written out twice: a method is the function of that name with its first parameter, ``adata``, given.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

from anndata import AnnData, register_anndata_namespace

from . import _validate


class Methods:
    """The functions of a namespace that take an AnnData first, as methods.

    Parameters
    ----------
    namespace
        ``"pp"``, ``"tl"`` or ``"pl"``.
    adata
        What they are called with.
    """

    def __init__(self, namespace: str, adata: AnnData) -> None:
        self._namespace, self._adata = namespace, adata

    def __getattr__(self, name: str) -> Callable[..., Any]:
        functions = {} if name.startswith("_") else _functions(self._namespace)
        if name not in functions:
            raise AttributeError(
                f"adata.cellot.{self.__dict__.get('_namespace')} has no {name!r}.{_validate.nearest(name, functions)}"
            )
        return MethodType(functions[name], self._adata)

    def __dir__(self) -> list[str]:
        return sorted(_functions(self._namespace))


@register_anndata_namespace("cellot")
class CellOT:
    """The namespaces ``pp``, ``tl`` and ``pl`` of an AnnData, as ``adata.cellot``.

    Registered when cellot_sc is imported, or when anndata is if that comes later. A namespace and what it needs are
    loaded when one of its methods is first used.

    Parameters
    ----------
    adata
        Annotated data, which every method is called with.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> adata.cellot.tl.cellot(solver="gaussian")
    >>> adata.cellot.tl.predict("drug_a").n_obs
    200
    """

    def __init__(self, adata: AnnData) -> None:
        self._adata = adata

    def __repr__(self) -> str:
        # what is loaded when it is used: here, when it is looked at
        from .pp import Space

        kept = {key: self._adata.uns[key] for key in self._adata.uns if _validate.has_fit(self._adata, key)}
        fits = [f"{key!r}: {len(fit['maps'])} maps by {fit.get('solver', 'unknown')!r}" for key, fit in kept.items()]
        spaces = []
        for key in self._adata.obsm:
            # not every one is a space: some hold text, or are not in memory
            with contextlib.suppress(ValueError):
                spaces.append(repr(Space(self._adata, key)))
        return "\n  ".join(["pp, tl and pl of cellot_sc", *[f"Fit {fit}" for fit in fits], *spaces])

    @property
    def pp(self) -> Methods:
        """Functions of :mod:`cellot_sc.pp`."""
        return Methods("pp", self._adata)

    @property
    def tl(self) -> Methods:
        """Functions of :mod:`cellot_sc.tl`."""
        return Methods("tl", self._adata)

    @property
    def pl(self) -> Methods:
        """Functions of :mod:`cellot_sc.pl`."""
        return Methods("pl", self._adata)


@functools.cache
def _functions(namespace: str) -> dict[str, Callable[..., Any]]:
    """Return the functions of a namespace of which the first parameter is ``adata``."""
    module = importlib.import_module(f".{namespace}", __package__)
    public = {name: getattr(module, name) for name in module.__all__}
    return {
        name: function
        for name, function in public.items()
        if inspect.isfunction(function) and next(iter(inspect.signature(function).parameters), "") == "adata"
    }
