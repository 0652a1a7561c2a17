"""A prediction task of the CellOT paper: which cells, what is held out, in which space, and how its file is read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import numpy as np
import pandas as pd

from cellot_sc import _files, _validate
from cellot_sc._settings import logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

ARCHIVE_DOI = "10.3929/ethz-b-000609681"
"""The processed data of the paper, in the Research Collection of ETH Zurich."""
ROOTS = (".", "datasets", "processed_datasets_all/datasets", "datasets_revision")
"""Folders of the unpacked archive in which the folders of the data sets may lie."""


@dataclass(frozen=True)
class Task:
    """A prediction task of the CellOT paper (:cite:t:`bunne2023`), as its public configuration describes it.

    Parameters
    ----------
    name
        Name in :data:`cellot_sc.datasets.tasks`.
    title
        What is predicted.
    setting
        What is not seen in training: cells (``"iid"``), samples such as patients (``"oos"``), or cells of another kind
        (``"ood"``).
    files
        Where the cells are in the archive. Further names are ones that the same file has had.
    perturbation_key
        Column of ``obs`` with the perturbation.
    control
        Its category of untreated cells.
    targets
        Perturbations to predict; with ``None``, every other category.
    targets_file
        File beside the cells with the names of the perturbations, one a line, which is used where it is there.
    features_file
        File beside the cells with the names of the features to use, one a line.
    keep
        Columns of ``obs`` to the only values of which cells are used.
    holdout_key
        Column of ``obs`` with the groups that are held out, if any are.
    holdout
        The group that the configuration holds out.
    holdouts
        All groups that the paper holds out in turn; with ``None``, every one there is.
    test_size
        Share of the cells that is kept for testing, or their number in each group.
    test_groups
        Columns of ``obs`` within whose combinations test cells are drawn.
    representation
        Space in which cells are transported: ``"autoencoder"``, or ``"X"`` for the features themselves.
    n_components
        Dimensions of the autoencoder's latent space.
    n_markers
        Genes by which predictions are judged, those that differ most; with ``None``, all features.
    batch_size
        Cells of a condition in a training step.
    n_targets, n_features
        Perturbations and features that the paper reports, ``None`` where that was not found.
    source
        DOI of the publication that the cells come from.
    not_verified
        What could not be established from public records of the archive, which itself was not at hand.
    """

    name: str
    title: str
    setting: Literal["iid", "oos", "ood"]
    files: tuple[str, ...]
    perturbation_key: str
    control: str
    source: str
    batch_size: int
    targets: tuple[str, ...] | None = None
    targets_file: str | None = None
    features_file: str | None = None
    keep: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    holdout_key: str | None = None
    holdout: str | None = None
    holdouts: tuple[str, ...] | None = None
    test_size: float | int = 0.2
    test_groups: tuple[str, ...] = ()
    representation: Literal["autoencoder", "X"] = "autoencoder"
    n_components: int = 50
    n_markers: int | None = 50
    n_targets: int | None = None
    n_features: int | None = None
    not_verified: str = ""

    def read(self, folder: str | Path) -> AnnData:
        """Read the cells of the task from the unpacked archive.

        Parameters
        ----------
        folder
            Folder that holds that of the data set, or the archive's folder ``datasets``.

        Returns
        -------
        AnnData
            Control cells and those of the perturbations to predict, ``X`` and the columns of ``obs`` as in the file,
            except that perturbations and held-out groups are categories of text.

        Raises
        ------
        FileNotFoundError
            If the file, or the list of features, is not there: says which, and where it can be had.
        KeyError
            If it lacks a column or a feature.
        TypeError
            If the folder is no path.
        ValueError
            If it cannot be read, or lacks the control, a perturbation, or cells to keep.
        """
        if not isinstance(folder, str | os.PathLike):
            raise TypeError(f"the folder of the archive is {folder!r}; a path is needed.")
        path = self._find(Path(folder))
        adata = _files.read(path)
        wanted = dict(self.keep)
        if (targets := self._targets(path)) is not None:
            wanted[self.perturbation_key] = (self.control, *targets)
        keys = dict.fromkeys(filter(None, (self.perturbation_key, self.holdout_key, *self.keep, *self.test_groups)))
        labels = {key: _text(_validate.obs_key(adata, key, what=f"task {self.name!r}: column")) for key in keys}
        rows = labels[self.perturbation_key] != ""
        for key, values in wanted.items():
            for value in values:
                _validate.one_of(value, sorted(set(labels[key][rows])), what=f"task {self.name!r}: obs[{key!r}]")
            rows &= np.isin(labels[key], np.array(values, dtype=object))
        columns: slice | list[str] = slice(None)
        if self.features_file is not None:
            columns = _validate.feature_names(_lines(self._beside(path, self.features_file)), adata.var_names.tolist())
        adata = adata[rows, columns].copy()
        for key in keys:
            adata.obs[key] = pd.Categorical(labels[key][rows]).remove_categories(
                [""] if "" in labels[key][rows] else []
            )
        logger.info("read %d cells x %d features of task %r from %s", *adata.shape, self.name, path)
        return adata

    def _find(self, folder: Path) -> Path:
        for file in self.files:
            for root in ROOTS:
                if (path := folder / root / file).is_file():
                    return path
        self._missing(folder, self.files[0])

    def _beside(self, path: Path, name: str) -> Path:
        if not (file := path.with_name(name)).is_file():
            self._missing(path.parent.parent, f"{path.parent.name}/{name}")
        return file

    def _missing(self, folder: Path, file: str) -> NoReturn:
        known = f" Not verified: {self.not_verified}." if self.not_verified else ""
        raise FileNotFoundError(
            f"task {self.name!r} needs {file}, which is not in {folder}. Download the archive of the CellOT paper, "
            f"https://doi.org/{ARCHIVE_DOI}, and unpack it there, so that {folder / file} exists.{known}"
        )

    def _targets(self, path: Path) -> tuple[str, ...] | None:
        if self.targets_file is not None and (file := path.with_name(self.targets_file)).is_file():
            return tuple(name for name in _lines(file) if name != self.control)
        return self.targets


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split()


def _text(column: pd.Series) -> np.ndarray:
    """Return labels as text, empty where there is none; whole numbers that are kept as decimal ones as whole."""
    if pd.api.types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    labels = _validate.texts(column)
    return np.where(pd.isna(labels), "", labels)
