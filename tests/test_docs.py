"""Every Python block of the README and of the documentation runs, in order, page by page."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

import cellot_sc as cs

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```$", flags=re.MULTILINE | re.DOTALL)
SLOW = {"README.md"}
"""Pages that fit networks with the defaults, as a reader would."""
NEEDS = re.compile(r"<!-- needs (?P<package>\w+) -->\n\Z")
"""Stands before a block that needs a package that is not installed for the tests."""

pytestmark = [
    pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the documentation is not installed"),
    # mudata drops columns in a way that pandas 3.1 deprecates
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop:DeprecationWarning"),
]


def pages() -> list[Any]:
    found = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    with_code = [page for page in found if page.is_file() and BLOCK.search(page.read_text(encoding="utf-8"))]
    return [
        pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in SLOW else []) for page in with_code
    ]


@pytest.fixture
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the solvers, metrics and maps that a page defines."""
    for registry in (cs.ot.SOLVERS, cs.metrics.METRICS):
        monkeypatch.setattr(registry, "_records", dict(registry._records))
    monkeypatch.setattr(cs.ot.TransportMap, "_kinds", dict(cs.ot.TransportMap._kinds))


@pytest.mark.usefixtures("_as_it_was")
@pytest.mark.parametrize("page", pages())
def test_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page, page.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("_as_it_was")
def test_code_that_needs_pytorch_runs() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: it is no dependency of the package")
    page = ROOT / "docs" / "extending.md"
    run(page, page.read_text(encoding="utf-8"), {"torch"})


def test_code_that_needs_dask_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "scale.md"
    run(page, page.read_text(encoding="utf-8"), {"distributed"})


def run(page: Path, text: str, installed: Collection[str] = ()) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    for block in BLOCK.finditer(text):
        needs = NEEDS.search(text, 0, block.start())
        if needs and needs["package"] not in installed:
            continue
        # as many empty lines before it as in the page, so that an error names the right one
        before = "\n" * text.count("\n", 0, block.start("code"))
        exec(compile(before + block["code"], str(page), "exec"), names)


def test_page_on_choosing_has_every_solver() -> None:
    text = (ROOT / "docs" / "choosing.md").read_text(encoding="utf-8")
    assert [name for name in cs.ot.SOLVERS if f'`"{name}"`' not in text] == []
