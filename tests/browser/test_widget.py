import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.stage import PASSAGE, QUESTION, QUOTE, Chat, answer, free_port, posted, problem, send, spoken
from service.schemas import AnswerRequest, FeedbackRequest

REAL_QUESTION = "How much did Wagner cost Mali each month?"


# --- with the real service ---


def test_a_question_is_answered_with_the_reports_words_and_their_place(chat: Chat) -> None:
    chat.show().asks(REAL_QUESTION)
    expect(chat.element.locator(".said")).to_contain_text("$10 million per month")
    card = chat.element.get_by_label("Source 1").last
    expect(card).to_contain_text("Mali › Russian Partnership")
    expect(card).to_contain_text("Congressional Research Service · IF10116 · December 17, 2024")
    quote = chat.element.locator(".said").inner_text()
    assert card.locator("mark").inner_text() in quote


def test_open_in_report_leads_to_exactly_the_cited_words(chat: Chat) -> None:
    chat.show().asks(REAL_QUESTION)
    cited = chat.element.locator(".card mark").first.inner_text()
    with chat.page.context.expect_page() as opened:
        chat.element.get_by_role("link", name="Open in report").first.click()
    report = opened.value
    expect(report.locator("mark")).to_have_text(cited)
    expect(report.locator("mark")).to_be_in_viewport()


def test_starter_questions_come_from_the_service_and_are_answered(chat: Chat) -> None:
    chat.show('mode="inline" documents="IF10116"')
    expect(chat.element.locator(".starters button")).to_have_count(5)
    chat.element.locator(".starters button").first.click()
    expect(chat.element.locator(".said")).to_be_visible()


def test_a_site_may_set_its_own_starter_questions(chat: Chat) -> None:
    chat.show('mode="inline" suggestions="First one? | Second one?"')
    expect(chat.element.locator(".starters button")).to_have_text(["First one?", "Second one?"])


def test_small_talk_is_met_with_silence_and_starters(chat: Chat) -> None:
    chat.show().asks("hello, how are you today?")
    expect(chat.element.locator(".silence")).to_have_text("The report does not say.")


def test_judgements_reach_the_file_with_their_reason(chat: Chat, feedback_file: Path) -> None:
    chat.show().asks(REAL_QUESTION)
    chat.element.get_by_role("button", name="Yes, useful", exact=True).click()
    expect(chat.panel.get_by_text("Thank you")).to_be_visible()
    chat.element.get_by_role("button", name="No, not useful").click()
    chat.element.get_by_label("Something is missing").check()
    chat.element.get_by_label("Anything to add?").fill("mail me@example.org")
    chat.element.get_by_role("button", name="Send", exact=True).click()
    expect(chat.element.locator(".why")).to_have_count(0)
    expect(chat.panel.get_by_text("Thank you")).to_be_visible()
    up, down = [json.loads(line) for line in feedback_file.read_text().splitlines()][-2:]
    assert (up["rating"], down["rating"], down["reason"]) == ("up", "down", "incomplete")
    assert down["query"] == REAL_QUESTION
    assert down["citation"]["document_id"] == "IF10116"
    assert down["comment"] == "mail [address]"


def test_what_the_widget_sends_is_what_the_service_takes(chat: Chat) -> None:
    """The stubs below answer anything; this holds them to the contract."""
    sent = posted(chat.page)
    chat.show().asks(REAL_QUESTION)
    expect(chat.element.locator(".said")).to_be_visible()
    chat.element.get_by_role("button", name="Yes, useful", exact=True).click()
    expect(chat.panel.get_by_text("Thank you")).to_be_visible()
    asked, judged = sent
    AnswerRequest.model_validate_json(asked)
    FeedbackRequest.model_validate_json(judged)


# --- what is shown ---


