"""Draws and counts what the README shows of real cells: ``python docs/kang.py``, with the cells in CELLOT_SC_TEST_DATA."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import landing

import cellot_sc as cs

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks._peers_problems import PeerProblem

PATIENT = "1015"
"""Who is left out. `python -m benchmarks peers` leaves out every one of the eight in turn."""


def main() -> None:
    """Fit all patients but one, with a map for all cells and with one that knows their types; draw, and print distances."""
    cs.settings.progress = False
    logging.getLogger("cellot_sc").setLevel("WARNING")
    adata = PeerProblem("patient", PATIENT, holdout=PATIENT).cells()
    cs.tl.cellot(adata, "condition")
    cs.tl.cellot(adata, "condition", context="cell_type", key_added="by_type")
    energy = landing.energies(adata, "ood", {"cellot": "icnn", "by_type": "icnn per type"})
    landing.draw(adata, energy, ROOT / "docs" / "_static" / "kang.png", split="ood", key="by_type")
    print(energy.rename(landing.MODELS).round(3).to_string())


if __name__ == "__main__":
    main()
