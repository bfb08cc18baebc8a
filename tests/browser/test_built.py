import gzip
import shutil

import pytest

from browser.stage import ROOT, workshop

BUILT = ROOT / "service" / "static" / "widget.js"


@pytest.mark.skipif(not shutil.which("npm"), reason="it takes Node to build the widget")
def test_the_widget_that_is_served_is_what_the_sources_build_to() -> None:
    built = (workshop() / "widget.js").read_bytes()
    assert built == BUILT.read_bytes(), "service/static/widget.js is stale: run make widget"


def test_the_widget_is_light() -> None:
    assert len(gzip.compress(BUILT.read_bytes(), 9)) <= 25_000


def test_the_widget_names_no_host() -> None:
    """Nothing in it could be asked: every address comes from the page or the service."""
    text = BUILT.read_text("utf-8")
    hosts = {part.split("/")[0].split('"')[0].split("`")[0] for part in text.split("://")[1:]}
    assert hosts <= {"www.w3.org"}  # names of XML vocabularies, in the template library
