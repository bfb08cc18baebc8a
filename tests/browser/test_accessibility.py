"""No violation known to axe, in any state, in any theme; and what axe does not look at."""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.stage import QUESTION, Chat, answer, free_port, problem, send

THEMES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "forced_colors": "none"},
    "dark": {"color_scheme": "dark", "forced_colors": "none"},
    "forced-colors": {"color_scheme": "light", "forced_colors": "active"},
}


def violations(page: Page) -> list[str]:
    """What axe finds on a page, one line a node."""
    if not page.evaluate("!!window.axe"):
        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [f"{v['id']}: {node['target']} {node['failureSummary']}" for v in found for node in v["nodes"]]


# --- the states ---


def starters(chat: Chat) -> None:
    chat.show('mode="inline" suggestions="Who?|Where?"')


def waiting(chat: Chat) -> None:
    chat.holds()
    chat.show().asks()
    expect(chat.element.locator(".state")).to_be_visible()


def slow(chat: Chat) -> None:
    chat.page.clock.install()
    waiting(chat)
    chat.page.clock.run_for(5_000)
    expect(chat.element.locator(".state")).to_contain_text("Still")
    chat.page.clock.resume()


def answered(chat: Chat) -> None:
    chat.replies_with(answer(query={"text": "", "corrected": "How much?", "resolved": None}))
    chat.show().asks()
    expect(chat.element.locator(".said")).to_be_visible()


def unfolded(chat: Chat) -> None:
    answered(chat)
    chat.panel.get_by_text("More from the report").click()
    chat.element.get_by_role("button", name="Show the whole passage").first.click()


def silent(chat: Chat) -> None:
    chat.replies_with(answer(None, "not_in_report"))
    chat.show().asks()
    expect(chat.element.locator(".silence")).to_be_visible()


def off_topic(chat: Chat) -> None:
    chat.replies_with(answer(None, "off_topic"))
    chat.show('mode="inline" suggestions="Who?|Where?"').asks()
    chat.panel.get_by_text("Nearest passages").click()


def why(chat: Chat) -> None:
    answered(chat)
    chat.element.get_by_role("button", name="No, not useful").click()
    expect(chat.element.locator(".why")).to_be_visible()


def judged(chat: Chat) -> None:
    chat.page.route("**/v1/feedback", lambda route: send(route, {}, 201))
    answered(chat)
    chat.element.get_by_role("button", name="Yes, useful", exact=True).click()
    expect(chat.element.locator(".judge")).to_contain_text("Thank you")


def stopped(chat: Chat) -> None:
    waiting(chat)
    chat.element.get_by_role("button", name="Stop").click()
    expect(chat.element.locator(".stopped")).to_be_visible()


def offline(chat: Chat) -> None:
    answered(chat)
    chat.page.unroute("**/v1/answer")
    chat.page.context.set_offline(True)
    chat.asks("And now?")
    expect(chat.element.locator(".failure")).to_be_visible()
    expect(chat.element.locator(".offline")).to_be_visible()


def unreachable(chat: Chat) -> None:
    chat.show(f'mode="inline" api-base="http://127.0.0.1:{free_port()}"').asks()
    expect(chat.element.locator(".failure")).to_be_visible()


def refused(status: int, **headers: str) -> Callable[[Chat], None]:
    def state(chat: Chat) -> None:
        chat.replies_with(problem(status, "the question is not one"), status, **headers)
        chat.show().asks()
        expect(chat.element.locator(".failure")).to_be_visible()

    return state


def closed(chat: Chat) -> None:
    chat.show("")


