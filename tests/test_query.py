import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import rapidfuzz
from hypothesis import assume, given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

import service.french
import service.query
from eval.collection import read_rows
from eval.questions import WRITTEN, Question
from indexer.bundle import Bundle
from indexer.english import English
from indexer.lexical import fold
from service.french import gloss
from service.query import SILENCE, Query, Vocabulary, asks_why, make_query, named, parts_of

WORD = re.compile(r"[^\W\d_]+")
SHORTHAND = service.query._SHORTHAND
GLOSSARY = Path(service.query.__file__).with_name("french.tsv")

WAGNER = "How much did Mali pay the Wagner Group?"
PAID = "Mali agreed to pay the Wagner Group $10 million per month."


@pytest.fixture(scope="module")
def vocabulary(bundle: Bundle) -> Vocabulary:
    return Vocabulary([document.text for document in bundle.documents.values()], bundle.english)


@pytest.fixture(scope="module")
def known(bundle: Bundle) -> list[str]:
    """Every word of the report, as it writes it, and every English word that is no shorthand."""
    of_report = {word for document in bundle.documents.values() for word in WORD.findall(document.text)}
    return sorted(of_report | set(bundle.english) - set(SHORTHAND))


def ask(vocabulary: Vocabulary, question: str, *said: str) -> Query:
    """Ask after turns that are the user's and the assistant's by turns."""
    roles = ("user", "assistant")
    history = [{"role": roles[number % 2], "content": content} for number, content in enumerate(said)]
    return make_query(question, history, vocabulary, {})


# --- spelling ---


def test_no_word_that_the_report_or_english_knows_is_altered(
    vocabulary: Vocabulary, known: list[str]
) -> None:
    assert {word: vocabulary.mend(word) for word in known if vocabulary.mend(word) != word} == {}


@given(data=st.data())
def test_a_question_of_known_words_stays_as_typed(
    vocabulary: Vocabulary, known: list[str], data: st.DataObject
) -> None:
    typed = st.sampled_from(known).flatmap(lambda word: st.sampled_from([word, word.title(), word.upper()]))
    parts = st.tuples(typed, st.sampled_from([" ", ", ", "-", "/", " 7 ", "'s ", "’s ", "… ", "\n"]))
    question = "".join(part for pair in data.draw(st.lists(parts, min_size=1, max_size=8)) for part in pair)
    assume(gloss(question) is None)
    assert ask(vocabulary, question).corrected is None


def between(text: str) -> list[str]:
    """What stands between the words of a text."""
    return re.split(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text)


@given(question=st.text(max_size=60))
def test_mending_only_replaces_words(vocabulary: Vocabulary, question: str) -> None:
    assume(gloss(question) is None)
    assert between(ask(vocabulary, question).text) == between(question)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("wagnr $ per mnth", "wagner $ per month"),
        ("miunsma", "minusma"),
        ("who is the presidnet", "who is the president"),
        ("peacekepers left", "peacekeepers left"),
        ("y is mali so unstabel", "why is mali so unstable"),
        ("how mny ppl need humanitarain aid", "how many people need humanitarian aid"),
        ("WAGNR?", "wagner?"),
        ("the presidnet's and the peacekepers’ rivls", "the president's and the peacekeepers’ rivals"),
        ("wagnr, wagnr and wagnr", "wagner, wagner and wagner"),
    ],
)
def test_what_is_typed_on_a_phone_is_mended(vocabulary: Vocabulary, typed: str, meant: str) -> None:
    query = ask(vocabulary, typed)
    assert (query.text, query.corrected) == (meant, meant)


@pytest.mark.parametrize(
    "question",
    [
        "who is goita",  # the report writes Goïta
        "coup d’état, état",
        "Who are the funders?",
        "besieging, rewritten, starve",
        "Is Macron in Bamako?",
        "macron tshisekedi zelensky guterres ouattara",
        "Did Zelensky meet Tshisekedi or Ouattara?",
        "how many u.s. and u.n. troops, a.k.a. helmets",
        "r&d in IF10116, 10bn, 3rd, x_y",
        "isnt, wasnt, didnt, theyre, dont",
        "don't, it’s, l'oreal",
        "Did U win at Y?",  # shorthand is typed in lower case
    ],
)
def test_what_is_no_misspelling_is_left_alone(vocabulary: Vocabulary, question: str) -> None:
    query = ask(vocabulary, question)
    assert (query.text, query.corrected) == (question, None)


