import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.aliases import aliases, spell_out

LATE = {"LI": "late interaction"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Schwartz and Hearst: the shortest words before the bracket that hold the letters in order.
        ("the World Health Organization (WHO) said", {"WHO": "World Health Organization"}),
        ("a Heat Shock Transcription Factor (HSF)", {"HSF": "Heat Shock Transcription Factor"}),
        ("gross domestic product (GDP) fell", {"GDP": "gross domestic product"}),
        ("the New and Old River Authority (NORA)", {"NORA": "New and Old River Authority"}),
        ("research and development (R&D) money", {"R&D": "research and development"}),
        ("the U.S. Army Corps of Engineers (USACE)", {"USACE": "U.S. Army Corps of Engineers"}),
        ("the Bureau\nof Land  Management (BLM)", {"BLM": "Bureau of Land Management"}),  # a line's end
        # A second definition does not count.
        ("river rise model (RRM), or rare rain map (RRM)", {"RRM": "river rise model"}),
        # Translated: only the capitals agree, in another order.
        ("a National Front of Popular Movements (MPFN)", {"MPFN": "National Front of Popular Movements"}),
        # Also known as: no letter need agree.
        ("the Islamic State (IS, aka ISIS/ISIL) grew", {"IS": "Islamic State", "ISIS": "Islamic State",
                                                       "ISIL": "Islamic State"}),
        ("The Front for River Peace (also known as JNIM)", {"JNIM": "Front for River Peace"}),
        # Set beside it.
        ("In May, a peacekeeping mission, MINURSO, left.", {"MINURSO": "peacekeeping mission"}),
        # None of these defines a name.
        ("It rose (see WHO) again", {}),
        ("It rose in Geneva (GE 2020)", {}),
        ("five million people (2023)", {}),
        ("the river (Niger) rose", {}),
        ("something else (WHO)", {}),
        ("(WHO) said", {}),
        ("WHO (WHO)", {}),
        ("the man, a king, ruled", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_names_that_a_text_gives(text: str, expected: dict[str, str]) -> None:
    assert aliases(text) == expected


@given(st.text(st.sampled_from("AB ab(),.-&/'’akaor\n"), max_size=80))
def test_a_name_stands_in_the_text_before_its_short_form(text: str) -> None:
    for short, long in aliases(text).items():
        assert short != long != ""
        assert short in text
        assert long in " ".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000,
        "A" * 5_000 + " (AA)",
        "A " * 2_500 + "(AA)",
        "A of the " * 600 + "(AB)",
        "a " * 2_500 + ", AAA,",
    ],
)
def test_hostile_text_is_read(text: str) -> None:
    assert all(short in text for short in aliases(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who knows LI?", "Who knows LI (late interaction)?"),
        ("LI and LI", "LI (late interaction) and LI"),
        ("LI's tokens", "LI (late interaction)'s tokens"),
        ("late interaction (LI)", "late interaction (LI)"),
        ("li, LIE, ALI, X-LI", "li, LIE, ALI, X-LI"),
        ("", ""),
    ],
)
def test_short_names_are_spelt_out(text: str, expected: str) -> None:
    assert spell_out(text, LATE) == expected


def test_every_short_name_of_a_text_is_spelt_out() -> None:
    names = {"IS": "Islamic State", "UN": "United Nations"}
    assert spell_out("UN on IS", names) == "UN (United Nations) on IS (Islamic State)"


@given(st.text(max_size=40), st.text(st.characters(categories=["Lu"]), min_size=1, max_size=4))
def test_spelling_out_adds_and_takes_nothing_away(text: str, short: str) -> None:
    written = spell_out(text, {short: "long name"})
    assert re.sub(r" \(long name\)", "", written, count=1) == text
    assert spell_out(written, {short: "long name"}) == written
