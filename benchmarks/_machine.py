"""What a benchmark ran on, and how fast that can be at best."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

PACKAGES = ("cellot-sc", "jax", "jaxlib", "ott-jax", "flax", "optax", "numpy")


def describe() -> dict[str, Any]:
    """Return the machine, the versions, the commit, and how busy the machine was."""
    git = ["git", "-C", str(Path(__file__).parent)]
    commit = _output([*git, "rev-parse", "--short", "HEAD"])
    changed = bool(_output([*git, "status", "--porcelain", "--untracked-files=no"]))
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "devices": [device.device_kind for device in jax.devices()],
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "commit": f"{commit} with uncommitted changes" if changed else commit,
        "date": time.strftime("%Y-%m-%d"),
    }


def matmul_rate(size: int = 2048, repetitions: int = 8) -> float:
    """Return the best rate of a large float32 matrix product, in floating point operations per second."""
    matrix = jnp.ones((size, size), jnp.float32)
    product = jax.jit(lambda a: a @ a)
    product(matrix).block_until_ready()
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        product(matrix).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