@pytest.mark.parametrize(("word", "meant"), [("rivver", "river"), ("rvier", "river"), ("Rivre", "river")])
def test_a_word_of_the_report_is_preferred(word: str, meant: str) -> None:
    assert Vocabulary(["The river rose."], English.of({"rover": 900, "rivers": 900})).mend(word) == meant


@given(
    st.lists(st.text("abcdeéß", min_size=1, max_size=12), min_size=1, unique=True),
    st.text("abcdeéß", min_size=8, max_size=12),
)
def test_two_slips_lead_to_the_words_that_are_so_near(words: list[str], typed: str) -> None:
    vocabulary = Vocabulary([" ".join(words)], English.of({}))
    known = {fold(word) for word in words}
    near = {word for word in known if OSA.distance(fold(typed), word) <= 2}
    assert vocabulary._two_slips_from(fold(typed)) == near


def test_what_is_too_long_for_a_word_is_not_compared(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vocabulary, "_one_slip_from", None)  # whoever looks for its like, fails
    assert vocabulary.mend("wagnr" * 2_000) == "wagnr" * 2_000


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Does the CSPA limit aid?", "Does the CSPA limit aid?"),  # a spa is no short name
        ("When did MIUNSMA leave?", "When did minusma leave?"),
        ("DOES THE LMIT CHANGE?", "DOES THE limit CHANGE?"),
    ],
)
def test_a_word_in_capitals_is_a_short_name_unless_all_are(
    vocabulary: Vocabulary, typed: str, meant: str
) -> None:
    assert ask(vocabulary, typed).text == meant


def test_an_unknown_word_with_a_capital_is_mended_by_one_letter_only() -> None:
    vocabulary = Vocabulary(["The peacekeepers left."], English.of({}))
    assert vocabulary.mend("peacekepprs") == "peacekeepers"
    assert vocabulary.mend("Peacekepprs") == "Peacekepprs"
    assert vocabulary.mend("Peacekepers") == "peacekeepers"


# --- French ---


@pytest.mark.parametrize(
    ("french", "english"),
    [
        ("Quelle est la capitale de l'Australie ?", "what is capital Australia"),
        ("Pourquoi les Canadiens ont-ils choisi le charbon ?", "why Canadian have choose coal"),
        ("Les Allemands sont-ils riches ?", "German are rich wealthy"),
        ("Qui est Angela Merkel ?", "who is Angela Merkel"),
        ("Qu’est-ce que l’OTAN ?", "what NATO"),
        ("QUEL EST LE PRIX DU BLE", "what is price prize wheat"),
        ("quand a ete fonde l hopital", "when has been founded based hospital"),
        ("Quand l'Italie a-t-elle rejoint l'Union européenne ?", "when Italy has joined European Union EU"),
        ("Quels sont les effets secondaires du vaccin ?", "what are side effects vaccine"),
        ("l'école est-elle gratuite pour les enfants ?", "school is free of charge for child"),
        ("Comment soigne-t-on la grippe ?", "how treat flu influenza"),
        ("Quelle est la taille du Zorblax ?", "what is size Zorblax"),
    ],
)
def test_a_french_question_is_glossed(french: str, english: str) -> None:
    assert gloss(french) == english


def test_typing_without_accents_is_glossed_alike() -> None:
    assert gloss("Ou est le siege de l'Algerie ?") == gloss("Où est le siège de l'Algérie ?")


@pytest.mark.parametrize(
    "question",
    [
        "Who wrote Les Misérables and La Peste?",
        "What does coup de grâce mean?",
        "Le Mans 24 hours: who won in 2020?",
        "Is there a Côte d'Ivoire border?",
        "¿Quién es el presidente de Malí?",
        "Wer ist der Präsident?",
        "Où ?",
        "par on",
        "",
        "?",
    ],
)
def test_what_is_not_french_is_not_glossed(question: str) -> None:
    assert gloss(question) is None


