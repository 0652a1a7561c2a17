"""What the pages of functions show beyond their docstrings, and what is made for the documentation, once."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

import cellot_sc as cs

DOCS = Path(__file__).parents[1] / "docs"
pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the documentation is not part of this installation")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a script of the documentation by its name."""
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module


def test_every_figure_has_pictures_and_what_makes_its_table(script: Any) -> None:
    figures = script("related").figures()
    assert set(figures) == set(cs.pl.__all__)
    assert [name for name, (pictures, makers) in figures.items() if not pictures or not makers] == []
    assert figures["evaluation"] == (["evaluation.png", "evaluation_curves.png"], ["evaluate"])
    assert figures["effect_heatmap"][1] == ["subpopulation_effects"]
    assert figures["history"][1] == ["cellot"]
    assert {maker for _, makers in figures.values() for maker in makers} <= set(cs.tl.__all__)


def test_pages_of_functions_lead_to_each_other(script: Any) -> None:
    related = script("related").related
    assert any("tl.transport_cost" in line for line in related("pl.transport_cost"))
    assert any("Drawn by" in line and "pl.transport_cost" in line for line in related("tl.transport_cost"))
    assert related("pp.split") == [
        "| Tutorials: :doc:`/generated/tutorials/1_quick_start`, :doc:`/generated/tutorials/8_your_own_data`, "
        ":doc:`/generated/tutorials/3_unseen_patients`"
    ]


def test_docstring_gets_its_picture_below_the_summary(script: Any) -> None:
    lines = ["Draw.", "", ":param a: it"]
    script("related").add(None, "function", "cellot_sc.pl.history", None, None, lines)
    assert lines[:4] == ["Draw.", "", ".. image:: /generated/gallery/history.png", "   :alt: Draw."]
    assert lines.index(".. seealso::") > lines.index(":param a: it")
    lines = ["Draw.", ""]
    script("related").add(None, "function", "cellot_sc.pl.evaluation", None, None, lines)
    assert [line.split("/")[-1] for line in lines if "image::" in line] == ["evaluation.png", "evaluation_curves.png"]
    other = ["Compute."]
    script("related").add(None, "function", "cellot_sc.metrics.mmd", None, None, other)
    assert other == ["Compute."]


def test_a_script_is_run_once_for_each_state(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = script("made")
    monkeypatch.setattr(made, "KEPT", tmp_path / "kept")
    source = tmp_path / "drawing.py"
    source.write_text("import sys, pathlib, uuid\n(pathlib.Path(sys.argv[1]) / 'a').write_text(str(uuid.uuid4()))\n")
    texts, folders = [], []
    for state in ("one", "one", "two"):
        monkeypatch.setattr(made, "state", lambda state=state: state)
        made.make([source])
        folders.append(made.folder(source))
        texts.append((folders[-1] / "a").read_text())
    assert texts[0] == texts[1] != texts[2]
    assert list(made.KEPT.iterdir()) == [folders[2]], "what an earlier state has made is forgotten"


def test_a_script_that_fails_says_why(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = script("made")
    monkeypatch.setattr(made, "KEPT", tmp_path / "kept")
    source = tmp_path / "drawing.py"
    source.write_text("raise ValueError('no pen')\n")
    with pytest.raises(RuntimeError, match=r"(?s)drawing\.py failed.*no pen"):
        made.make([source])
    assert list(made.KEPT.iterdir()) == []


def test_digest_is_of_every_file_of_the_package(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = script("made")
    monkeypatch.setattr(made, "SOURCE", tmp_path)
    monkeypatch.setattr(made, "state", made.state.__wrapped__)
    (tmp_path / "a.py").write_text("a = 1")
    before = made.state()
    assert made.state() == before
    (tmp_path / "a.py").write_text("a = 2")
    assert made.state() != before
