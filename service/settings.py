"""Where the service runs and reads from. What changes an answer is code, and is not set here."""

import os
from dataclasses import dataclass
from pathlib import Path

from indexer.__main__ import DEFAULT_BUNDLE


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings, each from one environment variable, with its default."""

    bundle: Path = DEFAULT_BUNDLE
    """REPORT_QA_BUNDLE: the bundle to serve."""
    lanes: int = 1
    """REPORT_QA_LANES: questions answered at the same time; one thread each (default: CPU cores)."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the settings.

        Raises:
            ValueError: if one cannot be understood; the message names it.
        """
        lanes = os.environ.get("REPORT_QA_LANES", str(os.cpu_count() or 1))
        if not lanes.isdecimal() or not 1 <= int(lanes) <= 256:
            raise ValueError(f"REPORT_QA_LANES is {lanes!r}; expected a whole number from 1 to 256")
        return cls(Path(os.environ.get("REPORT_QA_BUNDLE", DEFAULT_BUNDLE)), int(lanes))
