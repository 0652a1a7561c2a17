"""Compiled code that is kept between processes, in processes of their own: jax decides once what it keeps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

FIT = """
import sys
from pathlib import Path
import numpy as np
import jax
import cellot_sc as cs

hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name) if name.endswith("cache_hits") else None)
x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
problem = cs.ot.Problem(x, x + 1, x[:20], x[:20] + 1)
[solution] = cs.ot.fit([problem], "entropic")
moved = solution.map.transport(x)
"""
OTHERS = """
def others(n):
    jax.jit(lambda x: sum(jax.numpy.sin(x * i) for i in range(n)))(1.0)
"""


def start(code: str, folder: Path | str, **environment: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=inherited | {"CELLOT_SC_COMPILATION_CACHE_DIR": str(folder)} | environment,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return [*out.splitlines(), *err.splitlines()]


def code_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*-cache")}


PRINT = FIT + "print(moved.tobytes().hex(), len(hits))"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the code of two processes at once, and what they have computed."""
    folder = tmp_path_factory.mktemp("filled")
    both = [ended(process)[0].split()[0] for process in [start(PRINT, folder), start(PRINT, folder)]]
    assert both[0] == both[1]
    return folder, both[0]


def test_the_next_process_finds_what_two_have_compiled_at_once(filled: tuple[Path, str]) -> None:
    folder, expected = filled
    kept = code_in(folder)
    assert kept
    moved, hits = ended(start(PRINT, folder))[0].split()
    assert int(hits) > 0
    assert code_in(folder) == kept
    without = ended(start(PRINT, "none"))[0].split()
    assert without[1] == "0"
    assert moved == expected == without[0]


def test_code_of_others_is_not_kept_and_jax_is_left_as_it_was(tmp_path: Path) -> None:
    code = (
        "import jax\n" + OTHERS + "others(40)\nhad = dict(jax.config.values)\n" + FIT + "others(41)\n"
        "assert dict(jax.config.values) == had\n"
        f"jax.config.update('jax_compilation_cache_dir', {str(tmp_path / 'own')!r})\n"
        "jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)\n"
        "others(42)\n"
    )
    ended(start(code, tmp_path / "ours"))
    assert code_in(tmp_path / "ours")
    assert all("lambda" not in name for name in code_in(tmp_path / "ours"))
    assert any("lambda" in name for name in code_in(tmp_path / "own"))


def test_a_folder_that_the_user_has_given_jax_is_taken(tmp_path: Path) -> None:
    environment = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "own"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    }
    ended(start(FIT, tmp_path / "ours", **environment))
    assert code_in(tmp_path / "own")
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize("place", ["file", "full"])
def test_a_folder_that_cannot_be_written_costs_a_line(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "file"
    folder.write_text("")
    code = FIT
    if place == "full":
        folder = tmp_path / "full"
        # what is written beyond a size is refused, as on a full disk
        code = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + FIT.replace(
            "hits = []", "hits = []\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
        )
    lines = ended(start(code, folder))
    assert sum(line.startswith("compiled code is not kept: ") for line in lines) == 1
    assert not code_in(tmp_path)


def test_a_folder_whose_lock_is_held_is_only_read(filled: tuple[Path, str]) -> None:
    folder, expected = filled
    with FileLock(next(folder.rglob(".lockfile"))):
        begun = time.monotonic()
        lines = ended(start(PRINT, folder))
    # jax would wait ten seconds for it at every function
    assert time.monotonic() - begun < 60
    assert sum(line.startswith("compiled code is not kept: ") for line in lines) == 1
    moved, hits = lines[0].split()
    assert moved == expected
    assert int(hits) > 0
