"""What only a browser shows of the report."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cellot_sc import _report

CHROMIUM = next(filter(None, map(shutil.which, ("google-chrome", "chromium", "chromium-browser", "chrome"))), "")
PHONE, DESK = (390, 844), (1280, 900)
# a browser hears on file descriptor 3 and speaks on 4; on the way, neither may take the place of the other
LAUNCH = """
import os, sys
for place, given in zip((900, 901), sys.argv[1:3]):
    os.dup2(int(given), place)
os.dup2(900, 3)
os.dup2(901, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on PATH")


class Browser:
    """Headless Chromium with one page, told what to do by the DevTools protocol."""

    def __init__(self, folder: Path) -> None:
        (to_read, self.to_write), (self.to_hear, to_say) = os.pipe(), os.pipe()
        theirs = (to_read, to_say)
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *map(str, theirs), CHROMIUM, *flags],
            pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for end in theirs:
            os.close(end)
        self.heard = b""
        self.events: list[dict[str, Any]] = []
        self.n_sent = 0
        self.session: dict[str, str] = {}
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """Do something and return what came of it."""
        self.n_sent += 1
        message = {"id": self.n_sent, "method": method, "params": params, **self.session}
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        while (answer := self._hear()).get("id") != self.n_sent:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _hear(self) -> dict[str, Any]:
        until = time.monotonic() + 60
        while b"\0" not in self.heard:
            assert select.select([self.to_hear], [], [], max(0, until - time.monotonic()))[0], "the browser is silent"
            more = os.read(self.to_hear, 1 << 20)
            assert more, "the browser has ended"
            self.heard += more
        message, _, self.heard = self.heard.partition(b"\0")
        return json.loads(message)

    def open(self, path: Path, *, size: tuple[int, int] = DESK, scheme: str = "light") -> None:
        self.events.clear()
        width, height = size
        phone = size == PHONE
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._hear())

    def run(self, expression: str) -> Any:
        """Return the value of JavaScript."""
        found = self("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str, *, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            self("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)

    def complaints(self) -> list[dict[str, Any]]:
        """Return what the console would show."""
        methods = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event for event in self.events if event["method"] in methods]

    def close(self) -> None:
        self.session = {}
        self("Browser.close")
        self.process.wait(timeout=20)
        for end in (self.to_write, self.to_hear):
            os.close(end)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_everything_is_there_and_fits(
    browser: Browser, path: Path, report: _report.Report, size: tuple[int, int], scheme: str
) -> None:
    browser.open(path, size=size, scheme=scheme)
    assert browser.complaints() == []
    widths = browser.run("[...document.images].map(i => i.complete && i.naturalWidth)")
    assert len(widths) == sum(item.figure is not None for item in report.items) and min(widths) > 100
    # tables scroll by themselves, figures and the page do not
    assert browser.run("innerWidth") == size[0]
    assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    back, text = browser.run("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    light, dark = (back, text) if scheme == "light" else (text, back)
    brightness = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (light, dark)]
    assert brightness[0] > 600 > 200 > brightness[1]


def test_columns_sort_by_number_and_by_name(browser: Browser, path: Path) -> None:
    browser.open(path)
    for script in (
        "const table = document.querySelector('#scores table');",
        "const rows = () => [...table.tBodies[0].rows];",
        "const heads = [...table.tHead.rows[0].cells];",
        "const column = (i) => rows().map(r => r.cells[i].dataset.v ?? r.cells[i].textContent);",
        "const click = (i) => { heads[i].querySelector('button').click(); return column(i); };",
        "const sorts = () => heads.map(h => h.getAttribute('aria-sort'));",
    ):
        browser.run(script)
    n = browser.run("heads.length")
    numbers, names = browser.run("['identity', 'metric'].map(name => heads.findIndex(h => h.textContent === name))")
    before = browser.run(f"column({numbers})")
    for direction, sign in (("ascending", 1), ("descending", -1)):
        found = [float(value) for value in browser.run(f"click({numbers})")]
        known = [value for value in found if not np.isnan(value)]
        assert sorted(known, key=lambda value: sign * value) == known
        # what is missing comes last
        assert np.isnan(found[len(known) :]).all() and sorted(map(str, found)) == sorted(map(str, map(float, before)))
        assert browser.run("sorts()") == [direction if i == numbers else None for i in range(n)]
    found = browser.run(f"click({names})")
    assert found == sorted(found)
    assert browser.run("sorts()") == ["ascending" if i == names else None for i in range(n)]
    assert browser.run("[...document.querySelectorAll('table.sortable')].every(t => t.querySelector('th button'))")
    assert browser.complaints() == []


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_what_is_cut_has_a_shaded_edge(browser: Browser, path: Path, size: tuple[int, int]) -> None:
    browser.open(path, size=size)
    browser.run("for (const put of document.querySelectorAll('details')) put.open = true;")
    browser.run("new Promise(done => setTimeout(done, 400))")
    boxes = browser.run(
        "[...document.querySelectorAll('.scroll')].map(b => [b.getBoundingClientRect().right <= innerWidth, "
        "b.scrollWidth > b.clientWidth + 1, getComputedStyle(b.parentElement, '::after').opacity > .9])"
    )
    assert len(boxes) > 10
    for fits, is_cut, has_edge in boxes:
        assert fits and is_cut == has_edge
    assert any(is_cut for _, is_cut, _ in boxes) or size == DESK
    # at its other end, the other edge
    assert browser.run(
        "new Promise(done => { const box = [...document.querySelectorAll('.scroll')]"
        ".find(b => b.scrollWidth > b.clientWidth + 1); if (!box) return done(true); box.scrollLeft = 1e6; "
        "setTimeout(() => done(box.parentElement.className.trim() === 'cut left'), 100); })"
    )


