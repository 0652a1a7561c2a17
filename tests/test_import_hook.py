from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from cellot_sc import _import_hook


def test_acts_once_and_right_after_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_that_is_waited_for.py").write_text("ready = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[bool] = []
    before = len(sys.meta_path)
    _import_hook.after("module_that_is_waited_for", lambda: seen.append(sys.modules["module_that_is_waited_for"].ready))
    assert seen == []
    importlib.import_module("json")
    assert seen == []
    importlib.import_module("module_that_is_waited_for")
    importlib.import_module("module_that_is_waited_for")
    assert seen == [True]
    assert len(sys.meta_path) == before
    monkeypatch.delitem(sys.modules, "module_that_is_waited_for")


def test_acts_now_where_it_is_there() -> None:
    seen: list[int] = []
    _import_hook.after("json", lambda: seen.append(1))
    assert seen == [1]


def test_what_is_not_there_is_not_found() -> None:
    _import_hook.after("no_such_module_at_all", lambda: pytest.fail("there is none"))
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module_at_all")
