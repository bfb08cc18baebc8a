import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from indexer.documents import Document, read_document
from indexer.passages import (
    MAX_WORDS,
    Furniture,
    Passage,
    encoding_sentences,
    encoding_text,
    passage_id,
    split_document,
)
from indexer.reports import CorpusError, Report
from indexer.sentences import MAX_SENTENCE_WORDS

GOLDEN = Path(__file__).parent / "golden" / "IF10116.txt"
RENEW = "RENEW_GOLDEN=1 python -m pytest tests/test_passages.py"


def read(source: str, name: str = "source.md") -> Document:
    return read_document(Report("R1", "Title", source.encode(), name))


def passages(source: str) -> list[tuple[str, str]]:
    """Heading path and text of each passage."""
    document = read(source)
    return [(" > ".join(p.heading_path), document.text[p.start : p.end]) for p in split_document(document)[0]]


def assert_contracts(document: Document) -> None:
    text = document.text
    found, furniture = split_document(document)
    assert (found, furniture) == split_document(document)
    # Coverage: every character that is not blank is in one passage or one piece of furniture, never in two.
    runs = sorted([(p.start, p.end) for p in found] + [(f.start, f.end) for f in furniture])
    edges = [0, *(edge for run in runs for edge in run), len(text)]
    assert edges == sorted(edges)
    covered = {place for run in runs for place in range(*run)}
    assert all(place in covered for place, char in enumerate(text) if not char.isspace())
    # Offsets: what a span holds begins and ends with a character that can be seen.
    spans = [*runs, *(span for passage in found for span in passage.sentences)]
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
    assert [p.passage_id for p in found] == [passage_id(document.id, p.start) for p in found]
    assert len({p.passage_id for p in found}) == len(found)
    for passage in found:
        # Sentences: inside, in order, apart; only a run-in heading may stand before the first.
        inner = [passage.start, *(edge for span in passage.sentences for edge in span), passage.end]
        assert inner == sorted(inner)
        assert passage.sentences[-1][1] == passage.end
        between = zip(passage.sentences, passage.sentences[1:], strict=False)
        assert all(text[left[1] : right[0]].strip() == "" for left, right in between)
        head = text[passage.start : passage.sentences[0][0]].strip("*_ \t\n").removesuffix(".")
        assert head in ("", *passage.heading_path[-1:])
        # Size: only a single sentence, after a run-in heading of a few words, may be longer.
        words = len(text[passage.start : passage.end].split())
        assert words <= (MAX_WORDS if len(passage.sentences) > 1 else MAX_SENTENCE_WORDS + 5)
        assert all(encoding_sentences(document, passage))
    for item in furniture:
        content = text[item.start : item.end]
        assert item.kind in ("heading", "ornament")
        assert any(char.isalnum() for char in content) or content.startswith("#") or item.kind == "ornament"


# --- the contracts, on documents nobody would write ---

blocks = st.sampled_from(
    [
        *("The river rose. It fell.", "Aid. The United States gave. It took.", "**Aid.** The rest. Is gone."),
        *(
            "Overview",
            "# One",
            "## Two ##",
            "###### Six",
            "#",
            "# ",
            "---",
            "***",
            "|",
            "| a | b |\n|---|---|",
        ),
        *("- one\n- two\n- three", "1. Go.\n2. Stop.", "Figure 1. A Map", "Source: CRS.", "IF10116"),
        *(
            "word " * 400,
            "A short one. " * 100,
            "x" * 3_000,
            "Aid. " + "Long " * 150 + ". Next.",
            "$5 and \\$6",
        ),
        *(
            "e\u0301 Ke\u0301i\u0308ta.",
            "\u1100\u1161\u11a8 jamo",
            "👩🏽\u200d🚀 lit it! 🇲🇱",
            "שלום. مالي.",
            "\u202eRTL",
        ),
        *(
            "馬里。首都。",
            "\u200b",
            "\ufeff",
            "line\nline\nline",
            "a\x0bb\x0cc",
            "x\u2028y\u2029z",
            "one\x85two",
        ),
    ]
)
breaks = st.sampled_from(
    ["\n\n", "\r\n\r\n", "\r\r", "\n", "\r\n", "\r", " ", "\n \t\u00a0\n", "\n\n\n\n", "\x0c", ""]
)
anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
sources = st.builds(
    lambda mark, parts, end: mark + "".join(parts) + end,
    st.sampled_from(["", "\ufeff"]),
    st.lists(st.one_of(blocks, breaks, breaks, anything), min_size=1, max_size=20),
    breaks,
)


