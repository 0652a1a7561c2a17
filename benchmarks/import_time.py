"""How much longer than anndata the package takes to import, and whether it stays lazy."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

REPETITIONS = 7
LIMIT = 0.3
"""Seconds that ``import cellot_sc`` may take longer than ``import anndata``."""
HEAVY = ("jax", "matplotlib", "moscot")
"""What must not be loaded until a function needs it."""

CHILD = """
import json, sys, time
start = time.perf_counter()
import {module}
seconds = time.perf_counter() - start
print(json.dumps([seconds, [name for name in {heavy!r} if name in sys.modules]]))
"""


def measure(module: str) -> tuple[float, list[str]]:
    """Return the seconds that importing a module takes in a fresh interpreter, and what heavy packages it loaded."""
    code = CHILD.format(module=module, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, heavy = json.loads(done.stdout)
    return seconds, heavy


def run(arguments: list[str]) -> int:
    """Print the medians, and return 1 if the import is too slow or not lazy."""
    modules = ("anndata", "cellot_sc")
    for module in modules:
        measure(module)  # fills the disk cache and writes bytecode
    # in turn, so that a busy spell of the machine hits both
    runs = [[measure(module) for module in modules] for _ in range(REPETITIONS)]
    anndata, ours = (statistics.median(pair[i][0] for pair in runs) for i in range(2))
    heavy = sorted({name for pair in runs for name in pair[1][1]})
    print("| import | anndata | cellot_sc | longer by | limit | heavy packages loaded |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(
        f"| median of {REPETITIONS} | {anndata:.2f} s | {ours:.2f} s | {ours - anndata:+.2f} s | {LIMIT} s "
        f"| {', '.join(heavy) or 'none'} |"
    )
    return int(ours - anndata > LIMIT or bool(heavy))
