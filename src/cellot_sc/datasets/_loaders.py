"""Loads public data sets, with the labels that the rest of the package looks for by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cellot_sc import _files, _keys, _validate
from cellot_sc._settings import logger

from ._download import fetch
from ._registry import entries

if TYPE_CHECKING:
    from anndata import AnnData

WEINREB = {"in_vitro": "weinreb_in_vitro", "cytokines": "weinreb_cytokines"}
"""Experiments of Weinreb et al., and their entries in the registry."""


def kang() -> AnnData:
    """Load blood cells of eight lupus patients, with and without interferon beta (:cite:t:`kang2018`).

    Downloaded once (38 MB, its checksum verified) to :attr:`cellot_sc.settings.dataset_dir`, from the address that
    pertpy has it at.

    Returns
    -------
    AnnData
        24,673 cells and 15,706 genes; ``X``: counts. ``obs``: ``perturbation`` ("control" or "IFN-beta"),
        ``cell_type`` (8), ``patient`` (8), and the columns of the file, such as ``label``.

    Raises
    ------
    FileNotFoundError
        If the file is not there and cannot be downloaded; says where to put it.
    ValueError
        If the file cannot be read, or has changed since it was downloaded.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.kang()  # doctest: +SKIP
    >>> sc.pp.normalize_total(adata)  # doctest: +SKIP
    >>> sc.pp.log1p(adata)  # doctest: +SKIP
    >>> cs.tl.cellot(adata)  # doctest: +SKIP
    """
    adata = _load("kang")
    add_perturbation(adata, "label", control="ctrl", rename={"stim": "IFN-beta"})
    adata.obs["patient"] = _categories(adata, "replicate")
    return adata


def sciplex3() -> AnnData:
    """Load three cancer cell lines under 188 compounds at four doses, 24 or 72 hours long (:cite:t:`srivatsan2020`).

    Downloaded once (2.5 GB) to :attr:`cellot_sc.settings.dataset_dir`, from the address that pertpy has it at, in the
    version of scPerturb (:cite:t:`peidli2024`). Reading it takes more than 10 GB of memory.

    In that version, the names of the genes begin with a line that was the header of a table, so that each gene carries
    its predecessor's name. Where that line is found, names are moved back by one.

    Returns
    -------
    AnnData
        ``X``: counts; genes by their Ensembl identifiers. ``obs``: ``perturbation`` ("control" or the compound),
        ``cell_type`` (the cell line), ``dose`` (nM), and the columns of the file, such as ``replicate`` and ``time``.
        Cells of which the compound is not known are left out.

    Raises
    ------
    FileNotFoundError
        If the file is not there and cannot be downloaded; says where to put it.
    ValueError
        If the file cannot be read, or has changed since it was downloaded.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.sciplex3()  # doctest: +SKIP
    >>> adata = adata[adata.obs["cell_type"] == "K562"].copy()  # doctest: +SKIP
    """
    adata = _load("sciplex3")
    _realign_genes(adata)
    adata = _labelled(adata, "perturbation")
    add_perturbation(adata, "perturbation", control=_keys.CONTROL)
    adata.obs["cell_type"] = _categories(adata, "cell_line")
    adata.obs["dose"] = _numbers(adata, "dose_value")
    return adata


def zhao_glioblastoma() -> AnnData:
    """Load slices of glioblastomas of seven patients under drugs (:cite:t:`zhao2021`).

    Downloaded once (587 MB) to :attr:`cellot_sc.settings.dataset_dir`, from the address that pertpy has it at, in the
    version of scPerturb (:cite:t:`peidli2024`). Only etoposide and panobinostat were given to several patients.

    Returns
    -------
    AnnData
        ``X``: counts. ``obs``: ``perturbation`` ("control", which is the vehicle or nothing, or the drug), ``patient``,
        ``dose``, and the columns of the file.

    Raises
    ------
    FileNotFoundError
        If the file is not there and cannot be downloaded; says where to put it.
    ValueError
        If the file cannot be read, or has changed since it was downloaded.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.zhao_glioblastoma()  # doctest: +SKIP
    >>> cs.pp.split(adata, holdout={"patient": "PW034"})  # doctest: +SKIP
    """
    adata = _labelled(_load("zhao_glioblastoma"), "perturbation")
    add_perturbation(adata, "perturbation", control=_keys.CONTROL)
    adata.obs["patient"] = _categories(adata, "sample")
    adata.obs["dose"] = _numbers(adata, "dose_value")
    return adata


def hagai() -> AnnData:
    """Load phagocytes of mouse, rat, rabbit and pig, with and without LPS for six hours (:cite:t:`hagai2018`).

    Downloaded once to :attr:`cellot_sc.settings.dataset_dir`, from the address that pertpy has it at.

    Returns
    -------
    AnnData
        ``X``: normalised expression. ``obs``: ``perturbation`` ("control" or "LPS6"), ``species``, and the columns of
        the file, such as ``condition``.

    Raises
    ------
    FileNotFoundError
        If the file is not there and cannot be downloaded; says where to put it.
    ValueError
        If the file cannot be read, or has changed since it was downloaded.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.hagai()  # doctest: +SKIP
    >>> cs.pp.split(adata, holdout={"species": "rat"})  # doctest: +SKIP
    """
    adata = _load("hagai")
    add_perturbation(adata, "condition", control="unst")
    return adata


@_validate.plain
def weinreb(experiment: Literal["in_vitro", "cytokines"] = "in_vitro") -> AnnData:
    """Load haematopoietic progenitors and their progeny, with the clone of every cell (:cite:t:`weinreb2020`).

    Downloaded once to :attr:`cellot_sc.settings.dataset_dir`: ``"in_vitro"`` (187 MB, its checksum verified) from the
    address that CoSpar, by authors of the data, has it at; ``"cytokines"`` (229 MB) from that of pertpy.

    Parameters
    ----------
    experiment
        ``"in_vitro"``: some 50,000 cells of days 2, 4 and 6 that carry a clonal barcode. ``"cytokines"``: cells under
        different cytokines; none of its conditions is named as control, so give yours as ``control=``.

    Returns
    -------
    AnnData
        ``X``: counts normalised to the same total, not logarithms of them. ``obs``: ``time`` (days), ``cell_type``, of
        cytokines also ``perturbation``, and the columns of the file. ``obsm["X_clone"]``: which clones a cell is of.

    Raises
    ------
    FileNotFoundError
        If the file is not there and cannot be downloaded; says where to put it.
    ValueError
        If the experiment is unknown, or the file cannot be read or has changed since it was downloaded.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.weinreb()  # doctest: +SKIP
    >>> sorted(adata.obs["time"].unique())  # doctest: +SKIP
    [2.0, 4.0, 6.0]
    """
    _validate.one_of(experiment, WEINREB, what="experiment")
    adata = _load(WEINREB[experiment])
    time, cell_type = ("time_info", "state_info") if experiment == "in_vitro" else ("age", "celltype")
    adata.obs["time"] = _numbers(adata, time)
    adata.obs["cell_type"] = _categories(adata, cell_type)
    if experiment == "cytokines":
        adata.obsm["X_clone"] = adata.obsm["clone_matrix"]
    return adata


def moon_embryoid() -> AnnData:
    """Load embryoid bodies over 27 days, in five samples (:cite:t:`moon2019`).

    Downloaded once (79 MB, its checksum verified) to :attr:`cellot_sc.settings.dataset_dir`, as processed cells that
    later work on trajectories uses (doi 10.17632/hhny5ff7yj.1).

    Returns
    -------
    AnnData
        ``X``: expression as processed there. ``obs``: ``time`` (0 to 4: days 0-3, 6-9, 12-15, 18-21 and 24-27), and
        the columns of the file.

    Raises
    ------
    FileNotFoundError
        If the file is not there and cannot be downloaded; says where to put it.
    ValueError
        If the file cannot be read, or has changed since it was downloaded.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.moon_embryoid()  # doctest: +SKIP
    >>> sorted(adata.obs["time"].unique())  # doctest: +SKIP
    [0, 1, 2, 3, 4]
    """
    adata = _load("moon_embryoid")
    adata.obs["time"] = _categories(adata, "sample_labels").cat.codes.astype(np.int64)
    return adata


def _load(name: str) -> AnnData:
    adata = _files.read(fetch(entries()[name]))
    adata.obs_names_make_unique()
    return adata


def add_perturbation(adata: AnnData, column: str, *, control: str, rename: dict[str, str] | None = None) -> None:
    """Set the default column of perturbations from another: its control renamed to the default one, and put first."""
    labels = _validate.obs_key(adata, column).astype(str).replace((rename or {}) | {control: _keys.CONTROL})
    others = sorted(set(labels) - {_keys.CONTROL})
    adata.obs[_keys.PERTURBATION] = pd.Categorical(labels, categories=[_keys.CONTROL, *others])


def _labelled(adata: AnnData, column: str) -> AnnData:
    """Return the cells that have a label."""
    labels = _validate.obs_key(adata, column)
    known = pd.notna(_validate.texts(labels))
    if known.all():
        return adata
    logger.info("left out %d cells without obs[%r]", int((~known).sum()), column)
    return adata[known].copy()


def _categories(adata: AnnData, column: str) -> pd.Series:
    return _validate.obs_key(adata, column).astype("category")


def _numbers(adata: AnnData, column: str) -> pd.Series:
    """Return the number in each entry, such as "day 2": NaN where there is none."""
    return _validate.obs_key(adata, column).astype(str).str.extract(r"(\d+(?:\.\d+)?)", expand=False).astype(float)


def _realign_genes(adata: AnnData) -> None:
    """Name genes by Ensembl identifiers, each by its own where they are one line late."""
    names = adata.var["ensembl_id"].astype(str).to_numpy(dtype=object)
    if not names[0].startswith("ENSG"):
        # the line in excess has pushed the last gene's column, which is empty, beyond the end
        names = np.append(names[1:], "no gene")
        logger.info("moved the names of genes back by one: the first of them was a table's header")
    adata.var_names = names
    adata.var_names_make_unique()
