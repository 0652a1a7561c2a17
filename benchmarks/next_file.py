"""A model applied to the file of a patient that it was not fitted to: genes shuffled, and some of them missing.

Blood of eight patients (Kang et al. 2018), each left out in turn: genes, components and maps are those of the other
seven. What the model predicts of the next file is compared with what :func:`cellot_sc.tl.predict` gives in the AnnData
of the fit, cell by cell in the space of the maps, in units of the mean displacement. Genes are drawn at random until
they carry a share of the squared loadings; where they are missing, the model fills them, or they are given as their
mean over train cells.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

import cellot_sc as cs

from . import _output
from ._context_problems import PATIENTS, kang_cells
from ._problems import of_variable_genes

TARGET, CONTROL, LABELS, CONTEXT = "stimulated", "control", "condition", ["cell_type", "patient"]
SHARES = (0.05, 0.1, 0.15)
REP = "X_cellot"


def run(argv: Sequence[str]) -> int:
    """Fit, save, load and predict, and write the tables."""
    parser = _output.parser("next-file", __doc__)
    parser.add_argument("--patients", nargs="+", choices=PATIENTS, default=list(PATIENTS))
    parser.add_argument("--methods", nargs="+", default=["pca", "autoencoder"], help="representations")
    parser.add_argument("--affine", action="store_true", help="leave networks out")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--genes", type=int, help="variable genes, chosen on train cells [all]")
    given = parser.parse_args(argv)
    rows: list[dict[str, object]] = []
    for method in given.methods:
        for patient in given.patients:
            for context in (None, CONTEXT):
                rows += _rows(patient, method, context, given)
    table = pd.DataFrame(rows)
    keys = ["representation", "context", "case", "share"]
    # a patient is judged by the mean over its draws
    by_patient = table.groupby([*keys, "patient"], sort=False)[["distance", "largest", "seconds", "MB"]].mean()
    summary = by_patient.groupby(keys, sort=False).agg(
        {"distance": ["mean", "max"], "largest": "max", "seconds": "median", "MB": "median"}
    )
    summary.columns = [" ".join(name) for name in summary.columns]
    _output.write(
        "next-file",
        given.out,
        {
            "Mean over patients, and the largest of them, in units of the mean displacement": summary.reset_index(),
            "By patient": by_patient["distance"].unstack("patient").reset_index(),
        },
    )
    return 0


def _rows(
    patient: str, method: str, context: list[str] | None, given: argparse.Namespace
) -> Iterator[dict[str, object]]:
    adata = _represented(patient, method, given.genes)
    solver = "icnn" if not given.affine else "group_gaussian" if context else "gaussian"
    cs.tl.cellot(adata, LABELS, CONTROL, context=context, solver=solver)
    new = adata[(adata.obs["patient"] == patient) & (adata.obs[LABELS] == CONTROL)].copy()
    truth = cs.tl.predict(adata, TARGET, cells=new.obs_names)
    displacement = np.linalg.norm(truth.obsm[REP] - new.obsm[REP], axis=1).mean()
    plain = AnnData(new.X, obs=new.obs.drop(columns="split"), var=new.var[[]])
    labels = {"representation": method, "context": " ".join(context or ["none"])}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kang.cellot.zarr"
        cs.Model.of(adata).save(path)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
        model = cs.Model.load(path)

    def compared(case: str, share: float, cells: AnnData) -> dict[str, object]:
        start = time.perf_counter()
        predicted = cs.tl.predict(cells, TARGET, model=model)
        seconds = time.perf_counter() - start
        away = np.linalg.norm(predicted.obsm[REP] - truth.obsm[REP], axis=1)
        found = {"distance": away.mean() / displacement, "largest": away.max() / displacement}
        return labels | {"patient": patient, "case": case, "share": share, "seconds": seconds, "MB": size} | found

    yield compared("all genes, shuffled", 0, plain[:, np.random.default_rng(0).permutation(plain.n_vars)].copy())
    weight = np.asarray(model.reference.weight, dtype=np.float64)
    means = np.asarray(adata[adata.obs["split"] == "train"].X.mean(axis=0)).ravel().astype(np.float32)
    for share in SHARES:
        for draw in range(given.draws):
            order = np.random.default_rng(draw).permutation(plain.n_vars)
            gone = order[: 1 + int(np.searchsorted(np.cumsum(weight[order]), share))]
            there = np.setdiff1d(np.arange(plain.n_vars), gone)
            yield compared("missing, filled by the model", share, plain[:, there].copy())
            filled = plain.copy()
            filled.X = filled.X.toarray()
            filled.X[:, gone] = means[gone]
            yield compared("missing, filled by the mean", share, filled)


def _represented(patient: str, method: str, n_genes: int | None) -> AnnData:
    adata = kang_cells()
    adata.obs_names_make_unique()
    cs.pp.split(adata, LABELS, control=CONTROL, holdout={"patient": patient}, test_fraction=0.0)
    adata = adata if n_genes is None else of_variable_genes(adata, n_genes)
    cs.pp.represent(adata, n_components=50, method=method)
    return adata
