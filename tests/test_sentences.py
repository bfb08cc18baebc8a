import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indexer.sentences import MAX_SENTENCE_WORDS, sentence_spans, strip_span


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text, 0, len(text))]


@pytest.mark.parametrize(
    "text",
    [
        # Each ‖ is a boundary; there are no others.
        "It rained. ‖The river rose! ‖Did it fall? ‖Yes.",
        "It rose… ‖Then it fell.",
        "It rose ... and then fell. ‖Twice.",
        "Wait!? ‖No.",
        # quotes and brackets close the sentence that they end
        'He left. ‖"She stayed." ‖They met.',
        'It joined the new "Africa Corps." ‖Russia has troops.',
        'It was an "entrenchment in Mali." ‖In 2022, it ended.',
        "(It ended.) ‖The rest is known.",
        "It ended (in 2015.) ‖The rest is known.",
        "“So be it.” ‖‘Indeed.’ ‖Good.",
        'He asked "why?" and left.',
        "**It ended.** ‖The rest is known.",
        "_It ended._ ‖_The rest_ is known.",
        # abbreviations that never end a sentence
        "Mr. Smith met Dr. Keita and Gen. Camara.",
        "See Fig. 2 and Sec. 7008 of P.L. 117-103 for more. ‖It passed.",
        "H.R. 4018, S. 2860 and H.Res. 375 passed. ‖S.Rept. 119-46 did not.",
        "Some, e.g. Mali, i.e. Bamako, left.",
        "The U.S.-backed force vs. Wagner.",
        # abbreviations that may end one
        "It left the U.S. ‖The rest stayed.",
        "The U.S. Congress met. ‖It left.",
        "The U.N. and the U.S. troops left.",
        "Sun Ventures, Inc. ‖It mines gold.",
        "Sun Ventures, Inc. (NORI) mines gold.",
        "It came at 5 p.m. ‖They left.",
        "the annual Australia-U.S. Ministerial meeting",
        "under 45 C.F.R. §46.104 and 42 U.S.C. §7545, and 45 C.F.R. Part 46",
        "Executive Order (E.O.) 14369 and E.O. 14285 stand.",
        "under 7 U.S.C. 5622 note,P.L. 119-37). ‖It passed.",
        "Defense (D.D.C.) ruled. ‖It stood.",
        # initials
        "President John F. Kennedy and Karen L. Shanton spoke.",
        "Figure I. Mali at a Glance",
        # plain words that are abbreviations elsewhere
        "He said no. ‖The end.",
        "It showed art. ‖They liked it.",
        "It is No. 5 of ten.",
        # numbers, money, addresses
        "It cost $4.5 million. ‖1,500 came in 2024. ‖3.2 percent left.",
        "Read www.congress.gov for more. ‖It is free.",
        "In FY2023. ‖$84 million more.",
        # lower case goes on
        "It rose. and fell.",
        "The rebels aka. the group left.",
        # labels at the head of a line
        "Table 1. Residential Credits",
        "Figure 2. Mali at a Glance",
        "1. First point. ‖It is short.",
        "a. Report language says so. ‖The rest does not.",
        "iv. Fourth point.",
        "It is shown in Table 1. ‖Residents pay.",
        # list items and table rows
        "It includes ‖\n- gold, ‖\n- cotton; and ‖\n- cattle.",
        "Steps: ‖\n1. Go. ‖\n2. Stop.",
        "| a | b ‖\n| 1 | 2",
        "wrapped\nlines are one. ‖Sentence\ntwo.",
        # other scripts
        "馬里是一個國家。‖首都是巴馬科。",
        "Die Straße endet. ‖Über allem ruht Stille.",
        # no letter, no sentence
        "One. ‖Two.\n| ---",
        "***\nOne. ‖Two.",
        "No stop at all",
    ],
)
def test_boundaries(text: str) -> None:
    expected = [part.strip() for part in text.split("‖")]
    assert split(text.replace("‖", "")) == expected


def test_a_break_ends_a_sentence_whatever_stands_there() -> None:
    text = "Alexis Arieff\nIF10116\n|\n"
    spans = sentence_spans(text, 0, len(text), [14, 22])
    assert [text[start:end] for start, end in spans] == ["Alexis Arieff", "IF10116\n|"]


def test_only_the_run_is_split() -> None:
    text = "One. Two. Three. Four."
    assert [text[start:end] for start, end in sentence_spans(text, 5, 16)] == ["Two.", "Three."]


def test_a_run_without_stops_is_cut_at_white_space() -> None:
    text = "word " * 500
    parts = split(text)
    assert [len(part.split()) for part in parts] == [120, 120, 120, 120, 20]
    assert " ".join(parts) == text.strip()


def test_a_run_without_white_space_is_cut_all_the_same() -> None:
    assert [len(part) for part in split("x" * 3_000)] == [1_200, 1_200, 600]


@pytest.mark.parametrize(
    ("text", "span"), [("  a b\n", (2, 5)), ("a", (0, 1)), (" \t\u2028\u00a0", None), ("", None)]
)
def test_strip_span(text: str, span: tuple[int, int] | None) -> None:
    assert strip_span(text, 0, len(text)) == span


pieces = st.sampled_from(
    [
        *(
            "The river rose. ",
            "U.S. ",
            "P.L. 117-103 ",
            'end." ',
            "No. ",
            "a. ",
            "Table 1. ",
            "why? ",
            "!!! ",
        ),
        *(
            "\n",
            "\n- item",
            "\n| cell",
            "\n\n",
            "\u2028",
            "\t",
            "\u00a0",
            "… ",
            "。",
            "...",
            "***",
            "|",
            "x" * 1_300,
        ),
        *("é", "e\u0301", "👩🏽\u200d🚀", "שלום. ", "각", "\u200b", "word " * 130, "$5.", "(", ")", '"'),
    ]
)
runs = st.lists(st.one_of(pieces, st.text(max_size=8)), max_size=15).map("".join)


@given(runs, st.data())
@example("", None)
def test_sentences_are_in_order_stripped_and_hold_every_character(
    text: str, data: st.DataObject | None
) -> None:
    start = data.draw(st.integers(0, len(text))) if data else 0
    end = data.draw(st.integers(start, len(text))) if data else len(text)
    spans = sentence_spans(text, start, end)
    edges = [start, *(edge for span in spans for edge in span), end]
    assert edges == sorted(edges)
    inside = {place for span in spans for place in range(*span)}
    assert all(place in inside for place in range(start, end) if not text[place].isspace())
    for left, right in spans:
        assert text[left:right] == text[left:right].strip() != ""
        if len(spans) > 1:
            assert any(char.isalnum() for char in text[left:right])
    assert spans == sentence_spans(text, start, end)


@given(st.lists(st.sampled_from(["word", "Word", "x" * 100, "\n", " ", "7"]), max_size=600).map(" ".join))
def test_sentences_are_bounded(text: str) -> None:
    for part in split(text):
        assert len(part.split()) <= MAX_SENTENCE_WORDS
        assert len(part) <= 1_200
