from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = {
    "in a test": "import pytest\ndef test_one():\n    pytest.skip('so')\n",
    "by a mark": "import pytest\n@pytest.mark.skip\ndef test_one(): ...\n",
    "in a fixture": "import pytest\n@pytest.fixture\ndef a():\n    pytest.skip('so')\ndef test_one(a): ...\n",
    "for what is not installed": "import pytest\npytest.importorskip('there_is_no_such_package')\n",
}


def exit_status(folder: Path, code: str) -> int:
    shutil.copy(Path(__file__).parent / "conftest.py", folder)
    (folder / "test_skips.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True).returncode


@pytest.mark.parametrize("code", SKIPS.values(), ids=list(SKIPS))
def test_what_is_skipped_fails(tmp_path: Path, code: str):
    assert exit_status(tmp_path, code) in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)


def test_what_passes_or_is_known_to_fail_does_not(tmp_path: Path):
    code = "import pytest\ndef test_one(): ...\n@pytest.mark.xfail\ndef test_two():\n    assert False\n"
    assert exit_status(tmp_path, code) == pytest.ExitCode.OK
