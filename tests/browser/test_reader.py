import random
from collections.abc import Sequence
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.stage import Chat, spoken
from indexer.bundle import Bundle

REPORTS = ("IF10116", "FESTIVAL")


def marked(page: Page, spans: Sequence[tuple[int, int]]) -> list[str]:
    """The text that is marked for each span, one after the other."""
    found: list[str] = page.evaluate(
        """async (spans) => {
          const found = [];
          for (const [start, end] of spans) {
            const read = new Promise((done) => addEventListener("hashchange", done, { once: true }));
            location.hash = `#char=${start},${end}`;
            await read;
            const marks = [...document.querySelectorAll("article mark")];
            found.push(marks.map((mark) => mark.textContent).join(""));
          }
          return found;
        }""",
        spans,
    )
    return found


@pytest.mark.parametrize("report", REPORTS)
def test_every_sentence_is_marked_at_exactly_its_code_points(
    page: Page, service: str, shelf: Bundle, report: str
) -> None:
    spans = [
        span for passage in shelf.passages if passage.document_id == report for span in passage.sentences
    ]
    text = shelf.documents[report].text
    page.goto(f"{service}/reports/{report}")
    assert marked(page, spans) == [text[start:end] for start, end in spans]


@pytest.mark.parametrize("report", REPORTS)
def test_any_span_is_marked_at_exactly_its_code_points(
    page: Page, service: str, shelf: Bundle, report: str
) -> None:
    """Across paragraphs, too: there, what lies between them is white space and heading marks."""
    text = shelf.documents[report].text
    chance = random.Random(5)
    starts = [chance.randrange(len(text) - 1) for _ in range(60)]
    spans = [(start, min(len(text), start + 1 + chance.randrange(300))) for start in starts]
    spans = [span for span in spans if text[slice(*span)].strip("# \n")]
    page.goto(f"{service}/reports/{report}")
    found = marked(page, spans)
    bare = str.maketrans("", "", "# \n")
    for (start, end), words in zip(spans, found, strict=True):
        assert words.translate(bare) == text[start:end].translate(bare)


def test_the_mark_is_in_view_has_the_focus_and_can_be_removed(page: Page, service: str) -> None:
    page.goto(f"{service}/reports/IF10116#char=2024,2175")
    mark = page.locator("article mark")
    expect(mark).to_be_in_viewport()
    expect(mark).to_be_focused()
    page.get_by_role("button", name="Remove mark").click()
    expect(mark).to_have_count(0)
    assert page.url == f"{service}/reports/IF10116"
    expect(page.get_by_role("region", name="Cited passage")).to_have_count(0)


def test_that_a_quote_was_copied_is_told_beside_the_button(page: Page, service: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.clock.install()
    page.goto(f"{service}/reports/IF10116#char=2024,2175")
    status = page.locator("#cited").get_by_role("status")
    for _ in range(2):  # the second before the first is taken back
        page.get_by_role("button", name="Copy quote").click()
        expect(status).to_have_text("Copied")
        assert "Copied" in spoken(page)
    page.clock.run_for(3_000)
    expect(status).to_be_empty()
    expect(page.get_by_role("button", name="Copy quote")).to_be_visible()


@pytest.mark.parametrize(
    "hash_", ["", "#char=", "#char=5,5", "#char=9,2", "#char=999999,9999999", "#char=a,b", "#p1"]
)
def test_a_place_that_is_none_marks_nothing(page: Page, service: str, hash_: str) -> None:
    page.goto(f"{service}/reports/IF10116{hash_}")
    expect(page.locator("h1")).to_have_text("Mali")
    assert page.locator("article mark").count() == 0
    expect(page.locator("#cited")).to_be_hidden()


def test_paragraphs_have_addresses(page: Page, service: str) -> None:
    page.goto(f"{service}/reports/IF10116")
    paragraph = page.locator(".paragraph").nth(5)
    link = paragraph.get_by_role("link", name="Link to this paragraph")
    paragraph.hover()
    expect(link).to_have_css("opacity", "1")
    link.click()
    assert page.url.endswith("#" + str(paragraph.get_attribute("id")))
    expect(paragraph).to_be_in_viewport()


def test_where_nothing_hovers_the_addresses_can_be_seen(chromium: Browser, service: str) -> None:
    context = chromium.new_context(is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(f"{service}/reports/IF10116")
    expect(page.get_by_role("link", name="Link to this paragraph").first).to_have_css("opacity", "1")
    context.close()


def test_the_contents_lead_to_the_sections(page: Page, service: str) -> None:
    page.goto(f"{service}/reports/IF10116")
    page.get_by_role("navigation", name="Contents").get_by_role("link", name="Russian Partnership").click()
    expect(page.get_by_role("heading", name="Russian Partnership")).to_be_in_viewport()


@pytest.mark.parametrize("report", REPORTS)
def test_without_scripts_the_text_fragment_lands(
    chromium: Browser, service: str, shelf: Bundle, report: str
) -> None:
    """The same address serves both: what stands before ':~:' is for the script, the rest for the browser."""
    text = shelf.documents[report].text
    last = [p for p in shelf.passages if p.document_id == report][-1]
    start, end = last.sentences[-1]
    words = text[start:end].split()
    fragment = quote(" ".join(words[:4]), safe="").replace("-", "%2D")
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 600, "height": 260})
    page = context.new_page()
    page.goto(f"{service}/reports/{report}#char={start},{end}:~:text={fragment}")
    expect(page.get_by_text(" ".join(words[:4])).last).to_be_in_viewport()
    page.goto("about:blank")
    page.goto(f"{service}/reports/{report}")
    expect(page.get_by_text(" ".join(words[:4])).last).not_to_be_in_viewport()
    context.close()


def test_a_citation_in_the_chat_beside_the_report_moves_the_same_page(chat: Chat) -> None:
    page = chat.page
    page.goto(f"{chat.service}/reports/IF10116")
    page.get_by_role("button", name="Ask the report").click()
    chat.asks("How much did Wagner cost Mali each month?")
    quoted = chat.element.locator(".card mark").first.inner_text()
    page.get_by_role("link", name="Open in report").first.click()
    expect(page.locator("article mark")).to_have_text(quoted)
    assert len(page.context.pages) == 1


def test_the_page_prints_the_report_and_nothing_else(page: Page, service: str) -> None:
    page.goto(f"{service}/reports/IF10116#char=2024,2175")
    page.emulate_media(media="print")
    for selector in ("nav.contents", "nav.masthead", "#cited", "report-chat"):
        expect(page.locator(selector)).to_be_hidden()
    expect(page.locator("article")).to_be_visible()


@pytest.mark.parametrize("width", [320, 500, 1280])
def test_the_page_fits(page: Page, service: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    for path in ("/", "/reports/IF10116#char=2024,2175", "/reports/FESTIVAL"):
        page.goto(service + path)
        page.wait_for_function("!!customElements.get('report-chat')")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
