import os
from pathlib import Path

import pytest

from service.settings import Settings, SettingsError


def test_without_variables_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPORT_QA_BUNDLE", raising=False)
    monkeypatch.delenv("REPORT_QA_LANES", raising=False)
    monkeypatch.delenv("REPORT_QA_ORIGINS", raising=False)
    settings = Settings.from_environment()
    assert settings.bundle == Path("build/bundle")
    assert settings.lanes == (os.cpu_count() or 1)
    assert settings.origins == ()


def test_a_variable_sets_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_QA_BUNDLE", "/srv/bundle")
    monkeypatch.setenv("REPORT_QA_LANES", "3")
    settings = Settings.from_environment()
    assert (settings.bundle, settings.lanes) == (Path("/srv/bundle"), 3)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("REPORT_QA_QUEUE_MS", "-1", "whole number from 0 to 60000"),
        ("REPORT_QA_RATE", "many", "whole number"),
        ("REPORT_QA_ORIGIN_RATE", "1.5", "whole number"),
        ("REPORT_QA_LOG_QUESTIONS", "yes", "whole number from 0 to 1"),
        ("REPORT_QA_TRUSTED_PROXIES", "10.0.0.0/8 proxy", "'proxy' does not appear"),
        ("REPORT_QA_TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
        ("REPORT_QA_KEYS", "/nowhere", "found no file"),
    ],
)
def test_what_cannot_be_understood_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=expected) as refused:
        Settings.from_environment()
    assert str(refused.value).startswith(name)


def test_trusted_proxies_are_addresses_or_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_QA_TRUSTED_PROXIES", " 10.0.0.0/8, 2001:db8::1 ")
    assert Settings.from_environment().trusted_proxies == ("10.0.0.0/8", "2001:db8::1")


@pytest.mark.parametrize("lanes", ["0", "257", "-1", "two", "1.5", "", "²"])
def test_a_senseless_number_of_lanes_is_refused_by_name(lanes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_QA_LANES", lanes)
    with pytest.raises(SettingsError, match=r"REPORT_QA_LANES is .* expected a whole number from 1 to 256"):
        Settings.from_environment()
