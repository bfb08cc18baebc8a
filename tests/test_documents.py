import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indexer.documents import Document, read_document
from indexer.reports import CorpusError, Repair, Report


def read(source: str | bytes, *repairs: Repair, title: str = "Title") -> Document:
    data = source.encode() if isinstance(source, str) else source
    return read_document(Report("R1", title, data, "source.txt", repairs=repairs))


def blocks(source: str, title: str = "Title") -> list[tuple[str, str]]:
    document = read(source, title=title)
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def canonical(source: str) -> str:
    """The oracle: what an editor that opens the file, and NFC, make of it."""
    text = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text)


# --- canonical text and the way back ---

odd = st.sampled_from(
    [
        *(
            "\n",
            "\r\n",
            "\r",
            "\n\n",
            "\r\r\n",
            " ",
            "\t",
            "\u00a0",
            "\u2028",
            "\x85",
            "\x0b",
            "\x0c",
            "\u200b",
        ),
        *(
            "e\u0301",
            "a\u0323\u0307",
            "a\u0307\u0323",
            "\u0344",
            "\u212b",
            "\ufb1d",
            "\u0958",
            "q\u0301\u0323",
        ),
        *("\u1100\u1161\u11a8", "\u1100", "\u1161", "\u11a8", "각", "\uac00\u11a8"),
        *(
            "\u0f71\u0f72",
            "\u0f73",
            "\u0f74\u0f73",
            "\u09c7\u09be",
            "\U000110a5\U000110ba",
            "\u0341",
            "\u0301",
        ),
        *("👩🏽\u200d🚀", "🇲🇱", "\ufe0f", "שלום", "مالي", "\u202e", "\ufeff", "\U0001d400", "ﬁ"),
        *("Mali", "Kéïta", "x", "7", ".", "$", "\\$", "# "),
    ]
)
any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
sources = st.builds(
    lambda mark, parts: mark + "".join(parts) + "\nEnd.",
    st.sampled_from(["", "\ufeff"]),
    st.lists(st.one_of(odd, any_text), max_size=25),
)


@given(sources)
@example("\ufeffA\u0308\r\n\u0f40\u0f74\u0f73\rEnd.")
def test_canonical_text_is_nfc_with_plain_line_ends(source: str) -> None:
    document = read(source)
    assert document.text == canonical(source)
    assert document == read(source)


@given(sources)
@example("\n\u0341End.")
def test_offsets_lead_back_to_the_source(source: str) -> None:
    """A place in the text and its place in the source have the same text before them.

    Where several characters came of one run of the source ("ậ" as a base and two marks), only the first
    of them has a place of its own: the others share it.
    """
    document = read(source)
    places = [document.source_offset(offset) for offset in range(len(document.text) + 1)]
    assert places == sorted(places)
    assert places[-1] == len(source)
    for offset, place in enumerate(places):
        if offset == 0 or place != places[offset - 1]:
            assert canonical(source[:place]) == document.text[:offset]


def test_offsets_by_hand() -> None:
    document = read("\ufeffe\u0301\r\nx \\$5.", Repair("unescape-dollar", 1, "why"))
    assert document.text == "é\nx $5."
    assert [document.source_offset(offset) for offset in range(8)] == [1, 3, 5, 6, 7, 9, 10, 11]
    # A mark that NFC replaces keeps its own place after a line end that it leaves alone.
    assert [read("\n\u0341End.").source_offset(offset) for offset in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("offset", [-1, 6])
def test_an_offset_outside_the_text_has_no_place(offset: int) -> None:
    with pytest.raises(IndexError, match=f"offset {offset} is outside R1, which has 5 code points"):
        read("Text.").source_offset(offset)


# --- sources that are refused ---


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "holds no text; expected text to quote from"),
        (b"\xef\xbb\xbf", "holds no text"),
        (b" \r\n\t\x0c\xc2\xa0\n", "holds no text"),
        (b"---\n\n***\n", "holds no text"),
        (b"# One\n\n## Two\n", "holds only headings"),
        (b"A b\0c", "character 3 is NUL; expected text, is this a binary file?"),
        (b"ab\xe9cd", "byte 2 is not UTF-8; convert the file to UTF-8"),
        (b"\xff\xfeA\0", "byte 0 is not UTF-8"),
        (b"ab\xed\xa0\x80", "byte 2 is not UTF-8"),  # half a surrogate pair
        (b"cut \xc3", "byte 4 is not UTF-8"),
    ],
)
def test_a_source_without_text_is_refused_in_one_line(source: bytes, message: str) -> None:
    with pytest.raises(CorpusError) as refusal:
        read(source)
    assert str(refusal.value).startswith(f"R1/source.txt: {message}")
    assert "\n" not in str(refusal.value)


