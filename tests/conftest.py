from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anndata
import hypothesis
import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs
from cellot_sc._settings import logger

# before anything imports matplotlib: figures are drawn without a screen
os.environ["MPLBACKEND"] = "Agg"
# and before anything imports jax: what one process has compiled, the others and those that they start need not
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
cs.settings.progress = False
# the same examples in every run, and none fails for a busy machine
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.load_profile("fixed")

SECONDS = 20
"""Nothing that is refused may take longer, on a busy machine that compiles."""
BESIDE_CHECKOUT = Path(__file__).parents[2] / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    # processes that share the cores would wait for each other's threads; it is read before numpy is imported
    if config.getoption("numprocesses", None):
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # what takes long comes first, so that nothing of it is left at the end; one process reads the real cells
    items.sort(
        key=lambda item: ("kang_cells" not in getattr(item, "fixturenames", ()), not item.get_closest_marker("slow"))
    )


@pytest.fixture
def scanpy_settings() -> Iterator[None]:
    """Where scanpy's figures go, and as what, to change as you like."""
    import scanpy as sc

    before = sc.settings.figdir, sc.settings.file_format_figs
    yield
    sc.settings.figdir, sc.settings.file_format_figs = before


@pytest.fixture(scope="session")
def simulated() -> AnnData:
    """Small simulated cells: 200 per condition, 4 cell types, 4 patients. Copy them before you change them."""
    return cs.datasets.simulate(n_cells=600, n_genes=60, seed=0)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real data sets."""
    folder = Path(os.environ.get("CELLOT_SC_TEST_DATA") or BESIDE_CHECKOUT)
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is no folder (set CELLOT_SC_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def kang_cells(test_data: Path) -> AnnData:
    """Blood cells of lupus patients with and without interferon beta (Kang et al. 2018): singlets, log1p of 10,000.

    Their counts are in a layer. Copy them before you change them.
    """
    path = test_data / "kang_harmony_scgen.h5ad"
    if not path.is_file():
        pytest.skip(f"no real data: {path} is no file")
    # takes a second to import
    import scanpy as sc

    adata = anndata.read_h5ad(path)
    adata = adata[adata.obs["demuxlet"] == "SNG"].copy()
    adata.obs_names_make_unique()
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


class TakesTooLongError(BaseException):
    """No library catches it."""


@pytest.fixture
def bounded() -> Callable[[], AbstractContextManager[None]]:
    """What ends a block that takes longer than it may, where the system can."""

    def stop(*_: Any) -> None:
        raise TakesTooLongError(f"over {SECONDS} s")

    @contextmanager
    def limited() -> Iterator[None]:
        if not hasattr(signal, "setitimer"):
            yield
            return
        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return limited


@pytest.fixture(
    params=[f"{where}-{how}" for where in ("backed", "zarr", "dask", "lazy") for how in ("dense", "csr", "csc")]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[AnnData], AnnData]]:
    """What puts cells where they are not in memory, one way after the other; chunks are small."""
    import anndata as ad
    import zarr

    where, how = request.param.split("-")
    if where in ("dask", "lazy"):
        pytest.importorskip("dask.array", reason="dask is not installed")
    opened = []

    def put(adata: AnnData) -> AnnData:
        dense = np.asarray(adata.X.toarray() if sparse.issparse(adata.X) else adata.X)
        kind = {"dense": np.asarray, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}[how]
        cells = AnnData(kind(dense), obs=adata.obs.copy(), var=adata.var.copy())
        if where == "dask":
            import dask.array as da

            x = da.from_array(dense, chunks=(70, dense.shape[1]))
            cells.X = x if how == "dense" else x.map_blocks(kind)
            return cells
        path = tmp_path / f"{uuid4()}.{'zarr' if where == 'zarr' else 'h5ad'}"
        if where == "zarr":
            cells.write_zarr(path, chunks=(64, dense.shape[1]) if how == "dense" else None)
            x = zarr.open_group(path)["X"]
            return AnnData(x if how == "dense" else ad.io.sparse_dataset(x), obs=cells.obs, var=cells.var)
        cells.write_h5ad(path)
        if where == "lazy":
            return ad.experimental.read_lazy(path)
        opened.append(ad.read_h5ad(path, backed="r"))
        return opened[-1]

    yield put
    for adata in opened:
        adata.file.close()


@pytest.fixture(autouse=True)
def _settings_are_restored() -> Iterator[None]:
    # the level of the log is one of them: a page of the documentation lowers it
    with cs.settings.override(**cs.settings.model_dump()):
        yield


@pytest.fixture(autouse=True)
def _log_reaches_caplog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger, "propagate", True)


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    yield
    import sys

    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
