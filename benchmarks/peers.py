"""Other people's predictors, the controls and the default on the same cells, with the same time, judged alike.

Fits are kept one by one in ``--out FOLDER/PROBLEM/PEER-SEED.h5ad``, so that a run that was cut off goes on where it
was; ``--judge`` reads what is there and writes the tables.

Environments of their own, of which this benchmark takes the interpreters (a peer without one is left out)::

    uv venv pertpy && uv pip install --python pertpy "pertpy[jax]"
    uv venv cellflow && echo "scikit-learn>=1.6" > newer.txt
    uv pip install --python cellflow --override newer.txt cellflow-tools requests
    python -m benchmarks peers --out peers --pertpy pertpy/bin/python --cellflow cellflow/bin/python
    python -m benchmarks peers --out peers --judge

Everybody learns from the same train cells; validation cells are seen only by those that choose by them (the default,
the published recipe). All act on the same 50 principal components of train cells but Scgen, which acts on genes and is
projected, and CINEMA-OT, which is transductive: it matches in these components the test control cells themselves, and
is projected too. Scgen knows cell types, as do ``group_shift``, ``group_gaussian`` and ``icnn by type``; others do not.

Seconds are those of the processor, in a process that has one core, jax's compiler apart. Slow peers (ott's loop, the
published recipe, CellFlow, Scgen) get ten times those of the default, measured in the same run on the same problem, and
the steps that they made are stated. ott's loop and the published recipe stop by the clock; of CellFlow and Scgen, a
few steps are timed before, so that what they take departs from it, most of all on a busy machine. CellFlow with the
settings of its authors, 300,000 iterations of a far larger network, is not run.
"""

from __future__ import annotations

import argparse
import os
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import anndata as ad
import numpy as np
from anndata import AnnData

import cellot_sc as cs

from . import _output
from ._peers_fits import CERTAIN, DEFAULT, FOREIGN, PEERS, REP, TIMES, Prediction, fit, test_controls
from ._peers_problems import PeerProblem, every


def run(argv: Sequence[str]) -> int:
    """Fit what is not there yet, or judge what is."""
    parser = _output.parser("peers", __doc__)
    parser.add_argument("--judge", action="store_true", help="write the tables of the fits that are there")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--problems", nargs="+", default=None, help="such as iid/split_0 patient/1015; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of those that a problem has")
    for name in sorted({environment for environment, _ in FOREIGN.values()}):
        parser.add_argument(f"--{name}", metavar="PYTHON", help=f"interpreter of the environment of {name}")
    given = parser.parse_args(argv)
    if given.out is None:
        parser.error("--out is needed: the folder where fits are kept.")
    cs.settings.progress = False
    cs.settings.verbosity = "error"
    if given.judge:
        from . import _peers_tables

        _peers_tables.write(given.out, given.problems)
        return 0
    if hasattr(os, "sched_setaffinity"):
        # one core, so that its seconds are those of one thread: before jax looks how many there are
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for of in every():
        if given.problems is None or of.place in given.problems:
            _fit_all(of, given)
    return 0


def _fit_all(of: PeerProblem, given: argparse.Namespace) -> None:
    """Fit every peer to a problem with every seed, but what is there."""
    folder = given.out / of.place
    wanted = [
        (name, seed)
        for seed in of.seeds
        if seed in given.seeds
        for name in given.peers
        if (seed == 0 or name not in CERTAIN) and not (folder / f"{name}-{seed}.h5ad").exists()
    ]
    if not wanted:
        return
    adata = _cells(of, folder)
    for name, seed in wanted:
        if name in FOREIGN and getattr(given, FOREIGN[name][0]) is None:
            continue
        begun = time.perf_counter()
        try:
            budget = TIMES * _seconds(folder / f"{DEFAULT}-{seed}.h5ad")
            found = fit(name, adata, of, seed, budget, vars(given))
        # a peer that fails is a result too
        except (ArithmeticError, AssertionError, ImportError, LookupError, OSError, RuntimeError, ValueError):
            (folder / f"{name}-{seed}.failed.txt").write_text(traceback.format_exc(), encoding="utf-8")
            print(f"{of.place} {name} {seed}: failed", flush=True)
            continue
        _keep(_annotated(found, adata, of, name, seed, budget), folder / f"{name}-{seed}.h5ad")
        shown = f"{found.cpu:.1f} s, compiler {found.compiling:.1f} s, {time.perf_counter() - begun:.0f} s by the clock"
        print(f"{of.place} {name} {seed}: {found.steps}, {shown}", flush=True)


def _cells(of: PeerProblem, folder: Path) -> AnnData:
    """Return the cells of a problem, which are kept too."""
    path = folder / "cells.h5ad"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _keep(of.cells(), path)
    return ad.read_h5ad(path)


def _seconds(path: Path) -> float:
    """Return what the default took, and without it nothing."""
    return float(ad.read_h5ad(path, backed="r").uns["fit"]["cpu"]) if path.exists() else np.nan


def _annotated(found: Prediction, adata: AnnData, of: PeerProblem, name: str, seed: int, budget: float) -> AnnData:
    """Return predicted cells with the names of the cells that they are predictions of."""
    source = adata[test_controls(adata, of)]
    obs = source.obs[["cell_type", "patient", "split"]].copy()
    obs[of.key] = of.target
    cells = np.asarray(found.cells, np.float32)
    if found.space == "genes":
        predicted = AnnData(cells, obs=obs, var=source.var[[]].copy())
    else:
        predicted = AnnData(obs=obs, obsm={REP: cells})
    facts = found._asdict() | {"peer": name, "seed": seed, "budget": budget}
    del facts["cells"]
    predicted.uns["fit"] = facts
    return predicted


def _keep(adata: AnnData, path: Path) -> None:
    """Write a file whole or not at all."""
    part = path.with_suffix(".part")
    adata.write_h5ad(part)
    part.replace(path)
