"""Clouds of cells that are not in memory: which rows they are, to be read by who fits them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._chunks import Stored
from ...ot import Problem
from ...ot._problem import CLOUDS
from ...pp._rows import read
from .abundance import matched

if TYPE_CHECKING:
    from .clouds import CellsOf
    from .fit import Fit


@dataclasses.dataclass(frozen=True, eq=False)
class Described(Stored):
    """Rows of a stored matrix that another process can open, and reads once it fits them."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Send where the rows are: what is in an HDF5 file by the name of the file and that in it."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if (inside := _in_hdf5(self.source)) is not None:
            return _opened, (inside.file.filename, inside.name, hasattr(self.source, "group"), given | {"source": None})
        return _made, (given,)


@dataclasses.dataclass(frozen=True)
class CellReader:
    """Reads the cells of described problems, as those of a fit are that are in memory.

    Parameters
    ----------
    fit
        What is fitted.
    """

    fit: Fit

    def __call__(self, targets: Sequence[str], problems: Sequence[Problem]) -> list[Problem]:
        """Return problems in memory, weighed so that abundance matches if that is wanted; others are as they were.

        Parameters
        ----------
        targets
            What each leads to.
        problems
            The problems. Those that share a cloud share the array.
        """
        clouds = {id(cloud): cloud for problem in problems for cloud in _described_of(problem)}
        if not clouds:
            return [*problems]
        # clouds lie among each other: in one go, no chunk is read twice
        rows = np.unique(np.concatenate([cloud.rows for cloud in clouds.values()]))
        x = self.fit.scaled(read(dataclasses.replace(next(iter(clouds.values())), rows=rows)))
        found = {number: x[np.searchsorted(rows, cloud.rows)] for number, cloud in clouds.items()}
        there = [
            dataclasses.replace(problem, **{name: found[id(getattr(problem, name))] for name in CLOUDS})
            for problem in problems
        ]
        before = self.fit.control
        return matched(self.fit, [(before, name) for name in targets], there, tell=True)


def is_described(problem: Problem) -> bool:
    """Return whether the cells of a problem are still to be read."""
    return bool(_described_of(problem))


def _described_of(problem: Problem) -> list[Described]:
    clouds = (getattr(problem, name) for name in CLOUDS)
    return [cloud for cloud in clouds if isinstance(cloud, Described)]


def describes(fit: Fit, x: Any) -> bool:
    """Return whether cells of a matrix can be described: others can open it, and what is made of them is theirs alone.

    Contexts that are weighed by abundance are compared with each other before.
    """
    if not isinstance(x, Stored) or (fit.match_abundance and fit.context):
        return False
    inside = _in_hdf5(x.source)
    # a file that is being written to is nobody else's
    return inside is None or (inside.file.mode == "r" and Path(inside.file.filename).is_file())


def described(x: Stored) -> CellsOf:
    """Return what describes the cells of a mask."""
    fields = {field.name: getattr(x, field.name) for field in dataclasses.fields(x)} | {"finite": True}
    whole = Described(**fields)

    def cells_of(mask: np.ndarray) -> tuple[Described, np.ndarray]:
        rows = np.flatnonzero(mask)
        return whole[rows], rows

    return cells_of


def _in_hdf5(source: Any) -> Any:
    """Return the data set or the group of an HDF5 file that a stored matrix is, ``None`` if it is none."""
    inside = getattr(source, "group", source)
    return inside if type(inside).__module__.startswith("h5py") else None


def _made(given: dict[str, Any]) -> Described:
    return Described(**given)


def _opened(path: str, name: str, is_sparse: bool, given: dict[str, Any]) -> Described:
    import h5py
    from anndata.io import sparse_dataset

    inside = h5py.File(path, "r")[name]
    return Described(**given | {"source": sparse_dataset(inside) if is_sparse else inside})