def opened(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show("")
    chat.element.get_by_role("button", name="Ask the report").click()
    chat.asks()
    expect(chat.element.locator(".said")).to_be_visible()


def french(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show('mode="inline" lang="fr"').asks()
    expect(chat.element.locator(".said")).to_be_visible()


def right_to_left(chat: Chat) -> None:
    chat.replies_with(answer("قال التقرير إن الاتفاق لم يُنفَّذ."))
    chat.show('mode="inline" dir="rtl" suggestions="لماذا؟"').asks("كم كان المبلغ؟")
    expect(chat.element.locator(".said")).to_be_visible()


STATES: dict[str, Callable[[Chat], None]] = {
    **{f.__name__: f for f in (starters, waiting, slow, answered, unfolded, silent, off_topic, why, judged)},
    **{f.__name__: f for f in (stopped, offline, unreachable, closed, opened, french, right_to_left)},
    "limited": refused(429, Retry_After="30"),
    "busy": refused(503, Retry_After="30"),
    "invalid": refused(422),
    "failed": refused(500),
}


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_in_any_theme(chat: Chat, state: str) -> None:
    STATES[state](chat)
    for theme, media in THEMES.items():
        chat.page.emulate_media(**media)
        assert violations(chat.page) == [], theme


@pytest.mark.parametrize("path", ["/", "/reports/IF10116#char=2024,2175", "/reports/FESTIVAL"])
def test_axe_finds_nothing_on_the_pages(chat: Chat, path: str) -> None:
    chat.page.goto(chat.service + path)
    chat.page.wait_for_function("!!customElements.get('report-chat')")
    for theme, media in THEMES.items():
        chat.page.emulate_media(**media)
        assert violations(chat.page) == [], theme


def test_axe_would_find_something(chat: Chat) -> None:
    chat.show("", body='<img src="x"><report-chat></report-chat>')
    assert any(line.startswith("image-alt") for line in violations(chat.page))


# --- room ---


def overflowing(page: Page) -> list[str]:
    """Elements inside the widget that stick out of the window to a side."""
    found: list[str] = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          const root = document.querySelector("report-chat").shadowRoot;
          return [...root.querySelectorAll(".panel *")]
            .filter((el) => el.checkVisibility() && !el.closest(".unseen"))
            .map((el) => [el, el.getBoundingClientRect()])
            .filter(([, box]) => box.left < -1 || box.right > width + 1)
            .map(([el]) => `${el.localName}.${el.className}`);
        }"""
    )
    return found


@pytest.mark.parametrize("state", STATES)
def test_nothing_sticks_out_at_320_pixels(chat: Chat, state: str) -> None:
    chat.page.set_viewport_size({"width": 320, "height": 640})
    STATES[state](chat)
    assert overflowing(chat.page) == []
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("state", ["starters", "answered", "silent", "why", "opened"])
def test_at_200_percent_everything_stays_in_reach(chat: Chat, state: str) -> None:
    """Zoom makes a window of 1000 × 800 one of 500 × 400 with two pixels to each."""
    session = chat.page.context.new_cdp_session(chat.page)
    metrics = {"width": 500, "height": 400, "deviceScaleFactor": 2, "mobile": False}
    session.send("Emulation.setDeviceMetricsOverride", metrics)
    STATES[state](chat)
    assert overflowing(chat.page) == []
    expect(chat.question).to_be_visible()
    chat.question.scroll_into_view_if_needed()
    expect(chat.question).to_be_in_viewport()
    log = chat.element.locator(".log")
    assert log.evaluate("log => log.clientHeight") > 80


@pytest.mark.parametrize("state", STATES)
def test_every_button_is_44_pixels_high(chat: Chat, state: str) -> None:
    STATES[state](chat)
    small = chat.page.evaluate(
        """() => [...document.querySelector("report-chat").shadowRoot.querySelectorAll(
             "button, summary, textarea, label.choice, .actions a")]
          .filter((el) => el.checkVisibility({ visibilityProperty: true }))
          .map((el) => [el, el.getBoundingClientRect()])
          .filter(([, box]) => box.height < 43.9 || box.width < 43.9)
          .map(([el]) => el.outerHTML.slice(0, 80))"""
    )
    assert small == []


def test_right_to_left_mirrors_the_layout(chat: Chat) -> None:
    right_to_left(chat)
    send_button = chat.element.get_by_role("button", name="Ask", exact=True).bounding_box()
    question = chat.question.bounding_box()
    assert send_button and question
    assert send_button["x"] < question["x"]
    chat.show('dir="rtl"')
    launcher = chat.element.get_by_role("button", name="Ask the report").bounding_box()
    assert launcher
    assert launcher["x"] < 100


def test_reduced_motion_is_heeded(chat: Chat) -> None:
    waiting(chat)
    moving = "document.querySelector('report-chat').shadowRoot.getAnimations().length"
    assert chat.page.evaluate(moving) == 0
    chat.page.emulate_media(reduced_motion="no-preference")
    chat.page.wait_for_function(f"{moving} > 0")


def test_a_theme_can_be_set_against_the_system(chat: Chat) -> None:
    chat.page.emulate_media(color_scheme="light")
    chat.show('mode="inline" theme="dark"')
    panel = "document.querySelector('report-chat').shadowRoot.querySelector('.panel')"
    paper = f"getComputedStyle({panel}).backgroundColor"
    assert chat.page.evaluate(paper) == "rgb(22, 26, 32)"
    chat.page.evaluate("document.querySelector('report-chat').theme = 'light'")
    chat.page.wait_for_function(f"{paper} === 'rgb(255, 255, 255)'")


# --- roles ---


def test_the_dialog_is_not_modal_and_the_list_is_a_log(chat: Chat) -> None:
    opened(chat)
    expect(chat.element.get_by_role("dialog", name="Ask the report")).to_have_attribute("aria-modal", "false")
    log = chat.element.get_by_role("log", name="Conversation")
    expect(log).to_have_attribute("aria-live", "off")  # the announcer speaks, and only it
    expect(chat.element.get_by_role("heading", name=QUESTION)).to_be_visible()


def test_what_has_the_focus_shows_it(chat: Chat) -> None:
    opened(chat)
    unmarked = []
    for _ in range(12):
        chat.page.keyboard.press("Shift+Tab")
        seen = chat.page.evaluate(
            """() => { const at = document.activeElement?.shadowRoot?.activeElement; if (!at) return null;
              const style = getComputedStyle(at);
              return [at.outerHTML.slice(0, 60), style.outlineStyle, parseFloat(style.outlineWidth)]; }"""
        )
        if seen and (seen[1] == "none" or seen[2] < 2):
            unmarked.append(json.dumps(seen))
    assert unmarked == []
