import hashlib
from pathlib import Path

import pytest

from indexer.reports import CorpusError, Repair, read_corpus, read_report

ROOT = Path(__file__).parent.parent
SOURCE = b"A short report.\n"
SHA256 = hashlib.sha256(SOURCE).hexdigest()
GOOD = 'id = "R1"\ntitle = "One"\n'
RULE = '[[repairs]]\nrule = "unescape-dollar"\ncount = 1\nreason = "why"\n'


def write(folder: Path, toml: str | None, **files: bytes) -> Path:
    folder.mkdir(parents=True)
    if toml is not None:
        (folder / "report.toml").write_text(toml, "utf-8")
    for name, data in (files or {"source_txt": SOURCE}).items():
        (folder / name.replace("_", ".")).write_bytes(data)
    return folder


# --- the report as received ---


def test_the_report_is_held_byte_for_byte() -> None:
    report = read_report(ROOT / "corpus" / "IF10116")
    assert report.source_sha256 == "1764aa8b5b547e265f30da95a9ce125aba78440b6969aa99a60202f143eb0fba"
    assert (ROOT / "corpus" / "IF10116" / "source.txt").read_bytes() == report.source


def test_metadata_of_the_report_is_what_its_pages_say(tmp_path: Path) -> None:
    report = read_report(ROOT / "corpus" / "IF10116")
    text = report.source.decode()
    assert (report.id, report.title, report.date) == ("IF10116", "Mali", "2024-12-17")
    assert "Updated December 17, 2024" in text
    assert f"{report.author}, {report.author_role}\n\n{report.number}" in text
    assert report.publisher is not None and report.publisher in text


def test_every_field_is_read(tmp_path: Path) -> None:
    toml = (
        'id = "R1"\ntitle = "One"\npublisher = "P"\nauthor = "A"\nauthor_role = "Role"\ndate = 2024-02-29\n'
        'number = "N-1"\nurl = "https://example.org"\nrights = "none"\nlanguage = "en"\n'
        f'source = "source.txt"\nsha256 = "{SHA256}"\nsuggestions = ["Why?"]\n{RULE}'
    )
    report = read_report(write(tmp_path / "R1", toml))
    assert report.metadata() == {
        "id": "R1",
        "title": "One",
        "publisher": "P",
        "author": "A",
        "author_role": "Role",
        "date": "2024-02-29",
        "number": "N-1",
        "url": "https://example.org",
        "rights": "none",
        "language": "en",
    }
    assert (report.source, report.source_name) == (SOURCE, "source.txt")
    assert report.suggestions == ("Why?",)
    assert report.repairs == (Repair("unescape-dollar", 1, "why"),)


def test_an_id_and_a_title_are_enough(tmp_path: Path) -> None:
    report = read_report(write(tmp_path / "R1", GOOD, report_md=SOURCE))
    assert (report.source_name, report.date, report.repairs) == ("report.md", None, ())


def test_a_byte_order_mark_in_report_toml_is_no_matter(tmp_path: Path) -> None:
    assert read_report(write(tmp_path / "R1", "\ufeff" + GOOD)).title == "One"


# --- what is wrong, and where ---

