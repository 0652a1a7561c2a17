from __future__ import annotations

import re
from pathlib import Path

import pytest

import cellot_sc as cs

DOCS = Path(__file__).parents[1] / "docs"
pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the documentation is not part of this installation")


def test_every_figure_is_drawn_and_shown() -> None:
    script, page = ((DOCS / name).read_text(encoding="utf-8") for name in ("gallery.py", "gallery.md"))
    assert set(re.findall(r"cs\.pl\.(\w+)\(", script)) == set(cs.pl.__all__)
    assert set(re.findall(r"cellot_sc\.pl\.(\w+)`", page)) == set(cs.pl.__all__)
    assert re.findall(r"generated/gallery/(\w+)\.png", page) != []
    assert sorted(re.findall(r"generated/gallery/(\w+\.png)", page)) == sorted(re.findall(r'folder / "(.+?)"', script))


def test_the_page_quotes_the_script() -> None:
    script, page = ((DOCS / name).read_text(encoding="utf-8") for name in ("gallery.py", "gallery.md"))
    parts = re.findall(r':start-after: "(.+)"', page)
    assert [line for line in parts if f"    {line}\n" not in script] == []
