from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys

import pytest

import cellot_sc as cs

NAMESPACES = {"datasets", "metrics", "ot", "pl", "pp", "tl"}


COMPUTES = {"flax", "jax", "jaxopt", "moscot", "optax", "ott"}
"""What takes seconds to import, and is loaded when it is run."""
ENGINES = {"annbatch", "distributed", "ray"}
"""What is loaded by who asks for it only; dask is by anndata, if it is there."""
WORKDAY = """
import json, sys
loaded = {}

def note(stage):
    loaded[stage] = sorted({name.partition(".")[0] for name in sys.modules})

import cellot_sc as cs
note("import")
cs.settings.verbosity = "warning"
cs.settings.progress = False
note("settings")
for name in ("datasets", "metrics", "pl", "pp", "tl"):
    namespace = getattr(cs, name)
    [getattr(namespace, public) for public in namespace.__all__]
cs.ot.SOLVERS, cs.ot.fit, list(cs.ot.SOLVERS), "icnn" in cs.ot.SOLVERS
note("names")
adata = cs.datasets.simulate(300, 20)
for solver in ("identity", "mean_shift", "gaussian"):
    cs.tl.cellot(adata, solver=solver, key_added=solver)
    cs.tl.predict(adata, key=solver)
    table = cs.tl.evaluate(adata, key=solver, metrics=["l2_means", "wasserstein_marginals"], n_boot=3)
cs.pl.evaluation(table)
cs.pl.displacement(adata, key="gaussian", basis="X_cellot")
try:
    cs.tl.cellot(adata, solver="gausian")
except ValueError:
    note("work")
cs.metrics.mmd([[0], [1]], [[0], [2]])
note("mmd")
cs.ot.PotentialMap, cs.ot.SOLVERS["icnn"].options()
note("networks")
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """Return the top-level modules that a fresh interpreter has loaded at every stage of some work."""
    done = subprocess.run([sys.executable, "-c", WORKDAY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {stage: set(names) for stage, names in json.loads(done.stdout).items()}


def test_version_is_that_of_the_metadata() -> None:
    assert cs.__version__ == importlib.metadata.version("cellot-sc")


def test_import_is_lazy(loaded: dict[str, set[str]]) -> None:
    assert "cellot_sc" in loaded["import"]
    assert loaded["import"].isdisjoint(COMPUTES | {"matplotlib", "pooch", "requests", "scanpy", "sklearn"})
    assert loaded["settings"].isdisjoint(COMPUTES | {"matplotlib", "scanpy", "sklearn"})


def test_what_computes_is_loaded_when_it_is_run(loaded: dict[str, set[str]]) -> None:
    # every name of every namespace, and what solvers are called
    assert loaded["names"].isdisjoint(COMPUTES)
    # maps in closed form are fitted, applied, judged and drawn, and a mistyped solver is refused
    assert loaded["work"].isdisjoint(COMPUTES)
    assert all(names.isdisjoint(ENGINES) for names in loaded.values())
    assert loaded["mmd"] & COMPUTES == {"jax"}
    assert loaded["networks"] & COMPUTES == {"flax", "jax", "optax"}


def test_dir_names_what_a_user_types() -> None:
    assert set(dir(cs)) == {*NAMESPACES, "Model", "report", "settings", "__version__"}
    assert set(cs.__all__) == {*NAMESPACES, "Model", "report", "settings"}


@pytest.mark.parametrize("name", sorted(NAMESPACES))
def test_namespaces_are_loaded_when_used(name: str) -> None:
    namespace = getattr(cs, name)
    assert namespace.__name__ == f"cellot_sc.{name}"
    assert [public for public in namespace.__all__ if not hasattr(namespace, public)] == []


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="'cellot_sc' has no attribute 'plots'"):
        cs.plots  # noqa: B018


def test_console_script_is_installed() -> None:
    [script] = importlib.metadata.entry_points(group="console_scripts", name="cellot-sc")
    assert script.value == "cellot_sc.cli:main"
