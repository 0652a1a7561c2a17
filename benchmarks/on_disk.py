"""Seconds and memory of every verb on cells that stay on disk."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

N_TYPES, N_DRUGS, N_RESPONDING = 6, 4, 100
DENSITY = 0.07
"""Share of the genes that a cell has, on average."""
SOLVER, PREDICTED = "icnn", "predicted.zarr"
CHUNK = 8192
"""Cells that are simulated and written at once."""


def run(argv: Sequence[str]) -> int:
    """Simulate stores, and do each thing to each of them, in a process for each store."""
    from . import _output

    parser = _output.parser("on-disk", __doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[250_000, 1_000_000, 4_000_000])
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--kind", nargs="+", default=["zarr", "h5ad"], choices=["zarr", "h5ad"])
    parser.add_argument("--do", nargs="+", default=list(VERBS), choices=list(VERBS), help="each needs those before it")
    parser.add_argument("--solver", default=SOLVER, help="of the maps that are fitted")
    parser.add_argument("--folder", type=Path, help="where the stores are made, and left; made anew if not there")
    given = parser.parse_args(argv)

    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for n_cells in given.cells:
            for kind in given.kind:
                path = (given.folder or Path(temporary)) / f"{n_cells}x{given.genes}.{kind}"
                if not path.exists():
                    simulate(path, n_cells, given.genes)
                sizes = {"cells": n_cells, "store": kind, "GB on disk": _size(path) / 1e9}
                unpacked = 4 * n_cells * given.genes / 1e6
                for row in _in_a_process(path, given.do, given.solver):
                    rows.append(sizes | row | {"share of X unpacked": row["MB"] / unpacked})
                    print(rows[-1], flush=True)
                shutil.rmtree(path.with_name(PREDICTED), ignore_errors=True)
                if given.folder is None:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    notes = [
        f"Sparse expression (CSR, {DENSITY:.0%}) of {given.genes:,} genes, {N_TYPES} types, {N_DRUGS} drugs and "
        "control. MB: highest resident memory while it is done, less that after the imports. CPU: seconds of all cores."
        f" Maps by {given.solver!r}; control cells are predicted for one drug, and written decoded to a .zarr folder "
        "beside: the prediction, the control cells alike, and the difference."
    ]
    _output.write("on-disk", given.out, {"Time and memory of cells on disk": pd.DataFrame(rows)}, notes)
    return 0


def simulate(path: Path, n_cells: int, n_genes: int, seed: int = 0) -> None:
    """Write cells of several types and conditions to a zarr or h5ad store, some thousand at a time."""
    import anndata as ad
    import h5py
    import zarr
    from scipy import sparse

    rng = np.random.default_rng(seed)
    types, drugs = rng.integers(N_TYPES, size=n_cells), rng.integers(N_DRUGS + 1, size=n_cells)
    share = np.minimum(rng.gamma(0.5, 2 * DENSITY, (N_TYPES, n_genes)), 0.8)
    effects = np.ones((N_DRUGS + 1, n_genes))
    for effect in effects[1:]:
        effect[rng.choice(n_genes, min(N_RESPONDING, n_genes), replace=False)] = 1.5

    def cells(rows: slice) -> Any:
        expressed = rng.random((len(types[rows]), n_genes), dtype=np.float32)
        expressed = sparse.csr_matrix(expressed < share[types[rows]] * effects[drugs[rows]], dtype=np.float32)
        expressed.data = np.log1p(rng.exponential(3, expressed.nnz)).astype(np.float32)
        return expressed

    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical.from_codes(drugs, ["control", *(f"drug_{i}" for i in range(N_DRUGS))]),
            "cell_type": pd.Categorical.from_codes(types, [f"type_{i}" for i in range(N_TYPES)]),
        },
        index=np.char.add("cell_", np.arange(n_cells).astype(str)),
    )
    var = pd.DataFrame(index=[f"gene_{i}" for i in range(n_genes)])
    group: Any = zarr.open_group(path, mode="w") if path.suffix == ".zarr" else h5py.File(path, "w")
    ad.io.write_elem(group, "/", ad.AnnData(cells(slice(0, CHUNK)), obs[:CHUNK], var))
    del group["raw"]
    x = ad.io.sparse_dataset(group["X"])
    for start in range(CHUNK, n_cells, CHUNK):
        x.append(cells(slice(start, start + CHUNK)))
    ad.io.write_elem(group, "obs", obs)
    if path.suffix == ".h5ad":
        group.close()


def measure(path: str, verbs: Sequence[str], solver: str) -> list[dict[str, Any]]:
    """Do one thing after the other to the cells of a store; return what each took."""
    import cellot_sc as cs

    cs.settings.progress, cs.settings.verbosity = False, "error"
    # what they load is not theirs
    small = cs.datasets.simulate(n_cells=500, n_genes=20)
    out = Path(path).with_name(PREDICTED)
    for verb in verbs:
        VERBS[verb](small, solver, out)
    rows = []
    before = _memory("VmRSS")
    cells = _opened(Path(path))
    for verb in verbs:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        start, cpu = time.perf_counter(), time.process_time()
        VERBS[verb](cells, solver, out)
        seconds = {"seconds": time.perf_counter() - start, "CPU": time.process_time() - cpu}
        rows.append({"what": verb, **seconds, "MB": _memory("VmHWM") - before})
    return rows


def _split(adata: Any, solver: str, out: Path) -> None:
    import cellot_sc as cs

    cs.pp.split(adata)


def _represent(adata: Any, solver: str, out: Path) -> None:
    import cellot_sc as cs

    cs.pp.represent(adata, n_components=min(50, adata.n_vars - 1))


def _fit(adata: Any, solver: str, out: Path) -> None:
    import cellot_sc as cs

    cs.tl.cellot(adata, solver=solver)


def _predict(adata: Any, solver: str, out: Path) -> None:
    import cellot_sc as cs

    cs.tl.predict(adata, next(iter(cs.tl.maps(adata))), out=out, overwrite=True)


def _evaluate(adata: Any, solver: str, out: Path) -> None:
    import cellot_sc as cs

    cs.tl.evaluate(adata, space="genes", n_markers=min(50, adata.n_vars))


VERBS: dict[str, Callable[[Any, str, Path], None]] = {
    "split": _split,
    "represent": _represent,
    "fit": _fit,
    "predict": _predict,
    "evaluate": _evaluate,
}
"""What can be done, in the order in which it is."""


def _opened(path: Path) -> Any:
    import anndata as ad

    return ad.experimental.read_lazy(path) if path.suffix == ".zarr" else ad.read_h5ad(path, backed="r")


def _in_a_process(path: Path, verbs: Sequence[str], solver: str) -> list[dict[str, Any]]:
    given = f"{str(path)!r}, {verbs!r}, {solver!r}"
    code = f"import json; from benchmarks import on_disk; print(json.dumps(on_disk.measure({given})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _memory(what: str) -> float:
    """Return resident memory in MB, that of now or the highest."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
