from __future__ import annotations

import sys

import pytest
from anndata import AnnData

import cellot_sc as cs


def test_says_what_to_install(fitted: AnnData, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "squidpy", None)
    with pytest.raises(ImportError, match=r"cs.tl.spatial_effects needs squidpy.*pip install 'cellot-sc\[spatial\]'"):
        cs.tl.spatial_effects(fitted)