@given(sources)
@example("The river rose.")  # no final newline
@example("\ufeffThe river rose.\r\n\r\nIt fell.\r")
@example("# One\n\n# Two\n\nThe river rose.\n\n# Three\n")
@example("Aid. " + "The river rose and fell again and again. " * 40)
def test_contracts_hold_for_any_text(source: str) -> None:
    try:
        document = read(source)
    except CorpusError as refusal:
        assert "expected text to quote from" in str(refusal)
        reject()
    assert document.text == unicodedata.normalize("NFC", document.text)
    assert_contracts(document)


# --- the real report ---


def test_contracts_hold_for_the_report(mali: Document) -> None:
    assert_contracts(mali)


def listing(document: Document) -> str:
    """Passages, sentences and furniture in document order, for people to read and compare."""
    found, furniture = split_document(document)
    places: list[Passage | Furniture] = sorted([*found, *furniture], key=lambda place: place.start)
    lines = [f"{document.id}  sha256 of the canonical text {document.sha256}"]
    for place in places:
        if isinstance(place, Furniture):
            lines.append(
                f"\n{place.kind} [{place.start}, {place.end})  {document.text[place.start : place.end]}"
            )
            continue
        lines.append(
            f"\n{place.passage_id} [{place.start}, {place.end})  {' > '.join(place.heading_path) or '-'}"
        )
        if place.start < place.sentences[0][0]:
            lines.append(f"  run-in  {document.text[place.start : place.sentences[0][0]]}".rstrip())
        lines += [f"  [{start}, {end})  {document.text[start:end]}" for start, end in place.sentences]
    return "\n".join(lines) + "\n"


def test_passages_of_the_report_are_the_golden_ones(mali: Document) -> None:
    """Renew on purpose only: RENEW_GOLDEN=1 python -m pytest tests/test_passages.py, then read the diff."""
    if os.environ.get("RENEW_GOLDEN"):
        GOLDEN.write_text(listing(mali), "utf-8")
    assert listing(mali) == GOLDEN.read_text("utf-8"), f"if this change is meant: {RENEW}, then read the diff"


# --- by hand ---


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("The river rose.\n\nIt fell.", [("", "The river rose."), ("", "It fell.")]),
        ("Overview\n\nThe river rose.", [("Overview", "The river rose.")]),
        (
            "# A\n## B\nOne is here.\n### C\nTwo is here.\n## D\nThree is here.\n# E\nFour is here.",
            [
                ("A > B", "One is here."),
                ("A > B > C", "Two is here."),
                ("A > D", "Three is here."),
                ("E", "Four is here."),
            ],
        ),
        ("## A\n\n# B\n\nOne is here.", [("B", "One is here.")]),  # an empty section leaves no passage
        ("# A\n\nAid. The States gave. It fell.", [("A > Aid", "Aid. The States gave. It fell.")]),
        ("Jane Doe\n\nIF10116", [("", "Jane Doe\n\nIF10116")]),  # neighbouring lines share one
        ("Jane Doe\n\n---\n\nIF10116", [("", "Jane Doe"), ("", "IF10116")]),
        ("- one\n- two\n\nIt rose.", [("", "- one\n- two"), ("", "It rose.")]),
    ],
)
def test_passages(source: str, expected: list[tuple[str, str]]) -> None:
    assert passages(source) == expected


def test_a_run_in_heading_counts_for_its_own_paragraph_only() -> None:
    source = "# A\n\nAid. The States gave.\n\nIt fell soon after."
    assert [path for path, _ in passages(source)] == ["A > Aid", "A"]


