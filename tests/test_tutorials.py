"""Every tutorial runs from top to bottom: in full where the documentation was built, else with networks of a moment."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TUTORIALS = Path(__file__).parents[1] / "tutorials"
DOCS = Path(__file__).parents[1] / "docs"
ONCE = """
import functools
import cellot_sc.tl

def hurried(fit):
    @functools.wraps(fit)
    def hurried(*args, **options):
        if options.get("solver", "icnn") == "icnn":
            options |= {"n_steps": 60, "check_every": 30, "min_steps": 30}
        return fit(*args, **options)
    return hurried

for name in ("cellot", "trajectory"):
    setattr(cellot_sc.tl, name, hurried(getattr(cellot_sc.tl, name)))
settings = cellot_sc.settings.model_dump()
"""
"""Run when the kernel starts: how good maps get is not what is looked at."""
BEFORE = """
import os
for name, value in settings.items():
    setattr(cellot_sc.settings, name, value)
os.chdir({folder!r})
get_ipython().run_line_magic("reset_selective", "-f ^(?!settings$|cellot_sc$)")
"""
"""Run before each tutorial, which finds nothing of the others."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of a kernel that all tutorials run in, because packages take as long to import as most of them."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    with pytest.MonkeyPatch.context() as patch:
        # a kernel or a profile that the user has installed elsewhere is not what is tested
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        client = nbclient.NotebookClient(nbformat.v4.new_notebook(), timeout=600, kernel_name="python3")
        with client.setup_kernel():
            run(client, [nbformat.v4.new_code_cell(ONCE)])
            yield client


def run(client: Any, cells: list[Any]) -> None:
    """Run cells in the kernel."""
    client.nb.cells = cells
    for index, cell in enumerate(cells):
        client.execute_cell(cell, index)


@pytest.mark.parametrize("path", sorted(TUTORIALS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_tutorial_runs(
    path: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are not kept"
    if DOCS.is_dir():
        monkeypatch.syspath_prepend(DOCS)
        made = importlib.import_module("made").folder(path) / path.name
        # a build of the documentation with this very package has run it
        if made.is_file():
            check_outputs(nbformat.read(made, as_version=4))
            return
    kernel = request.getfixturevalue("kernel")
    run(kernel, [nbformat.v4.new_code_cell(BEFORE.format(folder=str(tmp_path)))])
    run(kernel, notebook.cells)


def check_outputs(notebook: Any) -> None:
    """Look that every cell was run, in order, and that none has failed or warned."""
    code = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert [output for output in outputs if output["output_type"] == "error"] == []
    said = [output["text"] for output in outputs if output["output_type"] == "stream" and output["name"] == "stderr"]
    assert [text for text in said if re.search(r"\w+Warning:", text)] == []


@pytest.mark.skipif(not DOCS.is_dir(), reason="the documentation is not installed")
def test_every_tutorial_is_in_both_indexes_in_one_order() -> None:
    page = (DOCS / "tutorials.md").read_text(encoding="utf-8")
    cards = re.findall(r":link: generated/tutorials/(\w+)", page)
    assert sorted(cards) == sorted(path.stem for path in TUTORIALS.glob("*.ipynb"))
    assert re.findall(r"^generated/tutorials/(\w+)$", page, flags=re.MULTILINE) == cards
    assert re.findall(r"\((\w+)\.ipynb\)", (TUTORIALS / "README.md").read_text(encoding="utf-8")) == cards
    assert len(re.findall(r"^about \d+ min$", page, flags=re.MULTILINE)) == len(cards)
