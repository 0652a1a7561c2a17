"""Downloads the file of a data set: whole and verified, or not at all; what a broken connection leaves is continued."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from scverse_misc.datasets import DatasetEntry
from tqdm.auto import tqdm

from cellot_sc import _files
from cellot_sc._settings import logger, settings

TIMEOUT = (10, 60)
"""Seconds to wait for a connection, and for the next bytes."""
ATTEMPTS = 5
"""How often a broken download is continued before it is given up."""
CHUNK = 1 << 16
"""Bytes that are read at once, and so the most that a broken connection loses."""
# some hosts turn away clients that do not look like a browser; compression would hide how much is left,
# and with nothing said of it, requests asks for the bytes as they are
HEADERS: dict[str, Any] = {"User-Agent": "Mozilla/5.0 (compatible; cellot-sc)", "Accept-Encoding": None}
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def fetch(entry: DatasetEntry) -> Path:
    """Return where the file of a data set is in :attr:`cellot_sc.settings.dataset_dir`, downloaded if it is not there.

    The digest of what was downloaded is kept beside it, and compared whenever the file is used or downloaded again.

    Parameters
    ----------
    entry
        Data set of one file.

    Raises
    ------
    FileNotFoundError
        If it is not there and none of its addresses gives it. Says why, and where to put the file by hand.
    ValueError
        If it has changed since it was downloaded.
    """
    [file] = entry.files
    path = settings.dataset_dir / file.name
    kept = path.with_name(f"{file.name}.sha256")
    try:
        if path.exists():
            _check_unchanged(path, kept)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileNotFoundError(
            f"data sets cannot be kept in {path.parent}: {error.strerror}. Point cs.settings.dataset_dir "
            "(CELLOT_SC_DATASET_DIR) to a folder that can be read and written."
        ) from error
    # not scverse_misc's own fetch: it begins anew where a connection breaks, and keeps files in a folder for each type
    reasons = []
    for url in [file.resolve_url(), *(file.fallback_urls or ())]:
        download = _Resumable(path)
        for _ in range(ATTEMPTS):
            try:
                with _files.replacing(path) as new:
                    download(url, new)
                    digest = _digest(new)
                    _check_digest(digest, file.sha256, kept)
                    kept.write_text(f"{digest}  {file.name}\n", encoding="utf-8")
            except (OSError, ValueError) as error:
                reasons.append(f"{url}: {_reason(error, url)}")
                if not download.can_continue(url):
                    break
            else:
                # of other addresses
                for leftover in path.parent.glob(f".{file.name}.????????.*"):
                    leftover.unlink(missing_ok=True)
                logger.info("downloaded %s to %s", file.name, path.parent)
                return path
    size = f" ({entry.metadata['megabytes']} MB)" if "megabytes" in entry.metadata else ""
    raise FileNotFoundError(
        f"{path.name} is not in {path.parent}, and was not downloaded: {'; '.join(dict.fromkeys(reasons))}. "
        f"Download {file.resolve_url()}{size} where there is a network and put it there as {path.name}, or point "
        "cs.settings.dataset_dir (CELLOT_SC_DATASET_DIR) to a folder that has it."
    )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first(kept: Path) -> str | None:
    """Return the digest of the first download, if it was kept."""
    text = kept.read_text(encoding="utf-8", errors="replace")[:64] if kept.is_file() else ""
    return text if len(text) == 64 else None


def _check_digest(digest: str, published: str | None, kept: Path) -> None:
    """Raise :class:`ValueError` if what was downloaded is not what is published, or not what was downloaded before."""
    if published is not None and digest != published:
        raise ValueError(f"its hash (sha256) is {digest}, and the published one {published}")
    if published is None and (before := _first(kept)) not in (None, digest):
        raise ValueError(
            f"its hash (sha256) is {digest}, and that of the first download was {before}: delete {kept} if the new "
            "file is to be used"
        )


def _check_unchanged(path: Path, kept: Path) -> None:
    """Raise :class:`ValueError` if a file is not the one that was downloaded; what was put there by hand may be any."""
    if (before := _first(kept)) is not None and (now := _digest(path)) != before:
        raise ValueError(
            f"{path} has changed since it was downloaded: its hash (sha256) is {now}, and was {before}. Delete it to "
            f"download it again, or delete {kept} to use it as it is."
        )


class _Resumable:
    """Streams a URL to a file; keeps what arrived before a connection broke, to go on from there.

    Parameters
    ----------
    path
        File that is wanted. What is left of a broken download lies beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def can_continue(self, url: str) -> bool:
        """Return whether part of what is at an address was kept."""
        return self._part(url).exists()

    def __call__(self, url: str, new: Path) -> None:
        """Write what is at an address to a new file.

        Raises
        ------
        requests.RequestException
            If the connection cannot be made, or breaks.
        ValueError
            If the answer is not the file.
        """
        part = self._part(url)
        version_file = part.with_suffix(".version")
        headers, version = HEADERS.copy(), ""
        if part.exists() and version_file.exists():
            # moved, not copied: two processes never continue the same part
            os.replace(part, new)
            version = version_file.read_text(encoding="utf-8")
            headers |= {"Range": f"bytes={new.stat().st_size}-", "If-Range": version}
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
                version = _version(response)
                self._stream(response, new)
        except (requests.RequestException, KeyboardInterrupt):
            if version and new.exists() and new.stat().st_size:
                version_file.write_text(version, encoding="utf-8")
                os.replace(new, part)
            raise
        for leftover in (part, version_file):
            leftover.unlink(missing_ok=True)
        with new.open("rb") as stream:
            if stream.read(len(HDF5_SIGNATURE)) != HDF5_SIGNATURE:
                raise ValueError("what came is no HDF5 file")

    def _stream(self, response: requests.Response, new: Path) -> None:
        """Write the body of an answer to the end of a file, or over it where the server starts anew."""
        if response.status_code not in (requests.codes.ok, requests.codes.partial_content):
            raise ValueError(f"the server answered {response.status_code} {response.reason}")
        start = new.stat().st_size if response.status_code == requests.codes.partial_content else 0
        if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise ValueError("the server did not go on where the download had stopped")
        length = response.headers.get("Content-Length")
        with (
            new.open("ab" if start else "wb") as stream,
            tqdm(
                desc=self._path.name,
                initial=start,
                total=start + int(length) if length else None,
                unit="B",
                unit_scale=True,
                disable=not settings.progress,
                leave=False,
            ) as bar,
        ):
            for chunk in response.iter_content(CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))

    def _part(self, url: str) -> Path:
        # named after the address too: another one may have another version of the file
        return self._path.with_name(f".{self._path.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")


def _version(response: requests.Response) -> str:
    """Return what names the version of a file to its server, empty if nothing does so for certain."""
    mark = response.headers.get("ETag", "")
    # a weak mark may name two versions
    return response.headers.get("Last-Modified", "") if not mark or mark.startswith("W/") else mark


def _reason(error: Exception, url: str) -> str:
    """Return in a few words why a download failed."""
    host = urlsplit(url).hostname
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke"
    if isinstance(error, requests.Timeout):
        return f"no answer from {host} in time"
    if isinstance(error, requests.ConnectionError):
        return f"no connection to {host}"
    return str(error).splitlines()[0]
