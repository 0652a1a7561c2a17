"""Runs a benchmark by the name of its module: ``python -m benchmarks solver --help``."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path


def main() -> int:
    """Run the benchmark that the command line names, and return its exit code."""
    names = [m.name.replace("_", "-") for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name[0] != "_"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run one benchmark, print Markdown.")
    parser.add_argument("name", choices=names)
    arguments = parser.parse_args(sys.argv[1:2])
    module = importlib.import_module(f".{arguments.name.replace('-', '_')}", __package__)
    return module.run(sys.argv[2:]) or 0


if __name__ == "__main__":
    sys.exit(main())