def test_a_follow_up_takes_the_conversation_along(chat: Chat) -> None:
    sent = posted(chat.page)
    chat.replies_with(answer(query={"text": "", "corrected": "and in may", "resolved": "x"}))
    chat.show().asks()
    expect(chat.element.locator(".said")).to_have_count(1)
    chat.asks("And in May?")
    notes = ["Searched for: and in may", "Read together with the conversation so far."]
    expect(chat.turns.last.locator(".understood")).to_have_text(notes)
    assert json.loads(sent[-1])["history"] == [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": QUOTE},
    ]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("not_in_report", "No passage of the report answers this question."),
        ("premise_not_supported", "The question takes something for granted that the report does not state."),
        ("of_tomorrow", "No passage of the report answers this question."),
    ],
)
def test_silence_is_shown_as_plainly_as_an_answer(chat: Chat, reason: str, words: str) -> None:
    chat.replies_with(answer(None, reason))
    chat.show().asks()
    expect(chat.element.locator(".silence")).to_have_text("The report does not say.")
    expect(chat.panel.get_by_text(words)).to_be_visible()
    expect(chat.element.locator(".card")).to_have_count(2)
    for card in chat.element.locator(".card").all():
        expect(card.locator(".tag")).to_have_text("Not an answer")
    assert chat.element.locator(".said, .number").count() == 0


def test_nearest_passages_of_small_talk_are_folded_away(chat: Chat) -> None:
    chat.replies_with(answer(None, "off_topic"))
    chat.show('mode="inline" suggestions="Who?"').asks()
    expect(chat.element.locator(".card").first).to_be_hidden()
    chat.panel.get_by_text("Nearest passages").click()
    expect(chat.element.locator(".card .tag").first).to_have_text("Not an answer")
    expect(chat.element.get_by_role("button", name="Who?")).to_be_visible()


