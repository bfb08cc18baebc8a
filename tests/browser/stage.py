"""What the browser tests share: a browser, servers in threads, replies to order, a chat to look at."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import BrowserType, Locator, Page, Request, Route
from starlette.applications import Starlette
from starlette.requests import Request as HostRequest
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "service" / "widget"
WORKSHOP = ROOT / "build" / "widget"
"""Where the widget's sources are built and its packages lie, outside of every Python package."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


# --- tools ---


def find_browser(chromium: BrowserType) -> str:
    """A Chromium: the system's; else Debian's package, where it may be installed; else Playwright's own."""
    if found := _system_browser():
        return found
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        _try("apt-get", "update", "-q")
        _try("apt-get", "install", "-qy", "--no-install-recommends", "chromium")
        if found := _system_browser():
            return found
    if not Path(chromium.executable_path).exists():
        _try(sys.executable, "-m", "playwright", "install", "chromium")
    if Path(chromium.executable_path).exists():
        return chromium.executable_path
    pytest.fail(
        "no Chromium: none on PATH, and neither apt-get nor Playwright could install one", pytrace=False
    )


def _system_browser() -> str | None:
    return next(filter(None, map(shutil.which, [*_NAMES, _MAC])), None)


def _try(*command: str) -> None:
    subprocess.run(command, capture_output=True, timeout=300, check=False)


@cache
def workshop() -> Path:
    """The widget's sources with their packages installed from the lock, and the widget built from them."""
    if not shutil.which("npm"):
        pytest.fail("npm is not installed: it takes Node 20 or newer to check the widget", pytrace=False)
    shutil.copytree(
        SOURCES, WORKSHOP, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "screenshots")
    )
    installed = WORKSHOP / "node_modules" / ".installed"
    lock = (WORKSHOP / "package-lock.json").read_text()
    if not installed.exists() or installed.read_text() != lock:
        _npm("ci", "--no-audit", "--no-fund")
        installed.write_text(lock)
    _npm("run", "build")
    return WORKSHOP


def _npm(*arguments: str) -> None:
    done = subprocess.run(
        ["npm", *arguments], cwd=WORKSHOP, capture_output=True, text=True, timeout=180, check=False
    )
    if done.returncode:
        pytest.fail(f"npm {' '.join(arguments)} failed: {(done.stderr or done.stdout)[-600:]}", pytrace=False)


# --- servers ---


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application from a thread, on a port that is free; its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@dataclass
class Host:
    """A web site of another origin, which shows whatever page a test gives it."""

    url: str = ""
    html: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def app(self) -> Starlette:
        app = Starlette()
        app.add_route("/", self._page)
        return app

    async def _page(self, request: HostRequest) -> Response:
        return HTMLResponse(self.html, headers=dict(self.headers))


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# --- replies to order ---

QUESTION = "How much was promised?"
SHA = "0" * 64
PASSAGE = (
    "Two agreements were signed in the spring. The second, “reportedly worth $10 million”, was never paid. "
    "Both parties dispute the reason."
)
QUOTE = "The second, “reportedly worth $10 million”, was never paid."


def citation(**changes: Any) -> dict[str, Any]:
    """A citation as the service writes it."""
    start = PASSAGE.index(QUOTE)
    return {
        "type": "char_location",
        "cited_text": QUOTE,
        "document_index": 0,
        "document_id": "IF10116",
        "document_title": "Mali",
        "start_char_index": start,
        "end_char_index": start + len(QUOTE),
        "document_sha256": SHA,
        "passage_id": "IF10116:00000",
        "heading_path": ["Money", "Agreements"],
        "url": f"/reports/IF10116#char={start},{start + len(QUOTE)}",
        "text_fragment": "#:~:text=The%20second",
        "selectors": [{"type": "TextQuoteSelector", "exact": QUOTE, "prefix": "a ", "suffix": " b"}],
    } | changes


def answer(text: str | None = QUOTE, reason: str | None = None, **changes: Any) -> dict[str, Any]:
    """An answer as the service writes it; with `text` None, that the report does not say."""
    start = PASSAGE.index(QUOTE)
    result = {
        "object": "passage",
        "rank": 1,
        "passage_id": "IF10116:00000",
        "document_id": "IF10116",
        "score": 0.9,
        "scores": {},
        "text": PASSAGE,
        "heading_path": ["Money", "Agreements"],
        "highlights": [[start, start + len(QUOTE)]],
        "citation": 0,
    }
    near = result | {
        "rank": 2,
        "text": "Talks went on. " * 60 + PASSAGE + " Talks went on." * 60,
        "citation": 1,
    }
    near["highlights"] = [[900 + start, 900 + start + len(QUOTE)]]
    return {
        "object": "answer",
        "id": "ans_test",
        "request_id": "test",
        "bundle_id": f"sha256:{SHA}",
        "query": {"text": QUESTION, "corrected": None, "resolved": None},
        "answerable": text is not None,
        "confidence": 0.9,
        "reason": reason,
        "answer": text and {"text": text, "citations": [0]},
        "citations": [citation(), citation(heading_path=["Talks"])],
        "results": [result, near],
        "usage": {"took_ms": 1.0},
    } | changes


