"""The command line: `report-qa ask|serve|keys|index|eval`. Arguments and printing only."""

import argparse
import contextlib
import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from indexer.__main__ import DEFAULT_BUNDLE

SILENT = 3
"""Exit status of `ask` when the report does not say."""
_TURN = 0.0005
"""Seconds that a lane may go on in Python while the event loop waits for its turn. Python's own is ten times
that, and the loop needs several turns for a reply. On one core a question took no more CPU time for it."""
_OLDER = "pydantic.v1"


class UsageError(ValueError):
    """What was asked for cannot be done; the message is one line."""


# Named, not imported: a command loads only what it needs, and nothing in service/ depends on eval/.
_ELSEWHERE = {"index": "indexer.__main__", "eval": "eval.__main__"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    try:
        status = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has had enough, `head` for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(given: list[str]) -> int:
    if given and given[0] in _ELSEWHERE:
        command: Callable[[Sequence[str]], int] = importlib.import_module(_ELSEWHERE[given[0]]).main
        return command(given[1:])
    options = _parser().parse_args(given)
    from indexer.bundle import BundleError
    from service.answer import UnknownDocumentError
    from service.settings import SettingsError

    try:
        return _COMMANDS[options.command](options)
    except (BundleError, SettingsError, UnknownDocumentError, UsageError) as error:
        print(f"report-qa {options.command}: {error}", file=sys.stderr)
        return 1
    finally:  # whatever became of `_serve`
        gc.enable()
        if _OLDER in sys.modules and not sys.modules[_OLDER]:
            del sys.modules[_OLDER]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="report-qa",
        description="Answers questions about a report by quoting it, with the exact place of every quote.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="ask|serve|keys|index|eval")
    ask = commands.add_parser(
        "ask",
        help="answer one question, without a server",
        description=f"Answer one question. Exit status {SILENT} means: the report does not say.",
    )
    ask.add_argument("question")
    ask.add_argument("--json", action="store_true", help="print what POST /v1/answer returns")
    ask.add_argument("--limit", type=int, default=3, help="ranked passages to look at (%(default)s)")
    ask.add_argument(
        "--document", action="append", metavar="ID", help="look only in this report (repeatable)"
    )
    serve = commands.add_parser("serve", help="answer over HTTP, with a page to try it on")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument("--port", type=int, default=8000, help="port to listen on (%(default)s)")
    for command in (ask, serve):
        command.add_argument(
            "--bundle", type=Path, help=f"the bundle (REPORT_QA_BUNDLE, or {DEFAULT_BUNDLE})"
        )
    keys = commands.add_parser("keys", help="make an API key").add_subparsers(
        dest="what", required=True, metavar="new"
    )
    new = keys.add_parser("new", help="show a new key once, on stderr; print the line that makes it good")
    new.add_argument("name", help="what logs and metrics call its holder")
    commands.add_parser("index", help="build, publish, roll back, verify or show the bundle")
    commands.add_parser("eval", help="measure the answers on known questions")
    return parser


def _ask(options: argparse.Namespace) -> int:
    from pydantic import ValidationError

    from indexer.bundle import open_bundle
    from service.answer import Answer, Answerer
    from service.schemas import AnswerRequest, AnswerResponse, violations
    from service.settings import Settings

    try:
        request = AnswerRequest(query=options.question, limit=options.limit, documents=options.document)
    except ValidationError as error:
        wrong = violations(error.errors())
        raise UsageError("; ".join(f"{entry['field']}: {entry['problem']}" for entry in wrong)) from None
    bundle = open_bundle(options.bundle or Settings.from_environment().bundle)
    start = time.perf_counter()
    answer: Answer = Answerer(bundle).answer(request.query, request.limit, request.documents)
    took = round((time.perf_counter() - start) * 1_000, 3)
    if options.json:
        print(AnswerResponse.of(answer, uuid.uuid4().hex, bundle.id, took).model_dump_json(indent=2))
    else:
        print(_for_people(answer, marked=sys.stdout.isatty()))
    return 0 if answer.answerable else SILENT


def _for_people(answer: object, *, marked: bool) -> str:
    from service.answer import Answer

    assert isinstance(answer, Answer)
    lines = [answer.text or "The report does not say.", ""]
    results = {result.citation: result for result in answer.results}
    for citation in answer.citations or results:
        result = results.get(citation)
        if not answer.answerable:
            lines.append("Nearest passage, not an answer:")
        excerpt = citation.excerpt
        if result:
            start, end = result.highlight
            before, after = ("\033[1m", "\033[0m") if marked else ("[", "]")
            excerpt = f"{result.text[:start]}{before}{result.text[start:end]}{after}{result.text[end:]}"
        lines.append(textwrap.indent(textwrap.fill(excerpt, 92), "  | "))
        place = " > ".join([citation.document_title, *citation.heading_path])
        lines += [f"  {citation.document_id}, {place}, characters {citation.start}-{citation.end}", ""]
    return "\n".join([*lines, f"confidence {answer.confidence:.2f}"])


def _serve(options: argparse.Namespace) -> int:
    gc.disable()  # until all is open, or `_run` ends: what is imported and read is no garbage
    sys.setswitchinterval(_TURN)
    from indexer.bundle import open_bundle
    from service.settings import Settings

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # to be told to stop is no failure
    settings = Settings.from_environment()
    path = options.bundle or settings.bundle
    with _listen(options.host, options.port) as listening:
        with ThreadPoolExecutor(1) as beside:
            opening = beside.submit(open_bundle, path)  # models are loaded while the rest is imported
            _import_fastapi()
            import uvicorn

            from service.app import create_app
            from service.connection import Connection
            from service.feedback import FeedbackLog
            from service.log import logging_to
            from service.rates import Rates
            from service.traces import provider_from_environment
        bundle = opening.result()
        traces = provider_from_environment()
        feedback = FeedbackLog(settings.feedback) if settings.feedback else None
        app = create_app(
            bundle,
            settings.lanes,
            settings.origins,
            feedback,
            queue_limit=settings.queue_ms / 1_000,
            keys=settings.keys,
            rates=Rates(settings.rate) if settings.rate else None,
            origin_rates=Rates(settings.origin_rate) if settings.origin_rate else None,
            log_questions=settings.log_questions,
            follow=path,
            traces=traces,
        )
        gc.freeze()  # looking through a whole bundle for garbage, now and then, would stop everybody
        gc.enable()
        _give_back()
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = f"http://{host}:{listening.getsockname()[1]}"
        print(f"report-qa answers on {address} (Ctrl+C stops it). Try:\n", file=sys.stderr)
        print(
            f"  curl -s {address}/v1/answer -H 'Content-Type: application/json' \\\n"
            '    -d \'{"query": "How much did Wagner cost Mali each month?"}\'\n',
            file=sys.stderr,
            flush=True,
        )
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=5,
        )
        # uvicorn finishes what it is at, then raises again the signal that stopped it.
        with logging_to(sys.stdout), contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    return 0


