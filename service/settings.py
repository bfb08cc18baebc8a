"""Where the service runs and reads from. What changes an answer is code, and is not set here."""

import os
from dataclasses import dataclass
from pathlib import Path

from indexer.__main__ import DEFAULT_BUNDLE
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
    origins: tuple[str, ...] = ()
    """REPORT_QA_ORIGINS: web sites that may embed the widget, as `https://a.org https://b.org`, or `*`."""
    feedback: Path | None = DEFAULT_FEEDBACK
    """REPORT_QA_FEEDBACK: the file that visitors' judgements are appended to; empty: none is kept."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: if one cannot be understood; the message names it.
        """
        lanes = os.environ.get("REPORT_QA_LANES", str(os.cpu_count() or 1))
        if not lanes.isdecimal() or not 1 <= int(lanes) <= 256:
            raise SettingsError(f"REPORT_QA_LANES is {lanes!r}; expected a whole number from 1 to 256")
        try:
            origins = parse_origins(os.environ.get("REPORT_QA_ORIGINS", ""))
        except ValueError as error:
            raise SettingsError(f"REPORT_QA_ORIGINS: {error}") from None
        feedback = os.environ.get("REPORT_QA_FEEDBACK", str(DEFAULT_FEEDBACK))
        return cls(
            bundle=Path(os.environ.get("REPORT_QA_BUNDLE", DEFAULT_BUNDLE)),
            lanes=int(lanes),
            origins=origins,
            feedback=Path(feedback) if feedback else None,
        )