WRONG = [
    # report.toml, and the words that its message must hold
    (None, ["report.toml: missing", "'id' and 'title'"]),
    ("id = \n", ["report.toml: not valid TOML", "line 1"]),
    ('title = "One"', ["field 'id' is missing"]),
    ('id = "R1"', ["field 'title' is missing"]),
    ('id = ""\ntitle = "One"', ["field 'id' is ''"]),
    ('id = 7\ntitle = "One"', ["field 'id' is 7", "text in quotes"]),
    ('id = "a b"\ntitle = "One"', ["field 'id' is 'a b'", "letters, digits"]),
    ('id = "../R1"\ntitle = "One"', ["field 'id' is '../R1'"]),
    ('id = "R2"\ntitle = "One"', ["field 'id' is 'R2' but the folder is 'R1'"]),
    ('id = "R1"\ntitle = "  "', ["field 'title' is '  '"]),
    ('id = "R1"\ntitle = ["One"]', ["field 'title' is ['One']"]),
    (GOOD + 'authors = "A"', ["unknown field 'authors'", "known are author, "]),
    (GOOD + "publisher = 1", ["field 'publisher' is 1"]),
    (GOOD + "author = true", ["field 'author' is True"]),
    (GOOD + "author_role = []", ["field 'author_role' is []"]),
    (GOOD + "number = 10116", ["field 'number' is 10116"]),
    (GOOD + 'url = ""', ["field 'url' is ''"]),
    (GOOD + "rights = {}", ["field 'rights' is {}"]),
    (GOOD + "language = 1.5", ["field 'language' is 1.5"]),
    (GOOD + 'date = "2024-12-17"', ["field 'date' is '2024-12-17'", "unquoted"]),
    (GOOD + "date = 2024-12-17T10:00:00", ["field 'date' is ", "a date such as"]),
    (GOOD + "date = 2024", ["field 'date' is 2024"]),
    (GOOD + "source = 1", ["field 'source' is 1"]),
    (GOOD + 'source = "other.txt"', ["field 'source' names 'other.txt'", "does not exist"]),
    (GOOD + 'source = "../R1/source.txt"', ["field 'source' is '../R1/source.txt'", "same folder"]),
    (GOOD + 'source = "report.toml"', ["field 'source' is 'report.toml'", ".txt or .md"]),
    (GOOD + "sha256 = 1", ["field 'sha256' is 1"]),
    (GOOD + f'sha256 = "{"0" * 64}"', ["field 'sha256' is '0000", f"source.txt hashes to '{SHA256}'"]),
    (GOOD + 'suggestions = "Why?"', ["field 'suggestions' is 'Why?'", "list of questions"]),
    (GOOD + "suggestions = [1]", ["field 'suggestions' is [1]"]),
    (GOOD + 'suggestions = [" "]', ["field 'suggestions' is [' ']"]),
    (GOOD + "repairs = 1", ["field 'repairs' is 1", "[[repairs]] tables"]),
    (GOOD + "repairs = [1]", ["field 'repairs' is [1]"]),
    (GOOD + '[[repairs]]\nrule = "unescape-dollar"', ["field 'repairs'", "expected rule, count, reason"]),
    (GOOD + "[[repairs]]", ["field 'repairs'", "nothing", "expected rule, count, reason"]),
    (GOOD + RULE + "extra = 1", ["field 'repairs'", "extra"]),
    (GOOD + RULE.replace("1", "0"), ["field 'repairs.count' is 0", "above 0"]),
    (GOOD + RULE.replace("1", "true"), ["field 'repairs.count' is True"]),
    (GOOD + RULE.replace("1", '"1"'), ["field 'repairs.count' is '1'"]),
    (GOOD + RULE.replace('"why"', '""'), ["field 'repairs.reason' is ''"]),
    (GOOD + RULE.replace('"unescape-dollar"', "3"), ["field 'repairs.rule' is 3"]),
]


@pytest.mark.parametrize(("toml", "words"), WRONG)
def test_a_wrong_report_toml_is_refused_in_one_line(
    tmp_path: Path, toml: str | None, words: list[str]
) -> None:
    folder = write(tmp_path / "R1", toml)
    with pytest.raises(CorpusError) as refusal:
        read_report(folder)
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith(str(folder / "report.toml"))
    for part in words:
        assert part in message


def test_a_report_toml_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "R1", None)
    (folder / "report.toml").write_bytes('id = "R1"\ntitle = "Ké"'.encode("latin-1"))
    with pytest.raises(CorpusError, match=r"report\.toml: byte 20 is not UTF-8; save the file as UTF-8"):
        read_report(folder)


@pytest.mark.parametrize(
    ("files", "found"),
    [({"a_txt": SOURCE, "b_md": SOURCE}, r"a\.txt, b\.md"), ({"a_pdf": SOURCE}, "none")],
)
def test_a_source_that_is_not_named_must_be_the_only_one(
    tmp_path: Path, files: dict[str, bytes], found: str
) -> None:
    folder = write(tmp_path / "R1", GOOD, **files)
    with pytest.raises(CorpusError, match=rf"expected one \.txt or \.md file, found {found}; .*'source'"):
        read_report(folder)


def test_a_folder_with_the_name_of_a_source_is_none(tmp_path: Path) -> None:
    folder = write(tmp_path / "R1", GOOD)
    (folder / "notes.txt").mkdir()
    assert read_report(folder).source_name == "source.txt"


# --- a corpus ---


def test_reports_come_sorted_by_id(tmp_path: Path) -> None:
    for name in ("R10", "R2", "A"):
        write(tmp_path / name, f'id = "{name}"\ntitle = "One"\n')
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README.md").write_text("not a report")
    assert [report.id for report in read_corpus(tmp_path)] == ["A", "R10", "R2"]


def test_a_corpus_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nowhere: no such corpus folder; expected"):
        read_corpus(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match=r"holds no report; add a folder"):
        read_corpus(tmp_path)


def test_one_bad_report_refuses_the_corpus_by_its_name(tmp_path: Path) -> None:
    write(tmp_path / "R1", GOOD)
    write(tmp_path / "R2", 'id = "R2"\n')
    with pytest.raises(CorpusError, match=r"R2/report\.toml: field 'title' is missing"):
        read_corpus(tmp_path)
