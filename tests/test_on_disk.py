from __future__ import annotations

import shutil
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
    labels = pd.Categorical(np.where(np.arange(n_cells) % 5 > 0, "drug", "control"))
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


@pytest.fixture
def cells() -> AnnData:
    rng = np.random.default_rng(0)
    x = sparse.random(100, 20, 0.3, format="csr", dtype=np.float32, rng=rng)
    names = [f"cell_{i}" for i in range(100)]
    obs = pd.DataFrame({"kind": pd.Categorical(["a", "b"] * 50)}, index=names)
    table = pd.DataFrame({"length": np.arange(100)}, index=names)
    obsm = {"X_cellot": rng.normal(size=(100, 3)), "table": table}
    cells = AnnData(x, obs=obs, obsm=obsm, layers={"half": x.toarray() / 2}, uns={"n": 3})
    cells.raw = cells.copy()
    return cells


def write(cells: AnnData, path: Path) -> Path:
    _files.write(cells, path)
    return path


@pytest.mark.parametrize("suffix", _files.ANNDATA)
class TestOpened:
    def test_is_what_is_there(self, cells: AnnData, tmp_path: Path, suffix: str) -> None:
        found = _on_disk.opened(write(cells, tmp_path / f"cells{suffix}"))
        assert not any(isinstance(x, np.ndarray | sparse.csr_matrix) for x in (found.X, found.layers["half"]))
        # it is written again as it is
        again = write(found, tmp_path / f"again{suffix}")
        for one in (found.to_memory(), found[::2].to_memory(), _files.read(again)):
            expected = cells[one.obs_names]
            np.testing.assert_array_equal(one.X.toarray(), expected.X.toarray())
            np.testing.assert_array_equal(one.layers["half"], expected.layers["half"])
            np.testing.assert_array_equal(one.obsm["X_cellot"], expected.obsm["X_cellot"])
            assert one.obsm["table"]["length"].tolist() == expected.obsm["table"]["length"].tolist()
            assert one.obs["kind"].tolist() == expected.obs["kind"].tolist()
        np.testing.assert_array_equal(_files.read(again).raw.X.toarray(), cells.X.toarray())

    def test_the_shell_reads_small_ones(
        self, cells: AnnData, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write(cells, tmp_path / f"cells{suffix}")
        assert sparse.issparse(_on_disk.cells(path).X)
        monkeypatch.setattr(_on_disk, "MOST_READ", 1000)
        assert not sparse.issparse(_on_disk.cells(path).X)


class TestCutOff:
    """What is not whole is one sentence."""

    def test_a_file(self, cells: AnnData, tmp_path: Path) -> None:
        path = write(cells, tmp_path / "cells.h5ad")
        path.write_bytes(path.read_bytes()[:3000])
        with pytest.raises(ValueError, match=r"cells\.h5ad cannot be read as \.h5ad: .*truncated file"):
            _on_disk.opened(path)

    def test_a_store(self, cells: AnnData, tmp_path: Path) -> None:
        path = write(cells, tmp_path / "cells.zarr")
        (path / "X/data/c/0").unlink()
        with pytest.raises(ValueError, match=r"cannot be read as \.zarr: only some of its values were written \(X\)"):
            _on_disk.opened(path)
        shutil.rmtree(path / "obs")
        for read in (_on_disk.cells, _on_disk.opened, _files.read):
            with pytest.raises(ValueError, match=r"cells\.zarr .*: it holds no AnnData, or a broken one \(no obs\)"):
                read(path)


@pytest.mark.parametrize("suffix", _files.ANNDATA)
def test_a_file_grows_by_blocks(cells: AnnData, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_on_disk, "ROW_CHUNK", 7 * 20)
    dense = AnnData(cells.X.toarray(), obs=cells.obs, var=cells.var, uns=cells.uns)
    dense.layers["half"] = cells.layers["half"]
    dense.obsm["X_cellot"] = cells.obsm["X_cellot"]
    file = _on_disk.GrowingFile(tmp_path / f"cells{suffix}", 100)
    for start in range(0, 100, 30):
        file.add(dense[start : start + 30].copy())
    file.finish(dense)
    read = ad.read_h5ad if suffix == ".h5ad" else ad.read_zarr
    for found in (read(tmp_path / f"cells{suffix}"), _on_disk.opened(tmp_path / f"cells{suffix}").to_memory()):
        for one in ("X", "obsm/X_cellot", "layers/half"):
            where, _, name = one.partition("/")
            expected, values = (getattr(x, where) for x in (dense, found))
            np.testing.assert_array_equal(values[name] if name else values, expected[name] if name else expected)
        pd.testing.assert_frame_equal(found.obs, dense.obs, check_column_type=False)
        assert found.uns["n"] == 3
