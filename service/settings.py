"""Where the service runs and reads from. What changes an answer is code, and is not set here."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from indexer.__main__ import DEFAULT_BUNDLE
from service.keys import Keys
from service.origins import parse_origins

DEFAULT_FEEDBACK = Path("feedback.jsonl")


class SettingsError(ValueError):
    """An environment variable cannot be understood; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings, each from one environment variable, with its default."""

    bundle: Path = DEFAULT_BUNDLE
    """REPORT_QA_BUNDLE: the bundle to serve."""
    lanes: int = 1
    """REPORT_QA_LANES: questions answered at the same time; one thread each (default: CPU cores)."""
    queue_ms: int = 250
    """REPORT_QA_QUEUE_MS: milliseconds that a question may have to wait for a lane; else it is refused."""
    origins: tuple[str, ...] = ()
    """REPORT_QA_ORIGINS: web sites that may embed the widget, as `https://a.org https://b.org`, or `*`."""
    keys: Keys | None = None
    """REPORT_QA_KEYS: a file of API keys, read again when it changes; with it only they and the origins
    above are admitted."""
    rate: int = 0
    """REPORT_QA_RATE: requests a minute from one client; 0: no limit.

    Off by default: behind a proxy that REPORT_QA_TRUSTED_PROXIES does not name, every visitor is the same
    client, and would be refused for what the others ask. Overload is held off without it.
    """
    origin_rate: int = 0
    """REPORT_QA_ORIGIN_RATE: requests a minute from all visitors of one web site; 0: no limit."""
    trusted_proxies: tuple[str, ...] = ()
    """REPORT_QA_TRUSTED_PROXIES: addresses or networks whose `X-Forwarded-For` and `-Proto` are believed."""
    feedback: Path | None = DEFAULT_FEEDBACK
    """REPORT_QA_FEEDBACK: the file that visitors' judgements are appended to; empty: none is kept."""
    log_questions: bool = False
    """REPORT_QA_LOG_QUESTIONS: 1 puts questions into the log, addresses and long numbers blotted out."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: if one cannot be understood; the message names it.
        """
        try:
            origins = parse_origins(os.environ.get("REPORT_QA_ORIGINS", ""))
        except ValueError as error:
            raise SettingsError(f"REPORT_QA_ORIGINS: {error}") from None
        feedback = os.environ.get("REPORT_QA_FEEDBACK", str(DEFAULT_FEEDBACK))
        return cls(
            bundle=Path(os.environ.get("REPORT_QA_BUNDLE", DEFAULT_BUNDLE)),
            lanes=_number("REPORT_QA_LANES", os.cpu_count() or 1, 1, 256),
            queue_ms=_number("REPORT_QA_QUEUE_MS", 250, 0, 60_000),
            origins=origins,
            keys=_keys(),
            rate=_number("REPORT_QA_RATE", 0, 0, 1_000_000),
            origin_rate=_number("REPORT_QA_ORIGIN_RATE", 0, 0, 1_000_000),
            trusted_proxies=_networks("REPORT_QA_TRUSTED_PROXIES"),
            feedback=Path(feedback) if feedback else None,
            log_questions=bool(_number("REPORT_QA_LOG_QUESTIONS", 0, 0, 1)),
        )


def _number(name: str, default: int, least: int, most: int) -> int:
    given = os.environ.get(name, str(default))
    if not given.isdecimal() or not least <= int(given) <= most:
        raise SettingsError(f"{name} is {given!r}; expected a whole number from {least} to {most}")
    return int(given)


def _networks(name: str) -> tuple[str, ...]:
    """Addresses and networks, separated by spaces or commas."""
    found = tuple(filter(None, re.split(r"[\s,]+", os.environ.get(name, ""))))
    for network in found:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}; expected networks such as 10.0.0.0/8") from None
    return found


def _keys() -> Keys | None:
    given = os.environ.get("REPORT_QA_KEYS", "")
    try:
        return Keys.read(Path(given)) if given else None
    except ValueError as error:
        raise SettingsError(f"REPORT_QA_KEYS: {error}") from None
