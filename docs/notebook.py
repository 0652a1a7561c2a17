"""Runs a notebook and writes it with what its cells return: ``python docs/notebook.py NOTEBOOK FOLDER``."""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat

PICTURE = "picture"
"""Tag of the cell whose picture stands for the notebook; without one, it is the first that there is."""


def main(file: Path, folder: Path) -> None:
    """Run a notebook in a folder of its own, which is deleted, and write it and a picture of it to another."""
    notebook = nbformat.read(file, as_version=4)
    with tempfile.TemporaryDirectory() as scratch:
        place = {"metadata": {"path": scratch}}
        nbclient.NotebookClient(notebook, timeout=900, record_timing=False, resources=place).execute()
    nbformat.write(notebook, folder / file.name)
    (folder / f"{file.stem}.png").write_bytes(picture(notebook))


def picture(notebook: nbformat.NotebookNode) -> bytes:
    """Return the picture that stands for a notebook, as PNG."""
    drawn = [
        (PICTURE in cell.metadata.get("tags", []), output["data"]["image/png"])
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    # the first of the chosen ones, else the first of all
    _, encoded = max(drawn, key=lambda pair: pair[0])
    return base64.b64decode(encoded)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
