"""How much longer than anndata, and than scanpy, the package takes to import, and whether it stays lazy."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import NamedTuple

REPETITIONS = 7


class Import(NamedTuple):
    """What is imported, as statements, in comparison with what."""

    code: str
    beside: str
    limit: float
    """Seconds that it may take longer."""
    heavy: tuple[str, ...]
    """What must not be loaded until a function needs it."""


TOUCH = "[getattr(getattr(cs, space), name) for space in ('pl', 'pp', 'tl') for name in getattr(cs, space).__all__]"
IMPORTS = {
    "cellot_sc": Import(
        "import cellot_sc", "import anndata", 0.3, ("flax", "jax", "matplotlib", "moscot", "optax", "ott")
    ),
    "cellot_sc.tl and all verbs": Import(
        f"import cellot_sc as cs, cellot_sc.tl; {TOUCH}",
        "import scanpy",
        0.5,
        ("flax", "jax", "moscot", "optax", "ott"),
    ),
}
CHILD = """
import json, sys, time
start = time.perf_counter()
{code}
seconds = time.perf_counter() - start
print(json.dumps([seconds, time.process_time(), sorted({{name.partition(".")[0] for name in sys.modules}})]))
"""


class Taken(NamedTuple):
    """What an import takes in a fresh interpreter."""

    seconds: float
    cpu: float
    """Seconds of the whole process."""
    packages: set[str]


def measure(code: str) -> Taken:
    """Return what statements take in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", CHILD.format(code=code)], capture_output=True, text=True, check=True)
    seconds, cpu, packages = json.loads(done.stdout)
    return Taken(seconds, cpu, set(packages))


def run(arguments: list[str]) -> int:
    """Print the medians, and return 1 if an import is too slow or not lazy."""
    failed = False
    print("| import | beside | seconds | longer by | CPU longer by | limit | heavy packages loaded |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, one in IMPORTS.items():
        for code in (one.beside, one.code):
            measure(code)  # fills the disk cache and writes bytecode
        # in turn, so that a busy spell of the machine hits both
        pairs = [(measure(one.beside), measure(one.code)) for _ in range(REPETITIONS)]
        other, seconds = (statistics.median(pair[i].seconds for pair in pairs) for i in range(2))
        longer = statistics.median(ours.seconds - beside.seconds for beside, ours in pairs)
        cpu = statistics.median(ours.cpu - beside.cpu for beside, ours in pairs)
        heavy = sorted(name for name in one.heavy if any(name in ours.packages for _, ours in pairs))
        failed |= longer > one.limit or bool(heavy)
        print(
            f"| `{name}` | {one.beside.split()[-1]}, {other:.2f} s | {seconds:.2f} s | {longer:+.2f} s | {cpu:+.2f} s "
            f"| {one.limit} s | {', '.join(heavy) or 'none'} |"
        )
    return int(failed)
