from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellot_sc import _processes

MEGABYTE = 2**20


def alive(pid: int) -> bool:
    """Return whether there is such a process, which is no child of this one, within some seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


def asked(times: int = 2) -> set[int]:
    """Return which processes answer."""
    with _processes.lent(2, {}) as (executor, _):
        return {future.result() for future in [executor.submit(os.getpid) for _ in range(times)]}


def test_they_are_kept_from_one_call_to_the_next() -> None:
    first = asked(20)
    assert os.getpid() not in first and len(first) <= 2
    assert asked(20) <= first | set(*(executor._processes for executor in _processes._resting.values()))
    # no more than those of one kind
    with _processes.lent(1, {"SOME": "thing"}) as (executor, _):
        assert executor.submit(os.getenv, "SOME").result() == "thing"
    assert len(_processes._resting) == 1


def test_one_that_has_grown_is_kept() -> None:
    def grown(n_megabytes: int) -> int:
        vars(sys).setdefault("held", []).append(np.ones(n_megabytes * MEGABYTE, dtype=np.uint8))
        # as long as loky waits before it looks
        time.sleep(1.1)
        return os.getpid()

    with _processes.lent(1, {"FOR": "growth"}) as (executor, _):
        # what it has grown by is seen after the second call, and it would be another one at the third
        found = [executor.submit(grown, n).result() for n in (0, 400, 0)]
    assert len({*found}) == 1


def test_those_that_are_interrupted_are_ended() -> None:
    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt), _processes.lent(1, {"FOR": "interrupts"}) as (executor, _):
        pids.append(executor.submit(os.getpid).result())
        executor.submit(time.sleep, 1000)
        raise KeyboardInterrupt
    assert not alive(pids[0])


def test_large_arrays_are_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    small, large = np.arange(10.0), np.asfortranarray(np.ones((MEGABYTE // 2, 3), dtype=np.float32))
    with _processes.lent(1, {"FOR": "files"}) as (executor, sent):
        assert sent(small) is small
        laid = sent(large)
        assert isinstance(laid, _processes.Laid) and Path(laid.path).stat().st_size < large.nbytes + 200
        assert executor.submit(np.sum, np.ones(3)).result() == 3
        read = laid.read()
        np.testing.assert_array_equal(read, large)
        assert read.flags.f_contiguous and not read.flags.writeable
        del read
    assert [*tmp_path.iterdir()] == []


def test_where_there_is_no_room_arrays_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    array = np.ones(MEGABYTE)
    with _processes.lent(1, {"FOR": "files"}) as (_, sent):
        assert sent(array) is array


CODE = """
import dataclasses, os, sys
import joblib, numpy as np
import cellot_sc as cs
from cellot_sc import _processes, ot

print("imported", flush=True)
adata = cs.datasets.simulate(600, 20, perturbations=[f"drug_{i}" for i in range(10)])

def run(problems, *given):
    return ot.SOLVERS["mean_shift"].run(problems, *given)

def distance(x, y):
    return float(np.abs(x.mean(axis=0) - y.mean(axis=0)).max())

solver = dataclasses.replace(ot.SOLVERS["mean_shift"], name="mine", run=run)
metric = dataclasses.replace(cs.metrics.METRICS["l2_means"], name="own", function=distance)
with joblib.parallel_config("loky", n_jobs=2):
    cs.tl.cellot(adata, solver=solver)
    scores = cs.tl.evaluate(adata, metrics=metric, n_boot=0, baselines="mean_shift")
assert set(scores["model"]) >= {"mine", "identity"}, scores
print(*next(iter(_processes._resting.values()))._processes, flush=True)
"""


def test_a_script_of_its_own_solver_and_metric(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    # without a guard around what it does
    script.write_text(CODE)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    imported, *pids = done.stdout.split()
    assert imported == "imported" and len(pids) == 2
    assert not any(alive(int(pid)) for pid in pids)


def test_they_end_with_a_process_that_is_killed() -> None:
    code = """
import os, time
from cellot_sc import _processes
with _processes.lent(1, {}) as (executor, _):
    print(executor.submit(os.getpid).result(), flush=True)
    executor.submit(time.sleep, 1000)
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert not alive(int(done.stdout))