def _import_fastapi() -> None:
    """Import FastAPI without what is not used here: a tenth of the start.

    That is the pydantic before this one, for whose models it looks; plugins of pydantic, which looks for them
    in all that is installed; and validators for OpenAPI's models, which are built when somebody asks for it.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    sys.modules.setdefault(_OLDER, None)  # type: ignore[arg-type]  # as if it were not installed
    from pydantic import BaseModel

    BaseModel.model_config["defer_build"] = True
    importlib.import_module("fastapi")
    del BaseModel.model_config["defer_build"]  # ours are built at once, before lanes use them together


def _give_back() -> None:
    """Give the system what opening a bundle has used and freed, some 12 MB, where glibc can do it."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def _listen(host: str, port: int) -> socket.socket:
    """Take the port, before anything else takes time."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot listen on {host} port {port}: {error}; name another --port") from None


def _keys(options: argparse.Namespace) -> int:
    from service.keys import new_key

    try:
        key, line = new_key(options.name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    print(
        f"The key, shown this once: {key}\nThe line for the file that REPORT_QA_KEYS names:", file=sys.stderr
    )
    print(line)
    return 0


_COMMANDS = {"ask": _ask, "serve": _serve, "keys": _keys}


if __name__ == "__main__":
    sys.exit(main())