# --- repairs ---


def test_dollar_signs_lose_only_the_backslash_that_escapes_them() -> None:
    document = read(r"It cost \$5 or $6, in C:\dir, not \\100.", Repair("unescape-dollar", 1, "why"))
    assert document.text == r"It cost $5 or $6, in C:\dir, not \\100."


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("livestock, and\n\nfishing. The", "livestock, and fishing. The"),
        ("livestock,\n\nfishing.", "livestock, fishing."),
        ("livestock \t\n \t\n\n  fishing.", "livestock fishing."),
    ],
)
def test_a_sentence_cut_by_a_page_break_is_joined(source: str, text: str) -> None:
    assert read(source, Repair("join-cut-sentence", 1, "why")).text == text


@pytest.mark.parametrize(
    "source",
    [
        "It ended.\n\nthen it began.",  # a stop
        "The list:\n\nfirst item",  # a colon
        "Livestock and\n\nFishing.",  # an upper-case start
        "one line\nnext line",  # no blank line
        "IF10116 A\n\nb",  # the letter may be a label
    ],
)
def test_what_no_page_break_cut_is_not_joined(source: str) -> None:
    with pytest.raises(CorpusError, match="'join-cut-sentence' applies 0 times"):
        read(source, Repair("join-cut-sentence", 1, "why"))


@pytest.mark.parametrize(
    ("repair", "message"),
    [
        (
            Repair("unescape-dollars", 2, "why"),
            "field 'repairs.rule' is 'unescape-dollars'; expected one of ",
        ),
        (
            Repair("unescape-dollar", 1, "why"),
            "field 'repairs.count' is 1, but 'unescape-dollar' applies 2 times",
        ),
        (
            Repair("unescape-dollar", 3, "why"),
            "field 'repairs.count' is 3, but 'unescape-dollar' applies 2 times",
        ),
    ],
)
def test_a_repair_applies_exactly_as_often_as_written(repair: Repair, message: str) -> None:
    with pytest.raises(CorpusError) as refusal:
        read(r"From \$1 to \$2.", repair)
    assert str(refusal.value).startswith(f"R1/report.toml: {message}")
    assert "\n" not in str(refusal.value)


def test_without_a_repair_nothing_is_mended() -> None:
    source = "Gold, \\$5 and\n\nsecondlargest."
    assert read(source).text == source


# --- the real report ---


def test_the_report_differs_from_its_source_in_five_named_places(mali: Document) -> None:
    source = mali.report.source.decode()
    differing = [
        (source[place : place + 2], char)
        for offset, char in enumerate(mali.text)
        if source[place := mali.source_offset(offset)] != char
    ]
    assert sorted(differing) == [("\n\n", " "), *[("\\$", "$")] * 4]
    # Four backslashes fewer, and one blank for the two line ends between "and" and "fishing".
    assert len(source) - len(mali.text) == 4 + 1


@pytest.mark.parametrize(
    "words",
    [
        "pay Wagner $10 million per month",
        "farming, livestock, and fishing. The CNSP",
        "Africa's secondlargest Al Qaeda affiliate",  # the source's own word, kept
        "Assimi Goïta",
        "Ibrahim Boubacar Kéïta",
        'its new "Africa Corps." Russia has',
        "coup d'état",
        "Figure I. Mali at a Glance",
    ],
)
def test_the_report_keeps_its_own_words(mali: Document, words: str) -> None:
    assert words in mali.text


