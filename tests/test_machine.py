from __future__ import annotations

import pytest

from cellot_sc import _machine


def test_memory_of_this_machine() -> None:
    assert 2**28 < _machine.memory() < 2**50


def test_memory_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sysconf", raising=False)
    assert _machine.memory() == _machine.UNKNOWN_MEMORY