def test_a_long_passage_is_shown_around_the_quote_and_whole_on_demand(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show().asks()
    chat.panel.get_by_text("More from the report").click()
    card = chat.element.locator("details .card")
    assert len(card.locator("blockquote").inner_text()) < 700
    assert card.locator("mark").inner_text() == QUOTE
    card.get_by_role("button", name="Show the whole passage").click()
    assert card.locator("blockquote").inner_text().count("Talks went on.") == 120
    assert card.locator("mark").inner_text() == QUOTE


def test_the_mark_counts_code_points(chat: Chat) -> None:
    text = "🏮🏮 x̂ Ðurić 👩🏽\u200d🚀 said: 90 boats! 🥁 end"
    start, end = text.index("👩"), text.index("🥁")
    reply = answer()
    reply["results"][0] |= {"text": text, "highlights": [[start, end]]}
    chat.replies_with(reply)
    chat.show().asks()
    expect(chat.element.locator(".card mark").first).to_have_text(text[start:end].rstrip())


def test_a_citation_without_its_passage_shows_what_stands_around_it(chat: Chat) -> None:
    chat.replies_with(answer(results=[]))
    chat.show().asks()
    expect(chat.element.locator(".card blockquote")).to_have_text(f"…a {QUOTE} b…")


def test_the_quote_is_copied_with_its_citation(chat: Chat) -> None:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat.replies_with(answer())
    chat.show().asks()
    expect(chat.element.locator(".card").first).to_contain_text("December 17, 2024")
    chat.element.get_by_role("button", name="Copy quote").first.click()
    expect(chat.element.get_by_role("button", name="Copied")).to_be_visible()
    copied = chat.page.evaluate("navigator.clipboard.readText()")
    quote, source = copied.split("\n")
    assert quote == f"“{QUOTE}”"
    assert source == (
        "— Alexis Arieff, Mali, Congressional Research Service, IF10116, December 17, 2024. "
        f"{chat.service}{answer()['citations'][0]['url']}:~:text=The%20second"
    )


def test_the_number_in_the_answer_leads_to_its_source(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show().asks()
    chat.element.get_by_role("link", name="Source 1").click()
    assert chat.focused() == "Source 1"
    assert chat.page.url.rstrip("/") == chat.host.url


def test_french_is_spoken_to_french_pages(chat: Chat) -> None:
    chat.replies_with(answer(None, "not_in_report"))
    chat.show('mode="inline" lang="fr-CA"').asks()
    expect(chat.element.locator(".silence")).to_have_text("Le rapport ne le dit pas.")
    expect(chat.element.locator(".card").first).to_contain_text("17 décembre 2024")


def test_quotes_are_in_the_language_of_their_report(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show('mode="inline" lang="fr"').asks()
    for words in (".said span", ".card blockquote", ".card strong"):
        expect(chat.element.locator(words).first).to_have_attribute("lang", "en")
    for words in (".said a", ".card button"):
        spoken_in = chat.element.locator(words).first.evaluate("it => it.closest('[lang]').lang")
        assert spoken_in == "fr"


def test_every_language_says_everything(chat: Chat) -> None:
    chat.show('mode="inline" lang="de"')
    expect(chat.element.get_by_role("heading", name="Ask the report")).to_be_visible()


# --- waiting, stopping, failing ---


def test_a_long_wait_is_admitted_and_can_be_stopped_and_tried_again(chat: Chat) -> None:
    chat.page.clock.install()
    chat.holds()
    chat.show().asks()
    expect(chat.element.locator(".state")).to_have_text("Reading the report…")
    chat.page.clock.run_for(5_000)
    expect(chat.element.locator(".state")).to_have_text("Still reading. This takes longer than usual.")
    chat.element.get_by_role("button", name="Stop").click()
    expect(chat.element.locator(".stopped")).to_be_visible()
    assert chat.focused() == "Your question"
    chat.page.unroute("**/v1/answer")
    chat.replies_with(answer())
    chat.element.get_by_role("button", name="Try again").click()
    expect(chat.element.locator(".said")).to_be_visible()
    expect(chat.turns).to_have_count(1)


def test_while_an_answer_is_under_way_a_typed_question_is_kept(chat: Chat) -> None:
    chat.holds()
    chat.show().asks()
    expect(chat.element.locator(".state")).to_be_visible()
    chat.asks("Another one?")
    expect(chat.question).to_have_value("Another one?")
    expect(chat.turns).to_have_count(1)


@pytest.mark.parametrize(
    ("status", "words"),
    [(429, "Too many questions in a short time"), (503, "The service is busy right now")],
)
def test_a_refusal_for_now_counts_down_to_the_next_try(chat: Chat, status: int, words: str) -> None:
    chat.page.clock.install()
    chat.replies_with(problem(status, "slow down"), status, Retry_After="3")
    chat.show().asks()
    expect(chat.element.locator(".failure")).to_contain_text(words)
    expect(chat.element.get_by_role("button", name="Try again in 3 s")).to_be_disabled()
    chat.page.clock.run_for(1_100)
    expect(chat.element.get_by_role("button", name="Try again in 2 s")).to_be_disabled()
    chat.page.unroute("**/v1/answer")
    chat.replies_with(answer())
    chat.page.clock.run_for(2_500)
    chat.element.get_by_role("button", name="Try again", exact=True).click()
    expect(chat.element.locator(".said")).to_be_visible()


def test_a_refusal_is_explained_in_the_services_words(chat: Chat) -> None:
    chat.replies_with(problem(422, "query: it has 2,001 characters"), 422)
    chat.show().asks()
    expect(chat.element.locator(".failure")).to_contain_text("query: it has 2,001 characters")


def test_a_failure_names_a_reference(chat: Chat) -> None:
    chat.replies_with(problem(500), 500)
    chat.show().asks()
    expect(chat.element.locator(".failure")).to_contain_text("Reference: req-7")


@pytest.mark.parametrize("body", ["<html>proxy error</html>", '{"answerable": "maybe"}', "null", ""])
def test_a_reply_that_is_no_answer_is_a_failure_not_an_answer(chat: Chat, body: str) -> None:
    headers = {"Access-Control-Allow-Origin": "*"}
    chat.replies(lambda r: r.fulfill(status=200, content_type="application/json", headers=headers, body=body))
    chat.show().asks()
    expect(chat.element.locator(".failure")).to_be_visible()
    expect(chat.element.get_by_role("button", name="Try again")).to_be_enabled()


def test_a_dead_service_is_told_from_a_dead_connection(chat: Chat) -> None:
    chat.show(f'mode="inline" api-base="http://127.0.0.1:{free_port()}"').asks()
    expect(chat.element.locator(".failure")).to_contain_text("The service cannot be reached.")
    chat.page.context.set_offline(True)
    expect(chat.element.locator(".offline")).to_contain_text("You are offline.")
    chat.element.get_by_role("button", name="Try again").click()
    expect(chat.element.locator(".failure")).to_contain_text("You are offline.")
    chat.page.context.set_offline(False)
    expect(chat.element.locator(".offline")).to_have_count(0)


def test_a_stream_that_breaks_off_is_a_failure(chat: Chat) -> None:
    headers = {"Access-Control-Allow-Origin": "*"}
    body = 'event: accepted\ndata: {"request_id": "x"}\n\n: still reading\n\nevent: ans'
    chat.replies(
        lambda r: r.fulfill(status=200, content_type="text/event-stream", headers=headers, body=body)
    )
    chat.show().asks()
    expect(chat.element.locator(".failure")).to_contain_text("cannot be reached")


def test_a_problem_inside_a_stream_is_shown_like_any_other(chat: Chat) -> None:
    headers = {"Access-Control-Allow-Origin": "*"}
    body = f"event: error\r\ndata: {json.dumps(problem(500))}\r\n\r\n"
    chat.replies(
        lambda r: r.fulfill(status=200, content_type="text/event-stream", headers=headers, body=body)
    )
    chat.show().asks()
    expect(chat.element.locator(".failure")).to_contain_text("Reference: req-7")


def test_feedback_that_does_not_arrive_says_so(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.page.route("**/v1/feedback", lambda route: route.abort())
    chat.show().asks()
    chat.element.get_by_role("button", name="Yes, useful", exact=True).click()
    expect(chat.element.locator(".judge")).to_contain_text("could not be sent")


# --- the launcher, and the keyboard ---


def test_the_launcher_opens_and_escape_closes_with_focus_back_where_it_was(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show("")
    page = chat.page
    page.keyboard.press("Tab")
    assert chat.focused() == "Ask the report"
    page.keyboard.press("Enter")
    expect(chat.element.get_by_role("dialog", name="Ask the report")).to_be_visible()
    assert chat.focused() == "Your question"
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    expect(chat.element.locator(".said")).to_be_visible()
    page.keyboard.press("Escape")
    expect(chat.element.get_by_role("dialog")).to_have_count(0)
    assert chat.focused() == "Ask the report"


@pytest.mark.parametrize(("width", "height"), [(320, 640), (1000, 380)])
def test_escape_uncovers_what_has_the_focus_behind_the_panel(chat: Chat, width: int, height: int) -> None:
    chat.page.set_viewport_size({"width": width, "height": height})
    chat.show("", body='<report-chat></report-chat><a href="#after">After</a>')
    chat.element.get_by_role("button", name="Ask the report").click()
    expect(chat.element.get_by_role("dialog")).to_be_visible()
    chat.page.get_by_role("link", name="After").focus()
    chat.page.keyboard.press("Escape")
    expect(chat.element.get_by_role("dialog")).to_have_count(0)
    assert chat.focused() == "After"


def test_an_escape_that_the_page_has_made_use_of_closes_nothing(chat: Chat) -> None:
    chat.show("", body='<report-chat></report-chat><a href="#after">After</a>')
    chat.element.get_by_role("button", name="Ask the report").click()
    link = chat.page.get_by_role("link", name="After")
    link.evaluate("link => link.addEventListener('keydown', (event) => event.preventDefault())")
    link.press("Escape")
    expect(chat.element.get_by_role("dialog")).to_be_visible()


def test_a_starter_that_was_chosen_leaves_the_focus_in_the_panel(chat: Chat) -> None:
    chat.replies_with(answer(None, "off_topic"))
    chat.show('suggestions="Who?"')
    chat.element.get_by_role("button", name="Ask the report").click()
    for count in (1, 2):  # before the first question, and under an answer
        chat.element.get_by_role("button", name="Who?").click()
        expect(chat.element.locator(".silence")).to_have_count(count)
        assert chat.focused() == "Your question"


def test_what_is_hidden_cannot_be_reached(chat: Chat) -> None:
    chat.show("", body='<report-chat></report-chat><a href="#after">After</a>')
    page = chat.page
    expect(chat.element.locator(".panel")).to_have_attribute("inert", "")
    page.keyboard.press("Tab")
    assert chat.focused() == "Ask the report"
    page.keyboard.press("Tab")
    assert chat.focused() == "After"


def test_everything_can_be_done_with_the_keyboard(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.page.route("**/v1/feedback", lambda route: send(route, {}, 201))
    chat.show('mode="inline" suggestions="Who?"')
    page = chat.page
    for expected in ("Conversation", "Who?"):
        page.keyboard.press("Tab")
        assert chat.focused() == expected
    page.keyboard.press("Enter")
    expect(chat.element.locator(".said")).to_be_visible()
    assert chat.focused() == "Your question"
    walk = []
    for _ in range(9):
        page.keyboard.press("Shift+Tab")
        walk.append(chat.focused().split("(")[0].strip())
    assert walk == [
        *("No, not useful", "Yes, useful", "More from the report", "Copy quote", "Open in report"),
        *("Source 1", "Conversation", "Clear the conversation"),
        walk[-1],
    ]
    while chat.focused() != "No, not useful":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    assert chat.element.get_by_label("Something is missing").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.type("All of it")
    page.keyboard.press("Tab")
    assert chat.focused() == "Send"
    page.keyboard.press("Enter")
    expect(chat.panel.get_by_text("Thank you")).to_be_visible()
    assert chat.focused() == "No, not useful"


def test_enter_sends_and_shift_enter_breaks_the_line(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show()
    chat.question.focus()
    for key in ("a", "Shift+Enter", "b", "Enter"):
        chat.page.keyboard.press(key)
    expect(chat.element.locator(".asked")).to_contain_text("a\nb", use_inner_text=True)


# --- what is spoken ---


def test_an_answer_is_spoken_once(chat: Chat) -> None:
    chat.holds()
    chat.show().asks()
    expect(chat.element.locator(".state")).to_be_visible()
    assert spoken(chat.page) == ["Reading the report…"]
    send(chat.held[0], answer())
    expect(chat.element.locator(".said")).to_be_visible()
    assert spoken(chat.page) == [f"The report says: {QUOTE} Source: Mali › Money › Agreements."]


def test_the_same_answer_twice_is_spoken_twice_and_nothing_more_often(chat: Chat) -> None:
    """A region that is set to the words it has already is not spoken: the words must come anew."""
    chat.replies_with(answer())
    chat.show()
    chat.page.evaluate(
        """() => {
          window.heard = [];
          const root = document.querySelector("report-chat").shadowRoot;
          const regions = root.querySelectorAll("[aria-live=polite]");
          const said = ["", ""];
          new MutationObserver(() => regions.forEach((region, at) => {
            const words = region.textContent;
            if (words && words !== said[at]) heard.push(words);
            said[at] = words;
          })).observe(regions[0].parentNode, { childList: true, characterData: true, subtree: true });
        }"""
    )
    for count in (1, 2):
        chat.asks()
        expect(chat.element.locator(".said")).to_have_count(count)
    said = f"The report says: {QUOTE} Source: Mali › Money › Agreements."
    assert chat.page.evaluate("heard") == ["Reading the report…", said] * 2


def test_silence_is_spoken_and_its_passages_are_not_called_an_answer(chat: Chat) -> None:
    chat.replies_with(answer(None, "not_in_report"))
    chat.show().asks()
    expect(chat.element.locator(".silence")).to_be_visible()
    assert spoken(chat.page) == [
        "The report does not say. No passage of the report answers this question. "
        "Below: nearest passages, not an answer (2)."
    ]


def test_a_failure_is_spoken(chat: Chat) -> None:
    chat.replies_with(problem(500), 500)
    chat.show().asks()
    expect(chat.element.locator(".failure")).to_be_visible()
    assert spoken(chat.page) == ["Something went wrong in the service. It is not your question."]


# --- memory ---


def test_the_conversation_is_kept_for_the_tab_and_no_other(chat: Chat, chromium: Browser) -> None:
    chat.replies_with(answer())
    chat.show().asks()
    expect(chat.element.locator(".said")).to_be_visible()
    chat.page.reload()
    expect(chat.element.locator(".said")).to_contain_text(QUOTE)
    other = chat.page.context.new_page()
    other.goto(chat.host.url)
    expect(other.locator("report-chat .panel")).to_be_visible()
    assert other.locator("report-chat .said").count() == 0
    chat.element.get_by_role("button", name="Clear the conversation").click()
    chat.page.reload()
    expect(chat.element.locator(".panel")).to_be_visible()
    assert chat.turns.count() == 0
    assert chat.page.evaluate("localStorage.length + document.cookie.length") == 0


def test_two_widgets_on_a_page_do_not_mix(chat: Chat) -> None:
    chat.replies_with(answer())
    twice = '<report-chat mode="inline"></report-chat>' * 2
    chat.show(body=twice)
    second = chat.page.locator("report-chat").nth(1)
    second.get_by_role("textbox").fill("Only here?")
    second.get_by_role("textbox").press("Enter")
    expect(second.locator(".said")).to_be_visible()
    assert chat.turns.count() == 0
    chat.page.reload()
    expect(second.locator(".asked")).to_contain_text("Only here?")
    assert chat.turns.count() == 0


def test_two_hundred_messages_still_fit(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show()
    chat.page.evaluate(
        """async () => { const chat = document.querySelector("report-chat");
          for (let n = 0; n < 100; n++) await chat.ask(`Question ${n}? ` + "x".repeat(300)); }"""
    )
    expect(chat.turns).to_have_count(100)
    sent = posted(chat.page)
    chat.asks("The last one?")
    expect(chat.element.locator(".asked").last).to_be_in_viewport()
    expect(chat.element.locator(".said")).to_have_count(101)
    body = AnswerRequest.model_validate_json(sent[-1])
    assert 20 <= len(body.history) <= 50
    assert len(sent[-1].encode()) < 64 * 1024
    chat.page.reload()
    expect(chat.turns).to_have_count(101)


def test_storage_that_is_refused_or_full_is_no_failure(chat: Chat) -> None:
    chat.page.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('full') }")
    chat.replies_with(answer())
    chat.show().asks()
    expect(chat.element.locator(".said")).to_be_visible()


# --- for site owners ---


def test_the_interface_for_pages(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show("")
    told = chat.page.evaluate(
        """async () => {
          const chat = document.querySelector("report-chat"), told = [];
          for (const name of ["answer", "citation", "feedback", "error"])
            document.addEventListener(`report-chat:${name}`, (event) => told.push([name, event.detail]));
          document.addEventListener("report-chat:citation", (event) => event.preventDefault());
          chat.suggestions = ["From a property?"];
          chat.theme = "dark";
          const reply = await chat.ask("From a script?");
          await chat.updateComplete;
          chat.shadowRoot.querySelector(".card a").click();
          const opened = !!chat.shadowRoot.querySelector(".panel:not([inert])");
          chat.close();
          await chat.updateComplete;
          const closed = !!chat.shadowRoot.querySelector(".panel[inert]");
          chat.clear();
          await chat.updateComplete;
          return { told, opened, closed, said: reply.answer.text, starters: chat.starters,
                   left: chat.shadowRoot.querySelectorAll(".turn").length };
        }"""
    )
    assert [name for name, _ in told["told"]] == ["answer", "citation"]
    assert told["told"][0][1]["question"] == "From a script?"
    assert told["told"][1][1]["url"].startswith(f"{chat.service}/reports/IF10116#char=")
    assert told["said"] == QUOTE
    assert (told["opened"], told["closed"], told["left"]) == (True, True, 0)
    assert told["starters"] == ["From a property?"]
    assert len(chat.page.context.pages) == 1  # the page kept the click for itself


def test_an_error_event_tells_kind_and_status(chat: Chat) -> None:
    chat.replies_with(problem(429, "slow down"), 429, Retry_After="9")
    chat.show()
    detail = chat.page.evaluate(
        """() => new Promise((done) => {
          document.addEventListener("report-chat:error", (event) => done(event.detail));
          document.querySelector("report-chat").ask("Why?");
        })"""
    )
    assert (detail["kind"], detail["status"], detail["retryAfter"]) == ("limited", 429, 9)


def test_a_new_question_from_a_script_stops_the_one_under_way(chat: Chat) -> None:
    chat.holds()
    chat.show()
    chat.page.evaluate("void document.querySelector('report-chat').ask('First?')")
    expect(chat.element.locator(".state")).to_be_visible()
    chat.page.evaluate("void document.querySelector('report-chat').ask('Second?')")
    expect(chat.turns).to_have_count(2)
    expect(chat.element.locator(".stopped")).to_have_count(1)
    expect(chat.element.locator(".state")).to_have_count(1)


def test_a_widget_that_is_moved_keeps_its_conversation(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show().asks()
    expect(chat.element.locator(".said")).to_be_visible()
    chat.page.evaluate("document.body.append(document.querySelector('report-chat'))")
    expect(chat.element.locator(".said")).to_be_visible()


def test_the_first_answer_is_painted_soon(
    chat: Chat, record_property: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured and reported; a busy machine is no failure, so nothing is asserted of the time itself."""
    chat.replies_with(answer())
    chat.show()
    waits = chat.page.evaluate(
        """async () => {
          const chat = document.querySelector("report-chat"), waits = [];
          const json = Response.prototype.json;
          let replied = 0;
          Response.prototype.json = async function () {
            const body = await json.call(this);
            replied = performance.now();
            return body;
          };
          for (let n = 0; n < 10; n++) {
            await chat.ask("How much?");
            await chat.updateComplete;
            await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
            waits.push(performance.now() - replied);
          }
          return waits;
        }"""
    )
    assert len(waits) == 10
    record_property("painted_ms", [round(wait, 1) for wait in waits])  # type: ignore[operator]
    with capsys.disabled():
        print(f"\nreply to paint: first {waits[0]:.0f} ms, of ten at most {max(waits):.0f} ms")


def test_a_page_that_prints_shows_the_whole_conversation(chat: Chat) -> None:
    chat.replies_with(answer())
    chat.show()
    chat.page.evaluate(
        "async () => { for (let n = 0; n < 8; n++) await document.querySelector('report-chat').ask('Q?') }"
    )
    chat.page.emulate_media(media="print")
    assert chat.element.locator(".log").evaluate("log => log.scrollHeight <= log.clientHeight + 1")
    expect(chat.question).to_be_hidden()
    assert PASSAGE[:20] in chat.panel.inner_text()


def test_it_asks_no_one_but_the_service(chat: Chat, page: Page) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add("/".join(request.url.split("/")[:3])))
    chat.show().asks(REAL_QUESTION)
    expect(chat.element.locator(".said")).to_be_visible()
    for path in ("/", "/reports/IF10116"):
        page.goto(chat.service + path)
        page.wait_for_function("!!customElements.get('report-chat')")
    assert asked == {chat.service, chat.host.url}
