from __future__ import annotations

import subprocess
import sys

import pytest


def output(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("order", ["anndata, cellot_sc", "cellot_sc, anndata", "cellot_sc, scanpy, anndata"])
def test_order_of_imports_does_not_matter(order: str):
    assert output(f"import {order}; print(type(anndata.AnnData().cellot).__name__)") == "CellOT"


def test_is_absent_from_import_time():
    assert output("import cellot_sc, sys; print('anndata' in sys.modules)") == "False"
    heavy = "{'jax', 'matplotlib', 'moscot', 'scanpy', 'sklearn'}"
    code = f"import cellot_sc, anndata, sys; anndata.AnnData().cellot.tl; print({heavy} & set(sys.modules))"
    assert output(code) == "set()"
