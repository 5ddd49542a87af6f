"""Compiled kernels are found again, and never survive a change of any source they were compiled from."""

import os
import subprocess
import sys

from core.kernels.cache import source_digest
from tests.conftest import ROOT


def test_the_digest_follows_the_sources_that_use_numba(tmp_path):
    (tmp_path / "kernels").mkdir()
    kernel, other = tmp_path / "kernels" / "a.py", tmp_path / "b.py"
    kernel.write_text("from numba import njit\n")
    other.write_text("x = 1\n")
    before = source_digest(tmp_path)
    other.write_text("x = 2\n")
    assert source_digest(tmp_path) == before
    kernel.write_text("from numba import njit  # changed\n")
    assert source_digest(tmp_path) != before


def chosen(**environment):
    program = "import os, core; print(os.environ['NUMBA_CACHE_DIR'])"
    clean = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | environment
    return subprocess.run(
        [sys.executable, "-c", program], env=clean, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_importing_core_chooses_the_folder_and_the_user_can_choose_another():
    assert source_digest(ROOT / "core") in chosen()
    assert chosen(NUMBA_CACHE_DIR="/elsewhere") == "/elsewhere"