def test_headings_of_the_report_are_found_without_markup(mali: Document) -> None:
    assert [mali.heading(block) for block in mali.blocks if block.kind == "heading"] == [
        "Historical Background",
        "Islamist Insurgencies",
        "Russian Partnership",
        "Economy and Humanitarian Conditions",
        "U.S. Policy and Aid",
        "Disclaimer",
    ]
    assert [name for block in mali.blocks if (name := mali.run_in_heading(block))] == ["Aid", "Sanctions"]


def test_lines_of_the_report_are_neither_headings_nor_lost(mali: Document) -> None:
    assert [mali.text[block.start : block.end] for block in mali.blocks if block.kind == "line"] == [
        "Updated December 17, 2024",
        "Mali",
        "Figure I. Mali at a Glance",
        "Source: CRS graphic, based on Armed Conflict Location & Event Data (ACLED); "
        "figures from CIA World Factbook and IMF.",
        "Alexis Arieff, Specialist in African Affairs",
        "IF10116",
    ]


# --- layout ---

RUNNING = "The river rose."


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("Overview\n\nThe river rose.", ["heading", "paragraph"]),
        ("2. Overview of Aid\n\nThe river rose.", ["heading", "paragraph"]),
        ("Overview", ["line"]),  # nothing under it
        ("Overview\n\nBackground\n\nThe river rose.", ["line", "heading", "paragraph"]),
        ("Overview\nBackground\n\nThe river rose.", ["line", "paragraph"]),
        ("The list:\n\nThe river rose.", ["line", "paragraph"]),
        ("and so on\n\nThe river rose.", ["line", "paragraph"]),
        ("Figure 2. A River\n\nThe river rose.", ["line", "paragraph"]),
        ("Source: a Map.\n\nThe river rose.", ["line", "paragraph"]),
        ("Title\n\nThe river rose.", ["line", "paragraph"]),  # the report's own title can be quoted
        ("word " * 26 + "\n\nThe river rose.", ["paragraph", "paragraph"]),
        ("---\n\nThe river rose.", ["ornament", "paragraph"]),
        ("# Overview\nThe river rose.", ["heading", "paragraph"]),
        ("The river rose.\n# Overview", ["paragraph", "heading"]),
        ("# A\n# B\n\nThe river rose.", ["heading", "heading", "paragraph"]),
        ("#hashtag of the day\n\nThe river rose.", ["line", "paragraph"]),
        ("####### Seven\n\nThe river rose.", ["line", "paragraph"]),
        ("- one\n- two", ["line"]),
        ('He said "go."\n\n**Bold end.**', ["paragraph", "paragraph"]),
    ],
)
def test_kinds_of_blocks(source: str, kinds: list[str]) -> None:
    assert [kind for kind, _ in blocks(source)] == kinds


def test_markdown_headings_have_a_level_and_lose_their_marks() -> None:
    document = read("# One\n\n### Three ##\n\nThe river rose.")
    headings = [block for block in document.blocks if block.kind == "heading"]
    assert [(block.level, document.heading(block)) for block in headings] == [(1, "One"), (3, "Three")]


@pytest.mark.parametrize(
    ("paragraph", "heading"),
    [
        ("Aid. The United States gave money.", "Aid"),
        ("Sanctions. The order stands.", "Sanctions"),
        ("Security and Aid. The order stands.", "Security and Aid"),
        ("U.S.-Mali Relations. The order stands.", None),  # dots inside: not told from an abbreviation
        ('Reactions. "We stay," they said.', "Reactions"),
        ("**Trade Policy.** Some officials left.", "Trade Policy"),
        ("_**AUKUS.**_ It would allow more.", "AUKUS"),
        ("Mr. Smith went to Bamako.", None),
        ("Dr. Keita went to Bamako.", None),
        ("St. Louis is a city.", None),
        ("U.S. The end.", None),
        ("P.L. Number one.", None),
        ("Sen. Coons spoke.", None),
        ("Aid. was cut.", None),
        ("Aid stopped in the year of the coup. The order stands.", None),  # a sentence: lower-case words
        ("Aid.", None),  # no text after it
    ],
)
def test_run_in_headings(paragraph: str, heading: str | None) -> None:
    document = read(paragraph)
    block = document.blocks[0]
    assert document.run_in_heading(block) == heading
    if heading is None:
        assert block.body_start == block.start