def test_numbers_are_seen_on_a_phone(browser: Browser, path: Path) -> None:
    browser.open(path, size=PHONE)
    browser.run("for (const put of document.querySelectorAll('details')) put.open = true;")
    counts = browser.run(
        "[...document.querySelectorAll('table.sortable')].map(t => { "
        "const right = t.closest('.scroll').getBoundingClientRect().right; "
        "const cells = [...t.tBodies[0].rows[0].cells].filter(c => c.dataset.v !== undefined); "
        "return [cells.length, cells.filter(c => c.getBoundingClientRect().right <= right).length]; })"
    )
    assert len(counts) >= 4
    for n_numbers, n_seen in counts:
        assert n_seen >= min(2, n_numbers)


def test_figures_are_as_wide_as_a_phone(browser: Browser, path: Path, report: _report.Report) -> None:
    browser.open(path, size=PHONE)
    found = browser.run(
        "[...document.images].map(i => { const box = i.closest('.scroll'); const of = i.getBoundingClientRect(); "
        "return [of.left >= 0 && of.right <= innerWidth, box.scrollWidth <= box.clientWidth, "
        "of.width / (i.naturalWidth / (i.parentElement.tagName === 'PICTURE' ? 180 : 120) * 72)]; })"
    )
    assert len(found) >= 6
    for is_on_screen, fits, pixels in found:
        assert is_on_screen and fits
        # small letters are of 8.3 points
        assert 8.3 * pixels >= 9
    narrow = sum(item.figure is not None and item.figure.narrow is not None for item in report.items)
    assert browser.run("document.querySelectorAll('picture').length") == narrow >= 4


@pytest.mark.parametrize(("size", "heads"), [(PHONE, 2), (DESK, 3)])
def test_columns_that_matter_are_seen(browser: Browser, path: Path, size: tuple[int, int], heads: int) -> None:
    browser.open(path, size=size)
    browser.run("for (const put of document.querySelectorAll('details')) put.open = true;")
    for section, wanted in (
        ("scores", ["Gaussian map", "best possible", "calibrated"][:heads]),
        ("transport_cost", ["distance", "noise", "responds"][:heads]),
    ):
        seen = browser.run(
            f"[...document.querySelectorAll('#{section} thead th')].filter(h => h.getBoundingClientRect().right <= "
            "h.closest('.scroll').getBoundingClientRect().right).map(h => h.textContent)"
        )
        assert set(wanted) <= set(seen), seen
    said = browser.run(
        "[...document.querySelectorAll('.swipe')].map(s => [getComputedStyle(s).display !== 'none', "
        "s.parentElement.nextElementSibling.classList.contains('right')])"
    )
    assert all(is_said == (is_cut and size == PHONE) for is_said, is_cut in said)
    assert any(is_said for is_said, _ in said) == (size == PHONE)


def test_tables_are_saved_as_csv(browser: Browser, path: Path, report: _report.Report, tmp_path: Path) -> None:
    browser.open(path)
    browser("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.run("document.querySelector('#scores a.csv').click()")
    until = time.monotonic() + 20
    while not (tmp_path / "scores.csv").exists() and time.monotonic() < until:
        time.sleep(0.1)
    found = pd.read_csv(tmp_path / "scores.csv")
    assert list(found) == list(report.scores) and len(found) == len(report.scores)
    assert browser.complaints() == []


def test_keys_are_enough(browser: Browser, path: Path) -> None:
    browser.open(path)
    browser.press("Tab", code=9)
    assert browser.run("document.activeElement.className") == "skip"
    assert browser.run("document.activeElement.getBoundingClientRect().left") >= 0
    # a column of the first table is reached and sorted
    seen = []
    for _ in range(60):
        browser.press("Tab", code=9)
        seen.append(browser.run("document.activeElement.tagName + ' ' + document.activeElement.textContent"))
        if seen[-1] == "BUTTON perturbation":
            break
    assert seen[-1] == "BUTTON perturbation", seen
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for direction in ("ascending", "descending"):
        browser.press("Enter", code=13, text="\r")
        assert browser.run("document.activeElement.closest('th').ariaSort") == direction


def test_methods_are_copied_by_key(browser: Browser, path: Path) -> None:
    browser.open(path)
    browser.run("navigator.clipboard.writeText = async (text) => { window.got = text; }")
    browser.run("document.getElementById('copy').focus()")
    browser.press(" ", code=32, text=" ")
    assert browser.run("new Promise(done => setTimeout(() => done(copied.textContent), 50))") == "Copied."
    text = browser.run("got")
    assert text.startswith("600 cells with 60 features") and "References" in text
    assert "https://doi.org/10.1038/s41592-023-01969-x" in text
    # where the page may not write to the clipboard, the text is selected
    browser.run("navigator.clipboard.writeText = async () => { throw new Error('no'); }")
    browser.press(" ", code=32, text=" ")
    said = browser.run("new Promise(done => setTimeout(() => done(copied.textContent), 50))")
    assert said in {"Copied.", "Selected: copy it with Ctrl+C."}
    assert browser.run("getSelection().toString()").startswith("600 cells with 60 features")
    assert browser.complaints() == []
