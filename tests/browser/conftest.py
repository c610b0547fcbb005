"""One real server and one Chromium for all browser tests; every page watched for errors and outside requests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

expect.set_options(timeout=60_000)  # a loaded machine imports torch slowly
ROOT = Path(__file__).parents[2]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AGAIN = 1  # how often a browser test may be tried again: the whole machine takes part in it, and it may stumble once
_SENT: WeakKeyDictionary[Page, list[object]] = WeakKeyDictionary()
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser test that fails is tried once more, and the report names it (RERUN): its cause is to be found still."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=AGAIN))


def system_chromium() -> str | None:
    """The path of an installed Chromium or Chrome; None lets Playwright take its own."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def running_server(folder: Path, app: str = "app.py") -> Iterator[str]:
    """A fresh server process; nothing beyond this machine can be reached from it. Yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nowhere = "http://127.0.0.1:9"
    environment = {
        **os.environ,
        "TORCH_HOME": str(folder / "torch"),
        "CNN_EXPLORER_DATA": str(folder / "data"),
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        app,
        "--server.port",
        str(port),
        "--server.headless",
        "true",
    ]
    with (folder / f"server-{port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((folder / f"server-{port}.log").read_text()) from None
                time.sleep(0.05)
        yield address
        text = (folder / f"server-{port}.log").read_text()
        assert "Traceback" not in text, text
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[str]:
    """The address of the server that most tests share."""
    with running_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: the system's, else the one that Playwright installed."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=system_chromium(), args=ARGUMENTS)
        yield chromium
        chromium.close()


class Watch:
    """What a page must not do."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def follow(self, page: Page) -> None:
        """Starts to listen to ``page``."""
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("console", lambda message: self._console(message.type, message.text, message.location["url"]))
        page.on("request", lambda request: self._request(request.url, request.resource_type))

    def _console(self, kind: str, text: str, url: str) -> None:
        # On a deep link Streamlit looks for its server below the page's own path first and takes two 404 for an answer.
        if kind == "error" and "/_stcore/" not in url:
            self.complaints.append(f"console: {text} ({url})")

    def _request(self, url: str, kind: str) -> None:
        # Streamlit drops a picture once the script has run again without it; asked for a moment too late, it is a 404.
        if kind == "image" and "/media/" in url:
            self.complaints.append(f"a picture that a rerun can drop: {url}")
        if not url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.complaints.append(f"request: {url}")


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """Opens the app as a new visitor: ``visit('/attribution?image=coffee', width=390, theme='dark')``."""
    watch = Watch()
    contexts: list[BrowserContext] = []

    def open_page(
        path: str = "/",
        width: int = 1440,
        theme: str = "light",
        address: str = server,
        before: Callable[[Page], None] | None = None,
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=theme)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        watch.follow(page)
        sent = _SENT.setdefault(page, [])
        # From the start: the one socket is opened while the page loads.
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
        if before is not None:
            before(page)
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.locator("[data-testid=stException]").count() == 0
        context.close()
    assert not watch.complaints, "\n".join(watch.complaints)


def frames(page: Page) -> list[object]:
    """What the page has told the server so far; the same list goes on growing."""
    return _SENT[page]


def settled(page: Page) -> None:
    """Waits until the script has run to its end."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