def test_no_english_question_of_the_evaluation_is_glossed(questions: list[Question]) -> None:
    french = re.compile(
        r"\b(?:qui|quel|quels|quelle|quelles|combien|pourquoi|comment|quand|où|qu|réfugiés|est-il)\b", re.I
    )
    english = [q.question for q in questions if q.kind != "french" and not french.search(q.question)]
    assert len(english) > 700
    assert [question for question in english if gloss(question) is not None] == []


def test_the_glossary_is_sound() -> None:
    rows = [line for line in GLOSSARY.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert [row for row in rows if row.count("\t") != 1 or row != row.rstrip(" ")] == []
    keys = [row.partition("\t")[0] for row in rows]
    assert keys == sorted(set(keys))
    assert [key for key in keys if not key or key != key.lower()] == []
    # A key that the words of a question can never make is dead.
    assert [key for key in keys if " ".join(service.french._FRENCH_WORD.findall(key)) != key] == []


# --- follow-ups ---


@pytest.mark.parametrize(
    "question",
    [
        "How many soldiers did it have?",
        "Who forced them out?",
        "when was he promoted to general?",
        "And in 2020?",
        "why?",
        "what about gold?",
        "how much",
        "which ones were suspended by the junta?",
        "And when did that happen in Burkina Faso?",
    ],
)
def test_a_follow_up_takes_along_what_it_refers_to(vocabulary: Vocabulary, question: str) -> None:
    query = ask(vocabulary, question, WAGNER, PAID)
    assert query.text == question
    assert query.context == ((PAID, 0.3), (WAGNER, 0.5))
    assert query.resolved == f"{question} ({PAID}; {WAGNER})"


@pytest.mark.parametrize(
    "question",
    [
        "How many people need humanitarian aid in Burkina Faso?",
        "Which sanctions has the United States imposed?",
        "Who is Goïta?",
        "When did France withdraw?",
        "Why was the Malian army in Kidal?",
    ],
)
def test_a_change_of_subject_takes_nothing_along(vocabulary: Vocabulary, question: str) -> None:
    query = ask(vocabulary, question, WAGNER, PAID)
    assert (query.context, query.resolved) == ((), None)


def test_a_first_question_refers_to_nothing(vocabulary: Vocabulary) -> None:
    assert ask(vocabulary, "who forced them out?") == Query("who forced them out?")


@pytest.mark.parametrize("silence", [SILENCE, f" {SILENCE}\n", "", "  "])
def test_silence_is_nothing_to_refer_to(vocabulary: Vocabulary, silence: str) -> None:
    assert ask(vocabulary, "why?", WAGNER, silence).context == ((WAGNER, 0.5),)


def test_a_question_that_was_never_answered_is_referred_to(vocabulary: Vocabulary) -> None:
    assert ask(vocabulary, "why?", WAGNER).context == ((WAGNER, 0.5),)


def test_a_chain_of_follow_ups_reaches_back_to_what_stands_alone(vocabulary: Vocabulary) -> None:
    earlier = ("Which sanctions has the United States imposed?", "Sanctions.")
    query = ask(vocabulary, "and since when?", *earlier, WAGNER, PAID, "why?", "Gold.", "who?", "Prigozhin.")
    texts, weights = zip(*query.context, strict=True)
    assert texts == ("Prigozhin.", "who?", "why?", WAGNER)
    assert weights == pytest.approx((0.3, 0.5, 0.35, 0.245))


def test_a_long_chain_is_cut(vocabulary: Vocabulary) -> None:
    query = ask(vocabulary, "why?", *("who?", SILENCE) * 10)
    assert [text for text, _ in query.context] == ["who?"] * 4
    assert sorted(query.context, key=lambda said: -said[1]) == list(query.context)


def test_what_a_follow_up_refers_to_is_understood_too(vocabulary: Vocabulary) -> None:
    query = ask(vocabulary, "why?", "wagnr $ per mnth in Mali")
    assert query.context == (("wagner $ per month in Mali", 0.5),)


def test_a_follow_up_in_french_is_one_in_english(vocabulary: Vocabulary) -> None:
    query = ask(vocabulary, "et quel est son prix ?", WAGNER)
    assert query.corrected == query.text
    assert query.context == ((WAGNER, 0.5),)


def test_short_names_are_spelt_out_where_they_are_searched(vocabulary: Vocabulary) -> None:
    names = {"CNSP": "National Committee for the Salvation of the People"}
    query = make_query("Who leads the CNSP?", [], vocabulary, names)
    assert query.text == "Who leads the CNSP (National Committee for the Salvation of the People)?"
    assert query.corrected is None


# --- what nobody types ---


def nonsense(letters: int) -> str:
    """2,000 characters of words that nothing is near to by more than chance, each another one."""
    words = []
    for number in range(2_000):
        word = ""
        for _ in range(letters):
            number, digit = divmod(number, 7)
            word += "qxzjkvw"[digit]
        words.append(word)
    return " ".join(words)[:2_000]


HOSTILE: Mapping[str, str] = {
    "dots": "." * 2_000,
    "apostrophes": "'" * 2_000,
    "letters": "a" * 2_000,
    "letters and apostrophes": "x'" * 1_000,
    "hyphens in French": "qui est le " + "a-" * 990,
    "inversions": "qui est le " + "-t-il" * 390,
    "elisions": "est l'" * 333,
    "French": "le la est " * 200,
    "French punctuation": "qui est le " + ",.-/" * 490,
    "capitals": "A " * 1_000,
    "brackets": "(" * 2_000,
    "initials": "u." * 1_000,
    "acronyms": "MINUSMA " * 250,
    "unknown words": nonsense(4),
    "long unknown words": nonsense(9),
    "accents": "e" + "\u0301" * 1_999,
    "blanks": "why" + " " * 1_997,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_bounded_work(
    name: str, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = 0
    search = rapidfuzz.process.extract

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal searches
        searches += 1
        return search(*arguments, **options)

    monkeypatch.setattr("rapidfuzz.process.extract", counted)
    names = {"MINUSMA": "peacekeeping operation"}
    hostile = HOSTILE[name]
    query = make_query(hostile, [{"role": "user", "content": hostile}] * 20, vocabulary, names)
    lengths = 5  # of a word two letters shorter to one two letters longer: a search for each
    assert searches <= lengths * 20 * (1 + len(query.context))
    assert len(query.context) <= 4


def test_who_asks_why_and_gets_no_answer_has_mostly_taken_something_for_granted() -> None:
    asked = [row for path in WRITTEN.glob("*/questions.jsonl") for _, row in read_rows(path)]
    kinds = Counter(row["kind"] for row in asked if not row["answerable"] and asks_why(row["question"]))
    assert kinds["falsepremise"] / kinds.total() > 0.8
    assert kinds["falsepremise"] / sum(row["kind"] == "falsepremise" for row in asked) > 0.5


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("Who mediated it, and when did it end?", ["Who mediated it", "when did it end?"]),
        ("When did it rise and by how much?", ["When did it rise", "by how much?"]),
        ("Who led the coup? What came next?", ["Who led the coup", "What came next?"]),
        ("Who led the coup? And when?", ["Who led the coup? And when?"]),  # nothing of its own
        ("When and where did it end?", ["When and where did it end?"]),
        ("Who came and went?", ["Who came and went?"]),
        ("the coup and why", ["the coup and why"]),
        ("Who won and who lost and who fled and who stayed?", None),
    ],
)
def test_a_question_is_taken_apart_where_it_asks_again(question: str, parts: list[str] | None) -> None:
    assert parts_of(question) == (parts or [question])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Why did they leave?", True),
        ("ok so how come it fell", True),
        ("They left. What made them?", True),
        ("When did they leave?", False),
        ("Tell me who said why", False),
    ],
)
def test_why(question: str, expected: bool) -> None:
    assert asks_why(question) == expected


def test_names_and_numbers_of_a_question() -> None:
    assert named("Did France send 2,400 troops to Gao in 2013.") == {"France", "2,400", "2013", "Gao"}
    assert named("In 2022 France left") == {"2022", "France"}
