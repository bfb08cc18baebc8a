"""The pictures of service/widget/README.md. `SCREENSHOTS=service/widget/screenshots` says where they go."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.stage import serving
from indexer.bundle import Bundle
from service.app import create_app

QUESTION = "How much did Wagner cost Mali each month?"


@pytest.fixture(scope="module")
def alone(bundle: Bundle) -> Iterator[str]:
    """A service that has only the report of the corpus."""
    with serving(create_app(bundle)) as url:
        yield url


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def inline(page: Page, service: str) -> None:
    page.goto(service)
    page.locator("report-chat .starters button").first.wait_for()
    page.get_by_label("Your question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("report-chat .card").first).to_contain_text("December 17, 2024")


def beside_the_report(page: Page, service: str) -> None:
    page.goto(f"{service}/reports/IF10116#char=2024,2175")
    page.get_by_role("button", name="Ask the report").click()
    page.get_by_label("Your question").fill("Why did the UN mission end?")
    page.keyboard.press("Enter")
    expect(page.locator("report-chat .card").first).to_contain_text("December 17, 2024")


def starters(page: Page, service: str) -> None:
    page.goto(f"{service}/reports/IF10116")
    page.get_by_role("button", name="Ask the report").click()
    expect(page.locator("report-chat .starters button")).to_have_count(5)


def silent(page: Page, service: str) -> None:
    page.goto(service)
    page.get_by_label("Your question").fill("hello, how are you?")
    page.keyboard.press("Enter")
    expect(page.locator("report-chat .silence")).to_be_visible()


def reader(page: Page, service: str) -> None:
    page.goto(f"{service}/reports/IF10116#char=2024,2175")
    expect(page.locator("article mark")).to_be_in_viewport()


PHONE = {"viewport": {"width": 390, "height": 760}}
SHOTS: dict[str, tuple[Callable[[Page, str], None], dict[str, Any]]] = {
    "light": (inline, {"viewport": {"width": 1100, "height": 880}}),
    "dark": (beside_the_report, {"viewport": {"width": 1000, "height": 620}, "color_scheme": "dark"}),
    "silent": (silent, {"viewport": {"width": 700, "height": 760}}),
    "phone": (beside_the_report, PHONE),
    "phone-starters": (starters, PHONE | {"color_scheme": "dark"}),
    "reader": (reader, {"viewport": {"width": 1000, "height": 560}}),
}


@pytest.mark.parametrize("name", SHOTS)
def test_a_picture_can_be_taken(chromium: Browser, alone: str, album: Path, name: str) -> None:
    show, options = SHOTS[name]
    context = chromium.new_context(reduced_motion="reduce", **options)
    page = context.new_page()
    show(page, alone)
    page.mouse.move(0, 0)
    page.screenshot(path=album / f"{name}.png", animations="disabled", caret="hide")
    context.close()
    assert (album / f"{name}.png").stat().st_size < 200_000
