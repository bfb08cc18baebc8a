"""A browser, a service with two reports, and a page for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from browser.stage import FLAGS, Chat, Host, find_browser, serving
from indexer.bundle import Bundle
from service.app import create_app
from service.feedback import FeedbackLog


@pytest.fixture(scope="package")  # no longer: while Playwright is on, this thread can run no event loop
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = find_browser(playwright.chromium)
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    site = Host()
    with serving(site.app()) as url:
        site.url = url
        yield site


@pytest.fixture(scope="session")
def feedback_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feedback") / "feedback.jsonl"


@pytest.fixture(scope="session")
def service(shelf: Bundle, host: Host, feedback_file: Path) -> Iterator[str]:
    app = create_app(shelf, origins=[host.url], feedback=FeedbackLog(feedback_file))
    with serving(app) as url:
        yield url


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """An empty page, 1000 × 800. A script that fails in it, fails the test."""
    context = chromium.new_context(viewport={"width": 1000, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(8_000)
    opened = context.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    yield opened
    context.close()
    assert not failures


@pytest.fixture
def chat(page: Page, service: str, host: Host) -> Chat:
    return Chat(page, service, host)