def test_a_long_paragraph_is_cut_evenly_between_sentences() -> None:
    sentence = "One two three four five six seven eight nine ten."
    found = passages(" ".join([sentence] * 34))  # 340 words: three parts, of 11, 12 and 11 sentences
    assert [len(text.split()) for _, text in found] == [110, 120, 110]
    assert all(text.endswith("ten.") for _, text in found)


def test_sentences_that_are_too_long_together_are_parted() -> None:
    source = " ".join(f"{'Word ' * (length - 1)}end." for length in (100, 110, 110))
    assert [len(text.split()) for _, text in passages(source)] == [100, 110, 110]


def test_lines_share_a_passage_up_to_a_length() -> None:
    line = "a line of eight words without a stop"
    found = passages("\n\n".join([line] * 11))
    assert [len(text.split()) for _, text in found] == [80, 8]


def test_only_furniture_is_without_passage() -> None:
    document = read("# One\n\n---\n\nThe river rose.")
    _, furniture = split_document(document)
    assert furniture == [Furniture("heading", 0, 5), Furniture("ornament", 7, 10)]


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("  The\n river\u00a0rose. ", "The river rose."),
        ("**Aid.** The _States_ gave.", "Aid. The States gave."),
        ("| a | `b` |", "a b"),
        ("Kéïta $5", "Kéïta $5"),
    ],
)
def test_what_the_encoder_reads(text: str, read_as: str) -> None:
    assert encoding_text(text) == read_as


def test_the_encoder_reads_a_run_in_heading_with_its_first_sentence() -> None:
    document = read("Aid. The States gave. It fell.")
    (passage,), _ = split_document(document)
    assert [document.text[start:end] for start, end in passage.sentences] == ["The States gave.", "It fell."]
    assert encoding_sentences(document, passage) == ["Aid. The States gave.", "It fell."]


NOTE = """Mali

The National Salvation Committee (NSC) rose. It fell.

Aid. The NSC gave. Mali took.

Jane Doe wrote on Mali.

Jane Doe, Analyst

R-17

Updated December 7, 2024

R-17, December 7, 2024
"""
BYLINE = "Author who wrote this report, and the author's job title: "
NUMBER = "Report number, product number, ID: "
DATE = "Date of publication, last update: "


def encoded(report: Report) -> list[str]:
    document = read_document(report)
    return [read for passage in split_document(document)[0] for read in encoding_sentences(document, passage)]


def test_the_encoder_reads_what_the_words_leave_unsaid() -> None:
    about = Report(
        "R1", "Mali", NOTE.encode(), "source.md", author="Jane Doe", number="R-17", date="2024-12-07"
    )
    assert encoded(about) == [
        "Title of this report: Mali",
        "The National Salvation Committee (NSC) rose.",
        "It fell.",
        "Aid. The NSC (National Salvation Committee) gave.",
        "Mali took.",  # to mention the title is not to be it
        f"{BYLINE}Jane Doe wrote on Mali.",
        f"{BYLINE}Jane Doe, Analyst",
        f"{NUMBER}R-17",
        f"{DATE}Updated December 7, 2024",
        f"{NUMBER}{DATE}R-17, December 7, 2024",
    ]


def test_a_report_that_says_little_about_itself_gets_no_label_but_its_title() -> None:
    read_as = encoded(Report("R1", "Mali", NOTE.encode(), "source.md"))
    assert [text for text in read_as if ": " in text] == ["Title of this report: Mali"]


def test_a_long_sentence_states_no_fact_about_the_report() -> None:
    source = f"Jane Doe rose and {'fell and ' * 12}rose."
    assert encoded(Report("R1", "Mali", source.encode(), "source.md", author="Jane Doe")) == [source]


def test_what_the_encoder_reads_besides_is_never_shown() -> None:
    plain = Report("R1", "Mali", NOTE.encode(), "source.md")
    labelled = Report("R1", "Mali", NOTE.encode(), "source.md", author="Jane Doe", number="R-17")
    assert encoded(plain) != encoded(labelled)
    assert read_document(plain).text == read_document(labelled).text
    assert split_document(read_document(plain)) == split_document(read_document(labelled))
