"""A real browser and a real server for tests: one Chromium and one Streamlit process, both ended afterwards."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

CHROMIUM = "/usr/bin/chromium"
SCREENSHOTS = ROOT / "tests" / "screenshots"
_ARGUMENTS = [
    "--no-sandbox",
    # The map is drawn with WebGL, which runs in software because a test machine has no graphics card.
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    # Without these, Chromium contacts other hosts at every start, which takes long to fail on a closed machine.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def explorer(store: Path, log: Path) -> Iterator[str]:
    """Serve the explorer over a store on a free port; yields its address."""
    port = free_port()
    environment = os.environ | {"ALSOBOUGHT_STORE": str(store)}
    command = [
        sys.executable, "-m", "streamlit", "run", str(ROOT / "explorer" / "app.py"), f"--server.port={port}",
        "--server.address=127.0.0.1", "--server.headless=true",
    ]  # fmt: skip
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not _healthy(address):
            assert server.poll() is None and time.monotonic() < deadline, f"no explorer: {log.read_text()}"
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


@contextlib.contextmanager
def chromium():
    """A headless Chromium; the test is skipped if it is not installed."""
    if not shutil.which(CHROMIUM):
        pytest.skip(f"browser tests need {CHROMIUM} (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


_QUIET = """() => {
    if (!window.changes) {
        window.changes = new MutationObserver(() => { window.changedAt = performance.now(); });
        window.changes.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
        window.changedAt = performance.now();
    }
    const app = document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]');
    if (!app?.querySelector('[data-testid="stHeading"]') || app.querySelector('[data-testid="stSkeleton"]')) {
        window.changedAt = performance.now();
    }
    return performance.now() - window.changedAt > 300;
}"""


def settled(page) -> None:
    """Wait until the script has finished and nothing changes any more.

    A page without a heading has not started, a skeleton is a widget whose code has not loaded yet, and a busy machine
    may still draw for some time after the script has finished.
    """
    page.wait_for_function(_QUIET, timeout=30_000, polling=50)


def screenshot(page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
