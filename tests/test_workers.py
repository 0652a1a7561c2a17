from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from cellot_sc import _workers
from cellot_sc._settings import logger, settings

ARRAY = np.arange(300_000.0)
"""Large enough for engines to lay it down in a file."""


@pytest.fixture(scope="module")
def dask() -> Iterator[None]:
    """Two workers of dask."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options, silence_logs=logging.CRITICAL) as cluster, distributed.Client(cluster):
        yield


@pytest.fixture(params=["loky", "dask"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Two workers of an engine that joblib is told of."""
    if request.param == "dask":
        request.getfixturevalue("dask")
    with joblib.parallel_config(request.param, **({"n_jobs": 2} if request.param == "loky" else {})):
        yield request.param


def summing(kills: Path | None = None, *, always: bool = False) -> Callable[[tuple[int, np.ndarray]], Any]:
    """Return a function whose worker dies over item 3: the first time, or always."""

    # within another function, so that engines send it as it is
    def summed(item: tuple[int, np.ndarray]) -> tuple[int, float, int]:
        number, array = item
        if number == 3 and kills is not None and (always or not kills.exists()):
            kills.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        logger.info("did %d", number)
        return number, float(array.sum()), os.getpid()

    return summed


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what this package said: a scheduler in this process says more."""
    return sorted(record.getMessage() for record in caplog.records if record.name == "cellot_sc")


ITEMS = [(i, ARRAY) for i in range(6)]


def test_without_workers_one_after_another() -> None:
    assert list(_workers.mapped(len, ["a", "bc", ""])) == [(0, 1), (1, 2), (2, 0)]
    assert not _workers.are_used(3)
    with joblib.parallel_config("loky", n_jobs=2):
        assert _workers.are_used(3)
        assert not _workers.are_used(1)
        assert list(_workers.mapped(lambda _: os.getpid(), ["one"])) == [(0, os.getpid())]


def test_of_workers(engine: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cellot_sc"):
        found = dict(_workers.mapped(summing(), ITEMS))
    assert {i: result[:2] for i, result in found.items()} == {i: (i, ARRAY.sum()) for i in range(6)}
    assert os.getpid() not in {result[2] for result in found.values()}
    assert told(caplog) == [f"did {i}" for i in range(6)]


def test_threads_share_the_process(caplog: pytest.LogCaptureFixture) -> None:
    with joblib.parallel_config("threading", n_jobs=2), caplog.at_level(logging.INFO, "cellot_sc"):
        assert {result[2] for _, result in _workers.mapped(summing(), ITEMS)} == {os.getpid()}
    assert told(caplog) == [f"did {i}" for i in range(6)]


def test_settings_arrive(engine: str) -> None:
    def here(_: object) -> tuple[str, bool]:
        from cellot_sc._settings import settings

        return str(settings.compilation_cache_dir), settings.progress

    with settings.override(compilation_cache_dir=Path("some") / "where"):
        assert {result for _, result in _workers.mapped(here, [1, 2])} == {(str(Path("some") / "where"), False)}


def test_errors_are_those_of_the_function(engine: str) -> None:
    def refuses(item: int) -> None:
        raise ValueError(f"{item} is no good.")

    with pytest.raises(ValueError, match="is no good"):
        list(_workers.mapped(refuses, [1, 2, 3]))


def test_what_a_killed_worker_had_is_done_by_another(engine: str, tmp_path: Path) -> None:
    found = dict(_workers.mapped(summing(tmp_path / "killed"), ITEMS))
    assert (tmp_path / "killed").exists()
    assert {i: result[:2] for i, result in found.items()} == {i: (i, ARRAY.sum()) for i in range(6)}


def test_workers_that_always_die_end_in_a_sentence(tmp_path: Path) -> None:
    with joblib.parallel_config("loky", n_jobs=2), pytest.raises(RuntimeError, match="lack of memory: take fewer"):
        list(_workers.mapped(summing(tmp_path / "killed", always=True), ITEMS, what="things"))


def test_items_are_made_when_they_are_given_out(engine: str) -> None:
    made: list[int] = []

    def make(i: int) -> tuple[int, np.ndarray]:
        made.append(i)
        return i, ARRAY + i

    items = _workers.Made(make, 9)
    results = _workers.mapped(summing(), items)
    found = dict([next(results)])
    # of two workers, each has one and another one that waits
    assert len(made) <= 6
    found |= dict(results)
    assert {i: result[1] for i, result in found.items()} == {i: (ARRAY + i).sum() for i in range(9)}
    assert sorted(made) == [*range(9)] and len(items) == 9
    with pytest.raises(IndexError):
        items[9]


def test_what_several_items_hold_is_sent_apart() -> None:
    small, texts = np.arange(3), np.array(["a" * 2000], dtype=object)
    given = {"a": ARRAY, "b": [ARRAY, small], "c": texts}
    packed, *arrays = _workers._packed(given)
    assert len(arrays) == 1 and arrays[0] is ARRAY and len(packed) < 5000
    found = _workers._unpacked(packed, arrays)
    assert found["a"] is found["b"][0]
    np.testing.assert_array_equal(found["b"][1], small)
    np.testing.assert_array_equal(found["c"], texts)


def test_engines_are_not_imported_unless_asked_for() -> None:
    code = """
import sys
import cellot_sc as cs
adata = cs.datasets.simulate(600, 20)
cs.tl.cellot(adata, solver="mean_shift")
cs.tl.evaluate(adata, metrics="l2_means", n_boot=0)
assert not {"distributed", "ray", "annbatch"} & {*sys.modules}
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_errors_that_cannot_be_sent_keep_their_words() -> None:
    error = KeyError("broken")
    error.held = threading.Lock()  # type: ignore[attr-defined]
    sent = _workers._sendable(error)
    assert type(sent) is RuntimeError
    assert str(sent) == "KeyError: 'broken'"
    assert isinstance(_workers._sendable(ValueError("wrong")), ValueError)
