from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

CODE = """
import pytest

@pytest.fixture
def skipping():
    pytest.skip("so")

def test_skips_itself():
    pytest.skip("so")

@pytest.mark.skip
def test_is_marked(): ...

def test_has_a_fixture_that_skips(skipping): ...

def test_passes(): ...

@pytest.mark.xfail
def test_is_known_to_fail():
    assert False
"""


def test_what_is_skipped_fails(tmp_path: Path):
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "test_one.py").write_text(CODE)
    (tmp_path / "test_other.py").write_text("import pytest\npytest.importorskip('there_is_no_such_package')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    done = subprocess.run([*command, "--rootdir", str(tmp_path)], cwd=tmp_path, capture_output=True, text=True)
    # setting up counts as an error
    assert done.stdout.splitlines()[-1].startswith("1 failed, 1 passed, 1 xfailed, 3 errors"), done.stdout
