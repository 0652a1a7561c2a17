from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys

import pytest

import cellot_sc as cs

NAMESPACES = {"datasets", "metrics", "ot", "pl", "pp", "tl"}


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after running ``code``."""
    code += "\nimport json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_version_is_that_of_the_metadata() -> None:
    assert cs.__version__ == importlib.metadata.version("cellot-sc")


def test_import_is_lazy() -> None:
    loaded = modules_after("import cellot_sc")
    assert "cellot_sc" in loaded
    assert loaded.isdisjoint({"jax", "matplotlib", "moscot", "ott", "pooch", "requests", "scanpy", "sklearn"})


def test_settings_load_no_heavy_package() -> None:
    loaded = modules_after("import cellot_sc as cs; cs.settings.verbosity")
    assert loaded.isdisjoint({"jax", "matplotlib", "moscot", "ott", "scanpy", "sklearn"})


def test_dir_names_what_a_user_types() -> None:
    assert set(dir(cs)) == {*NAMESPACES, "settings", "__version__"}
    assert set(cs.__all__) == {*NAMESPACES, "settings"}


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
