"""Makes what takes minutes, once for each state of the package: pictures of pages, and outputs of tutorials."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import requires, version
from pathlib import Path

DOCS = Path(__file__).parent
SOURCE = DOCS.parent / "src"
KEPT = DOCS / ".cache"
"""What has been made, a folder for each script or notebook; a build that finds its own there makes nothing."""
SCRIPTS = tuple(DOCS / f"{name}.py" for name in ("landing", "contexts", "gallery"))
"""Each draws into the folder that it is given."""
NOTEBOOKS = tuple(sorted((DOCS.parent / "tutorials").glob("*.ipynb")))
RUN = DOCS / "notebook.py"
"""Runs a notebook, and writes it with its outputs and one of its pictures."""


@functools.cache
def state() -> str:
    """Return a digest of the package and of the versions of all that it needs to be imported."""
    digest = hashlib.sha256()
    for file in sorted(path for path in SOURCE.rglob("*") if path.suffix in {".py", ".html", ".yaml"}):
        digest.update(f"{file.relative_to(SOURCE)}\0".encode() + file.read_bytes())
    names = [re.split(r"[^\w.-]", need)[0] for need in requires("cellot-sc") or [] if "extra ==" not in need]
    digest.update("\0".join(f"{name} {version(name)}" for name in sorted(names)).encode())
    return digest.hexdigest()


def folder(source: Path) -> Path:
    """Return where that which a script or notebook makes with the package as it is lies, or would lie."""
    how = RUN.read_bytes() if source.suffix == ".ipynb" else b""
    return KEPT / f"{source.stem}-{hashlib.sha256(state().encode() + source.read_bytes() + how).hexdigest()[:16]}"


def make(sources: Iterable[Path] = (*SCRIPTS, *NOTEBOOKS)) -> None:
    """Make what is not kept, as many at a time as there are cores, and forget what an earlier state has made.

    Parameters
    ----------
    sources
        Scripts and notebooks.

    Raises
    ------
    RuntimeError
        If one of them fails, with what it has printed.
    """
    missing = [source for source in sources if not folder(source).is_dir()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_make, missing))


def _make(source: Path) -> None:
    kept = folder(source)
    KEPT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT, ignore_cleanup_errors=True) as scratch:
        out = Path(scratch) / "out"
        out.mkdir()
        command = [source] if source.suffix == ".py" else [RUN, source]
        # pages show simulated cells, also where real ones are at hand
        env = os.environ | {"CELLOT_SC_DATASET_DIR": str(Path(scratch) / "none")}
        env["MPLBACKEND"] = "Agg" if source.suffix == ".py" else "module://matplotlib_inline.backend_inline"
        env.pop("CELLOT_ARCHIVE", None)
        done = subprocess.run(
            [sys.executable, *command, out],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{source.name} failed:\n{done.stderr}")
        for old in KEPT.glob(f"{source.stem}-*"):
            shutil.rmtree(old, ignore_errors=True)
        out.rename(kept)


def bring(to: Path) -> None:
    """Make what is missing, and copy everything to where Sphinx looks for pages and pictures.

    Parameters
    ----------
    to
        Folder to fill: ``tutorials/`` with notebooks and a picture of each, ``gallery/``, and single pictures.
    """
    make()
    for source in (*SCRIPTS, *NOTEBOOKS):
        below = to / {".ipynb": "tutorials"}.get(source.suffix, "gallery" if source.stem == "gallery" else "")
        shutil.copytree(folder(source), below, dirs_exist_ok=True)


if __name__ == "__main__":
    make()
