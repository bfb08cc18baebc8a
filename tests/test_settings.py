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


@pytest.mark.parametrize("lanes", ["0", "257", "-1", "two", "1.5", "", "²"])
def test_a_senseless_number_of_lanes_is_refused_by_name(lanes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_QA_LANES", lanes)
    with pytest.raises(SettingsError, match=r"REPORT_QA_LANES is .* expected a whole number from 1 to 256"):
        Settings.from_environment()
