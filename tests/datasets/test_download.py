"""Downloads from a server on this machine that breaks, truncates and corrupts."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from scverse_misc.datasets import DatasetEntry, FileEntry

import cellot_sc as cs
from cellot_sc.datasets import _download
from cellot_sc.datasets._download import CHUNK, HDF5_SIGNATURE, fetch

CONTENT = HDF5_SIGNATURE + bytes(range(256)) * 8000
"""More than one chunk, and more than a socket holds."""


class Server(ThreadingHTTPServer):
    """Answers each request as the next of ``answers`` says, the last of them for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = ["whole"]
        self.ranges: list[str | None] = []
        self.etag = '"one"'

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/cells.h5ad"

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep what a client that hangs up causes from the output."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if answer == "not found":
            self.send_error(404)
            return
        if answer in {"empty", "page"}:
            body = b"" if answer == "empty" else b"<html>Please prove that you are human.</html>"
            self._head(202 if answer == "empty" else 200, len(body))
            self.wfile.write(body)
            return
        start = 0
        if self.headers.get("Range") and self.headers.get("If-Range") == self.server.etag:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        body = CONTENT[start:]
        if answer == "corrupt":
            body = body[:-1] + b"?"
        self._head(206 if start else 200, len(body), start)
        self.wfile.write(body[: len(body) // 2] if answer == "break" else body)

    def _head(self, status: int, length: int, start: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cs.settings, "dataset_dir", tmp_path / "cache")
    return tmp_path / "cache"


def entry(url: str, *, fallbacks: list[str] | None = None, sha256: str | None = None) -> DatasetEntry:
    return DatasetEntry("cells", "anndata", (FileEntry("cells.h5ad", url, None, sha256, fallbacks),), {"megabytes": 2})


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_downloads_once(server: Server, cache: Path):
    known = entry(server.url, sha256=hashlib.sha256(CONTENT).hexdigest())
    path = fetch(known)
    assert path == cache / "cells.h5ad"
    assert path.read_bytes() == CONTENT
    assert fetch(known) == path
    assert len(server.ranges) == 1
    assert files(cache) == ["cells.h5ad", "cells.h5ad.sha256"]


def test_broken_connection_is_continued(server: Server, cache: Path):
    server.answers = ["break", "break", "whole"]
    assert fetch(entry(server.url)).read_bytes() == CONTENT
    first, second = (int(str(given).removeprefix("bytes=").removesuffix("-")) for given in server.ranges[1:])
    half = len(CONTENT) // 2
    assert half - CHUNK < first <= half
    assert half < second < len(CONTENT)
    assert files(cache) == ["cells.h5ad", "cells.h5ad.sha256"]


def test_next_call_continues_what_is_left(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_download, "ATTEMPTS", 1)
    server.answers = ["break", "whole"]
    with pytest.raises(FileNotFoundError, match="the connection broke"):
        fetch(entry(server.url))
    assert "cells.h5ad" not in files(cache)
    assert fetch(entry(server.url)).read_bytes() == CONTENT
    assert server.ranges[1] is not None


def test_another_version_is_not_joined_to_the_first(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_download, "ATTEMPTS", 1)
    server.answers = ["break", "whole"]
    with pytest.raises(FileNotFoundError):
        fetch(entry(server.url))
    server.etag = '"two"'
    assert fetch(entry(server.url)).read_bytes() == CONTENT


def test_without_a_version_it_starts_anew(server: Server, cache: Path):
    server.etag = ""
    server.answers = ["break", "whole"]
    with pytest.raises(FileNotFoundError, match="the connection broke"):
        fetch(entry(server.url))
    assert files(cache) == []


def test_corrupt_file_is_thrown_away(server: Server, cache: Path):
    server.answers = ["corrupt"]
    with pytest.raises(FileNotFoundError, match="hash"):
        fetch(entry(server.url, sha256=hashlib.sha256(CONTENT).hexdigest()))
    assert files(cache) == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [("not found", "answered 404"), ("empty", "answered 202"), ("page", "no HDF5 file")],
)
def test_answer_that_is_no_file(server: Server, cache: Path, answer: str, why: str):
    server.answers = [answer]
    with pytest.raises(FileNotFoundError, match=why):
        fetch(entry(server.url))
    assert files(cache) == []


def test_falls_back_to_another_address(server: Server, cache: Path):
    server.answers = ["not found", "whole"]
    assert fetch(entry(server.url, fallbacks=[f"{server.url}?other"])).read_bytes() == CONTENT


def test_offline_says_what_to_put_where(server: Server, cache: Path):
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(FileNotFoundError) as error:
        fetch(entry(url))
    words = str(error.value)
    assert "no connection to 127.0.0.1" in words
    assert f"Download {url} (2 MB)" in words
    assert str(cache) in words
    assert "CELLOT_SC_DATASET_DIR" in words


def test_file_put_there_by_hand_is_taken(cache: Path):
    cache.mkdir()
    (cache / "cells.h5ad").write_bytes(CONTENT)
    assert fetch(entry("http://127.0.0.1:1/cells.h5ad")) == cache / "cells.h5ad"


@pytest.mark.parametrize("kind", ["file", "dangling link", "loop", "below a file"])
def test_folder_that_cannot_be_is_named(server: Server, cache: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    if kind == "dangling link":
        cache.symlink_to(cache.with_name("absent") / "deeper")
    elif kind == "loop":
        cache.symlink_to(cache)
    else:
        cache.write_text("a file, not a folder")
    place = cache / "deeper" if kind == "below a file" else cache
    monkeypatch.setattr(cs.settings, "dataset_dir", place)
    with pytest.raises(FileNotFoundError, match=r"cannot be kept in .*: \w.*CELLOT_SC_DATASET_DIR") as error:
        fetch(entry(server.url))
    assert str(place) in str(error.value)
    assert server.ranges == []


def test_folder_that_cannot_be_written_is_named(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(FileNotFoundError, match=r"cannot be written: Permission denied.*CELLOT_SC_DATASET_DIR"):
        fetch(entry(server.url))
    assert server.ranges == []


class TestDigest:
    """What a host that publishes no checksum first gave is what it has to give afterwards."""

    def test_a_file_that_changed_on_the_disk_is_refused(self, server: Server, cache: Path):
        path = fetch(entry(server.url))
        kept = cache / "cells.h5ad.sha256"
        was, now = (hashlib.sha256(content).hexdigest() for content in (CONTENT, CONTENT[:-1]))
        assert kept.read_text() == f"{was}  cells.h5ad\n"
        path.write_bytes(CONTENT[:-1])
        with pytest.raises(ValueError, match="has changed since it was downloaded") as error:
            fetch(entry(server.url))
        assert all(part in str(error.value) for part in (was, now, str(path), str(kept)))
        kept.unlink()
        assert fetch(entry(server.url)).read_bytes() == CONTENT[:-1]

    def test_a_file_that_changed_at_the_host_is_refused(self, server: Server, cache: Path):
        fetch(entry(server.url)).unlink()
        server.answers = ["corrupt"]
        was, now = (hashlib.sha256(content).hexdigest() for content in (CONTENT, CONTENT[:-1] + b"?"))
        with pytest.raises(FileNotFoundError, match="first download") as error:
            fetch(entry(server.url))
        assert was in str(error.value) and now in str(error.value)
        assert files(cache) == ["cells.h5ad.sha256"]
        (cache / "cells.h5ad.sha256").unlink()
        assert fetch(entry(server.url)).read_bytes() == CONTENT[:-1] + b"?"

    def test_a_digest_that_was_cut_off_says_nothing(self, server: Server, cache: Path):
        fetch(entry(server.url))
        (cache / "cells.h5ad.sha256").write_text("abc")
        assert fetch(entry(server.url)).read_bytes() == CONTENT


def test_what_a_killed_download_left_is_removed(server: Server, cache: Path):
    # the mechanism of fetch alone: importing the data sets takes seconds
    code = """
import os, signal, sys
from pathlib import Path
from cellot_sc import _files

with _files.replacing(Path(sys.argv[1])) as new:
    new.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    cache.mkdir()
    done = subprocess.run([sys.executable, "-c", code, str(cache / "cells.h5ad")], check=False)
    assert done.returncode == -signal.SIGKILL
    [left] = files(cache)
    assert files(cache / left) == [".cellot-sc", "cells.h5ad"]
    assert fetch(entry(server.url)).read_bytes() == CONTENT
    assert files(cache) == ["cells.h5ad", "cells.h5ad.sha256"]


def test_what_another_address_left_is_removed(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_download, "ATTEMPTS", 1)
    server.answers = ["break", "whole"]
    assert fetch(entry(server.url, fallbacks=[f"{server.url}?other"])).read_bytes() == CONTENT
    assert files(cache) == ["cells.h5ad", "cells.h5ad.sha256"]
