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


def test_what_is_not_released_is_not_installed_by_its_name() -> None:
    places = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "tutorials").glob("*.ipynb")]
    places += (ROOT / "src").rglob("*.py")
    for place in places:
        text = place.read_text(encoding="utf-8")
        for found in re.finditer(r"pip install [^\n]{0,2}cellot-sc", text):
            around = text[max(0, found.start() - 200) : found.end() + 200]
            assert "release" in around, f"{place}: {found[0]!r} without a word on when that will work"


def rows(section: str, names: dict[str, str], columns: list[str]) -> dict[str, list[str]]:
    """Return cells of a table of the log by what the answers call its rows."""
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    lines = [line for line in text.split(f"\n### {section}")[1].split("\n#")[0].splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    where = [table[0].index(column) for column in columns]
    found = {row[0]: [row[i] for i in where] for row in table[2:]}
    return {name: found[row] for row, name in names.items()}


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d*\.\d+", text)]


ROWS = {
    **{"identity": "no effect", "mean_shift": "mean shift", "group_shift": "mean shift per type"},
    **{"gaussian": "Gaussian map", "group_gaussian": "Gaussian map per type", "icnn": "default"},
    **{"icnn by type": "default, by type", "observed": "best possible"},
}


@pytest.mark.parametrize("name", ROWS.values())
def test_answers_are_what_was_measured(name: str) -> None:
    section = (
        (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").split("## Unseen patients")[1].split("\n## ")[0]
    )
    section = section.replace("**", "")
    [line] = [line for line in section.splitlines() if line.startswith(f"| {name} |")]
    measured = rows("Kang, 8 patients left out in turn", ROWS, ["E", "E/type"])[name]
    assert numbers(line) == pytest.approx(numbers(" ".join(measured)), abs=0.0055)


def test_answers_on_other_tools_are_what_was_measured() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    section = page.split("## Beside other tools")[1].split("## How fast")[0].replace("**", "")
    names = ROWS | {"CINEMA-OT": "CINEMA-OT", "CellFlow": "CellFlow", "moscot": "moscot", "Scgen": "scGen"}
    names |= {"paper": "CellOT as published"}
    measured = rows("Kang, split at random, mean", names, ["E/type, splits"])
    told = {
        name: float(value) for name, value in re.findall(r"([A-Z]?[a-zA-Z, -]+?)(?: \([^|]*\))? \| (\d*\.\d+)", section)
    }
    shown = {name.strip(): value for name, value in told.items()}
    assert {"default", "CellFlow", "scGen", "moscot", "CINEMA-OT", "CellOT as published", "no effect"} <= set(shown)
    for name, value in shown.items():
        assert value == pytest.approx(numbers(measured[name][0])[0], abs=0.0055), name