def problem(status: int, detail: str = "", **changes: Any) -> dict[str, Any]:
    """A problem as the service writes it."""
    return {
        "type": "about:blank",
        "title": "t",
        "status": status,
        "detail": detail,
        "request_id": "req-7",
    } | changes


CROSS_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After, X-Request-Id",
}


def asked(route: Route) -> str:
    """The question in an intercepted request."""
    return str(json.loads(route.request.post_data or "")["query"])


def posted(page: Page) -> list[str]:
    """The bodies that the page posts, from now on."""
    bodies: list[str] = []

    def note(request: Request) -> None:
        if request.post_data:
            bodies.append(request.post_data)

    page.on("request", note)
    return bodies


def send(route: Route, body: Mapping[str, Any], status: int = 200, **headers: str) -> None:
    """Answer an intercepted request."""
    kind = "application/json" if status < 400 else "application/problem+json"
    route.fulfill(
        status=status,
        content_type=kind,
        headers=CROSS_ORIGIN | {name.replace("_", "-"): value for name, value in headers.items()},
        body=json.dumps(body),
    )


# --- the widget on a page ---


@dataclass
class Chat:
    """One widget on an open page, as a visitor sees it."""

    page: Page
    service: str
    host: Host
    held: list[Route] = field(default_factory=list)

    @property
    def element(self) -> Locator:
        return self.page.locator("report-chat").first

    @property
    def panel(self) -> Locator:
        """All that is shown; the element also holds what is only spoken."""
        return self.element.locator(".panel")

    @property
    def question(self) -> Locator:
        return self.element.get_by_role("textbox").last

    @property
    def turns(self) -> Locator:
        return self.element.locator(".turn")

    def show(
        self,
        attributes: str = 'mode="inline"',
        *,
        head: str = "",
        body: str = "",
        headers: Mapping[str, str] = {},
    ) -> "Chat":
        """Open a page with the widget on the host's site."""
        self.host.headers = headers
        body = body or f"<report-chat {attributes}></report-chat>"
        self.host.html = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Host</title>{head}'
            '<meta name="viewport" content="width=device-width">'
            f'<script type="module" src="{escape(self.service)}/widget.js"></script></head>'
            f"<body><main><h1>Host page</h1>{body}</main></body></html>"
        )
        self.page.goto(self.host.url)
        self.page.wait_for_function("!!customElements.get('report-chat')")
        return self

    def replies(self, reply: Callable[[Route], None]) -> None:
        """Have every question answered by `reply` instead of the service."""
        self.page.route("**/v1/answer", reply)

    def replies_with(self, body: Mapping[str, Any], status: int = 200, **headers: str) -> None:
        self.replies(lambda route: send(route, body, status, **headers))

    def holds(self) -> None:
        """Keep every question waiting; `held` are the requests."""
        self.replies(lambda route: self.held.append(route))

    def asks(self, text: str = QUESTION) -> None:
        """Type a question and press Enter."""
        self.question.fill(text)
        self.question.press("Enter")

    def focused(self) -> str:
        """The focused element, inside the widget or not: its label, text or tag."""
        found: str = self.page.evaluate(
            """() => { let at = document.activeElement;
              while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
              return at.getAttribute("aria-label") || at.textContent.trim() || at.localName; }"""
        )
        return found


def spoken(page: Page) -> list[str]:
    """What a screen reader is told, from the browser's accessibility tree: the words of live regions."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    by_id = {node["nodeId"]: node for node in nodes}

    def words(node: Mapping[str, Any]) -> str:
        if node.get("role", {}).get("value") == "StaticText":
            return str(node["name"]["value"])
        return "".join(words(by_id[child]) for child in node.get("childIds", []) if child in by_id)

    live = [
        node
        for node in nodes
        if any(p["name"] == "live" and p["value"]["value"] == "polite" for p in node.get("properties", []))
    ]
    return [said for node in live if (said := words(node))]
