"""Text is text: nothing that a visitor, a report or the service says is ever run, on whatever page."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from browser.stage import QUESTION, Chat, answer, asked, citation, problem, send
from indexer.bundle import Bundle
from indexer.passages import Furniture, Passage
from service.pages import reader_page

VECTORS = (Path(__file__).parent / "vectors.txt").read_text("utf-8").split("\n")[:-1]
_ALARM = """
window.executed = [];
for (const name of ["alert", "confirm", "prompt", "print"])
  window[name] = (...given) => void executed.push([name, ...given]);
"""


@pytest.fixture(autouse=True)
def alarm(page: Page) -> None:
    """Note every script that runs; all vectors call `alert`."""
    page.add_init_script(_ALARM)


def executed(page: Page) -> list[Any]:
    """What ran, after everything that might has had the time to."""
    page.wait_for_timeout(300)
    found: list[Any] = page.evaluate("executed")
    return found


def poisoned(vector: str) -> dict[str, Any]:
    """A reply with the vector in every field that holds text."""
    cited = citation(
        **dict.fromkeys(("cited_text", "document_id", "document_title", "passage_id", "url"), vector),
        text_fragment=f"#:~:text={vector}",
        heading_path=[vector, vector],
        selectors=[{"type": "TextQuoteSelector", "exact": vector, "prefix": vector, "suffix": vector}],
    )
    query = {"text": vector, "corrected": f"{vector} again", "resolved": None}
    reply = answer(vector, id=vector, citations=[cited, cited], query=query)
    for result in reply["results"]:
        result |= {
            "text": vector * 3,
            "highlights": [[len(vector), 2 * len(vector)]],
            "heading_path": [vector],
        }
    return reply


def test_the_corpus_is_large_and_the_alarm_works(chat: Chat) -> None:
    assert len(set(VECTORS)) >= 100
    chat.show()
    chat.page.evaluate("vector => { document.body.insertAdjacentHTML('beforeend', vector) }", VECTORS[10])
    assert executed(chat.page) == [["alert", 1]]


def test_no_vector_runs_in_question_answer_or_source(chat: Chat) -> None:
    """On a page without any policy, so that only the widget itself stands in the way."""
    bodies = {vector.strip()[:2_000]: poisoned(vector) for vector in VECTORS}
    chat.page.route("**/v1/documents/**", lambda route: send(route, poisoned_report(route)))
    chat.replies(lambda route: send(route, bodies[asked(route)]))
    chat.show()
    shown = chat.page.evaluate(
        """async (vectors) => {
          const chat = document.querySelector("report-chat"), root = chat.shadowRoot, lost = [];
          for (const vector of vectors) {
            await chat.ask(vector);
            await chat.updateComplete;
            const turn = [...root.querySelectorAll(".turn")].at(-1);
            turn.querySelector("details").open = true;
            const places = [".asked", ".said", "strong", "mark", ".understood"];
            const texts = places.map((place) => turn.querySelector(place).textContent);
            if (!texts.every((text) => text.includes(vector.trim()))) lost.push([vector, texts]);
          }
          return { lost, links: [...root.querySelectorAll("a")].map((link) => link.protocol) };
        }""",
        VECTORS,
    )
    assert shown["lost"] == []  # every one of them was shown, as it is
    assert set(shown["links"]) <= {"http:", "https:"}
    assert executed(chat.page) == []


def poisoned_report(route: Route) -> dict[str, str]:
    return dict.fromkeys(("id", "title", "publisher", "author", "date", "number"), VECTORS[10])


def test_no_vector_runs_when_typed_reloaded_or_suggested(chat: Chat) -> None:
    chat.replies_with(answer())
    data = [{"query": vector, "document_id": "IF10116"} for vector in VECTORS[:5]]
    chat.page.route("**/v1/suggestions", lambda route: send(route, {"data": data}))
    chat.show("mode='inline' heading='&lt;img src=x onerror=alert(1)&gt;'")
    expect(chat.element.locator(".starters button")).to_have_text([vector.strip() for vector in VECTORS[:5]])
    for vector in VECTORS[5:15]:
        chat.asks(vector)
        expect(chat.element.locator(".asked").last).to_contain_text(vector.strip(), use_inner_text=False)
        expect(chat.element.locator(".state")).to_have_count(0)
    chat.page.reload()
    expect(chat.turns).to_have_count(10)
    assert executed(chat.page) == []


def test_no_vector_runs_in_error_messages(chat: Chat) -> None:
    def refuse(route: Route) -> None:
        text = asked(route)
        status = 422 if len(text) % 2 else 500
        send(route, problem(status, text, title=text, type=text, request_id=text), status)

    chat.replies(refuse)
    chat.show()
    lost = chat.page.evaluate(
        """async (vectors) => {
          const chat = document.querySelector("report-chat"), lost = [];
          for (const vector of vectors) {
            await chat.ask(vector);
            await chat.updateComplete;
            const failure = [...chat.shadowRoot.querySelectorAll(".failure")].at(-1);
            if (!failure.textContent.includes(vector.trim())) lost.push(vector);
          }
          return lost;
        }""",
        VECTORS,
    )
    assert lost == []
    assert executed(chat.page) == []


def test_no_vector_runs_in_a_report(chat: Chat, shelf: Bundle) -> None:
    """The reader page without its policy, so that only its own escaping stands in the way."""
    text, spans = "", []
    for vector in VECTORS:
        spans.append((len(text), len(text) + len(vector)))
        text += vector + "\n\n"
    passages = [
        Passage(f"X:{start}", "X", start, end, (VECTORS[0],), ((start, end),)) for start, end in spans[::2]
    ]
    furniture = tuple(
        Furniture("heading" if at % 3 else "ornament", *span) for at, span in enumerate(spans[1::2])
    )
    fields = ("id", "title", "publisher", "author", "author_role", "number", "url", "rights", "language")
    metadata: dict[str, str | None] = {**dict.fromkeys(fields, VECTORS[117]), "date": None}
    some = shelf.documents["FESTIVAL"]
    document = dataclasses.replace(some, metadata=metadata, text=text, furniture=furniture)
    links = dict.fromkeys(("page.css", "icon.svg", "widget.js"), "/nothing") | {
        "reader.js": "/static/reader.js"
    }
    html = reader_page(document, passages, links)
    chat.page.route("**/reports/X*", lambda route: route.fulfill(content_type="text/html", body=html))
    start, end = spans[20]
    chat.page.goto(f"{chat.service}/reports/X#char={start},{end}")
    expect(chat.page.locator("article mark")).to_have_text(VECTORS[20], use_inner_text=False)
    shown = chat.page.evaluate("document.querySelector('article').textContent")
    assert [vector for vector in VECTORS if vector.strip("# ") not in shown] == []
    assert (
        chat.page.evaluate("document.querySelectorAll('article :is(script, img, svg, iframe, form)').length")
        == 0
    )
    assert executed(chat.page) == []


# --- other people's pages ---


def test_it_works_under_the_strictest_policy(chat: Chat) -> None:
    policy = (
        f"default-src 'none'; script-src {chat.service}; connect-src {chat.service}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types lit-html"
    )
    complaints: list[str] = []
    chat.page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    chat.show("", headers={"Content-Security-Policy": policy})
    chat.element.get_by_role("button", name="Ask the report").click()
    chat.asks("How much did Wagner cost Mali each month?")
    expect(chat.element.locator(".said")).to_be_visible()
    dialog = chat.element.get_by_role("dialog").bounding_box()
    assert dialog
    assert dialog["width"] == pytest.approx(424, abs=2)  # so the styles are there
    assert [text for text in complaints if "favicon" not in text] == []


HOSTILE = """<style>
  html { font-size: 40px; } body { color: red; font: italic 700 40px/3 cursive; letter-spacing: 1em;
    text-transform: uppercase; text-align: right; white-space: pre; visibility: hidden; cursor: wait;
    text-indent: 5em; list-style: square inside; user-select: none; pointer-events: none; word-spacing: 2em; }
  report-chat, div, p, h2, h3, ol, ul, li, blockquote, mark, header, form, textarea, button, a, span, svg {
    display: none !important; color: lime !important; background: red !important; opacity: .1 !important;
    transform: rotate(9deg) !important; position: absolute !important; float: right !important;
    font: 5px cursive !important; padding: 50px !important; border: 9px solid red !important;
    margin: 90px !important; overflow: hidden !important; clip-path: circle(1px) !important;
    width: 9px !important; filter: blur(5px) !important; z-index: -1 !important; }
