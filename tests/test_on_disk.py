from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import zarr
from anndata import AnnData
from scipy import sparse

from cellot_sc import _files, _on_disk

CHILD = """
import sys
from pathlib import Path
import anndata as ad
import cellot_sc as cs

cs.settings.verbosity, cs.settings.progress = "error", False

def verbs(adata, out, share):
    # distances between cells that are judged, 3,000 of a kind at most, take memory of their own
    cs.pp.split(adata, test_fraction=share)
    cs.pp.represent(adata, n_components=10)
    cs.tl.cellot(adata, solver="gaussian")
    cs.tl.predict(adata, out=out)
    cs.tl.evaluate(adata, space="genes", n_markers=50, metrics=["r2_delta", "energy_distance"], n_boot=5)

def resident(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(what)).split()[1])

path = Path(sys.argv[1])
# what is loaded and compiled is not theirs
verbs(cs.datasets.simulate(n_cells=500, n_genes=60), path.with_name("small.zarr"), 0.2)
before = resident("VmRSS")
# what was resident at most is counted from here; what getrusage says is not less than what the parent once had
Path("/proc/self/clear_refs").write_text("5")
adata = ad.experimental.read_lazy(path)
verbs(adata, path.with_name("predicted.zarr"), 0.01)
print((resident("VmHWM") - before) / (4 * adata.n_obs * adata.n_vars))
"""


def large(path: Path, n_cells: int, n_genes: int, n_per_cell: int) -> None:
    """Write logarithms of sparse counts of control and treated cells, the same few thousand again and again."""
    rng = np.random.default_rng(0)
    n_chunk = 10_000
    indices = rng.integers(n_genes, size=(n_chunk, n_per_cell)).astype(np.int32)
    # treated cells have more of some genes
    indices[np.arange(n_chunk) % 5 > 0, :5] = np.arange(5)
    indices.sort(axis=1)
    values = np.log1p(rng.exponential(3, indices.size)).astype(np.float32)
    starts = np.arange(0, indices.size + 1, n_per_cell)
    x = sparse.csr_matrix((values, indices.ravel(), starts), shape=(n_chunk, n_genes))
    x.sum_duplicates()
    labels = pd.Categorical.from_codes((np.arange(n_cells) % 5 > 0).astype(int), ["control", "drug"])
    obs = pd.DataFrame({"perturbation": labels}, index=[f"cell_{i}" for i in range(n_cells)])
    group = zarr.open_group(path, mode="w")
    ad.io.write_elem(group, "/", AnnData(x, obs=obs[:n_chunk]))
    written = ad.io.sparse_dataset(group["X"])
    for _ in range(n_cells // n_chunk - 1):
        written.append(x)
    ad.io.write_elem(group, "obs", obs)


def test_memory_of_all_verbs_is_that_of_chunks(tmp_path: Path) -> None:
    pytest.importorskip("dask.array", reason="dask is not installed")
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the system does not say how much memory was used")
    large(tmp_path / "cells.zarr", 150_000, 2000, 40)
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(tmp_path / "cells.zarr")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout) < 0.25
    predicted = _on_disk.opened(tmp_path / "predicted.zarr")
    assert predicted.shape == (30_000, 2000)
