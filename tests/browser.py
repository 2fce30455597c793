"""A real headless Chromium on a page, with all that it says in its console and asks of the network."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None and "GENSWEEP_REQUIRE_BROWSER" not in os.environ,
    reason="needs Debian's chromium; CI installs it",
)
# Without these flags the browser calls home, which a test machine does not answer.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]
PATIENCE = 60_000  # ms


@dataclass
class Heard:
    """What a page has said: errors and warnings of its console, uncaught exceptions, addresses asked for."""

    console: list[str] = field(default_factory=list[str])
    exceptions: list[str] = field(default_factory=list[str])
    requests: list[str] = field(default_factory=list[str])


def _words(said: Any) -> str:
    return f"{said.text} {said.location['url']}".strip()


@contextmanager
def browser_page(width: int = 1280, height: int = 1000, scripts: bool = True) -> Iterator[tuple[Any, Heard]]:
    """A fresh page (playwright's, whose types its own package only has) and what is heard of it."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None
    heard = Heard()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": width, "height": height}, java_script_enabled=scripts)
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: said.type in ("error", "warning") and heard.console.append(_words(said)))
        page.on("pageerror", lambda error: heard.exceptions.append(str(error)))
        page.on("request", lambda request: heard.requests.append(request.url))
        yield page, heard
        browser.close()


def keep_screenshot(page: Any, name: str, folder: Path) -> None:
    """In the folder that GENSWEEP_SCREENSHOTS names, else in this one."""
    place = Path(os.environ.get("GENSWEEP_SCREENSHOTS", str(folder)))
    place.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=place / f"{name}.png", timeout=PATIENCE)