</style>"""


def look(chat: Chat) -> Any:
    """The style of everything inside the widget, apart from where on the page it stands."""
    return chat.page.evaluate(
        """names => [...document.querySelector("report-chat").shadowRoot.querySelectorAll("*")].map((el) => {
          const style = getComputedStyle(el);
          return [el.localName, ...names.map((name) => style[name])].join("|");
        })""",
        (
            "color backgroundColor font display visibility opacity transform letterSpacing textTransform "
            "whiteSpace textIndent padding border pointerEvents cursor listStyle filter float wordSpacing "
            "textAlign userSelect"
        ).split(),
    )


def test_no_style_of_the_page_gets_in(chat: Chat) -> None:
    chat.replies_with(answer())
    styles = []
    for head in ("", HOSTILE):
        chat.show("", head=head)
        chat.element.get_by_role("button", name="Ask the report").click()
        chat.page.evaluate("document.querySelector('report-chat').clear()")
        chat.asks(QUESTION)
        expect(chat.element.locator(".said")).to_be_visible()
        expect(chat.element.locator(".card").first).to_contain_text("2024")
        styles.append(look(chat))
    assert styles[0] == styles[1]
    assert len(styles[0]) > 50


def test_no_style_of_the_widget_gets_out(chat: Chat) -> None:
    chat.show()
    assert (
        chat.page.evaluate("document.adoptedStyleSheets.length + document.querySelectorAll('style').length")
        == 0
    )


def test_a_page_of_an_origin_that_is_not_listed_learns_nothing(chat: Chat) -> None:
    chat.host.headers, chat.host.html = {}, "<!doctype html><title>x</title>"
    chat.page.goto(chat.host.url.replace("127.0.0.1", "localhost"))
    outcome = chat.page.evaluate(
        """async (service) => {
          try { return (await fetch(service + "/v1/suggestions")).status; }
          catch (error) { return error.name; }
        }""",
        chat.service,
    )
    assert outcome == "TypeError"
